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

	// An address that becomes suspect while it waits loses its turn.
	q = queue{}
	turned, other := q.bucket(netip.MustParseAddr("192.0.2.5")), q.bucket(netip.MustParseAddr("192.0.2.6"))
	push("turned", turned)
	push("other", other)
	for range suspectAfter {
		turned.judge(false, now)
	}
	f, _ := q.next(now)
	require.Equal(t, "other", f.subject)
	f, _ = q.next(now)
	require.Equal(t, "turned", f.subject)
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
