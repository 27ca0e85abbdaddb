package introspect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/introspect"
)

// A plugin asks the site who a request is from. It has no key.
func Example() {
	cloudreve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"code":401,"msg":"Login required"}`) // the token below is from another site
	}))
	defer cloudreve.Close()

	site, err := introspect.New(cloudreve.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := authmw.NewFromIntrospector(site)
	if err != nil {
		fmt.Println(err)
		return
	}
	plugin := authhttp.Required(v)(http.NotFoundHandler())

	r := httptest.NewRequest("GET", "/notes", nil)
	r.Header.Set("Authorization", "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."+
		"eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwic3ViIjoid0dIMCIsImV4cCI6NDEwMjQ0NDgwMH0.XHDSlAsxjBD4qkB7xiFGNTFSJ2wSk5mWVfX0nEqOGcI")
	w := httptest.NewRecorder()
	plugin.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 401 {"title":"Unauthorized","status":401,"detail":"The access token has an invalid signature.","code":"invalid_signature"}
}
