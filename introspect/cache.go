package introspect

import "time"

// cache remembers what was answered about tokens, and forgets the older half of it when it is full. The zero cache is
// empty.
type cache struct{ young, old map[key]entry }

type entry struct {
	until time.Time
	err   error
}

func (c *cache) get(k key, now time.Time) (err error, ok bool) {
	e, found := c.young[k]
	if !found {
		e = c.old[k]
	}
	return e.err, now.Before(e.until)
}

func (c *cache) put(k key, e entry) {
	if len(c.young) >= maxCached/2 {
		c.young, c.old = nil, c.young
	}
	if c.young == nil {
		c.young = map[key]entry{}
	}
	c.young[k] = e
}
