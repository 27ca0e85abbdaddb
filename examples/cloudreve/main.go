// Cloudreve runs a stand-in for a Cloudreve v4 site on loopback, with two users, and prints how to log in at it and tokens to
// paste. It is for trying out a plugin or a client without a Cloudreve. It keeps nothing: when it ends, its logins end too.
//
//	go run ./examples/cloudreve
//	go run ./examples/cloudreve -port 5213 -key-file key.txt
//	go run ./examples/cloudreve -selftest
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/authmw/authmw/authmwtest/cloudrevetest"
)

func main() {
	log.SetFlags(0)
	port := flag.Int("port", 5212, "port on 127.0.0.1, as Cloudreve's by default")
	keyFile := flag.String("key-file", "", "write the throwaway master key to this new file, for package masterkey and authmw token")
	selftest := flag.Bool("selftest", false, "log in and send requests on a free port, print the answers, and exit 1 if one is wrong")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatal("cloudreve: there are no arguments, see -help")
	}
	if *selftest {
		*port = 0
	}
	if err := run(*port, *keyFile, *selftest); err != nil {
		log.Fatalf("cloudreve: %v", err)
	}
}

func run(port int, keyFile string, selftest bool) error {
	key := rand.Text() + rand.Text()
	site, err := cloudrevetest.New(cloudrevetest.Config{Secret: key, Users: users})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("%w; choose another port with -port", err)
	}
	server := &http.Server{Handler: site, ReadHeaderTimeout: 5 * time.Second}
	defer func() { _ = server.Close() }()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	base := "http://" + listener.Addr().String()
	if keyFile != "" {
		if err := writeKey(keyFile, key); err != nil {
			return err
		}
	}
	if selftest {
		return test(os.Stdout, site, base)
	}
	if err := show(os.Stdout, site, base, keyFile); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

// writeKey writes the master key to a new file that only the user can read.
func writeKey(path, key string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the key is not written over another file: %w", err)
	}
	_, err = file.WriteString(key + "\n")
	return errors.Join(err, file.Close())
}

// show prints how to log in, and tokens to paste.
func show(w io.Writer, site *cloudrevetest.Site, base, keyFile string) error {
	user, client, err := tokens(site)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "A stand-in for a Cloudreve site on %s\n\n", base)
	for _, u := range users {
		otp := ""
		if u.OTP != "" {
			otp = ", one-time password " + u.OTP
		}
		_, _ = fmt.Fprintf(w, "  %-18s password %s%s, ID %s\n", u.Email, u.Password, otp, u.ID)
	}
	_, _ = fmt.Fprintf(w, `
# log in, with authmw's command line or by hand
authmw login %[1]s
curl %[1]s/api/v4/session/token -H 'Content-Type: application/json' -d '{"email":"%[2]s","password":"%[3]s"}'

# a user's own access token, good for an hour
export TOKEN=%[4]s

# an OAuth client's, with the scopes %[5]s
export CLIENT_TOKEN=%[6]s

# ask the site whose token it is, and then your plugin
curl -H "Authorization: Bearer $TOKEN" %[1]s/api/v4/user/me
curl -H "Authorization: Bearer $CLIENT_TOKEN" %[1]s/api/v4/session/oauth/userinfo

`, base, users[0].Email, users[0].Password, user, strings.Join(clientScopes, ", "), client)
	if keyFile != "" {
		_, _ = fmt.Fprintf(w, "The master key is in %s.\n", keyFile)
	}
	_, _ = fmt.Fprintln(w, "Ctrl-C ends the site, and its logins with it.")
	return nil
}
