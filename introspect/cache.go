package introspect

import "crypto/sha256"

// key is a token's SHA-256, so that the memory of this process holds only tokens that are in use.
type key [sha256.Size]byte

// maxCached is how many tokens are remembered, of those accepted and of those refused each. An entry takes 150 to 300 bytes.
const maxCached = 20_000

// cache remembers a value for each of maxCached/2 tokens or more, and forgets the older ones when it is full. The zero cache
// is empty.
type cache[V any] struct{ young, old map[key]V }

func (c *cache[V]) get(k key) (v V, found bool) {
	if v, found = c.young[k]; !found {
		v, found = c.old[k]
	}
	return v, found
}

func (c *cache[V]) put(k key, v V) {
	if _, found := c.young[k]; !found && len(c.young) >= maxCached/2 {
		c.young, c.old = nil, c.young
	}
	if c.young == nil {
		c.young = map[key]V{}
	}
	c.young[k] = v
}

func (c *cache[V]) delete(k key) {
	delete(c.young, k)
	delete(c.old, k)
}
