package authmw_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestConfigurationBounds(t *testing.T) {
	for _, row := range []struct {
		name   string
		option authmw.Option
		ok     bool
	}{
		{"no leeway", authmw.WithLeeway(0), true},
		{"five minutes of leeway", authmw.WithLeeway(5 * time.Minute), true},
		{"more leeway", authmw.WithLeeway(5*time.Minute + 1), false},
		{"smallest token size", authmw.WithMaxTokenSize(256), true},
		{"smaller token size", authmw.WithMaxTokenSize(255), false},
		{"largest token size", authmw.WithMaxTokenSize(1 << 20), true},
		{"larger token size", authmw.WithMaxTokenSize(1<<20 + 1), false},
		{"empty realm", authmw.WithRealm(""), false},
		{"realm with a line break", authmw.WithRealm("a\r\nSet-Cookie: b"), false},
		{"realm with a backslash", authmw.WithRealm(`a\b`), false},
		{"realm with spaces", authmw.WithRealm("my site"), true},
		{"realm beyond ASCII", authmw.WithRealm("Büro"), false},
		{"no extractors", authmw.WithExtractors(), false},
		{"previous secret of 31 bytes", authmw.WithPreviousSecrets(make([]byte, 31)), false},
		{"previous secret of 32 bytes", authmw.WithPreviousSecrets(make([]byte, 32)), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			v, err := authmw.New([]byte(testSecret), row.option)
			require.Equal(t, row.ok, err == nil, "%v", err)
			require.Equal(t, row.ok, v != nil)
		})
	}
}

func TestLeeway(t *testing.T) {
	var now time.Time
	at := func(leeway time.Duration, seconds int64, nanos int64) error {
		v := newValidator(t, authmw.WithLeeway(leeway), authmw.WithClock(func() time.Time { return now }))
		now = time.Unix(seconds, nanos)
		_, err := v.Verify(t.Context(), sign(usualHeader, usualPayload))
		return err
	}
	const nbf, exp = 1795430989, 1795434589
	require.NoError(t, at(0, nbf, 0))
	require.NoError(t, at(0, exp-1, 999999999))
	require.ErrorIs(t, at(0, nbf-1, 999999999), authmw.ErrTokenNotYetValid)
	require.ErrorIs(t, at(0, exp, 0), authmw.ErrTokenExpired)

	require.NoError(t, at(30*time.Second, nbf-30, 0))
	require.NoError(t, at(30*time.Second, exp+29, 999999999))
	require.ErrorIs(t, at(30*time.Second, nbf-31, 999999999), authmw.ErrTokenNotYetValid)
	require.ErrorIs(t, at(30*time.Second, exp+30, 0), authmw.ErrTokenExpired)
}

func TestExtractorsAreCopied(t *testing.T) {
	extractors := []authmw.Extractor{authmw.AuthorizationHeader()}
	v := newValidator(t, authmw.WithExtractors(extractors...))
	extractors[0] = nil
	_, err := v.Check(newRequest(), authmw.Optional)
	require.NoError(t, err)
}

func TestLenientOptional(t *testing.T) {
	v := newValidator(t, authmw.WithLenientOptional(), authmw.WithClaimsCheck(func(_ context.Context, c *authmw.Claims) (bool, error) {
		if c.Subject == "down" {
			return false, errors.New("the database is gone")
		}
		return c.Subject != "banned", nil
	}))
	with := func(old, new string) []string { return bearer(sign(usualHeader, payload(t, old, new))) }
	for _, row := range []struct {
		name      string
		header    []string
		err       error
		anonymous bool
	}{
		{"malformed header", []string{"Bearer"}, authmw.ErrMalformedToken, true},
		{"malformed token", bearer("garbage"), authmw.ErrMalformedToken, true},
		{"node signature", []string{"Bearer Cr x"}, authmw.ErrNodeSignature, true},
		{"wrong signature", bearer(signWithOther(usualPayload)), authmw.ErrInvalidSignature, true},
		{"expired", with("1795434589", "1"), authmw.ErrTokenExpired, true},
		{"not yet valid", with(`"nbf":1795430989`, `"nbf":1795430990`), authmw.ErrTokenNotYetValid, true},
		{"sub of another type", with(`"wGH0"`, "1"), authmw.ErrInvalidClaims, true},
		{"payload null, unlike Cloudreve", bearer(sign(usualHeader, `null`)), authmw.ErrInvalidClaims, true},
		{"empty payload", bearer(sign(usualHeader, `{}`)), authmw.ErrWrongTokenType, false},
		{"no token_type", with(`"token_type":"access",`, ``), authmw.ErrWrongTokenType, false},
		{"token_type null", with(`"access"`, `null`), authmw.ErrWrongTokenType, false},
		{"no sub", with(`"sub":"wGH0",`, ``), authmw.ErrInvalidClaims, false},
		{"neither sub nor exp", bearer(sign(usualHeader, `{"token_type":"access"}`)), authmw.ErrInvalidClaims, false},
		{"sub empty", with(`"wGH0"`, `""`), authmw.ErrInvalidClaims, false},
		{"sub null", with(`"wGH0"`, `null`), authmw.ErrInvalidClaims, false},
		{"sub that is nobody's", with(`wGH0`, `\u0000`), authmw.ErrInvalidClaims, false},
		{"refresh token", with("access", "refresh"), authmw.ErrWrongTokenType, false},
		{"scopes", with(`"sub"`, `"client_id":"c","sub"`), authmw.ErrInsufficientScope, false},
		{"banned", with("wGH0", "banned"), authmw.ErrTokenRejected, false},
		{"check down", with("wGH0", "down"), authmw.ErrUnavailable, false},
		{"ambiguous", []string{"Bearer a", "Bearer b"}, authmw.ErrAmbiguousCredentials, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			claims, err := v.Check(newRequest(row.header...), authmw.Required, "Files.Read")
			requireOutcome(t, row.err, claims, err)

			claims, err = v.Check(newRequest(row.header...), authmw.Optional, "Files.Read")
			r, errAuthenticate := v.Authenticate(newRequest(row.header...), authmw.Optional, "Files.Read")
			if !row.anonymous {
				requireOutcome(t, row.err, claims, err)
				require.ErrorIs(t, errAuthenticate, row.err)
				require.Nil(t, r)
				return
			}
			require.NoError(t, err)
			require.Nil(t, claims)
			require.NoError(t, errAuthenticate)
			require.ErrorIs(t, authmw.AnonymousReason(r.Context()), row.err)
			_, ok := authmw.FromContext(r.Context())
			require.False(t, ok)
		})
	}
	require.NoError(t, authmw.AnonymousReason(t.Context()))
}

// TestLenientOptionalHasItsLimits has failures that only an extractor can come up with.
func TestLenientOptionalHasItsLimits(t *testing.T) {
	for _, row := range sentinels {
		v := newValidator(t, authmw.WithLenientOptional(), authmw.WithExtractors(
			authmw.ExtractorFunc(func(*http.Request) (string, error) { return "", row.err })))
		claims, err := v.Check(newRequest(), authmw.Optional)
		switch row.err {
		case authmw.ErrMalformedToken, authmw.ErrNodeSignature, authmw.ErrInvalidSignature, authmw.ErrTokenExpired,
			authmw.ErrTokenNotYetValid, authmw.ErrInvalidClaims:
			require.NoError(t, err)
		default:
			requireOutcome(t, row.err, claims, err)
		}
	}
}

// TestStrictScopes keeps the strictness out of an introspector's sight, which chooses by scopes what to ask.
func TestStrictScopes(t *testing.T) {
	var shown, checked []bool
	v, err := authmw.NewFromIntrospector(introspectorFunc(func(_ context.Context, _ string, claims *authmw.Claims) error {
		shown = append(shown, claims.HasScope("UserInfo.Read"))
		return nil
	}), authmw.WithClock(clock), authmw.WithStrictScopes(), authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
		checked = append(checked, claims.HasScope("UserInfo.Read"))
		return true, nil
	}))
	require.NoError(t, err)
	own := "Bearer " + sign(usualHeader, usualPayload)
	_, err = v.Check(newRequest(own), authmw.Required, "Files.Read")
	require.ErrorIs(t, err, authmw.ErrInsufficientScope)
	require.Equal(t, []bool{true}, shown)
	require.Equal(t, []bool{false}, checked)
	claims, err := v.Verify(t.Context(), strings.TrimPrefix(own, "Bearer "))
	require.NoError(t, err)
	require.False(t, claims.HasScope("Files.Read"))
	var decoded authmw.Claims
	require.NoError(t, claims.Decode(&decoded))
	require.False(t, decoded.HasScope("Files.Read"))
	_, err = v.Check(newRequest(own), authmw.Required)
	require.NoError(t, err, "a route that asks for no scope")
}

func TestClaimsCheck(t *testing.T) {
	type contextKey struct{}
	down := errors.New("the database is gone")
	v := newValidator(t, authmw.WithClaimsCheck(func(ctx context.Context, c *authmw.Claims) (bool, error) {
		require.Equal(t, "the request's", ctx.Value(contextKey{}))
		switch c.Subject {
		case "banned":
			return false, nil
		case "down":
			return true, down
		case "banned in March":
			return false, fmt.Errorf("%w: banned in March", authmw.ErrTokenRejected)
		}
		return true, nil
	}))
	for subject, want := range map[string]error{
		"wGH0": nil, "banned": authmw.ErrTokenRejected, "banned in March": authmw.ErrTokenRejected, "down": authmw.ErrUnavailable,
	} {
		token := sign(usualHeader, payload(t, "wGH0", subject))
		ctx := context.WithValue(t.Context(), contextKey{}, "the request's")
		for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
			claims, err := v.Check(newRequest("Bearer "+token).WithContext(ctx), mode)
			requireOutcome(t, want, claims, err)
		}
		claims, err := v.Verify(ctx, token)
		requireOutcome(t, want, claims, err)
		require.Equal(t, subject == "down", errors.Is(err, down))
	}
	_, err := v.Check(newRequest(), authmw.Optional)
	require.NoError(t, err, "nobody is asked about an anonymous sender")
	_, err = v.Check(newRequest("Bearer "+signWithOther(usualPayload)), authmw.Required)
	require.ErrorIs(t, err, authmw.ErrInvalidSignature, "nor about a token that is not good")
}

// TestCheckThatReplacesClaims has a check that keeps nothing but the subject.
func TestCheckThatReplacesClaims(t *testing.T) {
	replace := authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
		*claims = authmw.Claims{Subject: claims.Subject}
		return true, nil
	})
	own, client := sign(usualHeader, usualPayload), sign(usualHeader, payload(t, `"sub"`, `"client_id":"c","scopes":["Files.Read"],"sub"`))
	for _, row := range []struct {
		name, token string
		v           *authmw.Validator
		want        error
	}{
		{"client's token", client, newValidator(t, replace), authmw.ErrInsufficientScope},
		{"own token", own, newValidator(t, replace), nil},
		{"own token, strict", own, newValidator(t, replace, authmw.WithStrictScopes()), authmw.ErrInsufficientScope},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := row.v.Check(newRequest("Bearer "+row.token), authmw.Required, "Admin.Write")
			require.ErrorIs(t, err, row.want)
			claims, err := row.v.Verify(t.Context(), row.token)
			require.NoError(t, err)
			require.Equal(t, row.want == nil, claims.HasScope("Admin.Write"))
		})
	}
}
