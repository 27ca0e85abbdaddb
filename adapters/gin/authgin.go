// Package authgin attaches the modes of package authmw to Gin's routes.
//
//	r.GET("/files", authgin.Required(v, "Files.Read"), files)
//	r.GET("/share/:id", authgin.Optional(v), share)
//	r.GET("/ping", authgin.None(), ping)
package authgin

import (
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/authmw/authmw"
)

// Required returns a middleware that admits only requests with a valid token. A token with scopes or a client_id must hold
// all of scopes. A user's own login may do everything, unless v has authmw.WithStrictScopes. If no scopes are given, every
// valid token is admitted, also an OAuth client's. Middleware says what becomes of the other requests.
func Required(v *authmw.Validator, scopes ...string) gin.HandlerFunc {
	return Middleware(v, authmw.Required, scopes...)
}

// Optional returns a middleware that admits what Required does, and requests without credentials, as anonymous.
func Optional(v *authmw.Validator, scopes ...string) gin.HandlerFunc {
	return Middleware(v, authmw.Optional, scopes...)
}

// None returns a middleware that does nothing. It says of a route that it needs no authentication, where others say
// which they need. It does not lift a mode that is set further out, on a group or the router.
func None() gin.HandlerFunc {
	return Middleware(nil, authmw.None)
}

// Middleware returns a middleware for a mode that is only known at run time. A request that is denied does not reach
// the handlers after it: v.Deny answers, an error that wraps the *authmw.Error is recorded in c.Errors, and the chain is
// aborted. The recorded error's text is only the code, since gin.ErrorLogger sends it to the client.
//
// A CORS preflight has no credentials, so it is denied under Required: put the CORS middleware before this one.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) gin.HandlerFunc {
	scopes = slices.Clone(scopes)
	return func(c *gin.Context) {
		received := c.Request
		var admitted *http.Request
		defer func() {
			// After a panic, Gin continues with the next handler unless the middleware that recovers calls Abort.
			if admitted == nil {
				c.Abort()
			}
		}()
		admitted, err := v.Authenticate(received, mode, scopes...)
		if err != nil {
			_ = c.Error(denied{err})
			v.Deny(c.Writer, received, err)
			return
		}
		if admitted == received {
			return
		}
		c.Request = admitted
		defer func() { authmw.CopyBack(received, c.Request) }()
		c.Next()
	}
}

// denied says less than the error in it, for c.Errors.
type denied struct{ error }

func (d denied) Unwrap() error { return d.error }

func (d denied) Error() string {
	var e *authmw.Error
	errors.As(d.error, &e)
	return "authmw: " + e.Code()
}

// Claims returns the claims of the sender. On an anonymous request they are nil and ok is false. They are in the request's
// context and not under a key of Gin's: for code that looks there, a middleware after this one can call c.Set.
func Claims(c *gin.Context) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(c.Request.Context())
}
