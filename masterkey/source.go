package masterkey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authmw/authmw"
)

const (
	// readTimeout is what one reading may take.
	readTimeout = 5 * time.Second

	// readGrace is what a ReadFunc may take to return once its time is over.
	readGrace = 100 * time.Millisecond

	// patience is for how long after its beginning requests wait for a reading. It takes a millisecond; if it takes
	// longer, the place is as good as down, and the requests must not pile up.
	patience = time.Second

	// earlyInterval is how often a token whose signature does not fit may have the key read. It bounds what forged tokens
	// cost the place where the key is, and for how long they can keep a new key from being noticed.
	earlyInterval = 2 * time.Second

	// retryAfter is how soon a reading that failed is tried again, if the interval is longer.
	retryAfter = 5 * time.Second

	// maxPrevious is how many previous keys are kept at most. Each costs a forged token one MAC more.
	maxPrevious = 8
)

// A Source is an authmw.KeySource, and an authmw.KeyReloader, whose key is read again and again. Make one with Open. It is
// safe for concurrent use.
type Source struct {
	config
	read ReadFunc

	// What requests get. It is replaced as a whole, so that they need no lock.
	current atomic.Pointer[outcome]

	mu        sync.Mutex
	closed    bool
	secret    []byte
	previous  []previousKey // newest first
	lastRead  time.Time     // when the last good reading began
	lastErr   error         // of the last reading
	staleAt   time.Time     // when the key will be too old; zero while it can be read
	warned    string        // the warning that was logged last
	reading   *reading      // the one under way
	messages  []func()      // to be logged when the lock is released
	nextEarly time.Time     // when a failed signature may have the key read again

	next  *time.Timer // to read again
	lapse *time.Timer // for a previous key to be forgotten
	stale *time.Timer // for staleAt

	ctx  context.Context // of the readings
	stop context.CancelFunc
}

type outcome struct {
	keys *authmw.Keys
	err  error
}

type previousKey struct {
	secret []byte
	until  time.Time
}

// reading is one look at the key. There is never more than one.
type reading struct {
	done     chan struct{}   // closed when it is over
	patience context.Context // done when nobody should wait for it any more
}

// Open reads the key and returns a Source that reads it again until it is closed. The context is for this first reading
// alone. If that fails, there is no Source: a server that cannot have its key should say so when it starts. The error
// reports everything that is wrong with the options at once.
func Open(ctx context.Context, read ReadFunc, options ...Option) (*Source, error) {
	c := configure(options)
	if read == nil {
		c.errs.Addf("the function that reads is nil")
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	s := &Source{config: c, read: read}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	began := time.Now()
	key, err := s.readFirst(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.unlock()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.next = time.AfterFunc(s.untilNext(), s.readAgain)
	s.lapse = time.AfterFunc(0, s.forget) // which finds nothing to do yet, as does
	s.stale = time.AfterFunc(0, s.expire)
	s.accept(key, began)
	return s, nil
}

// Close ends the reading. Requests with a token are denied with authmw.ErrUnavailable from then on. It does not close the
// database.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.stop()
	for _, timer := range []*time.Timer{s.next, s.lapse, s.stale} {
		timer.Stop()
	}
	s.current.Store(&outcome{err: errClosed})
	return nil
}

var (
	errClosed    = errors.New("masterkey: the source was closed")
	errNoReturn  = errors.New("masterkey: the reader did not return")
	errHangs     = errors.New("masterkey: the reading does not end")
	errNotOpened = errors.New("masterkey: the source was not made by Open")
)

// Keys returns the key and those before it whose time is not over. It never waits. The error tells since when and why the
// key cannot be read.
func (s *Source) Keys(context.Context) (*authmw.Keys, error) {
	if s == nil {
		return nil, errNotOpened
	}
	current := s.current.Load()
	if current == nil {
		return nil, errNotOpened
	}
	return current.keys, current.err
}

// Reload returns newer Keys than those that failed, if there are any. It reads the key, if that was not done for a failed
// signature within the last two seconds, and waits until ctx is done, at most a second.
func (s *Source) Reload(ctx context.Context, failed *authmw.Keys) *authmw.Keys {
	// A reading that was under way when the request came may have missed a change that came before the request. The one
	// after that has not.
	for range 2 {
		if keys, _ := s.Keys(ctx); keys != failed {
			return keys
		}
		r := s.readEarly()
		if r == nil {
			break
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
		select {
		case <-r.done:
			continue
		case <-r.patience.Done():
		case <-ctx.Done():
		}
		break
	}
	// Whatever the reason for not waiting: what another reading has found meanwhile is as good.
	keys, _ := s.Keys(ctx)
	return keys
}

// String says nothing of the key.
func (s *Source) String() string { return "masterkey.Source" }

// Format writes what String returns, whatever the verb.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// readEarly returns the reading that is under way, or that it began, or nil if it is too early for another.
func (s *Source) readEarly() *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if s.reading != nil {
		return s.reading
	}
	now := time.Now()
	if now.Before(s.nextEarly) {
		return nil
	}
	s.nextEarly = now.Add(earlyInterval)
	return s.begin()
}

// readAgain is what the timer next does.
func (s *Source) readAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case s.reading != nil: // and does not heed its timeout
		s.next.Reset(s.untilNext())
	default:
		s.begin()
	}
}

// begin begins a reading. The next one is an interval after this one, whatever it was that began it.
func (s *Source) begin() *reading {
	s.next.Reset(s.untilNext())
	if s.lastErr == nil {
		s.expireAfter(readTimeout + s.staleIfError)
	}
	ctx, cancel := context.WithTimeout(s.ctx, readTimeout)
	impatient, giveUp := context.WithTimeout(s.ctx, patience)
	r := &reading{done: make(chan struct{}), patience: impatient}
	s.reading = r
	began := time.Now()
	go func() {
		defer giveUp()
		defer cancel()
		var key Key
		err := errNoReturn
		defer func() { s.end(r, began, key, err) }()
		key, err = s.readOnce(ctx)
	}()
	return r
}

// end ends a reading that began then.
func (s *Source) end(r *reading, began time.Time, key Key, err error) {
	s.mu.Lock()
	defer s.unlock()
	defer close(r.done)
	s.reading = nil
	switch {
	case s.closed:
	case err != nil:
		s.fail(err)
	default:
		s.accept(key, began)
	}
}

// readFirst returns what readOnce does, or an error when ctx is done, though the ReadFunc does not heed that.
func (s *Source) readFirst(ctx context.Context) (Key, error) {
	var key Key
	err := errNoReturn
	done := make(chan struct{})
	go func() {
		defer close(done)
		key, err = s.readOnce(ctx)
	}()
	select {
	case <-done:
		return key, err
	case <-ctx.Done():
	}
	// A ReadFunc that heeds ctx has more to say about it.
	select {
	case <-done:
		return key, err
	case <-time.After(readGrace):
		return Key{}, fmt.Errorf("%w: %w", errHangs, ctx.Err())
	}
}

// readOnce returns a good key or an error. A ReadFunc that panics must not end the server from a goroutine of ours.
func (s *Source) readOnce(ctx context.Context) (key Key, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("masterkey: the reader panicked") // with what, may contain the key
		}
	}()
	key, err = s.read(ctx)
	if err != nil {
		return Key{}, err
	}
	if _, err := authmw.NewKeys(key.Secret); err != nil {
		return Key{}, fmt.Errorf("masterkey: the key from %s: %w", key.From, err)
	}
	return key, nil
}

// untilNext is the interval, a little longer by chance.
func (s *Source) untilNext() time.Duration {
	return s.interval + rand.N(s.interval/10)
}

// accept takes what a reading that began then has found. Like fail, it holds the lock.
func (s *Source) accept(key Key, began time.Time) {
	if s.lastErr != nil {
		s.say(slog.LevelInfo, "The master key can be read again", "from", key.From)
	}
	if key.Warning != "" && key.Warning != s.warned {
		s.say(slog.LevelWarn, "The master key is kept badly", "why", key.Warning)
	}
	s.warned, s.lastRead, s.lastErr, s.staleAt = key.Warning, began, nil, time.Time{}
	if bytes.Equal(s.secret, key.Secret) {
		if s.current.Load().err != nil {
			s.publish()
		}
		return
	}
	if s.secret != nil {
		s.say(slog.LevelWarn, "The master key changed. Cloudreve uses the previous one until it is restarted.",
			"from", key.From, "previous_accepted_for", s.previousTTL)
		s.previous = append([]previousKey{{s.secret, time.Now().Add(s.previousTTL)}}, s.previous...)
	}
	s.secret = bytes.Clone(key.Secret)
	s.publish()
}

// fail takes note of a reading that found no key.
func (s *Source) fail(err error) {
	s.say(slog.LevelWarn, "The master key cannot be read", "err", err, "last_read", s.lastRead)
	s.next.Reset(min(s.interval, retryAfter))
	if s.lastErr == nil { // staleAt is set, and sooner if the reading hung
		s.expireAfter(min(s.staleIfError, max(0, time.Until(s.staleAt))))
	}
	s.lastErr = err
}

// say logs something, but later: a handler may take its time, or call s.
func (s *Source) say(level slog.Level, message string, args ...any) {
	s.messages = append(s.messages, func() {
		defer func() { _ = recover() }() // in a goroutine of ours, a handler's panic would end the server
		s.log.Log(context.Background(), level, message, args...)
	})
}

// unlock releases the lock, and logs what there is to say.
func (s *Source) unlock() {
	messages := s.messages
	s.messages = nil
	s.mu.Unlock()
	for _, log := range messages {
		log()
	}
}

// publish gives the current key and the previous ones whose time is not over to the requests that follow.
func (s *Source) publish() {
	now := time.Now()
	s.previous = slices.DeleteFunc(s.previous, func(p previousKey) bool {
		return !now.Before(p.until) || bytes.Equal(p.secret, s.secret)
	})
	if len(s.previous) > maxPrevious {
		s.previous = s.previous[:maxPrevious]
	}
	var secrets [][]byte
	for _, p := range s.previous {
		secrets = append(secrets, p.secret)
	}
	if n := len(s.previous); n > 0 { // the oldest lapses first
		s.lapse.Reset(s.previous[n-1].until.Sub(now))
	}
	keys, err := authmw.NewKeys(s.secret, secrets...)
	s.current.Store(&outcome{keys, err})
}

// forget is what the timer lapse does.
func (s *Source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && len(s.previous) > 0 && s.current.Load().err == nil {
		s.publish()
	}
}

func (s *Source) expireAfter(d time.Duration) {
	s.staleAt = time.Now().Add(d)
	s.stale.Reset(d)
}

// expire is what the timer stale does.
func (s *Source) expire() {
	s.mu.Lock()
	defer s.unlock()
	if s.closed || s.staleAt.IsZero() || time.Now().Before(s.staleAt) {
		return
	}
	why := s.lastErr
	if why == nil {
		why = errHangs
	}
	err := fmt.Errorf("%w (the key was last read at %s, too long ago)", why, s.lastRead.Format(time.RFC3339))
	s.say(slog.LevelError, "The master key is too old to be used", "err", err)
	s.current.Store(&outcome{err: err})
}
