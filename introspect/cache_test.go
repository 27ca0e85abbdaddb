package introspect

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCache(t *testing.T) {
	var c cache[int]
	put := func(i int) key {
		k := key(sha256.Sum256([]byte(fmt.Sprint(i))))
		c.put(k, i)
		return k
	}
	first := put(0)
	_, ok := c.get(first)
	require.True(t, ok)
	for i := range 10 * maxCached {
		k := put(i + 1)
		if i == maxCached/2+1 {
			_, ok = c.get(first)
			require.True(t, ok, "room for all")
		}
		got, ok := c.get(k)
		require.True(t, ok)
		require.Equal(t, i+1, got)
		require.LessOrEqual(t, len(c.young)+len(c.old), maxCached)
	}
	_, ok = c.get(first)
	require.False(t, ok)
	last := put(0)
	c.delete(last)
	_, ok = c.get(last)
	require.False(t, ok)
}
