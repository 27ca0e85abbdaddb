package authmw_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestNewReportsEverythingAtOnce(t *testing.T) {
	v, err := authmw.New([]byte("short"),
		authmw.WithPreviousSecrets([]byte(testSecret), nil),
		authmw.WithLeeway(-time.Second),
		authmw.WithRealm(`a "realm"`),
		authmw.WithClock(nil),
		authmw.WithMaxTokenSize(0),
		authmw.WithExtractors(nil, authmw.ExtractorFunc(nil), authmw.Cookie(""), authmw.Header("a b")),
		authmw.WithRenderer(nil),
		authmw.WithClaimsCheck(nil),
		authmw.WithObserver(nil),
		nil,
	)
	require.Nil(t, v)
	require.EqualError(t, err, strings.Join([]string{
		`authmw: leeway -1s is not between 0 and 5m0s`,
		`authmw: realm "a \"realm\"" is empty or has characters other than printable ASCII without " and \`,
		`authmw: the clock is nil`,
		`authmw: token size limit 0 is not between 256 and 1048576`,
		`authmw: an extractor is nil`,
		`authmw: an extractor is nil`,
		`authmw: a cookie needs a name`,
		`authmw: "a b" cannot be the name of a header`,
		`authmw: the renderer is nil`,
		`authmw: the claims check is nil`,
		`authmw: the observer is nil`,
		`authmw: an option is nil`,
		`authmw: the secret has 5 bytes, HS256 needs 32 or more (RFC 7518 section 3.2)`,
		`authmw: previous secret 2 has 0 bytes, HS256 needs 32 or more (RFC 7518 section 3.2)`,
	}, "\n"))
}

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

func TestSecretSize(t *testing.T) {
	for _, size := range []int{0, 1, 31} {
		_, err := authmw.New(make([]byte, size))
		require.ErrorContains(t, err, fmt.Sprintf("the secret has %d bytes, HS256 needs 32 or more", size))
	}
	for _, size := range []int{32, 64, 65, 256} {
		_, err := authmw.New(make([]byte, size))
		require.NoError(t, err)
	}
}

func TestNewFromKeySourceErrors(t *testing.T) {
	_, err := authmw.NewFromKeySource(nil, authmw.WithPreviousSecrets([]byte(testSecret)))
	require.EqualError(t, err, "authmw: the key source is nil\nauthmw: previous secrets come from the key source")
	_, err = authmw.NewFromKeySource(authmw.KeySourceFunc(nil))
	require.EqualError(t, err, "authmw: the key source is nil")
}

func TestKeysTellTheirNumber(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret), []byte(otherSecret))
	require.NoError(t, err)
	require.Equal(t, "authmw.Keys(2)", keys.String())
}

func TestExtractorsAreCopied(t *testing.T) {
	extractors := []authmw.Extractor{authmw.AuthorizationHeader()}
	v := newValidator(t, authmw.WithExtractors(extractors...))
	extractors[0] = nil
	_, err := v.Check(newRequest(), authmw.Optional)
	require.NoError(t, err)
}

func TestSecretIsCopied(t *testing.T) {
	secret := []byte(testSecret)
	v, err := authmw.New(secret, authmw.WithClock(clock))
	require.NoError(t, err)
	clear(secret)
	_, err = v.Verify(t.Context(), sign(usualHeader, usualPayload))
	require.NoError(t, err)
}

// TestNothingPrintsSecretsOrTokens prints what a program may come to log, in every way that it may do so.
func TestNothingPrintsSecretsOrTokens(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret), []byte(otherSecret))
	require.NoError(t, err)
	v := newValidator(t)
	token := sign(usualHeader, usualPayload)
	claims, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	secret := authmw.NewContext(t.Context(), claims)
	things := map[string]any{"Keys": keys, "Validator": v, "Claims": claims, "context": secret}
	for name, authorization := range map[string][]string{
		"missing":   {"Token " + token},
		"malformed": {"Bearer " + token + "!"},
		"ambiguous": {"Bearer " + token, "Bearer " + token},
		"signature": {"Bearer " + signWithOther(usualPayload)},
		"node":      {"Bearer Cr " + token},
	} {
		_, err := v.Check(newRequest(authorization...), authmw.Required)
		require.Error(t, err)
		things[name] = err
	}
	_, err = v.Verify(t.Context(), sign(`{"alg":"`+token+`"}`, usualPayload))
	things["header"] = err
	_, err = v.Verify(t.Context(), sign(usualHeader, `{"`+token+`":1,"`+token+`":1}`))
	things["claims"] = err

	signature := token[len(token)-43:]
	for name, thing := range things {
		var b strings.Builder
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, format+"\n", thing)
		}
		slog.New(slog.NewJSONHandler(&b, nil)).Info(name, name, thing)
		slog.New(slog.NewTextHandler(&b, nil)).Info(name, name, thing)
		require.NotContains(t, b.String(), testSecret, name)
		require.NotContains(t, b.String(), otherSecret, name)
		require.NotContains(t, b.String(), signature, name)
		require.NotContains(t, b.String(), fmt.Sprintf("%x", testSecret[:8]), name)
		require.NotContains(t, b.String(), fmt.Sprintf("%x", signature[:8]), name)
	}
}

// TestUnbuiltValidator has the Validator of a program that went on after New's error.
func TestUnbuiltValidator(t *testing.T) {
	for name, v := range map[string]*authmw.Validator{"nil": nil, "zero": new(authmw.Validator)} {
		t.Run(name, func(t *testing.T) {
			token := sign(usualHeader, usualPayload)
			for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
				claims, err := v.Check(newRequest("Bearer "+token), mode)
				requireOutcome(t, authmw.ErrUnavailable, claims, err)
			}
			claims, err := v.Verify(t.Context(), token)
			requireOutcome(t, authmw.ErrUnavailable, claims, err)
			claims, err = v.Check(newRequest(), authmw.Required)
			requireOutcome(t, authmw.ErrMissingToken, claims, err)
			require.Equal(t, http.StatusUnauthorized, v.Denial(newRequest(), err).Status)
		})
	}
}

func TestKeySource(t *testing.T) {
	first, err := authmw.NewKeys([]byte(testSecret))
	require.NoError(t, err)
	second, err := authmw.NewKeys([]byte(otherSecret), []byte(testSecret))
	require.NoError(t, err)
	third, err := authmw.NewKeys([]byte(otherSecret))
	require.NoError(t, err)
	type contextKey struct{}

	var keys *authmw.Keys
	var failure error
	v, err := authmw.NewFromKeySource(authmw.KeySourceFunc(func(ctx context.Context) (*authmw.Keys, error) {
		require.Equal(t, "the request's", ctx.Value(contextKey{}))
		return keys, failure
	}), authmw.WithClock(clock))
	require.NoError(t, err)
	check := func(token string, mode authmw.Mode) error {
		r := newRequest("Bearer " + token)
		_, err := v.Check(r.WithContext(context.WithValue(t.Context(), contextKey{}, "the request's")), mode)
		return err
	}
	oldToken, newToken := sign(usualHeader, usualPayload), signWithOther(usualPayload)

	for _, row := range []struct {
		name     string
		keys     *authmw.Keys
		old, new error
	}{
		{"before the rotation", first, nil, authmw.ErrInvalidSignature},
		{"during", second, nil, nil},
		{"after", third, authmw.ErrInvalidSignature, nil},
		{"no keys", nil, authmw.ErrUnavailable, authmw.ErrUnavailable},
		{"keys that NewKeys did not make", new(authmw.Keys), authmw.ErrUnavailable, authmw.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys = row.keys
			require.ErrorIs(t, check(oldToken, authmw.Required), row.old)
			require.ErrorIs(t, check(newToken, authmw.Required), row.new)
		})
	}

	keys, failure = first, errors.New("the database is gone")
	for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
		err := check(oldToken, mode)
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, err, failure, "the cause is there for the log")
	}
}

// TestKeySourceIsAskedOnce shows that no token makes a server look for its secret more than once, and that nothing does
// without a token.
func TestKeySourceIsAskedOnce(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret), []byte(otherSecret))
	require.NoError(t, err)
	asked := 0
	v, err := authmw.NewFromKeySource(authmw.KeySourceFunc(func(context.Context) (*authmw.Keys, error) {
		asked++
		return keys, nil
	}), authmw.WithClock(clock))
	require.NoError(t, err)
	for _, row := range []struct {
		name  string
		token string
		times int
	}{
		{"none", "", 0},
		{"too long", strings.Repeat("x", 8193), 0},
		{"valid", sign(usualHeader, usualPayload), 1},
		{"forged", signWith(sha256.New, strings.Repeat("x", 32), usualHeader, usualPayload), 1},
		{"garbage", "garbage", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked = 0
			r := newRequest()
			if row.token != "" {
				r = newRequest("Bearer " + row.token)
			}
			_, _ = v.Check(r, authmw.Required)
			require.Equal(t, row.times, asked)
		})
	}
}

// reloader is a KeySource that has newer Keys if it is asked for them.
type reloader struct {
	authmw.KeySource
	newer *authmw.Keys
	asked []*authmw.Keys
}

func (r *reloader) Reload(_ context.Context, failed *authmw.Keys) *authmw.Keys {
	r.asked = append(r.asked, failed)
	return r.newer
}

// TestKeyReloader shows that secrets are looked for once, and only for a token that they would be of use to.
func TestKeyReloader(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret))
	require.NoError(t, err)
	other, err := authmw.NewKeys([]byte(otherSecret))
	require.NoError(t, err)
	forged := signWith(sha256.New, strings.Repeat("x", 32), usualHeader, usualPayload)
	for _, row := range []struct {
		name  string
		newer *authmw.Keys
		token string
		want  error
		asked bool
	}{
		{"valid", other, sign(usualHeader, usualPayload), nil, false},
		{"expired", other, sign(usualHeader, `{"token_type":"access","sub":"wGH0","exp":1}`), authmw.ErrTokenExpired, false},
		{"malformed", other, "garbage", authmw.ErrMalformedToken, false},
		{"too long", other, strings.Repeat("x", 8193), authmw.ErrMalformedToken, false},
		{"signed with a newer secret", other, signWithOther(usualPayload), nil, true},
		{"of a newer secret and expired", other, signWithOther(`{"token_type":"access","sub":"wGH0","exp":1}`), authmw.ErrTokenExpired, true},
		{"forged", other, forged, authmw.ErrInvalidSignature, true},
		{"nothing newer", nil, forged, authmw.ErrInvalidSignature, true},
		{"the same", keys, forged, authmw.ErrInvalidSignature, true},
		{"keys that NewKeys did not make", new(authmw.Keys), forged, authmw.ErrInvalidSignature, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			source := &reloader{KeySource: keys, newer: row.newer}
			v, err := authmw.NewFromKeySource(source, authmw.WithClock(clock))
			require.NoError(t, err)
			claims, err := v.Check(newRequest("Bearer "+row.token), authmw.Required)
			if row.asked {
				require.Equal(t, []*authmw.Keys{keys}, source.asked)
			} else {
				require.Empty(t, source.asked)
			}
			if row.want == nil {
				require.NoError(t, err)
				require.Equal(t, "wGH0", claims.Subject)
			} else {
				requireOutcome(t, row.want, claims, err)
			}
		})
	}
}

func TestPreviousSecrets(t *testing.T) {
	oldest := strings.Repeat("x", 32)
	v, err := authmw.New([]byte(otherSecret), authmw.WithPreviousSecrets([]byte(testSecret)),
		authmw.WithPreviousSecrets([]byte(oldest)), authmw.WithClock(clock))
	require.NoError(t, err)
	for _, token := range []string{
		signWithOther(usualPayload), sign(usualHeader, usualPayload), signWith(sha256.New, oldest, usualHeader, usualPayload),
	} {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
}
