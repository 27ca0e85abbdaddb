package client

import "context"

// Store keeps the login of a Client, and for all that share it: Clients in one process or, for a FileStore, in several.
// Each site has a store of its own.
//
// A Store may also have a method Ready(ctx context.Context) error. The client calls it within an Update before it asks the
// site for tokens, and does not ask if it returns an error: a full disk would lose them.
//
// It must be safe for concurrent use. An error means that the store could not do its work, never that there is no login;
// it must not have a token in its text.
type Store interface {
	// Load returns the login that is kept, or nil if there is none. It does not wait for an Update that is under way.
	Load(ctx context.Context) (*StoredLogin, error)

	// Update replaces the login that is kept by what change makes of it. In one step for all that share the store, it MUST
	// call change once with the login that is kept, nil if there is none, and
	//   - if change returns an error, leave everything as it is and return that error;
	//   - if it returns nil, keep no login any more;
	//   - otherwise keep what it returns, which may be the same, and return nil only once it would outlast a crash of
	//     whatever the store is to outlast.
	// No other change may run meanwhile, although this one takes its time: it asks the site. An Update that waits for another
	// MUST give up when ctx is done. The login that change is given is not changed by it.
	Update(ctx context.Context, change func(current *StoredLogin) (next *StoredLogin, err error)) error
}

// MemoryStore is a Store in this process's memory. Make one with NewMemoryStore. Its login ends with the process.
type MemoryStore struct {
	turn  chan struct{}     // held by the Update under way
	login chan *StoredLogin // always holds one
}

// NewMemoryStore returns an empty MemoryStore.
func NewMemoryStore() *MemoryStore {
	m := &MemoryStore{turn: make(chan struct{}, 1), login: make(chan *StoredLogin, 1)}
	m.login <- nil
	return m
}

// String says nothing of the login.
func (m *MemoryStore) String() string { return "client.MemoryStore" }

// GoString returns what String does.
func (m *MemoryStore) GoString() string { return m.String() }

// Load is part of Store.
func (m *MemoryStore) Load(context.Context) (*StoredLogin, error) {
	l := <-m.login
	m.login <- l
	return l, nil
}

// Update is part of Store.
func (m *MemoryStore) Update(ctx context.Context, change func(*StoredLogin) (*StoredLogin, error)) error {
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-m.turn }()
	current, _ := m.Load(ctx)
	next, err := change(current)
	if err != nil {
		return err
	}
	<-m.login
	m.login <- next
	return nil
}
