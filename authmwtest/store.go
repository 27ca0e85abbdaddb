package authmwtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/uuid"
	"github.com/authmw/authmw/issuer"
)

// start is when the tests of stores begin. Stores are to go by the times that they are given.
var start = time.Date(2026, 11, 23, 10, 49, 49, 156820287, time.UTC)

// TestStore checks that a Store does what issuer.Store asks for, alone and under an Issuer: step by step, by many
// goroutines at once, and over random lives of many families, with failures, against a model.
//
// open is called several times. The stores that it returns may share what they keep: no two tests use the same family.
func TestStore(t *testing.T, open func(t *testing.T) issuer.Store) {
	t.Run("steps", func(t *testing.T) { testSteps(t, open(t)) })
	t.Run("errors", func(t *testing.T) { testCancelled(t, open(t)) })
	t.Run("at once, within the grace window", func(t *testing.T) { testAtOnce(t, open(t), time.Minute) })
	t.Run("at once, without grace", func(t *testing.T) { testAtOnce(t, open(t), 0) })
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("life %d", seed), func(t *testing.T) {
			faults := &faultyStore{Store: open(t)}
			testLife(t, seed, &faults.faults, true, func(options ...issuer.Option) (*issuer.Issuer, error) {
				return issuer.New([]byte(Secret), faults, options...)
			})
		})
	}
}

// TestRevocations is TestStore for issuer.Revocations.
func TestRevocations(t *testing.T, open func(t *testing.T) issuer.Revocations) {
	t.Run("steps", func(t *testing.T) { testRevocationSteps(t, open(t)) })
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("life %d", seed), func(t *testing.T) {
			faults := &faultyRevocations{Revocations: open(t)}
			testLife(t, seed, &faults.faults, false, func(options ...issuer.Option) (*issuer.Issuer, error) {
				return issuer.NewCloudreveCompatible([]byte(Secret), faults, options...)
			})
		})
	}
}

// id returns an identifier as an Issuer would hand it to a Store.
func id(t *testing.T, name string) string {
	return (name + strings.Repeat("-", 22) + strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) + t.Name())[:43]
}

func testSteps(t *testing.T, store issuer.Store) {
	const ttl, grace = time.Hour, 10 * time.Second
	a, b, c, d := id(t, "a"), id(t, "b"), id(t, "c"), id(t, "d")
	type step struct {
		name     string
		from, to string
		after    time.Duration // since the start
		want     issuer.Outcome
		at       time.Duration // since the start, with issuer.Repeated
	}
	for _, row := range []struct {
		name  string
		steps []step
	}{
		{"each token once", []step{
			{"first", a, b, 1 * time.Second, issuer.Rotated, 0},
			{"second", b, c, 2 * time.Second, issuer.Rotated, 0},
			{"third, in the same second", c, d, 2*time.Second + 1, issuer.Rotated, 0},
		}},
		{"the same again within the grace window", []step{
			{"first", a, b, 1001 * time.Millisecond, issuer.Rotated, 0},
			{"again", a, b, 1001*time.Millisecond + grace/2, issuer.Repeated, 1001 * time.Millisecond},
			{"just before the window's end", a, b, 1001*time.Millisecond + grace - time.Microsecond, issuer.Repeated, 1001 * time.Millisecond},
			{"the next", b, c, 1001*time.Millisecond + grace, issuer.Rotated, 0},
		}},
		{"the same again at the window's end", []step{
			{"first", a, b, 0, issuer.Rotated, 0},
			{"again", a, b, grace, issuer.Reused, 0},
			{"the next", b, c, grace, issuer.Unknown, 0},
		}},
		{"a token whose successor was used", []step{
			{"first", a, b, 0, issuer.Rotated, 0},
			{"second", b, c, 1, issuer.Rotated, 0},
			{"first again", a, b, 2, issuer.Reused, 0},
			{"the next", c, d, 3, issuer.Unknown, 0},
		}},
		{"another successor within the grace window", []step{
			{"first", a, b, 0, issuer.Rotated, 0},
			{"again", a, c, 1, issuer.Reused, 0},
		}},
		{"a token that never was", []step{
			{"guess", d, c, 0, issuer.Reused, 0},
			{"first", a, b, 0, issuer.Unknown, 0},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			family := id(t, "family")
			require.NoError(t, store.Create(t.Context(), issuer.Family{ID: family, Token: a, Now: start, Expires: start.Add(ttl)}))
			for _, s := range row.steps {
				now := start.Add(s.after)
				outcome, at, err := store.Rotate(t.Context(), issuer.Rotation{Family: family, From: s.from, To: s.to, Call: id(t, s.name), Now: now, GraceUntil: now.Add(grace), Expires: now.Add(ttl)})
				require.NoError(t, err, s.name)
				requireOutcome(t, s.want, outcome, s.name)
				if s.want == issuer.Repeated {
					require.Equal(t, start.Add(s.at).UnixNano(), at.UnixNano(), "%s: Rotate is to return the Now that was kept", s.name)
				}
			}
		})
	}
	t.Run("the same call twice, without grace", func(t *testing.T) {
		family := id(t, "family")
		require.NoError(t, store.Create(t.Context(), issuer.Family{ID: family, Token: a, Now: start, Expires: start.Add(ttl)}))
		rotation := issuer.Rotation{Family: family, From: a, To: b, Call: "call", Now: start, GraceUntil: start, Expires: start.Add(ttl)}
		for _, want := range []issuer.Outcome{issuer.Rotated, issuer.Repeated, issuer.Reused} {
			if want == issuer.Reused {
				rotation.Call = "another call"
			}
			outcome, at, err := store.Rotate(t.Context(), rotation)
			require.NoError(t, err)
			requireOutcome(t, want, outcome, "without a grace window")
			if want == issuer.Repeated {
				require.Equal(t, start.UnixNano(), at.UnixNano())
			}
		}
	})
	t.Run("deleted", func(t *testing.T) {
		family := id(t, "family")
		require.NoError(t, store.Create(t.Context(), issuer.Family{ID: family, Token: a, Now: start, Expires: start.Add(ttl)}))
		for range 2 {
			require.NoError(t, store.Delete(t.Context(), family))
		}
		outcome, _, err := store.Rotate(t.Context(), issuer.Rotation{Family: family, From: a, To: b, Now: start, GraceUntil: start, Expires: start.Add(ttl)})
		require.NoError(t, err)
		requireOutcome(t, issuer.Unknown, outcome, "after Delete")
	})
}

func requireOutcome(t *testing.T, want, got issuer.Outcome, name string) {
	t.Helper()
	require.Equal(t, want.String(), got.String(), "%s: the outcome of Rotate", name)
}

// testCancelled shows that a store that gives up because its caller did is not one that knows no family. A store that
// does not look at the context may do its work all the same.
func testCancelled(t *testing.T, store issuer.Store) {
	family, a, b := id(t, "family"), id(t, "a"), id(t, "b")
	require.NoError(t, store.Create(t.Context(), issuer.Family{ID: family, Token: a, Now: start, Expires: start.Add(time.Hour)}))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	outcome, _, err := store.Rotate(cancelled, issuer.Rotation{Family: family, From: a, To: b, Now: start, GraceUntil: start, Expires: start.Add(time.Hour)})
	if err == nil {
		requireOutcome(t, issuer.Rotated, outcome, "with a context that is cancelled")
	}
}

// testAtOnce refreshes one token many times at once, through two Issuers that share the store.
func testAtOnce(t *testing.T, store issuer.Store, grace time.Duration) {
	issuers := make([]*issuer.Issuer, 2)
	for n := range issuers {
		var err error
		issuers[n], err = issuer.New([]byte(Secret), store, issuer.WithGrace(grace), issuer.WithTTL(time.Minute, time.Hour))
		require.NoError(t, err)
	}
	first, err := issuers[0].Issue(t.Context(), issuer.Grant{Subject: "wGH0"})
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

func testRevocationSteps(t *testing.T, revocations issuer.Revocations) {
	revoked := func(id string) bool {
		found, err := revocations.Revoked(t.Context(), id)
		require.NoError(t, err)
		return found
	}
	a, b := uuid.New(), uuid.New()
	require.False(t, revoked(a))
	for range 2 {
		require.NoError(t, revocations.Revoke(t.Context(), issuer.Revocation{RootTokenID: a, Now: start, Until: start.Add(time.Hour)}))
		require.True(t, revoked(a))
		require.False(t, revoked(b))
	}
	require.NoError(t, revocations.Revoke(t.Context(), issuer.Revocation{RootTokenID: a, Now: start, Until: start.Add(time.Minute)}))
	require.True(t, revoked(a), "not for less time than before")
}

// faults make the next operation of a store fail, before or after it took effect.
type faults struct{ before, after bool }

var errFault = errors.New("authmwtest: the store is down")

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

func (f *faultyStore) Create(ctx context.Context, family issuer.Family) error {
	return f.around(func() error { return f.Store.Create(ctx, family) })
}

func (f *faultyStore) Rotate(ctx context.Context, r issuer.Rotation) (outcome issuer.Outcome, at time.Time, err error) {
	err = f.around(func() (err error) {
		outcome, at, err = f.Store.Rotate(ctx, r)
		return err
	})
	return outcome, at, err
}

func (f *faultyStore) Delete(ctx context.Context, family string) error {
	return f.around(func() error { return f.Store.Delete(ctx, family) })
}

type faultyRevocations struct {
	issuer.Revocations
	faults
}

func (f *faultyRevocations) Revoke(ctx context.Context, r issuer.Revocation) error {
	return f.around(func() error { return f.Revocations.Revoke(ctx, r) })
}

func (f *faultyRevocations) Revoked(ctx context.Context, rootTokenID string) (revoked bool, err error) {
	err = f.around(func() (err error) {
		revoked, err = f.Revocations.Revoked(ctx, rootTokenID)
		return err
	})
	return revoked, err
}

// life is the model of a family.
type life struct {
	pairs   []issuer.Pair // all there were; one whose answer was lost has only its times until it is asked for again
	rotated time.Time     // when the last but one was used
	revoked bool
}

// testLife does things at random to many families and holds each answer against the model: no revoked family ever
// refreshes, no live one is ever refused.
func testLife(t *testing.T, seed uint64, faults *faults, rotating bool, build func(...issuer.Option) (*issuer.Issuer, error)) {
	random := rand.New(rand.NewPCG(seed, 0))
	clock := NewClock(start)
	const ttl, grace = time.Hour, 10 * time.Second
	options := []issuer.Option{issuer.WithClock(clock.Now), issuer.WithTTL(time.Minute, ttl)}
	if rotating {
		options = append(options, issuer.WithGrace(grace), issuer.WithTTL(time.Minute, time.Hour))
	}
	i, err := build(options...)
	require.NoError(t, err)
	var lives []*life
	requireFault := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, err, errFault)
		require.NotErrorIs(t, err, issuer.ErrInvalidGrant)
	}
	known := func(l *life) []int { // which of its refresh tokens somebody has
		var numbers []int
		for n, pair := range l.pairs {
			if pair.RefreshToken != "" {
				numbers = append(numbers, n)
			}
		}
		return numbers
	}
	for range 300 {
		now := clock.Now()
		faults.before, faults.after = random.IntN(12) == 0, random.IntN(12) == 0
		failing, lost := faults.before || faults.after, !faults.before && faults.after
		if len(lives) == 0 || random.IntN(12) == 0 {
			pair, err := i.Issue(t.Context(), issuer.Grant{Subject: "wGH0"})
			if rotating && failing {
				requireFault(err)
				require.Zero(t, pair)
				continue
			}
			require.NoError(t, err)
			lives = append(lives, &life{pairs: []issuer.Pair{pair}})
			continue
		}
		l := lives[random.IntN(len(lives))]
		numbers := known(l)
		n := numbers[len(numbers)-1]
		if random.IntN(4) == 0 {
			n = numbers[random.IntN(len(numbers))]
		}
		token, last := l.pairs[n], len(l.pairs)-1
		expired := now.Unix() >= token.RefreshExpires.Unix()
		switch action := random.IntN(10); {
		case action == 0:
			err := i.Revoke(t.Context(), token.RefreshToken)
			switch {
			case expired:
				require.ErrorIs(t, err, authmw.ErrTokenExpired)
			case failing:
				requireFault(err)
				l.revoked = l.revoked || lost
			default:
				require.NoError(t, err)
				l.revoked = true
			}
		case action < 4:
			steps := []time.Duration{time.Nanosecond, time.Second, grace / 2, grace, time.Minute, ttl / 2, ttl}
			clock.Advance(steps[random.IntN(len(steps))])
		default:
			pair, err := i.Refresh(t.Context(), token.RefreshToken)
			again := rotating && n == last-1 && now.Before(l.rotated.Add(grace))
			if err != nil {
				require.Zero(t, pair)
			}
			switch {
			case expired:
				require.ErrorIs(t, err, authmw.ErrTokenExpired)
			case failing && !lost:
				requireFault(err)
			case l.revoked:
				if lost {
					requireFault(err)
				} else {
					require.ErrorIs(t, err, issuer.ErrRevoked)
				}
			case again:
				if lost {
					requireFault(err)
					break
				}
				require.NoError(t, err)
				if l.pairs[last].RefreshToken != "" {
					require.Equal(t, l.pairs[last], pair, "the same pair once more")
				}
				l.pairs[last] = pair
			case rotating && n < last:
				l.revoked = true
				if lost {
					requireFault(err)
				} else {
					require.ErrorIs(t, err, issuer.ErrReused)
				}
			case lost:
				requireFault(err)
				if rotating {
					l.pairs = append(l.pairs, issuer.Pair{RefreshExpires: now.Add(ttl)})
					l.rotated = now
				}
			default:
				require.NoError(t, err)
				l.pairs = append(l.pairs, pair)
				l.rotated = now
			}
		}
	}
}
