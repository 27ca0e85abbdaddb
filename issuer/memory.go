package issuer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// MaxFamilies is how many families a MemoryStore holds at the most, and how many revocations. A full one takes some 500 MB
// for each.
const MaxFamilies = 1_000_000

// ErrStoreFull: a MemoryStore holds MaxFamilies, and a second ago none had expired. Nothing that is live is dropped for
// something new.
var ErrStoreFull = fmt.Errorf("issuer: %d families are live, the most that a MemoryStore holds", MaxFamilies)

// MemoryStore is a Store and Revocations in this process's memory, for a server that runs as one process. When it ends,
// New's families end with it, and users log in again; but of NewCloudreveCompatible's, revoked tokens work again.
//
// What has expired is dropped as new things come, so that it holds at most twice what was live when it last looked, and at
// most MaxFamilies.
type MemoryStore struct {
	mu       sync.Mutex
	families swept[family]
	revoked  swept[revoked]
}

type family struct {
	token, previous     string
	call                string
	at, graceUntil, exp time.Time
}

func (f family) expires() time.Time { return f.exp }

type revoked struct{ until time.Time }

func (r revoked) expires() time.Time { return r.until }

// NewMemoryStore returns an empty MemoryStore.
func NewMemoryStore() *MemoryStore { return new(MemoryStore) }

var errExists = errors.New("issuer: the family is there already")

// Create is part of Store.
func (m *MemoryStore) Create(_ context.Context, f Family) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.families.entries[f.ID]; ok {
		if found.token == f.Token {
			return nil
		}
		return errExists
	}
	return m.families.put(f.ID, family{token: f.Token, exp: f.Expires}, f.Now)
}

// Rotate is part of Store.
func (m *MemoryStore) Rotate(_ context.Context, r Rotation) (Outcome, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, found := m.families.entries[r.Family]
	switch {
	case !found:
		return Unknown, time.Time{}, nil
	case f.token == r.From:
		m.families.entries[r.Family] = family{token: r.To, previous: r.From, call: r.Call, at: r.Now, graceUntil: r.GraceUntil, exp: r.Expires}
		return Rotated, r.Now, nil
	case f.previous == r.From && f.token == r.To && (r.Now.Before(f.graceUntil) || r.Call == f.call):
		return Repeated, f.at, nil
	default:
		delete(m.families.entries, r.Family)
		return Reused, time.Time{}, nil
	}
}

// Delete is part of Store.
func (m *MemoryStore) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.families.entries, id)
	return nil
}

// Revoke is part of Revocations.
func (m *MemoryStore) Revoke(_ context.Context, r Revocation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := hashed(r.RootTokenID)
	if m.revoked.entries[id].until.After(r.Until) {
		return nil
	}
	return m.revoked.put(id, revoked{r.Until}, r.Now)
}

// Revoked is part of Revocations.
func (m *MemoryStore) Revoked(_ context.Context, rootTokenID string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, found := m.revoked.entries[hashed(rootTokenID)]
	return found, nil
}

// swept is a map that drops what has expired whenever it has grown to twice what was live the last time, which costs
// each put a constant, and when it is full, but then no more than once in a second.
type swept[T interface{ expires() time.Time }] struct {
	entries map[string]T
	sweepAt int
	sweptAt time.Time
}

const firstSweep = 1024

func (s *swept[T]) put(id string, entry T, now time.Time) error {
	if s.entries == nil {
		s.entries, s.sweepAt = map[string]T{}, firstSweep
	}
	if full := len(s.entries) >= MaxFamilies; len(s.entries) >= s.sweepAt && !(full && now.Sub(s.sweptAt).Abs() < time.Second) {
		s.sweptAt = now
		for id, entry := range s.entries {
			if now.After(entry.expires()) {
				delete(s.entries, id)
			}
		}
		s.sweepAt = min(max(2*len(s.entries), firstSweep), MaxFamilies)
	}
	if _, found := s.entries[id]; !found && len(s.entries) >= MaxFamilies {
		return ErrStoreFull
	}
	s.entries[id] = entry
	return nil
}
