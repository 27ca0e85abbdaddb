package authhttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/adaptertest"
)

func TestAdapter(t *testing.T) {
	adaptertest.TestAdapter(t, func(s adaptertest.Server) http.Handler {
		mux := http.NewServeMux()
		for _, route := range s.Routes {
			mux.Handle(route.Method+" "+route.Path, middleware(route.Middleware)(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					claims, ok := authhttp.Claims(r)
					route.Handle(w, r, claims, ok)
				})))
		}
		handler := http.Handler(mux)
		if s.Router != nil {
			handler = authhttp.Middleware(s.Router.Validator, s.Router.Mode, s.Router.Scopes...)(handler)
		}
		if s.Recover != nil {
			handler = recovery(s.Recover, handler)
		}
		return handler
	})
}

func recovery(recovered func(value any) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if value := recover(); value != nil {
				recovered(value) // a handler that was not called does not run, so there is nothing to abort
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func middleware(m adaptertest.Middleware) func(http.Handler) http.Handler {
	switch m.Mode {
	case authmw.None:
		return authhttp.None()
	case authmw.Optional:
		return authhttp.Optional(m.Validator, m.Scopes...)
	case authmw.Required:
		return authhttp.Required(m.Validator, m.Scopes...)
	default:
		return authhttp.Middleware(m.Validator, m.Mode, m.Scopes...)
	}
}

// TestPreflightIntoAHandler sends a request that only claims to be a preflight to handlers that take every method.
func TestPreflightIntoAHandler(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	required := authhttp.Required(v)
	careless := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger gets in") })
	mux := func(pattern string, handler http.Handler) *http.ServeMux {
		mux := http.NewServeMux()
		mux.Handle(pattern, handler)
		return mux
	}
	for name, handler := range map[string]http.Handler{
		"a handler alone":                     required(careless),
		"something before a router":           required(http.StripPrefix("/", mux("/", careless))),
		"a pattern without a method":          required(mux("/", careless)),
		"a route's own middleware":            mux("/", required(careless)),
		"a router in a router":                mux("/", required(mux("/files", careless))),
		"a route below a router's middleware": required(mux("OPTIONS /", careless)),
		"a router without a route for it":     required(mux("GET /files", careless)),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodOptions, "/files", nil)
			r.Header.Set("Origin", "https://app.example")
			r.Header.Set("Access-Control-Request-Method", http.MethodGet)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			require.Equal(t, http.StatusUnauthorized, w.Code)
		})
	}
}

func TestScopesAreCopied(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	scopes := []string{"Files.Read"}
	handler := authhttp.Required(v, scopes...)(http.NotFoundHandler())
	scopes[0] = "openid"
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{
		Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid"}}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
}

func TestNoneIsNothing(t *testing.T) {
	handler := http.NewServeMux()
	require.Same(t, handler, authhttp.None()(handler))
}
