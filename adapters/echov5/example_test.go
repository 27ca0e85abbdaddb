package authecho_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echov5"
	"github.com/authmw/authmw/authmwtest"
)

func Example() {
	v, err := authmw.New([]byte(authmwtest.Secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := func(c *echo.Context) error {
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
