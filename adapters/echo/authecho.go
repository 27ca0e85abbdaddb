// Package authecho attaches the modes of package authmw to the routes of Echo v4. For Echo v5, whose types differ but
// whose use does not, import adapters/echov5 instead.
//
//	e.GET("/files", files, authecho.Required(v, "Files.Read"))
//	e.GET("/share/:id", share, authecho.Optional(v))
//	e.GET("/ping", ping, authecho.None())
package authecho

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/authmw/authmw"
)

// ClaimsKey is the key under which an echo.Context holds the *authmw.Claims, for code that can only look there. It
// holds nil if the request is anonymous. Claims is the better way to them.
const ClaimsKey = "authmw.claims"

// Required returns a middleware that admits only requests with a valid token that holds all scopes.
func Required(v *authmw.Validator, scopes ...string) echo.MiddlewareFunc {
	return Middleware(v, authmw.Required, scopes...)
}

// Optional returns a middleware that admits requests without credentials too, as anonymous. A token must be valid and
// hold all scopes.
func Optional(v *authmw.Validator, scopes ...string) echo.MiddlewareFunc {
	return Middleware(v, authmw.Optional, scopes...)
}

// None returns a middleware that does nothing. It says of a route that it needs no authentication, where others say
// which they need.
func None() echo.MiddlewareFunc {
	return Middleware(nil, authmw.None)
}

// Middleware returns a middleware for a mode that is only known at run time. For a request that is denied it returns an
// *echo.HTTPError that wraps the *authmw.Error and that Echo's default HTTPErrorHandler answers as v.Deny would; one of
// your own sees it before anything is written. Only if the validator's renderer makes something other than JSON is that
// written at once.
//
// A CORS preflight that no route matches, as in a middleware given to Echo.Use or Echo.Pre, passes without credentials.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) echo.MiddlewareFunc {
	scopes = slices.Clone(scopes)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if authmw.IsPreflight(c.Request()) && !routed(c) {
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

// routed reports whether the request has come to a route, rather than to what Echo does with a path or method that has
// none.
func routed(c echo.Context) bool {
	return c.Path() != "" && c.Get(echo.ContextKeyHeaderAllow) == nil
}

// deny hands the answer to Echo's error handler, which takes JSON alone.
func deny(c echo.Context, denial authmw.Response, err error) error {
	maps.Copy(c.Response().Header(), denial.Header)
	if !json.Valid(denial.Body) {
		c.Response().WriteHeader(denial.Status)
		_, _ = c.Response().Write(denial.Body)
		return err
	}
	return &echo.HTTPError{Code: denial.Status, Message: body(denial.Body), Internal: err}
}

// body is JSON as the message of an echo.HTTPError: the default error handler sends what marshals itself as it is.
type body []byte

func (b body) MarshalJSON() ([]byte, error) { return b, nil }

func (b body) String() string { return string(b) }

// Claims returns the claims of whoever sent the request. ok is false if it is anonymous.
func Claims(c echo.Context) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(c.Request().Context())
}
