package issuer_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/issuer"
)

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
