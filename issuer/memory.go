package issuer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a Store and Revocations in this process's memory, for a server that runs as one process. When it ends,
// New's families end with it, and users log in again. With NewCloudreveCompatible, revoked tokens work again.
//
// It has no clock: it uses the times in its arguments. Expired entries are dropped as new ones come, and it holds at most
// MaxFamilies. No owner has more than the limit of WithFamilyLimit.
//
// For an owner with more revocations than that limit, it forgets the oldest. From then on, every refresh token of that owner
// counts as revoked if it was issued up to a minute after the time of the forgotten revocation. That ends logins of the
// owner that were not refreshed since, and no one else's. If the store is full, it treats a new revocation in the same way.
//
// A Cloudreve with the same secret does not know what is revoked here, and renews the tokens: see package redisstore for
// Revocations that both share.
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

// inGrace reports whether now is within the grace window. It has a beginning too: a clock may be set back.
func (f *family) inGrace(now time.Time) bool {
	return now.Sub(f.at).Abs() < f.grace
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
			oldest := slices.MinFunc(m.revoked.owners[r.Owner], func(a, b *entry[revocation]) int { return a.value.at.Compare(b.value.at) })
			if err := m.cutOff(r.Owner, r.Now, oldest.value.at, oldest.expires); err != nil {
				return false, err
			}
			m.revoked.remove(oldest)
			limited = true
		}
	}
	err = m.revoked.add(r.Owner, id, r.Now, r.Until, revocation{r.Now})
	if errors.Is(err, ErrStoreFull) {
		err = m.cutOff(r.Owner, r.Now, r.Now, r.Until)
		limited = err == nil
	}
	return limited, err
}

// cutOff has an owner's cutoff stand for a revocation at a given time.
func (m *MemoryStore) cutOff(owner string, now, at, until time.Time) error {
	found := m.cutoffs.entries[owner]
	if found == nil {
		if err := m.cutoffs.add(owner, owner, now, until, cutoff{}); err != nil {
			return err
		}
		found = m.cutoffs.entries[owner]
	}
	// No token of the family was issued later, by a clock that is a minute ahead at most.
	found.value.issued = later(found.value.issued, at.Add(earlyRefresh))
	found.expires = later(found.expires, until)
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
