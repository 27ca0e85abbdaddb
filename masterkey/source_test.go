package masterkey_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/masterkey"
)

// place is where a test keeps the key. Its clock is that of a synctest bubble.
type place struct {
	mu    sync.Mutex
	key   string
	err   error
	panic any
	takes time.Duration
	hangs bool // whatever the context says
	begun int
	under int // way
}

func (p *place) read(ctx context.Context) (masterkey.Key, error) {
	p.mu.Lock()
	p.begun++
	p.under++
	overlap := p.under > 1
	key, err, takes, hangs := p.key, p.err, p.takes, p.hangs
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.under--
	}()
	if overlap {
		panic("two readings at once")
	}
	if hangs {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return masterkey.Key{}, ctx.Err()
	}
	if p.panic != nil {
		panic(p.panic)
	}
	return masterkey.Key{Secret: []byte(key), From: "a test"}, err
}

func (p *place) set(change func(*place)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *place) readings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// server is a validator over a Source over a place, with what it logs.
type server struct {
	*place
	*authmw.Validator
	source *masterkey.Source
	log    bytes.Buffer
}

func serve(t *testing.T, options ...masterkey.Option) *server {
	s := &server{place: &place{key: keyA}}
	var err error
	options = append([]masterkey.Option{masterkey.WithLogger(slog.New(slog.NewTextHandler(&s.log, nil)))}, options...)
	s.source, err = masterkey.Open(t.Context(), s.read, options...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.source.Close())
		require.NotContains(t, s.log.String(), "which has more than", "a key in the log")
	})
	s.Validator, err = authmw.NewFromKeySource(s.source)
	require.NoError(t, err)
	return s
}

// verify returns what becomes of a token that is signed with key now.
func (s *server) verify(t *testing.T, key string) error {
	_, err := s.Verify(t.Context(), authmwtest.Mint(t, []byte(key), authmw.Claims{Subject: "wGH0"}))
	return err
}

// later lets time pass, and whatever is to happen meanwhile.
func later(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

const interval = masterkey.DefaultInterval

func TestOpen(t *testing.T) {
	down := errors.New("the database is gone")
	read := func(secret string, err error) masterkey.ReadFunc {
		return func(context.Context) (masterkey.Key, error) {
			return masterkey.Key{Secret: []byte(secret), From: "the vault"}, err
		}
	}
	for _, row := range []struct {
		name    string
		read    masterkey.ReadFunc
		options []masterkey.Option
		want    []string
	}{
		{"no reader", nil, nil, []string{"the function that reads is nil"}},
		{"everything at once", nil, []masterkey.Option{
			nil, masterkey.WithInterval(time.Millisecond), masterkey.WithPreviousTTL(-1), masterkey.WithStaleIfError(-1),
			masterkey.WithLogger(nil),
		}, []string{
			"the function that reads is nil", "an option is nil", "an interval of 1ms is not between 1s and 30 days", "a TTL of the previous key of -1ns",
			"a time for a stale key of -1ns", "the logger is nil",
		}},
		{"far too long", read(keyA, nil), []masterkey.Option{masterkey.WithInterval(31 * 24 * time.Hour)}, []string{"an interval of 744h0m0s"}},
		{"a reader that fails", read(keyA, down), nil, []string{down.Error()}},
		{"an empty key", read("", nil), nil, []string{"the key from the vault", "0 bytes"}},
		{"a short key", read("short", nil), nil, []string{"the key from the vault", "5 bytes"}},
		{"a reader that panics", func(context.Context) (masterkey.Key, error) { panic(keyA) }, nil, []string{"the reader panicked"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			source, err := masterkey.Open(t.Context(), row.read, row.options...)
			require.Nil(t, source)
			for _, want := range row.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), keyA)
		})
	}
	for _, source := range []*masterkey.Source{nil, new(masterkey.Source)} {
		keys, err := source.Keys(t.Context())
		require.Nil(t, keys)
		require.ErrorContains(t, err, "not made by Open")
	}
}

func TestOpenGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := masterkey.Open(t.Context(), (&place{key: keyA, takes: time.Hour}).read)
		require.Equal(t, context.DeadlineExceeded, err, "what the reader says")
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

// TestInterval has the key change where no new token tells of it.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithPreviousTTL(0))
		later(interval + interval/10)
		require.Equal(t, 2, s.readings(), "once at the start, and once after the interval")
		later(100 * (interval + interval/10))
		require.InDelta(t, 107, s.readings(), 6, "an interval is up to a tenth longer")
		require.NoError(t, s.verify(t, keyA))

		s.set(func(p *place) { p.key = keyB })
		later(interval + interval/10)
		readings := s.readings()
		require.NoError(t, s.verify(t, keyB))
		require.Equal(t, readings, s.readings(), "no need to read again")
		require.ErrorIs(t, s.verify(t, keyA), authmw.ErrInvalidSignature)
		require.Contains(t, s.log.String(), "The master key changed")
	})
}

// TestRotation has a token of the new key come first.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithPreviousTTL(time.Minute))
		s.set(func(p *place) { p.key = keyB })
		require.NoError(t, s.verify(t, keyB))
		require.Equal(t, 2, s.readings())
		later(time.Minute - 1)
		require.NoError(t, s.verify(t, keyA))
		require.NoError(t, s.verify(t, keyB))
		later(1)
		require.ErrorIs(t, s.verify(t, keyA), authmw.ErrInvalidSignature)
		require.NoError(t, s.verify(t, keyB))

		// Two more, each with a time of its own, and back to one of them.
		later(interval)
		s.set(func(p *place) { p.key = keyC })
		require.NoError(t, s.verify(t, keyC))
		later(40 * time.Second)
		s.set(func(p *place) { p.key = keyA })
		require.NoError(t, s.verify(t, keyA))
		for _, key := range []string{keyA, keyB, keyC} {
			require.NoError(t, s.verify(t, key))
		}
		later(20 * time.Second)
		require.ErrorIs(t, s.verify(t, keyB), authmw.ErrInvalidSignature)
		require.NoError(t, s.verify(t, keyC))
		s.set(func(p *place) { p.key = keyC })
		later(interval)
		require.NoError(t, s.verify(t, keyC))
		require.NoError(t, s.verify(t, keyA))
		later(2 * time.Minute)
		require.NoError(t, s.verify(t, keyC), "it is the current one, and no previous one whose time is over")
		require.ErrorIs(t, s.verify(t, keyA), authmw.ErrInvalidSignature)
	})
}

func TestManyRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		nth := func(n int) string { return fmt.Sprintf("%03d: %s", n, keyA) }
		for n := range 20 {
			s.set(func(p *place) { p.key = nth(n) })
			later(interval + interval/10)
		}
		require.NoError(t, s.verify(t, nth(19)))
		require.NoError(t, s.verify(t, nth(11)))
		require.ErrorIs(t, s.verify(t, nth(10)), authmw.ErrInvalidSignature, "no more than eight")

		for n := range 20 {
			s.set(func(p *place) { p.key = nth(20 + n%2) })
			later(interval + interval/10)
		}
		require.NoError(t, s.verify(t, nth(19)), "two that take turns are not twenty")
	})
}

// TestFlood sends forged tokens, many at once, for an hour.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.set(func(p *place) { p.takes = 3 * time.Millisecond })
		forged := authmwtest.Mint(t, []byte(keyB), authmw.Claims{Subject: "wGH0"})
		var accepted atomic.Int64
		const seconds, atOnce = 3600, 28
		last := s.readings()
		for second := range seconds {
			for range atOnce {
				go func() {
					if _, err := s.Verify(t.Context(), forged); !errors.Is(err, authmw.ErrInvalidSignature) {
						accepted.Add(1)
					}
				}()
			}
			later(time.Second)
			require.LessOrEqual(t, s.readings()-last, (second+1)/2+1, "in %d seconds", second+1)
		}
		require.Zero(t, accepted.Load())
		require.NoError(t, s.verify(t, keyA))
	})
}

// TestRotationDuringAFlood has forged tokens come all the time while the key changes, at any moment between two readings. The
// first tokens of the new key are accepted within three seconds, if a reading takes less than one.
func TestRotationDuringAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.set(func(p *place) { p.takes = 900 * time.Millisecond })
		forged := authmwtest.Mint(t, []byte(keyB), authmw.Claims{Subject: "wGH0"})
		ctx, stop := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		defer flood.Wait()
		defer stop()
		for range 20 {
			flood.Go(func() {
				for ctx.Err() == nil {
					_, _ = s.Verify(ctx, forged)
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		for n := range 50 {
			later(time.Minute + time.Duration(n)*41*time.Millisecond)
			key := fmt.Sprintf("%s, for the %dth time", keyA, n) // one that was never there
			s.set(func(p *place) { p.key = key })
			began := time.Now()
			for s.verify(t, key) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			require.Less(t, time.Since(began), 3*time.Second)
		}
	})
}

// TestChangeDuringAReading has a key change just after a reading that is under way has missed it.
func TestChangeDuringAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.set(func(p *place) { p.takes = 100 * time.Millisecond })
		later(interval - interval/100)
		for s.readings() == 1 {
			later(10 * time.Millisecond)
		}
		s.set(func(p *place) { p.key = keyB })
		began := time.Now()
		require.NoError(t, s.verify(t, keyB))
		require.Greater(t, time.Since(began), 100*time.Millisecond, "the rest of that reading, and all of the next")
		require.Equal(t, 3, s.readings())
	})
}

// TestManyAtARotation has the first tokens of a new key come at every moment of the reading that they cause.
func TestManyAtARotation(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			s.set(func(p *place) { p.takes, p.key = 2*time.Millisecond, keyB })
			token := authmwtest.Mint(t, []byte(keyB), authmw.Claims{Subject: "wGH0"})
			var refused atomic.Int64
			for n := range 500 {
				go func() {
					time.Sleep(time.Duration(n%5) * 500 * time.Microsecond) // of the bubble's clock
					if _, err := s.Verify(t.Context(), token); err != nil {
						refused.Add(1)
					}
				}()
			}
			later(time.Second)
			require.Zero(t, refused.Load())
			require.Equal(t, 2, s.readings())
		})
	}
}

// TestReloadWaitsASecond has one reading follow another, each of which takes nearly that long.
func TestReloadWaitsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		later(interval - interval/100)
		s.set(func(p *place) { p.takes = 950 * time.Millisecond })
		for s.readings() == 1 {
			later(10 * time.Millisecond)
		}
		began := time.Now()
		require.ErrorIs(t, s.verify(t, keyB), authmw.ErrInvalidSignature)
		require.Equal(t, time.Second, time.Since(began))
	})
}

// TestShortOutage shows that a failure is not waited out for a long interval.
func TestShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithInterval(24*time.Hour), masterkey.WithStaleIfError(0))
		s.set(func(p *place) { p.err = errors.New("the database is restarting") })
		require.Error(t, s.verify(t, keyB), "which makes it read")
		synctest.Wait()
		require.ErrorIs(t, s.verify(t, keyA), authmw.ErrUnavailable)
		s.set(func(p *place) { p.err = nil })
		later(5 * time.Second)
		require.NoError(t, s.verify(t, keyA))
	})
}

// handler is a log handler that hangs for an hour, or panics.
type handler struct {
	slog.Handler
	panics bool
}

func (h handler) Handle(context.Context, slog.Record) error {
	if h.panics {
		panic("no more disk")
	}
	time.Sleep(time.Hour) // of the bubble's clock
	return nil
}

func TestBadLogger(t *testing.T) {
	for name, panics := range map[string]bool{"panics": true, "hangs": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := handler{slog.NewTextHandler(io.Discard, nil), panics}
				s := serve(t, masterkey.WithLogger(slog.New(bad)), masterkey.WithStaleIfError(time.Minute))
				s.set(func(p *place) { p.key = keyB })
				began := time.Now()
				require.NoError(t, s.verify(t, keyB))
				require.NoError(t, s.verify(t, keyA))
				require.ErrorIs(t, s.verify(t, keyC), authmw.ErrInvalidSignature)
				require.Zero(t, time.Since(began))
				s.set(func(p *place) { p.err = errors.New("the database is gone") })
				later(2 * time.Minute)
				require.ErrorIs(t, s.verify(t, keyB), authmw.ErrUnavailable)
				s.set(func(p *place) { p.err = nil })
				later(10 * time.Second)
				require.NoError(t, s.verify(t, keyB))
				require.NoError(t, s.source.Close())
				later(2 * time.Hour)
			})
		})
	}
}

// TestBadReadFunc has functions that do not return, in either way.
func TestBadReadFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang, leave := make(chan struct{}), func(context.Context) (masterkey.Key, error) { runtime.Goexit(); panic("never") }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := masterkey.Open(ctx, func(context.Context) (masterkey.Key, error) { <-hang; return masterkey.Key{}, nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(hang)
		_, err = masterkey.Open(t.Context(), leave)
		require.ErrorContains(t, err, "the reader did not return")

		p, gone := &place{key: keyA}, new(atomic.Bool)
		source, err := masterkey.Open(t.Context(), func(ctx context.Context) (masterkey.Key, error) {
			if gone.Load() {
				return leave(ctx)
			}
			return p.read(ctx)
		}, masterkey.WithStaleIfError(0), masterkey.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		defer func() { require.NoError(t, source.Close()) }()
		gone.Store(true)
		later(2 * interval)
		_, err = source.Keys(t.Context())
		require.ErrorContains(t, err, "the reader did not return")
		gone.Store(false)
		later(interval)
		_, err = source.Keys(t.Context())
		require.NoError(t, err)
	})
}

func TestSlowReading(t *testing.T) {
	for name, hangs := range map[string]bool{"heeds its timeout": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, masterkey.WithStaleIfError(time.Hour))
				s.set(func(p *place) { p.takes, p.hangs, p.key = 24*time.Hour, hangs, keyB })

				began := time.Now()
				require.ErrorIs(t, s.verify(t, keyB), authmw.ErrInvalidSignature)
				require.Equal(t, time.Second, time.Since(began), "as long as a request waits")
				require.ErrorIs(t, s.verify(t, keyB), authmw.ErrInvalidSignature)
				require.Equal(t, time.Second, time.Since(began), "and the next does not wait at all")
				require.NoError(t, s.verify(t, keyA))

				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				later(2 * interval)
				began = time.Now()
				_, err := s.Verify(ctx, authmwtest.Mint(t, []byte(keyB), authmw.Claims{Subject: "wGH0"}))
				require.ErrorIs(t, err, authmw.ErrInvalidSignature)
				require.Zero(t, time.Since(began), "nor does one that is over already")

				later(time.Hour - 2*interval)
				require.NoError(t, s.verify(t, keyA))
				later(10 * time.Second)
				err = s.verify(t, keyA)
				require.ErrorIs(t, err, authmw.ErrUnavailable)
				if hangs {
					require.ErrorContains(t, err, "the reading does not end")
				}

				s.set(func(p *place) { p.takes = 0 })
				later(24 * time.Hour)
				require.NoError(t, s.verify(t, keyB), "when it goes on")
				readings := s.readings()
				later(2 * interval)
				require.Greater(t, s.readings(), readings)
			})
		})
	}
}

// TestClientLeaves has a request give up before the reading that it waits for is over.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.set(func(p *place) { p.takes, p.key = time.Second/2, keyB })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/4)
		defer cancel()
		token := authmwtest.Mint(t, []byte(keyB), authmw.Claims{Subject: "wGH0"})
		began := time.Now()
		_, err := s.Verify(ctx, token)
		require.ErrorIs(t, err, authmw.ErrInvalidSignature)
		require.Equal(t, time.Second/4, time.Since(began))
		require.NoError(t, s.verify(t, keyB), "the reading goes on for the others")
		require.Equal(t, 2, s.readings())
	})
}

func TestOutage(t *testing.T) {
	down := errors.New("the database is gone")
	for _, row := range []struct {
		name string
		fail func(*place)
		why  string
	}{
		{"an error", func(p *place) { p.err = down }, down.Error()},
		{"an empty key", func(p *place) { p.key = "" }, "the key from a test"},
		{"a short key", func(p *place) { p.key = "short" }, "5 bytes"},
		{"a panic", func(p *place) { p.panic = "at the key" }, "the reader panicked"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, masterkey.WithStaleIfError(10*time.Minute))
				s.set(row.fail)
				require.ErrorIs(t, s.verify(t, keyB), authmw.ErrInvalidSignature, "no reason for 503: the key is known")
				later(10*time.Minute - 1)
				require.NoError(t, s.verify(t, keyA))
				later(1)
				err := s.verify(t, keyA)
				require.ErrorIs(t, err, authmw.ErrUnavailable)
				require.ErrorContains(t, err, row.why)
				require.ErrorIs(t, s.verify(t, keyB), authmw.ErrUnavailable)
				require.Contains(t, s.log.String(), "The master key is too old to be used")

				s.set(func(p *place) { p.key, p.err, p.panic = keyA, nil, nil })
				later(interval + interval/10)
				require.NoError(t, s.verify(t, keyA), "it recovers by itself")
				require.Contains(t, s.log.String(), "The master key can be read again")
				later(time.Hour)
				require.NoError(t, s.verify(t, keyA), "and for good")
			})
		})
	}
}

// TestNotStale shows that a key is good between readings, with no time for a stale one at all.
func TestNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithStaleIfError(0))
		for range 120 {
			later(time.Second)
			require.NoError(t, s.verify(t, keyA))
		}
	})
}

// TestStaleSinceAHungReading has a reading hang for 59 minutes and then fail: the hour is not begun anew.
func TestStaleSinceAHungReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.set(func(p *place) { p.takes, p.hangs, p.err = 59*time.Minute, true, errors.New("the database is gone") })
		later(interval + interval/10)
		s.set(func(p *place) { p.takes = 0 })
		later(59 * time.Minute)
		require.NoError(t, s.verify(t, keyA))
		later(2 * time.Minute)
		require.ErrorIs(t, s.verify(t, keyA), authmw.ErrUnavailable)
	})
}

func TestOutageOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithStaleIfError(0))
		s.set(func(p *place) { p.err = errors.New("the database is gone") })
		later(interval + interval/10)
		for _, middleware := range []func(http.Handler) http.Handler{authhttp.Required(s.Validator), authhttp.Optional(s.Validator)} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(keyA), authmw.Claims{Subject: "wGH0"}))
			w := httptest.NewRecorder()
			middleware(http.NotFoundHandler()).ServeHTTP(w, r)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.NotContains(t, w.Body.String(), "gone")
		}
	})
}

// TestOutageEndsWithANewKey has the key change while it cannot be read.
func TestOutageEndsWithANewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithPreviousTTL(time.Minute), masterkey.WithStaleIfError(time.Minute))
		s.set(func(p *place) { p.key = keyB })
		require.NoError(t, s.verify(t, keyB))
		s.set(func(p *place) { p.err = errors.New("the database is gone") })
		later(time.Hour)
		require.ErrorIs(t, s.verify(t, keyB), authmw.ErrUnavailable)
		s.set(func(p *place) { p.key, p.err = keyC, nil })
		later(interval + interval/10)
		require.NoError(t, s.verify(t, keyC))
		require.NoError(t, s.verify(t, keyB))
		require.ErrorIs(t, s.verify(t, keyA), authmw.ErrInvalidSignature, "its time was over long ago")
	})
}

// TestPreviousLapsesInAnOutage has the end of a previous key's time come when the current one is too old.
func TestPreviousLapsesInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, masterkey.WithPreviousTTL(time.Hour), masterkey.WithStaleIfError(time.Minute))
		s.set(func(p *place) { p.key = keyB })
		require.NoError(t, s.verify(t, keyB))
		s.set(func(p *place) { p.err = errors.New("the database is gone") })
		later(2 * time.Hour)
		require.ErrorIs(t, s.verify(t, keyB), authmw.ErrUnavailable)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.set(func(p *place) { p.takes = time.Second / 2 })
		waiting := make(chan error)
		go func() { waiting <- s.verify(t, keyB) }()
		later(time.Second / 4)
		began := time.Now()
		require.NoError(t, s.source.Close())
		require.Error(t, <-waiting)
		require.Zero(t, time.Since(began))
		require.NoError(t, s.source.Close())
		require.ErrorContains(t, s.verify(t, keyA), "the source was closed")
		readings := s.readings()
		later(24 * time.Hour)
		require.Nil(t, s.source.Reload(t.Context(), nil))
		synctest.Wait()
		require.Equal(t, readings, s.readings())
		require.ErrorContains(t, s.verify(t, keyA), "the source was closed")
		require.NotContains(t, s.log.String(), "cannot be read")
	})
}

// TestReusedBuffer has a ReadFunc that returns the same bytes each time, with another key in them.
func TestReusedBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, buffer := []string{keyA, keyB, keyB, keyB}, []byte(keyA)
		source, err := masterkey.Open(t.Context(), func(context.Context) (masterkey.Key, error) {
			copy(buffer, keys[0])
			keys = keys[1:]
			return masterkey.Key{Secret: buffer}, nil
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, source.Close()) }()
		before, err := source.Keys(t.Context())
		require.NoError(t, err)
		later(2 * interval)
		after, err := source.Keys(t.Context())
		require.NoError(t, err)
		require.NotSame(t, before, after)
	})
}

// TestWarning has a warning logged when it comes up, and not at every reading.
func TestWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		warning := "the file is world-readable"
		source, err := masterkey.Open(t.Context(), func(context.Context) (masterkey.Key, error) {
			return masterkey.Key{Secret: []byte(keyA), Warning: warning}, nil
		}, masterkey.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(t, err)
		later(time.Hour)
		require.Equal(t, 1, bytes.Count(log.Bytes(), []byte(warning)))
		require.NoError(t, source.Close())
	})
}
