package authgin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/authmw/authmw"
	authgin "github.com/authmw/authmw/adapters/gin"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

func Example() {
	v, err := authmw.New([]byte(authmwtest.Secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := func(c *gin.Context) {
		if claims, ok := authgin.Claims(c); ok {
			c.String(http.StatusOK, "hello, %s\n", claims.Subject)
			return
		}
		c.String(http.StatusOK, "hello, stranger\n")
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/files", authgin.Required(v, "Files.Read"), greet)
	r.GET("/share", authgin.Optional(v), greet)
	r.GET("/ping", authgin.None(), greet)

	for _, path := range []string{"/files", "/share", "/ping"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 401 {"title":"Unauthorized","status":401,"detail":"This resource requires an access token.","code":"missing_token"}
	// 200 hello, stranger
	// 200 hello, stranger
}

// Some code looks for the claims under a key of Gin's context. A middleware after this one puts them there.
func ExampleClaims() {
	secret := []byte(authmwtest.Secret)
	v, err := authmw.New(secret)
	if err != nil {
		log.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(authgin.Required(v), func(c *gin.Context) {
		if claims, ok := authgin.Claims(c); ok {
			c.Set("claims", claims)
		}
	})
	r.GET("/files", func(c *gin.Context) {
		c.String(http.StatusOK, "hello, "+c.MustGet("claims").(*authmw.Claims).Subject)
	})

	i, err := issuer.New(secret, issuer.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	pair, err := i.Issue(context.Background(), issuer.Identity{Subject: "wGH0"})
	if err != nil {
		log.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/files", nil)
	request.Header.Set("Authorization", "Bearer "+pair.AccessToken)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, request)
	fmt.Println(w.Body)
	// Output: hello, wGH0
}
