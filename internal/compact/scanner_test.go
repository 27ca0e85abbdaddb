package compact

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/hostile"
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
		{"10^308", `{"x":1e308}`, false},
		{"10^308 in other words", `{"x":0.01E+0310}`, false},
		{"10^308 without an exponent", `{"x":-1` + strings.Repeat("0", 308) + `}`, false},
		{"10^308 after a long fraction", `{"x":0.` + strings.Repeat("0", 999) + `1e1308}`, false},
		{"just below 10^308", `{"x":[9.99e307,-9e307,99e306,0.09e309,1` + strings.Repeat("0", 307) + `]}`, true},
		{"just below 10^308, after a long fraction", `{"x":0.` + strings.Repeat("0", 999) + `1e1307}`, true},
		{"zero, whatever its exponent", `{"x":[0e999999999999999999999,0.000E+400,-0e400]}`, true},
		{"next to nothing", `{"x":[1e-400,9e-99999999999999999999999,0.0001e-309]}`, true},
		{"exponent that overflows", `{"x":1e99999999999999999999999}`, false},
		{"100 members", object(100), true},
		{"101 members", object(101), false},
		{"101 members in nested objects", `{"x":[` + object(50) + `,` + object(50) + `]}`, false},
		{"100 scopes", `{"scopes":[` + strings.Repeat(`"a",`, 99) + `"a"]}`, true},
		{"101 scopes", `{"scopes":[` + strings.Repeat(`"a",`, 100) + `"a"]}`, false},
		{"101 audiences", `{"aud":[` + strings.Repeat(`"a",`, 100) + `"a"]}`, true},
		{"audience that is no string", `{"aud":["a",1]}`, false},
		{"duplicate after a nested object", `{"x":{"y":1,"z":{"x":1}},"y":1,"x":1}`, false},
		{"names of a nested object do not count outside", `{"x":{"y":1,"z":{"x":1,"y":2}},"y":1,"z":1}`, true},
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

// TestFoldsTo compares it with strings.EqualFold, which encoding/json finds members with.
func TestFoldsTo(t *testing.T) {
	for _, known := range [][]string{claimNames, headerNames} {
		folds := func(name string) bool {
			return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(name, k) })
		}
		for _, name := range known {
			require.LessOrEqual(t, len(name), 13)
			require.Equal(t, strings.ToLower(name), name)
			for i := range name {
				for _, r := range "AKSZaksz_-0@[`{\u017f\u212a\u0130\u0131\u00e9\u01c5\ufffd\U0001f600\x00\x80" {
					for _, changed := range []string{name[:i] + string(r) + name[i+1:], name[:i] + string(r) + name[i:], name[:i] + name[i+1:], strings.ToUpper(name[:i]) + string(r) + name[i+1:]} {
						require.Equal(t, folds(changed), foldsTo(changed, known), "%q", changed)
					}
				}
			}
		}
	}
}

// object returns an object of n members.
func object(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return "{" + b.String()[1:] + "}"
}

// TestStepsAreLinear counts the work on payloads that are expensive to read.
func TestStepsAreLinear(t *testing.T) {
	for _, size := range []int{6 << 10, 768 << 10} {
		for _, payload := range hostile.Payloads(size) {
			t.Run(fmt.Sprint(payload.Name, " in ", size), func(t *testing.T) {
				require.True(t, json.Valid([]byte(payload.JSON)))
				require.Greater(t, len(payload.JSON), size-128)
				require.LessOrEqual(t, len(payload.JSON), size)
				s := scanner{json: payload.JSON, maxMembers: maxMembers}
				_ = s.claims(new(Claims))
				// A value takes two bytes at least, and each of 100 members is compared with those before it.
				require.LessOrEqual(t, s.steps, size/2+maxMembers*maxMembers/2)
				require.LessOrEqual(t, s.members, maxMembers+1)
				require.LessOrEqual(t, len(s.names), maxMembers)
			})
		}
	}
}

func TestStringsAreDecoded(t *testing.T) {
	var claims Claims
	require.NoError(t, ParseClaims(`{"sub":"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00z","scopes":["\u0061",""]}`, &claims))
	require.Equal(t, "a\"\\/\b\f\n\r\tAé€😀z", claims.Subject)
	require.Equal(t, []string{"a", ""}, claims.Scopes)
}

// TestFractions rounds exp down and nbf up, by the text and not by the nearest float64.
func TestFractions(t *testing.T) {
	for _, row := range []struct {
		name, number string
		exp, nbf     int64
	}{
		{"none", "1795430989", 1795430989, 1795430989},
		{"zero", "1795430989.000", 1795430989, 1795430989},
		{"a half", "1795430988.5", 1795430988, 1795430989},
		{"nines", "1795430988.9999999", 1795430988, 1795430989},
		{"more nines than a float64 has", "1795430988." + strings.Repeat("9", 300), 1795430988, 1795430989},
		{"next to nothing", "1795430988." + strings.Repeat("0", 300) + "1", 1795430988, 1795430989},
		{"before the first second", "0.5", 0, 1},
		{"far away, where float64 has steps of 30 microseconds", "253402300798.99999", 253402300798, 253402300799},
	} {
		t.Run(row.name, func(t *testing.T) {
			var claims Claims
			require.NoError(t, ParseClaims(`{"exp":`+row.number+`,"nbf":`+row.number+`}`, &claims))
			require.Equal(t, row.exp, claims.ExpiresAt.Unix())
			require.Zero(t, claims.ExpiresAt.Nanosecond())
			require.Equal(t, row.nbf, claims.NotBefore.Unix())
			require.Zero(t, claims.NotBefore.Nanosecond())
		})
	}
	var claims Claims
	require.EqualError(t, ParseClaims(`{"nbf":253402300799.5}`, &claims), "nbf: "+reasonFar)
	require.EqualError(t, ParseClaims(`{"exp":253402300800.5}`, &claims), "exp: "+reasonFar)
	require.EqualError(t, ParseClaims(`{"exp":1`+strings.Repeat("0", 400)+`}`, &claims), "exp: "+reasonFar)
}

// TestAbsentAndEmptyScopes keeps a list of nothing apart from no list: a token with the former may do nothing.
func TestAbsentAndEmptyScopes(t *testing.T) {
	var claims Claims
	require.NoError(t, ParseClaims(`{}`, &claims))
	require.Nil(t, claims.Scopes)
	require.NoError(t, ParseClaims(`{"scopes":[]}`, &claims))
	require.NotNil(t, claims.Scopes)
	require.Empty(t, claims.Scopes)
	require.EqualError(t, ParseClaims(`{"scopes":null}`, &claims), "scopes: "+reasonNotStrings)
}

func TestClaimsAreReadWhole(t *testing.T) {
	var claims Claims
	const payload = `{"client_id":"c","scopes":["s"],"nbf":1.25,"exp":2,"sub":"u","token_type":"t"}`
	claims.Subject, claims.Segment = "left over", "left over"
	require.NoError(t, ParseClaims(payload, &claims))
	require.Equal(t, Claims{TokenType: "t", Subject: "u", ExpiresAt: time.Unix(2, 0).UTC(),
		NotBefore: time.Unix(2, 0).UTC(), Scopes: []string{"s"}, ClientID: "c"}, claims)
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
			absent := wrong == "null" && (name == "token_type" || name == "sub")
			if wrong != value && !absent && (name != "aud" || wrong != `["a"]`) {
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
		{"longer type", func(c *Claims) { c.TokenType = "access2" }, `token_type: not the right type; it must be "access"`},
		{"refresh token", func(c *Claims) { c.TokenType = "refresh" }, `token_type is "refresh"; it must be "access"`},
		{"no type", func(c *Claims) { c.TokenType = "" }, `there is no token_type; it must be "access"`},
		{"no type and no exp", func(c *Claims) { *c = Claims{} }, `there is no token_type; it must be "access"`},
		{"no exp", func(c *Claims) { c.ExpiresAt = time.Time{} }, "there is no exp"},
		{"no sub", func(c *Claims) { c.Subject = "" }, "there is no sub"},
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

// TestAlgorithmIsNamed names the algorithm only if it is on a list.
func TestAlgorithmIsNamed(t *testing.T) {
	for header, want := range map[string]string{
		`{"alg":"RS256"}`:           "alg is RS256; only HS256 is accepted",
		`{"alg":"none"}`:            "alg is none; only HS256 is accepted",
		`{"typ":"JWT"}`:             "there is no alg; only HS256 is accepted",
		`{"alg":"hs256"}`:           "alg: unknown; only HS256 is accepted",
		`{"alg":"<b>anything</b>"}`: "alg: unknown; only HS256 is accepted",
	} {
		require.EqualError(t, parseHeader(header, nil), want)
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
			err := parseHeader(row.header, nil)
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
