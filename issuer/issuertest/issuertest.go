package issuertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/internal/uuid"
	"github.com/authmw/authmw/issuer"
)

// start is when the tests of stores begin.
var start = time.Date(2026, 11, 23, 10, 49, 49, 156820287, time.UTC)

// TestStore checks that a Store does what issuer.Store asks for, alone and under an Issuer: step by step, by many
// goroutines at once, and over random lives of many families, with failures and with a store that forgets its last second,
// against a model.
//
// open is called several times. The stores that it returns may share what they keep: no two tests use the same family, and
// they do not run in parallel. Some replay what they did: a test takes up to some ten thousand calls.
//
// advance is nil for a store that takes Rotation.Now for the time. For a store with a clock of its own, advance moves that
// clock on by d, for all families that the store keeps. In place of that, it may subtract d from the ends of grace windows
// and from the times when families expire, but not from the Now that Rotate returns. d may be a nanosecond, and be rounded.
func TestStore(t *testing.T, open func(t *testing.T) issuer.Store, advance func(t *testing.T, d time.Duration)) {
	t.Run("steps", func(t *testing.T) { testSteps(t, open(t), advance) })
	t.Run("limit", func(t *testing.T) { testLimit(t, open(t), advance) })
	t.Run("errors", func(t *testing.T) { testCancelled(t, open(t)) })
	t.Run("at once, within the grace window", func(t *testing.T) { testAtOnce(t, open(t), time.Minute) })
	t.Run("at once, without grace", func(t *testing.T) { testAtOnce(t, open(t), 0) })
	t.Run("logins at once", func(t *testing.T) { testLoginsAtOnce(t, open(t)) })
	t.Run("logout at once", func(t *testing.T) { testLogoutAtOnce(t, open(t)) })
	t.Run("a thief after a failover", func(t *testing.T) { testThief(t, open(t), advance) })
	for _, failover := range []bool{false, true} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("life %d, failover %v", seed, failover), func(t *testing.T) {
				clock := authmwtest.NewClock(start)
				forgetful := &forgetfulStore{Store: open(t), now: clock.Now}
				faults := &faultyStore{Store: forgetful}
				test := lifeTest{seed: seed, faults: &faults.faults, clock: clock, rotating: true}
				if failover {
					test.forget = func(t *testing.T, from time.Time) { forgetful.forget(t, from, advance) }
				}
				test.advance = func(d time.Duration) {
					clock.Advance(d)
					forgetful.passed(d)
					if advance != nil {
						advance(t, d)
					}
				}
				test.run(t, func(options ...issuer.Option) (*issuer.Issuer, error) {
					return issuer.New([]byte(authmwtest.Secret), faults, options...)
				})
			})
		}
	}
}

// TestRevocations is TestStore for issuer.Revocations.
func TestRevocations(t *testing.T, open func(t *testing.T) issuer.Revocations) {
	t.Run("steps", func(t *testing.T) { testRevocationSteps(t, open(t)) })
	for _, failover := range []bool{false, true} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("life %d, failover %v", seed, failover), func(t *testing.T) {
				clock := authmwtest.NewClock(start)
				forgetful := &forgetfulRevocations{Revocations: open(t), now: clock.Now}
				faults := &faultyRevocations{Revocations: forgetful}
				test := lifeTest{seed: seed, faults: &faults.faults, clock: clock, advance: clock.Advance}
				if failover {
					test.forget = forgetful.forget
				}
				test.run(t, func(options ...issuer.Option) (*issuer.Issuer, error) {
					return issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), faults, options...)
				})
			})
		}
	}
}

// id returns an identifier as an Issuer would hand it to a Store.
func id(t *testing.T, name string) string {
	return (name + strings.Repeat("-", 22) + strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) + t.Name())[:43]
}

func testSteps(t *testing.T, store issuer.Store, advance func(*testing.T, time.Duration)) {
	const ttl, grace = time.Hour, 40 * time.Second
	type step struct {
		name       string
		generation int64
		after      time.Duration // since the start
		want       issuer.Outcome
		at         time.Duration // since the start, with issuer.Repeated
	}
	rows := []struct {
		name  string
		steps []step
	}{
		{"each token once", []step{
			{"first", 1, 1 * time.Second, issuer.Rotated, 0},
			{"second", 2, 2 * time.Second, issuer.Rotated, 0},
			{"third, in the same second", 3, 2*time.Second + 1, issuer.Rotated, 0},
		}},
		{"the same again within the grace window", []step{
			{"first", 1, 1001 * time.Millisecond, issuer.Rotated, 0},
			{"again", 1, 1001*time.Millisecond + grace/2, issuer.Repeated, 1001 * time.Millisecond},
			{"the next", 2, 1001*time.Millisecond + grace, issuer.Rotated, 0},
			{"the next again", 2, 1001*time.Millisecond + grace + grace/2, issuer.Repeated, 1001*time.Millisecond + grace},
		}},
		{"the same again at the window's end", []step{
			{"first", 1, 0, issuer.Rotated, 0},
			{"again", 1, grace, issuer.Reused, 0},
			{"the next", 2, grace, issuer.Unknown, 0},
		}},
		{"a token whose successor was used", []step{
			{"first", 1, 0, issuer.Rotated, 0},
			{"second", 2, 1, issuer.Rotated, 0},
			{"first again", 1, 2, issuer.Reused, 0},
			{"the next", 3, 3, issuer.Unknown, 0},
		}},
		{"a store that is behind", []step{
			{"by two", 3, 0, issuer.Rotated, 0},
			{"again", 3, grace / 2, issuer.Repeated, 0},
			{"by two million", 2_000_000, grace / 2, issuer.Rotated, 0},
			{"again", 2_000_000, grace, issuer.Repeated, grace / 2},
			{"the next", 2_000_001, grace, issuer.Rotated, 0},
			{"a skipped one", 1_000_000, grace, issuer.Reused, 0},
			{"the next", 2_000_002, grace, issuer.Unknown, 0},
		}},
		{"the highest generation", []step{
			{"first", 1<<53 - 2, 0, issuer.Rotated, 0},
			{"again", 1<<53 - 2, 1, issuer.Repeated, 0},
			{"one lower", 1<<53 - 3, 2, issuer.Reused, 0},
		}},
	}
	if advance == nil {
		rows = append(rows, struct {
			name  string
			steps []step
		}{"to the microsecond", []step{
			{"first", 1, 0, issuer.Rotated, 0},
			{"just before the window's end", 1, grace - time.Microsecond, issuer.Repeated, 0},
			{"at its end", 1, grace, issuer.Reused, 0},
		}})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			owner, family, passed := id(t, "owner"), id(t, "family"), time.Duration(0)
			create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(ttl), Limit: 10})
			for _, s := range row.steps {
				if advance != nil && s.after > passed {
					advance(t, s.after-passed)
				}
				passed = s.after
				now := start.Add(s.after)
				outcome, at, err := store.Rotate(t.Context(), issuer.Rotation{Owner: owner, Family: family, Generation: s.generation, Call: id(t, s.name), Now: now, Grace: grace, Expires: now.Add(ttl)})
				require.NoError(t, err, s.name)
				requireOutcome(t, s.want, outcome, s.name)
				if s.want == issuer.Repeated {
					require.Equal(t, start.Add(s.at).UnixNano(), at.UnixNano(), "%s: Rotate is to return the Now that was kept", s.name)
				}
			}
		})
	}
	owner := id(t, "owner")
	rotation := func(family string, now time.Time, grace time.Duration) issuer.Rotation {
		return issuer.Rotation{Owner: owner, Family: family, Generation: 1, Call: "call", Now: now, Grace: grace, Expires: now.Add(ttl)}
	}
	t.Run("the same call twice, without grace", func(t *testing.T) {
		family := id(t, "family")
		create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(ttl), Limit: 10})
		r := rotation(family, start, 0)
		for _, want := range []issuer.Outcome{issuer.Rotated, issuer.Repeated, issuer.Reused} {
			if want == issuer.Reused {
				r.Call, r.Now = "another call", start.Add(-time.Second) // by a clock that is behind
			}
			outcome, at, err := store.Rotate(t.Context(), r)
			require.NoError(t, err)
			requireOutcome(t, want, outcome, "without a grace window")
			if want == issuer.Repeated {
				require.Equal(t, start.UnixNano(), at.UnixNano())
			}
		}
	})
	t.Run("the same family twice", func(t *testing.T) {
		family := issuer.Family{Owner: owner, ID: id(t, "family"), Now: start, Expires: start.Add(ttl), Limit: 10}
		create(t, store, family)
		create(t, store, family)
		outcome, _, err := store.Rotate(t.Context(), rotation(family.ID, start, 0))
		require.NoError(t, err)
		requireOutcome(t, issuer.Rotated, outcome, "after two calls of Create")
		_, err = store.Create(t.Context(), family)
		require.Error(t, err, "Create of a family whose first token was used")
	})
	t.Run("deleted", func(t *testing.T) {
		family := id(t, "family")
		create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(ttl), Limit: 10})
		for range 2 {
			require.NoError(t, store.Delete(t.Context(), owner, family))
		}
		outcome, _, err := store.Rotate(t.Context(), rotation(family, start, time.Minute))
		require.NoError(t, err)
		requireOutcome(t, issuer.Unknown, outcome, "after Delete")
	})
	if advance != nil {
		// Two Issuers whose clocks are a minute apart.
		for _, skew := range []time.Duration{-time.Minute, time.Minute} {
			t.Run(fmt.Sprintf("clocks that differ by %v", skew), func(t *testing.T) {
				family := id(t, "family")
				create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(ttl), Limit: 10})
				for n, now := range []time.Time{start, start.Add(skew), start.Add(skew + grace/2), start.Add(grace)} {
					r := rotation(family, now, grace)
					r.Call = id(t, "call")
					outcome, at, err := store.Rotate(t.Context(), r)
					require.NoError(t, err)
					requireOutcome(t, []issuer.Outcome{issuer.Rotated, issuer.Repeated, issuer.Repeated, issuer.Reused}[n], outcome, "by the store's clock")
					if outcome == issuer.Repeated {
						require.Equal(t, start.UnixNano(), at.UnixNano())
					}
					if n > 0 {
						advance(t, grace/2)
					}
				}
			})
		}
	}
}

func create(t *testing.T, store issuer.Store, family issuer.Family) {
	t.Helper()
	ended, err := store.Create(t.Context(), family)
	require.NoError(t, err)
	require.Zero(t, ended)
}

func requireOutcome(t *testing.T, want, got issuer.Outcome, name string) {
	t.Helper()
	require.Equal(t, want.String(), got.String(), "%s: the outcome of Rotate", name)
}

// testLimit has owners with more logins than they may have.
func testLimit(t *testing.T, store issuer.Store, advance func(*testing.T, time.Duration)) {
	const ttl, limit = time.Hour, 3
	type logins struct {
		t           *testing.T
		owner       string
		now         time.Time
		generations map[string]int64
	}
	begin := func(t *testing.T) *logins {
		return &logins{t: t, owner: id(t, "owner"), now: start, generations: map[string]int64{}}
	}
	pass := func(f *logins, d time.Duration) {
		f.now = f.now.Add(d)
		if advance != nil {
			advance(f.t, d)
		}
	}
	name := func(f *logins, family string) string { return family + f.owner[len(family):] }
	login := func(f *logins, family string, wantEnded int) {
		f.t.Helper()
		ended, err := store.Create(f.t.Context(), issuer.Family{Owner: f.owner, ID: name(f, family), Now: f.now, Expires: f.now.Add(ttl), Limit: limit})
		require.NoError(f.t, err)
		require.Equal(f.t, wantEnded, ended, "how many families Create ended")
		f.generations[family] = 1
		pass(f, time.Second)
	}
	refresh := func(f *logins, family string, want issuer.Outcome) {
		f.t.Helper()
		outcome, _, err := store.Rotate(f.t.Context(), issuer.Rotation{Owner: f.owner, Family: name(f, family), Generation: f.generations[family], Call: id(f.t, "call"), Now: f.now, Grace: time.Minute, Expires: f.now.Add(ttl)})
		require.NoError(f.t, err)
		requireOutcome(f.t, want, outcome, family)
		f.generations[family]++
		pass(f, time.Second)
	}
	t.Run("first those that were never refreshed", func(t *testing.T) {
		f := begin(t)
		login(f, "a", 0)
		login(f, "b", 0)
		login(f, "c", 0)
		refresh(f, "a", issuer.Rotated)
		login(f, "d", 1) // in place of b
		login(f, "e", 1) // in place of c
		refresh(f, "b", issuer.Unknown)
		refresh(f, "c", issuer.Unknown)
		refresh(f, "a", issuer.Rotated)
		refresh(f, "e", issuer.Rotated)
		refresh(f, "d", issuer.Rotated)
	})
	t.Run("then the one unused for longest", func(t *testing.T) {
		f := begin(t)
		for _, family := range []string{"a", "b", "c"} {
			login(f, family, 0)
			refresh(f, family, issuer.Rotated)
		}
		refresh(f, "a", issuer.Rotated)
		login(f, "d", 1) // in place of b
		refresh(f, "d", issuer.Rotated)
		login(f, "e", 1) // in place of c
		refresh(f, "b", issuer.Unknown)
		refresh(f, "c", issuer.Unknown)
		for _, family := range []string{"a", "d", "e"} {
			refresh(f, family, issuer.Rotated)
		}
	})
	t.Run("a login is not counted twice", func(t *testing.T) {
		f := begin(t)
		for _, family := range []string{"a", "b", "c", "c", "b", "a"} {
			login(f, family, 0)
		}
	})
	t.Run("a login that ended makes room", func(t *testing.T) {
		f := begin(t)
		for _, family := range []string{"a", "b", "c"} {
			login(f, family, 0)
		}
		require.NoError(t, store.Delete(t.Context(), f.owner, name(f, "b")))
		login(f, "d", 0)
		refresh(f, "a", issuer.Rotated)
		refresh(f, "a", issuer.Rotated)
		f.generations["a"] = 1
		refresh(f, "a", issuer.Reused)
		login(f, "e", 0)
		login(f, "f", 1)
	})
	t.Run("a login that expired makes room", func(t *testing.T) {
		f := begin(t)
		login(f, "a", 0)
		refresh(f, "a", issuer.Rotated)
		pass(f, ttl/2)
		login(f, "b", 0)
		login(f, "c", 0)
		pass(f, ttl/2)
		login(f, "d", 0) // a has expired; of b and c, which were never refreshed, none ends
		for _, family := range []string{"b", "c", "d"} {
			refresh(f, family, issuer.Rotated)
		}
		pass(f, ttl+time.Second)
		login(f, "e", 0)
	})
	t.Run("a lower limit than before", func(t *testing.T) {
		f := begin(t)
		for _, family := range []string{"a", "b", "c"} {
			login(f, family, 0)
		}
		ended, err := store.Create(t.Context(), issuer.Family{Owner: f.owner, ID: name(f, "d"), Now: f.now, Expires: f.now.Add(ttl), Limit: 1})
		require.NoError(t, err)
		require.Equal(t, 3, ended)
	})
	t.Run("owners do not share it", func(t *testing.T) {
		f, g := begin(t), begin(t)
		for _, family := range []string{"a", "b", "c"} {
			login(f, family, 0)
			login(g, family, 0)
		}
		login(f, "d", 1)
		for _, family := range []string{"a", "b", "c"} {
			refresh(g, family, issuer.Rotated)
		}
	})
}

// testThief has a thief with an older token, and a store that forgets the user's last refreshes. The family ends, and the
// observer is told.
func testThief(t *testing.T, shared issuer.Store, advance func(*testing.T, time.Duration)) {
	type use struct {
		who        string // thief or user
		generation int
		want       error
		wait       time.Duration // before
	}
	for name, uses := range map[string][]use{
		"a token older than what the store remembers": {{"thief", 1, issuer.ErrReused, 0}, {"user", 4, issuer.ErrRevoked, 0}},
		"the token that the store takes for the next, and the user next": {
			{"thief", 2, nil, 0}, {"user", 4, nil, 0}, {"thief", 3, issuer.ErrReused, 0}, {"user", 5, issuer.ErrRevoked, 0}},
		"one step, and the user first": {{"user", 4, nil, 0}, {"thief", 2, issuer.ErrReused, 0}, {"user", 5, issuer.ErrRevoked, 0}},
		"as many steps as the user": {
			{"thief", 2, nil, 0}, {"thief", 3, nil, 0}, {"user", 4, nil, 0}, {"thief", 4, issuer.ErrReused, time.Minute}, {"user", 5, issuer.ErrRevoked, 0}},
		"more steps than the user": {
			{"thief", 2, nil, 0}, {"thief", 3, nil, 0}, {"thief", 4, nil, 0}, {"thief", 5, nil, 0}, {"user", 4, issuer.ErrReused, 0}, {"thief", 6, issuer.ErrRevoked, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			clock := authmwtest.NewClock(start)
			store := &forgetfulStore{Store: shared, now: clock.Now}
			pass := func(d time.Duration) {
				clock.Advance(d)
				store.passed(d)
				if advance != nil {
					advance(t, d)
				}
			}
			var reused int
			identity := issuer.Identity{Subject: id(t, "subject")}
			i, err := issuer.New([]byte(authmwtest.Secret), store, issuer.WithClock(clock.Now), issuer.WithGrace(40*time.Second),
				issuer.WithObserver(func(_ context.Context, event issuer.Event) {
					require.Equal(t, issuer.Event{Identity: identity, Err: issuer.ErrReused, Ended: 1}, event)
					reused++
				}))
			require.NoError(t, err)
			tokens := map[string][]string{}
			first, err := i.Issue(t.Context(), identity)
			require.NoError(t, err)
			tokens["user"] = []string{"", first.RefreshToken}
			refresh := func(who string, generation int) error {
				pair, err := i.Refresh(t.Context(), tokens[who][generation])
				if err == nil {
					tokens[who] = append(tokens[who][:generation+1], pair.RefreshToken)
				}
				return err
			}
			require.NoError(t, refresh("user", 1))
			tokens["thief"] = append([]string(nil), tokens["user"]...) // up to the second
			pass(time.Minute)
			require.NoError(t, refresh("user", 2))
			require.NoError(t, refresh("user", 3))
			store.forget(t, clock.Now().Add(-time.Second), advance)
			for _, u := range uses {
				pass(u.wait)
				require.ErrorIs(t, refresh(u.who, u.generation), u.want, "%s with %d", u.who, u.generation)
			}
			require.Equal(t, 1, reused)
		})
	}
}

// testCancelled shows that a store that gives up because its caller did is not one that knows no family. A store that
// does not look at the context may do its work all the same.
func testCancelled(t *testing.T, store issuer.Store) {
	owner, family := id(t, "owner"), id(t, "family")
	create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(time.Hour), Limit: 1})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	outcome, _, err := store.Rotate(cancelled, issuer.Rotation{Owner: owner, Family: family, Generation: 1, Call: "call", Now: start, Expires: start.Add(time.Hour)})
	if err == nil {
		requireOutcome(t, issuer.Rotated, outcome, "with a context that is cancelled")
	}
}

// testAtOnce refreshes one token many times at once, through two Issuers that share the store.
func testAtOnce(t *testing.T, store issuer.Store, grace time.Duration) {
	issuers := make([]*issuer.Issuer, 2)
	for n := range issuers {
		var err error
		issuers[n], err = issuer.New([]byte(authmwtest.Secret), store, issuer.WithGrace(grace), issuer.WithTTL(time.Minute, time.Hour))
		require.NoError(t, err)
	}
	first, err := issuers[0].Issue(t.Context(), issuer.Identity{Subject: id(t, "subject")})
	require.NoError(t, err)

	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		pairs = map[issuer.Pair]int{}
		odd   []error
		gate  = make(chan struct{})
	)
	for n := range 200 {
		wg.Go(func() {
			<-gate
			pair, err := issuers[n%2].Refresh(t.Context(), first.RefreshToken)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				pairs[pair]++
			case grace > 0 || !errors.Is(err, issuer.ErrReused) && !errors.Is(err, issuer.ErrRevoked):
				odd = append(odd, err)
			}
		})
	}
	close(gate)
	wg.Wait()
	require.Empty(t, odd)
	require.Len(t, pairs, 1, "exactly one new pair")
	for pair, answers := range pairs {
		_, err := issuers[1].Refresh(t.Context(), pair.RefreshToken)
		if grace > 0 {
			require.Equal(t, 200, answers)
			require.NoError(t, err)
		} else {
			require.Equal(t, 1, answers)
			require.ErrorIs(t, err, issuer.ErrRevoked, "the second use ended the family")
		}
	}
}

// testLoginsAtOnce has one owner log in many times at once. The limit holds, and each login that ended is counted once.
func testLoginsAtOnce(t *testing.T, store issuer.Store) {
	const logins, limit = 50, 3
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		owner = id(t, "owner")
		all   []string
		total int
		gate  = make(chan struct{})
	)
	for range logins {
		family := id(t, "family")
		all = append(all, family)
		wg.Go(func() {
			<-gate
			ended, err := store.Create(t.Context(), issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(time.Hour), Limit: limit})
			mu.Lock()
			defer mu.Unlock()
			total += ended
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	live := 0
	for _, family := range all {
		outcome, _, err := store.Rotate(t.Context(), issuer.Rotation{Owner: owner, Family: family, Generation: 1, Call: id(t, "call"), Now: start, Expires: start.Add(time.Hour)})
		require.NoError(t, err)
		if outcome == issuer.Rotated {
			live++
		}
	}
	require.Equal(t, limit, live)
	require.Equal(t, logins-limit, total)
}

// testLogoutAtOnce has logins end while they are refreshed. None of them refreshes afterwards.
func testLogoutAtOnce(t *testing.T, store issuer.Store) {
	owner := id(t, "owner")
	for range 50 {
		family := id(t, "family")
		create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(time.Hour), Limit: 1000})
		rotation := issuer.Rotation{Owner: owner, Family: family, Generation: 1, Call: id(t, "call"), Now: start, Grace: time.Minute, Expires: start.Add(time.Hour)}
		var wg sync.WaitGroup
		gate := make(chan struct{})
		wg.Go(func() {
			<-gate
			if err := store.Delete(t.Context(), owner, family); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			<-gate
			if _, _, err := store.Rotate(t.Context(), rotation); err != nil {
				t.Error(err)
			}
		})
		close(gate)
		wg.Wait()
		rotation.Generation = 2
		outcome, _, err := store.Rotate(t.Context(), rotation)
		require.NoError(t, err)
		requireOutcome(t, issuer.Unknown, outcome, "after Delete")
	}
}

func testRevocationSteps(t *testing.T, revocations issuer.Revocations) {
	owner := id(t, "owner")
	revoke := func(root string, until time.Duration) {
		limited, err := revocations.Revoke(t.Context(), issuer.Revocation{Owner: owner, RootTokenID: root, Now: start, Until: start.Add(until), Limit: 10})
		require.NoError(t, err)
		require.False(t, limited)
	}
	revoked := func(root string) bool {
		found, err := revocations.Revoked(t.Context(), issuer.Renewal{Owner: owner, RootTokenID: root, Issued: start})
		require.NoError(t, err)
		return found
	}
	a, b := uuid.New(), uuid.New()
	require.False(t, revoked(a))
	for range 2 {
		revoke(a, time.Hour)
		require.True(t, revoked(a))
		require.False(t, revoked(b))
	}
	revoke(a, time.Minute)
	require.True(t, revoked(a), "not for less time than before")
}

// faults make the next operation of a store fail, before or after it took effect.
type faults struct{ before, after bool }

var errFault = errors.New("issuertest: the store is down")

func (f *faults) around(operation func() error) error {
	before, after := f.before, f.after
	*f = faults{}
	if before {
		return errFault
	}
	if err := operation(); err != nil {
		return err
	}
	if after {
		return errFault
	}
	return nil
}

type faultyStore struct {
	issuer.Store
	faults
}

func (f *faultyStore) Create(ctx context.Context, family issuer.Family) (ended int, err error) {
	err = f.around(func() (err error) {
		ended, err = f.Store.Create(ctx, family)
		return err
	})
	return ended, err
}

func (f *faultyStore) Rotate(ctx context.Context, r issuer.Rotation) (outcome issuer.Outcome, at time.Time, err error) {
	err = f.around(func() (err error) {
		outcome, at, err = f.Store.Rotate(ctx, r)
		return err
	})
	return outcome, at, err
}

func (f *faultyStore) Delete(ctx context.Context, owner, family string) error {
	return f.around(func() error { return f.Store.Delete(ctx, owner, family) })
}

type faultyRevocations struct {
	issuer.Revocations
	faults
}

func (f *faultyRevocations) Revoke(ctx context.Context, r issuer.Revocation) (limited bool, err error) {
	err = f.around(func() (err error) {
		limited, err = f.Revocations.Revoke(ctx, r)
		return err
	})
	return limited, err
}

func (f *faultyRevocations) Revoked(ctx context.Context, r issuer.Renewal) (revoked bool, err error) {
	err = f.around(func() (err error) {
		revoked, err = f.Revocations.Revoked(ctx, r)
		return err
	})
	return revoked, err
}

// forgetfulStore can be put back to how it was, as a replica is that becomes the master and is behind.
type forgetfulStore struct {
	issuer.Store
	now      func() time.Time
	families []issuer.Family
	journal  []journalEntry
}

// journalEntry is something that was done, or time that passed.
type journalEntry struct {
	at     time.Time
	do     func(context.Context) error
	passed time.Duration
}

func (f *forgetfulStore) did(do func(context.Context) error) {
	f.journal = append(f.journal, journalEntry{at: f.now(), do: do})
}

func (f *forgetfulStore) passed(d time.Duration) {
	f.journal = append(f.journal, journalEntry{passed: d})
}

func (f *forgetfulStore) Create(ctx context.Context, family issuer.Family) (int, error) {
	f.families = append(f.families, family)
	f.did(func(ctx context.Context) error { _, err := f.Store.Create(ctx, family); return err })
	return f.Store.Create(ctx, family)
}

func (f *forgetfulStore) Rotate(ctx context.Context, r issuer.Rotation) (issuer.Outcome, time.Time, error) {
	f.did(func(ctx context.Context) error { _, _, err := f.Store.Rotate(ctx, r); return err })
	return f.Store.Rotate(ctx, r)
}

func (f *forgetfulStore) Delete(ctx context.Context, owner, family string) error {
	f.did(func(ctx context.Context) error { return f.Store.Delete(ctx, owner, family) })
	return f.Store.Delete(ctx, owner, family)
}

// forget takes back what was done after from: it begins anew, and does again what was done before.
func (f *forgetfulStore) forget(t *testing.T, from time.Time, advance func(*testing.T, time.Duration)) {
	for _, family := range f.families {
		require.NoError(t, f.Store.Delete(t.Context(), family.Owner, family.ID))
	}
	f.journal = slices.DeleteFunc(f.journal, func(e journalEntry) bool { return e.at.After(from) })
	for _, e := range f.journal {
		if e.do != nil {
			require.NoError(t, e.do(t.Context()))
		} else if advance != nil {
			advance(t, e.passed)
		}
	}
}

// forgetfulRevocations can be put back to how they were.
type forgetfulRevocations struct {
	issuer.Revocations
	now     func() time.Time
	revoked map[string]time.Time // since when
}

func (f *forgetfulRevocations) Revoke(ctx context.Context, r issuer.Revocation) (bool, error) {
	if f.revoked == nil {
		f.revoked = map[string]time.Time{}
	}
	if _, found := f.revoked[r.RootTokenID]; !found {
		f.revoked[r.RootTokenID] = f.now()
	}
	return f.Revocations.Revoke(ctx, r)
}

func (f *forgetfulRevocations) Revoked(ctx context.Context, r issuer.Renewal) (bool, error) {
	if _, found := f.revoked[r.RootTokenID]; !found {
		return false, ctx.Err()
	}
	return f.Revocations.Revoked(ctx, r)
}

func (f *forgetfulRevocations) forget(_ *testing.T, from time.Time) {
	maps.DeleteFunc(f.revoked, func(_ string, since time.Time) bool { return since.After(from) })
}

// life is the model of a family: all the tokens there are of it, and all states that it had in the store.
type life struct {
	tokens map[int64][]issuer.Pair // by generation, which is 0 if they work more than once
	states []lifeState
}

type lifeState struct {
	since      time.Time
	expires    time.Time // zero if it ended
	ended      bool
	generation int64       // of the token that may be used next
	used       time.Time   // when the one before was used
	pair       issuer.Pair // what it was answered with, if the answer was not lost
}

func (l *life) state() lifeState { return l.states[len(l.states)-1] }

func (l *life) set(now time.Time, s lifeState) {
	s.since = now
	l.states = append(l.states, s)
}

func (l *life) add(generation int64, pair issuer.Pair) {
	l.tokens[generation] = append(l.tokens[generation], pair)
}

// newest returns the highest generation that somebody has a token of.
func (l *life) newest() int64 { return slices.Max(slices.Collect(maps.Keys(l.tokens))) }

// lifeTest does things at random to many families and holds each answer against the model: no family that ended ever
// refreshes, and none that is live is refused. Its store may fail, before or after it did its work, and forget its last
// second.
type lifeTest struct {
	seed     uint64
	faults   *faults
	clock    *authmwtest.Clock
	rotating bool
	advance  func(time.Duration)
	forget   func(t *testing.T, from time.Time) // nil if the store never does
}

func (lt lifeTest) run(t *testing.T, build func(...issuer.Option) (*issuer.Issuer, error)) {
	random := rand.New(rand.NewPCG(lt.seed, 0))
	const ttl, grace = time.Hour, 40 * time.Second
	subject, reported := id(t, "subject"), 0
	options := []issuer.Option{issuer.WithClock(lt.clock.Now), issuer.WithTTL(2*time.Minute, ttl),
		issuer.WithObserver(func(_ context.Context, event issuer.Event) {
			require.ErrorIs(t, event.Err, issuer.ErrReused)
			reported++
		})}
	if lt.rotating {
		options = append(options, issuer.WithGrace(grace))
	}
	i, err := build(options...)
	require.NoError(t, err)
	requireFault := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, err, errFault)
		require.NotErrorIs(t, err, issuer.ErrInvalidGrant)
	}
	var lives []*life
	for range 300 {
		now := lt.clock.Now()
		if lt.forget != nil && random.IntN(25) == 0 {
			from := now.Add(-time.Second)
			lt.forget(t, from)
			for _, l := range lives {
				l.states = slices.DeleteFunc(l.states, func(s lifeState) bool { return s.since.After(from) })
				if len(l.states) == 0 { // the login itself was forgotten
					l.set(now, lifeState{ended: lt.rotating})
				}
			}
		}
		lt.faults.before, lt.faults.after = random.IntN(12) == 0, random.IntN(12) == 0
		failing, lost := lt.faults.before || lt.faults.after, !lt.faults.before && lt.faults.after
		if len(lives) == 0 || random.IntN(12) == 0 {
			pair, err := i.Issue(t.Context(), issuer.Identity{Subject: subject})
			if lt.rotating && failing {
				requireFault(err)
				require.Zero(t, pair)
				continue
			}
			require.NoError(t, err)
			l := &life{tokens: map[int64][]issuer.Pair{}}
			first := int64(0)
			if lt.rotating {
				first = 1
			}
			l.set(now, lifeState{generation: first, expires: now.Add(ttl)})
			l.add(first, pair)
			lives = append(lives, l)
			continue
		}
		l := lives[random.IntN(len(lives))]
		generation := l.newest()
		if random.IntN(4) == 0 {
			generation = slices.Sorted(maps.Keys(l.tokens))[random.IntN(len(l.tokens))]
		}
		token := l.tokens[generation][random.IntN(len(l.tokens[generation]))]
		expired := now.Unix() >= token.RefreshExpires.Unix()
		s := l.state()
		if lt.rotating && !s.ended && !expired && now.After(s.expires.Add(-time.Second)) {
			// After a failover only: the store is back at a state that expired before the token does, and may forget it.
			lives = slices.DeleteFunc(lives, func(other *life) bool { return other == l })
			continue
		}
		switch action := random.IntN(10); {
		case action == 0:
			err := i.Revoke(t.Context(), token.RefreshToken)
			switch {
			case expired:
				require.ErrorIs(t, err, authmw.ErrTokenExpired)
			case failing:
				requireFault(err)
				if lost && !s.ended {
					l.set(now, lifeState{ended: true})
				}
			default:
				require.NoError(t, err)
				if !s.ended {
					l.set(now, lifeState{ended: true})
				}
			}
		case action < 4:
			steps := []time.Duration{time.Nanosecond, time.Second, grace / 2, grace, time.Minute, ttl / 2, ttl}
			lt.advance(steps[random.IntN(len(steps))])
		default:
			before := reported
			pair, err := i.Refresh(t.Context(), token.RefreshToken)
			if err != nil {
				require.Zero(t, pair)
			}
			switch {
			case expired:
				require.ErrorIs(t, err, authmw.ErrTokenExpired)
				continue
			case failing && !lost:
				requireFault(err)
				continue
			}
			// The store did its work. What would it have answered?
			var want error
			switch {
			case s.ended:
				want = issuer.ErrRevoked
			case !lt.rotating:
				if !lost {
					l.add(generation, pair)
				}
			case generation >= s.generation:
				if !lost {
					l.add(generation+1, pair)
				}
				l.set(now, lifeState{generation: generation + 1, used: now, pair: pair, expires: now.Add(ttl)})
			case generation == s.generation-1 && !s.used.IsZero() && now.Before(s.used.Add(grace)):
				if lost {
					break
				}
				if s.pair != (issuer.Pair{}) {
					require.Equal(t, s.pair, pair, "the same pair once more")
				}
				l.states[len(l.states)-1].pair = pair
				l.add(generation+1, pair)
			default:
				want = issuer.ErrReused
				l.set(now, lifeState{ended: true})
			}
			if lost {
				requireFault(err)
				continue
			}
			require.ErrorIs(t, err, want)
			require.Equal(t, want == issuer.ErrReused, reported == before+1, "the observer is told once")
		}
	}
}
