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
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
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

func put(t *testing.T, store client.Store, login *client.StoredLogin) {
	require.NoError(t, store.Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return login, nil }))
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

const (
	login  = "POST /api/v4/session/token"
	logout = "DELETE /api/v4/session/token"
)

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
		require.Equal(t, 1, w.site.Count(logout))
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
