package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/session"
)

// newService returns the whole service.
func newService(secret []byte, store issuer.Store, logger *slog.Logger) (http.Handler, error) {
	users, err := newUsers()
	if err != nil {
		return nil, err
	}
	i, err := issuer.New(secret, store,
		issuer.WithStateHash(users.state),
		issuer.WithObserver(func(_ context.Context, event issuer.Event) {
			logger.Warn("logins ended", "sub", event.Identity.Subject, "ended", event.Ended, "reason", event.Err)
		}))
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(i, users.login, session.WithObserver(func(e session.Event) {
		if e.Err != nil {
			logger.Info("not done", "action", e.Action, "err", e.Err)
		}
	}))
	if err != nil {
		return nil, err
	}
	v, err := authmw.New(secret, authmw.WithRenderer(authmw.CloudreveEnvelopeWithStatus))
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("/session/", sessions)
	mux.Handle("GET /files", authhttp.Required(v, "Files.Read")(http.HandlerFunc(files)))
	mux.Handle("GET /share", authhttp.Optional(v)(http.HandlerFunc(share)))
	mux.Handle("GET /ping", authhttp.None()(http.HandlerFunc(ping)))
	return mux, nil
}

func files(w http.ResponseWriter, r *http.Request) {
	claims, _ := authhttp.Claims(r)
	_, _ = fmt.Fprintf(w, "the files of %s\n", claims.Subject)
}

func share(w http.ResponseWriter, r *http.Request) {
	if claims, ok := authhttp.Claims(r); ok {
		_, _ = fmt.Fprintf(w, "a share, seen by %s\n", claims.Subject)
		return
	}
	_, _ = fmt.Fprintln(w, "a share, seen by anyone")
}

func ping(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "pong") }

const (
	demoEmail    = "demo@example.com"
	demoPassword = "correct horse battery staple"
)

// users stands in for a database.
type users map[string]user

type user struct {
	ID             string `json:"id"`
	Email          string `json:"email"`
	salt, password []byte
}

func newUsers() (users, error) {
	demo := user{ID: "wGH0", Email: demoEmail, salt: []byte(rand.Text())}
	var err error
	demo.password, err = hash(demoPassword, demo.salt)
	return users{demoEmail: demo}, err
}

// hash makes a password costly to guess for whoever gets at the database (OWASP's figure for PBKDF2 with SHA-256).
func hash(password string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, 600_000, 32)
}

// login takes as long for a user that there is not as for a wrong password.
func (u users) login(_ context.Context, email, password string) (session.User, error) {
	found := u[email]
	hashed, err := hash(password, found.salt)
	if err != nil {
		return session.User{}, err
	}
	if subtle.ConstantTimeCompare(hashed, found.password) != 1 {
		return session.User{}, session.ErrInvalidCredentials
	}
	return session.User{Identity: issuer.Identity{Subject: found.ID}, Profile: found}, nil
}

// state changes with the password, which ends all refreshing, and is gone with the user.
func (u users) state(_ context.Context, identity issuer.Identity) ([]byte, error) {
	for _, user := range u {
		if user.ID == identity.Subject {
			return issuer.CloudreveStateHash(user.Email, string(user.password), "example"), nil
		}
	}
	return nil, fmt.Errorf("%w: no such user", issuer.ErrInvalidGrant)
}
