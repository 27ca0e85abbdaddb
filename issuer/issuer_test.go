package issuer_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

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
	identity := issuer.Identity{Subject: "wGH0<&>\u2028é", ClientID: "desktop", Scopes: []string{"Files.Read", "openid"}}
	pair, err := i.Issue(t.Context(), identity)
	require.NoError(t, err)
	for range 3 {
		claims, err := v.Verify(t.Context(), pair.AccessToken)
		require.NoError(t, err)
		require.Equal(t, identity, issuer.Identity{Subject: claims.Subject, ClientID: claims.ClientID, Scopes: claims.Scopes})
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
	require.Empty(t, issuer.PreviousSecrets(after), "an Issuer keeps no secret as it is")
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
