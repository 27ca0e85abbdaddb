package uuid

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := New()
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
		canonical, ok := Canonical(strings.ToUpper(id))
		require.True(t, ok)
		require.Equal(t, id, canonical)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestCanonical(t *testing.T) {
	const id = "0c9b9247-266d-4c2f-bbcf-1f59ea6b313b"
	for _, bad := range []string{"", id[1:], id + "0", "{" + id[:34] + "}", strings.Replace(id, "-", "0", 1), strings.Replace(id, "9", "g", 1), strings.Replace(id, "9", "-", 1),
		"0c9b9247-266d-4c2f-bbcf-1f59ea6b31\u0130"} {
		_, ok := Canonical(bad)
		require.False(t, ok, bad)
	}
}
