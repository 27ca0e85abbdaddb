package authmw_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/capture"
	"github.com/authmw/authmw/internal/hostile"
	"github.com/authmw/authmw/internal/logtest"
)

// Tokens are made by hand here: no library would make most of them.

// issued is when the capture's first tokens were issued, and now in these tests.
const issued = 1795430989

func clock() time.Time { return time.Unix(issued, 0) }

const (
	testSecret  = "viHqGBnQZxedlpUuZEhUxX8jmbrEAlslDCC00zHngSxxOENb4v13Kn9wk9yY9WtX"
	otherSecret = "somebody else's secret, which is just as long as it needs to be"

	usualHeader  = `{"alg":"HS256","typ":"JWT"}`
	usualPayload = `{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":1795430989}`
)

func encode(segment string) string { return base64.RawURLEncoding.EncodeToString([]byte(segment)) }

func signWith(newHash func() hash.Hash, secret, header, payload string) string {
	return signSegments(newHash, secret, encode(header)+"."+encode(payload))
}

func signSegments(newHash func() hash.Hash, secret, input string) string {
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

func sign(header, payload string) string {
	return signWith(sha256.New, testSecret, header, payload)
}

// payload returns the usual one with the first old replaced by new.
func payload(t *testing.T, old, new string) string {
	t.Helper()
	require.Contains(t, usualPayload, old)
	return strings.Replace(usualPayload, old, new, 1)
}

func newValidator(t testing.TB, options ...authmw.Option) *authmw.Validator {
	t.Helper()
	v, err := authmw.New([]byte(testSecret), append([]authmw.Option{authmw.WithClock(clock)}, options...)...)
	require.NoError(t, err)
	return v
}

func newRequest(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

func nested(depth int) string {
	return fmt.Sprintf(`{"token_type":"access","sub":"wGH0","exp":1795434589,"x":%s}`,
		strings.Repeat("[", depth-1)+strings.Repeat("]", depth-1))
}

func signWithOther(payload string) string {
	return signWith(sha256.New, otherSecret, usualHeader, payload)
}

// parameters returns a header with n parameters.
func parameters(n int) string {
	var b strings.Builder
	b.WriteString(`{"alg":"HS256"`)
	for i := range n - 1 {
		fmt.Fprintf(&b, `,"p%d":%d`, i, i)
	}
	return b.String() + "}"
}

func bearer(token string) []string { return []string{"Bearer " + token} }

func requireOutcome(t *testing.T, want error, claims *authmw.Claims, err error) {
	t.Helper()
	if want == nil {
		require.NoError(t, err)
		require.NotNil(t, claims)
		return
	}
	require.ErrorIs(t, err, want)
	require.Nil(t, claims, "no claims with an error")
}

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

func TestNewFromKeySourceErrors(t *testing.T) {
	_, err := authmw.NewFromKeySource(nil, authmw.WithPreviousSecrets([]byte(testSecret)))
	require.EqualError(t, err, "authmw: the key source is nil\nauthmw: previous secrets come from the key source")
	_, err = authmw.NewFromKeySource(authmw.KeySourceFunc(nil))
	require.EqualError(t, err, "authmw: the key source is nil")
}

func TestNewFromIntrospector(t *testing.T) {
	_, err := authmw.NewFromIntrospector(nil, authmw.WithPreviousSecrets([]byte(testSecret)), authmw.WithClock(nil))
	for _, want := range []string{"the introspector is nil", "previous secrets", "the clock is nil"} {
		require.ErrorContains(t, err, want)
	}
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

// What Cloudreve 4.14 makes of a request, observed on a running one.
const (
	accepts = true
	refuses = false // which to Cloudreve mostly means: takes for anonymous
)

// A row says what is answered to a request under Required, and why, wherever Cloudreve answers otherwise.
type row struct {
	name      string
	header    []string // the values of Authorization
	want      error    // nil: the claims of wGH0
	cloudreve bool
	why       string
}

func runRows(t *testing.T, rows []row, options ...authmw.Option) {
	keys, err := authmw.NewKeys([]byte(testSecret))
	require.NoError(t, err)
	plain, err := authmw.NewFromKeySource(authmw.PlainKeys(keys), append(options, authmw.WithClock(clock))...)
	require.NoError(t, err)
	runRowsWith(t, plain, rows)
	runRowsWith(t, newValidator(t, options...), rows)
	introspected, err := authmw.NewFromIntrospector(knowing{plain}, append(options, authmw.WithClock(clock))...)
	require.NoError(t, err)
	runRowsWith(t, introspected, slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return strings.HasSuffix(r.name, " and forged") // which is not what is seen first there
	}))
}

// knowing is an introspector that has the secret. It finds fault with nothing but signatures: all else was seen before.
type knowing struct{ *authmw.Validator }

func (k knowing) Introspect(ctx context.Context, token string, said *authmw.Claims) error {
	claims, err := k.Verify(ctx, token)
	if err != nil && !errors.Is(err, authmw.ErrInvalidSignature) {
		return fmt.Errorf("not seen before: %v", err)
	}
	if err == nil && !reflect.DeepEqual(claims, said) {
		return errors.New("other claims")
	}
	return err
}

func runRowsWith(t *testing.T, v *authmw.Validator, rows []row) {
	names := map[string]bool{}
	for _, row := range rows {
		require.False(t, names[row.name], "two rows named %s", row.name)
		names[row.name] = true
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, (row.want == nil) != row.cloudreve, row.why != "", "a reason, if Cloudreve answers otherwise")

			claims, err := v.Check(newRequest(row.header...), authmw.Required)
			requireOutcome(t, row.want, claims, err)
			if row.want == nil {
				require.Equal(t, "wGH0", claims.Subject)
			}

			// Optional differs in one thing: no credentials are no error.
			claims, err = v.Check(newRequest(row.header...), authmw.Optional)
			if errors.Is(row.want, authmw.ErrMissingToken) {
				require.NoError(t, err)
				require.Nil(t, claims)
			} else {
				requireOutcome(t, row.want, claims, err)
			}

			claims, err = v.Check(newRequest(row.header...), authmw.None)
			require.NoError(t, err)
			require.Nil(t, claims)
		})
	}
}

const (
	whyGrammar   = "RFC 6750 and RFC 9110 say what an Authorization header looks like, and clients follow them"
	whyScheme    = "the scheme is what says that this is a token"
	whyAmbiguous = "two credentials can be two senders: a proxy in front may look at the other one"
	whyAlgorithm = "one key is for one algorithm (RFC 8725 section 3.1)"
	whyHeader    = "the header asks for something that is not done here (RFC 7515 section 4.1.11)"
	whyType      = "another typ is another kind of token (RFC 8725 section 3.11)"
	whyExpires   = "a token that never expires cannot be taken back"
	whyNumber    = "every implementation must read a number alike"
	whyYear      = "a time after the year 9999 is milliseconds taken for seconds, or an overflow elsewhere"
	whyDuplicate = "of two members, which one counts differs between implementations (RFC 7519 section 4)"
	whyFold      = "member names are case-sensitive (RFC 7519 section 10.1.1); a decoder that folds them reads another token"
	whyUTF8      = "a decoder that replaces what is not UTF-8 makes two subjects one"
	whySpelling  = "a token has one spelling, or lists of revoked ones leak"
	whySize      = "whoever sends it, it is paid for before anything is known of the sender"
)

// TestProbeMatrix has the requests that a survey sent to Cloudreve and nine Go libraries, under its names for them.
func TestProbeMatrix(t *testing.T) {
	good := sign(usualHeader, usualPayload)
	bad := good[:len(good)-43] + encode(strings.Repeat("\x00", 32))
	with := func(old, new string) []string { return bearer(sign(usualHeader, payload(t, old, new))) }
	header := func(header string) []string { return bearer(sign(header, usualPayload)) }
	whole := func(payload string) []string { return bearer(sign(usualHeader, payload)) }
	const exp, nbf = `"exp":1795434589`, `"nbf":1795430989`

	runRows(t, []row{
		{"good", bearer(good), nil, accepts, ""},
		{"no header", nil, authmw.ErrMissingToken, refuses, ""},
		{"garbage token", bearer("garbage"), authmw.ErrMalformedToken, refuses, ""},
		{"bad signature", bearer(bad), authmw.ErrInvalidSignature, refuses, ""},
		{"expired", with(exp, `"exp":1795430988`), authmw.ErrTokenExpired, refuses, ""},
		{"refresh token as access", with(`"access"`, `"refresh"`), authmw.ErrWrongTokenType, refuses, ""},

		{"exp missing", with(exp+",", ""), authmw.ErrInvalidClaims, accepts, whyExpires},
		{"exp null", with(exp, `"exp":null`), authmw.ErrInvalidClaims, accepts, whyExpires},
		{"exp 0", with(exp, `"exp":0`), authmw.ErrTokenExpired, refuses, ""},
		{`exp string "N"`, with(exp, `"exp":"1795434589"`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"exp fraction .5", with(exp, `"exp":1795434589.5`), nil, accepts, ""},
		{"exp 1e300", with(exp, `"exp":1e300`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp 1e400 (>float64)", with(exp, `"exp":1e400`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp 2^63", with(exp, `"exp":9223372036854775808`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp 2^63-1", with(exp, `"exp":9223372036854775807`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp 1e18", with(exp, `"exp":1000000000000000000`), authmw.ErrInvalidClaims, accepts, whyYear},
		{"exp true", with(exp, `"exp":true`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp in ms", with(exp, `"exp":1795434589000`), authmw.ErrInvalidClaims, accepts, whyYear},

		{"nbf missing", with(","+nbf, ""), nil, accepts, ""},
		{"nbf future", with(nbf, `"nbf":1795430990`), authmw.ErrTokenNotYetValid, refuses, ""},
		{"nbf future as string", with(nbf, `"nbf":"1795430990"`), authmw.ErrInvalidClaims, refuses, ""},
		{"nbf -1e300", with(nbf, `"nbf":-1e300`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"nbf 1e300 (far future)", with(nbf, `"nbf":1e300`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"nbf 2^63", with(nbf, `"nbf":9223372036854775808`), authmw.ErrInvalidClaims, accepts, whyYear},

		{"dup exp past,future", with(exp, `"exp":1,`+exp), authmw.ErrInvalidClaims, accepts, whyDuplicate},
		{"dup exp future,past", with(exp, exp+`,"exp":1`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp past + EXP future", with(exp, `"exp":1,"EXP":1795434589`), authmw.ErrInvalidClaims, accepts, whyFold},
		{"only EXP", with(`"exp"`, `"EXP"`), authmw.ErrInvalidClaims, accepts, whyFold},
		{"only EXP past", with(exp, `"EXP":1`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp past + eXp null", with(exp, `"exp":1,"eXp":null`), authmw.ErrInvalidClaims, accepts, whyFold},
		{"token_type refresh + Token_Type access", with(`"access"`, `"refresh","Token_Type":"access"`), authmw.ErrInvalidClaims, accepts, whyFold},
		{"Kelvin-sign toKen_type only", with(`"token_type"`, "\"to\u212aen_type\""), authmw.ErrInvalidClaims, accepts, whyFold},
		{"dup sub", with(`"sub":"wGH0"`, `"sub":"ogUy","sub":"wGH0"`), authmw.ErrInvalidClaims, accepts, whyDuplicate},
		{"sub number", with(`"wGH0"`, `1`), authmw.ErrInvalidClaims, refuses, ""},
		{"sub missing", with(`"sub":"wGH0",`, ``), authmw.ErrInvalidClaims, refuses, ""},
		{"invalid utf8 in sub", with(`wGH0`, "wGH0\xff"), authmw.ErrInvalidClaims, refuses, ""},
		{"lone surrogate sub", with(`wGH0`, `wGH0\ud800`), authmw.ErrInvalidClaims, refuses, ""},
		{"trailing JSON data", whole(usualPayload + `{}`), authmw.ErrInvalidClaims, refuses, ""},
		{"trailing whitespace JSON", whole(usualPayload + " \t\r\n"), nil, accepts, ""},
		{"payload null", whole(`null`), authmw.ErrInvalidClaims, refuses, ""},
		{"payload []", whole(`[]`), authmw.ErrInvalidClaims, refuses, ""},

		{"alg HS512 right key", bearer(signWith(sha512.New, testSecret, `{"alg":"HS512","typ":"JWT"}`, usualPayload)), authmw.ErrMalformedToken, accepts, whyAlgorithm},
		{"alg HS384 right key", bearer(signWith(sha512.New384, testSecret, `{"alg":"HS384","typ":"JWT"}`, usualPayload)), authmw.ErrMalformedToken, accepts, whyAlgorithm},
		{"alg none, empty sig", bearer(encode(`{"alg":"none","typ":"JWT"}`) + "." + encode(usualPayload) + "."), authmw.ErrMalformedToken, refuses, ""},
		{"alg None + HS256 sig", header(`{"alg":"None","typ":"JWT"}`), authmw.ErrMalformedToken, refuses, ""},
		{"alg hs256 lower", header(`{"alg":"hs256","typ":"JWT"}`), authmw.ErrMalformedToken, refuses, ""},
		{"alg missing", header(`{"typ":"JWT"}`), authmw.ErrMalformedToken, refuses, ""},
		{"ALG upper key", header(`{"ALG":"HS256","typ":"JWT"}`), authmw.ErrMalformedToken, refuses, ""},
		{"alg none then HS256 dup", header(`{"alg":"none","alg":"HS256","typ":"JWT"}`), authmw.ErrMalformedToken, accepts, whyDuplicate},
		{"alg RS256 + HS256 sig", header(`{"alg":"RS256","typ":"JWT"}`), authmw.ErrMalformedToken, refuses, ""},
		{"typ missing", header(`{"alg":"HS256"}`), nil, accepts, ""},
		{"typ other", header(`{"alg":"HS256","typ":"at+jwt"}`), authmw.ErrMalformedToken, accepts, whyType},
		{"header key order typ,alg", header(`{"typ":"JWT","alg":"HS256"}`), nil, accepts, ""},
		{"cty JWT", header(`{"alg":"HS256","typ":"JWT","cty":"JWT"}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"crit [exp-x] unknown", header(`{"alg":"HS256","crit":["exp-x"],"exp-x":1}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"crit b64:false", header(`{"alg":"HS256","crit":["b64"],"b64":false}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"crit []", header(`{"alg":"HS256","crit":[]}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"zip DEF", header(`{"alg":"HS256","zip":"DEF"}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"jwk/jku embedded", header(`{"alg":"HS256","jku":"https://example.com/jwks","jwk":{"kty":"oct","k":"c2VjcmV0"}}`), nil, accepts, ""},
		{"header null", header(`null`), authmw.ErrMalformedToken, refuses, ""},
		{"header []", header(`[]`), authmw.ErrMalformedToken, refuses, ""},

		{"sig trailing bits", bearer(trailingBits(t, good)), authmw.ErrMalformedToken, accepts, whySpelling},
		{"sig padding =", bearer(good + "="), authmw.ErrMalformedToken, refuses, ""},
		{`sig with \n inside`, bearer(good[:len(good)-5] + "\n" + good[len(good)-5:]), authmw.ErrMalformedToken, accepts, whySpelling},
		{`sig + trailing \n`, bearer(good + "\n"), authmw.ErrMalformedToken, accepts, whySpelling},
		{"4 parts", bearer(good + ".x"), authmw.ErrMalformedToken, refuses, ""},
		{"trailing dot", bearer(good + "."), authmw.ErrMalformedToken, refuses, ""},
		{"2 parts", bearer(good[:len(good)-44]), authmw.ErrMalformedToken, refuses, ""},
		{"std b64 alphabet sig", bearer(standardAlphabet(t)), authmw.ErrMalformedToken, refuses, ""},

		{"scheme bearer", []string{"bearer " + good}, nil, refuses, whyGrammar},
		{"scheme BEARER", []string{"BEARER " + good}, nil, refuses, whyGrammar},
		{"two spaces", []string{"Bearer  " + good}, nil, refuses, whyGrammar},
		{"tab sep", []string{"Bearer\t" + good}, authmw.ErrMalformedToken, refuses, ""},
		{"leading space", []string{" Bearer " + good}, nil, accepts, ""},
		{"trailing space", []string{"Bearer " + good + " "}, nil, accepts, ""},
		{"trailing word", []string{"Bearer " + good + " extra"}, authmw.ErrMalformedToken, refuses, ""},
		{"Bearer only", []string{"Bearer"}, authmw.ErrMalformedToken, refuses, ""},
		{"Bearer + space only", []string{"Bearer "}, authmw.ErrMalformedToken, refuses, ""},
		{"empty Authorization", []string{""}, authmw.ErrMissingToken, refuses, ""},
		{"no scheme, raw token", []string{good}, authmw.ErrMissingToken, accepts, whyScheme},
		{"Bearer Bearer tok", []string{"Bearer Bearer " + good}, authmw.ErrMalformedToken, refuses, ""},
		{"Basic scheme", []string{"Basic dXNlcjpwYXNz"}, authmw.ErrMissingToken, refuses, ""},
		{"two headers good,bad", []string{"Bearer " + good, "Bearer " + bad}, authmw.ErrAmbiguousCredentials, accepts, whyAmbiguous},
		{"two headers bad,good", []string{"Bearer " + bad, "Bearer " + good}, authmw.ErrAmbiguousCredentials, refuses, ""},
		{"two headers Basic,good", []string{"Basic dXNlcjpwYXNz", "Bearer " + good}, authmw.ErrAmbiguousCredentials, refuses, ""},
		{"comma joined", []string{"Bearer " + good + ", Bearer " + good}, authmw.ErrMalformedToken, refuses, ""},

		{"1 MiB of dots", bearer(strings.Repeat(".", 1<<20)), authmw.ErrMalformedToken, refuses, ""},
		{"1 MiB good token", with(`"sub"`, `"pad":"`+strings.Repeat("x", 1<<20)+`","sub"`), authmw.ErrMalformedToken, accepts, whySize},
		{"nested 9000 deep", whole(nested(9000)), authmw.ErrMalformedToken, accepts, whySize},
	})
}

// TestWhatIsAccepted has what the probe matrix leaves out of the rules for credentials, tokens and claims, at their
// bounds.
func TestWhatIsAccepted(t *testing.T) {
	good := sign(usualHeader, usualPayload)
	with := func(old, new string) []string { return bearer(sign(usualHeader, payload(t, old, new))) }
	header := func(header string) []string { return bearer(sign(header, usualPayload)) }
	whole := func(payload string) []string { return bearer(sign(usualHeader, payload)) }
	const exp, nbf = `"exp":1795434589`, `"nbf":1795430989`
	sized := func(size int) []string {
		fixed := len(sign(usualHeader, payload(t, `"sub"`, `"pad":"","sub"`)))
		// Four characters for three bytes: find the one padding that makes the size exact.
		for pad := (size - fixed) * 3 / 4; ; pad++ {
			token := sign(usualHeader, payload(t, `"sub"`, `"pad":"`+strings.Repeat("x", pad)+`","sub"`))
			require.LessOrEqual(t, len(token), size)
			if len(token) == size {
				return bearer(token)
			}
		}
	}

	runRows(t, []row{
		// Credentials
		{"scheme that begins with Bearer", []string{"BearerToken " + good}, authmw.ErrMissingToken, refuses, ""},
		{"comma after Bearer", []string{"Bearer," + good}, authmw.ErrMalformedToken, refuses, ""},
		{"many spaces", []string{"bEaReR" + strings.Repeat(" ", 50) + good}, nil, refuses, whyGrammar},
		{"space and tab", []string{"Bearer \t" + good}, authmw.ErrMalformedToken, refuses, ""},
		{"two empty headers", []string{"", ""}, authmw.ErrAmbiguousCredentials, refuses, ""},
		{"the same header twice", []string{"Bearer " + good, "Bearer " + good}, authmw.ErrAmbiguousCredentials, accepts, whyAmbiguous},
		{"node signature", []string{"Bearer Cr c2lnbmF0dXJl:1795430989"}, authmw.ErrNodeSignature, refuses, ""},
		{"node signature with a token", []string{"Bearer Cr " + good}, authmw.ErrNodeSignature, refuses, ""},
		{"Cr alone", []string{"Bearer Cr"}, authmw.ErrMalformedToken, refuses, ""},

		// Size and shape
		{"8192 bytes", sized(8192), nil, accepts, ""},
		{"8193 bytes", sized(8193), authmw.ErrMalformedToken, accepts, whySize},
		{"no dots", bearer(strings.Repeat("A", 175)), authmw.ErrMalformedToken, refuses, ""},
		{"three empty segments", bearer(".."), authmw.ErrMalformedToken, refuses, ""},
		{"empty payload", bearer(sign(usualHeader, "")), authmw.ErrInvalidClaims, refuses, ""},
		{"empty header", bearer(sign("", usualPayload)), authmw.ErrMalformedToken, refuses, ""},
		{"empty signature", bearer(good[:len(good)-43]), authmw.ErrMalformedToken, refuses, ""},
		{"31 bytes of signature", bearer(good[:len(good)-43] + encode(strings.Repeat("\x00", 31))), authmw.ErrMalformedToken, refuses, ""},
		{"33 bytes of signature", bearer(good[:len(good)-43] + encode(strings.Repeat("\x00", 33))), authmw.ErrMalformedToken, refuses, ""},
		{"five segments, as in a JWE", bearer("a.b.c.d.e"), authmw.ErrMalformedToken, refuses, ""},
		{"CR in the payload, length kept", bearer(inSegment(good, "\r")), authmw.ErrMalformedToken, refuses, ""},
		{"CR LF in the payload, signed so", bearer(signedWithLineBreaks()), authmw.ErrMalformedToken, accepts, whySpelling},
		{"plus in the payload", bearer(inSegment(good, "+")), authmw.ErrMalformedToken, refuses, ""},
		{"padding in the payload", bearer(inSegment(good, "=")), authmw.ErrMalformedToken, refuses, ""},
		{"high byte in the payload", bearer(inSegment(good, "\xe9")), authmw.ErrMalformedToken, refuses, ""},

		// Header
		{"typ in lower case", header(`{"alg":"HS256","typ":"jwt"}`), nil, accepts, ""},
		{"typ not a string", header(`{"alg":"HS256","typ":1}`), authmw.ErrMalformedToken, accepts, whyType},
		{"alg not a string", header(`{"alg":["HS256"],"typ":"JWT"}`), authmw.ErrMalformedToken, refuses, ""},
		{"enc", header(`{"alg":"HS256","enc":"A128GCM"}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"b64 true", header(`{"alg":"HS256","b64":true}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"CRIT in upper case", header(`{"alg":"HS256","CRIT":["x"]}`), authmw.ErrMalformedToken, accepts, whyFold},
		{"kid as a path", header(`{"alg":"HS256","kid":"../../dev/null"}`), nil, accepts, ""},
		{"kid as SQL", header(`{"alg":"HS256","kid":"' UNION SELECT 'key"}`), nil, accepts, ""},
		{"kid not a string", header(`{"alg":"HS256","kid":{}}`), authmw.ErrMalformedToken, accepts, whyHeader},
		{"x5u and x5c", header(`{"alg":"HS256","x5u":"https://example.com/cert","x5c":["MIIB"],"x5t#S256":"x"}`), nil, accepts, ""},
		{"unknown parameter", header(`{"alg":"HS256","nonce":[1,{"a":null}]}`), nil, accepts, ""},
		{"unknown parameter twice", header(`{"alg":"HS256","n":1,"n":1}`), authmw.ErrMalformedToken, accepts, whyDuplicate},
		{"white space in the header", header(" {\t\"alg\" :\r\n\"HS256\" } "), nil, accepts, ""},
		{"sixteen parameters", header(parameters(16)), nil, accepts, ""},
		{"seventeen parameters", header(parameters(17)), authmw.ErrMalformedToken, accepts, whySize},
		{"header of over 1 KiB", header(`{"alg":"HS256","x":"` + strings.Repeat("x", 800) + `"}`), authmw.ErrMalformedToken, accepts, whySize},

		// Order: nothing is said of the claims of a token whose signature is wrong.
		{"expired and forged", bearer(signWithOther(payload(t, exp, `"exp":1`))), authmw.ErrInvalidSignature, refuses, ""},
		{"refresh token and forged", bearer(signWithOther(payload(t, "access", "refresh"))), authmw.ErrInvalidSignature, refuses, ""},
		{"no JSON and forged", bearer(signWithOther("{{{")), authmw.ErrInvalidSignature, refuses, ""},
		{"expired refresh token", whole(`{"token_type":"refresh","sub":"wGH0","exp":1}`), authmw.ErrTokenExpired, refuses, ""},
		{"refresh token without sub", whole(`{"token_type":"refresh","exp":1795434589}`), authmw.ErrWrongTokenType, refuses, ""},

		// JSON
		{"empty object", whole(`{}`), authmw.ErrWrongTokenType, refuses, ""},
		{"byte order mark", whole("\ufeff" + usualPayload), authmw.ErrInvalidClaims, refuses, ""},
		{"white space everywhere", whole(" { \"token_type\" : \"access\" ,\n\"sub\":\"wGH0\",\t\"exp\":1795434589 }"), nil, accepts, ""},
		{"trailing comma", with(`1795430989}`, `1795430989,}`), authmw.ErrInvalidClaims, refuses, ""},
		{"missing brace", whole(strings.TrimSuffix(usualPayload, "}")), authmw.ErrInvalidClaims, refuses, ""},
		{"comment", with(`"sub"`, `/**/"sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"single quotes", whole(strings.ReplaceAll(usualPayload, `"`, `'`)), authmw.ErrInvalidClaims, refuses, ""},
		{"names with escapes", with(`"sub"`, `"\u0073\u0075b"`), nil, accepts, ""},
		{"duplicate by escape", with(`"sub":"wGH0"`, `"sub":"wGH0","s\u0075b":"wGH0"`), authmw.ErrInvalidClaims, accepts, whyDuplicate},
		{"duplicate unknown member", with(`"sub"`, `"x":1,"x":1,"sub"`), authmw.ErrInvalidClaims, accepts, whyDuplicate},
		{"duplicate in a nested object", with(`"sub"`, `"x":[{"y":1,"y":2}],"sub"`), authmw.ErrInvalidClaims, accepts, whyDuplicate},
		{"same name at two levels", with(`"sub"`, `"x":{"x":{"exp":1}},"sub"`), nil, accepts, ""},
		{"long s in another claim's name", with(`"sub"`, "\"\u017fcopes\":[],\"sub\""), authmw.ErrInvalidClaims, accepts, whyFold},
		{"unknown names that differ by case", with(`"sub"`, `"x":1,"X":1,"sub"`), nil, accepts, ""},
		{"unknown members of all types", with(`"sub"`, `"a":null,"b":true,"c":false,"d":-0.5e+7,"e":"\"\\\/\b\f\n\r\t\ud83d\ude00","f":{},"g":[],"sub"`), nil, accepts, ""},
		{"unknown number beyond float64", with(`"sub"`, `"x":1e400,"sub"`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"unknown number of 10^308", with(`"sub"`, `"x":1e308,"sub"`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"unknown number below 10^308", with(`"sub"`, `"x":9.9e307,"sub"`), nil, accepts, ""},
		{"100 members", with(`"sub"`, members(96)+`"sub"`), nil, accepts, ""},
		{"101 members", with(`"sub"`, members(97)+`"sub"`), authmw.ErrInvalidClaims, accepts, whySize},
		{"100 scopes", with(`"sub"`, `"scopes":[`+strings.Repeat(`"a",`, 99)+`"a"],"sub"`), nil, accepts, ""},
		{"101 scopes", with(`"sub"`, `"scopes":[`+strings.Repeat(`"a",`, 100)+`"a"],"sub"`), authmw.ErrInvalidClaims, accepts, whySize},
		{"101 scopes of a client", whole(strings.TrimSuffix(usualPayload, "}") + `,"scopes":[` + strings.Repeat(`"a",`, 100) + `"a"],"client_id":"c"}`),
			authmw.ErrInvalidClaims, accepts, whySize},
		{"unknown number next to nothing", with(`"sub"`, `"x":1e-400,"sub"`), nil, accepts, ""},
		{"raw control character in a string", with(`"sub"`, "\"x\":\"\n\",\"sub\""), authmw.ErrInvalidClaims, refuses, ""},
		{"unknown escape", with(`"sub"`, `"x":"\x","sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"low surrogate alone", with(`"sub"`, `"x":"\udc00","sub"`), authmw.ErrInvalidClaims, accepts, whyUTF8},
		{"high surrogate and no low one", with(`"sub"`, `"x":"\ud83dx","sub"`), authmw.ErrInvalidClaims, accepts, whyUTF8},
		{"two high surrogates", with(`"sub"`, `"x":"\ud83d\ud83d","sub"`), authmw.ErrInvalidClaims, accepts, whyUTF8},
		{"bad UTF-8 in an unknown member", with(`"sub"`, "\"x\":\"\xc0\xaf\",\"sub\""), authmw.ErrInvalidClaims, accepts, whyUTF8},
		{"nested 16 deep", whole(nested(16)), nil, accepts, ""},
		{"nested 17 deep", whole(nested(17)), authmw.ErrInvalidClaims, accepts, whySize},
		{"objects nested 17 deep", with(`"sub"`, `"x":`+strings.Repeat(`{"x":`, 16)+"1"+strings.Repeat("}", 16)+`,"sub"`), authmw.ErrInvalidClaims, accepts, whySize},

		// token_type
		{"token_type missing", with(`"token_type":"access",`, ``), authmw.ErrWrongTokenType, refuses, ""},
		{"token_type empty", with(`"access"`, `""`), authmw.ErrWrongTokenType, refuses, ""},
		{"token_type in upper case", with(`"access"`, `"Access"`), authmw.ErrWrongTokenType, refuses, ""},
		{"token_type null", with(`"access"`, `null`), authmw.ErrWrongTokenType, refuses, ""},
		{"token_type number", with(`"access"`, `1`), authmw.ErrInvalidClaims, refuses, ""},

		// sub
		{"sub empty", with(`"wGH0"`, `""`), authmw.ErrInvalidClaims, refuses, ""},
		{"sub null", with(`"wGH0"`, `null`), authmw.ErrInvalidClaims, refuses, ""},
		{"sub with an escape", with(`"wGH0"`, `"\u0077GH0"`), nil, accepts, ""},
		{"sub with a control character", with(`wGH0`, `wGH0\u0000`), authmw.ErrInvalidClaims, refuses, ""},
		{"sub with DEL", with(`wGH0`, "wGH0\x7f"), authmw.ErrInvalidClaims, refuses, ""},
		{"sub with a C1 control character", with(`wGH0`, "wGH0\u0085"), authmw.ErrInvalidClaims, refuses, ""},
		{"sub of 256 bytes", with(`wGH0`, strings.Repeat("x", 256)), authmw.ErrInvalidClaims, refuses, ""},

		// exp and nbf: now is 1795430989
		{"exp is now", with(exp, `"exp":1795430989`), authmw.ErrTokenExpired, refuses, ""},
		{"exp within this second", with(exp, `"exp":1795430989.9`), authmw.ErrTokenExpired, refuses, ""},
		{"exp that float64 rounds up to the next second", with(exp, `"exp":1795430989.9999999`), authmw.ErrTokenExpired, accepts,
			"a fraction does not make a token live longer"},
		{"exp in a second", with(exp, `"exp":1795430990`), nil, accepts, ""},
		{"exp negative", with(exp, `"exp":-1`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp minus zero", with(exp, `"exp":-0`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp with an exponent", with(exp, `"exp":1.9e9`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"exp with a leading zero", with(exp, `"exp":01795434589`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp with a plus", with(exp, `"exp":+1795434589`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp with a bare point", with(exp, `"exp":1795434589.`), authmw.ErrInvalidClaims, refuses, ""},
		{"exp at the end of 9999", with(exp, `"exp":253402300799`), nil, accepts, ""},
		{"exp at the end of 9999, with a fraction", with(exp, `"exp":253402300799.5`), nil, accepts, ""},
		{"exp at the start of 10000", with(exp, `"exp":253402300800`), authmw.ErrInvalidClaims, accepts, whyYear},
		{"exp of a thousand digits", with(exp, `"exp":`+strings.Repeat("9", 1000)), authmw.ErrInvalidClaims, refuses, ""},
		{"exp array", with(exp, `"exp":[1795434589]`), authmw.ErrInvalidClaims, refuses, ""},
		{"nbf is now", with(nbf, `"nbf":1795430989.0`), nil, accepts, ""},
		{"nbf within this second", with(nbf, `"nbf":1795430989.9`), authmw.ErrTokenNotYetValid, accepts, "now is before nbf (RFC 7519 section 4.1.5)"},
		{"nbf that float64 rounds down to this second", with(nbf, `"nbf":1795430989.0000001`), authmw.ErrTokenNotYetValid, accepts, "now is before nbf (RFC 7519 section 4.1.5)"},
		{"nbf that float64 rounds up to this second", with(nbf, `"nbf":1795430988.9999999`), nil, accepts, ""},
		{"nbf with an exponent in upper case", with(nbf, `"nbf":1E3`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"nbf null", with(nbf, `"nbf":null`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"nbf negative", with(nbf, `"nbf":-1`), authmw.ErrInvalidClaims, accepts, whyNumber},

		// The other claims that have a type
		{"scopes without client_id", with(`"sub"`, `"scopes":["profile"],"sub"`), nil, accepts, ""},
		{"scopes string", with(`"sub"`, `"scopes":"Files.Read","sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"scopes null", with(`"sub"`, `"scopes":null,"sub"`), authmw.ErrInvalidClaims, accepts, "Cloudreve leaves out empty scopes, and null is not an array"},
		{"scopes with a number", with(`"sub"`, `"scopes":["Files.Read",1],"sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"scopes empty", with(`"sub"`, `"scopes":[],"sub"`), nil, accepts, ""},
		{"client_id null", with(`"sub"`, `"client_id":null,"sub"`), authmw.ErrInvalidClaims, accepts, "null is not a string"},
		{"aud null", with(`"sub"`, `"aud":null,"sub"`), authmw.ErrInvalidClaims, accepts, "null is not a string or an array"},
		{"root_token_id null", with(`"sub"`, `"root_token_id":null,"sub"`), authmw.ErrInvalidClaims, accepts, "null is not a string"},
		{"root_token_id that is no UUID", with(`"sub"`, `"root_token_id":"zzz","sub"`), nil, refuses, "an access token has no use for it"},
		{"state_hash that is not base64", with(`"sub"`, `"state_hash":"?","sub"`), nil, refuses, "an access token has no use for it"},
		{"iat negative", with(`"sub"`, `"iat":-1,"sub"`), authmw.ErrInvalidClaims, accepts, whyNumber},
		{"client_id number", with(`"sub"`, `"client_id":1,"sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"client_id empty", with(`"sub"`, `"client_id":"","sub"`), nil, accepts, ""},
		{"aud string", with(`"sub"`, `"aud":"x","sub"`), nil, accepts, ""},
		{"aud array", with(`"sub"`, `"aud":["x","y"],"sub"`), nil, accepts, ""},
		{"aud number", with(`"sub"`, `"aud":1,"sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"iss", with(`"sub"`, `"iss":"https://example.com","sub"`), nil, accepts, ""},
		{"iss number", with(`"sub"`, `"iss":1,"sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"iat in the future", with(`"sub"`, `"iat":1795434589,"sub"`), nil, accepts, ""},
		{"iat garbage", with(`"sub"`, `"iat":"x","sub"`), authmw.ErrInvalidClaims, refuses, ""},
		{"jti", with(`"sub"`, `"jti":"x","sub"`), nil, accepts, ""},
		{"root_token_id", with(`"sub"`, `"root_token_id":"0c9b9247-266d-4c2f-bbcf-1f59ea6b313b","sub"`), nil, accepts, ""},
	})

	t.Run("sub of 255 bytes", func(t *testing.T) {
		claims, err := newValidator(t).Verify(t.Context(), sign(usualHeader, payload(t, "wGH0", strings.Repeat("x", 255))))
		require.NoError(t, err)
		require.Len(t, claims.Subject, 255)
	})
	t.Run("deep nesting, were it not too long", func(t *testing.T) {
		runRows(t, []row{{"9000 levels", whole(nested(9000)), authmw.ErrInvalidClaims, accepts, whySize}}, authmw.WithMaxTokenSize(1<<20))
	})
}

// trailingBits sets the two bits of the signature's last character that stand for nothing.
func trailingBits(t *testing.T, token string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	require.Zero(t, last%4)
	return token[:len(token)-1] + alphabet[last+3:last+4]
}

// standardAlphabet returns a good token with its signature in the alphabet of plain base64, where that differs.
func standardAlphabet(t *testing.T) string {
	t.Helper()
	for i := range 100 {
		token := sign(usualHeader, payload(t, "1795434589", fmt.Sprint(1795434589+i)))
		signature := token[len(token)-43:]
		if strings.ContainsAny(signature, "-_") {
			return token[:len(token)-43] + strings.NewReplacer("-", "+", "_", "/").Replace(signature)
		}
	}
	require.Fail(t, "no signature in a hundred has - or _")
	return ""
}

// inSegment replaces a character of the payload.
func inSegment(token, char string) string {
	return token[:50] + char + token[51:]
}

// signedWithLineBreaks returns a token that was signed with line breaks in its payload segment, which the standard
// library's decoder skips.
func signedWithLineBreaks() string {
	payload := encode(usualPayload)
	return signSegments(sha256.New, testSecret, encode(usualHeader)+"."+payload[:20]+"\r\n"+payload[20:])
}

// members returns n members with a comma after each.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":0,`, i)
	}
	return b.String()
}

// TestCloudreveTokens has every token of a real Cloudreve's answers: the access tokens are accepted, the refresh tokens
// refused for their type alone. That refresh tokens are good in themselves, internal/compact shows.
func TestCloudreveTokens(t *testing.T) {
	captured := capture.Read(t)
	for _, issued := range captured.Tokens {
		t.Run(issued.Name, func(t *testing.T) {
			var now time.Time
			v, err := authmw.New([]byte(captured.SecretKey), authmw.WithClock(func() time.Time { return now }))
			require.NoError(t, err)
			verify := func(at int64, token string) (*authmw.Claims, error) {
				now = time.Unix(at, 0)
				return v.Verify(t.Context(), token)
			}

			claims, err := verify(issued.Nbf, issued.Token)
			good := error(nil)
			if issued.TokenType == authmw.AccessToken {
				require.NoError(t, err)
				require.Equal(t, issued.TokenType, claims.TokenType)
				require.Equal(t, issued.Sub, claims.Subject)
				require.Equal(t, issued.Exp, claims.ExpiresAt.Unix())
				require.Equal(t, issued.Nbf, claims.NotBefore.Unix())
				require.Equal(t, issued.Scopes, claims.Scopes)
				require.Equal(t, issued.ClientID, claims.ClientID)
			} else {
				good = authmw.ErrWrongTokenType
				requireOutcome(t, good, claims, err)
			}

			claims, err = verify(issued.Exp-1, issued.Token)
			requireOutcome(t, good, claims, err)
			claims, err = verify(issued.Exp, issued.Token)
			requireOutcome(t, authmw.ErrTokenExpired, claims, err)
			claims, err = verify(issued.Nbf-1, issued.Token)
			requireOutcome(t, authmw.ErrTokenNotYetValid, claims, err)

			other, err := authmw.New([]byte(otherSecret), authmw.WithClock(func() time.Time { return time.Unix(issued.Nbf, 0) }))
			require.NoError(t, err)
			claims, err = other.Verify(t.Context(), issued.Token)
			requireOutcome(t, authmw.ErrInvalidSignature, claims, err)

			for i := range issued.Token {
				for bit := range 8 {
					changed := []byte(issued.Token)
					changed[i] ^= 1 << bit
					claims, err := verify(issued.Nbf, string(changed))
					require.Nil(t, claims, "bit %d of character %d", bit, i)
					require.Error(t, err)
					require.NotErrorIs(t, err, authmw.ErrWrongTokenType, "bit %d of character %d got past the MAC", bit, i)
				}
			}
			for i, segment := range strings.Split(issued.Token, ".") {
				decoded, err := base64.RawURLEncoding.DecodeString(segment)
				require.NoError(t, err)
				for bit := range 8 * len(decoded) {
					decoded[bit/8] ^= 1 << (bit % 8)
					segments := strings.Split(issued.Token, ".")
					segments[i] = encode(string(decoded))
					decoded[bit/8] ^= 1 << (bit % 8)
					claims, err := verify(issued.Nbf, strings.Join(segments, "."))
					require.Nil(t, claims)
					if i > 0 {
						require.ErrorIs(t, err, authmw.ErrInvalidSignature, "bit %d of segment %d", bit, i)
					} else {
						require.Error(t, err)
						require.NotErrorIs(t, err, authmw.ErrWrongTokenType)
					}
				}
			}
		})
	}
}

// TestDocumentedToken has the access token that Cloudreve's documentation prints. It is well formed; only the key that
// it was signed with is nobody's.
func TestDocumentedToken(t *testing.T) {
	const documented = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwic3ViIjoibHB1YSIsImV4cCI6MTc0NTY1NTU3OCwibmJmIjoxNzQ1NjUxOTc4fQ.L1ETHHBNImNevze00QAgrrY1maZO2nefyIwdT4cb68c"
	claims, err := newValidator(t).Verify(t.Context(), documented)
	requireOutcome(t, authmw.ErrInvalidSignature, claims, err)
	require.NotErrorIs(t, err, authmw.ErrMalformedToken)
}

// TestHostileInputAllocatesLittle sends what costs naive parsers memory in proportion, or worse. A denied request may
// cost the buffers for one token of the default size limit, whatever was sent.
func TestHostileInputAllocatesLittle(t *testing.T) {
	const mib = 1 << 20
	const limit = 32 << 10
	places := authmw.WithExtractors(authmw.AuthorizationHeader(), authmw.Header("X-Token"), authmw.WebSocketProtocol("bearer"),
		authmw.InsecureQuery("access_token"), authmw.Cookie("token"))
	authorization := func(values ...string) http.Header { return http.Header{"Authorization": values} }
	webSocket := func(protocols string) http.Header {
		return http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {protocols}}
	}
	garbage := func(header string) http.Header {
		return authorization("Bearer " + encode(header) + "." + encode(usualPayload) + "." + strings.Repeat("A", 43))
	}
	for _, row := range []struct {
		name   string
		header http.Header
		want   error
	}{
		{"1 MiB of dots", authorization("Bearer " + strings.Repeat(".", mib)), authmw.ErrMalformedToken},
		{"1 MiB valid token", authorization("Bearer " + sign(usualHeader, payload(t, `"sub"`, `"x":"`+strings.Repeat("x", mib)+`","sub"`))), authmw.ErrMalformedToken},
		{"9,000 levels", authorization("Bearer " + sign(usualHeader, nested(9000))), authmw.ErrMalformedToken},
		{"2,900 levels, within the size limit", authorization("Bearer " + sign(usualHeader, nested(2900))), authmw.ErrInvalidClaims},
		{"1 MiB of spaces", authorization("Bearer " + strings.Repeat(" ", mib) + "x"), authmw.ErrMalformedToken},
		{"1 MiB of words", authorization("Bearer" + strings.Repeat(" x", mib/2)), authmw.ErrMalformedToken},
		{"1 MiB of scheme", authorization(strings.Repeat("Bearer", mib/6)), authmw.ErrMissingToken},
		{"10,000 headers", authorization(strings.Split(strings.Repeat("Bearer x\n", 10000), "\n")...), authmw.ErrAmbiguousCredentials},
		{"1 MiB in another header", http.Header{"X-Token": {strings.Repeat(".", mib)}}, authmw.ErrMalformedToken},
		{"1 MiB of subprotocols", webSocket(strings.Repeat("bearer,a,", mib/9)), authmw.ErrAmbiguousCredentials},
		{"1 MiB of commas", webSocket(strings.Repeat(",", mib)), authmw.ErrMissingToken},
		{"1 MiB of parameters with escapes", http.Header{"Query": {strings.Repeat("a_rather_long_name_%41_that_is_not_the_one=%41&", mib/46)}}, authmw.ErrMissingToken},
		{"1 MiB of one parameter with an escape", http.Header{"Query": {"access_token=%41" + strings.Repeat("A", mib)}}, authmw.ErrMalformedToken},
		{"1 MiB of parameters of the name", http.Header{"Query": {strings.Repeat("access_token=%41&", mib/17)}}, authmw.ErrAmbiguousCredentials},
		{"1 MiB of cookies", http.Header{"Cookie": {strings.Repeat("a=b;", mib/4)}}, authmw.ErrMissingToken},
		{"long header", garbage(strings.Repeat(`{"a":`, 1000)), authmw.ErrMalformedToken},
		{"deep header", garbage(strings.Repeat(`[`, 700)), authmw.ErrMalformedToken},
		{"header of many members", garbage(parameters(60)), authmw.ErrMalformedToken},
		{"header of one escaped string", garbage(`{"alg":"` + strings.Repeat(`\u0048`, 120) + `"}`), authmw.ErrMalformedToken},
		{"header of many escaped strings", garbage(`{"x":[` + strings.Repeat(`"\n",`, 149) + `"\n"]}`), authmw.ErrMalformedToken},
		{"8 KiB with a wrong signature", authorization("Bearer " + signWithOther(`{"x":"`+strings.Repeat("x", 6000)+`"}`)), authmw.ErrInvalidSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := newValidator(t, places)
			r := newRequest()
			r.Header = row.header
			r.URL.RawQuery = row.header.Get("Query")
			claims, err := v.Check(r, authmw.Required)
			requireOutcome(t, row.want, claims, err)
			require.Less(t, bytesPerRun(func() { _, _ = v.Check(r, authmw.Required) }), uint64(limit))
		})
	}
}

// TestHostilePayloadsAllocateLittle has payloads that are expensive to read. Anyone can have them read by a Validator with
// an introspector, which has no key to refuse them by; with a key, they have to be signed.
func TestHostilePayloadsAllocateLittle(t *testing.T) {
	const limit = 32 << 10
	introspected, err := authmw.NewFromIntrospector(introspectorFunc(func(context.Context, string, *authmw.Claims) error {
		return authmw.ErrInvalidSignature
	}))
	require.NoError(t, err)
	size := (8192 - len(encode(usualHeader)) - 45) / 4 * 3
	for _, payload := range hostile.Payloads(size) {
		t.Run(payload.Name, func(t *testing.T) {
			header := "Bearer " + sign(usualHeader, payload.JSON)
			require.Greater(t, len(header), 8000)
			for name, v := range map[string]*authmw.Validator{"key": newValidator(t), "introspector": introspected} {
				_, err := v.Check(newRequest(header), authmw.Required, "Admin.Write")
				require.NotErrorIs(t, err, authmw.ErrMalformedToken, "it is read: %v", err)
				r := newRequest(header)
				require.LessOrEqual(t, bytesPerRun(func() { _, _ = v.Check(r, authmw.Required, "Admin.Write") }), uint64(limit), name)
			}
		})
	}
}

// bytesPerRun returns how much f allocates, and the least that it did in a few tries: the race detector empties pools
// at random.
func bytesPerRun(f func()) uint64 {
	least := ^uint64(0)
	for range 20 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestAllocations pins what a request costs in allocations, so that it does not grow unseen.
func TestAllocations(t *testing.T) {
	v := newValidator(t)
	token := sign(usualHeader, usualPayload)
	client := sign(usualHeader, payload(t, `1795430989}`, `1795430989,"scopes":["openid","Files.Read","Shares.Write"],"client_id":"c"}`))
	with, without, forged := newRequest("Bearer "+token), newRequest(), newRequest("Bearer "+signWithOther(usualPayload))
	for _, row := range []struct {
		name string
		run  func()
		most float64
	}{
		{"Verify", func() { _, _ = v.Verify(t.Context(), token) }, 2},
		{"Verify, with scopes", func() { _, _ = v.Verify(t.Context(), client) }, 3},
		{"None", func() { _, _ = v.Authenticate(with, authmw.None) }, 0},
		{"Optional without credentials", func() { _, _ = v.Authenticate(without, authmw.Optional) }, 0},
		{"Required without credentials", func() { _, _ = v.Authenticate(without, authmw.Required) }, 1},
		{"Required, and a request to carry the claims", func() { _, _ = v.Authenticate(with, authmw.Required) }, 2},
		{"wrong signature", func() { _, _ = v.Authenticate(forged, authmw.Required) }, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			least := testing.AllocsPerRun(1, row.run)
			for range 20 {
				least = min(least, testing.AllocsPerRun(1, row.run))
			}
			require.LessOrEqual(t, least, row.most)
		})
	}
}

// TestUnavailableIsLogged shows that a server without an observer says in its log that it denies requests for a fault of
// its own, and does not say so for every request.
func TestUnavailableIsLogged(t *testing.T) {
	down := errors.New("the database is gone")
	source := authmw.KeySourceFunc(func(ctx context.Context) (*authmw.Keys, error) {
		return nil, errors.Join(down, ctx.Err())
	})
	good := newRequest("Bearer " + sign(usualHeader, usualPayload))
	synctest.Test(t, func(t *testing.T) {
		v, err := authmw.NewFromKeySource(source)
		require.NoError(t, err)
		check := func(r *http.Request, mode authmw.Mode) {
			_, err := v.Check(r, mode)
			require.ErrorIs(t, err, authmw.ErrUnavailable)
		}
		logged := logtest.Lines(func() {
			for range 100 {
				check(good, authmw.Required)
				check(good, authmw.Optional)
			}
		})
		require.Len(t, logged, 1)
		require.Contains(t, logged[0], "level=ERROR")
		require.Contains(t, logged[0], "err.code=unavailable")
		require.Contains(t, logged[0], "the database is gone")
		require.NotContains(t, logged[0], "eyJ", "no token")

		require.Empty(t, logtest.Lines(func() {
			time.Sleep(59 * time.Second)
			check(good, authmw.Required)
		}))
		require.Len(t, logtest.Lines(func() {
			time.Sleep(time.Second)
			check(good, authmw.Required)
			check(good, authmw.Required)
		}), 1, "another line a minute later")

		time.Sleep(time.Hour)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.Empty(t, logtest.Lines(func() { check(good.WithContext(cancelled), authmw.Required) }), "the client is gone")

		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(2 * time.Second)
		require.Len(t, logtest.Lines(func() { check(good.WithContext(late), authmw.Required) }), 1, "the server is too slow")

		other, err := authmw.NewFromKeySource(source)
		require.NoError(t, err)
		require.Len(t, logtest.Lines(func() { _, _ = other.Check(good, authmw.Required) }), 1, "each Validator has a minute of its own")
		require.Len(t, logtest.Lines(func() { _, _ = new(authmw.Validator).Check(good, authmw.Required) }), 1, "a Validator that New did not make")

		observed, err := authmw.NewFromKeySource(source, authmw.WithObserver(func(authmw.Decision) {}))
		require.NoError(t, err)
		require.Empty(t, logtest.Lines(func() { _, _ = observed.Check(good, authmw.Required) }), "left to the observer")
		require.Empty(t, logtest.Lines(func() { _, _ = newValidator(t).Check(newRequest("Bearer x"), authmw.Required) }), "not the server's fault")
	})
}

func TestScopesOfARoute(t *testing.T) {
	v := newValidator(t)
	client := bearer(sign(usualHeader, payload(t, `"sub"`, `"client_id":"c","scopes":["Files.Write","openid"],"sub"`)))
	for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
		claims, err := v.Check(newRequest(client...), mode, "Files.Read", "openid")
		require.NoError(t, err)
		require.Equal(t, []string{"Files.Write", "openid"}, claims.Scopes)

		scopes := []string{"Files.Read", "Shares.Read", "bad scope", "Büro", `"`, ""}
		claims, err = v.Check(newRequest(client...), mode, scopes...)
		requireOutcome(t, authmw.ErrInsufficientScope, claims, err)
		var denied *authmw.Error
		require.ErrorAs(t, err, &denied)
		require.Equal(t, []string{"Files.Read", "Shares.Read"}, denied.Scopes(), "only what may stand in a challenge")
		require.Contains(t, denied.Challenge("api"), `, scope="Files.Read Shares.Read"`)
		require.Equal(t, []string{"Files.Read", "Shares.Read", "bad scope", "Büro", `"`, ""}, scopes, "the route's own are left alone")
		code, msg := denied.CloudreveCode()
		require.Equal(t, 40089, code)
		require.Equal(t, "Insufficient scope: Shares.Read", msg)
	}
	_, err := v.Check(newRequest(client...), authmw.Required, "bad scope")
	var denied *authmw.Error
	require.ErrorAs(t, err, &denied)
	require.NotContains(t, denied.Challenge("api"), "scope=")

	claims, err := v.Check(newRequest(), authmw.Optional, "Files.Read")
	require.NoError(t, err, "scopes bind nobody who is anonymous")
	require.Nil(t, claims)
}
