package strictjson

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/hostile"
)

const maxMembers = 100

// read reads a whole object.
func read(json string) Scanner {
	s := New(json, maxMembers, nil)
	for name, ok := s.FirstMember(); ok; name, ok = s.NextMember() {
		s.Unique(name, 0)
		s.Skip()
	}
	s.End()
	return s
}

// TestJSON has what RFC 8259 allows and what it does not, as a member of an object.
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
			s := read(row.payload)
			require.Equal(t, row.ok, s.Reason == "", s.Reason)
			if row.ok {
				require.True(t, json.Valid([]byte(row.payload)))
			}
		})
	}
}

// TestFoldsTo compares it with strings.EqualFold, which encoding/json finds members with.
func TestFoldsTo(t *testing.T) {
	for _, known := range [][]string{{"token_type", "sub", "exp", "root_token_id", "jti"}, {"alg", "kid", "b64"}} {
		folds := func(name string) bool {
			return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(name, k) })
		}
		for _, name := range known {
			require.LessOrEqual(t, len(name), 13)
			require.Equal(t, strings.ToLower(name), name)
			for i := range name {
				for _, r := range "AKSZaksz_-0@[`{\u017f\u212a\u0130\u0131\u00e9\u01c5\ufffd\U0001f600\x00\x80" {
					for _, changed := range []string{name[:i] + string(r) + name[i+1:], name[:i] + string(r) + name[i:], name[:i] + name[i+1:], strings.ToUpper(name[:i]) + string(r) + name[i+1:]} {
						require.Equal(t, folds(changed), FoldsTo(changed, known), "%q", changed)
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
				s := read(payload.JSON)
				// A value takes two bytes at least, and each of 100 members is compared with those before it.
				require.LessOrEqual(t, s.steps, size/2+maxMembers*maxMembers/2)
				require.LessOrEqual(t, s.members, maxMembers+1)
				require.LessOrEqual(t, len(s.names), maxMembers)
			})
		}
	}
}

func TestTextIsDecoded(t *testing.T) {
	s := New(`"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00z"`, maxMembers, nil)
	require.Equal(t, "a\"\\/\b\f\n\r\tAé€😀z", s.Text())
	s = New(`["\u0061",""]`, maxMembers, nil)
	require.Equal(t, []string{"a", ""}, s.Texts(2))
	require.Empty(t, s.Reason)
}

func TestReasons(t *testing.T) {
	for _, row := range []struct{ name, json, reason string }{
		{"not UTF-8", "{\"x\":\"\xff\"}", ReasonUTF8},
		{"an array", `[]`, ReasonSyntax},
		{"nested deeper than 16", strings.Repeat(`{"x":`, 17) + "1" + strings.Repeat("}", 17), ReasonDepth},
		{"more members than are accepted", object(maxMembers + 1), ReasonMembers},
		{"a member given twice", `{"x":1,"\u0078":1}`, ReasonDuplicate},
		{"a number beyond float64", `{"x":1e400}`, ReasonRange},
		{"half a surrogate pair", `{"x":"\ud83d"}`, ReasonUTF8},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := read(row.json)
			require.Equal(t, row.reason, s.Reason)
		})
	}
	s := New(`["a","b"]`, maxMembers, nil)
	s.Texts(1)
	require.Equal(t, ReasonElements, s.Reason)
}
