package examples_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echo"
	"github.com/authmw/authmw/authmwtest"
)

// TestEchoTimeout denies requests inside of Echo's Timeout middleware, which has a writer of its own and drops what was
// written before an error is returned.
func TestEchoTimeout(t *testing.T) {
	html := func(*http.Request, *authmw.Error) authmw.Response {
		return authmw.Response{Status: http.StatusUnauthorized, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<p>Log in</p>")}
	}
	for _, row := range []struct {
		name              string
		render            authmw.Renderer
		contentType, body string
	}{
		{"JSON", authmw.ProblemJSON, "application/problem+json", `{"title":"Unauthorized","status":401,"detail":"This resource requires an access token.","code":"missing_token"}` + "\n"},
		{"other than JSON", html, "text/html", "<p>Log in</p>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithRenderer(row.render))
			require.NoError(t, err)
			e := echo.New()
			seen := 0
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				if errors.Is(err, authmw.ErrMissingToken) {
					seen++
				}
				e.DefaultHTTPErrorHandler(err, c)
			}
			e.Use(middleware.TimeoutWithConfig(middleware.TimeoutConfig{Timeout: time.Minute})) //lint:ignore SA1019 many still use it
			e.GET("/", func(echo.Context) error { return nil }, authecho.Required(v))
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, http.StatusUnauthorized, w.Code)
			require.Equal(t, row.contentType, w.Header().Get("Content-Type"))
			require.Equal(t, row.body, w.Body.String())
			require.Equal(t, `Bearer realm="api"`, w.Header().Get("WWW-Authenticate"))
			require.Equal(t, 1, seen, "the error handler sees the denial")
		})
	}
}
