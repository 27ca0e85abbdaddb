package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

func TestStateHash(t *testing.T) {
	password, failure := "first", error(nil)
	type contextKey struct{}
	ctx := context.WithValue(t.Context(), contextKey{}, 1)
	state := issuer.WithStateHash(func(ctx context.Context, identity issuer.Identity) ([]byte, error) {
		require.Equal(t, "wGH0", identity.Subject)
		require.Equal(t, 1, ctx.Value(contextKey{}))
		for n := range identity.Scopes {
			identity.Scopes[n] = "Admin.Write"
		}
		return issuer.CloudreveStateHash("admin@example.com", password, "site"), failure
	})
	store := issuer.NewMemoryStore()
	first, err := issuer.New([]byte(authmwtest.Secret), store, state)
	require.NoError(t, err)
	second, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), store, state)
	require.NoError(t, err)
	for _, i := range []*issuer.Issuer{first, second} {
		password, failure = "first", nil
		scopes := []string{"openid"}
		pair, err := i.Issue(ctx, issuer.Identity{Subject: "wGH0", ClientID: "c", Scopes: scopes})
		require.NoError(t, err)
		require.Equal(t, []string{"openid"}, scopes)
		require.Equal(t, scopes, payloadOf(t, pair.AccessToken).Scopes, "what the function does to them is not signed")

		password = "second"
		_, err = i.Refresh(ctx, pair.RefreshToken)
		require.ErrorIs(t, err, issuer.ErrStateChanged)
		require.ErrorIs(t, err, issuer.ErrInvalidGrant)

		password, failure = "first", errors.New("no database")
		_, err = i.Refresh(ctx, pair.RefreshToken)
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, err, failure)
		require.NotErrorIs(t, err, issuer.ErrInvalidGrant)
		_, err = i.Issue(ctx, issuer.Identity{Subject: "wGH0"})
		require.ErrorIs(t, err, authmw.ErrUnavailable)

		failure = fmt.Errorf("%w: banned", issuer.ErrInvalidGrant)
		_, err = i.Refresh(ctx, pair.RefreshToken)
		require.ErrorIs(t, err, failure)
		require.NotErrorIs(t, err, authmw.ErrUnavailable)

		failure = nil
		_, err = i.Refresh(ctx, pair.RefreshToken)
		require.NoError(t, err, "none of it used the token up")

		without, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"token_type": "refresh", "sub": "wGH0", "exp": time.Now().Unix() + 60,
			"root_token_id": payloadOf(t, pair.RefreshToken).RootTokenID, "jti": payloadOf(t, pair.RefreshToken).JTI}).SignedString([]byte(authmwtest.Secret))
		require.NoError(t, err)
		_, err = i.Refresh(ctx, without)
		require.ErrorIs(t, err, issuer.ErrStateChanged, "a token that tells nothing of its state")
	}
}

func TestLifetimes(t *testing.T) {
	i, clock := rotating(t, issuer.WithTTL(time.Minute, time.Hour), issuer.WithClientTTL("desktop", 2*time.Minute, 2*time.Hour))
	for client, times := range map[string]time.Duration{"": 1, "desktop": 2, "other": 1} {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: client})
		require.NoError(t, err)
		for range 2 {
			require.Equal(t, clock.Now().Add(times*time.Minute), pair.AccessExpires)
			require.Equal(t, clock.Now().Add(times*time.Hour), pair.RefreshExpires)
			require.Equal(t, pair.RefreshExpires.Unix(), payloadOf(t, pair.RefreshToken).Exp)
			clock.Advance(90 * time.Second)
			pair, err = i.Refresh(t.Context(), pair.RefreshToken)
			require.NoError(t, err)
		}
	}
}

// oddStore answers what no store may, and keeps what it is told.
type oddStore struct {
	issuer.Store
	outcome issuer.Outcome
	expires []time.Time
}

func (s *oddStore) Create(ctx context.Context, f issuer.Family) (int, error) {
	s.expires = append(s.expires, f.Expires)
	return s.Store.Create(ctx, f)
}

func (s *oddStore) Rotate(ctx context.Context, r issuer.Rotation) (issuer.Outcome, time.Time, error) {
	s.expires = append(s.expires, r.Expires)
	if s.outcome != issuer.Rotated {
		return s.outcome, r.Now, nil
	}
	return s.Store.Rotate(ctx, r)
}

func TestStoresAreToldTheClientsLifetime(t *testing.T) {
	store := &oddStore{Store: issuer.NewMemoryStore(), outcome: issuer.Rotated}
	i, err := issuer.New([]byte(authmwtest.Secret), store, issuer.WithClientTTL("desktop", time.Minute, 90*time.Minute))
	require.NoError(t, err)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: "desktop"})
	require.NoError(t, err)
	require.True(t, pair.RefreshExpires.Equal(store.expires[0]))
	pair, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	require.True(t, pair.RefreshExpires.Equal(store.expires[1]))
	for _, odd := range []issuer.Outcome{0, 5, -1} {
		store.outcome = odd
		_, err = i.Refresh(t.Context(), pair.RefreshToken)
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorContains(t, err, odd.String())
	}
	families := len(store.expires)
	_, err = i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: "c", Scopes: make([]string, 3000)})
	require.Error(t, err)
	require.Len(t, store.expires, families, "no family for an identity that is none")
}
