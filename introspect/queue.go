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
	maxBuckets = 16384

	// maxPerAddress is how many of the turns of fresh questions those from one address may have.
	maxPerAddress = 12

	// After suspectAfter tokens that the site did not accept, an address is suspect, and so is an IPv6 /48 after
	// suspectNetAfter. Accepted tokens make up for that. Half of it is forgotten in forgetAfter.
	suspectAfter    = 4
	suspectNetAfter = 32
	maxRefusals     = 64
	forgetAfter     = 10 * time.Second

	// paceInterval is the time between two questions to a site that has answered with status 429, for as long as its
	// Retry-After says: defaultPace without one, and at most maxPace.
	paceInterval = time.Second
	defaultPace  = 2 * time.Second
	maxPace      = 30 * time.Second

	// A 429 sets the pace for known or fresh tokens if those of limitedSenders got one within forgetAfter.
	limitedSenders = 5

	// suspectPace is for how much longer suspects are asked about at that pace, all of them together. Without it, a flood
	// would bring the site to answer with 429 again and again.
	suspectPace = time.Minute
)

// flight is a question that waits for its turn or is in flight. There is never more than one about a token.
type flight struct {
	key            key
	token, subject string
	expires        time.Time
	question       question
	known          bool
	class          class // known, or that of its address when it began to wait
	trial          bool  // of a half-open circuit
	reconnect      bool  // see Introspector.silent
	bucket         *bucket
	timer          *time.Timer // while it waits
	done           chan struct{}
	err            error // to be read when done
}

// queue decides whose question is next. It is used with the lock of the Introspector held. The zero queue is empty.
type queue struct {
	inFlight int
	waiting  int // in all of the following
	known    []*flight
	rings    [2]ring // of fresh and suspect addresses
	buckets  struct{ young, old map[netip.Prefix]*bucket }
	latency  time.Duration // of the site, a moving average
	pacedTo  [3]time.Time  // by class: until then, one question in paceInterval
	nextPace time.Time
	limits   [2][limitedSenders]limit // the last ones, of known and of fresh tokens
}

// limit is a sender who got status 429: the user of a known token, or the network of another.
type limit struct {
	user    string
	network *bucket
	key     key
	at      time.Time
}

// bucket is an address: what waits from there, and what became of its tokens.
type bucket struct {
	waiting  []*flight
	inFlight int // not about known tokens
	refusals float64
	at       time.Time // that refusals are of
	ring     *ring     // nil if nothing waits
	net      *bucket   // of the /48 around an IPv6 address
}

// ring has the buckets of a class with something waiting. They take turns, however much waits in each.
type ring []*bucket

// bucket returns the bucket of an address. An IPv6 user has a /64 at least, and may have a /48.
func (q *queue) bucket(address netip.Addr) *bucket {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return q.bucketOf(netip.PrefixFrom(address, address.BitLen())) // one for all unknown addresses
	}
	user, _ := address.Prefix(64)
	net, _ := address.Prefix(48)
	b := q.bucketOf(user)
	b.net = q.bucketOf(net)
	return b
}

func (q *queue) bucketOf(prefix netip.Prefix) *bucket {
	b := q.buckets.young[prefix]
	if b != nil {
		return b
	}
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
	return b
}

// class returns the class of a token from b that the site has not accepted before.
func (b *bucket) class(now time.Time) class {
	if b.decayed(now) >= suspectAfter || b.net != nil && b.net.decayed(now) >= suspectNetAfter {
		return suspect
	}
	return fresh
}

func (b *bucket) decayed(now time.Time) float64 {
	return b.refusals / float64(int64(1)<<min(max(now.Sub(b.at), 0)/forgetAfter, 62))
}

// judge remembers whether the site accepted a token from b.
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
	if b.net != nil {
		b.net.judge(accepted, now)
	}
}

// answered remembers how long the site took.
func (q *queue) answered(took time.Duration) {
	if q.latency == 0 {
		q.latency = took
	}
	q.latency += (took - q.latency) / 8
}

// limited remembers that the site has answered f with status 429. That sets the pace for the class of f and those after it.
// A site may limit one user, one address or strangers alone: known and fresh questions are paced only if others got a 429
// too.
func (q *queue) limited(f *flight, now time.Time, retryAfter time.Duration) {
	c := f.class
	switch {
	case c == known && !q.limitedToo(c, f, now):
		return // it is this user's
	case c == fresh && !q.limitedToo(c, f, now):
		c = suspect
	}
	if retryAfter == 0 {
		retryAfter = defaultPace
	}
	until := now.Add(min(retryAfter, maxPace))
	for ; c <= suspect; c++ {
		if c == suspect {
			until = until.Add(suspectPace)
		}
		if until.After(q.pacedTo[c]) {
			q.pacedTo[c] = until
		}
	}
	if next := now.Add(paceInterval); next.After(q.nextPace) {
		q.nextPace = next
	}
}

// limitedToo reports whether limitedSenders, the one of f among them, got status 429 of late for tokens of a class.
func (q *queue) limitedToo(c class, f *flight, now time.Time) bool {
	sender := limit{key: f.key, at: now}
	if c == known {
		sender.user = f.subject
	} else if sender.network = f.bucket; f.bucket.net != nil {
		sender.network = f.bucket.net
	}
	limits := q.limits[c][:]
	oldest := 0
	for i, l := range limits {
		if l.key == sender.key || l.user == sender.user && l.network == sender.network {
			oldest = i
			break
		}
		if l.at.Before(limits[oldest].at) {
			oldest = i
		}
	}
	limits[oldest] = sender
	for _, l := range limits {
		if now.Sub(l.at) > forgetAfter {
			return false
		}
	}
	return true
}

// paced reports whether questions of a class are asked at a pace.
func (q *queue) paced(c class, now time.Time) bool { return now.Before(q.pacedTo[c]) }

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
	if c == fresh && b.inFlight >= maxPerAddress {
		return max(time.Duration(len(b.waiting)+1)*q.latency/maxPerAddress, time.Duration(ahead+1)*q.latency/time.Duration(turns[c]))
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
	q.place(b, b.class(now))
}

// place puts b into the ring of a class, unless it is there.
func (q *queue) place(b *bucket, c class) {
	if ring := &q.rings[c-fresh]; b.ring != ring {
		b.move(ring)
	}
}

// move takes b out of its ring, if it is in one, and puts it at the end of another or, for nil, of none.
func (b *bucket) move(to *ring) {
	if b.ring != nil {
		i := slices.Index(*b.ring, b)
		*b.ring = slices.Delete(*b.ring, i, i+1)
	}
	if b.ring = to; to != nil {
		*to = append(*to, b)
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
		b.waiting = nil
		b.move(nil)
	}
	return true
}

// next takes out the flight whose turn it is, or returns nil if there is none. A site that is paced is asked once in a
// while: then, pause is how long until that may change.
func (q *queue) next(now time.Time) (f *flight, pause time.Duration) {
	for c := known; c <= suspect; c++ {
		f := q.first(c, now)
		if f == nil {
			continue
		}
		if q.inFlight >= turns[c] {
			return nil, pause // nor may the classes after it
		}
		if q.paced(c, now) {
			if now.Before(q.nextPace) {
				until := min(q.nextPace.Sub(now), q.pacedTo[c].Sub(now))
				if pause == 0 || until < pause {
					pause = until
				}
				continue
			}
			q.nextPace = now.Add(paceInterval)
		}
		q.take(f)
		return f, 0
	}
	return nil, pause
}

// take gives a turn to f. Its address goes to the end of the ring.
func (q *queue) take(f *flight) {
	q.remove(f)
	q.inFlight++
	if f.known {
		return
	}
	b := f.bucket
	b.inFlight++
	if b.ring != nil {
		b.move(b.ring)
	}
}

// done is called for each flight that next returned.
func (q *queue) done(f *flight) {
	q.inFlight--
	if !f.known {
		f.bucket.inFlight--
	}
}

// first returns the flight of a class whose turn is next, or nil if nothing waits. Addresses that have become suspect since
// are moved, and those with as many in flight as they may have are passed over.
func (q *queue) first(c class, now time.Time) *flight {
	if c == known {
		if len(q.known) == 0 {
			return nil
		}
		return q.known[0]
	}
	ring := &q.rings[c-fresh]
	for i := 0; i < len(*ring); {
		b := (*ring)[i]
		switch {
		case c == fresh && b.class(now) == suspect:
			q.place(b, suspect)
		case c == fresh && b.inFlight >= maxPerAddress:
			i++
		default:
			return b.waiting[0]
		}
	}
	return nil
}
