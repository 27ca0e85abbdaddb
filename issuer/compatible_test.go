package issuer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/capture"
	"github.com/authmw/authmw/issuer"
)

// cloudreveState has the state of the capture's users.
func cloudreveState(c capture.Capture) issuer.Option {
	return issuer.WithStateHash(func(_ context.Context, identity issuer.Identity) ([]byte, error) {
		for _, user := range c.Users {
			if user.Sub == identity.Subject {
				return issuer.CloudreveStateHash(user.Email, user.Password, c.SiteID), nil
			}
		}
		return nil, fmt.Errorf("%w: no such user", issuer.ErrInvalidGrant)
	})
}

// TestCloudrevePairs issues each pair of the capture again, to the byte.
func TestCloudrevePairs(t *testing.T) {
	c := capture.Read(t)
	var expected []json.RawMessage
	for _, exchange := range c.Exchanges {
		switch exchange.Name {
		case "login", "login_bob":
			var answer struct {
				Data struct{ Token json.RawMessage }
			}
			require.NoError(t, json.Unmarshal(exchange.Body, &answer))
			expected = append(expected, answer.Data.Token)
		case "refresh":
			var answer struct{ Data json.RawMessage }
			require.NoError(t, json.Unmarshal(exchange.Body, &answer))
			expected = append(expected, answer.Data)
		}
	}
	require.Len(t, expected, 3)
	for n := 0; n < len(c.Tokens); n += 2 {
		t.Run(c.Tokens[n].Name, func(t *testing.T) {
			access, refresh := payloadOf(t, c.Tokens[n].Token), payloadOf(t, c.Tokens[n+1].Token)
			now := time.Unix(access.Nbf, 0)
			var want issuer.Pair
			if n/2 < len(expected) {
				require.NoError(t, json.Unmarshal(expected[n/2], &want))
				require.Equal(t, c.Tokens[n].Token, want.AccessToken)
				now = want.AccessExpires.Add(-issuer.DefaultAccessTTL)
			}
			i, err := issuer.NewCloudreveCompatible([]byte(c.SecretKey), issuer.NewMemoryStore(), cloudreveState(c),
				issuer.WithClock(func() time.Time { return now }), issuer.WithNewID(func() string { return refresh.RootTokenID }),
				issuer.WithClientTTL("393a1839-f52e-498e-9972-e77cc2241eee", time.Hour, 7776000*time.Second))
			require.NoError(t, err)
			identity := issuer.Identity{Subject: access.Sub, ClientID: access.ClientID, Scopes: access.Scopes}
			pair, err := i.Issue(t.Context(), identity)
			require.NoError(t, err)
			require.Equal(t, c.Tokens[n].Token, pair.AccessToken)
			require.Equal(t, c.Tokens[n+1].Token, pair.RefreshToken)
			require.Equal(t, access.Exp, pair.AccessExpires.Unix())
			require.Equal(t, refresh.Exp, pair.RefreshExpires.Unix())
			if n/2 < len(expected) {
				// Cloudreve reads the clock for each token, here 80 to 100 nanoseconds later.
				require.Less(t, want.RefreshExpires.Sub(pair.RefreshExpires), time.Microsecond)
				pair.RefreshExpires = want.RefreshExpires
				encoded, err := json.Marshal(pair)
				require.NoError(t, err)
				var compact bytes.Buffer
				require.NoError(t, json.Compact(&compact, expected[n/2]))
				require.Equal(t, compact.String(), string(encoded))
			}

			// A token that Cloudreve issued is renewed as by Cloudreve itself.
			pair, err = i.Refresh(t.Context(), c.Tokens[n+1].Token)
			require.NoError(t, err)
			require.Equal(t, c.Tokens[n+1].Token, pair.RefreshToken)
		})
	}
}

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
