package introspect

import (
	"time"

	"github.com/authmw/authmw/internal/cloudreve"
)

// breaker is a circuit breaker. It opens when most questions of the last seconds failed. After a backoff it lets a few
// through; the first answer closes it. It is used with the lock of the Introspector held. The zero breaker is closed.
//
// There is one for each class. An outcome counts for its own class and those after it. So strangers cannot open the circuit
// for others, even if the site or a proxy answers their tokens with errors.
//
// There are libraries for this, such as github.com/sony/gobreaker and github.com/failsafe-go/failsafe-go. This module has
// one requirement, which it passes on to everyone who imports it, and the backoff here depends on Retry-After.
type breaker struct {
	seconds  [breakerWindow / time.Second]struct{ answered, failed int } // a ring, of the last seconds
	second   int64                                                       // that the ring has got to, since 1970
	opened   int                                                         // how often in a row; 0 if closed
	retryAt  time.Time
	trials   int // in flight while it is half open
	lastFail error
}

const (
	breakerWindow = 10 * time.Second

	// The circuit opens after minFailures in the window, if they are openRatio of all outcomes.
	minFailures = 5
	openRatio   = 0.8

	// maxTrials is how many questions a half-open circuit lets through at a time.
	maxTrials = 3

	// maxBackoff bounds how long an open circuit lets nobody through.
	maxBackoff = 30 * time.Second
)

// allow reports whether a question may be asked, and whether it is one of the few of a half-open circuit. If not, err is
// why the last one failed.
func (b *breaker) allow(now time.Time) (trial bool, err error) {
	switch {
	case b.opened == 0:
		return false, nil
	case now.Before(b.retryAt) || b.trials >= maxTrials:
		return false, b.lastFail
	}
	b.trials++
	return true, nil
}

// answered is called for a question that the site answered, or could have.
func (b *breaker) answered(now time.Time, trial bool) {
	if trial {
		b.trials--
		*b = breaker{trials: b.trials}
	}
	b.count(now).answered++
}

// abandoned is called for a trial that says nothing of the site.
func (b *breaker) abandoned(trial bool) {
	if trial {
		b.trials--
	}
}

// failed is called for a question that the site failed to answer.
func (b *breaker) failed(now time.Time, trial bool, err error) {
	if trial {
		b.trials--
	}
	count := b.count(now)
	count.failed++
	switch {
	case b.opened > 0 && (!trial || now.Before(b.retryAt)):
		return // begun before it opened, or with another trial that has failed already
	case b.opened == 0 && !b.tripped():
		b.lastFail = err
		return
	}
	b.lastFail = err
	b.retryAt = now.Add(cloudreve.Backoff(b.opened, maxBackoff, err))
	b.opened++
}

// healthy reports whether the circuit is closed and a question was answered in the last seconds.
func (b *breaker) healthy(now time.Time) bool {
	b.count(now)
	answered := 0
	for _, second := range b.seconds {
		answered += second.answered
	}
	return b.opened == 0 && answered > 0
}

func (b *breaker) tripped() bool {
	answered, failed := 0, 0
	for _, second := range b.seconds {
		answered += second.answered
		failed += second.failed
	}
	return failed >= minFailures && float64(failed) >= openRatio*float64(answered+failed)
}

// count returns the counters of this second, and forgets those of ten seconds ago.
func (b *breaker) count(now time.Time) *struct{ answered, failed int } {
	second := now.Unix()
	if second < b.second { // the clock was set back
		b.seconds, b.second = [len(b.seconds)]struct{ answered, failed int }{}, second
	}
	for n := int64(len(b.seconds)); b.second < second; b.second++ {
		b.second = max(b.second, second-n)
		b.seconds[(b.second+1)%n] = struct{ answered, failed int }{}
	}
	return &b.seconds[second%int64(len(b.seconds))]
}
