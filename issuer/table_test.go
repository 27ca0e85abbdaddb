package issuer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTable does things at random to a table and holds it against a map.
func TestTable(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		var table table[int]
		model := map[string]time.Time{} // when each entry expires
		now := time.Unix(1795430989, 0)
		for n := range 3000 {
			switch ids := slices.Sorted(maps.Keys(model)); random.IntN(10) {
			case 0:
				now = now.Add(time.Duration(random.IntN(30)) * time.Second)
			case 1:
				owner := fmt.Sprint(random.IntN(5))
				table.expire(owner, now)
				for _, e := range table.owners[owner] {
					require.False(t, now.After(e.expires))
				}
			case 2, 3:
				if len(ids) > 0 {
					table.remove(table.entries[ids[random.IntN(len(ids))]])
				}
			case 4, 5:
				if len(ids) > 0 {
					e := table.entries[ids[random.IntN(len(ids))]]
					e.expires = now.Add(time.Duration(random.IntN(100)) * time.Second)
				}
			default:
				expires := now.Add(time.Duration(random.IntN(100)) * time.Second)
				require.NoError(t, table.add(fmt.Sprint(random.IntN(5)), fmt.Sprint(n), now, expires, n))
			}
			for id := range model {
				if table.entries[id] == nil {
					delete(model, id)
				}
			}
			owned := 0
			for owner, entries := range table.owners {
				require.NotEmpty(t, entries)
				owned += len(entries)
				for position, e := range entries {
					require.Equal(t, owner, e.owner)
					require.Equal(t, position, e.position)
				}
			}
			require.Len(t, table.entries, owned)
			require.Len(t, table.queue, owned)
			for id, e := range table.entries {
				require.Equal(t, id, e.id)
				require.Same(t, e, table.queue[e.queued])
				require.False(t, e.due.Before(table.queue[0].due))
				model[id] = e.expires
			}
		}
	}
}

// TestTableKeepsWhatIsLive adds for a long time, and extends some entries. All that are live are there, and few others.
func TestTableKeepsWhatIsLive(t *testing.T) {
	var table table[int]
	now := time.Unix(1795430989, 0)
	for n := range 20_000 {
		require.NoError(t, table.add("owner"+fmt.Sprint(n%100), fmt.Sprint(n), now, now.Add(time.Minute), n))
		if n > 0 && n%10 == 0 {
			table.entries[fmt.Sprint(n)].expires = now.Add(10 * time.Minute)
		}
		now = now.Add(time.Second)
		if n%500 != 0 {
			continue
		}
		for m := range n + 1 {
			ttl := time.Minute
			if m > 0 && m%10 == 0 {
				ttl *= 10
			}
			age := time.Duration(n-m+1) * time.Second
			require.Equal(t, age <= ttl+time.Second, table.entries[fmt.Sprint(m)] != nil, "entry %d when there are %d", m, n+1)
		}
	}
}
