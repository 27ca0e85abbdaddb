// Echov5 is a service whose secret changes while it runs: the file that holds it is read again every minute. Whoever
// changes it puts a new file in its place with a rename, so that it is never read half-written.
//
//	go run ./examples/echov5 master-key
package main

import (
	"bytes"
	"context"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v5"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echov5"
)

// secretFile is a KeySource that accepts the secret in a file and, for as long as access tokens live, the one before.
type secretFile struct {
	path              string
	current, previous []byte
	changed           time.Time
	keys              atomic.Pointer[authmw.Keys]
}

const tokenTTL = time.Hour // Cloudreve's, unless the site's settings say otherwise

func (f *secretFile) Keys(context.Context) (*authmw.Keys, error) { return f.keys.Load(), nil }

// read takes over the secret in the file. If it cannot, the last good one stays.
func (f *secretFile) read(now time.Time) error {
	secret, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	secret = bytes.TrimSuffix(secret, []byte("\n"))
	current, previous, changed := f.current, f.previous, f.changed
	switch {
	case !bytes.Equal(secret, current):
		current, previous, changed = secret, current, now
	case previous != nil && now.Sub(changed) > tokenTTL:
		previous = nil
	default:
		return nil
	}
	var older [][]byte
	if previous != nil {
		older = append(older, previous)
	}
	keys, err := authmw.NewKeys(current, older...)
	if err != nil {
		return err
	}
	f.current, f.previous, f.changed = current, previous, changed
	f.keys.Store(keys)
	return nil
}

func newServer(source authmw.KeySource) (*echo.Echo, error) {
	v, err := authmw.NewFromKeySource(source)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.GET("/me", func(c *echo.Context) error {
		claims, _ := authecho.Claims(c)
		return c.JSON(http.StatusOK, map[string]string{"id": claims.Subject})
	}, authecho.Required(v))
	return e, nil
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("name the file that holds the site's master key")
	}
	source := &secretFile{path: os.Args[1]}
	if err := source.read(time.Now()); err != nil {
		log.Fatal(err)
	}
	go func() {
		for now := range time.Tick(time.Minute) {
			if err := source.read(now); err != nil {
				log.Print(err)
			}
		}
	}()
	e, err := newServer(source)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(e.Start("127.0.0.1:8080"))
}
