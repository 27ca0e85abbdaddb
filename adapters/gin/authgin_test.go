package authgin_test

import (
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
			r.Use(authgin.Middleware(s.Validator, *s.Router))
		}
		for _, route := range s.Routes {
			r.Handle(route.Method, route.Path, middleware(s.Validator, route), func(c *gin.Context) {
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

func middleware(v *authmw.Validator, route authmwtest.Route) gin.HandlerFunc {
	switch route.Mode {
	case authmw.None:
		return authgin.None()
	case authmw.Optional:
		return authgin.Optional(v, route.Scopes...)
	default:
		return authgin.Required(v, route.Scopes...)
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
}
