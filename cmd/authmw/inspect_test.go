package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/masterkey"
)

// TestColor shows the colours of a terminal, which scripts do not have.
func TestColor(t *testing.T) {
	c := capture(t)
	for _, row := range []struct{ name, key, want string }{
		{"the right key", c.SecretKey, "\x1b[32mVERIFIED\x1b[0m: signed with"},
		{"another", strings.Repeat("another ", 8), "\x1b[31mNOT VERIFIED\x1b[0m: there is no signature"},
		{"none", "", "\x1b[33mNOT VERIFIED\x1b[0m: there is no key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, err strings.Builder
			program := &cli{in: strings.NewReader(""), out: &out, err: &err, color: true, now: func() time.Time { return captured }}
			args := []string{"inspect", c.token(t, "login, access")}
			if row.key != "" {
				program.in = strings.NewReader(row.key)
				args = append(args, "--key-file", "-")
			}
			require.Zero(t, program.run(t.Context(), args), err.String())
			require.True(t, strings.HasPrefix(out.String(), row.want), out.String())
		})
	}
}

// FuzzInspect holds that no input breaks inspect, that it says of a token what the library does, that nothing is called
// verified for which the library found the signature wrong, and that what is printed keeps to its lines.
func FuzzInspect(f *testing.F) {
	c := capture(f)
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
		for line := range strings.Lines(r.text(false, captured)) {
			require.NotContains(t, strings.TrimSuffix(line, "\n"), "\n")
			require.True(t, strings.IndexFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) < 0, "%q", line)
		}
	})
}
