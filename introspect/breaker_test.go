package introspect

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBreaker(t *testing.T) {
	down := errors.New("down")
	now := time.Unix(1795430989, 0)
	var b breaker
	allowed := func() bool {
		trial, err := b.allow(now)
		b.abandoned(trial)
		return err == nil
	}
	for range 100 { // three of four are not most
		b.answered(now, false)
		for range 3 {
			b.failed(now, false, down)
		}
		require.True(t, allowed())
		now = now.Add(time.Second)
	}
	now = now.Add(20 * time.Second)
	for range minFailures {
		require.True(t, allowed())
		b.failed(now, false, down)
	}
	_, err := b.allow(now)
	require.Equal(t, down, err)
	for range 100 {
		b.failed(now, false, down) // those that were in flight
	}
	now = now.Add(time.Second)
	for range maxTrials {
		trial, err := b.allow(now)
		require.NoError(t, err)
		require.True(t, trial)
	}
	require.False(t, allowed(), "a few and no more")
	b.failed(now, true, down)
	b.failed(now, true, down)
	require.Equal(t, 2, b.opened, "failures of one round count once")
	b.abandoned(true)
	require.False(t, allowed())
	for range 10 {
		now = b.retryAt
		trial, err := b.allow(now)
		require.NoError(t, err)
		b.failed(now, trial, down)
		require.LessOrEqual(t, b.retryAt.Sub(now), maxBackoff)
	}
	require.GreaterOrEqual(t, b.retryAt.Sub(now), maxBackoff/2)
	now = b.retryAt
	trial, err := b.allow(now)
	require.NoError(t, err)
	b.answered(now, trial)
	require.True(t, allowed())
	for range minFailures - 1 {
		b.failed(now, false, down)
	}
	require.True(t, allowed(), "the window began anew")
	require.Zero(t, b.trials)
	b.count(now.Add(1e5 * time.Hour))

	// A clock that is set back.
	b = breaker{}
	for range 1000 {
		b.answered(now, false)
	}
	now = now.Add(-time.Hour)
	for range minFailures {
		b.failed(now, false, down)
	}
	require.False(t, allowed())
}
