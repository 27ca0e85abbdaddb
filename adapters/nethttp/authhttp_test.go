package authhttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
)

func TestAdapter(t *testing.T) {
	authmwtest.TestAdapter(t, func(s authmwtest.Server) http.Handler {
		mux := http.NewServeMux()
		for _, route := range s.Routes {
			mux.Handle(route.Method+" "+route.Path, middleware(s.Validator, route)(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					claims, ok := authhttp.Claims(r)
					route.Handle(w, r, claims, ok)
				})))
		}
		if s.Router == nil {
			return mux
		}
		return authhttp.Middleware(s.Validator, *s.Router)(mux)
	})
}

func middleware(v *authmw.Validator, route authmwtest.Route) func(http.Handler) http.Handler {
	switch route.Mode {
	case authmw.None:
		return authhttp.None()
	case authmw.Optional:
		return authhttp.Optional(v, route.Scopes...)
	default:
		return authhttp.Required(v, route.Scopes...)
	}
}

// TestPreflightIntoAnUnknownHandler has a preflight before anything that may be a router. It is let through, for a CORS
// middleware to answer, but a handler that takes every method for GET cannot be read that way.
func TestPreflightIntoAnUnknownHandler(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	preflight := func(handler http.Handler) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodOptions, "/", nil)
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	careless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ok := authhttp.Claims(r)
		require.False(t, ok)
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		n, err := io.WriteString(w, "a secret")
		require.NoError(t, err)
		require.Equal(t, len("a secret"), n)
	})

	w := preflight(authhttp.Required(v)(careless))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "https://app.example", w.Header().Get("Access-Control-Allow-Origin"))
	require.Empty(t, w.Body.String())

	mux := http.NewServeMux()
	mux.Handle("/", careless)
	require.Equal(t, http.StatusUnauthorized, preflight(authhttp.Required(v)(mux)).Code, "a pattern without a method claims OPTIONS")

	mux = http.NewServeMux()
	mux.Handle("/", authhttp.Required(v)(careless))
	require.Equal(t, http.StatusUnauthorized, preflight(mux).Code, "nor does a route's own middleware let it through")
}

func TestNoneIsNothing(t *testing.T) {
	handler := http.NewServeMux()
	require.Same(t, handler, authhttp.None()(handler))
}
