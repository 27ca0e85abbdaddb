package introspect

import (
	"net/netip"
	"slices"
	"time"
)

// class is the priority of a question. A lower one goes first.
type class int

const (
	known   class = iota // about a token that the site accepted before
	fresh                // about any other
	suspect              // from an address whose tokens the site keeps refusing
)

// turns is how many questions may be in flight for one of a class to begin. The others are reserved for better classes,
// so that a flood of one class does not make the better ones wait.
var turns = [...]int{known: 32, fresh: 24, suspect: 16}

const (
	// maxWait is how long a question may wait for its turn.
	maxWait = time.Second

	// maxWaiting bounds the questions that wait: those about known tokens, and those about others.
	maxWaiting = 4096

	// maxBuckets bounds the addresses that are remembered.
	maxBuckets = 8192

	// suspectAfter refused tokens, less those accepted, an address is suspect. Half of them are forgotten in forgetAfter.
	suspectAfter = 4
	maxRefusals  = 64
	forgetAfter  = 10 * time.Second

	// paceInterval is the time between two questions to a site that has answered with status 429, for as long as its
	// Retry-After says: defaultPace without one, and at most maxPace.
	paceInterval = time.Second
	defaultPace  = 2 * time.Second
	maxPace      = 30 * time.Second

	// suspectPace is for how much longer suspects are asked about at that pace, all of them together. Without it, a flood
	// would bring the site to answer with 429 again and again.
	suspectPace = time.Minute
)

// queue decides whose question is next. It is used with the lock of the Site held. The zero queue is empty.
type queue struct {
	inFlight int
	waiting  int // in all of the following
	known    []*flight
	rings    [2]ring // of fresh and suspect addresses
	buckets  struct{ young, old map[netip.Prefix]*bucket }
	latency  time.Duration // of the site, a moving average
	pacedTo  time.Time     // until then, one question in paceInterval
	nextPace time.Time
}

// bucket is an address: what waits from there, and what became of its tokens.
type bucket struct {
	waiting  []*flight
	refusals float64
	at       time.Time // that refusals are of
	ring     *ring     // nil if nothing waits
}

// ring has the buckets of a class with something waiting. They take turns, however much waits in each.
type ring []*bucket

// bucket returns the bucket of an address. IPv6 users have a /64 each, at least.
func (q *queue) bucket(address netip.Addr) *bucket {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // the zero one for an unknown address
	b := q.buckets.young[prefix]
	if b == nil {
		if b = q.buckets.old[prefix]; b == nil {
			b = new(bucket)
		}
		if len(q.buckets.young) >= maxBuckets/2 {
			q.buckets.young, q.buckets.old = nil, q.buckets.young
		}
		if q.buckets.young == nil {
			q.buckets.young = map[netip.Prefix]*bucket{}
		}
		q.buckets.young[prefix] = b
	}
	return b
}

// class returns the class of a token from b that the site has not accepted before.
func (b *bucket) class(now time.Time) class {
	if b.decayed(now) >= suspectAfter {
		return suspect
	}
	return fresh
}

func (b *bucket) decayed(now time.Time) float64 {
	return b.refusals / float64(int64(1)<<min(max(now.Sub(b.at), 0)/forgetAfter, 62))
}

// judge remembers what the site said of a token from b.
func (b *bucket) judge(accepted bool, now time.Time) {
	refusals := b.decayed(now)
	if accepted {
		refusals /= 2
	} else {
		refusals = min(refusals+1, maxRefusals)
	}
	if whole := now.Sub(b.at) / forgetAfter; b.at.IsZero() || whole > 0 {
		b.at = now
	}
	b.refusals = refusals
}

// answered remembers how long the site took.
func (q *queue) answered(took time.Duration) {
	if q.latency == 0 {
		q.latency = took
	}
	q.latency += (took - q.latency) / 8
}

// limited remembers that the site has answered with status 429.
func (q *queue) limited(now time.Time, retryAfter time.Duration) {
	if retryAfter == 0 {
		retryAfter = defaultPace
	}
	if until := now.Add(min(retryAfter, maxPace)); until.After(q.pacedTo) {
		q.pacedTo = until
	}
	if next := now.Add(paceInterval); next.After(q.nextPace) {
		q.nextPace = next
	}
}

// paced reports whether questions of a class are asked at a pace.
func (q *queue) paced(c class, now time.Time) bool {
	until := q.pacedTo
	if c == suspect && !until.IsZero() {
		until = until.Add(suspectPace)
	}
	return now.Before(until)
}

// wait returns how long a question of a class from b would wait for its turn.
func (q *queue) wait(c class, b *bucket, now time.Time) time.Duration {
	ahead := len(q.known)
	if c != known {
		ring := q.rings[c-fresh]
		if c == suspect {
			for _, other := range q.rings[0] {
				ahead += len(other.waiting)
			}
		}
		for _, other := range ring {
			if other != b {
				ahead += min(len(other.waiting), len(b.waiting)+1)
			}
		}
		ahead += len(b.waiting)
	}
	if q.paced(c, now) {
		return max(q.nextPace.Sub(now), 0) + time.Duration(ahead)*paceInterval
	}
	if ahead == 0 && q.inFlight < turns[c] {
		return 0
	}
	return time.Duration(ahead+1) * q.latency / time.Duration(turns[c])
}

// full reports whether no more questions of a class may wait. New tokens take no room from known ones.
func (q *queue) full(c class) bool {
	if c == known {
		return len(q.known) >= maxWaiting
	}
	return q.waiting-len(q.known) >= maxWaiting
}

// push has f wait.
func (q *queue) push(f *flight, now time.Time) {
	q.waiting++
	if f.known {
		q.known = append(q.known, f)
		return
	}
	b := f.bucket
	b.waiting = append(b.waiting, f)
	if b.ring == nil {
		b.ring = &q.rings[b.class(now)-fresh]
		*b.ring = append(*b.ring, b)
	}
}

// remove takes f out, and reports whether it was waiting.
func (q *queue) remove(f *flight) bool {
	list := &q.known
	if !f.known {
		list = &f.bucket.waiting
	}
	i := slices.Index(*list, f)
	if i < 0 {
		return false
	}
	q.waiting--
	*list = slices.Delete(*list, i, i+1)
	if b := f.bucket; !f.known && len(b.waiting) == 0 {
		b.leave()
	}
	return true
}

func (b *bucket) leave() {
	i := slices.Index(*b.ring, b)
	*b.ring = slices.Delete(*b.ring, i, i+1)
	b.ring, b.waiting = nil, nil
}

// next takes out the flight whose turn it is, or returns nil if there is none. A site that is paced is asked once in a
// while: then, pause is how long until the next turn.
func (q *queue) next(now time.Time) (f *flight, pause time.Duration) {
	c, found := q.first(now)
	if !found || q.inFlight >= turns[c] {
		return nil, 0
	}
	if q.paced(c, now) {
		if pause := q.nextPace.Sub(now); pause > 0 {
			return nil, pause
		}
		q.nextPace = now.Add(paceInterval)
	}
	if c == known {
		f = q.known[0]
	} else {
		ring := &q.rings[c-fresh]
		b := (*ring)[0]
		f = b.waiting[0]
		*ring = append((*ring)[1:], b)
	}
	q.remove(f)
	q.inFlight++
	return f, 0
}

// first returns the best class that something waits in. Addresses that have become suspect since are moved.
func (q *queue) first(now time.Time) (c class, found bool) {
	if len(q.known) > 0 {
		return known, true
	}
	for len(q.rings[0]) > 0 {
		b := q.rings[0][0]
		if b.class(now) == fresh {
			return fresh, true
		}
		q.rings[0] = q.rings[0][1:]
		b.ring = &q.rings[1]
		q.rings[1] = append(q.rings[1], b)
	}
	return suspect, len(q.rings[1]) > 0
}
