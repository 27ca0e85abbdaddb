// Nethttp is a companion service that looks up each user, and logs every request that it denies.
//
//	AUTHMW_SECRET=$(cat master-key) go run ./examples/nethttp
package main

import (
	"context"
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
)

// banned stands in for a table of users: a token cannot know what happened to its user since it was issued.
type banned struct{ users sync.Map }

func (b *banned) check(_ context.Context, claims *authmw.Claims) (bool, error) {
	_, found := b.users.Load(claims.Subject)
	return !found, nil
}

func newHandler(secret []byte, b *banned, logger *slog.Logger) (http.Handler, error) {
	v, err := authmw.New(secret,
		authmw.WithClaimsCheck(b.check),
		authmw.WithObserver(func(e authmw.Decision) {
			if e.Denied {
				logger.Info("denied", "path", e.Request.URL.Path, "err", e.Err)
			}
		}))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /me", authhttp.Required(v, "UserInfo.Read")(http.HandlerFunc(me)))
	return mux, nil
}

func me(w http.ResponseWriter, r *http.Request) {
	claims, _ := authhttp.Claims(r)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"id": claims.Subject, "until": claims.ExpiresAt})
}

func main() {
	handler, err := newHandler([]byte(os.Getenv("AUTHMW_SECRET")), new(banned), slog.Default())
	if err != nil {
		log.Fatalf("set AUTHMW_SECRET to the site's master key: %v", err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
