package issuer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

// TestLargestIdentity refreshes it until its generation has another digit.
func TestLargestIdentity(t *testing.T) {
	i, clock := rotating(t)
	size := 5000
	var pair issuer.Pair
	for {
		next, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: strings.Repeat("x", size)})
		if err != nil {
			require.ErrorContains(t, err, "8 KiB")
			require.NotErrorIs(t, err, authmw.ErrUnavailable)
			require.NotErrorIs(t, err, issuer.ErrInvalidGrant)
			break
		}
		pair = next
		size++
	}
	require.Greater(t, len(pair.RefreshToken), 8100)
	for range 101 {
		clock.Advance(time.Hour)
		var err error
		pair, err = i.Refresh(t.Context(), pair.RefreshToken)
		require.NoError(t, err)
	}
}

func TestIdentitiesThatAreNone(t *testing.T) {
	i, _ := rotating(t)
	for _, identity := range []issuer.Identity{
		{}, {Subject: strings.Repeat("x", 256)}, {Subject: "a\x00"}, {Subject: "a\xff"}, {Subject: "a", ClientID: "\xff"}, {Subject: "a", Scopes: []string{"\xff"}}, {Subject: "a", ClientID: "c", Scopes: []string{strings.Repeat("x", 8<<10)}},
		{Subject: "a", Scopes: make([]string, 101)},
	} {
		_, err := i.Issue(t.Context(), identity)
		require.Error(t, err, "%.100q", identity)
		require.NotErrorIs(t, err, authmw.ErrUnavailable)
	}
}

// TestScopesWithoutAClient has New's tokens bound by their scopes, and keeps a list of nothing apart from no list.
func TestScopesWithoutAClient(t *testing.T) {
	i, clock := rotating(t)
	v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
	require.NoError(t, err)
	for _, scopes := range [][]string{nil, {}, {"Files.Read"}} {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", Scopes: scopes})
		require.NoError(t, err)
		for range 2 {
			claims, err := v.Verify(t.Context(), pair.AccessToken)
			require.NoError(t, err)
			require.Equal(t, scopes, claims.Scopes)
			require.Equal(t, scopes == nil, claims.HasScope("Admin.Write"))
			pair, err = i.Refresh(t.Context(), pair.RefreshToken)
			require.NoError(t, err)
		}
	}
}
