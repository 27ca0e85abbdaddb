// Package authecho attaches the modes of package authmw to the routes of Echo v5. For Echo v4, whose types differ but
// whose use does not, import adapters/echo instead.
//
//	e.GET("/files", files, authecho.Required(v, "Files.Read"))
//	e.GET("/share/:id", share, authecho.Optional(v))
//	e.GET("/ping", ping, authecho.None())
package authecho

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v5"

	"github.com/authmw/authmw"
)

// ClaimsKey is the key under which a *echo.Context holds the *authmw.Claims, for code that can only look there. It
// holds none if the request is anonymous. Claims is the better way to them.
const ClaimsKey = "authmw.claims"

// Required returns a middleware that admits only requests with a valid token. One that was issued to an OAuth client
// must hold all scopes; one without a client_id may do everything, see authmw.Claims.HasScope. Middleware says what
// becomes of the other requests.
func Required(v *authmw.Validator, scopes ...string) echo.MiddlewareFunc {
	return Middleware(v, authmw.Required, scopes...)
}

// Optional returns a middleware that admits what Required does, and requests without credentials, as anonymous.
func Optional(v *authmw.Validator, scopes ...string) echo.MiddlewareFunc {
	return Middleware(v, authmw.Optional, scopes...)
}

// None returns a middleware that does nothing. It says of a route that it needs no authentication, where others say
// which they need. It does not lift a mode that is set further out, on a group or the router.
func None() echo.MiddlewareFunc {
	return Middleware(nil, authmw.None)
}

// Middleware returns a middleware for a mode that is only known at run time. For a request that is denied it returns an
// error that wraps the *authmw.Error and that Echo's default HTTPErrorHandler answers as v.Deny would; one of your own
// sees it before anything is written, with the challenge already among the response's headers. The error has the status
// of the renderer's answer for echo.StatusCode, 200 for authmw.CloudreveEnvelope; that of the *authmw.Error tells the
// failure. If the renderer makes something other than JSON, that is written at once, and the error handler called all
// the same, as Echo does after any response.
//
// In a middleware given to Echo.Use, a CORS preflight passes without credentials if its path has routes, but none for
// OPTIONS. It reaches the middlewares after this one; only status and headers of the answer are sent. Before the route
// of a group or in Echo.Pre it does not pass. It is better to have the CORS middleware before this one.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) echo.MiddlewareFunc {
	scopes = slices.Clone(scopes)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if mode == authmw.Required && authmw.IsPreflight(c.Request()) && unclaimed(c) {
				response, err := echo.UnwrapResponse(c.Response())
				if err != nil {
					return err
				}
				response.ResponseWriter = headerWriter{response.ResponseWriter}
				return next(c)
			}
			r, err := v.Authenticate(c.Request(), mode, scopes...)
			if err != nil {
				return deny(c, v.Denial(c.Request(), err), err)
			}
			if r != c.Request() {
				c.SetRequest(r)
				if claims, ok := Claims(c); ok {
					c.Set(ClaimsKey, claims)
				} else if c.Get(ClaimsKey) != nil {
					c.Set(ClaimsKey, nil)
				}
			}
			return next(c)
		}
	}
}

// headerWriter sends the status and headers of an answer, which is all that a browser looks at after a preflight.
type headerWriter struct{ http.ResponseWriter }

func (w headerWriter) WriteHeader(status int) {
	w.Header().Del(echo.HeaderContentLength)
	w.ResponseWriter.WriteHeader(status)
}

func (headerWriter) Write(p []byte) (int, error) { return len(p), nil }

// unclaimed reports whether Echo itself will answer, since the path has routes, but none for the method. It does not
// know before routing, in Echo.Pre, nor for paths without routes, which may belong to a later middleware.
func unclaimed(c *echo.Context) bool {
	return c.Get(echo.ContextKeyHeaderAllow) != nil
}

// deny hands the answer to Echo's error handler, which takes JSON alone.
func deny(c *echo.Context, response authmw.Response, err error) error {
	header := c.Response().Header()
	contentType := response.Header.Get(echo.HeaderContentType)
	maps.Copy(header, response.Header)
	if !strings.Contains(contentType, "json") || !json.Valid(response.Body) {
		c.Response().WriteHeader(response.Status)
		_, _ = c.Response().Write(response.Body)
	} else {
		header.Del(echo.HeaderContentType)
	}
	return &denial{response.Status, response.Body, c, contentType, err}
}

// denial is an error that brings its answer along: the default error handler asks an error for its status, and sends
// what marshals itself as it is.
type denial struct {
	status      int
	body        []byte
	c           *echo.Context // whose response may be another by the time that the error is handled
	contentType string
	err         error
}

func (d *denial) Error() string   { return d.err.Error() }
func (d *denial) Unwrap() error   { return d.err }
func (d *denial) StatusCode() int { return d.status }

// MarshalJSON sets the Content-Type as well, in place of what Context.JSON has just set: an error handler that answers
// with something else has a Content-Type of its own.
func (d *denial) MarshalJSON() ([]byte, error) {
	if header := d.c.Response().Header(); header.Get(echo.HeaderContentType) == echo.MIMEApplicationJSON {
		header.Set(echo.HeaderContentType, d.contentType)
	}
	return d.body, nil
}

// Claims returns the claims of whoever sent the request. ok is false if it is anonymous.
func Claims(c *echo.Context) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(c.Request().Context())
}
