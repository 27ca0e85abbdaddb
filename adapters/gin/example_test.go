package authgin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/authmw/authmw"
	authgin "github.com/authmw/authmw/adapters/gin"
	"github.com/authmw/authmw/authmwtest"
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
