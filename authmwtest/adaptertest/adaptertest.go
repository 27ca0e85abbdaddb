package adaptertest

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
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
)

// Server is what [TestAdapter] asks an adapter's own test to build.
type Server struct {
	Routes []Route
	// Router, if not nil, is a further middleware around the router as a whole.
	Router *Middleware
	// Recover, if not nil, asks for a recovery middleware outside of everything else. It calls Recover with the value that
	// it recovered and answers with status 500. If Recover returns true, it also tells the framework to stop, where a
	// framework can be told.
	Recover func(value any) (abort bool)
}

// Middleware is what an adapter's middleware is made from.
type Middleware struct {
	Validator *authmw.Validator
	Mode      authmw.Mode
	Scopes    []string
}

// Route is one route of a Server.
type Route struct {
	Method     string
	Path       string // without parameters
	Middleware        // in front of this route alone
	// Handle is to be called by the route's handler, with what the adapter's own Claims returns there.
	Handle func(w http.ResponseWriter, r *http.Request, claims *authmw.Claims, ok bool)
}

// TestAdapter checks that an adapter for a web framework does what authmw's own do: for each mode and kind of
// credentials the same status, headers and JSON, the handler run exactly once or not at all, with the right claims both
// from the adapter and from authmw.FromContext, and none of them left over for the next request.
//
// build is called several times. The handlers it returns serve on loopback only, and only during the test.
func TestAdapter(t *testing.T, build func(Server) http.Handler) {
	t.Run("credentials", func(t *testing.T) { testCredentials(t, build) })
	t.Run("requests", func(t *testing.T) { testRequests(t, build) })
	t.Run("context", func(t *testing.T) { testContext(t, build) })
	t.Run("time", func(t *testing.T) { testTime(t, build) })
	t.Run("key source down", func(t *testing.T) { testKeySourceDown(t, build) })
	t.Run("lenient optional", func(t *testing.T) { testLenient(t, build) })
	t.Run("renderers", func(t *testing.T) { testRenderers(t, build) })
	t.Run("preflight", func(t *testing.T) { testPreflight(t, build) })
	t.Run("nested", func(t *testing.T) { testNested(t, build) })
	t.Run("strict scopes", func(t *testing.T) { testStrictScopes(t, build) })
	t.Run("value", func(t *testing.T) { testValue(t, build) })
	t.Run("panics", func(t *testing.T) { testPanics(t, build) })
	t.Run("request", func(t *testing.T) { testRequestComesBack(t, build) })
	t.Run("concurrency", func(t *testing.T) { testConcurrency(t, build) })
}

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

func testCredentials(t *testing.T, build func(Server) http.Handler) {
	valid := accessToken(t, nil)
	clientToken := func(scopes ...string) string {
		return accessToken(t, func(c *authmw.Claims) { c.ClientID, c.Scopes = clientID, scopes })
	}
	// Cloudreve 4.12.0 to 4.16.0 left out client_id (CVE-2026-54560).
	scopedToken := func(scopes ...string) string {
		return accessToken(t, func(c *authmw.Claims) { c.Scopes = scopes })
	}
	rows := []struct {
		name          string
		authorization []string
		code          string // of the denial; "" for a valid token, missing_token for no credentials
		unscoped      bool   // the token lacks the scope
	}{
		{name: "no header", code: "missing_token"},
		{name: "empty header", authorization: []string{""}, code: "missing_token"},
		{name: "Basic", authorization: []string{"Basic dXNlcjpwYXNz"}, code: "missing_token"},
		{name: "token without a scheme", authorization: []string{valid}, code: "missing_token"},
		{name: "valid", authorization: []string{"Bearer " + valid}},
		{name: "valid, scheme in lower case", authorization: []string{"bearer " + valid}},
		{name: "valid, several spaces", authorization: []string{"Bearer   " + valid}},
		{name: "valid, of a client with the scope", authorization: []string{"Bearer " + clientToken(scope)}},
		{name: "valid, of a client with Write for Read", authorization: []string{"Bearer " + clientToken("Files.Write")}},
		{name: "valid, of a client without the scope", authorization: []string{"Bearer " + clientToken("Shares.Read")}, unscoped: true},
		{name: "valid, of a client without scopes", authorization: []string{"Bearer " + clientToken()}, unscoped: true},
		{name: "valid, of a client with an empty list of scopes", authorization: []string{"Bearer " + clientToken([]string{}...)}, unscoped: true},
		{name: "valid, with the scope but no client", authorization: []string{"Bearer " + scopedToken(scope)}},
		{name: "valid, with Write for Read but no client", authorization: []string{"Bearer " + scopedToken("Files.Write")}},
		{name: "valid, with another scope but no client", authorization: []string{"Bearer " + scopedToken("Shares.Read")}, unscoped: true},
		{name: "valid, with an empty list of scopes and no client", authorization: []string{"Bearer " + scopedToken([]string{}...)}, unscoped: true},
		{name: "Bearer alone", authorization: []string{"Bearer"}, code: "malformed_token"},
		{name: "two words", authorization: []string{"Bearer " + valid + " " + valid}, code: "malformed_token"},
		{name: "garbage", authorization: []string{"Bearer garbage"}, code: "malformed_token"},
		{name: "longer than 8 KiB", authorization: []string{"Bearer " + strings.Repeat(".", 8193)}, code: "malformed_token"},
		{name: "node signature", authorization: []string{"Bearer Cr c2lnbmF0dXJl:0"}, code: "node_signature"},
		{name: "other secret", authorization: []string{"Bearer " + authmwtest.Mint(t, []byte(authmwtest.Secret+"!"), authmw.Claims{
			Subject: subject, NotBefore: now})}, code: "invalid_signature"},
		{name: "expired", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.ExpiresAt = now
		})}, code: "token_expired"},
		{name: "not yet valid", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.NotBefore = now.Add(time.Second)
		})}, code: "token_not_yet_valid"},
		{name: "refresh token", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.TokenType = "refresh"
		})}, code: "wrong_token_type"},
		{name: "no subject", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.Subject = ""
		})}, code: "invalid_claims"},
		{name: "banned", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.Subject = "banned"
		})}, code: "token_rejected"},
		{name: "two headers", authorization: []string{"Bearer " + valid, "Bearer " + valid}, code: "ambiguous_credentials"},
		{name: "two headers, Basic first", authorization: []string{"Basic dXNlcjpwYXNz", "Bearer " + valid}, code: "ambiguous_credentials"},
	}

	s := site{validator: newValidator(t, authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
		return claims.Subject != "banned", nil
	}))}
	s.start(t, build(Server{Routes: s.modes(t)}))
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{}
			if row.authorization != nil {
				header["Authorization"] = row.authorization
			}
			s.send(t, http.MethodGet, "/none", header).requireServed(t, "")
			for _, path := range []string{"/required", "/required/scope", "/optional", "/optional/scope"} {
				got := s.send(t, http.MethodGet, path, header)
				switch {
				case row.code == "missing_token" && strings.HasPrefix(path, "/optional"):
					got.requireServed(t, "")
				case row.code != "":
					got.requireDenied(t, row.code)
				case row.unscoped && strings.HasSuffix(path, "/scope"):
					got.requireDenied(t, "insufficient_scope")
				default:
					got.requireServed(t, subject)
				}
				s.send(t, http.MethodGet, "/optional", nil).requireServed(t, "")
			}
			head := s.send(t, http.MethodHead, "/required", header)
			if want, denied := denials[row.code]; denied && head.StatusCode != http.StatusMethodNotAllowed && head.StatusCode != http.StatusNotFound {
				require.Equal(t, want.status, head.StatusCode)
				require.Empty(t, head.body)
			}
		})
	}
}

// testRequests has the requests that an adapter might think need no look, or that it might look at in its own way.
func testRequests(t *testing.T, build func(Server) http.Handler) {
	var events atomic.Int64
	s := site{validator: newValidator(t,
		authmw.WithExtractors(authmw.AuthorizationHeader(), authmw.Cookie("token")),
		authmw.WithObserver(func(authmw.Decision) { events.Add(1) }))}
	routes := []Route{
		s.route(t, http.MethodGet, "/required", authmw.Required),
		s.route(t, http.MethodGet, "/scopes", authmw.Required, scope, "Shares.Read"),
		s.route(t, http.MethodGet, "/unknown", authmw.Mode(7)),
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		routes = append(routes, s.route(t, method, "/required", authmw.Required), s.route(t, method, "/scopes", authmw.Required, scope, "Shares.Read"),
			s.route(t, method, "/optional", authmw.Optional))
	}
	s.start(t, build(Server{Routes: routes}))
	valid := http.Header{"Authorization": {"Bearer " + accessToken(t, nil)}}
	forged := http.Header{"Authorization": {"Bearer " + authmwtest.Mint(t, []byte(authmwtest.Secret+"!"), authmw.Claims{Subject: subject, NotBefore: now})}}
	with := func(header http.Header, name, value string) http.Header {
		header = header.Clone()
		if header == nil {
			header = http.Header{}
		}
		header.Set(name, value)
		return header
	}

	for _, route := range routes {
		if route.Path != "/optional" {
			s.send(t, route.Method, route.Path, nil).requireDenied(t, "missing_token")
		}
		s.send(t, route.Method, route.Path, forged).requireDenied(t, "invalid_signature")
		s.send(t, route.Method, route.Path, valid).requireServed(t, subject)
	}
	for _, name := range []string{"Upgrade", "X-Requested-With", "X-Forwarded-For", "Accept", "Origin", "Sec-Fetch-Mode"} {
		s.send(t, http.MethodGet, "/required", with(nil, name, "websocket")).requireDenied(t, "missing_token")
		s.send(t, http.MethodGet, "/required", with(forged, name, "websocket")).requireDenied(t, "invalid_signature")
	}
	s.send(t, http.MethodGet, "/required?a=b", nil).requireDenied(t, "missing_token")
	s.send(t, http.MethodGet, "/required?a=b", valid).requireServed(t, subject)

	s.send(t, http.MethodGet, "/unknown", nil).requireDenied(t, "missing_token")
	s.send(t, http.MethodGet, "/unknown", valid).requireServed(t, subject)

	client := func(scopes ...string) http.Header {
		return http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.ClientID, c.Scopes = clientID, scopes })}}
	}
	for _, route := range routes {
		if route.Path != "/scopes" {
			continue
		}
		route.Scopes[0], route.Scopes[1] = "changed", "changed" // after the middleware was made
		s.send(t, route.Method, "/scopes", client(scope, "Shares.Read")).requireServed(t, subject)
		for _, one := range []string{scope, "Shares.Read"} {
			got := s.send(t, route.Method, "/scopes", client(one))
			require.Equal(t, http.StatusForbidden, got.StatusCode)
			require.Contains(t, got.Header.Get("WWW-Authenticate"), `, scope="Files.Read Shares.Read"`)
			require.Empty(t, got.calls)
		}
	}

	cookie := with(nil, "Cookie", "token="+accessToken(t, nil))
	s.send(t, http.MethodGet, "/required", cookie).requireServed(t, subject)
	s.send(t, http.MethodGet, "/required", with(valid, "Cookie", cookie.Get("Cookie"))).requireDenied(t, "ambiguous_credentials")

	events.Store(0)
	s.send(t, http.MethodGet, "/required", valid)
	s.send(t, http.MethodGet, "/required", nil)
	require.Equal(t, int64(2), events.Load(), "each request is decided on once")
}

// testContext looks at the context that a handler gets besides the claims.
func testContext(t *testing.T, build func(Server) http.Handler) {
	type key struct{}
	v := newValidator(t)
	served := false
	handler := build(Server{Routes: []Route{{http.MethodGet, "/", Middleware{v, authmw.Required, nil},
		func(_ http.ResponseWriter, r *http.Request, _ *authmw.Claims, _ bool) {
			served = true
			require.Equal(t, "a value", r.Context().Value(key{}), "values from further out are kept")
			require.ErrorIs(t, r.Context().Err(), context.Canceled, "and so is cancellation")
			require.NotEmpty(t, r.Header.Get("Authorization"), "and so are headers")
		}}}})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "a value"))
	cancel()
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer "+accessToken(t, nil))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	require.True(t, served)
}

// testTime lets a token expire between two requests.
func testTime(t *testing.T, build func(Server) http.Handler) {
	clock := authmwtest.NewClock(now)
	v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
	require.NoError(t, err)
	s := site{validator: v}
	s.start(t, build(Server{Routes: s.modes(t)}))
	header := http.Header{"Authorization": {"Bearer " + accessToken(t, nil)}}
	s.send(t, http.MethodGet, "/required", header).requireServed(t, subject)
	clock.Advance(authmwtest.TTL)
	s.send(t, http.MethodGet, "/required", header).requireDenied(t, "token_expired")
}

func testKeySourceDown(t *testing.T, build func(Server) http.Handler) {
	v, err := authmw.NewFromKeySource(authmw.KeySourceFunc(func(context.Context) (*authmw.Keys, error) {
		return nil, errors.New("the database is gone")
	}))
	require.NoError(t, err)
	s := site{validator: v}
	s.start(t, build(Server{Routes: s.modes(t)}))
	header := http.Header{"Authorization": {"Bearer " + accessToken(t, nil)}}
	s.send(t, http.MethodGet, "/none", header).requireServed(t, "")
	s.send(t, http.MethodGet, "/optional", header).requireDenied(t, "unavailable")
	s.send(t, http.MethodGet, "/required", header).requireDenied(t, "unavailable")
	s.send(t, http.MethodGet, "/optional", nil).requireServed(t, "")
	s.send(t, http.MethodGet, "/required", nil).requireDenied(t, "missing_token")
}

func testLenient(t *testing.T, build func(Server) http.Handler) {
	s := site{validator: newValidator(t, authmw.WithLenientOptional())}
	s.start(t, build(Server{Routes: s.modes(t)}))
	expired := http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.ExpiresAt = now })}}
	got := s.send(t, http.MethodGet, "/optional", expired)
	got.requireServed(t, "")
	require.ErrorIs(t, got.calls[0].reason, authmw.ErrTokenExpired)
	s.send(t, http.MethodGet, "/required", expired).requireDenied(t, "token_expired")

	got = s.send(t, http.MethodGet, "/optional", nil)
	got.requireServed(t, "")
	require.NoError(t, got.calls[0].reason)

	refresh := http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.TokenType = "refresh" })}}
	s.send(t, http.MethodGet, "/optional", refresh).requireDenied(t, "wrong_token_type")
}

func testRenderers(t *testing.T, build func(Server) http.Handler) {
	refresh := http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.TokenType = "refresh" })}}
	serve := func(t *testing.T, render authmw.Renderer) *site {
		s := &site{validator: newValidator(t, authmw.WithRenderer(render))}
		s.start(t, build(Server{Routes: s.modes(t)}))
		return s
	}

	t.Run("CloudreveEnvelope", func(t *testing.T) {
		s := serve(t, authmw.CloudreveEnvelope)
		for body, header := range map[string]http.Header{
			`{"code":401,"msg":"Login required"}`:       nil,
			`{"code":40020,"msg":"Invalid token type"}`: refresh,
		} {
			got := s.send(t, http.MethodGet, "/required", header)
			require.Equal(t, http.StatusOK, got.StatusCode)
			require.Empty(t, got.Header.Values("WWW-Authenticate"))
			require.Equal(t, "application/json; charset=utf-8", got.Header.Get("Content-Type"))
			require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			require.JSONEq(t, body, got.body)
			require.Empty(t, got.calls)
		}
	})
	t.Run("CloudreveEnvelopeWithStatus", func(t *testing.T) {
		s := serve(t, authmw.CloudreveEnvelopeWithStatus)
		got := s.send(t, http.MethodGet, "/required", refresh)
		require.Equal(t, http.StatusUnauthorized, got.StatusCode)
		require.Equal(t, denials["wrong_token_type"].challenge, got.Header.Get("WWW-Authenticate"))
		require.JSONEq(t, `{"code":40020,"msg":"Invalid token type"}`, got.body)
		require.Empty(t, got.calls)
	})
	t.Run("other than JSON", func(t *testing.T) {
		s := serve(t, func(*http.Request, *authmw.Error) authmw.Response {
			return authmw.Response{
				Status: http.StatusSeeOther,
				Header: http.Header{"Location": {"/login"}, "Content-Type": {"text/html; charset=utf-8"}},
				Body:   []byte("<a href=/login>Log in</a>"),
			}
		})
		got := s.send(t, http.MethodGet, "/required", nil)
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		require.Equal(t, "/login", got.Header.Get("Location"))
		require.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
		require.Equal(t, "<a href=/login>Log in</a>", got.body)
		require.Empty(t, got.Header.Values("WWW-Authenticate"))
		require.Empty(t, got.calls)
	})
	t.Run("no body", func(t *testing.T) {
		s := serve(t, func(*http.Request, *authmw.Error) authmw.Response { return authmw.Response{} })
		got := s.send(t, http.MethodGet, "/required", nil)
		require.Equal(t, http.StatusUnauthorized, got.StatusCode)
		require.Equal(t, `Bearer realm="api"`, got.Header.Get("WWW-Authenticate"))
		require.Empty(t, got.body)
		require.Empty(t, got.calls)
	})
}

// testPreflight sends a browser's question before a request from another origin, which never has credentials. Anyone can
// send one, with a body and with headers that some handlers obey, so it is denied as any other request is.
func testPreflight(t *testing.T, build func(Server) http.Handler) {
	s := site{validator: newValidator(t)}
	preflight := http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}}
	for _, mode := range []authmw.Mode{authmw.Required, authmw.Mode(7)} {
		s.start(t, build(Server{Router: &Middleware{Validator: s.validator, Mode: mode}, Routes: []Route{
			s.route(t, http.MethodGet, "/get", authmw.None),
			s.route(t, http.MethodOptions, "/options", authmw.None),
		}}))
		for _, path := range []string{"/get", "/options", "/nowhere"} {
			s.send(t, http.MethodOptions, path, preflight).requireDenied(t, "missing_token")
			disguised := preflight.Clone()
			disguised.Set("X-HTTP-Method-Override", http.MethodDelete)
			s.send(t, http.MethodOptions, path, disguised).requireDenied(t, "missing_token")
		}
	}

	s.start(t, build(Server{Routes: []Route{
		s.route(t, http.MethodOptions, "/required", authmw.Required),
		s.route(t, http.MethodOptions, "/optional", authmw.Optional),
		s.route(t, http.MethodOptions, "/none", authmw.None),
	}}))
	s.send(t, http.MethodOptions, "/required", preflight).requireDenied(t, "missing_token")
	s.send(t, http.MethodOptions, "/optional", preflight).requireServed(t, "")
	s.send(t, http.MethodOptions, "/none", preflight).requireServed(t, "")
}

// testStrictScopes has a server whose scopes are roles: a user's own token must hold them too.
func testStrictScopes(t *testing.T, build func(Server) http.Handler) {
	s := site{validator: newValidator(t, authmw.WithStrictScopes())}
	s.start(t, build(Server{Routes: s.modes(t)}))
	for name, row := range map[string]struct {
		scopes []string
		has    bool
	}{
		"own token":              {nil, false},
		"empty list of scopes":   {[]string{}, false},
		"another scope":          {[]string{"Shares.Read"}, false},
		"the scope":              {[]string{scope}, true},
		"Write in place of Read": {[]string{"Files.Write"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.Scopes = row.scopes })}}
			for _, path := range []string{"/required", "/optional"} {
				got := s.send(t, http.MethodGet, path, header)
				got.requireServed(t, subject)
				require.Equal(t, row.has, got.calls[0].claims.HasScope(scope), "HasScope agrees with the route")
				if got = s.send(t, http.MethodGet, path+"/scope", header); row.has {
					got.requireServed(t, subject)
				} else {
					got.requireDenied(t, "insufficient_scope")
				}
			}
			s.send(t, http.MethodGet, "/optional/scope", nil).requireServed(t, "")
		})
	}
}

// testValue has the claims check look a user up for the handler.
func testValue(t *testing.T, build func(Server) http.Handler) {
	type user struct{ name string }
	v := newValidator(t, authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
		authmw.SetValue(claims, &user{"the user " + claims.Subject})
		return true, nil
	}))
	handle := func(w http.ResponseWriter, r *http.Request, _ *authmw.Claims, _ bool) {
		u, ok := authmw.Value[*user](r.Context())
		if !ok {
			u = &user{"nobody"}
		}
		_, _ = io.WriteString(w, u.name)
	}
	handler := build(Server{Routes: []Route{{http.MethodGet, "/", Middleware{v, authmw.Optional, nil}, handle}}})
	for want, token := range map[string]string{"the user " + subject: "Bearer " + accessToken(t, nil), "nobody": ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Body.String())
	}
}

// testNested puts a middleware around the router and others before its routes.
func testNested(t *testing.T, build func(Server) http.Handler) {
	s := site{validator: newValidator(t)}
	valid := http.Header{"Authorization": {"Bearer " + accessToken(t, nil)}}
	expired := http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.ExpiresAt = now })}}

	s.start(t, build(Server{Router: &Middleware{Validator: s.validator, Mode: authmw.Optional}, Routes: s.modes(t)}))
	s.send(t, http.MethodGet, "/required", valid).requireServed(t, subject)
	s.send(t, http.MethodGet, "/optional", valid).requireServed(t, subject)
	s.send(t, http.MethodGet, "/none", valid).requireServed(t, subject) // found by the one around the router
	s.send(t, http.MethodGet, "/required", nil).requireDenied(t, "missing_token")
	s.send(t, http.MethodGet, "/optional", nil).requireServed(t, "")
	for _, path := range []string{"/none", "/optional", "/required"} {
		s.send(t, http.MethodGet, path, expired).requireDenied(t, "token_expired")
	}

	for _, mode := range []authmw.Mode{authmw.Required, authmw.Mode(7)} {
		s.start(t, build(Server{Router: &Middleware{Validator: s.validator, Mode: mode}, Routes: s.modes(t)}))
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, "BREW"} {
			for _, header := range []http.Header{nil, expired} {
				got := s.send(t, method, "/none", header)
				require.Equal(t, http.StatusUnauthorized, got.StatusCode, method)
				require.NotEmpty(t, got.Header.Get("WWW-Authenticate"), method)
				require.Empty(t, got.calls)
			}
		}
	}

	s.start(t, build(Server{Router: &Middleware{Validator: s.validator, Mode: authmw.Optional, Scopes: []string{scope}}, Routes: s.modes(t)}))
	s.send(t, http.MethodGet, "/none", http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) {
		c.ClientID = clientID
	})}}).requireDenied(t, "insufficient_scope")
	s.send(t, http.MethodGet, "/none", nil).requireServed(t, "")

	s.start(t, build(Server{Router: &Middleware{Validator: s.validator, Mode: authmw.Required, Scopes: []string{scope}}, Routes: s.modes(t)}))
	client := http.Header{"Authorization": {"Bearer " + accessToken(t, func(c *authmw.Claims) { c.ClientID = clientID })}}
	for _, path := range []string{"/none", "/optional", "/required"} {
		s.send(t, http.MethodGet, path, valid).requireServed(t, subject)
		s.send(t, http.MethodGet, path, nil).requireDenied(t, "missing_token")
		s.send(t, http.MethodGet, path, expired).requireDenied(t, "token_expired")
		s.send(t, http.MethodGet, path, client).requireDenied(t, "insufficient_scope")
	}

	// What a middleware further out found by other rules does not count for one that finds nobody.
	elsewhere := newValidator(t, authmw.WithExtractors(authmw.Header("X-Other")))
	s.validator = elsewhere
	s.start(t, build(Server{Router: &Middleware{Validator: newValidator(t), Mode: authmw.Required}, Routes: s.modes(t)}))
	s.send(t, http.MethodGet, "/optional", valid).requireServed(t, "")
	s.send(t, http.MethodGet, "/required", valid).requireDenied(t, "missing_token")
	s.send(t, http.MethodGet, "/none", valid).requireServed(t, subject)
}

// testConcurrency sends a thousand requests of a hundred users at once, and has each handler look twice.
func testConcurrency(t *testing.T, build func(Server) http.Handler) {
	const users, requests = 100, 1000
	handle := func(w http.ResponseWriter, r *http.Request, claims *authmw.Claims, ok bool) {
		if !ok || len(claims.Scopes) == 0 {
			_, _ = io.WriteString(w, "anonymous")
			return
		}
		subject, scopes := claims.Subject, strings.Join(claims.Scopes, " ")
		runtime.Gosched()
		again, _ := authmw.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "%s %s %s %s", subject, scopes, again.Subject, strings.Join(again.Scopes, " "))
		claims.Scopes[0] = "changed by the handler"
	}
	v := newValidator(t)
	handler := build(Server{Routes: []Route{
		{http.MethodGet, "/optional", Middleware{v, authmw.Optional, nil}, handle},
		{http.MethodGet, "/required", Middleware{v, authmw.Required, []string{scope}}, handle},
	}})
	tokens := make([]string, users)
	for i := range tokens {
		tokens[i] = accessToken(t, func(c *authmw.Claims) {
			c.Subject = fmt.Sprint("user", i)
			c.ClientID, c.Scopes = clientID, []string{scope, fmt.Sprint("Scope", i)}
		})
	}

	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() {
			user := i % users
			path, want := "/required", fmt.Sprintf("user%d %s Scope%[1]d user%[1]d %[2]s Scope%[1]d", user, scope)
			if i%2 == 0 {
				path = "/optional"
			}
			r := httptest.NewRequest(http.MethodGet, path, nil)
			if i%10 == 0 {
				want = "anonymous"
			} else {
				r.Header.Set("Authorization", "Bearer "+tokens[user])
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Body.String(); got != want {
				t.Errorf("request %d of user %d: got %q, want %q", i, user, got, want)
			}
		})
	}
	wg.Wait()
}
