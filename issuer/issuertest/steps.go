package issuertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/internal/uuid"
	"github.com/authmw/authmw/issuer"
)

const (
	stepTTL   = time.Hour
	stepGrace = 40 * time.Second
)

// testSteps uses the tokens of one family after another. It is long because of its table.
func testSteps(t *testing.T, store issuer.Store, advance func(*testing.T, time.Duration)) {
	const ttl, grace = stepTTL, stepGrace
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
	testRepeatedCalls(t, store, owner)
	if advance != nil {
		testSkew(t, store, owner, advance)
	}
}

// testRepeatedCalls makes calls of a store twice, as a client library does after a lost answer.
func testRepeatedCalls(t *testing.T, store issuer.Store, owner string) {
	rotation := func(family string, grace time.Duration) issuer.Rotation {
		return issuer.Rotation{Owner: owner, Family: family, Generation: 1, Call: "call", Now: start, Grace: grace, Expires: start.Add(stepTTL)}
	}
	t.Run("the same call twice, without grace", func(t *testing.T) {
		family := id(t, "family")
		create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(stepTTL), Limit: 10})
		r := rotation(family, 0)
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
		family := issuer.Family{Owner: owner, ID: id(t, "family"), Now: start, Expires: start.Add(stepTTL), Limit: 10}
		create(t, store, family)
		create(t, store, family)
		outcome, _, err := store.Rotate(t.Context(), rotation(family.ID, 0))
		require.NoError(t, err)
		requireOutcome(t, issuer.Rotated, outcome, "after two calls of Create")
		_, err = store.Create(t.Context(), family)
		require.Error(t, err, "Create of a family whose first token was used")
	})
	t.Run("deleted", func(t *testing.T) {
		family := id(t, "family")
		create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(stepTTL), Limit: 10})
		for range 2 {
			require.NoError(t, store.Delete(t.Context(), owner, family))
		}
		outcome, _, err := store.Rotate(t.Context(), rotation(family, time.Minute))
		require.NoError(t, err)
		requireOutcome(t, issuer.Unknown, outcome, "after Delete")
	})
}

// testSkew has two Issuers whose clocks are a minute apart, with a store that has a clock of its own.
func testSkew(t *testing.T, store issuer.Store, owner string, advance func(*testing.T, time.Duration)) {
	for _, skew := range []time.Duration{-time.Minute, time.Minute} {
		t.Run(fmt.Sprintf("clocks that differ by %v", skew), func(t *testing.T) {
			family := id(t, "family")
			create(t, store, issuer.Family{Owner: owner, ID: family, Now: start, Expires: start.Add(stepTTL), Limit: 10})
			for n, now := range []time.Time{start, start.Add(skew), start.Add(skew + stepGrace/2), start.Add(stepGrace)} {
				r := issuer.Rotation{
					Owner: owner, Family: family, Generation: 1, Call: id(t, "call"),
					Now: now, Grace: stepGrace, Expires: now.Add(stepTTL),
				}
				outcome, at, err := store.Rotate(t.Context(), r)
				require.NoError(t, err)
				requireOutcome(t, []issuer.Outcome{issuer.Rotated, issuer.Repeated, issuer.Repeated, issuer.Reused}[n], outcome, "by the store's clock")
				if outcome == issuer.Repeated {
					require.Equal(t, start.UnixNano(), at.UnixNano())
				}
				if n > 0 {
					advance(t, stepGrace/2)
				}
			}
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
