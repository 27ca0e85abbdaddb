package compact

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
