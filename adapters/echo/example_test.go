package authecho_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echo"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

func Example() {
	v, err := authmw.New([]byte(authmwtest.Secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := func(c echo.Context) error {
		if claims, ok := authecho.Claims(c); ok {
			return c.String(http.StatusOK, "hello, "+claims.Subject+"\n")
		}
		return c.String(http.StatusOK, "hello, stranger\n")
	}
	e := echo.New()
	e.GET("/files", greet, authecho.Required(v, "Files.Read"))
	e.GET("/share", greet, authecho.Optional(v))
	e.GET("/ping", greet, authecho.None())

	for _, path := range []string{"/files", "/share", "/ping"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 401 {"title":"Unauthorized","status":401,"detail":"This resource requires an access token.","code":"missing_token"}
	// 200 hello, stranger
	// 200 hello, stranger
}

// Some code looks for the claims under a key of Echo's context. A middleware after this one puts them there.
func ExampleClaims() {
	secret := []byte(authmwtest.Secret)
	v, err := authmw.New(secret)
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(authecho.Required(v), func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if claims, ok := authecho.Claims(c); ok {
				c.Set("claims", claims)
			}
			return next(c)
		}
	})
	e.GET("/files", func(c echo.Context) error {
		return c.String(http.StatusOK, "hello, "+c.Get("claims").(*authmw.Claims).Subject)
	})

	i, err := issuer.New(secret, issuer.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	pair, err := i.Issue(context.Background(), issuer.Identity{Subject: "wGH0"})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/files", nil)
	r.Header.Set("Authorization", "Bearer "+pair.AccessToken)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: hello, wGH0
}
