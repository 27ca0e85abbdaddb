package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/issuer"
)

// slow is a store whose first Load takes a second to return what it read.
type slow struct {
	client.Store
	takes time.Duration // the first Load
	loads int
}

func (s *slow) Load(ctx context.Context) (*client.StoredLogin, error) {
	login, err := s.Store.Load(ctx)
	if s.loads++; s.loads == 1 {
		time.Sleep(s.takes)
	}
	return login, err
}

// issue returns the tokens of a site for an identity.
func issue(t testing.TB, site *cloudrevetest.Site, identity issuer.Identity) issuer.Pair {
	t.Helper()
	pair, err := site.Issue(identity)
	require.NoError(t, err)
	return pair
}

func TestOneRefreshForAll(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		first := w.login(t)
		w.site.SetLatency(500 * time.Millisecond)
		time.Sleep(time.Hour)
		// Two clients with one store are as two processes.
		clients := []*client.Client{w.Client, w.another(t, w.store)}
		var wait sync.WaitGroup
		var tokens sync.Map
		for i := range 500 {
			wait.Go(func() {
				token, err := clients[i%2].Token(t.Context())
				if err != nil || token.AccessToken == first.AccessToken {
					t.Errorf("%v, %v", token, err)
				}
				tokens.Store(token.AccessToken, true)
			})
		}
		wait.Wait()
		require.Equal(t, 1, w.site.Count(refresh))
		n := 0
		tokens.Range(func(any, any) bool { n++; return true })
		require.Equal(t, 1, n)
	})
}

func TestSlowRefresh(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		first := w.login(t)
		w.site.SetLatency(7 * time.Second)

		time.Sleep(55 * time.Minute) // due, and good for another five minutes
		began := time.Now()
		token, err := w.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, token)
		require.Equal(t, time.Second, time.Since(began), "no longer than that for a token that is good")
		time.Sleep(time.Minute)
		token, err = w.Token(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first, token, "the refresh went on")

		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began = time.Now()
		other := make(chan error)
		go func() {
			_, err := w.Token(t.Context())
			other <- err
		}()
		_, err = w.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.NoError(t, <-other, "that one gave up does not concern another")
		require.Equal(t, 7*time.Second, time.Since(began))
		require.Equal(t, 2, w.site.Count(refresh))
	})
}

func TestRefusedForGood(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		other := w.another(t, w.store)
		_, err := other.Token(t.Context())
		require.NoError(t, err)
		w.site.EndLogins("wGH0")
		time.Sleep(time.Hour)
		var wait sync.WaitGroup
		var refused atomic.Int32
		for i := range 1000 {
			wait.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				c := w.Client
				if i%2 == 1 {
					c = other
				}
				if _, err := c.Token(t.Context()); errors.Is(err, client.ErrLoginRequired) {
					refused.Add(1)
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 1000, refused.Load())
		require.Equal(t, 1, w.site.Count(refresh))
		_, err = w.Refresh(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		require.ErrorContains(t, err, "40020")
		_, err = w.another(t, w.store).Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired, "nor does a process that starts later ask")
		require.Equal(t, 1, w.site.Count(refresh))
		synctest.Wait()
		require.Len(t, w.told, 3, "once for each client")

		require.NoError(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"))
		_, err = w.Token(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = other.Token(t.Context())
		require.NoError(t, err, "a login by one is one for all")
	})
}

func TestRefusalThatCannotBeStored(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		store := &stubborn{Store: w.store}
		w.Client = w.another(t, store)
		w.login(t)
		w.site.EndLogins("wGH0")
		store.err = errors.New("disk full")
		for range 100 {
			time.Sleep(time.Hour)
			_, err := w.Token(t.Context())
			require.ErrorIs(t, err, client.ErrLoginRequired)
		}
		require.Equal(t, 1, w.site.Count(refresh))
	})
}

// TestRefusalOfTheForm shows that a refresh token that the site cannot even read is not sent again.
func TestRefusalOfTheForm(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		asked := 0
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			asked++
			return response(r, 200, "application/json", `{"code":40001,"msg":"RefreshToken too long"}`), nil
		})))
		require.NoError(t, err)
		w.login(t)
		time.Sleep(time.Hour)
		for range 100 {
			_, err = c.Token(t.Context())
			require.ErrorIs(t, err, client.ErrLoginRequired)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 1, asked)
	})
}

// TestRefreshesThatHang has a site that does not answer twice. The third try is within the grace of an issuer whose refresh
// tokens work once.
func TestRefreshesThatHang(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var asked []time.Time
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, time.Now())
			if len(asked) < 3 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return w.site.RoundTrip(r)
		})))
		require.NoError(t, err)
		w.login(t)
		time.Sleep(2 * time.Hour)
		for len(asked) < 3 {
			_, err = c.Token(t.Context())
			time.Sleep(100 * time.Millisecond)
		}
		require.NoError(t, err)
		require.Less(t, asked[2].Sub(asked[0]), issuer.DefaultGrace)
	})
}

func TestStoreThatFails(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		store := &stubborn{Store: w.store}
		w.Client = w.another(t, store)
		first := w.login(t)
		store.err = errors.New("disk full")
		time.Sleep(55 * time.Minute)
		token, err := w.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, token, "what is not stored is not handed out")
		for range 20 {
			time.Sleep(time.Minute)
			_, err = w.Token(t.Context())
		}
		require.ErrorIs(t, err, store.err)
		require.Equal(t, 1, w.site.Count(refresh), "the pair is there")
		store.err = nil
		time.Sleep(time.Minute)
		token, err = w.Token(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first, token)
		require.Equal(t, 1, w.site.Count(refresh), "and is not asked for again")

		store.panics = true
		time.Sleep(time.Hour)
		_, err = w.Token(t.Context())
		require.ErrorContains(t, err, "panicked")
		require.NotContains(t, err.Error(), "on purpose")
	})
}

func TestOutage(t *testing.T) {
	for _, outage := range []cloudrevetest.Outage{cloudrevetest.Unreachable, cloudrevetest.BadGateway, cloudrevetest.RedisDown} {
		t.Run(fmt.Sprint(outage), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				first := w.login(t)
				w.site.SetOutage(outage)
				time.Sleep(54 * time.Minute)
				for range 359 {
					token, err := w.Token(t.Context())
					require.NoError(t, err)
					require.Equal(t, first, token, "it is used while it lasts")
					time.Sleep(time.Second)
				}
				during := w.site.Count(refresh)
				require.Less(t, during, 16, "from a second to a minute apart")
				require.Greater(t, during, 9)
				time.Sleep(time.Second)
				for range 600 {
					_, err := w.Token(t.Context())
					require.Error(t, err)
					require.NotErrorIs(t, err, client.ErrLoginRequired)
					time.Sleep(time.Second)
				}
				require.Less(t, w.site.Count(refresh), during+22)
				w.site.SetOutage(cloudrevetest.NoOutage)
				time.Sleep(time.Minute)
				token, err := w.Token(t.Context())
				require.NoError(t, err)
				require.NotEqual(t, first, token)
				require.Empty(t, w.told)
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var asked int
		busy := round(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/refresh") {
				asked++
				return response(r, http.StatusTooManyRequests, "text/plain", "later", "Retry-After", "40"), nil
			}
			return w.site.RoundTrip(r)
		})
		c, err := client.New(siteURL, w.store, client.WithTransport(busy))
		require.NoError(t, err)
		require.NoError(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
		time.Sleep(time.Hour)
		for range 19 {
			_, err = c.Token(t.Context())
			require.ErrorContains(t, err, "429")
			time.Sleep(time.Second)
		}
		require.Equal(t, 1, asked)
		time.Sleep(21 * time.Second)
		_, err = c.Token(t.Context())
		require.ErrorContains(t, err, "429")
		require.Equal(t, 2, asked)
	})
}

// TestLoginDuringRefresh shows that a refresh that was under way does not undo a login, nor a logout.
func TestLoginDuringRefresh(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		w.site.SetLatency(7 * time.Second)
		time.Sleep(time.Hour)
		go func() { _, _ = w.Token(t.Context()) }()
		time.Sleep(time.Second)
		w.site.SetLatency(0)
		var second *client.SecondFactorRequiredError
		require.ErrorAs(t, w.Login(t.Context(), "bob@example.com", "Passw0rd!"), &second)
		require.NoError(t, w.SecondFactor(t.Context(), second.SessionID, "123456"))
		time.Sleep(time.Minute)
		require.Equal(t, "ogUy", subject(t, w))
		w.site.SetLatency(7 * time.Second)
		time.Sleep(time.Hour)
		go func() { _, _ = w.Token(t.Context()) }()
		time.Sleep(time.Second)
		w.site.SetLatency(0)
		require.NoError(t, w.Logout(t.Context()))
		time.Sleep(time.Minute)
		_, err := w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
	})
}

// TestSlowStore has a store that takes longer to answer than callers wait for a newer token, and a site that hangs: a token that
// is good for a while is used all the same.
func TestSlowStore(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		time.Sleep(59*time.Minute + 50*time.Second)
		w.site.SetLatency(time.Hour)
		c := w.another(t, &slow{Store: w.store, takes: 3 * time.Second})
		began := time.Now()
		_, err := c.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3*time.Second, time.Since(began), "as long as the store took")
		time.Sleep(2 * time.Hour)
	})
}

// TestLoginDuringLoad shows that what was read before a login is not taken for what there is after it.
func TestLoginDuringLoad(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		pair := issue(t, w.site, issuer.Identity{Subject: "ogUy"})
		put(t, w.store, &client.StoredLogin{Site: siteURL + ":443", AccessToken: pair.AccessToken, RefreshToken: pair.RefreshToken})
		w.Client = w.another(t, &slow{Store: w.store, takes: time.Second})
		go func() { _, _ = w.Token(t.Context()) }()
		synctest.Wait()
		w.login(t)
		time.Sleep(time.Minute)
		require.Equal(t, "wGH0", subject(t, w))

		w.Client = w.another(t, &slow{Store: w.store, takes: time.Second})
		go func() { _, _ = w.Token(t.Context()) }()
		synctest.Wait()
		require.NoError(t, w.Logout(t.Context()))
		time.Sleep(time.Minute)
		_, err := w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
	})
}

// TestStoreIsLeftAlone shows that without a login the store is looked at once in a second, however many ask.
func TestStoreIsLeftAlone(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		store := &slow{Store: w.store}
		w.Client = w.another(t, store)
		for range 1000 {
			_, err := w.Token(t.Context())
			require.ErrorIs(t, err, client.ErrLoginRequired)
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, store.loads, 11)
		synctest.Wait()
		require.Len(t, w.told, 1)
	})
}

// TestDueLoginOfAnother has another process log in, and the site fail, before this one has seen a login.
func TestDueLoginOfAnother(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, err := w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		require.NoError(t, w.another(t, w.store).Login(t.Context(), "admin@example.com", "Passw0rd!"))
		time.Sleep(2 * time.Hour)
		w.site.SetOutage(cloudrevetest.BadGateway)
		for range 1000 {
			_, err := w.Token(t.Context())
			require.Error(t, err)
			time.Sleep(time.Millisecond)
		}
		require.LessOrEqual(t, w.site.Count(refresh), 3)
	})
}

// TestNewProcess shows that a token that is due, and that another process obtained, is used while it lasts.
func TestNewProcess(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		first := w.login(t)
		time.Sleep(55 * time.Minute)
		w.site.SetOutage(cloudrevetest.BadGateway)
		token, err := w.another(t, w.store).Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, token)
		w.site.SetOutage(cloudrevetest.NoOutage)
		w.site.SetLatency(7 * time.Second)
		began := time.Now()
		token, err = w.another(t, w.store).Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, token)
		require.Equal(t, time.Second, time.Since(began))
		time.Sleep(time.Minute) // for the refresh, which goes on
	})
}

func TestOAuthLoginWithoutRefreshToken(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		pair := issue(t, w.site, issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid"}})
		put(t, w.store, &client.StoredLogin{Site: siteURL + ":443", AccessToken: pair.AccessToken})
		time.Sleep(time.Hour - time.Second)
		w.site.Handle("GET /api/v4/never", authmw.None, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
		answer, err := (&http.Client{Transport: &client.Transport{Client: w.Client}}).Get(siteURL + "/api/v4/never")
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
		token, err := w.Token(t.Context())
		require.NoError(t, err, "that one answer is no end of the login")
		require.Equal(t, pair.AccessToken, token.AccessToken)
		time.Sleep(time.Second)
		_, err = w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		require.Zero(t, w.site.Count(refresh))
	})
}
