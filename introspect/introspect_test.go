package introspect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/introspect"
	"github.com/authmw/authmw/issuer"
)

const (
	siteURL  = "https://cloud.example.com"
	me       = "GET /api/v4/user/me"
	userinfo = "GET /api/v4/session/oauth/userinfo"
)

// world is a site, and a plugin that asks it.
type world struct {
	t      *testing.T
	site   *cloudrevetest.Site
	plugin http.Handler
	err    error // why the last request was denied, as the observer is told
}

// in runs a test in a bubble, at the end of which no goroutine is left: synctest.Test fails if one is.
func in(t *testing.T, test func(t *testing.T, w *world), options ...introspect.Option) {
	synctest.Test(t, func(t *testing.T) {
		config := cloudrevetest.Config{}
		for i := range 100 {
			config.Users = append(config.Users, cloudrevetest.User{ID: fmt.Sprint("user", i), Email: fmt.Sprintf("%d@example.com", i), Password: "Passw0rd!"})
		}
		asked, err := cloudrevetest.New(config)
		require.NoError(t, err)
		w := &world{t: t, site: asked}
		site, err := introspect.New(siteURL, append([]introspect.Option{introspect.WithTransport(w.site)}, options...)...)
		require.NoError(t, err)
		var mu sync.Mutex
		v, err := authmw.NewFromIntrospector(site, authmw.WithObserver(func(e authmw.Decision) {
			mu.Lock()
			defer mu.Unlock()
			w.err = e.Err
		}))
		require.NoError(t, err)
		who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, ok := authmw.FromContext(r.Context())
			if !ok {
				claims = &authmw.Claims{Subject: "anonymous"}
			}
			_, _ = io.WriteString(w, claims.Subject)
		})
		mux := http.NewServeMux()
		mux.Handle("/required", authhttp.Required(v)(who))
		mux.Handle("/optional", authhttp.Optional(v)(who))
		mux.Handle("/none", authhttp.None()(who))
		mux.Handle("/scoped", authhttp.Required(v, "Files.Read")(who))
		w.plugin = mux
		test(t, w)
	})
}

func (w *world) get(path, token string) (status int, body string) {
	r := httptest.NewRequest("GET", path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	recorder := httptest.NewRecorder()
	w.plugin.ServeHTTP(recorder, r)
	return recorder.Code, recorder.Body.String()
}

func (w *world) status(path, token string) int {
	status, _ := w.get(path, token)
	return status
}

func (w *world) token(i int) string {
	return issue(w.t, w.site, issuer.Identity{Subject: fmt.Sprint("user", i)}).AccessToken
}

// round is a function as an http.RoundTripper.
type round func(*http.Request) (*http.Response, error)

func (f round) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// issue returns the tokens of a site for an identity.
func issue(t testing.TB, site *cloudrevetest.Site, identity issuer.Identity) issuer.Pair {
	t.Helper()
	pair, err := site.Issue(identity)
	require.NoError(t, err)
	return pair
}

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

func TestModes(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		token := w.token(1)
		forged := authmwtest.Mint(t, []byte(strings.Repeat("another", 5)), authmw.Claims{Subject: "user1"})
		for _, row := range []struct {
			path, token string
			status      int
			body        string
		}{
			{"/required", token, 200, "user1"},
			{"/required", "", 401, ""},
			{"/required", forged, 401, ""},
			{"/optional", token, 200, "user1"},
			{"/optional", "", 200, "anonymous"},
			{"/optional", forged, 401, ""},
			{"/none", token, 200, "anonymous"},
			{"/none", forged, 200, "anonymous"},
			{"/scoped", token, 200, "user1"},
		} {
			status, body := w.get(row.path, row.token)
			require.Equal(t, row.status, status, row)
			if status == 200 {
				require.Equal(t, row.body, body)
			}
		}
		require.Equal(t, 2, w.site.Count(me), "once for each token")
	})
}

// TestNotAsked shows what is denied without a request to the site.
func TestNotAsked(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		secret := []byte(authmwtest.Secret)
		pair := issue(t, w.site, issuer.Identity{Subject: "user1"})
		for name, row := range map[string]struct {
			token string
			want  error
		}{
			"a refresh token":         {pair.RefreshToken, authmw.ErrWrongTokenType},
			"an expired token":        {authmwtest.Mint(t, secret, authmw.Claims{Subject: "user1", ExpiresAt: time.Now()}), authmw.ErrTokenExpired},
			"a token from the future": {authmwtest.Mint(t, secret, authmw.Claims{Subject: "user1", NotBefore: time.Now().Add(time.Second)}), authmw.ErrTokenNotYetValid},
			"a token of 9 KB":         {authmwtest.Mint(t, secret, authmw.Claims{Subject: "user1", ClientID: strings.Repeat("x", 9000)}), authmw.ErrMalformedToken},
			"garbage":                 {"garbage", authmw.ErrMalformedToken},
			"a cut token":             {pair.AccessToken[:len(pair.AccessToken)-1], authmw.ErrMalformedToken},
			"no subject":              {authmwtest.Mint(t, secret, authmw.Claims{}), authmw.ErrInvalidClaims},
			"a client without a scope to ask with": {authmwtest.Mint(t, secret, authmw.Claims{Subject: "user1", ClientID: "desktop", Scopes: []string{"Files.Read"}}),
				authmw.ErrTokenRejected},
		} {
			require.Equal(t, 401, w.status("/required", row.token), name)
			require.ErrorIs(t, w.err, row.want, name)
		}
		require.Zero(t, w.site.Count(me)+w.site.Count(userinfo))
	})
}

// TestTenThousandRequests counts what a hundred users cost the site.
func TestTenThousandRequests(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		tokens := make([]string, 100)
		for i := range tokens {
			tokens[i] = w.token(i)
		}
		w.site.SetLatency(100 * time.Millisecond)
		var before, failed int32
		for period := range 3 {
			var wait sync.WaitGroup
			for i := range 10_000 {
				wait.Go(func() {
					time.Sleep(time.Duration(i/400) * time.Second) // 25 seconds
					status, body := w.get("/required", tokens[i%100])
					if status != 200 || body != fmt.Sprint("user", i%100) {
						atomic.AddInt32(&failed, 1)
					}
				})
			}
			wait.Wait()
			asked := int32(w.site.Count(me)) - before
			require.LessOrEqual(t, asked, int32(200), "in period %d", period)
			t.Logf("10000 requests of 100 users: the site was asked %d times", asked)
			before += asked
			time.Sleep(6 * time.Second)
		}
		require.Zero(t, failed)
	})
}

// TestRefreshAhead shows that a token in use is asked about again in the background, and that the site's answer counts.
func TestRefreshAhead(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		token, idle := w.token(1), w.token(2)
		require.Equal(t, []int{200, 200}, []int{w.status("/required", token), w.status("/required", idle)})
		w.site.SetLatency(time.Second)
		for range 20 {
			time.Sleep(5 * time.Second)
			began := time.Now()
			require.Equal(t, 200, w.status("/required", token))
			require.Zero(t, time.Since(began), "it never waits")
		}
		asked := w.site.Count(me)
		require.GreaterOrEqual(t, asked, 2+100/25)
		require.LessOrEqual(t, asked, 2+100/15)

		w.site.SetBanned("user1", true)
		for range 4 {
			time.Sleep(5 * time.Second)
			w.status("/required", token)
		}
		time.Sleep(5 * time.Second)
		require.Equal(t, 401, w.status("/required", token), "within 25 seconds, if it is in use")

		w.site.SetBanned("user1", false)
		w.site.SetLatency(0)
		time.Sleep(5 * time.Second)
		require.Equal(t, 200, w.status("/required", token))
		time.Sleep(25 * time.Second)
		w.site.SetOutage(cloudrevetest.BadGateway)
		before := w.site.Count(me)
		for range 1000 {
			require.Equal(t, 200, w.status("/required", token))
			synctest.Wait()
		}
		require.Equal(t, before+1, w.site.Count(me), "a failure is not repeated at once")
	})
}

// TestRefreshesAreSpread has a hundred tokens accepted at once, and all of them in use.
func TestRefreshesAreSpread(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		tokens := make([]string, 100)
		for i := range tokens {
			tokens[i] = w.token(i)
			require.Equal(t, 200, w.status("/required", tokens[i]))
		}
		asked, most := w.site.Count(me), 0
		for range 24 {
			for range 4 {
				time.Sleep(time.Second / 4)
				for _, token := range tokens {
					require.Equal(t, 200, w.status("/required", token))
				}
			}
			synctest.Wait()
			most = max(most, w.site.Count(me)-asked)
			asked = w.site.Count(me)
		}
		require.Equal(t, 200, asked)
		require.Less(t, most, 40, "in a second")
	})
}

// TestCachedAllocates shows what a token costs that is accepted unasked.
func TestCachedAllocates(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		token := w.token(1)
		site, err := introspect.New(siteURL, introspect.WithTransport(w.site))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		require.NoError(t, site.Introspect(t.Context(), token, claims))
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = site.Introspect(t.Context(), token, claims) }), 1.0)
	})
}

func TestBanAndRotationAreSeen(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		first, second := w.token(1), w.token(2)
		require.Equal(t, []int{200, 200}, []int{w.status("/required", first), w.status("/required", second)})
		w.site.SetBanned("user1", true)
		time.Sleep(introspect.MaxCacheTTL - 1)
		require.Equal(t, 200, w.status("/required", first))
		time.Sleep(time.Nanosecond)
		require.Equal(t, 401, w.status("/required", first))
		require.ErrorIs(t, w.err, authmw.ErrTokenRejected)
		w.site.SetBanned("user1", false)
		require.Equal(t, 401, w.status("/required", first), "a moment")
		require.Equal(t, 2, w.site.Count(me)-1)
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, w.status("/required", first))

		require.NoError(t, w.site.SetSecret(strings.Repeat("another", 5)))
		time.Sleep(introspect.MaxCacheTTL)
		require.Equal(t, []int{401, 401, 200}, []int{w.status("/required", first), w.status("/required", second), w.status("/required", w.token(1))})
	})
}

// TestExpiry shows that nothing is remembered past exp.
func TestExpiry(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		require.NoError(t, w.site.SetTTL(10*time.Second, time.Hour))
		token := w.token(1)
		require.Equal(t, 200, w.status("/required", token))
		time.Sleep(10*time.Second - 1)
		require.Equal(t, 200, w.status("/required", token))
		time.Sleep(time.Nanosecond)
		require.Equal(t, 401, w.status("/required", token))
		require.ErrorIs(t, w.err, authmw.ErrTokenExpired)
		require.Equal(t, 1, w.site.Count(me))
	})
	synctest.Test(t, func(t *testing.T) { // even where the validator is told to be lenient
		site, err := cloudrevetest.New(cloudrevetest.Config{})
		require.NoError(t, err)
		require.NoError(t, site.SetTTL(10*time.Second, time.Hour))
		asked, err := introspect.New(siteURL, introspect.WithTransport(site))
		require.NoError(t, err)
		v, err := authmw.NewFromIntrospector(asked, authmw.WithLeeway(time.Minute))
		require.NoError(t, err)
		token := issue(t, site, issuer.Identity{Subject: "wGH0"}).AccessToken
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		_, err = v.Verify(t.Context(), token)
		require.ErrorIs(t, err, authmw.ErrInvalidSignature)
		require.Equal(t, 2, site.Count(me))
	})
}

// TestOutage stops the site midway.
func TestOutage(t *testing.T) {
	for _, outage := range []cloudrevetest.Outage{cloudrevetest.Unreachable, cloudrevetest.BadGateway} {
		t.Run(fmt.Sprint(outage), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				known := w.token(1)
				require.Equal(t, 200, w.status("/required", known))
				w.site.SetOutage(outage)
				strangers := 0
				for second := range 60 {
					for i := range 10 {
						token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "user2", NotBefore: time.Now().Add(-time.Duration(i) * time.Second)})
						require.Equal(t, 503, w.status("/required", token))
						require.Equal(t, 503, w.status("/optional", token), "never anonymous")
						require.ErrorIs(t, w.err, authmw.ErrUnavailable)
						strangers++
					}
					require.Equal(t, 200, w.status("/optional", ""))
					want := 200
					if second >= 30 {
						want = 503 // never a stale yes
					}
					require.Equal(t, want, w.status("/required", known), second)
					time.Sleep(time.Second)
				}
				// One known token is asked about at each request of its user: alone, it cannot open the circuit.
				require.Less(t, w.site.Count(me), 30+45, "of %d strangers", strangers)
				w.site.SetOutage(cloudrevetest.NoOutage)
				time.Sleep(30 * time.Second)
				require.Equal(t, 200, w.status("/required", known), "it recovers by itself")
				for i := range 100 {
					require.Equal(t, 200, w.status("/required", w.token(i)))
				}
			})
		})
	}
}

// TestHangingSite shows that a site that does not answer holds nobody up for long, and is left alone.
func TestHangingSite(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.site.SetLatency(time.Hour)
		began := time.Now()
		var wait sync.WaitGroup
		for i := range 1000 {
			wait.Go(func() {
				token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "user1", NotBefore: time.Now().Add(-time.Duration(i) * time.Second)})
				if status := w.status("/required", token); status != 503 {
					t.Error(status)
				}
			})
		}
		wait.Wait()
		require.LessOrEqual(t, time.Since(began), 10*time.Second, "a turn and an answer")
		require.Less(t, w.site.Count(me), 40, "32 at a time, and then it is plain")
		w.site.SetLatency(0)
		time.Sleep(time.Second)
		require.Equal(t, 200, w.status("/required", w.token(1)), "what failed together counts once")
	})
}

// TestCircuitBreaker opens it, and shows that a few ask whether the site is up again.
func TestCircuitBreaker(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		fail := func(i int) {
			w.site.SetOutage(cloudrevetest.BadGateway)
			require.Equal(t, 503, w.status("/required", w.token(i)))
			w.site.SetOutage(cloudrevetest.NoOutage)
		}
		for i := range 10 {
			fail(i)
			fail(i)
			require.Equal(t, 200, w.status("/required", w.token(i)), "two of three are not most")
		}
		time.Sleep(10 * time.Second)
		for i := range 4 {
			fail(20 + i)
		}
		require.Equal(t, 200, w.status("/required", w.token(24)), "four failures are few")
		time.Sleep(10 * time.Second)
		for i := range 5 {
			fail(30 + i)
		}
		before := w.site.Count(me)
		require.Equal(t, 503, w.status("/required", w.token(40)))
		require.Equal(t, before, w.site.Count(me), "nobody asks")

		w.site.SetLatency(time.Second)
		time.Sleep(time.Second)
		var wait sync.WaitGroup
		for i := range 50 {
			wait.Go(func() { w.status("/required", w.token(40+i)) })
		}
		wait.Wait()
		require.Equal(t, before+3, w.site.Count(me))
		require.Equal(t, 200, w.status("/required", w.token(40)))
	})
}

// TestPace shows that a site that answers with status 429 about the tokens of several users is asked once a second, about
// known tokens first, and that this does not open the circuit.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limited bool
		var asked []string
		site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			asked = append(asked, token)
			if limited {
				return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"20"}}, Body: http.NoBody, Request: r}, nil
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"code":0,"data":{"id":%q}}`, token))), Request: r}, nil
		})))
		require.NoError(t, err)
		expires := time.Now().Add(time.Hour)
		ask := func(token string) error {
			return site.Introspect(t.Context(), token, &authmw.Claims{Subject: token, ExpiresAt: expires})
		}
		users := []string{"known", "a", "b", "c", "d", "e"}
		for _, user := range users {
			require.NoError(t, ask(user))
		}
		time.Sleep(introspect.MaxCacheTTL)
		began := time.Now()
		limited = true
		require.ErrorContains(t, ask("a"), "429")
		require.ErrorContains(t, ask("a stranger"), "429")
		limited = false
		require.NoError(t, ask("known"), "a site may limit some alone")
		require.NoError(t, ask("another stranger"))
		require.Zero(t, time.Since(began))

		time.Sleep(introspect.MaxCacheTTL)
		limited, asked = true, nil
		for _, user := range users[1:] {
			require.ErrorContains(t, ask(user), "429")
		}
		limited = false

		began = time.Now()
		var wait sync.WaitGroup
		wait.Go(func() {
			if err := ask("stranger"); err != nil && !strings.Contains(err.Error(), "too many") {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 3 {
			require.ErrorContains(t, ask("a third stranger"), "too many", "at once, since its turn would come too late")
		}
		require.Zero(t, time.Since(began))
		require.NoError(t, ask("known"))
		require.Equal(t, time.Second, time.Since(began))
		wait.Wait()
		require.Equal(t, []string{"e", "known"}, asked[4:6], "known tokens first")

		asked = nil
		for i := range 18 {
			require.NoError(t, ask(fmt.Sprint("new ", i)))
		}
		require.InDelta(t, 19, time.Since(began).Seconds(), 1.1, "one in a second")
		time.Sleep(20*time.Second - time.Since(began))
		began = time.Now()
		for i := range 10 {
			require.NoError(t, ask(fmt.Sprint("newer ", i)))
		}
		require.Zero(t, time.Since(began), "as fast as before")
	})
}

// TestLimitedIsNotDown has a site that answers with status 429 for a while. It is asked each time.
func TestLimitedIsNotDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			if asked++; asked <= 10 {
				return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"1"}}, Body: http.NoBody, Request: r}, nil
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"code":0,"data":{"id":"user1"}}`)), Request: r}, nil
		})))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		for i := range 10 {
			require.ErrorContains(t, site.Introspect(t.Context(), fmt.Sprint(i), claims), "429")
			require.Equal(t, i+1, asked)
		}
		require.NoError(t, site.Introspect(t.Context(), "10", claims))
	})
}

// TestTooMany shows that those who wait for their turn are counted, and that the others are refused at once.
func TestTooMany(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.site.SetLatency(100 * time.Millisecond)
		site, err := introspect.New(siteURL, introspect.WithTransport(w.site))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		require.Error(t, site.Introspect(t.Context(), "first", claims), "from which it knows how long the site takes")
		began := time.Now()
		var atOnce, wait = atomic.Int32{}, sync.WaitGroup{}
		for i := range 5000 {
			wait.Go(func() {
				if err := site.Introspect(t.Context(), fmt.Sprint(i), claims); err == nil {
					t.Error("unasked")
				}
				if time.Since(began) == 0 {
					atOnce.Add(1)
				}
			})
		}
		wait.Wait()
		require.LessOrEqual(t, time.Since(began), 1200*time.Millisecond, "a turn, a tenth more, and an answer")
		// 12 in flight from one address, and as many more for each tenth of a second.
		require.InDelta(t, 5000-12-120, atOnce.Load(), 1)
	})
}

// TestTransportsThatEnd has transports that do not return.
func TestTransportsThatEnd(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("the token") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broken := true
				site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
					if broken {
						end()
					}
					return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"code":0,"data":{"id":"user1"}}`)), Request: r}, nil
				})))
				require.NoError(t, err)
				claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
				for i := range 100 {
					err := site.Introspect(t.Context(), fmt.Sprint(i), claims)
					require.ErrorContains(t, err, "the transport panicked")
					require.NotContains(t, err.Error(), "the token")
				}
				broken = false
				time.Sleep(time.Minute)
				require.NoError(t, site.Introspect(t.Context(), "token", claims), "every turn was given back")
			})
		})
	}
}

// TestClosingPanics has a transport that panics when its idle connections are closed, which is after a time-out.
func TestClosingPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site, err := introspect.New(siteURL, introspect.WithTransport(closingPanics{&model{latency: time.Hour}}))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user", ExpiresAt: time.Now().Add(time.Hour)}
		require.ErrorIs(t, site.Introspect(t.Context(), "a", claims), context.DeadlineExceeded)
		require.ErrorContains(t, site.Introspect(t.Context(), "b", claims), "the transport panicked")
	})
}

type closingPanics struct{ http.RoundTripper }

func (closingPanics) CloseIdleConnections() { panic("closing") }

// TestCallers shows that requests with one token share one question, and that each may leave.
func TestCallers(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.site.SetLatency(3 * time.Second)
		token := w.token(1)
		site, err := introspect.New(siteURL, introspect.WithTransport(w.site))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if err := site.Introspect(t.Context(), token, claims); err != nil {
					t.Error(err)
				}
			})
		}
		require.ErrorIs(t, site.Introspect(ctx, token, claims), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		wait.Wait()
		require.Equal(t, 1, w.site.Count(me))
	})
}

// TestBounded shows that made-up tokens do not push out what is known of good ones.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			asked++
			body := `{"code":401}`
			if r.Header.Get("Authorization") == "Bearer good" {
				body = `{"code":0,"data":{"id":"user1"}}`
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		require.NoError(t, site.Introspect(t.Context(), "good", claims))
		const flood = 25_000
		for i := range flood {
			if err := site.Introspect(t.Context(), fmt.Sprint("forged", i), claims); !errors.Is(err, authmw.ErrInvalidSignature) {
				t.Fatal(err)
			}
		}
		require.NoError(t, site.Introspect(t.Context(), "good", claims))
		require.Equal(t, 1+flood, asked)
	})
}

// TestDeadConnection has an HTTP/2 connection that swallows what is sent, as after a router has forgotten it. HTTP/2 would
// send every question over it, so that the circuit would never close.
func TestDeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{
			Protocols: new(http.Protocols),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != "HTTP/2.0" {
					t.Errorf("a request over %s", r.Proto)
				}
				_, _ = io.WriteString(w, `{"code":0,"data":{"id":"user1"}}`)
			}),
		}
		server.Protocols.SetUnencryptedHTTP2(true)
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(pipes) })

		var dialled atomic.Int32
		first := &deadConn{}
		transport := &http.Transport{
			Protocols: server.Protocols,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				pipes.conns <- theirs
				if dialled.Add(1) > 1 {
					return ours, nil
				}
				first.Conn = ours
				return first, nil
			},
		}
		defer func() {
			transport.CloseIdleConnections()
			require.NoError(t, server.Close())
			serving.Wait()
		}()
		site, err := introspect.New("http://cloud.example.com", introspect.WithTransport(transport))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		ask := func(i int) error { return site.Introspect(t.Context(), fmt.Sprint(i), claims) }
		require.NoError(t, ask(0))

		first.dead.Store(true)
		var wait sync.WaitGroup
		for i := range 10 {
			wait.Go(func() {
				if ask(10+i) == nil {
					t.Error("a question over a dead connection")
				}
			})
		}
		wait.Wait()
		require.Error(t, ask(1), "the circuit is open")
		time.Sleep(time.Second)
		require.NoError(t, ask(2))
		require.EqualValues(t, 2, dialled.Load())
	})
}

// deadConn swallows what is written to it, once it is dead.
type deadConn struct {
	net.Conn
	dead atomic.Bool
}

func (c *deadConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// pipeListener accepts the ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

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
