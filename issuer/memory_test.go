package issuer_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

func TestMemoryStore(t *testing.T) {
	authmwtest.TestStore(t, func(*testing.T) issuer.Store { return issuer.NewMemoryStore() })
	t.Run("revocations", func(t *testing.T) {
		authmwtest.TestRevocations(t, func(*testing.T) issuer.Revocations { return issuer.NewMemoryStore() })
	})
}

// TestMemoryStoreIsBounded begins families for a long time, of which only the last hour's are live.
func TestMemoryStoreIsBounded(t *testing.T) {
	store := issuer.NewMemoryStore()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	live := 3600
	for n := range 20 * live {
		at := now.Add(time.Duration(n) * time.Second)
		id := strconv.Itoa(n)
		require.NoError(t, store.Create(t.Context(), issuer.Family{ID: id, Token: id, Now: at, Expires: at.Add(time.Hour)}))
		require.NoError(t, store.Revoke(t.Context(), issuer.Revocation{RootTokenID: id, Now: at, Until: at.Add(time.Hour)}))
	}
	families, revoked := store.Len()
	require.LessOrEqual(t, families, 2*live+2)
	require.LessOrEqual(t, revoked, 2*live+2)
	require.GreaterOrEqual(t, families, live)
	require.GreaterOrEqual(t, revoked, live)
	newest := strconv.Itoa(20*live - 1)
	require.Error(t, store.Create(t.Context(), issuer.Family{ID: newest}), "a family's name never repeats")
}

// TestRevokedForTheLongestTime revokes a family twice, for less time the second time.
func TestRevokedForTheLongestTime(t *testing.T) {
	store := issuer.NewMemoryStore()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	require.NoError(t, store.Revoke(t.Context(), issuer.Revocation{RootTokenID: "a", Now: now, Until: now.Add(time.Hour)}))
	require.NoError(t, store.Revoke(t.Context(), issuer.Revocation{RootTokenID: "a", Now: now, Until: now.Add(time.Minute)}))
	for n := range 2000 { // which has the store look for what has expired
		require.NoError(t, store.Revoke(t.Context(), issuer.Revocation{RootTokenID: strconv.Itoa(n), Now: now.Add(2 * time.Minute), Until: now.Add(time.Hour)}))
	}
	revoked, err := store.Revoked(t.Context(), "a")
	require.NoError(t, err)
	require.True(t, revoked)
}

// TestMemoryStoreIsFull shows that a full store refuses what is new and keeps what is live.
func TestMemoryStoreIsFull(t *testing.T) {
	store := issuer.NewMemoryStore()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	add := func(n int, at time.Time) error {
		id := strconv.Itoa(n)
		return store.Create(t.Context(), issuer.Family{ID: id, Token: id, Now: at, Expires: at.Add(time.Hour)})
	}
	for n := range issuer.MaxFamilies {
		require.NoError(t, add(n, now))
	}
	require.ErrorIs(t, add(-1, now), issuer.ErrStoreFull)
	outcome, _, err := store.Rotate(t.Context(), issuer.Rotation{Family: "0", From: "0", To: "1", Now: now, Expires: now.Add(2 * time.Hour)})
	require.NoError(t, err)
	require.Equal(t, issuer.Rotated, outcome)
	require.NoError(t, add(-1, now.Add(time.Hour+1)))
	families, _ := store.Len()
	require.Equal(t, 2, families, "the one that went on and the new one")
}
