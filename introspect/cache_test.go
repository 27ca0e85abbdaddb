package introspect

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCache(t *testing.T) {
	var c cache
	now := time.Now()
	put := func(i int) key {
		k := key(sha256.Sum256([]byte(fmt.Sprint(i))))
		c.put(k, entry{until: now.Add(time.Second)})
		return k
	}
	first := put(0)
	_, ok := c.get(first, now)
	require.True(t, ok)
	_, ok = c.get(first, now.Add(time.Second))
	require.False(t, ok, "until then, and not then")
	for i := range 10 * maxCached {
		k := put(i + 1)
		if i == maxCached/2+1 {
			_, ok = c.get(first, now)
			require.True(t, ok, "room for all")
		}
		_, ok = c.get(k, now)
		require.True(t, ok)
		require.LessOrEqual(t, len(c.young)+len(c.old), maxCached)
	}
	_, ok = c.get(first, now)
	require.False(t, ok)
}
