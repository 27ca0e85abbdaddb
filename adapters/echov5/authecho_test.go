package authecho_test

import (
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echov5"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/adaptertest"
)

func TestAdapter(t *testing.T) {
	adaptertest.TestAdapter(t, func(s adaptertest.Server) http.Handler {
		e := echo.New()
		if s.Recover != nil {
			e.Use(recovery(s.Recover))
		}
		if s.Router != nil {
			e.Use(authecho.Middleware(s.Router.Validator, s.Router.Mode, s.Router.Scopes...))
		}
		for _, route := range s.Routes {
			e.Add(route.Method, route.Path, func(c *echo.Context) error {
				claims, ok := authecho.Claims(c)
				route.Handle(c.Response(), c.Request(), claims, ok)
				return nil
			}, middleware(route.Middleware))
		}
		return e
	})
}

// recovery returns a middleware that recovers from a panic. A handler that was not called does not run, so there is nothing
// to abort.
func recovery(recovered func(value any) bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			defer func() {
				if value := recover(); value != nil {
					recovered(value)
					_ = c.NoContent(http.StatusInternalServerError)
				}
			}()
			return next(c)
		}
	}
}

func middleware(m adaptertest.Middleware) echo.MiddlewareFunc {
	switch m.Mode {
	case authmw.None:
		return authecho.None()
	case authmw.Optional:
		return authecho.Optional(m.Validator, m.Scopes...)
	case authmw.Required:
		return authecho.Required(m.Validator, m.Scopes...)
	default:
		return authecho.Middleware(m.Validator, m.Mode, m.Scopes...)
	}
}

func TestErrorHandlerSeesDenialFirst(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	e := echo.New()
	e.HTTPErrorHandler = func(c *echo.Context, err error) {
		var denied *authmw.Error
		response, _ := echo.UnwrapResponse(c.Response())
		if !errors.As(err, &denied) || echo.StatusCode(err) != denied.Status() || response.Committed {
			t.Errorf("the error handler gets %v, after something was written: %v", err, response.Committed)
			return
		}
		_ = c.String(http.StatusTeapot, denied.Code())
	}
	e.GET("/files", func(*echo.Context) error {
		t.Error("the handler runs")
		return nil
	}, authecho.Required(v))

	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files", nil))
	require.Equal(t, http.StatusTeapot, w.Code)
	require.Equal(t, "missing_token", w.Body.String())
	require.Equal(t, "text/plain; charset=UTF-8", w.Header().Get("Content-Type"), "the handler's own")
	require.Equal(t, `Bearer realm="api"`, w.Header().Get("WWW-Authenticate"))
}

// TestDenialOutlivesItsRequest marshals denials after their requests, while Echo's context serves another one, as a queue
// of errors to report does.
func TestDenialOutlivesItsRequest(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	e := echo.New()
	var kept []json.Marshaler
	e.HTTPErrorHandler = func(c *echo.Context, err error) {
		echo.DefaultHTTPErrorHandler(false)(c, err)
		if denied, ok := err.(json.Marshaler); ok {
			kept = append(kept, denied)
		}
	}
	e.GET("/files", func(*echo.Context) error { return nil }, authecho.Required(v))
	e.GET("/open", func(c *echo.Context) error {
		c.Response().Header().Set("Content-Type", "application/json")
		for _, denied := range kept {
			_, err := denied.MarshalJSON()
			require.NoError(t, err)
		}
		return c.NoContent(http.StatusOK)
	})
	for range 20 {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files", nil))
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		w = httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/open", nil))
		require.Equal(t, "application/json", w.Header().Get("Content-Type"), "the other request's own")
	}
	require.Len(t, kept, 20)
}

func TestHandlersErrorPassesUnchanged(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	e := echo.New()
	e.GET("/files", func(*echo.Context) error { return echo.NewHTTPError(http.StatusTeapot, "") }, authecho.Optional(v))

	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files", nil))
	require.Equal(t, http.StatusTeapot, w.Code)
}

// TestFormOfAReplacedRequest has a middleware after authecho that replaces the request, and a handler that replaces it by
// one that has no form.
func TestFormOfAReplacedRequest(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	form := new(multipart.Form)
	e := echo.New()
	e.Use(authecho.Optional(v), func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.SetRequest(c.Request().WithContext(c.Request().Context()))
			return next(c)
		}
	})
	e.POST("/form", func(c *echo.Context) error {
		c.Request().MultipartForm, c.Request().Pattern = form, "POST /form"
		return nil
	})
	e.POST("/none", func(c *echo.Context) error {
		c.SetRequest(httptest.NewRequest(http.MethodGet, "/", nil))
		return nil
	})
	for _, path := range []string{"/form", "/none"} {
		request := httptest.NewRequest(http.MethodPost, path, nil)
		request.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0"}))
		if path == "/none" {
			request.MultipartForm, request.Pattern = form, "POST /form"
		}
		e.ServeHTTP(httptest.NewRecorder(), request)
		require.Same(t, form, request.MultipartForm, path)
		require.Equal(t, map[string]string{"/form": "POST /form", "/none": "/none"}[path], request.Pattern, "Echo sets it")
	}
}

// TestPreflightIntoAHandler sends a request that only claims to be a preflight to handlers that take every method.
func TestPreflightIntoAHandler(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	careless := func(*echo.Context) error {
		t.Error("a stranger gets in")
		return nil
	}
	for name, prepare := range map[string]func(*echo.Echo){
		"Use, route for any method": func(e *echo.Echo) { e.Use(authecho.Required(v)); e.Any("/files", careless) },
		"Use, no route":             func(e *echo.Echo) { e.Use(authecho.Required(v)); e.RouteNotFound("/*", careless) },
		"Use, middleware that answers": func(e *echo.Echo) {
			e.Use(authecho.Required(v), func(echo.HandlerFunc) echo.HandlerFunc { return careless })
		},
		"Pre, route for any method": func(e *echo.Echo) { e.Pre(authecho.Required(v)); e.Any("/files", careless) },
		"Pre, route for OPTIONS":    func(e *echo.Echo) { e.Pre(authecho.Required(v)); e.OPTIONS("/files", careless) },
		"group":                     func(e *echo.Echo) { e.Group("/files", authecho.Required(v)).Any("", careless) },
		"route":                     func(e *echo.Echo) { e.Any("/files", careless, authecho.Required(v)) },
	} {
		t.Run(name, func(t *testing.T) {
			e := echo.New()
			prepare(e)
			r := httptest.NewRequest(http.MethodOptions, "/files", nil)
			r.Header.Set("Origin", "https://app.example")
			r.Header.Set("Access-Control-Request-Method", http.MethodGet)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Equal(t, http.StatusUnauthorized, w.Code)
		})
	}
}
