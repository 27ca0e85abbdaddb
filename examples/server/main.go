// Server is a complete service: login, refresh, logout, and a route for each mode. It keeps its logins in memory or,
// with -redis, in a Redis that several of it share.
//
//	go run ./examples/server                                    # prints requests to paste
//	go run ./examples/server -redis redis://127.0.0.1:6379/0
//	go run ./examples/server -selftest                          # sends them itself
//
// The secret comes from AUTHMW_SECRET. Without it there is one for this run alone.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/redisstore"
)

func main() {
	log.SetFlags(0)
	port := flag.Int("port", 8080, "port on 127.0.0.1")
	redisURL := flag.String("redis", "", "keep logins in this Redis, such as redis://127.0.0.1:6379/0, in place of in memory")
	selftest := flag.Bool("selftest", false, "send requests on a free port, print what came back, and exit 1 on any difference")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatal("server: there are no arguments")
	}
	if err := run(*port, *redisURL, *selftest); err != nil {
		log.Fatalf("server: %v", err)
	}
}

// requests are printed for a shell.
const requests = `# None, and Optional without a token
curl $BASE/ping
curl $BASE/share

# log in, and keep the two tokens
json='Content-Type: application/json'
tokens() { sed -E 's/.*"access_token":"([^"]*)","refresh_token":"([^"]*)".*/ACCESS=\1 REFRESH=\2/'; }
eval "$(curl -s -H "$json" -d '{"email":"$EMAIL","password":"$PASSWORD"}' $BASE/session/token | tokens)"

# Required
curl -H "Authorization: Bearer $ACCESS" $BASE/files

# when the access token has expired, and again whenever it has
eval "$(curl -s -H "$json" -d "{\"refresh_token\":\"$REFRESH\"}" $BASE/session/token/refresh | tokens)"

# log out
curl -w '\n' -X DELETE -H "$json" -d "{\"refresh_token\":\"$REFRESH\"}" $BASE/session/token

Ctrl-C ends the server.
`

func run(port int, redisURL string, selftest bool) error {
	secret := []byte(os.Getenv("AUTHMW_SECRET"))
	if len(secret) == 0 {
		secret = make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
	}
	var store issuer.Store = issuer.NewMemoryStore()
	if redisURL != "" {
		client, err := connect(redisURL)
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		store = redisstore.New(client)
	}
	handler, err := newService(secret, store, slog.Default())
	if err != nil {
		return err
	}
	if selftest {
		port = 0
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("%w; choose another with -port", err)
	}
	base := "http://" + listener.Addr().String()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	if selftest {
		if wrong := checkAll(os.Stdout, base); wrong > 0 {
			return fmt.Errorf("%d answers differ", wrong)
		}
		return nil
	}

	fmt.Print(strings.NewReplacer("$BASE", base, "$EMAIL", demoEmail, "$PASSWORD", demoPassword).Replace(requests))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	select {
	case err := <-done:
		if !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	case <-ctx.Done():
	}
	return nil
}

// connect returns a client that gives up before a user would.
func connect(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.ReadTimeout, options.MaxRetries = time.Second, time.Second, 1
	client := redis.NewClient(options)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("no Redis at %s: %w", options.Addr, err)
	}
	return client, nil
}
