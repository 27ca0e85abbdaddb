package adaptertest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
)

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
