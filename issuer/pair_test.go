package issuer_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

// TestNothingPrintsSecretsOrTokens has the ways in which Go prints a value.
func TestNothingPrintsSecretsOrTokens(t *testing.T) {
	i, _ := rotating(t)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("issued", "pair", pair, "pointer", &pair, "issuer", i)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("issued", "pair", pair, "pointer", &pair, "issuer", i)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		printed := fmt.Sprintf(format+format+format+format, i, *i, pair, &pair) + logged.String()
		for _, hidden := range []string{authmwtest.Secret, pair.AccessToken, pair.RefreshToken, fmt.Sprint([]byte(authmwtest.Secret))[1:40], fmt.Sprintf("%x", authmwtest.Secret)} {
			require.NotContains(t, printed, hidden)
		}
	}
}
