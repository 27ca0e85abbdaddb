package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echo"
	authgin "github.com/authmw/authmw/adapters/gin"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
)

// served is a ResponseWriter that keeps the status alone, so that what is measured is the handler.
type served struct {
	header http.Header
	status int
}

func (s *served) Header() http.Header         { return s.header }
func (s *served) Write(p []byte) (int, error) { return len(p), nil }
func (s *served) WriteHeader(status int)      { s.status = status }

// serve makes a benchmark of a handler's answer to one request, whose status must be the given one.
func serve(handler http.Handler, path, token string, status int) func(*testing.B) {
	return func(b *testing.B) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := &served{header: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			w.status = 0
			handler.ServeHTTP(w, r)
			if w.status != status {
				b.Fatalf("status %d", w.status)
			}
		}
	}
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// okIf answers as ok does if the claims that a middleware left are good.
func okIf(claims func(*http.Request) (tokenType, subject string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if checkClaims(claims(r)) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ok(w, r)
	})
}

func httpMiddlewares(token string) []benchmark {
	auth := jwtauth.New("HS256", secret, nil)
	viaJWTAuth := jwtauth.Verifier(auth)(jwtauth.Authenticator(auth)(okIf(func(r *http.Request) (string, string) {
		token, claims, _ := jwtauth.FromContext(r.Context())
		tokenType, _ := claims["token_type"].(string)
		return tokenType, token.Subject()
	})))

	// auth0's insists on an issuer and an audience, so its token has both.
	const issuer, audience = "https://cloudreve.example/", "cloudreve"
	auth0Token := mint(secret, jwt.MapClaims{"iss": issuer, "aud": audience})
	auth0 := must(validator.New(func(context.Context) (any, error) { return secret, nil }, validator.HS256, issuer, []string{audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return new(auth0Claims) })))
	viaAuth0 := jwtmiddleware.New(auth0.ValidateToken).CheckJWT(okIf(func(r *http.Request) (string, string) {
		claims := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
		return claims.CustomClaims.(*auth0Claims).TokenType, claims.RegisteredClaims.Subject
	}))

	bare := http.HandlerFunc(ok)
	return []benchmark{
		{name: "bare handler", run: serve(bare, "/", token, http.StatusNoContent)},
		{name: "authmw", run: serve(authhttp.Required(newValidator())(bare), "/", token, http.StatusNoContent)},
		{name: "jwtauth", run: serve(viaJWTAuth, "/", token, http.StatusNoContent)},
		{name: "auth0/go-jwt-middleware", run: serve(viaAuth0, "/", auth0Token, http.StatusNoContent)},
	}
}

type auth0Claims struct {
	TokenType string `json:"token_type"`
}

func (*auth0Claims) Validate(context.Context) error { return nil }

func echoMiddlewares(token string) []benchmark {
	with := func(check func(echo.Context) error, middleware ...echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		e.GET("/", func(c echo.Context) error {
			if err := check(c); err != nil {
				return err
			}
			return c.NoContent(http.StatusNoContent)
		}, middleware...)
		return e
	}
	nothing := func(echo.Context) error { return nil }
	viaEchoJWT := echojwt.WithConfig(echojwt.Config{
		SigningKey:    secret,
		NewClaimsFunc: func(echo.Context) jwt.Claims { return new(cloudreveClaims) },
	})
	return []benchmark{
		{name: "bare handler", run: serve(with(nothing), "/", token, http.StatusNoContent)},
		{name: "authmw", run: serve(with(nothing, authecho.Required(newValidator())), "/", token, http.StatusNoContent)},
		{name: "echo-jwt", run: serve(with(func(c echo.Context) error {
			claims := c.Get("user").(*jwt.Token).Claims.(*cloudreveClaims)
			return checkClaims(claims.TokenType, claims.Subject)
		}, viaEchoJWT), "/", token, http.StatusNoContent)},
	}
}

func ginMiddlewares(token string) []benchmark {
	gin.SetMode(gin.ReleaseMode)
	with := func(check func(*gin.Context) error, middleware ...gin.HandlerFunc) http.Handler {
		r := gin.New()
		r.GET("/", append(middleware, func(c *gin.Context) {
			if check(c) != nil {
				c.AbortWithStatus(http.StatusUnauthorized)
				return
			}
			c.Status(http.StatusNoContent)
		})...)
		return r
	}
	nothing := func(*gin.Context) error { return nil }
	viaGinJWT := must(ginjwt.New(&ginjwt.GinJWTMiddleware{Realm: "bench", Key: secret})).MiddlewareFunc()
	return []benchmark{
		{name: "bare handler", run: serve(with(nothing), "/", token, http.StatusNoContent)},
		{name: "authmw", run: serve(with(nothing, authgin.Required(newValidator())), "/", token, http.StatusNoContent)},
		{name: "gin-jwt", run: serve(with(func(c *gin.Context) error {
			claims := ginjwt.ExtractClaims(c)
			tokenType, _ := claims["token_type"].(string)
			subject, _ := claims["sub"].(string)
			return checkClaims(tokenType, subject)
		}, viaGinJWT), "/", token, http.StatusNoContent)},
	}
}

// routes has a mux of n routes and a request to the last.
func routes(n int, token string) func(*testing.B) {
	v := newValidator()
	mux := http.NewServeMux()
	for i := range n {
		mux.Handle(fmt.Sprintf("GET /routes/%d/files", i), authhttp.Required(v)(http.HandlerFunc(ok)))
	}
	return serve(mux, fmt.Sprintf("/routes/%d/files", n-1), token, http.StatusNoContent)
}

// bareRoutes is routes without authmw.
func bareRoutes(n int) func(*testing.B) {
	mux := http.NewServeMux()
	for i := range n {
		mux.Handle(fmt.Sprintf("GET /routes/%d/files", i), http.HandlerFunc(ok))
	}
	return serve(mux, fmt.Sprintf("/routes/%d/files", n-1), "", http.StatusNoContent)
}

// check makes a func of Check, for a request that is denied.
func check(v *authmw.Validator, authorization string) func() error {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return func() error {
		_, err := v.Check(r, authmw.Required)
		return err
	}
}
