package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/logtest"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/session"
)

// downStore is a store that cannot be reached, if down is set. It keeps the last context.
type downStore struct {
	issuer.Store
	down    bool
	context context.Context
}

var errDown = errors.New("connection refused")

func (s *downStore) Create(ctx context.Context, f issuer.Family) (int, error) {
	s.context = ctx
	if s.down {
		return 0, errDown
	}
	return s.Store.Create(ctx, f)
}

func (s *downStore) Rotate(ctx context.Context, r issuer.Rotation) (issuer.Outcome, time.Time, error) {
	s.context = ctx
	if s.down {
		return 0, time.Time{}, errDown
	}
	return s.Store.Rotate(ctx, r)
}

func (s *downStore) Delete(ctx context.Context, owner, id string) error {
	s.context = ctx
	if s.down {
		return errDown
	}
	return s.Store.Delete(ctx, owner, id)
}

// service is a handler with its surroundings.
type service struct {
	http.Handler
	store  *downStore
	events []session.Event
}

func newService(t *testing.T, options ...session.Option) *service {
	s := &service{store: &downStore{Store: issuer.NewMemoryStore()}}
	i, err := issuer.New([]byte(authmwtest.Secret), s.store, issuer.WithStateHash(func(_ context.Context, identity issuer.Identity) ([]byte, error) {
		if identity.Subject == "banned" {
			return nil, issuer.ErrInvalidGrant
		}
		return []byte("state"), nil
	}))
	require.NoError(t, err)
	login := func(_ context.Context, email, password string) (session.User, error) {
		switch {
		case email == "down@example.com":
			return session.User{}, errDown
		case email == "odd@example.com":
			return session.User{Identity: issuer.Identity{Subject: "odd"}, Profile: func() {}}, nil
		case password != "Passw0rd!":
			return session.User{}, fmt.Errorf("%w: %s", session.ErrInvalidCredentials, email)
		case email == "blocked@example.com":
			return session.User{}, session.ErrBlocked
		case email == "inactive@example.com":
			return session.User{}, session.ErrNotActivated
		case email == "nil@example.com":
			return session.User{}, (*session.SecondFactorRequiredError)(nil)
		case email == "nobody@example.org":
			return session.User{}, nil
		case email == "banned@example.com":
			return session.User{Identity: issuer.Identity{Subject: "banned"}}, nil
		case email == "careful@example.com":
			return session.User{}, &session.SecondFactorRequiredError{SessionID: "the login"}
		}
		return session.User{Identity: issuer.Identity{Subject: "wGH0"}}, nil
	}
	second := func(_ context.Context, sessionID, otp string) (session.User, error) {
		switch {
		case sessionID != "the login":
			return session.User{}, session.ErrUnknownLogin
		case otp != "123456":
			return session.User{}, session.ErrInvalidOTP
		}
		return session.User{Identity: issuer.Identity{Subject: "wGH0"}, Profile: map[string]string{"id": "wGH0"}}, nil
	}
	options = append(options, session.WithSecondFactor(second), session.WithObserver(func(e session.Event) { s.events = append(s.events, e) }))
	s.Handler, err = session.New(i, login, options...)
	require.NoError(t, err)
	return s
}

func (s *service) send(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const (
	credentials = `{"email":"a@example.com","password":"Passw0rd!"}`
	id          = "0c9b9247-266d-4c2f-bbcf-1f59ea6b313b"
)

type token struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	_, err := session.New(nil, nil, nil, session.WithSecondFactor(nil), session.WithObserver(nil))
	for _, part := range []string{"the issuer is nil", "the login function is nil", "an option is nil", "second factor is nil", "observer is nil"} {
		require.ErrorContains(t, err, part)
	}
}

// TestLife logs in, refreshes and logs out, under each way to mount the handler, in both styles.
func TestLife(t *testing.T) {
	for name, mount := range map[string]func(http.Handler) http.Handler{
		"as it is": func(h http.Handler) http.Handler { return h },
		"in a mux": func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/api/v4/session/", h)
			return mux
		},
		"without a prefix": func(h http.Handler) http.Handler { return http.StripPrefix("/api/v4", h) },
		"without any path": func(h http.Handler) http.Handler { return http.StripPrefix("/api/v4/session", h) },
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, plain %v", name, plain), func(t *testing.T) {
				s := newService(t)
				if plain {
					s = newService(t, session.WithPlainStyle())
				}
				s.Handler = mount(s.Handler)
				send := func(method, path, body string) token {
					t.Helper()
					w := s.send(method, "/api/v4/session"+path, body)
					// RFC 6749 section 5.1: "no-store" in any response containing tokens.
					cacheControl := map[bool]string{true: "no-store", false: "private, no-cache, no-store"}[plain]
					if method == "DELETE" && !plain {
						cacheControl = "private, no-cache"
					}
					require.Equal(t, []string{cacheControl}, w.Header().Values("Cache-Control"))
					require.Equal(t, path == "/token/2fa", strings.Contains(w.Body.String(), `"user":`), "a profile where there is one")
					answer := struct {
						Code int
						Data json.RawMessage
					}{Data: w.Body.Bytes()}
					if method == "DELETE" && plain {
						require.Equal(t, http.StatusNoContent, w.Code)
						require.Empty(t, w.Body.String())
						return token{}
					}
					require.Equal(t, 200, w.Code)
					if !plain {
						require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
					}
					require.Zero(t, answer.Code)
					var login struct{ Token token }
					if path != "/token/refresh" {
						_ = json.Unmarshal(answer.Data, &login)
						return login.Token
					}
					var pair token
					require.NoError(t, json.Unmarshal(answer.Data, &pair))
					return pair
				}
				first := send("POST", "/token", credentials)
				second := send("POST", "/token/refresh", `{"refresh_token":"`+first.Refresh+`"}`)
				require.NotEqual(t, first.Refresh, second.Refresh)
				send("DELETE", "/token", `{"refresh_token":"`+second.Refresh+`"}`)
				require.NotContains(t, s.send("POST", "/api/v4/session/token/refresh", `{"refresh_token":"`+second.Refresh+`"}`).Body.String(), "eyJ")
				require.NotEmpty(t, send("POST", "/token/2fa", `{"otp":"123456","session_id":"the login"}`).Access)
				for _, event := range s.events {
					require.NotNil(t, event.Request)
				}
				require.Equal(t, []session.Action{session.ActionLogin, session.ActionRefresh, session.ActionLogout, session.ActionRefresh, session.ActionSecondFactor},
					[]session.Action{s.events[0].Action, s.events[1].Action, s.events[2].Action, s.events[3].Action, s.events[4].Action})
				require.ErrorIs(t, s.events[3].Err, issuer.ErrRevoked)
			})
		}
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	s := newService(t)
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/token", 405, "DELETE, POST"},
		{"DELETE", "/token/refresh", 405, "POST"},
		{"GET", "/token/2fa", 405, "POST"},
		{"POST", "/tokens", 404, ""},
		{"POST", "/token/", 404, ""},
		{"POST", "/xtoken", 404, ""},
		{"POST", "/", 404, ""},
		{"POST", "/token/other", 404, ""},
	} {
		w := s.send(row.method, row.path, credentials)
		require.Equal(t, row.status, w.Code, row.path)
		require.Equal(t, row.allow, w.Header().Get("Allow"))
	}
	require.Empty(t, s.events)

	bodiless, err := http.NewRequest("POST", "/token", nil)
	require.NoError(t, err)
	w0 := httptest.NewRecorder()
	s.ServeHTTP(w0, bodiless)
	require.JSONEq(t, `{"code":40001,"msg":"Parameter error"}`, w0.Body.String())
	require.Nil(t, bodiless.Body, "the request that came in is left as it was")

	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	require.NoError(t, err)
	without, err := session.New(i, func(context.Context, string, string) (session.User, error) {
		return session.User{}, &session.SecondFactorRequiredError{SessionID: "the login"}
	})
	require.NoError(t, err)
	s = &service{Handler: without}
	require.Equal(t, 404, s.send("POST", "/token/2fa", `{"otp":"123456","session_id":"the login"}`).Code)
	w := s.send("POST", "/token", credentials)
	require.Equal(t, 500, w.Code, "nobody is asked a question that cannot be answered")
	require.NotContains(t, w.Body.String(), "the login")
}

// TestFaultsAreLogged counts the lines of a server that denies requests for a fault of its own.
func TestFaultsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, err := issuer.New([]byte(authmwtest.Secret), &downStore{down: true})
		require.NoError(t, err)
		login := func(_ context.Context, email, _ string) (session.User, error) {
			if email == "wrong@example.com" {
				return session.User{}, session.ErrInvalidCredentials
			}
			return session.User{Identity: issuer.Identity{Subject: "wGH0"}}, nil
		}
		h, err := session.New(i, login)
		require.NoError(t, err)
		observed, err := session.New(i, login, session.WithObserver(func(session.Event) {}))
		require.NoError(t, err)
		send := func(h http.Handler, email string) func() {
			return func() {
				(&service{Handler: h}).send("POST", "/token", `{"email":"`+email+`","password":"Passw0rd!"}`)
			}
		}
		require.Empty(t, logtest.Lines(send(observed, "a@example.com")), "left to the observer")
		require.Empty(t, logtest.Lines(send(h, "wrong@example.com")), "not the server's fault")
		logged := logtest.Lines(send(h, "a@example.com"))
		require.Len(t, logged, 1)
		require.Contains(t, logged[0], "level=ERROR")
		require.Contains(t, logged[0], "status 503")
		require.Contains(t, logged[0], errDown.Error())
		require.NotContains(t, logged[0], "Passw0rd!")
		require.Empty(t, logtest.Lines(send(h, "a@example.com")), "once a minute")
		time.Sleep(time.Minute)
		require.Len(t, logtest.Lines(send(h, "a@example.com")), 1)
	})
}

// TestContext shows that what the request's context carries reaches the store.
func TestContext(t *testing.T) {
	s := newService(t)
	for _, request := range [][3]string{{"POST", "/token", credentials}, {"POST", "/token/refresh", ""}, {"DELETE", "/token", ""}} {
		body := request[2]
		if body == "" {
			var login struct{ Data struct{ Token token } }
			require.NoError(t, json.Unmarshal(s.send("POST", "/token", credentials).Body.Bytes(), &login))
			body = `{"refresh_token":"` + login.Data.Token.Refresh + `"}`
		}
		s.store.context = nil
		type contextKey struct{}
		r := httptest.NewRequest(request[0], request[1], strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(t.Context(), contextKey{}, 1)))
		require.NotNil(t, s.store.context)
		require.Equal(t, 1, s.store.context.Value(contextKey{}))
	}
}

// TestStoreDown shows that whatever needs the store is 503, and that nothing is issued.
func TestStoreDown(t *testing.T) {
	s := newService(t, session.WithPlainStyle())
	var login struct{ Token token }
	require.NoError(t, json.Unmarshal(s.send("POST", "/token", credentials).Body.Bytes(), &login))
	s.store.down = true
	refresh := `{"refresh_token":"` + login.Token.Refresh + `"}`
	for _, request := range [][3]string{{"POST", "/token", credentials}, {"POST", "/token/refresh", refresh}, {"DELETE", "/token", refresh}} {
		w := s.send(request[0], request[1], request[2])
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.NotContains(t, w.Body.String(), "eyJ")
		require.NotContains(t, w.Body.String(), errDown.Error(), "which is for the observer")
		require.ErrorIs(t, s.events[len(s.events)-1].Err, errDown)
		require.ErrorIs(t, s.events[len(s.events)-1].Err, authmw.ErrUnavailable)
	}
	s.store.down = false
	require.Equal(t, 200, s.send("POST", "/token/refresh", refresh).Code)
}

func TestHandlerThatNewDidNotMake(t *testing.T) {
	for _, h := range []*session.Handler{nil, new(session.Handler)} {
		for _, method := range []string{"POST", "DELETE"} {
			require.Equal(t, 503, (&service{Handler: h}).send(method, "/token", credentials).Code)
		}
	}
}
