package client_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/client"
)

// TestUpdatesTakeTurns is the one thing that all stores have to hold to.
func TestUpdatesTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authmw", "login.json")
	memory := client.NewMemoryStore()
	for name, open := range map[string]func() client.Store{
		"memory": func() client.Store { return memory },
		"file":   func() client.Store { return client.NewFileStore(path) },
	} {
		t.Run(name, func(t *testing.T) {
			var inside atomic.Int32
			var wait sync.WaitGroup
			for range 8 {
				wait.Go(func() {
					store := open()
					for range 10 {
						err := store.Update(t.Context(), func(current *client.StoredLogin) (*client.StoredLogin, error) {
							if inside.Add(1) != 1 {
								return nil, errors.New("two at once")
							}
							defer inside.Add(-1)
							next := client.StoredLogin{Site: "x", AccessToken: "x"}
							if current != nil {
								next.RefreshToken = current.RefreshToken + "x"
							}
							return &next, nil
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wait.Wait()
			login, err := open().Load(t.Context())
			require.NoError(t, err)
			require.Len(t, login.RefreshToken, 79)

			err = open().Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				return nil, open().Update(ctx, func(*client.StoredLogin) (*client.StoredLogin, error) { return nil, errors.New("two at once") })
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}
