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

// TestPairsOfOneSecond has two refreshes in one second, whose tokens differ all the same.
func TestPairsOfOneSecond(t *testing.T) {
	i, _ := rotating(t)
	first, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	second, err := i.Refresh(t.Context(), first.RefreshToken)
	require.NoError(t, err)
	third, err := i.Refresh(t.Context(), second.RefreshToken)
	require.NoError(t, err)
	for n, pair := range []issuer.Pair{first, second, third} {
		claims := payloadOf(t, pair.RefreshToken)
		require.Equal(t, fmt.Sprintf("%s.%d", claims.RootTokenID, n+1), claims.JTI)
	}
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	require.NotEqual(t, second.RefreshToken, third.RefreshToken)
	other, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	require.NotEqual(t, payloadOf(t, first.RefreshToken).RootTokenID, payloadOf(t, other.RefreshToken).RootTokenID)
	require.Equal(t, payloadOf(t, first.RefreshToken).RootTokenID, payloadOf(t, third.RefreshToken).RootTokenID)
}
