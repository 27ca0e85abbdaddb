package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/issuer"
)

const (
	siteURL = "https://cloud.example.com"
	refresh = "POST /api/v4/session/token/refresh"
)

// world is a site and a client of it.
type world struct {
	*client.Client
	site  *cloudrevetest.Site
	store *client.MemoryStore
	mu    sync.Mutex
	told  []error // by WithLoginRequired; to be read after synctest.Wait
}

// in runs a test in a bubble, at the end of which no goroutine is left: synctest.Test fails if one is.
func in(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		site, err := cloudrevetest.New(cloudrevetest.Config{Users: []cloudrevetest.User{
			{ID: "wGH0", Email: "admin@example.com", Password: "Passw0rd!"},
			{ID: "ogUy", Email: "bob@example.com", Password: "Passw0rd!", OTP: "123456"},
		}})
		require.NoError(t, err)
		w := &world{site: site, store: client.NewMemoryStore()}
		w.Client = w.another(t, w.store)
		test(t, w)
	})
}

func (w *world) another(t *testing.T, store client.Store) *client.Client {
	c, err := client.New(siteURL, store, client.WithTransport(w.site), client.WithLoginRequired(func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, err)
	}))
	require.NoError(t, err)
	return c
}

func (w *world) login(t *testing.T) client.Token {
	require.NoError(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"))
	token, err := w.Token(t.Context())
	require.NoError(t, err)
	return token
}

func TestLogin(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, err := w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		synctest.Wait()
		require.Len(t, w.told, 1)

		err = w.Login(t.Context(), "admin@example.com", "wrong password")
		require.ErrorIs(t, err, client.ErrInvalidCredentials)
		var refused *client.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, client.Error{Code: 40080, Msg: "Incorrect password or email address"}, *refused)

		require.NoError(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"))
		token, err := w.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Now().Add(time.Hour).UTC(), token.Expiry)
		require.Equal(t, "wGH0", subject(t, w))

		err = w.Login(t.Context(), "bob@example.com", "Passw0rd!")
		var second *client.SecondFactorRequiredError
		require.ErrorAs(t, err, &second)
		require.Equal(t, "wGH0", subject(t, w), "the earlier login stays until the later is complete")
		require.ErrorIs(t, w.SecondFactor(t.Context(), second.SessionID, "654321"), client.ErrInvalidOTP)
		require.NoError(t, w.SecondFactor(t.Context(), second.SessionID, "123456"))
		require.Equal(t, "ogUy", subject(t, w))

		w.site.SetOutage(cloudrevetest.RedisDown)
		require.ErrorContains(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"), "status 500")
		w.site.SetOutage(cloudrevetest.BadGateway)
		require.ErrorContains(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"), "status 502")
		w.site.SetOutage(cloudrevetest.Unreachable)
		require.ErrorContains(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"), "connection refused")
		require.Equal(t, "ogUy", subject(t, w))
		require.Len(t, w.told, 1)
	})
}

// subject returns who the client's requests are from, for the site.
func subject(t *testing.T, w *world) string {
	token, err := w.Token(t.Context())
	require.NoError(t, err)
	claims, err := verifier(t).Verify(t.Context(), token.AccessToken)
	require.NoError(t, err)
	return claims.Subject
}

func verifier(t *testing.T) *authmw.Validator {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	return v
}

func TestRefreshAheadOfExpiry(t *testing.T) {
	for _, row := range []struct {
		name                 string
		lifetime             time.Duration
		notBefore, notBehind time.Duration // before the end
	}{
		{"an hour: a tenth", time.Hour, 6*time.Minute + 45*time.Second, 6 * time.Minute},
		{"a minute: ten seconds", time.Minute, 11250 * time.Millisecond, 10 * time.Second},
		{"ten seconds: half", 10 * time.Second, 5625 * time.Millisecond, 5 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				require.NoError(t, w.site.SetTTL(row.lifetime, 24*time.Hour))
				first := w.login(t)
				time.Sleep(row.lifetime - row.notBefore - 1)
				token, err := w.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, first, token)
				require.Zero(t, w.site.Count(refresh))
				time.Sleep(row.notBefore - row.notBehind + 1)
				token, err = w.Token(t.Context())
				require.NoError(t, err)
				require.NotEqual(t, first, token)
				require.Equal(t, 1, w.site.Count(refresh))
				login, err := w.store.Load(t.Context())
				require.NoError(t, err)
				require.Equal(t, token.AccessToken, login.AccessToken)
			})
		})
	}
}

// TestJitter shows that clients that logged in together do not refresh together.
func TestJitter(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		clients := make([]*client.Client, 20)
		for i := range clients {
			clients[i] = w.another(t, client.NewMemoryStore())
			require.NoError(t, clients[i].Login(t.Context(), "admin@example.com", "Passw0rd!"))
		}
		moments := map[time.Duration]bool{}
		began := time.Now()
		time.Sleep(53 * time.Minute)
		for range 80 {
			before := w.site.Count(refresh)
			for _, c := range clients {
				_, err := c.Token(t.Context())
				require.NoError(t, err)
			}
			if w.site.Count(refresh) > before {
				moments[time.Since(began)] = true
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, len(clients), w.site.Count(refresh))
		require.Greater(t, len(moments), 5)
	})
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

// stubborn is a store that refuses, does not save, or panics.
type stubborn struct {
	client.Store
	refuses error
	err     error
	panics  bool
}

func (s *stubborn) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	if s.panics {
		panic("on purpose")
	}
	if s.refuses != nil {
		return s.refuses
	}
	return s.Store.Update(ctx, func(current *client.StoredLogin) (*client.StoredLogin, error) {
		next, err := change(current)
		if err == nil && s.err != nil {
			err = s.err
		}
		return next, err
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

const (
	login   = "POST /api/v4/session/token"
	signOut = "DELETE /api/v4/session/token"
)

// TestLoginWithoutAPlace has stores that are not ready to take a login: the site is not asked for one.
func TestLoginWithoutAPlace(t *testing.T) {
	full := errors.New("disk full")
	for _, row := range []struct {
		name  string
		store func(*client.MemoryStore) client.Store
		want  error
		after time.Duration
	}{
		{"a full disk", func(s *client.MemoryStore) client.Store { return &stubborn{Store: s, refuses: full} }, full, 0},
		{"a lock that another holds", func(s *client.MemoryStore) client.Store {
			go func() {
				_ = s.Update(context.Background(), func(l *client.StoredLogin) (*client.StoredLogin, error) {
					time.Sleep(time.Hour)
					return l, nil
				})
			}()
			synctest.Wait()
			return s
		}, context.DeadlineExceeded, time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				c := w.another(t, row.store(w.store))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				require.ErrorIs(t, c.Login(ctx, "admin@example.com", "Passw0rd!"), row.want)
				require.Equal(t, row.after, time.Since(began), "the caller's deadline holds")
				require.Zero(t, w.site.Count(login))
				time.Sleep(2 * time.Hour) // for the other to be done
			})
		})
	}
}

// TestLoginThatCannotBeStored has a store that fails when the site has answered: the login that nobody holds is logged out.
func TestLoginThatCannotBeStored(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		full := errors.New("disk full")
		issued := ""
		c, err := client.New(siteURL, &stubborn{Store: w.store, err: full}, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete {
				content, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				issued = string(content)
				r.Body = io.NopCloser(strings.NewReader(issued))
			}
			return w.site.RoundTrip(r)
		})))
		require.NoError(t, err)
		require.ErrorIs(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"), full)
		require.Equal(t, 1, w.site.Count(login))
		require.Equal(t, 1, w.site.Count(signOut))
		require.Contains(t, issued, "refresh_token")
		r, err := http.NewRequest(http.MethodPost, siteURL+"/api/v4/session/token/refresh", strings.NewReader(issued))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		answer, err := w.site.RoundTrip(r)
		require.NoError(t, err)
		content, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Contains(t, string(content), `"code":40020`, "the site knows that it is over")

		_, err = c.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
	})
}

// odd is a store that does not do as stores must: it calls change as often as it says, and forgets its errors.
type odd struct {
	client.Store
	calls int
}

func (o odd) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	return o.Store.Update(ctx, func(current *client.StoredLogin) (next *client.StoredLogin, _ error) {
		for range o.calls {
			next, _ = change(current)
		}
		return next, nil
	})
}

func TestStoresThatAreOdd(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		require.ErrorContains(t, w.another(t, odd{w.store, 0}).Login(t.Context(), "admin@example.com", "Passw0rd!"), "nothing was stored")
		require.ErrorContains(t, w.another(t, odd{w.store, 1}).Login(t.Context(), "admin@example.com", "wrong"), "nothing was stored")
		require.NoError(t, w.another(t, odd{w.store, 2}).Login(t.Context(), "admin@example.com", "Passw0rd!"))
		require.Equal(t, 2, w.site.Count(login))
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

func TestRefresh(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, err := w.Refresh(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		first := w.login(t)
		time.Sleep(time.Second)
		token, err := w.Refresh(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first, token)
		require.Equal(t, 1, w.site.Count(refresh))
		time.Sleep(time.Second)
		w.site.SetOutage(cloudrevetest.Unreachable)
		_, err = w.Refresh(t.Context())
		require.Error(t, err)
		again, err := w.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, token, again)
	})
}

func TestLogout(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Logout(t.Context()), "there is nothing to end")
		require.Zero(t, w.site.Count("DELETE /api/v4/session/token"))
		w.login(t)
		login, err := w.store.Load(t.Context())
		require.NoError(t, err)
		w.site.SetOutage(cloudrevetest.RedisDown)
		require.Error(t, w.Logout(t.Context()))
		_, err = w.Token(t.Context())
		require.NoError(t, err, "it can be tried again")
		w.site.SetOutage(cloudrevetest.NoOutage)
		require.NoError(t, w.Logout(t.Context()))
		_, err = w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		kept, err := w.store.Load(t.Context())
		require.NoError(t, err)
		require.Nil(t, kept)
		synctest.Wait()
		require.Empty(t, w.told, "who logs out knows")

		// The site was told.
		require.NoError(t, w.store.Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return login, nil }))
		time.Sleep(time.Hour)
		_, err = w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		require.NoError(t, w.site.SetSecret(strings.Repeat("another", 5)))
		require.NoError(t, w.Logout(t.Context()), "a login that the site knows nothing of is over")
		kept, err = w.store.Load(t.Context())
		require.NoError(t, err)
		require.Nil(t, kept)
	})
}

// TestLoginWhoseCallerLeft shows that tokens that were issued are stored, though nobody waits for them any more.
func TestLoginWhoseCallerLeft(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := client.New(siteURL, patient{w.store}, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			defer cancel()
			return w.site.RoundTrip(r)
		})))
		require.NoError(t, err)
		require.NoError(t, c.Login(ctx, "admin@example.com", "Passw0rd!"))
		_, err = w.Token(t.Context())
		require.NoError(t, err)
	})
}

// patient is a store that heeds its context, at the end too.
type patient struct{ client.Store }

func (p patient) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	return p.Store.Update(ctx, func(current *client.StoredLogin) (*client.StoredLogin, error) {
		next, err := change(current)
		return next, errors.Join(err, ctx.Err())
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

// TestSleepingLaptop shows that a token's age is not told by the clock that stands still while a machine sleeps.
func TestSleepingLaptop(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		login, err := w.store.Load(t.Context())
		require.NoError(t, err)
		require.NotContains(t, login.Obtained.String(), "m=")
	})
}

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

// TestLoginDuringLoad shows that what was read before a login is not taken for what there is after it.
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

// late is a store whose Update returns a second after it took effect.
type late struct{ client.Store }

func (l late) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	defer time.Sleep(time.Second)
	return l.Store.Update(ctx, change)
}

func TestLoginAndLogoutTakeTurns(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.Client = w.another(t, late{w.store})
		go func() { _ = w.Login(t.Context(), "admin@example.com", "Passw0rd!") }()
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, w.Logout(t.Context()))
		time.Sleep(time.Minute)
		_, err := w.Token(t.Context())
		require.ErrorIs(t, err, client.ErrLoginRequired)
		w.login(t)
		go func() { _ = w.Logout(t.Context()) }()
		time.Sleep(10 * time.Millisecond)
		w.login(t)
	})
}

// TestOddLifetimes has tokens that expire as they are issued, and a clock that was an hour ahead and is no longer.
func TestOddLifetimes(t *testing.T) {
	for _, lifetime := range []time.Duration{0, -time.Hour} {
		in(t, func(t *testing.T, w *world) {
			asked := 0
			c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
				asked++
				token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", NotBefore: time.Now(), ExpiresAt: time.Now().Add(lifetime)})
				return response(r, 200, "application/json", `{"code":0,"data":{"access_token":"`+token+`","refresh_token":"r"}}`), nil
			})))
			require.NoError(t, err)
			w.login(t)
			time.Sleep(time.Hour)
			for range 1000 {
				_, _ = c.Token(t.Context())
				time.Sleep(10 * time.Millisecond)
			}
			require.LessOrEqual(t, asked, 11)
		})
	}
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		login, err := w.store.Load(t.Context())
		require.NoError(t, err)
		ahead := *login
		ahead.Obtained = ahead.Obtained.Add(5 * time.Hour)
		put(t, w.store, &ahead)
		time.Sleep(4 * time.Hour)
		token, err := w.another(t, w.store).Token(t.Context())
		require.NoError(t, err)
		require.True(t, time.Now().Before(token.Expiry))
	})
}

// TestSiteThatRepeats shows that what was sent is not in an error, though the site says it.
func TestSiteThatRepeats(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			return response(r, 200, "application/json", `{"code":40001,"msg":"cannot parse MyPassword"}`), nil
		})))
		require.NoError(t, err)
		err = c.Login(t.Context(), "admin@example.com", "MyPassword")
		require.ErrorContains(t, err, "cannot parse […]")
	})
}

// TestClocks has the client's clock wrong, in both directions, and by more than a token lives.
func TestClocks(t *testing.T) {
	for _, skew := range []time.Duration{-26 * time.Hour, -30 * time.Second, 30 * time.Second, 50 * time.Minute, 26 * time.Hour} {
		t.Run(fmt.Sprint("site ", skew), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := func() time.Time { return time.Now().Add(skew) }
				site, err := cloudrevetest.New(cloudrevetest.Config{Now: now})
				require.NoError(t, err)
				v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(now))
				require.NoError(t, err)
				c, err := client.New(siteURL, client.NewMemoryStore(), client.WithTransport(site))
				require.NoError(t, err)
				require.NoError(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
				const hours = 10
				for range hours * 60 {
					token, err := c.Token(t.Context())
					require.NoError(t, err)
					_, err = v.Verify(t.Context(), token.AccessToken)
					require.NoError(t, err)
					time.Sleep(time.Minute)
				}
				require.LessOrEqual(t, site.Count(refresh), hours*10)
				require.GreaterOrEqual(t, site.Count(refresh), hours)
			})
		})
	}
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

func put(t *testing.T, store client.Store, login *client.StoredLogin) {
	require.NoError(t, store.Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return login, nil }))
}

// TestOtherSite shows that tokens of one site are neither sent to another nor replaced by its own.
func TestOtherSite(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		login := &client.StoredLogin{Site: "https://other.example.com:443", AccessToken: "a", RefreshToken: "r"}
		put(t, w.store, login)
		_, err := w.Token(t.Context())
		require.ErrorContains(t, err, "other.example.com")
		require.NotErrorIs(t, err, client.ErrLoginRequired)
		require.ErrorContains(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"), "other.example.com")
		require.ErrorContains(t, w.Logout(t.Context()), "other.example.com")
		kept, err := w.store.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, login, kept)
		for _, request := range []string{refresh, "POST /api/v4/session/token", "DELETE /api/v4/session/token"} {
			require.Zero(t, w.site.Count(request))
		}
	})
}

// TestOddAnswers shows that nothing is taken for a token that is none.
func TestOddAnswers(t *testing.T) {
	other := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "ogUy"})
	wrongType := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", TokenType: "refresh"})
	for _, row := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"HTML", "<html>", 200, "not as Cloudreve"},
		{"nothing", "", 200, "not as Cloudreve"},
		{"no code", "{}", 200, "not as Cloudreve"},
		{"no data", `{"code":0}`, 200, "not as Cloudreve"},
		{"no token", `{"code":0,"data":{"access_token":"","refresh_token":"r"}}`, 200, "not as Cloudreve"},
		{"garbage", `{"code":0,"data":{"access_token":"a.b.c","refresh_token":"r"}}`, 200, "not as Cloudreve"},
		{"a refresh token", `{"code":0,"data":{"access_token":"` + wrongType + `","refresh_token":"r"}}`, 200, "not as Cloudreve"},
		{"another user's", `{"code":0,"data":{"access_token":"` + other + `","refresh_token":"r"}}`, 200, "another user"},
		{"a redirect", "", 307, "redirects to"},
		{"a code", `{"code":50001,"msg":"no\u001b[31m"}`, 200, `50001: "no\x1b[31m"`},
		{"not found", `404 page not found`, 404, "not as Cloudreve"},
	} {
		t.Run(row.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				odd := round(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/refresh") {
						require.Empty(t, r.Header.Get("Authorization"))
						return response(r, row.status, "application/json", row.body, "Location", "https://evil.example/"), nil
					}
					require.Equal(t, "cloud.example.com", r.URL.Host)
					return w.site.RoundTrip(r)
				})
				c, err := client.New(siteURL, w.store, client.WithTransport(odd))
				require.NoError(t, err)
				require.NoError(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
				before, err := w.store.Load(t.Context())
				require.NoError(t, err)
				time.Sleep(time.Hour)
				_, err = c.Token(t.Context())
				require.ErrorContains(t, err, row.want)
				require.NotErrorIs(t, err, client.ErrLoginRequired)
				after, err := w.store.Load(t.Context())
				require.NoError(t, err)
				require.Equal(t, before, after)
			})
		})
	}
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	_, err := client.New("cloud.example.com", nil, client.WithTransport(nil), client.WithLoginRequired(nil), nil)
	for _, want := range []string{"a site is named by the URL", "the store is nil", "the transport is nil", "login that is required is nil", "an option is nil"} {
		require.ErrorContains(t, err, want)
	}
	for _, site := range []string{"", "ftp://cloud.example.com", "https://", "https://user:secret@cloud.example.com", "https://cloud.example.com?x=1", "https://cloud.example.com#x", "https://cloud.example.com:port"} {
		_, err := client.New(site, client.NewMemoryStore())
		require.Error(t, err, site)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestNothingShowsATokens(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		token := w.login(t)
		login, err := w.store.Load(t.Context())
		require.NoError(t, err)
		encoded, err := json.Marshal(map[string]any{"token": token})
		require.NoError(t, err)
		require.NotContains(t, string(encoded), token.AccessToken)
		for _, value := range []any{token, &token, *login, login, w.Client, w.store, client.NewFileStore("path")} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, value)
				require.NotContains(t, text, token.AccessToken)
				require.NotContains(t, text, login.RefreshToken)
			}
		}
	})
}

// issue returns the tokens of a site for an identity.
func issue(t testing.TB, site *cloudrevetest.Site, identity issuer.Identity) issuer.Pair {
	t.Helper()
	pair, err := site.Issue(identity)
	require.NoError(t, err)
	return pair
}
