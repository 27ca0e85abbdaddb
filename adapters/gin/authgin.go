// Package authgin attaches the modes of package authmw to Gin's routes.
//
//	r.GET("/files", authgin.Required(v, "Files.Read"), files)
//	r.GET("/share/:id", authgin.Optional(v), share)
//	r.GET("/ping", authgin.None(), ping)
package authgin

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/authmw/authmw"
)

// ClaimsKey is the key under which a gin.Context holds the *authmw.Claims, for code that can only look there. It holds
// none if the request is anonymous. Claims is the better way to them.
const ClaimsKey = "authmw.claims"

// Required returns a middleware that admits only requests with a valid token. One that was issued to an OAuth client
// must hold all scopes; one without a client_id may do everything, see authmw.Claims.HasScope. Middleware says what
// becomes of the other requests.
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
// the handlers after it: the chain is aborted, an error that wraps the *authmw.Error recorded in c.Errors, and v.Deny
// answers. What the recorded error says is only the code, since gin.ErrorLogger sends it to the client, after the answer.
//
// A CORS preflight that no route matches passes without credentials, for a CORS middleware after this one. Gin does not
// tell such a request from one for the handlers given to Engine.NoRoute and NoMethod: they run, and only status and
// headers of their answer are sent. It is better to have the CORS middleware before this one.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) gin.HandlerFunc {
	scopes = slices.Clone(scopes)
	return func(c *gin.Context) {
		if mode == authmw.Required && c.FullPath() == "" && authmw.IsPreflight(c.Request) {
			c.Writer = headerWriter{c.Writer}
			return
		}
		r, err := v.Authenticate(c.Request, mode, scopes...)
		if err != nil {
			c.Abort()
			_ = c.Error(denied{err})
			v.Deny(c.Writer, c.Request, err)
			return
		}
		if r == c.Request {
			return
		}
		c.Request = r
		if claims, ok := Claims(c); ok {
			c.Set(ClaimsKey, claims)
		} else {
			c.Delete(ClaimsKey)
		}
	}
}

// headerWriter sends the status and headers of an answer, which is all that a browser looks at after a preflight.
type headerWriter struct{ gin.ResponseWriter }

func (w headerWriter) WriteHeaderNow() {
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeaderNow()
}

func (w headerWriter) Write(p []byte) (int, error) {
	w.WriteHeaderNow()
	return len(p), nil
}

func (w headerWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (headerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// denied says less than the error in it, for c.Errors.
type denied struct{ error }

func (d denied) Unwrap() error { return d.error }

func (d denied) Error() string {
	var e *authmw.Error
	errors.As(d.error, &e)
	return "authmw: " + e.Code()
}

// Claims returns the claims of whoever sent the request. ok is false if it is anonymous.
func Claims(c *gin.Context) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(c.Request.Context())
}
