package issuertest

import (
	"testing"
	"time"

	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/issuer"
)

const limitTTL = time.Hour

// logins are those of an owner who may have three.
type logins struct {
	t           *testing.T
	store       issuer.Store
	advance     func(*testing.T, time.Duration)
	owner       string
	now         time.Time
	generations map[string]int64
}

func beginLogins(t *testing.T, store issuer.Store, advance func(*testing.T, time.Duration)) *logins {
	return &logins{t: t, store: store, advance: advance, owner: id(t, "owner"), now: start, generations: map[string]int64{}}
}

func (l *logins) pass(d time.Duration) {
	l.now = l.now.Add(d)
	if l.advance != nil {
		l.advance(l.t, d)
	}
}

// name returns the ID of a family that the test calls by a letter.
func (l *logins) name(family string) string { return family + l.owner[len(family):] }

func (l *logins) login(family string, wantEnded int) {
	l.t.Helper()
	ended, err := l.store.Create(l.t.Context(), issuer.Family{Owner: l.owner, ID: l.name(family), Now: l.now, Expires: l.now.Add(limitTTL), Limit: 3})
	require.NoError(l.t, err)
	require.Equal(l.t, wantEnded, ended, "how many families Create ended")
	l.generations[family] = 1
	l.pass(time.Second)
}

func (l *logins) refresh(family string, want issuer.Outcome) {
	l.t.Helper()
	outcome, _, err := l.store.Rotate(l.t.Context(), issuer.Rotation{
		Owner: l.owner, Family: l.name(family), Generation: l.generations[family], Call: id(l.t, "call"),
		Now: l.now, Grace: time.Minute, Expires: l.now.Add(limitTTL),
	})
	require.NoError(l.t, err)
	requireOutcome(l.t, want, outcome, family)
	l.generations[family]++
	l.pass(time.Second)
}

// testLimit has owners with more logins than they may have. It is long because each case is a story of its own.
func testLimit(t *testing.T, store issuer.Store, advance func(*testing.T, time.Duration)) {
	t.Run("first those that were never refreshed", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		f.login("a", 0)
		f.login("b", 0)
		f.login("c", 0)
		f.refresh("a", issuer.Rotated)
		f.login("d", 1) // in place of b
		f.login("e", 1) // in place of c
		f.refresh("b", issuer.Unknown)
		f.refresh("c", issuer.Unknown)
		f.refresh("a", issuer.Rotated)
		f.refresh("e", issuer.Rotated)
		f.refresh("d", issuer.Rotated)
	})
	t.Run("then the one unused for longest", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		for _, family := range []string{"a", "b", "c"} {
			f.login(family, 0)
			f.refresh(family, issuer.Rotated)
		}
		f.refresh("a", issuer.Rotated)
		f.login("d", 1) // in place of b
		f.refresh("d", issuer.Rotated)
		f.login("e", 1) // in place of c
		f.refresh("b", issuer.Unknown)
		f.refresh("c", issuer.Unknown)
		for _, family := range []string{"a", "d", "e"} {
			f.refresh(family, issuer.Rotated)
		}
	})
	t.Run("first those that were never refreshed, though they expire later", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		f.login("a", 0)
		f.refresh("a", issuer.Rotated)
		f.login("b", 0)
		f.login("c", 0)
		f.refresh("c", issuer.Rotated)
		f.login("d", 1) // in place of b
		f.refresh("b", issuer.Unknown)
		f.refresh("a", issuer.Rotated)
	})
	t.Run("a login is not counted twice", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		for _, family := range []string{"a", "b", "c", "c", "b", "a"} {
			f.login(family, 0)
		}
	})
	t.Run("a login that ended makes room", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		for _, family := range []string{"a", "b", "c"} {
			f.login(family, 0)
		}
		require.NoError(t, store.Delete(t.Context(), f.owner, f.name("b")))
		f.login("d", 0)
		f.refresh("a", issuer.Rotated)
		f.refresh("a", issuer.Rotated)
		f.generations["a"] = 1
		f.refresh("a", issuer.Reused)
		f.login("e", 0)
		f.login("f", 1)
	})
	t.Run("a login that expired makes room", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		f.login("a", 0)
		f.refresh("a", issuer.Rotated)
		f.pass(limitTTL / 2)
		f.login("b", 0)
		f.login("c", 0)
		f.pass(limitTTL / 2)
		f.login("d", 0) // a has expired; of b and c, which were never refreshed, none ends
		for _, family := range []string{"b", "c", "d"} {
			f.refresh(family, issuer.Rotated)
		}
		f.pass(limitTTL + time.Second)
		f.login("e", 0)
	})
	t.Run("a lower limit than before", func(t *testing.T) {
		f := beginLogins(t, store, advance)
		for _, family := range []string{"a", "b", "c"} {
			f.login(family, 0)
		}
		ended, err := store.Create(t.Context(), issuer.Family{Owner: f.owner, ID: f.name("d"), Now: f.now, Expires: f.now.Add(limitTTL), Limit: 1})
		require.NoError(t, err)
		require.Equal(t, 3, ended)
	})
	t.Run("owners do not share it", func(t *testing.T) {
		f, g := beginLogins(t, store, advance), beginLogins(t, store, advance)
		for _, family := range []string{"a", "b", "c"} {
			f.login(family, 0)
			g.login(family, 0)
		}
		f.login("d", 1)
		for _, family := range []string{"a", "b", "c"} {
			g.refresh(family, issuer.Rotated)
		}
	})
}
