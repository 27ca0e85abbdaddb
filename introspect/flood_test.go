package introspect_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/introspect"
)

// model is a site as far as its capacity goes. It accepts tokens that begin with "good".
type model struct {
	latency   time.Duration
	limit     int    // requests a second, beyond which it answers with status 429
	failEvery int    // one of so many fails with status 502; 0 for none
	retry     string // Retry-After of a 429
	failing   string // a token that it fails to answer

	// What forged tokens get in place of Cloudreve's answer, as from a proxy.
	forgedStatus  int
	forgedLatency time.Duration

	mu      sync.Mutex
	second  int64
	count   int
	asked   int
	limited int
	most    int // in flight
	peak    int // in a second
	flying  int
}

func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	if second := time.Now().Unix(); second != m.second {
		m.second, m.count = second, 0
	}
	m.count++
	m.asked++
	m.flying++
	m.most, m.peak = max(m.most, m.flying), max(m.peak, m.count)
	limited := m.limit > 0 && m.count > m.limit
	failed := m.failEvery > 0 && m.asked%m.failEvery == 0 || r.Header.Get("Authorization") == "Bearer "+m.failing
	if limited {
		m.limited++
	}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.flying--
	}()
	good := strings.HasPrefix(r.Header.Get("Authorization"), "Bearer good")
	latency := m.latency
	if !good && m.forgedLatency > 0 {
		latency = m.forgedLatency
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	status, body, header := 200, `{"code":401,"msg":"Login required"}`, http.Header{}
	switch {
	case limited:
		status, body = 429, ""
		header.Set("Retry-After", m.retry)
	case failed:
		status, body = 502, ""
	case !good && m.forgedStatus > 0:
		status, body = m.forgedStatus, "<html>"
		header.Set("Retry-After", "30")
		header.Set("Location", "/login")
	case good:
		body = `{"code":0,"data":{"id":"user"}}`
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// traffic is what some senders saw.
type traffic struct {
	mu     sync.Mutex
	failed int
	took   []time.Duration
}

func (tr *traffic) add(err error, took time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil {
		tr.failed++
	}
	tr.took = append(tr.took, took)
}

func (tr *traffic) percentile(p float64) time.Duration {
	slices.Sort(tr.took)
	return tr.took[min(int(p*float64(len(tr.took))), len(tr.took)-1)]
}

func (tr *traffic) failedRatio() float64 { return float64(tr.failed) / float64(len(tr.took)) }

// scene is a plugin with users, new users and a flood.
type scene struct {
	t          *testing.T
	site       *introspect.Introspector
	model      *model
	wait       sync.WaitGroup
	goroutines int
	heap       uint64
}

func newScene(t *testing.T, m *model) *scene {
	site, err := introspect.New(siteURL, introspect.WithTransport(m))
	require.NoError(t, err)
	s := &scene{t: t, site: site, model: m}
	s.goroutines, s.heap = use()
	return s
}

// end waits until all requests are answered, and looks at what is left of them.
func (s *scene) end() {
	s.wait.Wait()
	synctest.Wait()
	goroutines, heap := use()
	require.LessOrEqual(s.t, goroutines, s.goroutines, "goroutines are left")
	require.LessOrEqual(s.t, s.model.most, 32, "questions in flight, each with a goroutine")
	require.Less(s.t, int64(heap-s.heap)/(1<<20), int64(24), "MiB of memory")
	runtime.KeepAlive(s.site)
}

func use() (goroutines int, heap uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

func (s *scene) ask(token string, address netip.Addr) (took time.Duration, err error) {
	began := time.Now()
	claims := &authmw.Claims{Subject: "user", ExpiresAt: began.Add(time.Hour)}
	err = s.site.Introspect(authmw.WithClientAddress(context.Background(), address), token, claims)
	return time.Since(began), err
}

// address returns one of many.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// users has n users send a request every five seconds. They all begin within begin.
func (s *scene) users(n int, begin, duration time.Duration) *traffic {
	tr := new(traffic)
	for i := range n {
		s.wait.Go(func() {
			time.Sleep(begin * time.Duration(i) / time.Duration(n))
			for end := time.Now().Add(duration); time.Now().Before(end); time.Sleep(5 * time.Second) {
				took, err := s.ask(fmt.Sprint("good known ", i), address(i))
				tr.add(err, took)
			}
		})
	}
	return tr
}

// newcomers has a user who was never seen send a request every interval, each from an address of its own.
func (s *scene) newcomers(interval, duration time.Duration) *traffic {
	tr := new(traffic)
	s.wait.Go(func() {
		for i := range int(duration / interval) {
			s.wait.Go(func() {
				took, err := s.ask(fmt.Sprint("good new ", i), address(1<<20+i))
				tr.add(err, took)
			})
			time.Sleep(interval)
		}
	})
	return tr
}

// flood sends forged tokens from one address.
func (s *scene) flood(perSecond int, duration time.Duration) {
	s.floodFrom(perSecond, duration, func(int) netip.Addr { return address(1 << 23) })
}

func (s *scene) floodFrom(perSecond int, duration time.Duration, address func(i int) netip.Addr) {
	s.wait.Go(func() {
		const tick = 10 * time.Millisecond
		for i := range int(duration / tick) {
			for n := range perSecond / 100 {
				s.wait.Go(func() { _, _ = s.ask(fmt.Sprint("forged ", i, " ", n), address(i*perSecond/100+n)) })
			}
			time.Sleep(tick)
		}
	})
}

// TestFlood sends 1,500 forged tokens a second from one address.
func TestFlood(t *testing.T) {
	for _, latency := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{latency: latency}
				s := newScene(t, m)
				warm := s.users(100, 5*time.Second, 10*time.Second)
				s.wait.Wait()
				require.Zero(t, warm.failed)

				const duration = 70 * time.Second
				s.flood(1500, duration)
				users := s.users(100, 5*time.Second, duration)
				newcomers := s.newcomers(100*time.Millisecond, duration)
				s.end()
				t.Logf("users: %d of %d failed, p99 %v; newcomers: %.2f %% of %d failed, p50 %v, p99 %v; asked %d",
					users.failed, len(users.took), users.percentile(.99), 100*newcomers.failedRatio(), len(newcomers.took),
					newcomers.percentile(.5), newcomers.percentile(.99), m.asked)
				require.Zero(t, users.failed)
				require.LessOrEqual(t, users.percentile(.99), latency*3/2+100*time.Millisecond)
				require.LessOrEqual(t, newcomers.failedRatio(), .01)
				require.LessOrEqual(t, newcomers.percentile(.5), 3*latency)
			})
		})
	}
}

// TestForgedTokensAnsweredOtherwise has a site, or a proxy before it, that answers forged tokens in its own way. That must not
// pass for a site that is down, or that is asked too much, for others.
func TestForgedTokensAnsweredOtherwise(t *testing.T) {
	for _, row := range []struct {
		name    string
		status  int
		latency time.Duration
	}{
		{"429", 429, 0},
		{"503", 503, 0},
		{"302", 302, 0},
		{"403, not as Cloudreve", 403, 0},
		{"404 after a while", 404, 4900 * time.Millisecond},
		{"no answer", 0, time.Hour},
	} {
		for _, perSecond := range []int{100, 1000} {
			t.Run(fmt.Sprintf("%s, %d a second", row.name, perSecond), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := &model{latency: 20 * time.Millisecond, forgedStatus: row.status, forgedLatency: row.latency}
					s := newScene(t, m)
					const duration = 65 * time.Second
					s.users(20, 5*time.Second, 5*time.Second)
					s.wait.Wait()
					s.flood(perSecond, duration)
					users := s.users(20, 5*time.Second, duration)
					newcomers := s.newcomers(100*time.Millisecond, duration)
					s.end()
					t.Logf("users: %.1f %% failed; newcomers: %.1f %%; asked %d", 100*users.failedRatio(), 100*newcomers.failedRatio(), m.asked)
					require.Zero(t, users.failed)
					require.LessOrEqual(t, newcomers.failedRatio(), .05)
				})
			})
		}
	}
}

// TestForgedTokensFailFromManyAddresses has thirty addresses send forged tokens, which the site answers with status 503.
func TestForgedTokensFailFromManyAddresses(t *testing.T) {
	for _, perSecond := range []int{100, 200} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{latency: 20 * time.Millisecond, forgedStatus: 503}
			s := newScene(t, m)
			const duration = 65 * time.Second
			s.users(20, 5*time.Second, 5*time.Second)
			s.wait.Wait()
			s.floodFrom(perSecond, duration, func(i int) netip.Addr { return address(1<<23 + i%30) })
			users := s.users(20, 5*time.Second, duration)
			newcomers := s.newcomers(200*time.Millisecond, duration)
			s.end()
			t.Logf("users: %.1f %% failed; newcomers: %.1f %%; asked %d", 100*users.failedRatio(), 100*newcomers.failedRatio(), m.asked)
			require.Zero(t, users.failed)
			require.LessOrEqual(t, newcomers.failedRatio(), .05)
		})
	}
}

// TestOneFailingUser has a user whose token the site fails to answer, and who tries again and again.
func TestOneFailingUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 20 * time.Millisecond}
		s := newScene(t, m)
		s.users(20, 5*time.Second, 5*time.Second)
		s.wait.Wait()
		m.failing = "good known 0"
		users := new(traffic)
		for i := range 20 {
			s.wait.Go(func() {
				for range 60 * 50 {
					time.Sleep(time.Second / 50)
					if took, err := s.ask(fmt.Sprint("good known ", i), address(i)); i > 0 {
						users.add(err, took)
					}
				}
			})
		}
		s.end()
		t.Logf("others: %.1f %% failed; asked %d", 100*users.failedRatio(), m.asked)
		require.Zero(t, users.failed)
	})
}

// TestFloodFromANetwork floods from all over an IPv6 /48.
func TestFloodFromANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 100 * time.Millisecond}
		s := newScene(t, m)
		const duration = 30 * time.Second
		s.floodFrom(1500, duration, func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, byte(i >> 8), byte(i), 15: 1})
		})
		newcomers := s.newcomers(100*time.Millisecond, duration)
		s.end()
		t.Logf("newcomers: %.1f %% failed, p50 %v", 100*newcomers.failedRatio(), newcomers.percentile(.5))
		require.LessOrEqual(t, newcomers.failedRatio(), .01)
		require.LessOrEqual(t, newcomers.percentile(.5), 3*m.latency)
	})
}

// TestTenThousandUsers has the entries of so many begin within a second, and looks at the three periods that follow.
func TestTenThousandUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Millisecond}
		s := newScene(t, m)
		first := s.users(10_000, time.Second, time.Nanosecond)
		s.wait.Wait()
		require.Zero(t, first.failed)
		require.Equal(t, 10_000, m.asked)

		m.latency, m.peak = 5*time.Millisecond, 0
		users := s.users(10_000, time.Second, 3*introspect.MaxCacheTTL)
		s.end()
		t.Logf("%d of %d failed, p99 %v, longest %v; asked %d, at most %d in a second",
			users.failed, len(users.took), users.percentile(.99), users.percentile(1), m.asked, m.peak)
		require.Zero(t, users.failed)
		require.LessOrEqual(t, users.percentile(.99), 5*time.Millisecond*3/2+100*time.Millisecond)
	})
}

// TestRateLimitedSite has a site that answers 50 requests a second, and a flood.
func TestRateLimitedSite(t *testing.T) {
	for _, row := range []struct {
		name    string
		flood   int
		retry   string
		others  time.Duration // between other new users
		failing float64       // how many of these may fail
	}{
		{"no flood", 0, "1", 100 * time.Millisecond, 0},
		{"flood", 1500, "1", 100 * time.Millisecond, .05},
		{"flood, no Retry-After", 1500, "", 100 * time.Millisecond, .05},
		{"flood, long Retry-After", 1500, "25", 2 * time.Second, .05},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{latency: 20 * time.Millisecond, limit: 50, retry: row.retry}
				s := newScene(t, m)
				const duration = 100 * time.Second
				if row.flood > 0 {
					s.flood(row.flood, duration)
				}
				newcomers := s.newcomers(row.others, duration)
				longest := time.Duration(0)
				var mu sync.Mutex
				s.wait.Go(func() {
					for i := range int(duration / (2 * time.Second)) {
						s.wait.Go(func() {
							began := time.Now()
							for {
								if _, err := s.ask(fmt.Sprint("good new ", i), address(1<<20+i)); err == nil {
									break
								}
								time.Sleep(200 * time.Millisecond)
							}
							mu.Lock()
							defer mu.Unlock()
							longest = max(longest, time.Since(began))
						})
						time.Sleep(2 * time.Second)
					}
				})
				s.end()
				t.Logf("longest outage of a new user %v; %.1f %% of others failed once; asked %d, of which %d got 429",
					longest, 100*newcomers.failedRatio(), m.asked, m.limited)
				require.LessOrEqual(t, longest, 3*time.Second)
				require.LessOrEqual(t, newcomers.failedRatio(), row.failing)
			})
		})
	}
}

// TestFailingSite has a site that fails every second request.
func TestFailingSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 20 * time.Millisecond, failEvery: 2}
		s := newScene(t, m)
		newcomers := s.newcomers(50*time.Millisecond, 60*time.Second)
		users := s.users(100, 5*time.Second, 60*time.Second)
		s.end()
		t.Logf("newcomers: %.1f %% denied, users: %.1f %%; asked %d", 100*newcomers.failedRatio(), 100*users.failedRatio(), m.asked)
		require.LessOrEqual(t, newcomers.failedRatio(), .55)
		require.LessOrEqual(t, users.failedRatio(), .55)
	})
}
