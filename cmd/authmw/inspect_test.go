package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/capture"
	"github.com/authmw/authmw/masterkey"
)

// TestColor shows the colours of a terminal, which scripts do not have.
func TestColor(t *testing.T) {
	c := capture.Read(t)
	for _, row := range []struct{ name, key, want string }{
		{"the right key", c.SecretKey, "\x1b[32mVERIFIED\x1b[0m: signed with"},
		{"another", strings.Repeat("another ", 8), "\x1b[31mNOT VERIFIED\x1b[0m: there is no signature"},
		{"none", "", "\x1b[33mNOT VERIFIED\x1b[0m: there is no key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, err strings.Builder
			program := &cli{in: strings.NewReader(""), out: &out, err: &err, color: true, now: func() time.Time { return captured }}
			args := []string{"inspect", c.Named(t, "login, access")}
			if row.key != "" {
				program.in = strings.NewReader(row.key)
				args = append(args, "--key-file", "-")
			}
			require.Zero(t, program.run(t.Context(), args), err.String())
			require.True(t, strings.HasPrefix(out.String(), row.want), out.String())
		})
	}
}

// inspect types a command with the captured key on standard input.
func inspect(t *testing.T, args ...string) (out string, status int) {
	var b strings.Builder
	program := &cli{in: strings.NewReader(capture.Read(t).SecretKey), out: &b, err: &b, now: func() time.Time { return captured }}
	status = program.run(t.Context(), append(args, "--key-file", "-"))
	return b.String(), status
}

// signed returns a token with this payload, signed with the captured key.
func signed(t *testing.T, payload string) string {
	token, _ := sign("eyJhbGciOiJIUzI1NiJ9."+base64.RawURLEncoding.EncodeToString([]byte(payload))+".", []byte(capture.Read(t).SecretKey))
	return token
}

func TestHostileTokens(t *testing.T) {
	t.Run("the last moment of the year 9999", func(t *testing.T) {
		// The nearest float64 to the second one is in the year 10000.
		for _, exp := range []string{"253402300799.5", "253402300799.99999999"} {
			out, status := inspect(t, "verify", signed(t, `{"token_type":"access","sub":"wGH0","exp":`+exp+`}`))
			require.Zero(t, status)
			require.Contains(t, out, "valid: access token of wGH0, expires in ")
		}
	})
	t.Run("larger than a server takes", func(t *testing.T) {
		out, status := inspect(t, "verify", signed(t, `{"token_type":"access","sub":"wGH0","exp":1795434589,"x":"`+strings.Repeat("x", 9000)+`"}`))
		require.Equal(t, exitNo, status)
		require.Equal(t, "malformed_token: longer than the size limit\n", out)
	})
	t.Run("one long name and many short ones", func(t *testing.T) {
		payload := `{"` + strings.Repeat("n", 40_000) + `":0` + strings.Repeat(`,"":0`, 5_000) + "}"
		out, _ := inspect(t, "inspect", signed(t, payload))
		require.Less(t, len(out), 10*len(payload))
	})
	t.Run("deeply nested", func(t *testing.T) {
		payload := `{"a":` + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + "}"
		out, _ := inspect(t, "inspect", "--json", signed(t, payload))
		require.Less(t, len(out), 10*len(payload))
	})
	t.Run("what moves the cursor", func(t *testing.T) {
		payload := "{\"sub\":\"\u009b31m\u202e\U000e0041\x9b\",\"\u009b\":0}"
		for _, args := range [][]string{{"inspect"}, {"inspect", "--json"}} {
			out, status := inspect(t, append(args, signed(t, payload))...)
			require.Zero(t, status)
			require.True(t, utf8.ValidString(out))
			require.Equal(t, -1, strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }))
			require.Contains(t, out, `"\u009b31m\u202e\udb40\udc41`+"\ufffd")
		}
		out, _ := inspect(t, "inspect", "--json", signed(t, payload))
		require.True(t, json.Valid([]byte(out)))
	})
}

// FuzzInspect holds that no input breaks inspect, that it says of a token what the library does, that nothing is called
// verified for which the library found the signature wrong, and that what is printed keeps to its lines.
func FuzzInspect(f *testing.F) {
	c := capture.Read(f)
	for _, token := range c.Tokens {
		f.Add(token.Token)
	}
	for _, input := range []string{"", ".", "..", "e30.e30.", "Authorization: Bearer a.b.c", "Bearer Cr x:0", "\x1b[31m.\u202e.\x9b",
		"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjFlMzA4fQ.x", "bnVsbA.W10.", "eyIiOnsiIjpbXX19.eyJzdWIiOm51bGwsInN1YiI6MX0.x"} {
		f.Add(input)
	}
	secret := []byte(c.SecretKey)
	v, err := authmw.New(secret, authmw.WithClock(func() time.Time { return captured }))
	require.NoError(f, err)
	program := &cli{now: func() time.Time { return captured }}
	s := &site{cli: program, read: func(context.Context) (masterkey.Key, error) {
		return masterkey.Key{Secret: secret, From: "a test"}, nil
	}}
	f.Fuzz(func(t *testing.T, input string) {
		if input == "-" {
			return
		}
		r, err := s.examine(t.Context(), []string{input})
		if err != nil {
			return
		}
		token, err := findToken(input)
		require.NoError(t, err)
		_, refusal := v.Verify(t.Context(), token)
		require.Equal(t, refusal == nil, len(r.Problems) == 0)
		var e *authmw.Error
		if errors.As(refusal, &e) {
			require.Equal(t, e.Code(), r.Problems[0].Code)
		}
		if errors.Is(refusal, authmw.ErrInvalidSignature) {
			require.False(t, *r.Verified)
		}
		if refusal == nil {
			require.True(t, *r.Verified)
			require.NotNil(t, r.Until)
		}
		for line := range strings.Lines(r.text(program.paint, captured)) {
			require.NotContains(t, strings.TrimSuffix(line, "\n"), "\n")
			require.True(t, strings.IndexFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) < 0, "%q", line)
		}
	})
}

func TestFindToken(t *testing.T) {
	for _, row := range []struct{ name, input, want, err string }{
		{"bare", "a.b.c", "a.b.c", ""},
		{"with white space round it", " \n a.b.c\r\n", "a.b.c", ""},
		{"in quotes", `"a.b.c"`, "a.b.c", ""},
		{"with its scheme", "Bearer a.b.c", "a.b.c", ""},
		{"scheme in lower case", "bearer   a.b.c\n", "a.b.c", ""},
		{"a header", "Authorization: Bearer a.b.c", "a.b.c", ""},
		{"a header without a scheme, as Cloudreve accepts", "authorization:a.b.c", "a.b.c", ""},
		{"headers", "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\nAccept: */*\r\n\r\n", "a.b.c", ""},
		{"JSON", `{"headers": {"Authorization": "Bearer a.b.c"}}`, "a.b.c", ""},
		{"Go's http.Header as JSON", `{"Authorization":["Bearer a.b.c"]}`, "a.b.c", ""},
		{"curl", `curl -H 'Authorization: Bearer a.b.c' http://x`, "a.b.c", ""},
		{"curl, in double quotes", `curl -H "Authorization: Bearer a.b.c" http://x`, "a.b.c", ""},
		{"curl of Windows", `curl -H ^"Authorization: Bearer a.b.c^" http://x`, "a.b.c", ""},
		{"curl's config", `header = "Authorization: Bearer a.b.c"`, "a.b.c", ""},
		{"two headers", "Authorization: Bearer a\nAuthorization: Bearer b", "", "more than one Authorization header"},
		{"beside another header of such a name", "Proxy-Authorization: Basic x\nX-Authorization: y\nAuthorization: Bearer a.b.c\n", "a.b.c", ""},
		{"none", " \n", "", "there is no token"},
		{"a header without one", "Authorization: Bearer ", "", "there is no token"},
		{"two words", "a b", "", "a space in the token"},
		{"another scheme", "Authorization: Basic dTpw", "", "a space in the token"},
		{"a node's signature", "Bearer Cr x:0", "", "the signature of a Cloudreve node"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := findToken(row.input)
			if row.err != "" {
				require.ErrorContains(t, err, row.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}
