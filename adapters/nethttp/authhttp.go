// Package authhttp attaches the modes of package authmw to net/http handlers, and so to every router that takes a
// func(http.Handler) http.Handler.
//
//	mux.Handle("GET /files", authhttp.Required(v, "Files.Read")(files))
//	mux.Handle("GET /share/{id}", authhttp.Optional(v)(share))
//	mux.Handle("GET /ping", authhttp.None()(ping))
package authhttp

import (
	"net/http"
	"slices"

	"github.com/authmw/authmw"
)

// Required returns a middleware that admits only requests with a valid token. A token with scopes or a client_id must hold
// all of scopes. A user's own login may do everything, unless v has authmw.WithStrictScopes. If no scopes are given, every
// valid token is admitted, also an OAuth client's. Middleware says what becomes of the other requests.
func Required(v *authmw.Validator, scopes ...string) func(http.Handler) http.Handler {
	return Middleware(v, authmw.Required, scopes...)
}

// Optional returns a middleware that admits what Required does, and requests without credentials, as anonymous.
func Optional(v *authmw.Validator, scopes ...string) func(http.Handler) http.Handler {
	return Middleware(v, authmw.Optional, scopes...)
}

// None returns a middleware that does nothing. It says of a route that it needs no authentication, where others say
// which they need. It does not lift a mode that is set further out, on a group or the router.
func None() func(http.Handler) http.Handler {
	return Middleware(nil, authmw.None)
}

// Middleware returns a middleware for a mode that is only known at run time. A request that is denied is answered by
// v.Deny and does not reach the handler.
//
// A CORS preflight has no credentials, so it is denied under Required: put the CORS middleware outside of this one.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) func(http.Handler) http.Handler {
	scopes = slices.Clone(scopes)
	return func(next http.Handler) http.Handler {
		if mode == authmw.None {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			authenticated, err := v.Authenticate(r, mode, scopes...)
			if err != nil {
				v.Deny(w, r, err)
				return
			}
			defer authmw.CopyBack(r, authenticated)
			next.ServeHTTP(w, authenticated)
		})
	}
}

// Claims returns the claims of the sender of r. On an anonymous request they are nil and ok is false. It is
// authmw.FromContext for a request, so that adapters are alike.
func Claims(r *http.Request) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(r.Context())
}
