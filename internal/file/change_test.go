package file

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// place is a value in memory, and what was saved in it.
type place struct {
	value *[]string
	saved []*[]string
}

func (p *place) load(context.Context) (*[]string, error) { return p.value, nil }

func (p *place) save(next *[]string) error {
	p.value, p.saved = next, append(p.saved, next)
	return nil
}

func TestChange(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "folder", "lock")
	own := errors.New("an error of change")
	for _, row := range []struct {
		name    string
		current *[]string
		next    *[]string
		err     error
		saves   bool
	}{
		{"first value", nil, &[]string{"a"}, nil, true},
		{"another value", &[]string{"a"}, &[]string{"a", "b"}, nil, true},
		{"removed", &[]string{"a"}, nil, nil, true},
		{"the same", &[]string{"a"}, &[]string{"a"}, nil, false},
		{"none, as before", nil, nil, nil, false},
		{"an error", &[]string{"a"}, &[]string{"b"}, own, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &place{value: row.current}
			err := Change(t.Context(), lock, p.load, p.save, func(current *[]string) (*[]string, error) {
				require.Equal(t, row.current, current)
				return row.next, row.err
			})
			require.Equal(t, row.err, err)
			if row.saves {
				require.Equal(t, []*[]string{row.next}, p.saved)
			} else {
				require.Empty(t, p.saved)
				require.Equal(t, row.current, p.value)
			}
		})
	}
}

// TestChangeHoldsTheLock shows that no other change runs meanwhile, and that one that panics does not keep the lock.
func TestChangeHoldsTheLock(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "lock")
	p := new(place)
	nothing := func(*[]string) (*[]string, error) { return nil, nil }
	err := Change(t.Context(), lock, p.load, p.save, func(*[]string) (*[]string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, Change(ctx, lock, p.load, p.save, nothing), context.DeadlineExceeded)
		return nil, nil
	})
	require.NoError(t, err)
	require.Panics(t, func() {
		_ = Change(t.Context(), lock, p.load, p.save, func(*[]string) (*[]string, error) { panic("on purpose") })
	})
	require.NoError(t, Change(t.Context(), lock, p.load, p.save, nothing))
}

func TestChangeOfWhatCannotBeLoaded(t *testing.T) {
	broken := errors.New("broken")
	p := new(place)
	load := func(context.Context) (*[]string, error) { return nil, broken }
	err := Change(t.Context(), filepath.Join(t.TempDir(), "lock"), load, p.save, func(*[]string) (*[]string, error) {
		t.Error("change is called")
		return nil, nil
	})
	require.Equal(t, broken, err)
	require.Empty(t, p.saved)
}
