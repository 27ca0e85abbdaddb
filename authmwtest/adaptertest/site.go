package adaptertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
)

// The suite's own time, user and OAuth client.
var now = time.Date(2026, 11, 23, 10, 49, 49, 0, time.UTC)

const (
	subject  = "wGH0"
	clientID = "393a1839-f52e-498e-9972-e77cc2241eee"
	scope    = "Files.Read"
)

// denials are the answers to denied requests, by code.
var denials = map[string]struct {
	status    int
	challenge string
	body      string
}{
	"missing_token": {401, `Bearer realm="api"`,
		`{"title":"Unauthorized","status":401,"detail":"This resource requires an access token.","code":"missing_token"}`},
	"malformed_token": {401, `Bearer realm="api", error="invalid_token", error_description="The access token is malformed."`,
		`{"title":"Unauthorized","status":401,"detail":"The access token is malformed.","code":"malformed_token"}`},
	"node_signature": {401, `Bearer realm="api", error="invalid_token", error_description="A node signature is not an access token."`,
		`{"title":"Unauthorized","status":401,"detail":"A node signature is not an access token.","code":"node_signature"}`},
	"invalid_signature": {401, `Bearer realm="api", error="invalid_token", error_description="The access token has an invalid signature."`,
		`{"title":"Unauthorized","status":401,"detail":"The access token has an invalid signature.","code":"invalid_signature"}`},
	"token_expired": {401, `Bearer realm="api", error="invalid_token", error_description="The access token has expired."`,
		`{"title":"Unauthorized","status":401,"detail":"The access token has expired.","code":"token_expired"}`},
	"token_not_yet_valid": {401, `Bearer realm="api", error="invalid_token", error_description="The access token is not valid yet."`,
		`{"title":"Unauthorized","status":401,"detail":"The access token is not valid yet.","code":"token_not_yet_valid"}`},
	"wrong_token_type": {401, `Bearer realm="api", error="invalid_token", error_description="The token is not an access token."`,
		`{"title":"Unauthorized","status":401,"detail":"The token is not an access token.","code":"wrong_token_type"}`},
	"invalid_claims": {401, `Bearer realm="api", error="invalid_token", error_description="The access token has invalid claims."`,
		`{"title":"Unauthorized","status":401,"detail":"The access token has invalid claims.","code":"invalid_claims"}`},
	"token_rejected": {401, `Bearer realm="api", error="invalid_token", error_description="The access token is no longer accepted."`,
		`{"title":"Unauthorized","status":401,"detail":"The access token is no longer accepted.","code":"token_rejected"}`},
	"ambiguous_credentials": {400, `Bearer realm="api", error="invalid_request", error_description="The request carries more than one set of credentials."`,
		`{"title":"Bad Request","status":400,"detail":"The request carries more than one set of credentials.","code":"ambiguous_credentials"}`},
	"insufficient_scope": {403, `Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope that this resource requires.", scope="Files.Read"`,
		`{"title":"Forbidden","status":403,"detail":"The access token lacks a scope that this resource requires.","code":"insufficient_scope"}`},
	"unavailable": {503, "",
		`{"title":"Service Unavailable","status":503,"detail":"Access tokens cannot be checked at the moment.","code":"unavailable"}`},
}

// site is a running server and what its handlers saw.
type site struct {
	*httptest.Server
	validator *authmw.Validator
	mu        sync.Mutex
	calls     []call
}

type call struct {
	path   string
	claims *authmw.Claims
	reason error
}

// route has a handler that notes its call and answers "served".
func (s *site) route(t *testing.T, method, path string, mode authmw.Mode, scopes ...string) Route {
	return Route{method, path, Middleware{s.validator, mode, scopes}, func(w http.ResponseWriter, r *http.Request, claims *authmw.Claims, ok bool) {
		fromContext, found := authmw.FromContext(r.Context())
		if ok != found || claims != fromContext || ok != (claims != nil) {
			t.Errorf("%s: the adapter's Claims returned %v, %v and authmw.FromContext %v, %v", path, claims, ok, fromContext, found)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, call{path, claims, authmw.AnonymousReason(r.Context())})
		_, _ = io.WriteString(w, "served")
	}}
}

// modes has one route for each mode, with and without a scope.
func (s *site) modes(t *testing.T) []Route {
	return []Route{
		s.route(t, http.MethodGet, "/none", authmw.None),
		s.route(t, http.MethodGet, "/optional", authmw.Optional),
		s.route(t, http.MethodGet, "/required", authmw.Required),
		s.route(t, http.MethodGet, "/optional/scope", authmw.Optional, scope),
		s.route(t, http.MethodGet, "/required/scope", authmw.Required, scope),
	}
}

func (s *site) start(t *testing.T, handler http.Handler) {
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
}

// answer is a response with its body read, and the calls of handlers that led to it.
type answer struct {
	*http.Response
	body  string
	calls []call
}

func (s *site) send(t *testing.T, method, path string, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, nil)
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	s.mu.Lock()
	s.calls = nil
	s.mu.Unlock()
	response, err := s.Client().Transport.RoundTrip(request) // which follows no redirect
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer{response, string(body), s.calls}
}

func (a answer) requireServed(t *testing.T, subject string) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.StatusCode, a.body)
	require.Equal(t, "served", a.body)
	require.Empty(t, a.Header.Get("WWW-Authenticate"))
	require.Len(t, a.calls, 1, "the handler runs exactly once")
	if subject == "" {
		require.Nil(t, a.calls[0].claims, "the handler sees an anonymous sender")
	} else {
		require.NotNil(t, a.calls[0].claims, "the handler sees claims")
		require.Equal(t, subject, a.calls[0].claims.Subject)
	}
}

func (a answer) requireDenied(t *testing.T, code string) {
	t.Helper()
	want := denials[code]
	require.Equal(t, want.status, a.StatusCode, a.body)
	require.Equal(t, want.challenge, strings.Join(a.Header.Values("WWW-Authenticate"), "\n"))
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	require.Equal(t, want.status == http.StatusServiceUnavailable, a.Header.Get("Retry-After") != "", "Retry-After with 503 alone")
	require.JSONEq(t, want.body, a.body)
	require.Empty(t, a.calls, "the handler does not run")
}

func newValidator(t *testing.T, options ...authmw.Option) *authmw.Validator {
	t.Helper()
	v, err := authmw.New([]byte(authmwtest.Secret), append(options, authmw.WithClock(func() time.Time { return now }))...)
	require.NoError(t, err)
	return v
}

func accessToken(t *testing.T, change func(*authmw.Claims)) string {
	t.Helper()
	claims := authmw.Claims{Subject: subject, NotBefore: now, ExpiresAt: now.Add(authmwtest.TTL)}
	if change != nil {
		change(&claims)
	}
	return authmwtest.Mint(t, []byte(authmwtest.Secret), claims)
}

// serveAlone serves r in a goroutine of its own, which may end as it likes, and returns the value that it panicked with.
func serveAlone(handler http.Handler, r *http.Request) (panicked any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-done
	return panicked
}
