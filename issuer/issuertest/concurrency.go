package issuertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/issuer"
)

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
