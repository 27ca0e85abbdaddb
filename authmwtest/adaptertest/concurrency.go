package adaptertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/authmw/authmw"
)

// testConcurrency sends a thousand requests of a hundred users at once, and has each handler look twice.
func testConcurrency(t *testing.T, build func(Server) http.Handler) {
	const users, requests = 100, 1000
	handle := func(w http.ResponseWriter, r *http.Request, claims *authmw.Claims, ok bool) {
		if !ok || len(claims.Scopes) == 0 {
			_, _ = io.WriteString(w, "anonymous")
			return
		}
		subject, scopes := claims.Subject, strings.Join(claims.Scopes, " ")
		runtime.Gosched()
		again, _ := authmw.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "%s %s %s %s", subject, scopes, again.Subject, strings.Join(again.Scopes, " "))
		claims.Scopes[0] = "changed by the handler"
	}
	v := newValidator(t)
	handler := build(Server{Routes: []Route{
		{http.MethodGet, "/optional", Middleware{v, authmw.Optional, nil}, handle},
		{http.MethodGet, "/required", Middleware{v, authmw.Required, []string{scope}}, handle},
	}})
	tokens := make([]string, users)
	for i := range tokens {
		tokens[i] = accessToken(t, func(c *authmw.Claims) {
			c.Subject = fmt.Sprint("user", i)
			c.ClientID, c.Scopes = clientID, []string{scope, fmt.Sprint("Scope", i)}
		})
	}

	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() {
			user := i % users
			path, want := "/required", fmt.Sprintf("user%d %s Scope%[1]d user%[1]d %[2]s Scope%[1]d", user, scope)
			if i%2 == 0 {
				path = "/optional"
			}
			r := httptest.NewRequest(http.MethodGet, path, nil)
			if i%10 == 0 {
				want = "anonymous"
			} else {
				r.Header.Set("Authorization", "Bearer "+tokens[user])
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Body.String(); got != want {
				t.Errorf("request %d of user %d: got %q, want %q", i, user, got, want)
			}
		})
	}
	wg.Wait()
}
