package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestColor shows the colours of a terminal, which scripts do not have.
func TestColor(t *testing.T) {
	c := capture(t)
	for _, row := range []struct{ name, key, want string }{
		{"the right key", c.SecretKey, "\x1b[32mVERIFIED\x1b[0m: signed with"},
		{"another", strings.Repeat("another ", 8), "\x1b[31mNOT VERIFIED\x1b[0m: not signed with"},
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
