package introspect

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBuckets(t *testing.T) {
	var q queue
	same := func(a, b string) bool {
		return q.bucket(netip.MustParseAddr(a)) == q.bucket(netip.MustParseAddr(b))
	}
	require.True(t, same("192.0.2.1", "192.0.2.1"))
	require.False(t, same("192.0.2.1", "192.0.2.2"))
	require.True(t, same("192.0.2.1", "::ffff:192.0.2.1"), "IPv4 in IPv6")
	require.True(t, same("2001:db8::1", "2001:db8::ffff:1"), "one /64")
	require.False(t, same("2001:db8::1", "2001:db8:0:1::1"))
	require.True(t, same("fe80::1%eth0", "fe80::2%eth1"), "without the zone")
	require.Same(t, q.bucket(netip.Addr{}), q.bucket(netip.Addr{}), "unknown ones share a bucket")

	first := q.bucket(netip.MustParseAddr("192.0.2.1"))
	for i := range 10 * maxBuckets {
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], uint32(i))
		q.bucket(netip.AddrFrom4(address))
		require.LessOrEqual(t, len(q.buckets.young)+len(q.buckets.old), maxBuckets)
	}
	require.NotSame(t, first, q.bucket(netip.MustParseAddr("192.0.2.1")), "forgotten for others")
}

func TestSuspects(t *testing.T) {
	now := time.Now()
	var b bucket
	for range suspectAfter - 1 {
		b.judge(false, now)
	}
	require.Equal(t, fresh, b.class(now))
	b.judge(false, now)
	require.Equal(t, suspect, b.class(now))
	b.judge(true, now)
	require.Equal(t, fresh, b.class(now), "an address with a user")
	for range 10 * maxRefusals {
		b.judge(false, now)
		now = now.Add(time.Millisecond)
	}
	require.Equal(t, suspect, b.class(now.Add(4*forgetAfter-time.Second)))
	require.Equal(t, fresh, b.class(now.Add(5*forgetAfter)), "they are forgotten in a minute")
	require.Equal(t, fresh, b.class(now.Add(1e6*time.Hour)))
}

// TestSuspectNetwork has a sender with a /48, who has as many /64s as there are ports.
func TestSuspectNetwork(t *testing.T) {
	now := time.Now()
	var q queue
	address := func(i int) *bucket {
		return q.bucket(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, byte(i >> 8), byte(i), 15: 1}))
	}
	for i := range suspectNetAfter {
		require.Equal(t, fresh, address(i).class(now))
		address(i).judge(false, now)
	}
	require.Equal(t, suspect, address(1000).class(now))
	require.Equal(t, fresh, q.bucket(netip.MustParseAddr("2001:db8:2::1")).class(now), "another /48")
	address(1000).judge(true, now)
	require.Equal(t, fresh, address(1001).class(now), "one with a user")
}

// TestPaces shows which classes a 429 slows down.
func TestPaces(t *testing.T) {
	now := time.Now()
	retry := 10 * time.Second
	type paces [3]time.Duration
	require.Equal(t, class(2), suspect)
	for name, row := range map[string]struct {
		limited func(q *queue)
		want    paces
	}{
		"a user": {func(q *queue) {
			for i := range byte(10) {
				q.limited(&flight{class: known, subject: "user", key: key{i}}, now, retry)
			}
		}, paces{}},
		"users": {func(q *queue) {
			for i := range byte(limitedSenders) {
				q.limited(&flight{class: known, subject: string(rune('a' + i)), key: key{i}}, now, retry)
			}
		}, paces{retry, retry, retry + suspectPace}},
		"a suspect": {func(q *queue) { q.limited(&flight{class: suspect}, now, retry) }, paces{0, 0, retry + suspectPace}},
		"one address": {func(q *queue) {
			b := new(bucket)
			for i := range byte(10) {
				q.limited(&flight{class: fresh, bucket: b, key: key{i}}, now, retry)
			}
		}, paces{0, 0, retry + suspectPace}},
		"one token": {func(q *queue) {
			for range 10 {
				q.limited(&flight{class: fresh, bucket: new(bucket)}, now, retry)
			}
		}, paces{0, 0, retry + suspectPace}},
		"one network": {func(q *queue) {
			net := new(bucket)
			for i := range byte(10) {
				q.limited(&flight{class: fresh, bucket: &bucket{net: net}, key: key{i}}, now, retry)
			}
		}, paces{0, 0, retry + suspectPace}},
		"addresses": {func(q *queue) {
			for i := range byte(limitedSenders) {
				q.limited(&flight{class: fresh, bucket: new(bucket), key: key{i}}, now, retry)
			}
		}, paces{0, retry, retry + suspectPace}},
		"addresses, one of them long ago": {func(q *queue) {
			for i := range byte(limitedSenders) {
				at := now
				if i == 0 {
					at = now.Add(-time.Minute)
				}
				q.limited(&flight{class: fresh, bucket: new(bucket), key: key{i}}, at, retry)
			}
		}, paces{0, 0, retry + suspectPace}},
	} {
		t.Run(name, func(t *testing.T) {
			var q queue
			row.limited(&q)
			for c, d := range row.want {
				require.Equal(t, d > 0, q.paced(class(c), now))
				require.False(t, q.paced(class(c), now.Add(d)))
				if d > 0 {
					require.True(t, q.paced(class(c), now.Add(d-1)))
				}
			}
		})
	}

	var q queue
	for i := range byte(limitedSenders) {
		q.limited(&flight{class: fresh, bucket: new(bucket), key: key{i}}, now, 1500*time.Millisecond)
	}
	q.push(&flight{subject: "fresh", bucket: q.bucket(netip.MustParseAddr("192.0.2.1"))}, now)
	_, pause := q.next(now)
	require.Equal(t, time.Second, pause)
	now = now.Add(time.Second)
	f, _ := q.next(now)
	require.NotNil(t, f)
	q.push(f, now)
	_, pause = q.next(now)
	require.Equal(t, time.Second/2, pause, "until the pace ends")
	q.push(&flight{subject: "known", bucket: new(bucket), known: true}, now)
	f, _ = q.next(now)
	require.Equal(t, "known", f.subject, "does not wait for strangers")
}

// TestOrder asks known tokens first, then addresses in turn, and suspects last, with turns kept for the better ones.
func TestOrder(t *testing.T) {
	now := time.Now()
	var q queue
	address := func(name string, refusals int) *bucket {
		b := q.bucket(netip.MustParseAddr(name))
		for range refusals {
			b.judge(false, now)
		}
		return b
	}
	flood, a, b := address("192.0.2.1", 10), address("192.0.2.2", 0), address("192.0.2.3", 0)
	push := func(name string, b *bucket) *flight {
		f := &flight{subject: name, bucket: b, known: b == nil}
		if f.known {
			f.bucket = new(bucket)
		}
		q.push(f, now)
		return f
	}
	push("flood 1", flood)
	push("flood 2", flood)
	push("a 1", a)
	push("a 2", a)
	push("a 3", a)
	push("b 1", b)
	push("known 1", nil)
	gone := push("gone", b)
	require.True(t, q.remove(gone))
	require.False(t, q.remove(gone))
	var order []string
	for f, _ := q.next(now); f != nil; f, _ = q.next(now) {
		order = append(order, f.subject)
	}
	require.Equal(t, []string{"known 1", "a 1", "b 1", "a 2", "a 3", "flood 1", "flood 2"}, order)
	require.Zero(t, q.waiting)
	require.Equal(t, 7, q.inFlight)

	for class, turns := range map[class]int{suspect: 16, fresh: 24, known: 32} {
		q = queue{inFlight: turns - 1}
		source := map[bool]*bucket{true: nil, false: address("192.0.2.4", 10*int(class-fresh))}[class == known]
		push("last", source)
		push("one too many", source)
		f, _ := q.next(now)
		require.NotNil(t, f)
		f, _ = q.next(now)
		require.Nil(t, f, class)
		q.inFlight--
		f, _ = q.next(now)
		require.NotNil(t, f)
	}

	// An address with enough in flight is passed over.
	q = queue{}
	greedy, modest := q.bucket(netip.MustParseAddr("192.0.2.7")), q.bucket(netip.MustParseAddr("192.0.2.8"))
	for range maxPerAddress {
		push("greedy", greedy)
		f, _ := q.next(now)
		require.NotNil(t, f)
	}
	held := push("held", greedy)
	push("modest", modest)
	f, _ := q.next(now)
	require.Equal(t, "modest", f.subject)
	f, _ = q.next(now)
	require.Nil(t, f)
	q.done(&flight{bucket: greedy, known: true})
	q.inFlight++
	f, _ = q.next(now)
	require.Nil(t, f, "a question about a known token does not count")
	q.done(&flight{bucket: greedy})
	f, _ = q.next(now)
	require.Same(t, held, f)

	// An address that becomes suspect while it waits loses its turn.
	q = queue{}
	turned, other := q.bucket(netip.MustParseAddr("192.0.2.5")), q.bucket(netip.MustParseAddr("192.0.2.6"))
	push("turned", turned)
	push("other", other)
	for range suspectAfter {
		turned.judge(false, now)
	}
	f, _ = q.next(now)
	require.Equal(t, "other", f.subject)
	f, _ = q.next(now)
	require.Equal(t, "turned", f.subject)
}

// TestForgiven has an address that is fresh again while a question of it waits among the suspects.
func TestForgiven(t *testing.T) {
	now := time.Now()
	var q queue
	b := q.bucket(netip.MustParseAddr("192.0.2.1"))
	for range suspectAfter {
		b.judge(false, now)
	}
	q.limited(&flight{class: suspect}, now, maxPace)
	q.push(&flight{subject: "first", bucket: b}, now)
	f, _ := q.next(now)
	require.Nil(t, f)
	now = now.Add(forgetAfter)
	q.nextPace = now.Add(time.Second)
	q.push(&flight{subject: "second", bucket: b}, now)
	for _, want := range []string{"first", "second"} {
		f, _ = q.next(now)
		require.NotNil(t, f)
		require.Equal(t, want, f.subject)
	}
	require.Empty(t, q.rings[0])
	require.Empty(t, q.rings[1])
}

// TestFull has so many wait that no more may.
func TestFull(t *testing.T) {
	now := time.Now()
	var q queue
	b := q.bucket(netip.MustParseAddr("192.0.2.1"))
	for range maxWaiting {
		require.False(t, q.full(fresh))
		q.push(&flight{bucket: b}, now)
	}
	require.True(t, q.full(fresh))
	require.True(t, q.full(suspect))
	for range maxWaiting {
		require.False(t, q.full(known), "new tokens take no room from known ones")
		q.push(&flight{known: true}, now)
	}
	require.True(t, q.full(known))
}
