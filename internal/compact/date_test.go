package compact

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
