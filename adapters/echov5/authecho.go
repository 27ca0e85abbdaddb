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
	"slices"
	"strings"
	"sync/atomic"

	"github.com/labstack/echo/v5"

	"github.com/authmw/authmw"
)

// This file and its twin in adapters/echo differ only in Echo's types, and stay two: Go has no type parameter that both
// echo.Context and *echo.Context fit, and one module would make every user depend on both versions of Echo. A change to one
// belongs in the other. What is the same for all frameworks is in package authmw.

// Required returns a middleware that admits only requests with a valid token. A token with scopes or a client_id must hold
// all of scopes. A user's own login may do everything, unless v has authmw.WithStrictScopes. If no scopes are given, every
// valid token is admitted, also an OAuth client's. Middleware says what becomes of the other requests.
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
// the same, as Echo does after any response. An error handler that marshals the error and then answers with JSON of its
// own sets the Content-Type of that itself.
//
// A CORS preflight has no credentials, so it is denied under Required: put the CORS middleware before this one.
func Middleware(v *authmw.Validator, mode authmw.Mode, scopes ...string) echo.MiddlewareFunc {
	scopes = slices.Clone(scopes)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			received := c.Request()
			r, err := v.Authenticate(received, mode, scopes...)
			if err != nil {
				return deny(c, v.Denial(received, err), err)
			}
			if r != received {
				c.SetRequest(r)
				defer func() { authmw.CopyBack(received, c.Request()) }()
			}
			return next(c)
		}
	}
}

// deny hands the answer to Echo's error handler, which takes JSON alone.
func deny(c *echo.Context, response authmw.Response, err error) error {
	maps.Copy(c.Response().Header(), response.Header)
	d := &denial{status: response.Status, body: response.Body, err: err}
	contentType := response.Header.Get(echo.HeaderContentType)
	if !strings.Contains(contentType, "json") || !json.Valid(response.Body) {
		c.Response().WriteHeader(response.Status)
		_, _ = c.Response().Write(response.Body)
		c.Echo().HTTPErrorHandler(c, d) // here, since a middleware may drop what was written before an error is returned
		return nil
	}
	c.Response().Header().Del(echo.HeaderContentType)
	if answer, err := echo.UnwrapResponse(c.Response()); err == nil {
		answer.Before(func() {
			// Context.JSON has set its own type. An error handler that answers with something else has another.
			header := answer.Header()
			if d.marshalled.Load() && answer.Status == response.Status && header.Get(echo.HeaderContentType) == echo.MIMEApplicationJSON {
				header.Set(echo.HeaderContentType, contentType)
			}
		})
	}
	return d
}

// denial is an error that brings its answer along: the default error handler asks an error for its status, and sends
// what marshals itself as it is. It may outlive its request, as in a queue of errors to report, and keeps nothing of it.
type denial struct {
	status     int
	body       []byte
	err        error
	marshalled atomic.Bool
}

func (d *denial) Error() string   { return d.err.Error() }
func (d *denial) Unwrap() error   { return d.err }
func (d *denial) StatusCode() int { return d.status }

func (d *denial) MarshalJSON() ([]byte, error) {
	d.marshalled.Store(true)
	return d.body, nil
}

// Claims returns the claims of the sender. On an anonymous request they are nil and ok is false. They are in the request's
// context and not under a key of Echo's: for code that looks there, a middleware after this one can call c.Set.
func Claims(c *echo.Context) (claims *authmw.Claims, ok bool) {
	return authmw.FromContext(c.Request().Context())
}
