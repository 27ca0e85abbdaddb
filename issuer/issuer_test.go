package issuer_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

func payloadOf(t *testing.T, token string) (claims struct {
	Sub, JTI    string
	RootTokenID string `json:"root_token_id"`
	Exp, Nbf    int64
	Scopes      []string
	ClientID    string `json:"client_id"`
}) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))
	return claims
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
			grant := issuer.Identity{Subject: access.Sub, ClientID: access.ClientID, Scopes: access.Scopes}
			pair, err := i.Issue(t.Context(), grant)
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

// rotating returns an Issuer, and a clock that it goes by.
func rotating(t *testing.T, options ...issuer.Option) (*issuer.Issuer, *authmwtest.Clock) {
	clock := authmwtest.NewClock(time.Date(2026, 11, 23, 10, 49, 49, 156820287, time.UTC))
	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore(), append([]issuer.Option{issuer.WithClock(clock.Now)}, options...)...)
	require.NoError(t, err)
	return i, clock
}

// TestAccessTokensAreAccepted holds what is issued against the other side, and against golang-jwt.
func TestAccessTokensAreAccepted(t *testing.T) {
	i, clock := rotating(t)
	v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
	require.NoError(t, err)
	grant := issuer.Identity{Subject: "wGH0<&>\u2028é", ClientID: "desktop", Scopes: []string{"Files.Read", "openid"}}
	pair, err := i.Issue(t.Context(), grant)
	require.NoError(t, err)
	for range 3 {
		claims, err := v.Verify(t.Context(), pair.AccessToken)
		require.NoError(t, err)
		require.Equal(t, grant, issuer.Identity{Subject: claims.Subject, ClientID: claims.ClientID, Scopes: claims.Scopes})
		require.Equal(t, claims.ExpiresAt, pair.AccessExpires.Truncate(time.Second))
		require.Empty(t, payloadOf(t, pair.AccessToken).JTI, "Cloudreve's access tokens have none")
		_, err = v.Verify(t.Context(), pair.RefreshToken)
		require.ErrorIs(t, err, authmw.ErrWrongTokenType)
		for _, token := range []string{pair.AccessToken, pair.RefreshToken} {
			_, err = jwt.Parse(token, func(*jwt.Token) (any, error) { return []byte(authmwtest.Secret), nil }, jwt.WithTimeFunc(clock.Now))
			require.NoError(t, err)
		}
		pair, err = i.Refresh(t.Context(), pair.RefreshToken)
		require.NoError(t, err)
	}
}

// TestPairsOfOneSecond has two refreshes in one second, whose tokens differ all the same.
func TestPairsOfOneSecond(t *testing.T) {
	i, _ := rotating(t)
	first, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	second, err := i.Refresh(t.Context(), first.RefreshToken)
	require.NoError(t, err)
	third, err := i.Refresh(t.Context(), second.RefreshToken)
	require.NoError(t, err)
	for n, pair := range []issuer.Pair{first, second, third} {
		claims := payloadOf(t, pair.RefreshToken)
		require.Equal(t, fmt.Sprintf("%s.%d", claims.RootTokenID, n+1), claims.JTI)
	}
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	require.NotEqual(t, second.RefreshToken, third.RefreshToken)
	other, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	require.NotEqual(t, payloadOf(t, first.RefreshToken).RootTokenID, payloadOf(t, other.RefreshToken).RootTokenID)
	require.Equal(t, payloadOf(t, first.RefreshToken).RootTokenID, payloadOf(t, third.RefreshToken).RootTokenID)
}

func TestReuseIsReported(t *testing.T) {
	var reported []issuer.Event
	i, clock := rotating(t, issuer.WithObserver(func(_ context.Context, e issuer.Event) { reported = append(reported, e) }))
	grant := issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"offline_access"}}
	first, err := i.Issue(t.Context(), grant)
	require.NoError(t, err)
	second, err := i.Refresh(t.Context(), first.RefreshToken)
	require.NoError(t, err)
	clock.Advance(issuer.DefaultGrace)
	require.Empty(t, reported)
	_, err = i.Refresh(t.Context(), first.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrReused)
	require.Equal(t, []issuer.Event{{Identity: grant, Err: issuer.ErrReused, Ended: 1}}, reported)
	_, err = i.Refresh(t.Context(), second.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrRevoked)
	require.Len(t, reported, 1)
}

// TestRefusedTokens has every reason that lies in the token, for both ways to refresh and for logging out. Nothing of a
// token is in what is said of it.
func TestRefusedTokens(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 49, 49, 0, time.UTC)
	const root = "d2ceee9a-9a54-4be7-bf92-904c7d17d80a"
	sign := func(secret string, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{"token_type": "refresh", "sub": "wGH0", "exp": now.Unix() + 60, "nbf": now.Unix(), "root_token_id": root}
		change(claims)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		require.NoError(t, err)
		return token
	}
	with := func(name string, value any) string {
		return sign(authmwtest.Secret, func(c jwt.MapClaims) { c[name] = value })
	}
	options := []issuer.Option{issuer.WithClock(func() time.Time { return now })}
	rotating, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore(), options...)
	require.NoError(t, err)
	compatible, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), issuer.NewMemoryStore(), options...)
	require.NoError(t, err)
	for _, row := range []struct {
		name, token string
		want        error
	}{
		{"empty", "", authmw.ErrMalformedToken},
		{"garbage", "garbage", authmw.ErrMalformedToken},
		{"8 KiB and more", with("x", strings.Repeat("x", 8<<10)), authmw.ErrMalformedToken},
		{"alg none", "eyJhbGciOiJub25lIn0" + with("x", 1)[36:], authmw.ErrMalformedToken},
		{"forged", sign(strings.Repeat("guess", 8), func(jwt.MapClaims) {}), authmw.ErrInvalidSignature},
		{"expired and forged", sign(strings.Repeat("guess", 8), func(c jwt.MapClaims) { c["exp"] = 1 }), authmw.ErrInvalidSignature},
		{"expired now", with("exp", now.Unix()), authmw.ErrTokenExpired},
		{"from the future", with("nbf", now.Unix()+61), authmw.ErrTokenNotYetValid},
		{"access token", with("token_type", "access"), authmw.ErrWrongTokenType},
		{"no sub", with("sub", ""), authmw.ErrInvalidClaims},
		{"no family", with("root_token_id", ""), authmw.ErrInvalidClaims},
		{"a family that is no UUID", with("root_token_id", strings.Repeat("x", 36)), authmw.ErrInvalidClaims},
		{"a jti of another form", with("jti", "a"), authmw.ErrInvalidClaims},
		{"another family's jti", with("jti", "d2ceee9a-9a54-4be7-bf92-904c7d17d80b.1"), authmw.ErrInvalidClaims},
		{"a jti without generation", with("jti", root+"."), authmw.ErrInvalidClaims},
		{"generation 0", with("jti", root+".0"), authmw.ErrInvalidClaims},
		{"generation -1", with("jti", root+".-1"), authmw.ErrInvalidClaims},
		{"generation +1", with("jti", root+".+1"), authmw.ErrInvalidClaims},
		{"generation 01", with("jti", root+".01"), authmw.ErrInvalidClaims},
		{"a generation that float64 rounds", with("jti", root+".9007199254740991"), authmw.ErrInvalidClaims},
		{"a generation of 20 digits", with("jti", root+".18446744073709551617"), authmw.ErrInvalidClaims},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, i := range []*issuer.Issuer{rotating, compatible} {
				pair, err := i.Refresh(t.Context(), row.token)
				require.ErrorIs(t, err, row.want)
				require.ErrorIs(t, err, issuer.ErrInvalidGrant)
				require.NotErrorIs(t, err, authmw.ErrUnavailable)
				require.Zero(t, pair)
				if row.token != "" {
					require.NotContains(t, err.Error(), row.token)
				}
				require.ErrorIs(t, i.Revoke(t.Context(), row.token), row.want)
			}
		})
	}
	_, err = rotating.Refresh(t.Context(), with("jti", root+".1"))
	require.ErrorIs(t, err, issuer.ErrRevoked, "good in itself, but in no store")
	_, err = rotating.Refresh(t.Context(), with("x", 1))
	require.ErrorIs(t, err, authmw.ErrInvalidClaims, "Cloudreve's own have no jti")
	_, err = compatible.Refresh(t.Context(), with("jti", root+".1"))
	require.ErrorIs(t, err, authmw.ErrInvalidClaims, "a token that works once, for an issuer that does not count")
	withState := func(jti string) string {
		return sign(authmwtest.Secret, func(c jwt.MapClaims) { c["state_hash"], c["jti"] = "AAAA", jti })
	}
	_, err = rotating.Refresh(t.Context(), withState(root+".1"))
	require.ErrorIs(t, err, issuer.ErrStateChanged, "nobody can check it")
	_, err = compatible.Refresh(t.Context(), with("state_hash", "*"))
	require.ErrorIs(t, err, issuer.ErrStateChanged, "it is not even base64")
	_, err = compatible.Refresh(t.Context(), withState(""))
	require.ErrorIs(t, err, issuer.ErrStateChanged, "nobody can check it")
	_, err = compatible.Refresh(t.Context(), with("nbf", now.Unix()+60))
	require.NoError(t, err, "from a server whose clock is ahead")
	pair, err := compatible.Refresh(t.Context(), with("root_token_id", strings.ToUpper(root)))
	require.NoError(t, err)
	require.NoError(t, compatible.Revoke(t.Context(), with("x", 1)))
	for _, token := range []string{pair.RefreshToken, with("root_token_id", strings.ToUpper(root)), with("y", 1)} {
		_, err = compatible.Refresh(t.Context(), token)
		require.ErrorIs(t, err, issuer.ErrRevoked, "a family has one name, whatever its letter case")
	}
}

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

func TestSecretRotation(t *testing.T) {
	store, now := issuer.NewMemoryStore(), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	clock := issuer.WithClock(func() time.Time { return now })
	const next = "another secret that everybody knows"
	secret := []byte(authmwtest.Secret)
	before, err := issuer.New(secret, store, clock)
	require.NoError(t, err)
	clear(secret) // of which there is a copy
	after, err := issuer.New([]byte(next), store, clock, issuer.WithPreviousSecrets([]byte(authmwtest.Secret)), issuer.WithTTL(time.Minute, time.Hour))
	require.NoError(t, err)
	pair, err := before.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	lost, err := before.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	renewed, err := after.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err, "the answer was lost, and secret and lifetimes changed meanwhile")
	require.Equal(t, payloadOf(t, lost.RefreshToken).JTI, payloadOf(t, renewed.RefreshToken).JTI, "either may be used")
	_, err = before.Refresh(t.Context(), renewed.RefreshToken)
	require.ErrorIs(t, err, authmw.ErrInvalidSignature)
	_, err = after.Refresh(t.Context(), renewed.RefreshToken)
	require.NoError(t, err)
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
	require.Len(t, store.expires, families, "no family for a grant that is none")
}

// recorded keeps what it is told.
type recorded struct{ issuer.Revocations }

var errRecorded = errors.New("recorded")

func (r *recorded) Revoke(_ context.Context, revocation issuer.Revocation) (bool, error) {
	return false, fmt.Errorf("%w: %s until %s after", errRecorded, revocation.RootTokenID, revocation.Until.Sub(revocation.Now))
}

// TestGraceEndsWithTheAccessToken has access tokens that live for less than the grace window, and for a fraction of a second
// less than that, since exp has whole seconds.
func TestGraceEndsWithTheAccessToken(t *testing.T) {
	for client, window := range map[string]time.Duration{"": 10*time.Second - 156820287, "long": time.Minute} {
		for _, row := range []struct {
			after time.Duration
			want  error
		}{{window - time.Microsecond, nil}, {window, issuer.ErrReused}} {
			i, clock := rotating(t, issuer.WithGrace(time.Minute), issuer.WithTTL(10*time.Second, time.Hour), issuer.WithClientTTL("long", time.Hour, time.Hour))
			v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
			require.NoError(t, err)
			pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: client})
			require.NoError(t, err)
			next, err := i.Refresh(t.Context(), pair.RefreshToken)
			require.NoError(t, err)
			clock.Advance(row.after)
			again, err := i.Refresh(t.Context(), pair.RefreshToken)
			require.ErrorIs(t, err, row.want)
			if row.want == nil {
				require.Equal(t, next, again)
				_, err = v.Verify(t.Context(), again.AccessToken)
				require.NoError(t, err)
			}
		}
	}
}

// TestTheLimitIsReported has one user more logins at one client than the limit, and leaves others alone.
func TestTheLimitIsReported(t *testing.T) {
	var reported []issuer.Event
	i, clock := rotating(t, issuer.WithFamilyLimit(2), issuer.WithObserver(func(_ context.Context, e issuer.Event) { reported = append(reported, e) }))
	grants := []issuer.Identity{
		{Subject: "wGH0"}, {Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid"}}, {Subject: "wGH0", ClientID: "phone"}, {Subject: "lUpa"},
	}
	pairs := map[int][]issuer.Pair{}
	for range 2 {
		for n, grant := range grants {
			pair, err := i.Issue(t.Context(), grant)
			require.NoError(t, err)
			pairs[n] = append(pairs[n], pair)
		}
		clock.Advance(time.Second)
	}
	require.Empty(t, reported)
	_, err := i.Issue(t.Context(), grants[1])
	require.NoError(t, err)
	require.Equal(t, []issuer.Event{{Identity: grants[1], Err: issuer.ErrFamilyLimit, Ended: 1}}, reported)
	for n := range grants {
		for m, pair := range pairs[n] {
			_, err := i.Refresh(t.Context(), pair.RefreshToken)
			if n == 1 && m == 0 {
				require.ErrorIs(t, err, issuer.ErrRevoked)
			} else {
				require.NoError(t, err)
			}
		}
	}
}

// TestTheLimitOfLogoutsIsReported has one user log out more often than is kept one by one.
func TestTheLimitOfLogoutsIsReported(t *testing.T) {
	clock := authmwtest.NewClock(noon)
	var reported []issuer.Event
	i, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), issuer.NewMemoryStore(), issuer.WithClock(clock.Now), issuer.WithFamilyLimit(2),
		issuer.WithObserver(func(_ context.Context, e issuer.Event) { reported = append(reported, e) }))
	require.NoError(t, err)
	grant := issuer.Identity{Subject: "wGH0"}
	login := func() string {
		pair, err := i.Issue(t.Context(), grant)
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
	require.Equal(t, []issuer.Event{{Identity: grant, Err: issuer.ErrFamilyLimit}}, reported)
	for _, token := range append(signedOut, idle) {
		_, err = i.Refresh(t.Context(), token)
		require.ErrorIs(t, err, issuer.ErrRevoked)
	}
	for _, token := range []string{active, other.RefreshToken} {
		_, err = i.Refresh(t.Context(), token)
		require.NoError(t, err)
	}
}

// TestRefreshThatCannotAnswer has a token whose successor is too long, which is found before the store uses it up.
func TestRefreshThatCannotAnswer(t *testing.T) {
	i, clock := rotating(t)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	header, rest, _ := strings.Cut(pair.RefreshToken, ".")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(rest, ".")[0])
	require.NoError(t, err)
	// Issued in another way: each < here becomes six characters in its successor.
	long := strings.TrimSuffix(string(payload), "}") + `,"client_id":"` + strings.Repeat("<", 2000) + `"}`
	input := header + "." + base64.RawURLEncoding.EncodeToString([]byte(long))
	mac, err := jwt.SigningMethodHS256.Sign(input, []byte(authmwtest.Secret))
	require.NoError(t, err)
	_, err = i.Refresh(t.Context(), input+"."+base64.RawURLEncoding.EncodeToString(mac))
	require.ErrorIs(t, err, issuer.ErrInvalidGrant)
	require.ErrorContains(t, err, "8 KiB")
	clock.Advance(time.Hour)
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
}

// TestRepeatWithOtherLifetimes has an answer that was lost, and a second Issuer whose tokens live for less than the time since.
func TestRepeatWithOtherLifetimes(t *testing.T) {
	store, clock := issuer.NewMemoryStore(), authmwtest.NewClock(noon)
	long, err := issuer.New([]byte(authmwtest.Secret), store, issuer.WithClock(clock.Now))
	require.NoError(t, err)
	short, err := issuer.New([]byte(authmwtest.Secret), store, issuer.WithClock(clock.Now), issuer.WithTTL(5*time.Second, 10*time.Second))
	require.NoError(t, err)
	pair, err := long.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	_, err = long.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	clock.Advance(20 * time.Second)
	again, err := short.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, clock.Now().Add(5*time.Second), again.AccessExpires)
	_, err = short.Refresh(t.Context(), again.RefreshToken)
	require.NoError(t, err)
}

// TestLargestGrant refreshes it until its generation has another digit.
func TestLargestGrant(t *testing.T) {
	i, clock := rotating(t)
	size := 5000
	var pair issuer.Pair
	for {
		next, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: strings.Repeat("x", size)})
		if err != nil {
			require.ErrorContains(t, err, "8 KiB")
			require.NotErrorIs(t, err, authmw.ErrUnavailable)
			require.NotErrorIs(t, err, issuer.ErrInvalidGrant)
			break
		}
		pair = next
		size++
	}
	require.Greater(t, len(pair.RefreshToken), 8100)
	for range 101 {
		clock.Advance(time.Hour)
		var err error
		pair, err = i.Refresh(t.Context(), pair.RefreshToken)
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

// misleadingStore fails with errors that are not a store's.
type misleadingStore struct {
	issuer.Store
	err error
}

func (s misleadingStore) Rotate(context.Context, issuer.Rotation) (issuer.Outcome, time.Time, error) {
	return issuer.Reused, time.Time{}, s.err
}

func TestErrorsOfStoresAreUnavailable(t *testing.T) {
	for _, failure := range []error{errors.New("down"), issuer.ErrReused, fmt.Errorf("down: %w", issuer.ErrInvalidGrant)} {
		i, err := issuer.New([]byte(authmwtest.Secret), misleadingStore{issuer.NewMemoryStore(), failure},
			issuer.WithObserver(func(context.Context, issuer.Event) { t.Error("nothing ended") }))
		require.NoError(t, err)
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
		require.NoError(t, err)
		_, err = i.Refresh(t.Context(), pair.RefreshToken)
		require.ErrorIs(t, err, authmw.ErrUnavailable)
	}
}

// TestNoGraceAtAll has a second use by a process whose clock is behind the first one's.
func TestNoGraceAtAll(t *testing.T) {
	i, clock := rotating(t, issuer.WithGrace(0))
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	clock.Advance(-time.Second)
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrReused)
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

// TestScopesWithoutAClient has New's tokens bound by their scopes, and keeps a list of nothing apart from no list.
func TestScopesWithoutAClient(t *testing.T) {
	i, clock := rotating(t)
	v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
	require.NoError(t, err)
	for _, scopes := range [][]string{nil, {}, {"Files.Read"}} {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", Scopes: scopes})
		require.NoError(t, err)
		for range 2 {
			claims, err := v.Verify(t.Context(), pair.AccessToken)
			require.NoError(t, err)
			require.Equal(t, scopes, claims.Scopes)
			require.Equal(t, scopes == nil, claims.HasScope("Admin.Write"))
			pair, err = i.Refresh(t.Context(), pair.RefreshToken)
			require.NoError(t, err)
		}
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

func TestGrantsThatAreNone(t *testing.T) {
	i, _ := rotating(t)
	for _, grant := range []issuer.Identity{
		{}, {Subject: strings.Repeat("x", 256)}, {Subject: "a\x00"}, {Subject: "a\xff"}, {Subject: "a", ClientID: "\xff"}, {Subject: "a", Scopes: []string{"\xff"}}, {Subject: "a", ClientID: "c", Scopes: []string{strings.Repeat("x", 8<<10)}},
		{Subject: "a", Scopes: make([]string, 101)},
	} {
		_, err := i.Issue(t.Context(), grant)
		require.Error(t, err, "%.100q", grant)
		require.NotErrorIs(t, err, authmw.ErrUnavailable)
	}
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	_, err := issuer.New([]byte("short"), nil, nil, issuer.WithTTL(0, time.Hour), issuer.WithClientTTL("c", time.Hour, -1), issuer.WithClientTTL("", time.Hour, time.Hour), issuer.WithGrace(time.Hour), issuer.WithTTL(time.Hour, 1<<62),
		issuer.WithStateHash(nil), issuer.WithObserver(nil), issuer.WithClock(nil), issuer.WithPreviousSecrets([]byte("short too")), issuer.WithFamilyLimit(0), issuer.WithFamilyLimit(10_001))
	for _, part := range []string{"the store is nil", "the secret has 5 bytes", "previous secret 1 has 9 bytes", "0s and 1h0m0s", "1h0m0s and -1ns", "1h0m0s and 1281023h53m38.427387904s", "a client without an ID",
		"grace window of 1h0m0s", "each must be between a second and ten years", "state function is nil", "observer is nil", "clock is nil", "an option is nil", "a limit of 0 families", "a limit of 10001 families"} {
		require.ErrorContains(t, err, part)
	}
	_, err = issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), nil, issuer.WithGrace(0))
	require.ErrorContains(t, err, "the revocations are nil")
	require.ErrorContains(t, err, "WithGrace is for New")
}

func TestUnbuiltIssuer(t *testing.T) {
	for _, i := range []*issuer.Issuer{nil, {}} {
		_, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		_, err = i.Refresh(t.Context(), "token")
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, i.Revoke(t.Context(), "token"), authmw.ErrUnavailable)
	}
}

// TestNothingPrintsSecretsOrTokens has the ways in which Go prints a value.
func TestNothingPrintsSecretsOrTokens(t *testing.T) {
	i, _ := rotating(t)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("issued", "pair", pair, "pointer", &pair, "issuer", i)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("issued", "pair", pair, "pointer", &pair, "issuer", i)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		printed := fmt.Sprintf(format+format+format+format, i, *i, pair, &pair) + logged.String()
		for _, hidden := range []string{authmwtest.Secret, pair.AccessToken, pair.RefreshToken, fmt.Sprint([]byte(authmwtest.Secret))[1:40], fmt.Sprintf("%x", authmwtest.Secret)} {
			require.NotContains(t, printed, hidden)
		}
	}
}
