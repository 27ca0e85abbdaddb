package introspect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
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

func TestOAuthClients(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		issue := func(scopes ...string) string {
			return issue(t, w.site, issuer.Identity{Subject: "user1", ClientID: "desktop", Scopes: scopes}).AccessToken
		}
		require.Equal(t, 200, w.status("/scoped", issue("openid", "Files.Write")))
		require.Equal(t, 1, w.site.Count(userinfo))
		require.Equal(t, 403, w.status("/scoped", issue("openid")))
		require.Equal(t, 2, w.site.Count(userinfo))
		require.Equal(t, 200, w.status("/scoped", issue("UserInfo.Write", "Files.Read")))
		require.Equal(t, 1, w.site.Count(me))
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

func TestWithCacheTTL(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		token := w.token(1)
		for range 5 {
			require.Equal(t, 200, w.status("/required", token))
		}
		require.Equal(t, 5, w.site.Count(me))
	}, introspect.WithCacheTTL(0))
	for _, d := range []time.Duration{-1, introspect.MaxCacheTTL + 1} {
		_, err := introspect.New(siteURL, introspect.WithCacheTTL(d))
		require.Error(t, err)
	}
	_, err := introspect.New("cloud.example.com", introspect.WithTransport(nil), nil)
	for _, want := range []string{"a site is named by the URL", "the transport is nil", "an option is nil"} {
		require.ErrorContains(t, err, want)
	}
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

// TestOddAnswerToOne shows that what is answered to one token alone does not count against the site.
func TestOddAnswerToOne(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.Header.Get("Authorization"), "long") {
				return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
			}
			return w.site.RoundTrip(r)
		})))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		for i := range 10 {
			require.Error(t, site.Introspect(t.Context(), fmt.Sprint("long", i), claims))
		}
		require.NoError(t, site.Introspect(t.Context(), w.token(1), claims))
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

// round is a function as an http.RoundTripper.
type round func(*http.Request) (*http.Response, error)

func (f round) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAnswers shows what is made of each.
func TestAnswers(t *testing.T) {
	client := authmw.Claims{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid"}}
	own := authmw.Claims{Subject: "wGH0"}
	for _, row := range []struct {
		name   string
		claims authmw.Claims
		status int
		body   string
		want   error // nil, or what it matches
	}{
		{"yes", own, 200, `{"code":0,"data":{"id":"wGH0"},"msg":""}`, nil},
		{"yes, to a client", client, 200, `{"sub":"wGH0"}`, nil},
		{"yes, to scopes without a client", authmw.Claims{Subject: "wGH0", Scopes: []string{"Files.Read"}}, 200, `{"code":0,"data":{"id":"wGH0"}}`, nil},
		{"yes, to no scopes and no client", authmw.Claims{Subject: "wGH0", Scopes: []string{}}, 200, `{"code":0,"data":{"id":"wGH0"}}`, nil},
		{"Admin.Read, which up to 4.16.1 demand", authmw.Claims{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"UserInfo.Read"}}, 200,
			`{"code":40089,"msg":"Insufficient scope: Admin.Read"}`, authmw.ErrTokenRejected},
		{"another user", own, 200, `{"code":0,"data":{"id":"ogUy"}}`, authmw.ErrTokenRejected},
		{"another user, to a client", client, 200, `{"sub":"ogUy"}`, authmw.ErrTokenRejected},
		{"a client's answer to a user", own, 200, `{"sub":"wGH0"}`, authmw.ErrUnavailable},
		{"a user's answer to a client", client, 200, `{"code":0,"sub":"wGH0","data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"nobody", own, 200, `{"code":0,"data":{}}`, authmw.ErrUnavailable},
		{"no code", own, 200, `{"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"no data", own, 200, `{"code":0}`, authmw.ErrUnavailable},
		{"an ID that is no string", own, 200, `{"code":0,"data":{"id":1}}`, authmw.ErrUnavailable},
		{"anonymous", own, 200, `{"code":401,"msg":"Login required"}`, authmw.ErrInvalidSignature},
		{"anonymous client", client, 200, `{"code":401,"msg":"Login required"}`, authmw.ErrInvalidSignature},
		{"wrong type", own, 200, `{"code":40020,"msg":"Invalid token type"}`, authmw.ErrWrongTokenType},
		{"not found", own, 200, `{"code":404,"msg":"User not found"}`, authmw.ErrTokenRejected},
		{"banned", own, 200, `{"code":50001,"msg":"failed to get login user"}`, authmw.ErrTokenRejected},
		{"scope", own, 200, `{"code":40089,"msg":"Insufficient scope: UserInfo.Read"}`, authmw.ErrTokenRejected},
		{"openid", client, 200, `{"code":403,"msg":"openid scope required"}`, authmw.ErrTokenRejected},
		{"an unknown code", own, 200, `{"code":1,"msg":""}`, authmw.ErrUnavailable},
		{"a code that is no number", own, 200, `{"code":"0","data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"HTML", own, 200, `<html>`, authmw.ErrUnavailable},
		{"nothing", own, 200, ``, authmw.ErrUnavailable},
		{"yes with status 500", own, 500, `{"code":0,"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"yes with status 401", own, 401, `{"code":0,"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"yes after 1 MiB", own, 200, strings.Repeat(" ", 1<<20) + `{"code":0,"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"a redirect", own, 302, ``, authmw.ErrUnavailable},
		{"a panic", own, 0, ``, authmw.ErrUnavailable},
		{"no connection", own, -1, ``, authmw.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := authmwtest.Mint(t, []byte(authmwtest.Secret), row.claims)
			site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
				require.Equal(t, "cloud.example.com", r.URL.Host)
				require.Equal(t, []string{"Bearer " + token}, r.Header["Authorization"])
				switch row.status {
				case -1:
					return nil, errors.New("connection refused")
				case 0:
					panic(token)
				}
				return &http.Response{StatusCode: row.status, Header: http.Header{"Location": {"https://evil.example/"}},
					Body: io.NopCloser(strings.NewReader(row.body)), Request: r}, nil
			})))
			require.NoError(t, err)
			v, err := authmw.NewFromIntrospector(site)
			require.NoError(t, err)
			claims, err := v.Verify(t.Context(), token)
			if row.want == nil {
				require.NoError(t, err)
				require.Equal(t, row.claims.Subject, claims.Subject)
				require.Equal(t, row.claims.ClientID, claims.ClientID)
				return
			}
			require.ErrorIs(t, err, row.want)
			require.NotContains(t, err.Error(), token)
			require.NotContains(t, fmt.Sprintf("%+v %#v %v", site, site, v), token)
		})
	}
}

// TestScopesWithoutAClient has tokens as Cloudreve 4.12.0 to 4.16.0 issued to OAuth clients (CVE-2026-54560): the site takes
// them for a user's own login, and they are bound here all the same.
func TestScopesWithoutAClient(t *testing.T) {
	cloudreve, err := cloudrevetest.New(cloudrevetest.Config{})
	require.NoError(t, err)
	site, err := introspect.New(siteURL, introspect.WithTransport(cloudreve))
	require.NoError(t, err)
	v, err := authmw.NewFromIntrospector(site)
	require.NoError(t, err)
	check := func(token string, scopes ...string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := v.Check(r, authmw.Required, scopes...)
		return err
	}
	grant := issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid", "Files.Write"}}
	pair, err := cloudreve.IssueWithoutClientID(grant)
	require.NoError(t, err)
	token := pair.AccessToken
	require.NoError(t, check(token, "Files.Read"))
	require.ErrorIs(t, check(token, "Admin.Write"), authmw.ErrInsufficientScope)
	token = authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", Scopes: []string{}})
	require.NoError(t, check(token))
	require.ErrorIs(t, check(token, "Files.Read"), authmw.ErrInsufficientScope)
	require.Equal(t, 2, cloudreve.Count("GET /api/v4/user/me"))
	require.NoError(t, check(issue(t, cloudreve, issuer.Identity{Subject: "wGH0"}).AccessToken, "Admin.Write"))
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

// issue returns the tokens of a site for an identity.
func issue(t testing.TB, site *cloudrevetest.Site, identity issuer.Identity) issuer.Pair {
	t.Helper()
	pair, err := site.Issue(identity)
	require.NoError(t, err)
	return pair
}
