package session_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/session"
)

func Example() {
	i, err := issuer.New([]byte("a secret of at least thirty-two bytes"), issuer.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(i, func(_ context.Context, email, password string) (session.User, error) {
		if email != "demo@example.com" || password != "Passw0rd!" { // in a real one, a hash from the database
			return session.User{}, session.ErrInvalidCredentials
		}
		return session.User{Identity: issuer.Identity{Subject: "wGH0"}, Profile: map[string]string{"id": "wGH0"}}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v4/session/", sessions)

	for _, password := range []string{"Passw0rd!", "guess"} {
		body := fmt.Sprintf(`{"email":"demo@example.com","password":%q}`, password)
		r := httptest.NewRequest("POST", "/api/v4/session/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Body.String()[:76] + "…")
	}
	// Output:
	// {"code":0,"data":{"user":{"id":"wGH0"},"token":{"access_token":"eyJhbGciOiJI…
	// {"code":40080,"msg":"Incorrect password or email address","correlation_id":"…
}
