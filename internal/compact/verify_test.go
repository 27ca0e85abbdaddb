package compact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/capture"
	"github.com/authmw/authmw/internal/hostile"
	"github.com/authmw/authmw/internal/strictjson"
)

const (
	testSecret = "viHqGBnQZxedlpUuZEhUxX8jmbrEAlslDCC00zHngSxxOENb4v13Kn9wk9yY9WtX"
	issuedAt   = 1795430989
)

func encode(segment string) string { return base64.RawURLEncoding.EncodeToString([]byte(segment)) }

func sign(secret, header, payload string) string {
	return signSegments(secret, encode(header)+"."+encode(payload))
}

func signInput(input string) string { return signSegments(testSecret, input) }

func signSegments(secret, input string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

func at(seconds int64) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0) }
}

// TestCloudreveTokens has every token of a real Cloudreve, of both types, under both expectations.
func TestCloudreveTokens(t *testing.T) {
	captured := capture.Read(t)
	v := NewVerifier([]byte(captured.SecretKey))
	other := map[string]string{"access": "refresh", "refresh": "access"}
	for _, token := range captured.Tokens {
		t.Run(token.Name, func(t *testing.T) {
			var claims Claims
			require.NoError(t, v.Verify(token.Token, Expect{TokenType: token.TokenType, Now: at(token.Nbf)}, &claims))
			require.Equal(t, Claims{
				TokenType: token.TokenType, Subject: token.Sub, ClientID: token.ClientID, Scopes: token.Scopes,
				ExpiresAt: time.Unix(token.Exp, 0).UTC(), NotBefore: time.Unix(token.Nbf, 0).UTC(), Segment: strings.Split(token.Token, ".")[1],
			}, claims)

			for kind, expect := range map[Kind]Expect{
				WrongType:   {TokenType: other[token.TokenType], Now: at(token.Nbf)},
				Expired:     {TokenType: token.TokenType, Now: at(token.Exp)},
				NotYetValid: {TokenType: token.TokenType, Now: at(token.Nbf - 1)},
			} {
				requireKind(t, kind, v.Verify(token.Token, expect, &claims))
			}
		})
	}
}

func requireKind(t *testing.T, kind Kind, err error) {
	t.Helper()
	var refused *Error
	require.True(t, errors.As(err, &refused), "%v", err)
	require.Equal(t, kind, refused.Kind, "%v", err)
}

// payloadOf returns the decoded payload of a token whose MAC is right.
func payloadOf(v *Verifier, token string) (string, error) {
	_, payload, err := v.authenticate(token, v.scratch.New().(*scratch))
	return string(payload), err
}

// TestRFC7515 has the example of RFC 7515 appendix A.1, whose header is spelled unlike anybody's.
func TestRFC7515(t *testing.T) {
	key, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	require.NoError(t, err)
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	payload, err := payloadOf(NewVerifier(key), token)
	require.NoError(t, err)
	require.Equal(t, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", payload)
}

func TestKeysAreTriedInOrder(t *testing.T) {
	const header, payload = `{"alg":"HS256","typ":"JWT"}`, `{"token_type":"access","sub":"wGH0","exp":1795434589}`
	v := NewVerifier([]byte("first"), []byte("second"), []byte("third"))
	expect := Expect{TokenType: "access", Now: at(issuedAt)}
	var claims Claims
	for _, secret := range []string{"first", "second", "third"} {
		require.NoError(t, v.Verify(sign(secret, header, payload), expect, &claims), secret)
	}
	requireKind(t, Signature, v.Verify(sign("fourth", header, payload), expect, &claims))
	requireKind(t, Signature, NewVerifier().Verify(sign("first", header, payload), expect, &claims))
}

// TestClockIsReadLast shows that nothing about time can be learned from a token that was not signed here.
func TestClockIsReadLast(t *testing.T) {
	v := NewVerifier([]byte(testSecret))
	expect := Expect{TokenType: "access", Now: func() time.Time {
		t.Error("the clock is read")
		return time.Time{}
	}}
	var claims Claims
	for _, token := range []string{
		"", "a.b.c", sign("other", `{"alg":"HS256"}`, `{"exp":1}`), sign(testSecret, `{"alg":"HS256"}`, `{"exp":`),
		sign(testSecret, `{"alg":"none"}`, `{"exp":1}`),
	} {
		require.Error(t, v.Verify(token, expect, &claims))
	}
}

// TestShape has tokens whose MAC is right, so that it is their shape alone that is refused.
func TestShape(t *testing.T) {
	const header = `{"alg":"HS256"}`
	v := NewVerifier([]byte(testSecret))
	long := func(length int) string { // a header segment of this length
		for pad := 0; ; pad++ {
			if padded := `{"alg":"HS256","x":"` + strings.Repeat("x", pad) + `"}`; len(encode(padded)) >= length {
				return padded
			}
		}
	}
	require.Len(t, encode(long(1024)), 1024)
	for _, row := range []struct {
		name, token, err string
	}{
		{"good", signInput(encode(header) + "." + encode("{}")), ""},
		{"header of 1024 characters", sign(testSecret, long(1024), "{}"), ""},
		{"header of 1026 characters", sign(testSecret, long(1025), "{}"), reasonHeaderLength},
		{"43 characters", strings.Repeat("A", 43), reasonShape},
		{"44 characters", strings.Repeat("A", 44), reasonShape},
		{"a dot and 43 characters", "." + strings.Repeat("A", 43), reasonShape},
		{"two segments", strings.Repeat("A", 20) + "." + strings.Repeat("A", 43), reasonShape},
		{"a line feed for a payload", signInput(encode(header) + ".\n"), reasonBase64},
		{"a character too many in the payload", signInput(encode(header) + "." + encode("{}") + "\r\n"), reasonBase64},
		{"a line feed in the header", signInput(encode(header)[:4] + "\n" + encode(header)[4:] + "." + encode("{}")), reasonBase64},
		{"five line feeds in the header", signInput(encode(header) + "\n\n\n\n\n." + encode("{}")), reasonBase64},
		{"four segments, the last of 43", signInput(encode(header)+"."+encode("{}")) + "." + strings.Repeat("A", 43), reasonBase64},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := payloadOf(v, row.token)
			if row.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, row.err)
			}
		})
	}
}

// oracleClaims is how Cloudreve declares its claims to golang-jwt.
type oracleClaims struct {
	TokenType string   `json:"token_type"`
	Scopes    []string `json:"scopes,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	jwt.RegisteredClaims
}

// oracle is golang-jwt with everything on that makes it strict, and Cloudreve's own checks behind it.
func oracle(token string, now func() time.Time) (*oracleClaims, error) {
	claims := new(oracleClaims)
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(testSecret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now))
	switch {
	case err != nil:
		return nil, err
	case claims.TokenType != "access":
		return nil, errors.New("token_type")
	case claims.Subject == "":
		return nil, errors.New("sub")
	}
	return claims, nil
}

// stricter are all the reasons for which a token may be refused that golang-jwt accepts.
var stricter = map[string]string{
	reasonBase64:                "CR, LF and trailing bits in base64url",
	reasonShape:                 "CR and LF in the signature",
	reasonSignatureLength:       "CR and LF in the signature",
	reasonHeaderLength:          "a long header",
	reasonMembers:               "many members",
	reasonScopes:                "many scopes",
	reasonHeaderType:            "another typ",
	reasonUnsupported:           "crit, b64, zip, enc, cty",
	strictjson.ReasonUTF8:       "bad UTF-8 and lone surrogates, which encoding/json replaces",
	strictjson.ReasonDepth:      "deep nesting",
	strictjson.ReasonDuplicate:  "duplicate members, of which the last wins there",
	strictjson.ReasonFolded:     "member names in other letter case, which encoding/json folds",
	strictjson.ReasonRange:      "numbers of 10^308 or more in members that Cloudreve does not know",
	strictjson.ReasonNotString:  "null for a string other than token_type and sub, and a kid that is not a string",
	strictjson.ReasonNotStrings: "null for an array of strings",
	reasonNotNumber:             "null and strings for a number",
	reasonNegative:              "nbf and iat before 1970",
	reasonExponent:              "numbers with an exponent",
	reasonFar:                   "times past the year 9999",
	reasonLong:                  "a long sub",
	reasonControl:               "control characters in sub",
}

// compare compares the answer to a token with golang-jwt's, at a whole second and between two: golang-jwt accepts what is
// accepted here, with the same claims, and a token that it accepts and that is refused here is refused for a reason on
// the list.
func compare(t *testing.T, token string) {
	compareAt(t, token, at(issuedAt))
	compareAt(t, token, func() time.Time { return time.Unix(issuedAt, 0).Add(-time.Second / 2) })
}

func compareAt(t *testing.T, token string, now func() time.Time) {
	var claims, plainClaims Claims
	v, expect := NewVerifier([]byte(testSecret)), Expect{TokenType: "access", Now: now}
	err := v.Verify(token, expect, &claims)
	v.Plain = true
	plainErr := v.Verify(token, expect, &plainClaims)
	require.Equal(t, plainErr, err, "the plain way comes to another answer")
	if err == nil {
		require.Equal(t, plainClaims, claims, "the plain way comes to other claims")
	}
	want, oracleErr := oracle(token, now)
	if err == nil {
		require.NoError(t, oracleErr, "golang-jwt refuses what is accepted here")
		require.Equal(t, want.TokenType, claims.TokenType)
		require.Equal(t, want.Subject, claims.Subject)
		require.Equal(t, want.ClientID, claims.ClientID)
		require.Equal(t, want.Scopes, claims.Scopes, "nil and empty are not the same")
		// Golang-jwt rounds a fraction to the nearest float64 and then down to a second.
		require.Contains(t, []int64{0, 1}, want.ExpiresAt.Unix()-claims.ExpiresAt.Unix(), "exp is never later")
		if want.NotBefore == nil {
			require.True(t, claims.NotBefore.IsZero())
		} else {
			require.Contains(t, []int64{0, 1}, claims.NotBefore.Unix()-want.NotBefore.Unix(), "nbf is never earlier")
		}
		return
	}
	if oracleErr != nil {
		return
	}
	var refused *Error
	require.ErrorAs(t, err, &refused)
	if refused.Kind == NotYetValid || refused.Kind == Expired {
		require.GreaterOrEqual(t, refused.By, time.Duration(0))
		require.LessOrEqual(t, refused.By, time.Second, "an nbf or exp within this second, which golang-jwt rounds the other way")
		return
	}
	require.Contains(t, stricter, refused.Reason, "golang-jwt accepts this")
}

// TestDifferential puts values of every type into every claim and header parameter, under its own name and under names
// that are almost it.
func TestDifferential(t *testing.T) {
	values := []string{
		`null`, `true`, `false`, `""`, `"x"`, `"access"`, `"JWT"`, `"HS256"`, `"1795434589"`, `"\u0061ccess"`, `"\ud83d\ude00"`,
		`"\ud83d"`, `"\u0000"`, "\"\xff\"", "\"\n\"", `"` + strings.Repeat("x", 300) + `"`, `[]`, `[""]`, `["a","b"]`, `["a",null]`,
		`["a",1]`, `[[]]`, `{}`, `{"a":1,"a":2}`, `{"exp":1}`, `0`, `-0`, `1`, `-1`, `1795430989`, `1795430988.5`, `1795430989.5`,
		`1795430988.9999999`, `1795430989.9999999`, `1795430989.0000001`, `1795430990`, `1795430988.0`, `1e308`, `9e307`,
		`1795434589.999999999999`, `1e3`, `1E+9`, `1.5e9`, `01`, `+1`, `1.`, `.5`, `0x1`, `NaN`, `1e400`, `-1e400`, `253402300799`,
		`253402300799.999999`, `253402300800`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`, ``, ` `, `,`,
	}
	variants := func(name string) []string {
		escaped := `\u00` + strconv.FormatInt(int64(name[0]), 16) + name[1:]
		return []string{name, escaped, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], name + " ",
			strings.NewReplacer("k", "\u212a", "s", "\u017f").Replace(name), "x_" + name}
	}
	const rest = `"token_type":"access","sub":"wGH0","exp":1795434589`
	for _, value := range values {
		for _, known := range claimNames {
			for _, name := range variants(known) {
				member := `"` + name + `":` + value
				for _, payload := range []string{
					`{` + member + `,` + rest + `}`, `{` + rest + `,` + member + `}`, `{"x":{` + member + `},` + rest + `}`,
					`{` + strings.Replace(rest, `"`+known+`":`, member+`,"y":`, 1) + `}`,
				} {
					compare(t, sign(testSecret, `{"alg":"HS256","typ":"JWT"}`, payload))
				}
			}
		}
		for _, known := range append([]string{"jwk", "jku", "x5c"}, headerNames...) {
			for _, name := range variants(known) {
				member := `"` + name + `":` + value
				for _, header := range []string{`{` + member + `,"alg":"HS256"}`, `{"alg":"HS256",` + member + `}`, `{` + member + `}`} {
					compare(t, sign(testSecret, header, `{`+rest+`}`))
				}
			}
		}
	}
}

// FuzzDifferential signs any header and payload, so that what is compared is what comes after the MAC.
func FuzzDifferential(f *testing.F) {
	const header, payload = `{"alg":"HS256","typ":"JWT"}`, `{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":1795430989}`
	headers := []string{header, `{"typ":"JWT","alg":"HS256"}`, `{"alg":"HS256"}`, `{"alg":"none"}`, `{"alg":"HS256","crit":["x"]}`,
		`{"alg":"HS256","typ":"at+jwt"}`, `{"alg":"none","alg":"HS256"}`, `{"ALG":"HS256"}`, `null`, `{"alg":"HS256","kid":1}`,
		` { "alg" : "\u0048S256" } `, `{"alg":"HS256","jwk":{"k":[1,2]}}`, `{"alg":"HS256","x":1,"x":2}`, `{"alg":"HS256","cty":"JWT"}`}
	payloads := []string{payload, `{}`, `null`, `[]`, `{"token_type":"access","sub":"wGH0","exp":1795434589.75}`,
		`{"token_type":"access","sub":"wGH0","exp":1795430988.9999999}`, `{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":1795430988.9999999}`,
		`{"token_type":"access","sub":"wGH0","exp":1795434589,"scopes":[]}`, `{"token_type":null,"sub":null,"exp":1795434589}`,
		`{"token_type":"access","sub":"wGH0","exp":"1795434589"}`, `{"token_type":"access","sub":"wGH0","exp":1.9e9}`,
		`{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":1795430989.5}`,
		`{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":-1}`, `{"token_type":"access","sub":"wGH0","exp":1,"EXP":1795434589}`,
		`{"token_type":"access","sub":"a","sub":"wGH0","exp":1795434589}`, `{"token_type":"refresh","sub":"wGH0","exp":1795434589}`,
		`{"token_type":"access","sub":"\ud83d\ude00\u0000","exp":253402300799}`, `{"token_type":"access","sub":"\ud800","exp":1795434589}`,
		`{"token_type":"access","sub":"w","exp":1795434589,"scopes":["Files.Read","\u00e9"],"client_id":"c","aud":["a"],"iss":"i","iat":1,"jti":"j"}`,
		`{"token_type":"access","sub":"w","exp":1795434589,"scopes":null,"client_id":null,"aud":null,"nbf":null}`,
		`{"token_type":"access","sub":"w","exp":99999999999999999999}`, "{\"token_type\":\"access\",\"sub\":\"w\xff\",\"exp\":1795434589}",
		`{"token_type":"access","sub":"w","exp":1795434589,"x":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}`,
		`{"token_type":"access","sub":"w","exp":1795434589.99999999999999999999}`, `{"token_type":"access","sub":"w","exp":1795434589,"x":-0.0e-0}`}
	for _, h := range headers {
		f.Add(h, payload)
	}
	for _, p := range payloads {
		f.Add(header, p)
	}
	for _, p := range hostile.Payloads(2 << 10) {
		f.Add(header, p.JSON)
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		compare(t, sign(testSecret, header, payload))
	})
}

// FuzzToken compares any token as it is. Nothing but what was signed is ever accepted.
func FuzzToken(f *testing.F) {
	good := sign(testSecret, `{"alg":"HS256","typ":"JWT"}`, `{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":1795430989}`)
	tokens := capture.Read(f).Tokens
	for _, token := range tokens {
		f.Add(token.Token)
	}
	for _, seed := range []string{good, good + "=", good + "\n", good[:60] + "\r\n" + good[60:], good + ".", "." + good, "..", "", "a.b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		compare(t, token)
		payload, err := payloadOf(NewVerifier([]byte(testSecret)), token)
		require.Equal(t, token == good, err == nil)
		require.Equal(t, err == nil, payload != "")
	})
}
