package authmw_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

var sentinels = []struct {
	err       error
	code      string
	status    int
	oauth     string
	cloudreve int
	alike     []error
}{
	{authmw.ErrMissingToken, "missing_token", 401, "", 401, nil},
	{authmw.ErrMalformedToken, "malformed_token", 401, "invalid_token", 401, []error{jwt.ErrTokenMalformed}},
	{authmw.ErrNodeSignature, "node_signature", 401, "invalid_token", 401, []error{jwt.ErrTokenMalformed}},
	{authmw.ErrInvalidSignature, "invalid_signature", 401, "invalid_token", 401, []error{jwt.ErrTokenSignatureInvalid}},
	{authmw.ErrTokenExpired, "token_expired", 401, "invalid_token", 401, []error{jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims}},
	{authmw.ErrTokenNotYetValid, "token_not_yet_valid", 401, "invalid_token", 401, []error{jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims}},
	{authmw.ErrWrongTokenType, "wrong_token_type", 401, "invalid_token", 40020, []error{jwt.ErrTokenInvalidClaims}},
	{authmw.ErrInvalidClaims, "invalid_claims", 401, "invalid_token", 401, []error{jwt.ErrTokenInvalidClaims}},
	{authmw.ErrTokenRejected, "token_rejected", 401, "invalid_token", 401, []error{jwt.ErrTokenInvalidClaims}},
	{authmw.ErrAmbiguousCredentials, "ambiguous_credentials", 400, "invalid_request", 40001, nil},
	{authmw.ErrInsufficientScope, "insufficient_scope", 403, "insufficient_scope", 40089, nil},
	{authmw.ErrUnavailable, "unavailable", 503, "", 50001, nil},
}

// TestSentinels denies a request for each sentinel by way of an extractor, which may return any of them.
func TestSentinels(t *testing.T) {
	theirs := []error{jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims}
	// RFC 6750 section 3: "Values for the "error" and "error_description" attributes MUST NOT include characters outside
	// the set %x20-21 / %x23-5B / %x5D-7E."
	challenge := regexp.MustCompile(`^Bearer realm="api"(, error="([a-z_]+)", error_description="[ !#-\[\]-~]+")?$`)

	for _, row := range sentinels {
		t.Run(row.code, func(t *testing.T) {
			v := newValidator(t, authmw.WithExtractors(authmw.ExtractorFunc(func(*http.Request) (string, error) {
				return "", fmt.Errorf("the place is odd: %w", row.err)
			})))
			_, err := v.Check(newRequest(), authmw.Required)
			var denied *authmw.Error
			require.ErrorAs(t, err, &denied)
			require.Equal(t, row.code, denied.Code())
			require.Equal(t, row.status, denied.Status())
			require.Equal(t, "authmw: "+row.code, row.err.Error())
			require.Contains(t, err.Error(), "the place is odd")
			for _, other := range sentinels {
				require.Equal(t, other.err == row.err, errors.Is(err, other.err), "one sentinel and no other: %v", other.err)
			}
			for _, other := range theirs {
				alike := false
				for _, a := range row.alike {
					alike = alike || a == other
				}
				require.Equal(t, alike, errors.Is(err, other), "%v", other)
			}
			code, msg := denied.CloudreveCode()
			require.Equal(t, row.cloudreve, code)
			require.NotEmpty(t, msg)

			if row.status == http.StatusServiceUnavailable {
				require.Empty(t, denied.Challenge("api"))
				return
			}
			match := challenge.FindStringSubmatch(denied.Challenge("api"))
			require.NotNil(t, match, denied.Challenge("api"))
			require.Equal(t, row.oauth, match[2])
		})
	}
}

func TestErrorDetail(t *testing.T) {
	v := newValidator(t)
	for _, row := range []struct{ name, old, new, want string }{
		{"expired", `1795434589`, `1795430954`, "authmw: token_expired: expired 35s ago"},
		{"expired in a fraction", `1795434589`, `1795430954.75`, "authmw: token_expired: expired 35s ago"},
		{"expired by a fraction more", `1795434589`, `1795430954.25`, "authmw: token_expired: expired 35s ago"},
		{"not yet valid", `"nbf":1795430989`, `"nbf":1795431119`, "authmw: token_not_yet_valid: valid in 2m10s"},
		{"claim at fault", `1795434589`, `"soon"`, "authmw: invalid_claims: exp: not a number"},
		{"duplicate", `"sub"`, `"exp":1,"sub"`, "authmw: invalid_claims: exp: member given twice"},
		{"unknown member is not named", `"sub"`, `"hello":1,"hello":1,"sub"`, "authmw: invalid_claims: member given twice"},
		{"syntax", `"sub"`, `x`, "authmw: invalid_claims: not one JSON object"},
		{"type", `"access"`, `"refresh"`, `authmw: wrong_token_type: token_type is "refresh"; it must be "access"`},
		{"no type, as in most other tokens", `"token_type":"access",`, ``, `authmw: wrong_token_type: there is no token_type; it must be "access"`},
		{"another type", `"access"`, `"<b>id</b>"`, `authmw: wrong_token_type: token_type: not the right type; it must be "access"`},
		{"no exp", `"exp":1795434589,`, ``, "authmw: invalid_claims: there is no exp"},
		{"no sub", `"wGH0"`, `""`, "authmw: invalid_claims: there is no sub"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), sign(usualHeader, payload(t, row.old, row.new)))
			require.EqualError(t, err, row.want)
		})
	}
	_, err := v.Verify(t.Context(), sign(`{"alg":"none"}`, usualPayload))
	require.EqualError(t, err, "authmw: malformed_token: alg is none; only HS256 is accepted")
	introspected, err := authmw.NewFromIntrospector(introspectorFunc(func(context.Context, string, *authmw.Claims) error { return nil }))
	require.NoError(t, err)
	for alg, want := range map[string]string{
		"RS256": "authmw: malformed_token: alg is RS256; only HS256 is accepted",
		"ES384": "authmw: malformed_token: alg is ES384; only HS256 is accepted",
		"XS256": "authmw: malformed_token: alg: unknown; only HS256 is accepted",
		"HS256": "authmw: malformed_token: the signature does not have 43 characters",
	} {
		// The signatures of other algorithms are longer, or shorter.
		for _, length := range []int{0, 42, 86, 128, 342} {
			token := encode(`{"alg":"`+alg+`","typ":"JWT"}`) + "." + encode(usualPayload) + "." + strings.Repeat("A", length)
			_, err = v.Verify(t.Context(), token)
			require.EqualError(t, err, want)
			_, err = introspected.Verify(t.Context(), token)
			require.EqualError(t, err, want)
		}
	}
	for _, token := range []string{"x", "a.b", encode(`{"alg":"RS256"}`) + ".b.c.d", ".."} {
		_, err = v.Verify(t.Context(), token)
		require.ErrorIs(t, err, authmw.ErrMalformedToken)
		require.NotContains(t, err.Error(), "alg")
	}
	_, err = v.Verify(t.Context(), sign(`{"alg":"<b>RS256</b>"}`, usualPayload))
	require.EqualError(t, err, "authmw: malformed_token: alg: unknown; only HS256 is accepted")
	_, err = v.Verify(t.Context(), sign(`{"alg":"HS256","x":`, usualPayload))
	require.EqualError(t, err, "authmw: malformed_token: not one JSON object")
	_, err = v.Verify(t.Context(), "")
	require.EqualError(t, err, "authmw: missing_token")
	_, err = v.Check(newRequest("Digest x"), authmw.Required)
	require.EqualError(t, err, "authmw: missing_token: there is an Authorization header, but not with a Bearer token")
}

// TestForeignErrorsAreTheServers has what a caller hands to Deny that no Validator returned.
func TestForeignErrorsAreTheServers(t *testing.T) {
	for _, err := range []error{nil, errors.New("disk full"), context.Canceled} {
		w := httptest.NewRecorder()
		newValidator(t).Deny(w, newRequest(), err)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		require.NotContains(t, w.Body.String(), "disk full")
		require.NotContains(t, w.Header(), "Www-Authenticate")
	}
	w := httptest.NewRecorder()
	newValidator(t, authmw.WithRealm("my site")).Deny(w, newRequest(), fmt.Errorf("wrapped: %w", authmw.ErrTokenExpired))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `Bearer realm="my site", error="invalid_token"`)
}

// TestErrorsThatAreNone has errors that errors.As takes for an *Error, but that say nothing: they must not pass for no
// error at all.
func TestErrorsThatAreNone(t *testing.T) {
	for name, none := range map[string]*authmw.Error{"nil": nil, "zero": new(authmw.Error)} {
		t.Run(name, func(t *testing.T) {
			extract := authmw.WithExtractors(authmw.ExtractorFunc(func(*http.Request) (string, error) { return "", none }))
			check := authmw.WithClaimsCheck(func(context.Context, *authmw.Claims) (bool, error) { return true, none })
			for _, v := range []*authmw.Validator{newValidator(t, extract), newValidator(t, check), newValidator(t, extract, authmw.WithLenientOptional())} {
				for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
					claims, err := v.Check(newRequest(bearer(sign(usualHeader, usualPayload))...), mode)
					requireOutcome(t, authmw.ErrUnavailable, claims, err)
				}
			}
			if none != nil {
				require.Equal(t, "unavailable", none.Code())
				require.EqualError(t, none, "authmw: unavailable")
				require.ErrorIs(t, none, authmw.ErrUnavailable)
			}
			w := httptest.NewRecorder()
			newValidator(t).Deny(w, newRequest(), none)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
		})
	}
}

func TestWhatACheckReturnsIsKept(t *testing.T) {
	mine := errors.New("banned in March")
	_, forged := newValidator(t).Verify(t.Context(), signWithOther(usualPayload))
	for _, row := range []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"a sentinel", authmw.ErrTokenRejected, authmw.ErrTokenRejected, "authmw: token_rejected"},
		{"a sentinel with a reason", fmt.Errorf("%w: %w", authmw.ErrTokenRejected, mine), authmw.ErrTokenRejected, "authmw: token_rejected: banned in March"},
		{"an error of this package", forged, authmw.ErrInvalidSignature, "authmw: invalid_signature: made with no current key"},
		{"an error of this package, wrapped", fmt.Errorf("%w: %w", forged, mine), authmw.ErrInvalidSignature, "authmw: invalid_signature: made with no current key: banned in March"},
		{"any other", mine, authmw.ErrUnavailable, "authmw: unavailable: banned in March"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := newValidator(t, authmw.WithClaimsCheck(func(context.Context, *authmw.Claims) (bool, error) { return false, row.err }))
			_, err := v.Verify(t.Context(), sign(usualHeader, usualPayload))
			require.ErrorIs(t, err, row.is)
			require.Equal(t, errors.Is(row.err, mine), errors.Is(err, mine))
			require.EqualError(t, err, row.text)
		})
	}
}
