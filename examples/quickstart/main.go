// Quickstart starts a server on loopback with a route for each mode and prints requests to paste into a shell, with
// real tokens, and what each will answer.
//
//	go run ./examples/quickstart -framework gin
//	go run ./examples/quickstart -selftest
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/authmw/authmw"
)

// frameworks build the same four routes, each in a file of its own.
var frameworks = map[string]func(*authmw.Validator) http.Handler{
	"nethttp": netHTTP,
	"echo":    echoV4,
	"echov5":  echoV5,
	"gin":     ginGonic,
}

func main() {
	log.SetFlags(0)
	names := strings.Join(slices.Sorted(maps.Keys(frameworks)), ", ")
	framework := flag.String("framework", "nethttp", "one of "+names)
	port := flag.Int("port", 8080, "port on 127.0.0.1")
	selftest := flag.Bool("selftest", false, "send the requests on a free port, print what came back, and exit 1 on any difference")
	flag.Parse()
	build, ok := frameworks[*framework]
	if !ok || flag.NArg() > 0 {
		log.Fatalf("quickstart: -framework is one of %s, and there are no arguments", names)
	}

	// A secret for this run alone. A real one is the site's master key, the setting secret_key in Cloudreve's database.
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // which never fails, see crypto/rand
	v, err := authmw.New(secret)
	if err != nil {
		log.Fatal(err)
	}
	if *selftest {
		*port = 0
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatalf("quickstart: %v; choose another with -port", err)
	}
	server := &http.Server{Handler: build(v), ReadHeaderTimeout: 5 * time.Second}
	base := "http://" + listener.Addr().String()
	requests, err := requestsFor(secret, time.Now())
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()

	if *selftest {
		wrong := send(os.Stdout, *framework, base, requests)
		_ = server.Close()
		if wrong > 0 {
			log.Fatalf("quickstart: %d of %d answers differ", wrong, len(requests))
		}
		return
	}

	fingerprint := sha256.Sum256(secret)
	fmt.Printf("%s on %s, with a throwaway secret (SHA-256 %x…)\n\n", *framework, base, fingerprint[:8])
	show(os.Stdout, base, requests)
	fmt.Println("Ctrl-C ends the server, and with it the tokens.")
	select {
	case err := <-done:
		if !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	case <-ctx.Done():
		_ = server.Close()
	}
}

// show prints each request for a shell.
func show(w io.Writer, base string, requests []request) {
	for _, r := range requests {
		_, _ = fmt.Fprintf(w, "# %s: %s\ncurl -i", r.name, r.want)
		if r.authorization != "" {
			_, _ = fmt.Fprintf(w, " -H 'Authorization: %s'", r.authorization)
		}
		_, _ = fmt.Fprintf(w, " %s%s\n\n", base, r.path)
	}
}

// send sends each request, prints a table of what was expected and what came, and returns how often they differ.
func send(w io.Writer, framework, base string, requests []request) (wrong int) {
	const format = "%-8s %-42s %-30s %-30s %s\n"
	_, _ = fmt.Fprintf(w, format, framework, "request", "expected", "got", "")
	for _, r := range requests {
		got, verdict := answer(base, r), "ok"
		if got != r.want {
			verdict = "DIFFERS"
			wrong++
		}
		_, _ = fmt.Fprintf(w, format, r.path, r.name, r.want, got, verdict)
	}
	return wrong
}
