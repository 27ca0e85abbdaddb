package compact

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestJSON has what RFC 8259 allows and what it does not, as a member of a claims set.
func TestJSON(t *testing.T) {
	siblings := strings.Repeat(`{"a":[]},{},`, 40) + `[{}]`
	for _, row := range []struct {
		name, payload string
		ok            bool
	}{
		{"white space", "{\t\"x\"\r\n: [ 1 , 2 ] }", true},
		{"vertical tab", "{\v\"x\":1}", false},
		{"form feed", "{\f\"x\":1}", false},
		{"NUL", "{\x00\"x\":1}", false},
		{"no-break space", "{\u00a0\"x\":1}", false},
		{"one byte after the object", `{"x":1}x`, false},
		{"NUL after the object", "{\"x\":1}\x00", false},
		{"no comma between members", `{"x":1 "y":2}`, false},
		{"two commas", `{"x":1,,"y":2}`, false},
		{"leading comma", `{,"x":1}`, false},
		{"no comma between elements", `{"x":[1 2]}`, false},
		{"comma at the end of an array", `{"x":[1,]}`, false},
		{"no colon", `{"x" 1}`, false},
		{"two colons", `{"x"::1}`, false},
		{"no value", `{"x":}`, false},
		{"no name", `{:1}`, false},
		{"name without quotation marks", `{x:1}`, false},
		{"unclosed string", `{"x":"1}`, false},
		{"unclosed array", `{"x":[1`, false},
		{"wrong bracket", `{"x":[1}]`, false},
		{"siblings are not depth", `{"x":[` + siblings + `],"y":{"a":{},"b":[],"c":{"d":1}},"z":[` + siblings + `]}`, true},
		{"claims that are arrays are not depth", `{"scopes":[],"aud":["a"],"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, true},
		{"16 levels", `{"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, true},
		{"17 levels", `{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, false},
		{"17 levels of objects", strings.Repeat(`{"x":`, 17) + "1" + strings.Repeat("}", 17), false},
		{"raw control character", "{\"x\":\"\x1f\"}", false},
		{"raw control character after an escape", "{\"x\":\"\\n\x1f\"}", false},
		{"escaped quotation mark", `{"x":"\""}`, true},
		{"escaped apostrophe", `{"x":"\'"}`, false},
		{"escape at the end", `{"x":"\`, false},
		{"escape of nothing", `{"x":"\"}`, false},
		{"hexadecimal digits", `{"x":"\u09aF\uABCD"}`, true},
		{"no hexadecimal digit, letter", `{"x":"\u000g"}`, false},
		{"no hexadecimal digit, upper case", `{"x":"\u000G"}`, false},
		{"no hexadecimal digit, after 9", `{"x":"\u000:"}`, false},
		{"three hexadecimal digits", `{"x":"\u000"}`, false},
		{"unclosed hexadecimal digits", `{"x":"\u00`, false},
		{"surrogates", `{"x":"\ud83d\ude00"}`, true},
		{"surrogates, but no second escape", `{"x":"\ud83dxxde00"}`, false},
		{"surrogates without the second backslash", `{"x":"\ud83dde00"}`, false},
		{"surrogates without the second escape", `{"x":"\ud83dde00xx"}`, false},
		{"surrogates in the wrong order", `{"x":"\ude00\ud83d"}`, false},
		{"high surrogate at the end", `{"x":"\ud83d"}`, false},
		{"replacement character", `{"x":"\ufffd"}`, true},
		{"numbers", `{"x":[0,-0,1,-1,10,0.5,-0.5,1e5,1E5,1e+5,1e-5,1.5e05]}`, true},
		{"leading zero", `{"x":01}`, false},
		{"leading point", `{"x":.5}`, false},
		{"trailing point", `{"x":1.}`, false},
		{"plus", `{"x":+1}`, false},
		{"minus alone", `{"x":-}`, false},
		{"exponent without digits", `{"x":1e}`, false},
		{"exponent with a sign alone", `{"x":1e+}`, false},
		{"hexadecimal", `{"x":0x1}`, false},
		{"underscore", `{"x":1_000}`, false},
		{"infinity", `{"x":Infinity}`, false},
		{"beyond float64", `{"x":1e400}`, false},
		{"literals", `{"x":[true,false,null]}`, true},
		{"literal cut off", `{"x":tru}`, false},
		{"literal in upper case", `{"x":True}`, false},
		{"literal and more", `{"x":truex}`, false},
		{"duplicate, deep in arrays", `{"x":[[{"a":1},{"a":1,"a":1}]]}`, false},
		{"same name in siblings", `{"x":[{"a":1},{"a":1}]}`, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var claims Claims
			err := ParseClaims(row.payload, &claims)
			require.Equal(t, row.ok, err == nil, "%v", err)
			if row.ok {
				require.True(t, json.Valid([]byte(row.payload)))
			}
		})
	}
}

func TestStringsAreDecoded(t *testing.T) {
	var claims Claims
	require.NoError(t, ParseClaims(`{"sub":"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00z","scopes":["\u0061",""]}`, &claims))
	require.Equal(t, "a\"\\/\b\f\n\r\tAé€😀z", claims.Subject)
	require.Equal(t, []string{"a", ""}, claims.Scopes)
}

func TestClaimsAreReadWhole(t *testing.T) {
	var claims Claims
	const payload = `{"client_id":"c","scopes":["s"],"nbf":1.25,"exp":2,"sub":"u","token_type":"t"}`
	claims.Subject, claims.Segment = "left over", "left over"
	require.NoError(t, ParseClaims(payload, &claims))
	require.Equal(t, Claims{TokenType: "t", Subject: "u", ExpiresAt: time.Unix(2, 0).UTC(),
		NotBefore: time.Unix(1, 250e6).UTC(), Scopes: []string{"s"}, ClientID: "c"}, claims)
	require.NoError(t, ParseClaims(`{}`, &claims))
	require.Equal(t, Claims{}, claims, "nothing is left over")
}

// TestEachClaim gives every claim twice, and a value of every wrong type.
func TestEachClaim(t *testing.T) {
	right := map[string]string{"exp": "1", "nbf": "1", "iat": "1", "scopes": `["a"]`, "aud": `"a"`}
	for _, name := range claimNames {
		value := right[name]
		if value == "" {
			value = `"a"`
		}
		var claims Claims
		require.NoError(t, ParseClaims(`{"`+name+`":`+value+`}`, &claims), name)
		require.EqualError(t, ParseClaims(`{"`+name+`":`+value+`,"`+name+`":`+value+`}`, &claims), name+": "+reasonDuplicate)
		require.EqualError(t, ParseClaims(`{"`+strings.ToUpper(name)+`":`+value+`}`, &claims), reasonFolded)
		for _, wrong := range []string{"1", `"a"`, `["a"]`, "null", "true", "{}", "[1]", `["a",null]`} {
			if wrong != value && (name != "aud" || wrong != `["a"]`) {
				require.Error(t, ParseClaims(`{"`+name+`":`+wrong+`}`, &claims), "%s %s", name, wrong)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	claims := func(change func(*Claims)) *Claims {
		c := &Claims{TokenType: "access", Subject: "u", ExpiresAt: time.Unix(issuedAt+1, 0), NotBefore: time.Unix(issuedAt, 0)}
		change(c)
		return c
	}
	for _, row := range []struct {
		name   string
		change func(*Claims)
		err    string
	}{
		{"good", func(*Claims) {}, ""},
		{"longer type", func(c *Claims) { c.TokenType = "access2" }, "token_type: " + reasonTokenType},
		{"sub of 255 bytes", func(c *Claims) { c.Subject = strings.Repeat("é", 127) + "e" }, ""},
		{"sub of 256 bytes in 128 characters", func(c *Claims) { c.Subject = strings.Repeat("é", 128) }, "sub: " + reasonLong},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := claims(row.change).Check(Expect{TokenType: "access", Now: at(issuedAt)})
			if row.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, row.err)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	for _, row := range []struct {
		name, header string
		ok           bool
	}{
		{"shortest", `{"alg":"HS256"}`, true},
		{"bad UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", false},
		{"something after it", `{"alg":"HS256"}x`, false},
		{"typ in mixed case", `{"alg":"HS256","typ":"jWt"}`, true},
		{"typ cut off", `{"alg":"HS256","typ":"JW"}`, false},
		{"typ empty", `{"alg":"HS256","typ":""}`, false},
		{"alg and ALG", `{"alg":"HS256","ALG":"HS256"}`, false},
		{"TYP", `{"alg":"HS256","TYP":"JWT"}`, false},
		{"KID", `{"alg":"HS256","KID":"x"}`, false},
		{"sixteen members", `{"alg":"HS256","x":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7},"y":[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}]}`, true},
		{"seventeen, most of them nested", `{"alg":"HS256","x":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7},"y":[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}]}`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := parseHeader(row.header)
			require.Equal(t, row.ok, err == nil, "%v", err)
		})
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
