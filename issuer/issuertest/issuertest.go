// Package issuertest checks implementations of issuer.Store and issuer.Revocations. It needs no assertion library. The
// test of a store calls it with a function that opens the store:
//
//	func TestStore(t *testing.T) {
//		issuertest.TestStore(t, func(t *testing.T) issuer.Store { return mystore.New(db) }, nil)
//	}
package issuertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

// TestStore checks that a Store does what issuer.Store asks for, alone and under an Issuer: step by step, by many
// goroutines at once, and over random lives of many families, with failures and with a store that forgets its last second,
// against a model.
//
// open is called several times. The stores that it returns may share what they keep: no two tests use the same family, and
// they do not run in parallel. Some replay what they did: a test takes up to some ten thousand calls.
//
// advance is nil for a store that takes Rotation.Now for the time. For a store with a clock of its own, advance moves that
// clock on by d, for all families that the store keeps. In place of that, it may subtract d from the ends of grace windows
// and from the times when families expire, but not from the Now that Rotate returns. d may be a nanosecond, and be rounded.
func TestStore(t *testing.T, open func(t *testing.T) issuer.Store, advance func(t *testing.T, d time.Duration)) {
	t.Run("steps", func(t *testing.T) { testSteps(t, open(t), advance) })
	t.Run("limit", func(t *testing.T) { testLimit(t, open(t), advance) })
	t.Run("errors", func(t *testing.T) { testCancelled(t, open(t)) })
	t.Run("at once, within the grace window", func(t *testing.T) { testAtOnce(t, open(t), time.Minute) })
	t.Run("at once, without grace", func(t *testing.T) { testAtOnce(t, open(t), 0) })
	t.Run("logins at once", func(t *testing.T) { testLoginsAtOnce(t, open(t)) })
	t.Run("logout at once", func(t *testing.T) { testLogoutAtOnce(t, open(t)) })
	t.Run("a thief after a failover", func(t *testing.T) { testThief(t, open(t), advance) })
	for _, failover := range []bool{false, true} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("life %d, failover %v", seed, failover), func(t *testing.T) {
				clock := authmwtest.NewClock(start)
				forgetful := &forgetfulStore{Store: open(t), now: clock.Now}
				faults := &faultyStore{Store: forgetful}
				test := &lifeTest{seed: seed, faults: &faults.faults, clock: clock, rotating: true}
				if failover {
					test.forget = func(t *testing.T, from time.Time) { forgetful.forget(t, from, advance) }
				}
				test.advance = func(d time.Duration) {
					clock.Advance(d)
					forgetful.passed(d)
					if advance != nil {
						advance(t, d)
					}
				}
				test.run(t, func(options ...issuer.Option) (*issuer.Issuer, error) {
					return issuer.New([]byte(authmwtest.Secret), faults, options...)
				})
			})
		}
	}
}

// TestRevocations is TestStore for issuer.Revocations.
func TestRevocations(t *testing.T, open func(t *testing.T) issuer.Revocations) {
	t.Run("steps", func(t *testing.T) { testRevocationSteps(t, open(t)) })
	for _, failover := range []bool{false, true} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("life %d, failover %v", seed, failover), func(t *testing.T) {
				clock := authmwtest.NewClock(start)
				forgetful := &forgetfulRevocations{Revocations: open(t), now: clock.Now}
				faults := &faultyRevocations{Revocations: forgetful}
				test := &lifeTest{seed: seed, faults: &faults.faults, clock: clock, advance: clock.Advance}
				if failover {
					test.forget = forgetful.forget
				}
				test.run(t, func(options ...issuer.Option) (*issuer.Issuer, error) {
					return issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), faults, options...)
				})
			})
		}
	}
}
