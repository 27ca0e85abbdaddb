package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
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
	i, err := issuer.New([]byte(authmwtest.Secret), s.store, issuer.WithStateHash(func(_ context.Context, grant issuer.Identity) ([]byte, error) {
		if grant.Subject == "banned" {
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

// TestAnswers has each answer in both styles.
func TestAnswers(t *testing.T) {
	of := func(email, password string) string {
		return fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
	}
	for _, row := range []struct {
		name, method, path, body string
		header                   []string
		cloudreve                string // with HTTP status 200, unless there is another in front
		status                   int
		plain                    string
	}{
		{"wrong password", "POST", "/token", of("a@example.com", "wrong"), nil, `{"code":40080,"msg":"Incorrect password or email address","correlation_id":"ID"}`,
			401, `{"title":"Unauthorized","status":401,"detail":"Wrong e-mail address or password.","code":"invalid_credentials"}`},
		{"unknown user", "POST", "/token", of("nobody@example.com", "wrong"), nil, `{"code":40080,"msg":"Incorrect password or email address","correlation_id":"ID"}`,
			401, `{"title":"Unauthorized","status":401,"detail":"Wrong e-mail address or password.","code":"invalid_credentials"}`},
		{"blocked", "POST", "/token", of("blocked@example.com", "Passw0rd!"), nil, `{"code":40017,"msg":"This account has been blocked","correlation_id":"ID"}`,
			403, `{"title":"Forbidden","status":403,"detail":"This account is blocked.","code":"blocked"}`},
		{"not activated", "POST", "/token", of("inactive@example.com", "Passw0rd!"), nil, `{"code":40018,"msg":"This account is not activated","correlation_id":"ID"}`,
			403, `{"title":"Forbidden","status":403,"detail":"This account is not activated.","code":"not_activated"}`},
		{"second factor", "POST", "/token", of("careful@example.com", "Passw0rd!"), nil, `{"code":203,"data":"the login","msg":""}`,
			401, `{"title":"Unauthorized","status":401,"detail":"A second factor is required.","code":"second_factor_required","session_id":"the login"}`},
		{"wrong one-time password", "POST", "/token/2fa", `{"otp":"1","session_id":"the login"}`, nil, `{"code":40022,"msg":"Incorrect 2FA code","correlation_id":"ID"}`,
			401, `{"title":"Unauthorized","status":401,"detail":"Wrong one-time password.","code":"invalid_otp"}`},
		{"unknown login", "POST", "/token/2fa", `{"otp":"123456","session_id":"x"}`, nil, `{"code":404,"msg":"Session not found","correlation_id":"ID"}`,
			404, `{"title":"Not Found","status":404,"detail":"No login waits for this second factor.","code":"unknown_login"}`},
		{"no one-time password", "POST", "/token/2fa", `{"session_id":"x"}`, nil, `{"code":40001,"msg":"OTP cannot be empty"}`,
			400, `{"title":"Bad Request","status":400,"detail":"OTP cannot be empty","code":"invalid_request"}`},
		{"user database down", "POST", "/token", of("down@example.com", "Passw0rd!"), nil, `503 {"code":50001,"msg":"Sessions cannot be handled at the moment","correlation_id":"ID"}`,
			503, `{"title":"Service Unavailable","status":503,"detail":"Sessions cannot be handled at the moment.","code":"unavailable"}`},
		{"profile that is no JSON", "POST", "/token", of("odd@example.com", "Passw0rd!"), nil, `500 {"code":50001,"msg":"Internal error","correlation_id":"ID"}`,
			500, `{"title":"Internal Server Error","status":500,"detail":"The server made a mistake.","code":"server_error"}`},
		{"question without a login", "POST", "/token", of("nil@example.com", "Passw0rd!"), nil, `500 {"code":50001,"msg":"Internal error","correlation_id":"ID"}`,
			500, `{"title":"Internal Server Error","status":500,"detail":"The server made a mistake.","code":"server_error"}`},
		{"user without a subject", "POST", "/token", of("nobody@example.org", "Passw0rd!"), nil, `500 {"code":50001,"msg":"Internal error","correlation_id":"ID"}`,
			500, `{"title":"Internal Server Error","status":500,"detail":"The server made a mistake.","code":"server_error"}`},
		{"user whom the state function refuses", "POST", "/token", of("banned@example.com", "Passw0rd!"), nil, `{"code":40017,"msg":"This account has been blocked","correlation_id":"ID"}`,
			403, `{"title":"Forbidden","status":403,"detail":"This account is blocked.","code":"blocked"}`},
		{"refresh with garbage", "POST", "/token/refresh", `{"refresh_token":"garbage"}`, nil, `{"code":40020,"msg":"Failed to issue token pair","correlation_id":"ID"}`,
			400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
		{"logout with garbage", "DELETE", "/token", `{"refresh_token":"garbage"}`, nil, `{"code":40020,"msg":"Failed to parse token","correlation_id":"ID"}`,
			400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
		{"a correlation ID of the client's", "DELETE", "/token", `{"refresh_token":"garbage"}`, []string{"X-Cr-Correlation-Id", id},
			`{"code":40020,"msg":"Failed to parse token","correlation_id":"` + id + `"}`, 400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
		{"a correlation ID that is none", "DELETE", "/token", `{"refresh_token":"garbage"}`, []string{"X-Cr-Correlation-Id", "<script>"},
			`{"code":40020,"msg":"Failed to parse token","correlation_id":"ID"}`, 400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantStatus, want := http.StatusOK, row.cloudreve
			if rest, found := strings.CutPrefix(want, fmt.Sprint(row.status)+" "); found {
				wantStatus, want = row.status, rest
			}
			w := newService(t).send(row.method, row.path, row.body, row.header...)
			require.Equal(t, wantStatus, w.Code)
			random := regexp.MustCompile(`"correlation_id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
			got := w.Body.String()
			if strings.Contains(want, `"ID"`) {
				got = random.ReplaceAllString(got, `"correlation_id":"ID"`)
			}
			require.Equal(t, want, got)
			cacheControl := "private, no-cache"
			if row.name == "second factor" {
				cacheControl += ", no-store" // the answer has what the login can be finished with
			}
			require.Equal(t, cacheControl, w.Header().Get("Cache-Control"))
			require.Equal(t, wantStatus == 503, w.Header().Get("Retry-After") != "")

			w = newService(t, session.WithPlainStyle()).send(row.method, row.path, row.body, row.header...)
			require.Equal(t, row.status, w.Code)
			require.Equal(t, row.plain+"\n", w.Body.String())
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, row.status == 503, w.Header().Get("Retry-After") != "")
			require.Equal(t, row.status == 401, w.Header().Get("WWW-Authenticate") != "")
		})
	}
}

// TestRequests has what is wrong with the form of a request.
func TestRequests(t *testing.T) {
	for _, row := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		message                  string
	}{
		{"no body", "DELETE", "/token", "", nil, 400, "Parameter error"},
		{"no body and no Content-Type", "DELETE", "/token", "", []string{"Content-Type", ""}, 400, "Parameter error"},
		{"not JSON", "POST", "/token", "email=a&password=b", nil, 400, "Parameter error"},
		{"an array", "POST", "/token", "[]", nil, 400, "Parameter error"},
		{"null", "POST", "/token", "null", nil, 400, "Parameter error"},
		{"cut off", "POST", "/token", credentials[:30], nil, 400, "Parameter error"},
		{"cut off at the end", "POST", "/token", credentials[:len(credentials)-1], nil, 400, "Parameter error"},
		{"text after it", "POST", "/token", credentials + "x", nil, 400, "Parameter error"},
		{"two objects", "POST", "/token", credentials + credentials, nil, 400, "Parameter error"},
		{"a form", "POST", "/token", credentials, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "Content-Type must be application/json"},
		{"text, which any page may send", "POST", "/token", credentials, []string{"Content-Type", "text/plain"}, 415, "Content-Type must be application/json"},
		{"no Content-Type", "POST", "/token", credentials, []string{"Content-Type", ""}, 415, "Content-Type must be application/json"},
		{"half a Content-Type", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset"}, 415, "Content-Type must be application/json"},
		{"long one-time password", "POST", "/token/2fa", `{"otp":"` + strings.Repeat("1", 129) + `","session_id":"x"}`, nil, 400, "OTP too long"},
		{"long session ID", "POST", "/token/2fa", `{"otp":"1","session_id":"` + strings.Repeat("x", 129) + `"}`, nil, 400, "SessionID too long"},
		{"another charset", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset=utf-16"}, 415, "Content-Type must be application/json"},
		{"nothing in it", "POST", "/token", "{}", nil, 400, "Email cannot be empty"},
		{"no password", "POST", "/token", `{"email":"a"}`, nil, 400, "Password cannot be empty"},
		{"short password", "POST", "/token", `{"email":"a","password":"äöü"}`, nil, 400, "Password too short"},
		{"long password", "POST", "/token", `{"email":"a","password":"` + strings.Repeat("ä", 129) + `"}`, nil, 400, "Password too long"},
		{"long e-mail address", "POST", "/token", `{"email":"` + strings.Repeat("a", 255) + `","password":"Passw0rd!"}`, nil, 400, "Email too long"},
		{"control character in an e-mail address", "POST", "/token", `{"email":"a@example.com\u000aBcc: b@example.com","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"C1 control character in an e-mail address", "POST", "/token", `{"email":"a\u0085","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"line separator in an e-mail address", "POST", "/token", `{"email":"a\u2028","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"text turned around in an e-mail address", "POST", "/token", `{"email":"a\u202eb","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"control character in a session ID", "POST", "/token/2fa", `{"otp":"1","session_id":"a\r\nDEL b"}`, nil, 400, "SessionID must not have control characters"},
		{"control character in a one-time password", "POST", "/token/2fa", `{"otp":"1\u0000","session_id":"a"}`, nil, 400, "OTP must not have control characters"},
		{"charset of RFC 2231", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset*=utf-16''utf-8"}, 415, "Content-Type must be application/json"},
		{"empty charset", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset="}, 415, "Content-Type must be application/json"},
		{"two types in one header", "POST", "/token", credentials, []string{"Content-Type", "application/json, text/plain"}, 415, "Content-Type must be application/json"},
		{"huge password", "POST", "/token", `{"email":"a","password":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "The body is larger than 16384 bytes"},
		{"unknown field", "POST", "/token", `{"email":"a","password":"Passw0rd!","admin":true}`, nil, 400, `Unknown field "admin"`},
		{"long unknown field", "POST", "/token", `{"` + strings.Repeat("x", 1000) + `":1}`, nil, 400, `Unknown field "` + strings.Repeat("x", 40) + `"`},
		{"another letter case", "POST", "/token", `{"Email":"a"}`, nil, 400, `Unknown field "Email"`},
		{"given twice", "POST", "/token", `{"email":"a","email":"b"}`, nil, 400, "Email is given twice"},
		{"a number", "POST", "/token", `{"email":"a","password":12345678}`, nil, 400, "Password must be a string of Unicode characters"},
		{"an object", "POST", "/token", `{"email":{"a":"b"}}`, nil, 400, "Email must be a string of Unicode characters"},
		{"not UTF-8", "POST", "/token", "{\"email\":\"a\",\"password\":\"abc\xff\"}", nil, 400, "The body is not UTF-8"},
		{"half a surrogate pair", "POST", "/token", `{"email":"a","password":"abc\ud800"}`, nil, 400, "Password must be a string of Unicode characters"},
		{"empty refresh token", "POST", "/token/refresh", `{"refresh_token":""}`, nil, 400, "RefreshToken cannot be empty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newService(t, session.WithPlainStyle())
			w := s.send(row.method, row.path, row.body, row.header...)
			require.Equal(t, row.status, w.Code)
			var problem struct{ Detail, Code string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
			require.Equal(t, row.message, problem.Detail)
			require.Equal(t, "invalid_request", problem.Code)
			require.Len(t, s.events, 1)
			require.ErrorContains(t, s.events[0].Err, row.message)

			w = newService(t).send(row.method, row.path, row.body, row.header...)
			require.Equal(t, 200, w.Code)
			want, err := json.Marshal(map[string]any{"code": 40001, "msg": row.message})
			require.NoError(t, err)
			require.JSONEq(t, string(want), w.Body.String(), "and no correlation ID")
		})
	}
	for _, contentType := range []string{"application/json", "Application/JSON; charset=UTF-8", `application/json;charset="utf-8"`} {
		require.Equal(t, 200, newService(t, session.WithPlainStyle()).send("POST", "/token", credentials, "Content-Type", contentType).Code)
	}
}

// TestTypeIsCheckedFirst sends bodies that nobody may read, since their type is wrong or not certain.
func TestTypeIsCheckedFirst(t *testing.T) {
	for name, contentType := range map[string][]string{
		"none":            nil,
		"a form":          {"application/x-www-form-urlencoded"},
		"the right twice": {"application/json", "application/json"},
		"two types":       {"application/json", "text/plain"},
		"another first":   {"text/plain", "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, session.WithPlainStyle())
			r := httptest.NewRequest("POST", "/token", unreadable{t})
			r.Header["Content-Type"] = contentType
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
		})
	}
}

// unreadable is a body that fails the test when it is read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

type token struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
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

// TestHugeBodyEndsTheConnection shows that no more is read of one than it takes to see that it is huge.
func TestHugeBodyEndsTheConnection(t *testing.T) {
	server := httptest.NewServer(newService(t, session.WithPlainStyle()))
	defer server.Close()
	response, err := server.Client().Post(server.URL+"/token", "application/json", strings.NewReader(strings.Repeat(" ", 200<<10)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	require.True(t, response.Close)
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

func TestNewReportsEverythingAtOnce(t *testing.T) {
	_, err := session.New(nil, nil, nil, session.WithSecondFactor(nil), session.WithObserver(nil))
	for _, part := range []string{"the issuer is nil", "the login function is nil", "an option is nil", "second factor is nil", "observer is nil"} {
		require.ErrorContains(t, err, part)
	}
}

// FuzzBody sends any body: it is answered, and never with tokens unless it is the one that has a right to them.
func FuzzBody(f *testing.F) {
	f.Add(credentials)
	f.Add(`{"email":"a","password":"abc\ud800"}`)
	f.Add(`{"email":{"a":[1,{}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := newService(t).send("POST", "/token", body)
		var answer struct{ Code *int }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		var sent struct{ Email, Password string }
		good := json.Unmarshal([]byte(body), &sent) == nil && sent.Password == "Passw0rd!"
		if *answer.Code == 0 {
			require.True(t, good)
		}
	})
}

// TestPasswordsAreKept shows that a password may have any character of Unicode, also the one that decoders put in place of
// what they cannot read.
func TestPasswordsAreKept(t *testing.T) {
	const password = "p\u00e4ss\U0001f600\ufffd"
	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	require.NoError(t, err)
	var got string
	h, err := session.New(i, func(_ context.Context, _, password string) (session.User, error) {
		got = password
		return session.User{}, session.ErrInvalidCredentials
	})
	require.NoError(t, err)
	(&service{Handler: h}).send("POST", "/token", `{"email":"a","password":"p\u00e4ss\ud83d\ude00\ufffd"}`)
	require.Equal(t, password, got)
}

// TestFaultsAreLogged counts the lines of a server that denies requests for a fault of its own.
func TestFaultsAreLogged(t *testing.T) {
	lines := func(do func()) []string {
		var text strings.Builder
		logger, writer, flags := slog.Default(), log.Writer(), log.Flags()
		defer func() {
			slog.SetDefault(logger)
			log.SetOutput(writer) // which SetDefault has changed, and does not restore
			log.SetFlags(flags)
		}()
		slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
		do()
		return slices.Collect(strings.Lines(text.String()))
	}
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
		require.Empty(t, lines(send(observed, "a@example.com")), "left to the observer")
		require.Empty(t, lines(send(h, "wrong@example.com")), "not the server's fault")
		logged := lines(send(h, "a@example.com"))
		require.Len(t, logged, 1)
		require.Contains(t, logged[0], "level=ERROR")
		require.Contains(t, logged[0], "status 503")
		require.Contains(t, logged[0], errDown.Error())
		require.NotContains(t, logged[0], "Passw0rd!")
		require.Empty(t, lines(send(h, "a@example.com")), "once a minute")
		time.Sleep(time.Minute)
		require.Len(t, lines(send(h, "a@example.com")), 1)
	})
}
