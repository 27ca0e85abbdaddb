package issuertest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/issuer"
)

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
