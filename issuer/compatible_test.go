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

// recorded keeps what it is told.
type recorded struct{ issuer.Revocations }

var errRecorded = errors.New("recorded")

func (r *recorded) Revoke(_ context.Context, revocation issuer.Revocation) (bool, error) {
	return false, fmt.Errorf("%w: %s until %s after", errRecorded, revocation.RootTokenID, revocation.Until.Sub(revocation.Now))
}

// TestTheLimitOfLogoutsIsReported has one user log out more often than is kept one by one.
func TestTheLimitOfLogoutsIsReported(t *testing.T) {
	clock := authmwtest.NewClock(noon)
	var reported []issuer.Event
	i, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), issuer.NewMemoryStore(), issuer.WithClock(clock.Now), issuer.WithFamilyLimit(2),
		issuer.WithObserver(func(_ context.Context, e issuer.Event) { reported = append(reported, e) }))
	require.NoError(t, err)
	identity := issuer.Identity{Subject: "wGH0"}
	login := func() string {
		pair, err := i.Issue(t.Context(), identity)
		require.NoError(t, err)
		return pair.RefreshToken
	}
	idle, active := login(), login()
	other, err := i.Issue(t.Context(), issuer.Identity{Subject: "lUpa"})
	require.NoError(t, err)
	var signedOut []string
	for range 3 {
		clock.Advance(5 * time.Minute)
		pair, err := i.Refresh(t.Context(), active)
		require.NoError(t, err)
		active = pair.RefreshToken
		signedOut = append(signedOut, login())
		require.NoError(t, i.Revoke(t.Context(), signedOut[len(signedOut)-1]))
	}
	require.Equal(t, []issuer.Event{{Identity: identity, Err: issuer.ErrFamilyLimit}}, reported)
	for _, token := range append(signedOut, idle) {
		_, err = i.Refresh(t.Context(), token)
		require.ErrorIs(t, err, issuer.ErrRevoked)
	}
	for _, token := range []string{active, other.RefreshToken} {
		_, err = i.Refresh(t.Context(), token)
		require.NoError(t, err)
	}
}

// TestRevokeOfTheOtherKind shows that an Issuer does not say of a login that it ended it when another has to.
func TestRevokeOfTheOtherKind(t *testing.T) {
	rotating, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	require.NoError(t, err)
	compatible, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	require.NoError(t, err)
	for _, pair := range [][2]*issuer.Issuer{{rotating, compatible}, {compatible, rotating}} {
		p, err := pair[0].Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
		require.NoError(t, err)
		require.ErrorIs(t, pair[1].Revoke(t.Context(), p.RefreshToken), authmw.ErrInvalidClaims)
		_, err = pair[0].Refresh(t.Context(), p.RefreshToken)
		require.NoError(t, err)
	}
}

// TestRevocationsOutliveTheirTokens has Cloudreve's ten seconds, and a minute for clocks that differ, on top of the
// client's own lifetime, not of the default.
func TestRevocationsOutliveTheirTokens(t *testing.T) {
	i, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), new(recorded), issuer.WithClientTTL("desktop", time.Minute, 90*time.Minute))
	require.NoError(t, err)
	long, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), new(recorded), issuer.WithTTL(time.Minute, 90*24*time.Hour))
	require.NoError(t, err)
	pair, err := long.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	require.Regexp(t, " until (2160h1m[89]|2160h1m10)[.0-9]*s after", i.Revoke(t.Context(), pair.RefreshToken), "as long as a token from elsewhere")
	for client, lifetime := range map[string]string{"": "336h1m10s", "desktop": "1h31m10s"} {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: client})
		require.NoError(t, err)
		err = i.Revoke(t.Context(), pair.RefreshToken)
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, err, errRecorded)
		require.ErrorContains(t, err, payloadOf(t, pair.RefreshToken).RootTokenID+" until "+lifetime+" after")
	}
}

// TestCompatibleScopesWithoutAClient refuses what Cloudreve would take for a user's own login.
func TestCompatibleScopesWithoutAClient(t *testing.T) {
	store := issuer.NewMemoryStore()
	i, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), store)
	require.NoError(t, err)
	for _, scopes := range [][]string{{}, {"Files.Read"}} {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", Scopes: scopes})
		require.ErrorContains(t, err, "scopes without a client ID")
		require.NotErrorIs(t, err, authmw.ErrUnavailable)
		require.Zero(t, pair)

		root := fmt.Sprintf("0c9b9247-266d-4c2f-bbcf-1f59ea6b313%d", len(scopes))
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"token_type": "refresh", "sub": "wGH0", "scopes": scopes,
			"root_token_id": root, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(authmwtest.Secret))
		require.NoError(t, err)
		_, err = i.Refresh(t.Context(), token)
		require.ErrorIs(t, err, issuer.ErrInvalidGrant)
		require.ErrorContains(t, err, "scopes without a client ID")
		require.NoError(t, i.Revoke(t.Context(), token), "its owner can log out")
		revoked, err := store.Revoked(t.Context(), issuer.Renewal{RootTokenID: root})
		require.NoError(t, err)
		require.True(t, revoked)
	}
	_, err = i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"Files.Read"}})
	require.NoError(t, err)
}
