package authgin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authgin "github.com/authmw/authmw/adapters/gin"
	"github.com/authmw/authmw/authmwtest"
)

func TestAdapter(t *testing.T) {
	authmwtest.TestAdapter(t, func(s authmwtest.Server) http.Handler {
		r := newEngine()
		if s.Router != nil {
			r.Use(authgin.Middleware(s.Router.Validator, s.Router.Mode, s.Router.Scopes...))
		}
		for _, route := range s.Routes {
			r.Handle(route.Method, route.Path, middleware(route.Middleware), func(c *gin.Context) {
				claims, ok := authgin.Claims(c)
				stored, found := c.Get(authgin.ClaimsKey)
				if ok != found || ok && stored != claims {
					t.Errorf("the store holds %v, Claims returned %v", stored, claims)
				}
				route.Handle(c.Writer, c.Request, claims, ok)
			})
		}
		return r
	})
}

func middleware(m authmwtest.Middleware) gin.HandlerFunc {
	switch m.Mode {
	case authmw.None:
		return authgin.None()
	case authmw.Optional:
		return authgin.Optional(m.Validator, m.Scopes...)
	case authmw.Required:
		return authgin.Required(m.Validator, m.Scopes...)
	default:
		return authgin.Middleware(m.Validator, m.Mode, m.Scopes...)
	}
}

func newEngine() *gin.Engine {
	gin.SetMode(gin.TestMode)
	return gin.New()
}

func TestDenialIsRecordedAndAborts(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	r := newEngine()
	var recorded []*gin.Error
	r.Use(func(c *gin.Context) {
		c.Next()
		recorded = c.Errors
	})
	r.GET("/files", authgin.Required(v), func(*gin.Context) { t.Error("the handler runs") })

	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files", nil))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Len(t, recorded, 1)
	require.ErrorIs(t, recorded[0], authmw.ErrMissingToken)
	var denied *authmw.Error
	require.ErrorAs(t, recorded[0], &denied)
}

// TestPreflightIntoAHandler has preflights to where a handler that takes every method for GET would answer them. Gin does
// not tell a path that no route matches from one that NoRoute is for, so that handler runs, but is not heard.
func TestPreflightIntoAHandler(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	required := authgin.Required(v)
	careless := func(c *gin.Context) {
		_, ok := authgin.Claims(c)
		require.False(t, ok)
		_, _, err := c.Writer.Hijack()
		require.Error(t, err)
		c.Header("Access-Control-Allow-Origin", "https://app.example")
		c.Header("Content-Length", "8")
		c.String(http.StatusOK, "a secret")
		_, _ = c.Writer.WriteString("another secret")
	}
	for name, row := range map[string]struct {
		prepare func(*gin.Engine)
		status  int
	}{
		"Use, route for any method": {func(r *gin.Engine) { r.Use(required); r.Any("/files", careless) }, http.StatusUnauthorized},
		"route":                     {func(r *gin.Engine) { r.Any("/files", required, careless) }, http.StatusUnauthorized},
		"group":                     {func(r *gin.Engine) { r.Group("/files", required).Any("", careless) }, http.StatusUnauthorized},
		"Use, NoRoute":              {func(r *gin.Engine) { r.Use(required); r.NoRoute(careless) }, http.StatusOK},
		"NoRoute":                   {func(r *gin.Engine) { r.NoRoute(required, careless) }, http.StatusOK},
		"NoMethod": {func(r *gin.Engine) {
			r.HandleMethodNotAllowed = true
			r.Use(required)
			r.GET("/files", careless)
			r.NoMethod(careless)
		}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := newEngine()
			row.prepare(r)
			request := httptest.NewRequest(http.MethodOptions, "/files", nil)
			request.Header.Set("Origin", "https://app.example")
			request.Header.Set("Access-Control-Request-Method", http.MethodGet)
			w := httptest.NewRecorder()
			r.ServeHTTP(w, request)
			require.Equal(t, row.status, w.Code)
			require.NotContains(t, w.Body.String(), "secret")
			require.Equal(t, row.status == http.StatusOK, w.Header().Get("Access-Control-Allow-Origin") != "")
			require.Empty(t, w.Header().Get("Content-Length"))
		})
	}
}

func TestErrorLoggerTellsNoDetail(t *testing.T) {
	down := authmw.KeySourceFunc(func(context.Context) (*authmw.Keys, error) { return nil, errors.New("no route to db.internal") })
	v, err := authmw.NewFromKeySource(down)
	require.NoError(t, err)
	r := newEngine()
	r.Use(gin.ErrorLogger())
	r.GET("/files", authgin.Required(v), func(*gin.Context) { t.Error("the handler runs") })

	request := httptest.NewRequest(http.MethodGet, "/files", nil)
	request.Header.Set("Authorization", "Bearer x")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, request)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "db.internal")
}
