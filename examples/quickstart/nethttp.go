package main

import (
	"fmt"
	"net/http"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
)

func netHTTP(v *authmw.Validator) http.Handler {
	ping := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "pong")
	})
	share := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		viewer := "anyone"
		if claims, ok := authhttp.Claims(r); ok {
			viewer = claims.Subject
		}
		_, _ = fmt.Fprintln(w, "a share, seen by", viewer)
	})
	me := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := authhttp.Claims(r)
		_, _ = fmt.Fprintln(w, "you are", claims.Subject)
	})
	files := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := authhttp.Claims(r)
		_, _ = fmt.Fprintln(w, "files of", claims.Subject)
	})

	mux := http.NewServeMux()
	mux.Handle("GET /ping", authhttp.None()(ping))
	mux.Handle("GET /share", authhttp.Optional(v)(share))
	mux.Handle("GET /me", authhttp.Required(v)(me))
	mux.Handle("GET /files", authhttp.Required(v, "Files.Read")(files))
	return mux
}
