package adaptertest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
)

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

	testScopesOfARoute(t, &s, routes)

	cookie := with(nil, "Cookie", "token="+accessToken(t, nil))
	s.send(t, http.MethodGet, "/required", cookie).requireServed(t, subject)
	s.send(t, http.MethodGet, "/required", with(valid, "Cookie", cookie.Get("Cookie"))).requireDenied(t, "ambiguous_credentials")

	events.Store(0)
	s.send(t, http.MethodGet, "/required", valid)
	s.send(t, http.MethodGet, "/required", nil)
	require.Equal(t, int64(2), events.Load(), "each request is decided on once")
}

// testScopesOfARoute changes the scopes that a middleware was made with, which must not change what it asks for.
func testScopesOfARoute(t *testing.T, s *site, routes []Route) {
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
