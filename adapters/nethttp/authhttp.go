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

// Required returns a middleware that admits only requests with a valid token that holds all scopes.
func Required(v *authmw.Validator, scopes ...string) func(http.Handler) http.Handler {
	return Middleware(v, authmw.Required, scopes...)
}

// Optional returns a middleware that admits requests without credentials too, as anonymous. A token must be valid and
// hold all scopes.
func Optional(v *authmw.Validator, scopes ...string) func(http.Handler) http.Handler {
	return Middleware(v, authmw.Optional, scopes...)
}

// None returns a middleware that does nothing. It says of a route that it needs no authentication, where others say
// which they need.
func None() func(http.Handler) http.Handler {
	return Middleware(nil, authmw.None)
}

// Middleware returns a middleware for a mode that is only known at run time. A request that is denied is answered by
// v.Deny and does not reach the handler.
//
// Before a whole router, a CORS preflight passes without credentials if no route claims it: a http.ServeMux is asked
// which pattern matches, and one without a method claims OPTIONS too. Any other handler that gets requests before a
// http.ServeMux did may be a router, or a CORS middleware before one, and gets all preflights, as anonymous. The body
// of its answer is thrown away, since a handler that takes every method for GET must not be readable that way; but
// handlers that change something should look at the method, here as everywhere.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) func(http.Handler) http.Handler {
	scopes = slices.Clone(scopes)
	return func(next http.Handler) http.Handler {
		if mode == authmw.None {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if authmw.IsPreflight(r) && !routed(next, r) {
				next.ServeHTTP(headerWriter{w}, r)
				return
			}
			authenticated, err := v.Authenticate(r, mode, scopes...)
			if err != nil {
				v.Deny(w, r, err)
				return
			}
			next.ServeHTTP(w, authenticated)
		})
	}
}

// routed reports whether a route has claimed r or, if next is a router that can be asked, will.
func routed(next http.Handler, r *http.Request) bool {
	if r.Pattern != "" {
		return true
	}
	mux, ok := next.(*http.ServeMux)
	if !ok {
		return false
	}
	_, pattern := mux.Handler(r)
	return pattern != ""
}

// headerWriter sends a status and headers, which is all that a browser reads of the answer to a preflight.
type headerWriter struct{ http.ResponseWriter }

func (headerWriter) Write(p []byte) (int, error) { return len(p), nil }

// Claims returns the claims of whoever sent r. ok is false if the request is anonymous.
func Claims(r *http.Request) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(r.Context())
}
