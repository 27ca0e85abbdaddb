package authecho_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echov5"
	"github.com/authmw/authmw/authmwtest"
)

func TestAdapter(t *testing.T) {
	authmwtest.TestAdapter(t, func(s authmwtest.Server) http.Handler {
		e := echo.New()
		if s.Router != nil {
			e.Use(authecho.Middleware(s.Validator, *s.Router))
		}
		for _, route := range s.Routes {
			e.Add(route.Method, route.Path, func(c *echo.Context) error {
				claims, ok := authecho.Claims(c)
				stored, found := c.Get(authecho.ClaimsKey).(*authmw.Claims)
				if ok != found || stored != claims {
					t.Errorf("the store holds %v, Claims returned %v", stored, claims)
				}
				route.Handle(c.Response(), c.Request(), claims, ok)
				return nil
			}, middleware(s.Validator, route))
		}
		return e
	})
}

func middleware(v *authmw.Validator, route authmwtest.Route) echo.MiddlewareFunc {
	switch route.Mode {
	case authmw.None:
		return authecho.None()
	case authmw.Optional:
		return authecho.Optional(v, route.Scopes...)
	default:
		return authecho.Required(v, route.Scopes...)
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

func TestHandlersErrorPassesUnchanged(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	e := echo.New()
	e.GET("/files", func(*echo.Context) error { return echo.NewHTTPError(http.StatusTeapot, "") }, authecho.Optional(v))

	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files", nil))
	require.Equal(t, http.StatusTeapot, w.Code)
}
