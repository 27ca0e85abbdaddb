package authhttp_test

import (
	"net/http"
	"testing"

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
