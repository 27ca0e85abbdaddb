package authgin_test

import (
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authgin "github.com/authmw/authmw/adapters/gin"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/adaptertest"
)

func TestAdapter(t *testing.T) {
	adaptertest.TestAdapter(t, func(s adaptertest.Server) http.Handler {
		r := newEngine()
		if s.Recover != nil {
			r.Use(recovery(s.Recover))
		}
		if s.Router != nil {
			r.Use(authgin.Middleware(s.Router.Validator, s.Router.Mode, s.Router.Scopes...))
		}
		for _, route := range s.Routes {
			r.Handle(route.Method, route.Path, middleware(route.Middleware), func(c *gin.Context) {
				claims, ok := authgin.Claims(c)
				route.Handle(c.Writer, c.Request, claims, ok)
			})
		}
		return r
	})
}

// recovery returns a middleware such as gin.Recovery, which aborts, or sentry-go/gin, which does not.
func recovery(abort func(value any) bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if value := recover(); value != nil {
				c.JSON(http.StatusInternalServerError, gin.H{"error": "internal"})
				if abort(value) {
					c.Abort()
				}
			}
		}()
		c.Next()
	}
}

func middleware(m adaptertest.Middleware) gin.HandlerFunc {
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

// TestFormOfAReplacedRequest has a middleware after authgin that replaces the request, and a handler that replaces it by one
// that has no form.
func TestFormOfAReplacedRequest(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	form := new(multipart.Form)
	r := newEngine()
	r.Use(authgin.Optional(v), func(c *gin.Context) { c.Request = c.Request.WithContext(c.Request.Context()) })
	r.POST("/form", func(c *gin.Context) { c.Request.MultipartForm, c.Request.Pattern = form, "POST /form" })
	r.POST("/none", func(c *gin.Context) { c.Request = httptest.NewRequest(http.MethodGet, "/", nil) })
	for _, path := range []string{"/form", "/none"} {
		request := httptest.NewRequest(http.MethodPost, path, nil)
		request.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0"}))
		if path == "/none" {
			request.MultipartForm, request.Pattern = form, "POST /form"
		}
		r.ServeHTTP(httptest.NewRecorder(), request)
		require.Same(t, form, request.MultipartForm, path)
		require.Equal(t, "POST /form", request.Pattern, path)
	}
}

// TestPreflightIntoAHandler sends a request that only claims to be a preflight to handlers that take every method.
func TestPreflightIntoAHandler(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	required := authgin.Required(v)
	careless := func(*gin.Context) { t.Error("a stranger gets in") }
	for name, prepare := range map[string]func(*gin.Engine){
		"Use, route for any method": func(r *gin.Engine) { r.Use(required); r.Any("/files", careless) },
		"route":                     func(r *gin.Engine) { r.Any("/files", required, careless) },
		"group":                     func(r *gin.Engine) { r.Group("/files", required).Any("", careless) },
		"Use, NoRoute":              func(r *gin.Engine) { r.Use(required); r.NoRoute(careless) },
		"NoRoute":                   func(r *gin.Engine) { r.NoRoute(required, careless) },
		"NoMethod": func(r *gin.Engine) {
			r.HandleMethodNotAllowed = true
			r.Use(required)
			r.GET("/files", careless)
			r.NoMethod(careless)
		},
		"Use, a later middleware": func(r *gin.Engine) { r.Use(required, careless) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newEngine()
			prepare(r)
			request := httptest.NewRequest(http.MethodOptions, "/files", strings.NewReader("body"))
			request.Header.Set("Origin", "https://app.example")
			request.Header.Set("Access-Control-Request-Method", http.MethodGet)
			request.Header.Set("X-HTTP-Method-Override", http.MethodDelete)
			w := httptest.NewRecorder()
			r.ServeHTTP(w, request)
			require.Equal(t, http.StatusUnauthorized, w.Code)
		})
	}
}

// TestPanicUnderCustomRecovery has Gin's own recovery middleware, with a function that only writes JSON.
func TestPanicUnderCustomRecovery(t *testing.T) {
	v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithObserver(func(e authmw.Decision) { _ = e.Claims.Subject }))
	require.NoError(t, err)
	r := newEngine()
	r.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) {
		c.JSON(http.StatusInternalServerError, gin.H{"error": "internal"})
	}))
	r.GET("/files", authgin.Required(v), func(*gin.Context) { t.Error("a stranger gets in") })

	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files", nil))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.JSONEq(t, `{"error":"internal"}`, w.Body.String())
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
