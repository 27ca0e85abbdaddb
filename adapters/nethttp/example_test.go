package authhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
)

func Example() {
	v, err := authmw.New([]byte(authmwtest.Secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims, ok := authhttp.Claims(r); ok {
			_, _ = fmt.Fprintln(w, "hello,", claims.Subject)
			return
		}
		_, _ = fmt.Fprintln(w, "hello, stranger")
	})
	mux := http.NewServeMux()
	mux.Handle("GET /files", authhttp.Required(v, "Files.Read")(greet))
	mux.Handle("GET /share", authhttp.Optional(v)(greet))
	mux.Handle("GET /ping", authhttp.None()(greet))

	for _, path := range []string{"/files", "/share", "/ping"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 401 {"title":"Unauthorized","status":401,"detail":"This resource requires an access token.","code":"missing_token"}
	// 200 hello, stranger
	// 200 hello, stranger
}
