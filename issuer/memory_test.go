package issuer_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/issuertest"
)

func TestMemoryStore(t *testing.T) {
	issuertest.TestStore(t, func(*testing.T) issuer.Store { return issuer.NewMemoryStore() }, nil)
	t.Run("revocations", func(t *testing.T) {
		issuertest.TestRevocations(t, func(*testing.T) issuer.Revocations { return issuer.NewMemoryStore() })
	})
}

// owned returns a family and a revocation of an owner.
func owned(owner, id string, now time.Time, ttl time.Duration) (issuer.Family, issuer.Revocation) {
	return issuer.Family{Owner: owner, ID: id, Now: now, Expires: now.Add(ttl), Limit: 10},
		issuer.Revocation{Owner: owner, RootTokenID: id, Now: now, Until: now.Add(ttl), Limit: 10}
}

// TestMemoryStoreIsBounded begins families for a long time, of which only the last hour's are live.
func TestMemoryStoreIsBounded(t *testing.T) {
	store := issuer.NewMemoryStore()
	live := 3600
	for n := range 20 * live {
		id := strconv.Itoa(n)
		family, revocation := owned(id, id, noon.Add(time.Duration(n)*time.Second), time.Hour)
		_, err := store.Create(t.Context(), family)
		require.NoError(t, err)
		_, err = store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
	}
	families, revoked := store.Len()
	require.Equal(t, live+1, families)
	require.Equal(t, live+1, revoked)
}

// TestMemoryStoreIsBoundedByOwner has one owner log in and log out, far more often than others can hold against.
func TestMemoryStoreIsBoundedByOwner(t *testing.T) {
	store := issuer.NewMemoryStore()
	ended, limited := 0, 0
	for n := range 10_000 {
		family, revocation := owned("greedy", strconv.Itoa(n), noon.Add(time.Duration(n)*time.Millisecond), time.Hour)
		more, err := store.Create(t.Context(), family)
		require.NoError(t, err)
		ended += more
		over, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
		if over {
			limited++
		}
	}
	families, revoked := store.Len()
	require.Equal(t, 10, families)
	require.Equal(t, 10+1, revoked, "and one cutoff")
	require.Equal(t, 9_990, ended)
	require.Equal(t, 9_990, limited)
}

// TestForgottenRevocations has an owner with more revocations than are kept one by one. All of them hold, at the price of
// other logins of the owner that were not refreshed since.
func TestForgottenRevocations(t *testing.T) {
	store := issuer.NewMemoryStore()
	at := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	for n := range 15 {
		_, revocation := owned("owner", strconv.Itoa(n), at(n), time.Hour)
		limited, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
		require.Equal(t, n >= 10, limited)
	}
	revoked := func(owner, id string, issued time.Time) bool {
		found, err := store.Revoked(t.Context(), issuer.Renewal{Owner: owner, RootTokenID: id, Issued: issued})
		require.NoError(t, err)
		return found
	}
	for n := range 15 {
		require.True(t, revoked("owner", strconv.Itoa(n), at(n)), n)
		require.True(t, revoked("owner", strconv.Itoa(n), at(n).Add(time.Minute)), "issued by a clock that is ahead by a minute")
		require.True(t, revoked("owner", strconv.Itoa(n), time.Time{}), "without nbf")
	}
	// The fifth, revoked after four minutes, is the last that was forgotten.
	require.True(t, revoked("owner", "another", at(5)))
	require.False(t, revoked("owner", "another", at(5).Add(time.Nanosecond)))
	require.True(t, revoked("owner", "another", time.Time{}))
	require.False(t, revoked("someone else", "another", at(0)))

	// When the first of them has expired, those that were forgotten later still hold.
	for n := range 11 {
		_, revocation := owned("someone else", "else "+strconv.Itoa(n), at(62), time.Hour)
		_, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
	}
	require.True(t, revoked("owner", "4", at(4)))

	// Once all of it has expired, nothing is left of it.
	for n := range 2000 {
		_, revocation := owned(strconv.Itoa(n), strconv.Itoa(n), at(180), time.Hour)
		_, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
	}
	_, kept := store.Len()
	require.Equal(t, 2000+2, kept, "cutoffs are dropped when there are more of them")
}

// TestRevokedForTheLongestTime revokes a family twice, for less time the second time.
func TestRevokedForTheLongestTime(t *testing.T) {
	store := issuer.NewMemoryStore()
	for _, ttl := range []time.Duration{time.Hour, time.Minute} {
		_, revocation := owned("a", "a", noon, ttl)
		_, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
	}
	for n := range 2000 { // which has the store look for what has expired
		_, revocation := owned(strconv.Itoa(n), strconv.Itoa(n), noon.Add(2*time.Minute), time.Hour)
		_, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
	}
	for n := range 10 { // which has it look for what has expired of this owner
		_, revocation := owned("a", fmt.Sprint("a", n), noon.Add(2*time.Minute), time.Hour)
		_, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
	}
	revoked, err := store.Revoked(t.Context(), issuer.Renewal{Owner: "a", RootTokenID: "a", Issued: noon})
	require.NoError(t, err)
	require.True(t, revoked)
}

// TestMemoryStoreIsFull shows that a full store refuses what is new and keeps what is live.
func TestMemoryStoreIsFull(t *testing.T) {
	store := issuer.NewMemoryStore()
	add := func(n int, at time.Time) error {
		family, _ := owned(strconv.Itoa(n/10), strconv.Itoa(n), at, time.Hour)
		_, err := store.Create(t.Context(), family)
		return err
	}
	for n := range issuer.MaxFamilies {
		require.NoError(t, add(n, noon))
	}
	require.ErrorIs(t, add(issuer.MaxFamilies, noon), issuer.ErrStoreFull)
	outcome, _, err := store.Rotate(t.Context(), issuer.Rotation{Owner: "0", Family: "0", Generation: 1, Now: noon, Expires: noon.Add(2 * time.Hour)})
	require.NoError(t, err)
	require.Equal(t, issuer.Rotated, outcome)
	family, _ := owned("0", "of an owner at the limit", noon, time.Hour)
	ended, err := store.Create(t.Context(), family)
	require.NoError(t, err)
	require.Equal(t, 1, ended)
	for n := range 20_000 { // none of which takes long: each drops some of what has expired
		require.NoError(t, add(issuer.MaxFamilies+n, noon.Add(time.Hour+1)))
	}
	families, _ := store.Len()
	require.Equal(t, 20_000+1, families, "the one that went on and the new ones")
}

// TestMemoryStoreIsFullOfRevocations shows that a user can log out all the same, at the price of the user's other logins.
func TestMemoryStoreIsFullOfRevocations(t *testing.T) {
	store := issuer.NewMemoryStore()
	revoke := func(owner, id string, now time.Time) bool {
		_, revocation := owned(owner, id, now, time.Hour)
		limited, err := store.Revoke(t.Context(), revocation)
		require.NoError(t, err)
		return limited
	}
	revoked := func(owner, id string, issued time.Time) bool {
		found, err := store.Revoked(t.Context(), issuer.Renewal{Owner: owner, RootTokenID: id, Issued: issued})
		require.NoError(t, err)
		return found
	}
	for n := range issuer.MaxFamilies {
		require.False(t, revoke(strconv.Itoa(n), strconv.Itoa(n), noon))
	}
	require.True(t, revoke("owner", "a", noon))
	require.True(t, revoked("owner", "a", noon))
	require.True(t, revoked("owner", "b", noon))
	require.False(t, revoked("owner", "b", noon.Add(2*time.Minute)))
	require.False(t, revoked("someone else", "c", noon))
}

// TestClockSetBack repeats a use long before it was made.
func TestClockSetBack(t *testing.T) {
	store := issuer.NewMemoryStore()
	family, _ := owned("owner", "family", noon, time.Hour)
	_, err := store.Create(t.Context(), family)
	require.NoError(t, err)
	r := issuer.Rotation{Owner: "owner", Family: "family", Generation: 1, Call: "first", Now: noon, Grace: 30 * time.Second, Expires: noon.Add(time.Hour)}
	for _, row := range []struct {
		call string
		now  time.Time
		want issuer.Outcome
	}{
		{"first", noon, issuer.Rotated}, {"second", noon.Add(-29 * time.Second), issuer.Repeated},
		{"third", noon.Add(-30 * time.Second), issuer.Reused},
	} {
		r.Call, r.Now = row.call, row.now
		outcome, _, err := store.Rotate(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, row.want, outcome, row.call)
	}
}
