package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// MaxFamilies is how many families a MemoryStore holds, and how many revocations. A full one takes some 500 MB for each.
const MaxFamilies = 1_000_000

// ErrStoreFull: a MemoryStore holds MaxFamilies, and a second ago none had expired. No live family is dropped for a new
// one of another owner.
var ErrStoreFull = fmt.Errorf("issuer: %d families are live, the most that a MemoryStore holds", MaxFamilies)

// MemoryStore is a Store and Revocations in this process's memory, for a server that runs as one process. When it ends,
// New's families end with it, and users log in again. Of NewCloudreveCompatible's, revoked tokens work again.
//
// It takes the times that it is given for the time. Expired entries are dropped as new ones come: it holds at most twice as
// many as were live when it last looked, and at most MaxFamilies. No owner has more than the limit of WithFamilyLimit.
//
// For an owner with more revocations than that limit, it forgets the oldest. From then on it reports all of the owner's
// refresh tokens as revoked that were issued before that one was revoked. A login that is refreshed from time to time is
// not affected.
type MemoryStore struct {
	mu       sync.Mutex
	families table[family]
	revoked  table[revocation]
	cutoffs  table[cutoff]
}

type family struct {
	generation int64
	call       string
	at         time.Time // of the last rotation
	grace      time.Duration
}

// inGrace reports whether now is within the grace window. Without one, a clock that is behind is not within it either.
func (f *family) inGrace(now time.Time) bool {
	return f.grace > 0 && now.Before(f.at.Add(f.grace))
}

type revocation struct{ at time.Time }

// cutoff stands for the revocations of an owner that were forgotten.
type cutoff struct{ issued time.Time } // tokens issued until then are revoked

// NewMemoryStore returns an empty MemoryStore.
func NewMemoryStore() *MemoryStore { return new(MemoryStore) }

var errExists = errors.New("issuer: the family is there already, and was used")

// Create is part of Store.
func (m *MemoryStore) Create(_ context.Context, f Family) (ended int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.families.entries[f.ID]; found != nil {
		if found.value.generation == 1 {
			return 0, nil
		}
		return 0, errExists
	}
	if limit := max(f.Limit, 1); len(m.families.owners[f.Owner]) >= limit {
		m.families.expire(f.Owner, f.Now)
		for len(m.families.owners[f.Owner]) >= limit {
			m.families.remove(slices.MinFunc(m.families.owners[f.Owner], byUse))
			ended++
		}
	}
	return ended, m.families.add(f.Owner, f.ID, f.Now, f.Expires, family{generation: 1})
}

// byUse compares families by the order in which they end: those that were never refreshed first, and among each kind those
// that expire first.
func byUse(a, b *entry[family]) int {
	if a.value.generation == 1 != (b.value.generation == 1) {
		if a.value.generation == 1 {
			return -1
		}
		return 1
	}
	return a.expires.Compare(b.expires)
}

// Rotate is part of Store.
func (m *MemoryStore) Rotate(_ context.Context, r Rotation) (Outcome, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.families.entries[r.Family]
	if found == nil || found.owner != r.Owner {
		return Unknown, time.Time{}, nil
	}
	f := &found.value
	switch {
	case r.Generation >= f.generation:
		*f = family{generation: r.Generation + 1, call: r.Call, at: r.Now, grace: r.Grace}
		found.expires = r.Expires
		return Rotated, r.Now, nil
	case r.Generation == f.generation-1 && (f.inGrace(r.Now) || r.Call == f.call):
		return Repeated, f.at, nil
	default:
		m.families.remove(found)
		return Reused, time.Time{}, nil
	}
}

// Delete is part of Store.
func (m *MemoryStore) Delete(_ context.Context, owner, family string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.families.entries[family]; found != nil && found.owner == owner {
		m.families.remove(found)
	}
	return nil
}

// Revoke is part of Revocations.
func (m *MemoryStore) Revoke(_ context.Context, r Revocation) (limited bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := hashed(r.RootTokenID)
	if found := m.revoked.entries[id]; found != nil {
		found.value.at = later(found.value.at, r.Now)
		found.expires = later(found.expires, r.Until)
		return false, nil
	}
	if limit := max(r.Limit, 1); len(m.revoked.owners[r.Owner]) >= limit {
		m.revoked.expire(r.Owner, r.Now)
		for len(m.revoked.owners[r.Owner]) >= limit {
			if err := m.cutOff(r.Owner, r.Now); err != nil {
				return false, err
			}
			limited = true
		}
	}
	return limited, m.revoked.add(r.Owner, id, r.Now, r.Until, revocation{r.Now})
}

// cutOff forgets the oldest revocation of an owner, and has the owner's cutoff stand for it.
func (m *MemoryStore) cutOff(owner string, now time.Time) error {
	oldest := slices.MinFunc(m.revoked.owners[owner], func(a, b *entry[revocation]) int { return a.value.at.Compare(b.value.at) })
	found := m.cutoffs.entries[owner]
	if found == nil {
		if err := m.cutoffs.add(owner, owner, now, oldest.expires, cutoff{}); err != nil {
			return err
		}
		found = m.cutoffs.entries[owner]
	}
	// No token of the family was issued later, by any clock: see Renewal.
	found.value.issued = later(found.value.issued, oldest.value.at.Add(earlyRefresh))
	found.expires = later(found.expires, oldest.expires)
	m.revoked.remove(oldest)
	return nil
}

// Revoked is part of Revocations.
func (m *MemoryStore) Revoked(_ context.Context, r Renewal) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revoked.entries[hashed(r.RootTokenID)] != nil {
		return true, nil
	}
	found := m.cutoffs.entries[r.Owner]
	return found != nil && !r.Issued.After(found.value.issued), nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// table holds entries by their ID, and those of each owner. It drops expired entries when it has doubled since it did so the
// last time, which costs each add a constant. It also does so when it is full, at most once in a second.
type table[T any] struct {
	entries map[string]*entry[T]
	owners  map[string][]*entry[T]
	sweepAt int
	sweptAt time.Time
}

type entry[T any] struct {
	owner, id string
	position  int // among its owner's
	expires   time.Time
	value     T
}

const firstSweep = 1024

func (t *table[T]) add(owner, id string, now, expires time.Time, value T) error {
	if t.entries == nil {
		t.entries, t.owners, t.sweepAt = map[string]*entry[T]{}, map[string][]*entry[T]{}, firstSweep
	}
	if full := len(t.entries) >= MaxFamilies; len(t.entries) >= t.sweepAt && !(full && now.Sub(t.sweptAt).Abs() < time.Second) {
		t.sweptAt = now
		for owner := range t.owners {
			t.expire(owner, now)
		}
		t.sweepAt = min(max(2*len(t.entries), firstSweep), MaxFamilies)
	}
	if len(t.entries) >= MaxFamilies {
		return ErrStoreFull
	}
	of := t.owners[owner]
	e := &entry[T]{owner: owner, id: id, position: len(of), expires: expires, value: value}
	t.entries[id], t.owners[owner] = e, append(of, e)
	return nil
}

// expire removes the entries of an owner that have expired.
func (t *table[T]) expire(owner string, now time.Time) {
	for _, e := range slices.Backward(t.owners[owner]) { // remove puts the last one in the place of the removed
		if now.After(e.expires) {
			t.remove(e)
		}
	}
}

func (t *table[T]) remove(e *entry[T]) {
	delete(t.entries, e.id)
	of := t.owners[e.owner]
	last := of[len(of)-1]
	of[e.position], last.position = last, e.position
	of[len(of)-1] = nil
	if of = of[:len(of)-1]; len(of) == 0 {
		delete(t.owners, e.owner)
	} else {
		t.owners[e.owner] = of
	}
}
