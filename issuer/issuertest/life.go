package issuertest

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/issuer"
)

// life is the model of a family: all the tokens there are of it, and all states that it had in the store.
type life struct {
	tokens map[int64][]issuer.Pair // by generation, which is 0 if they work more than once
	states []lifeState
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

type lifeState struct {
	since      time.Time
	expires    time.Time // zero if it ended
	ended      bool
	generation int64       // of the token that may be used next
	used       time.Time   // when the one before was used
	pair       issuer.Pair // what it was answered with, if the answer was not lost
}

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

	t        *testing.T
	random   *rand.Rand
	issuer   *issuer.Issuer
	subject  string
	reported int // events
	lives    []*life
}

const (
	lifeTTL   = time.Hour
	lifeGrace = 40 * time.Second
)

// run takes 300 steps with the Issuer that build returns.
func (lt *lifeTest) run(t *testing.T, build func(...issuer.Option) (*issuer.Issuer, error)) {
	lt.t, lt.random, lt.subject = t, rand.New(rand.NewPCG(lt.seed, 0)), id(t, "subject")
	options := []issuer.Option{issuer.WithClock(lt.clock.Now), issuer.WithTTL(2*time.Minute, lifeTTL),
		issuer.WithObserver(func(_ context.Context, event issuer.Event) {
			require.ErrorIs(t, event.Err, issuer.ErrReused)
			lt.reported++
		})}
	if lt.rotating {
		options = append(options, issuer.WithGrace(lifeGrace))
	}
	var err error
	lt.issuer, err = build(options...)
	require.NoError(t, err)
	for range 300 {
		lt.step()
	}
}

// fault is what the store does to the next call.
type fault int

const (
	none   fault = iota
	before       // it fails and does nothing
	lost         // it does its work and fails
)

// step does one thing.
func (lt *lifeTest) step() {
	now := lt.clock.Now()
	if lt.forget != nil && lt.random.IntN(25) == 0 {
		lt.failover(now)
	}
	lt.faults.before, lt.faults.after = lt.random.IntN(12) == 0, lt.random.IntN(12) == 0
	fault := none
	switch {
	case lt.faults.before:
		fault = before
	case lt.faults.after:
		fault = lost
	}
	if len(lt.lives) == 0 || lt.random.IntN(12) == 0 {
		lt.logIn(now, fault)
		return
	}
	l := lt.lives[lt.random.IntN(len(lt.lives))]
	generation := l.newest()
	if lt.random.IntN(4) == 0 {
		generation = slices.Sorted(maps.Keys(l.tokens))[lt.random.IntN(len(l.tokens))]
	}
	token := l.tokens[generation][lt.random.IntN(len(l.tokens[generation]))]
	expired := now.Unix() >= token.RefreshExpires.Unix()
	if s := l.state(); lt.rotating && !s.ended && !expired && now.After(s.expires.Add(-time.Second)) {
		// After a failover only: the store is back at a state that expired before the token does, and may forget it.
		lt.lives = slices.DeleteFunc(lt.lives, func(other *life) bool { return other == l })
		return
	}
	switch action := lt.random.IntN(10); {
	case action == 0:
		lt.revoke(l, token, now, expired, fault)
	case action < 4:
		steps := []time.Duration{time.Nanosecond, time.Second, lifeGrace / 2, lifeGrace, time.Minute, lifeTTL / 2, lifeTTL}
		lt.advance(steps[lt.random.IntN(len(steps))])
	default:
		lt.refresh(l, generation, token, now, expired, fault)
	}
}

// failover takes back the last second of the store and of the model.
func (lt *lifeTest) failover(now time.Time) {
	from := now.Add(-time.Second)
	lt.forget(lt.t, from)
	for _, l := range lt.lives {
		l.states = slices.DeleteFunc(l.states, func(s lifeState) bool { return s.since.After(from) })
		if len(l.states) == 0 { // the login itself was forgotten
			l.set(now, lifeState{ended: lt.rotating})
		}
	}
}

// requireFault checks that an error is the store's, and tells a client to try again.
func (lt *lifeTest) requireFault(err error) {
	lt.t.Helper()
	require.ErrorIs(lt.t, err, authmw.ErrUnavailable)
	require.ErrorIs(lt.t, err, errFault)
	require.NotErrorIs(lt.t, err, issuer.ErrInvalidGrant)
}

// logIn begins a family.
func (lt *lifeTest) logIn(now time.Time, fault fault) {
	pair, err := lt.issuer.Issue(lt.t.Context(), issuer.Identity{Subject: lt.subject})
	if lt.rotating && fault != none {
		lt.requireFault(err)
		require.Zero(lt.t, pair)
		return
	}
	require.NoError(lt.t, err)
	l := &life{tokens: map[int64][]issuer.Pair{}}
	first := int64(0)
	if lt.rotating {
		first = 1
	}
	l.set(now, lifeState{generation: first, expires: now.Add(lifeTTL)})
	l.add(first, pair)
	lt.lives = append(lt.lives, l)
}

// revoke ends a family.
func (lt *lifeTest) revoke(l *life, token issuer.Pair, now time.Time, expired bool, fault fault) {
	err := lt.issuer.Revoke(lt.t.Context(), token.RefreshToken)
	switch {
	case expired:
		require.ErrorIs(lt.t, err, authmw.ErrTokenExpired)
		return
	case fault != none:
		lt.requireFault(err)
	default:
		require.NoError(lt.t, err)
	}
	if fault != before && !l.state().ended {
		l.set(now, lifeState{ended: true})
	}
}

// refresh uses a token of a generation.
func (lt *lifeTest) refresh(l *life, generation int64, token issuer.Pair, now time.Time, expired bool, fault fault) {
	reported := lt.reported
	pair, err := lt.issuer.Refresh(lt.t.Context(), token.RefreshToken)
	if err != nil {
		require.Zero(lt.t, pair)
	}
	switch {
	case expired:
		require.ErrorIs(lt.t, err, authmw.ErrTokenExpired)
	case fault == before:
		lt.requireFault(err)
	case fault == lost:
		lt.requireFault(err)
		lt.expect(l, generation, pair, now, fault)
	default:
		want := lt.expect(l, generation, pair, now, fault)
		require.ErrorIs(lt.t, err, want)
		require.Equal(lt.t, want == issuer.ErrReused, lt.reported == reported+1, "the observer is told once")
	}
}

// expect returns the error that a refresh is to have, and notes in the model what it did. pair is its answer, unless that
// was lost.
func (lt *lifeTest) expect(l *life, generation int64, pair issuer.Pair, now time.Time, fault fault) error {
	switch s := l.state(); {
	case s.ended:
		return issuer.ErrRevoked
	case !lt.rotating:
		if fault != lost {
			l.add(generation, pair)
		}
	case generation >= s.generation:
		if fault != lost {
			l.add(generation+1, pair)
		}
		l.set(now, lifeState{generation: generation + 1, used: now, pair: pair, expires: now.Add(lifeTTL)})
	case generation == s.generation-1 && !s.used.IsZero() && now.Before(s.used.Add(lifeGrace)):
		if fault == lost {
			break
		}
		if s.pair != (issuer.Pair{}) {
			require.Equal(lt.t, s.pair, pair, "the same pair once more")
		}
		l.states[len(l.states)-1].pair = pair
		l.add(generation+1, pair)
	default:
		l.set(now, lifeState{ended: true})
		return issuer.ErrReused
	}
	return nil
}
