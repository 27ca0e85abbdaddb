package examples_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	gincors "github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echov5 "github.com/labstack/echo/v5"
	middlewarev5 "github.com/labstack/echo/v5/middleware"
	"github.com/rs/cors"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echo"
	authechov5 "github.com/authmw/authmw/adapters/echov5"
	authgin "github.com/authmw/authmw/adapters/gin"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/hashid"
)

// corsServers has the code of docs/security.md, line by line, so that it compiles.
func corsServers(v *authmw.Validator, mux *http.ServeMux, e *echo.Echo, r *gin.Engine) http.Handler {
	browsers := cors.New(cors.Options{
		AllowedOrigins: []string{"https://app.example"},
		AllowedMethods: []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		AllowedHeaders: []string{"Authorization", "Content-Type"},
		ExposedHeaders: []string{"WWW-Authenticate", "Retry-After"},
	})
	handler := browsers.Handler(authhttp.Required(v)(mux))

	e.Use(middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins:  []string{"https://app.example"},
		AllowMethods:  []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		AllowHeaders:  []string{"Authorization", "Content-Type"},
		ExposeHeaders: []string{"WWW-Authenticate", "Retry-After"},
	}))
	e.Use(authecho.Required(v))

	r.Use(gincors.New(gincors.Config{
		AllowOrigins:  []string{"https://app.example"},
		AllowMethods:  []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		AllowHeaders:  []string{"Authorization", "Content-Type"},
		ExposeHeaders: []string{"WWW-Authenticate", "Retry-After"},
	}))
	r.Use(authgin.Required(v))
	return handler
}

// userID is a user's number in Cloudreve's database.
type userID int64

// checkedSubjects has the code of docs/security.md about subjects.
func checkedSubjects(secret []byte, salt string) (*authmw.Validator, error) {
	ids, err := hashid.New(salt)
	if err != nil {
		return nil, err
	}
	v, err := authmw.New(secret, authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
		id, err := ids.Decode(claims.Subject, hashid.User)
		if err != nil {
			return false, nil
		}
		authmw.SetValue(claims, userID(id))
		return true, nil
	}))
	return v, err
}

func valueOf(r *http.Request) (userID, bool) {
	id, ok := authmw.Value[userID](r.Context())
	return id, ok
}

func TestCheckedSubjects(t *testing.T) {
	const salt = "a salt for tests"
	v, err := checkedSubjects([]byte(authmwtest.Secret), salt)
	require.NoError(t, err)
	ids, err := hashid.New(salt)
	require.NoError(t, err)
	encode := func(n int64, kind hashid.Type) string {
		id, err := ids.Encode(n, kind)
		require.NoError(t, err)
		return id
	}
	for subject, want := range map[string]error{
		encode(7, hashid.User):  nil,
		encode(7, hashid.Group): authmw.ErrTokenRejected,
		"zzzz":                  authmw.ErrTokenRejected,
		"admin@example.com":     authmw.ErrTokenRejected,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: subject}))
		r, err := v.Authenticate(r, authmw.Required)
		if want != nil {
			require.ErrorIs(t, err, want, subject)
			continue
		}
		require.NoError(t, err)
		id, ok := valueOf(r)
		require.True(t, ok)
		require.EqualValues(t, 7, id)
	}
}

// TestCORS sends what a browser does for a page of another origin through the code of docs/security.md.
func TestCORS(t *testing.T) {
	gin.SetMode(gin.TestMode)
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	mux, e, r := http.NewServeMux(), echo.New(), gin.New()
	handler := corsServers(v, mux, e, r)
	mux.HandleFunc("DELETE /files", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "deleted") })
	e.DELETE("/files", func(c echo.Context) error { return c.String(http.StatusOK, "deleted") })
	r.DELETE("/files", func(c *gin.Context) { c.String(http.StatusOK, "deleted") })
	e5 := echov5.New()
	e5.Use(middlewarev5.CORSWithConfig(middlewarev5.CORSConfig{
		AllowOrigins:  []string{"https://app.example"},
		AllowMethods:  []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		AllowHeaders:  []string{"Authorization", "Content-Type"},
		ExposeHeaders: []string{"WWW-Authenticate", "Retry-After"},
	}))
	e5.Use(authechov5.Required(v))
	e5.DELETE("/files", func(c *echov5.Context) error { return c.String(http.StatusOK, "deleted") })

	for name, handler := range map[string]http.Handler{"net/http": handler, "Echo v4": e, "Echo v5": e5, "Gin": r} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			send := func(method, origin, token string, header ...string) (*http.Response, string) {
				r, err := http.NewRequest(method, server.URL+"/files", nil)
				require.NoError(t, err)
				r.Header.Set("Origin", origin)
				for i := 0; i < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				response, err := server.Client().Do(r)
				require.NoError(t, err)
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				return response, string(body)
			}
			const app = "https://app.example"
			preflight := []string{"Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization,content-type"}

			response, _ := send(http.MethodOptions, app, "", preflight...)
			require.Less(t, response.StatusCode, 300)
			require.Equal(t, app, response.Header.Get("Access-Control-Allow-Origin"))
			require.Contains(t, response.Header.Get("Access-Control-Allow-Methods"), "DELETE")
			require.Regexp(t, "(?i)authorization", response.Header.Get("Access-Control-Allow-Headers"))
			require.Regexp(t, "(?i)content-type", response.Header.Get("Access-Control-Allow-Headers"))

			response, _ = send(http.MethodDelete, app, "")
			require.Equal(t, http.StatusUnauthorized, response.StatusCode)
			require.Equal(t, app, response.Header.Get("Access-Control-Allow-Origin"), "the page can read the denial")
			require.Regexp(t, "(?i)www-authenticate", response.Header.Get("Access-Control-Expose-Headers"))
			require.Equal(t, `Bearer realm="api"`, response.Header.Get("WWW-Authenticate"))

			token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0"})
			response, body := send(http.MethodDelete, app, token)
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, "deleted", body)
			require.Equal(t, app, response.Header.Get("Access-Control-Allow-Origin"))

			response, _ = send(http.MethodOptions, "https://evil.example", "", preflight...)
			require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
		})
	}

	blocks := codeBlocks(t, "../docs/security.md")
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		requireLines(t, block, "security_test.go")
	}
}
