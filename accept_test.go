package authmw_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

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

func bearer(token string) []string { return []string{"Bearer " + token} }

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
