package issuertest

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authmw/authmw/internal/require"
	"github.com/authmw/authmw/issuer"
)

// start is when the tests of stores begin.
var start = time.Date(2026, 11, 23, 10, 49, 49, 156820287, time.UTC)

// id returns an identifier as an Issuer would hand it to a Store.
func id(t *testing.T, name string) string {
	return (name + strings.Repeat("-", 22) + strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) + t.Name())[:43]
}

func create(t *testing.T, store issuer.Store, family issuer.Family) {
	t.Helper()
	ended, err := store.Create(t.Context(), family)
	require.NoError(t, err)
	require.Zero(t, ended)
}

func requireOutcome(t *testing.T, want, got issuer.Outcome, name string) {
	t.Helper()
	require.Equal(t, want.String(), got.String(), "%s: the outcome of Rotate", name)
}
