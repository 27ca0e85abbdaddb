// Package client keeps a program logged in at a Cloudreve v4 site: it logs in, puts the access token on each request,
// refreshes it before it expires, and says when the user has to log in again.
//
//	c, err := client.New("https://cloud.example.com", client.NewFileStore("/var/lib/backup/cloudreve.json"))
//	err = c.Login(ctx, email, password)                                 // once; the store keeps it
//	httpClient := &http.Client{Transport: &client.Transport{Client: c}} // the site's requests have the token
//
// # Refreshing
//
// An access token is renewed before it expires: the larger of 10 seconds and a tenth of its lifetime ahead, but no more
// than half of it, and a little earlier by chance. However many goroutines ask at that moment, and in however many
// processes that share a store, there is one request to the site, and the new pair is stored before anyone is given it.
// While that cannot be done, because the site is down or the store is full, the old token is used for as long as it lasts,
// and trying is left off for longer and longer, from a second to a minute.
//
// When a token expires is what its own exp says. A clock that is wrong makes this package refresh more often than it would
// have to, though no more than ten times in a token's lifetime, which is from nbf to exp; Cloudreve sets nbf to the time of
// issue. Beyond that, a token that the site rejects is replaced once in ten seconds at the most.
//
// Cloudreve's refresh tokens work until they expire. Where each works once, as with package issuer's New, a client may have
// to log in again if the answer to a refresh is lost, or the program ends in the midst of one, and the next try comes too
// late for the issuer's grace.
//
// # Logging in again
//
// A refresh token that the site refuses, because it expired, the user logged out elsewhere or changed the password, or was
// banned, is not sent to be refreshed again, by this process or another with the same store: from then on all calls return
// ErrLoginRequired, in other processes once the token that they have is due, until someone logs in with the same store. WithLoginRequired sets who is told.
//
// # Other libraries
//
// Client has the shape of golang.org/x/oauth2's TokenSource, with a context. Where that very type is asked for:
//
//	func (s source) Token() (*oauth2.Token, error) {
//		t, err := s.client.Token(context.Background())
//		return &oauth2.Token{AccessToken: t.AccessToken, Expiry: t.Expiry}, err
//	}
//
// Give it to libraries that talk to the site alone: oauth2.Transport sends its token wherever it is redirected to, which
// for a download is a storage host.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/authmw/authmw/internal/cloudreve"
)

// Client keeps itself logged in at one site. Make one with New. It is safe for concurrent use. A refresh that is under way
// goes on in the background when its callers give up, for half a minute at the most; there is nothing to close. If the
// program ends meanwhile, the pair before is what the next one finds, which Cloudreve accepts.
type Client struct {
	refresher
	turn chan struct{} // held by the login or logout under way
}

// New returns a Client for the site whose first page is at siteURL. It neither asks the site nor the store yet. The error
// reports everything that is wrong with the arguments at once.
//
// Over http, whoever is on the way reads the tokens and the password: it is for a site on the same machine or in a network
// that is trusted.
func New(siteURL string, store Store, options ...Option) (*Client, error) {
	c := configure(options)
	if store == nil {
		c.errs.Addf("the store is nil")
	}
	at, err := cloudreve.NewSite(siteURL, c.transport)
	if err != nil {
		c.errs.Addf("%w", err)
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	return &Client{refresher{config: c, site: site{at, at.Origin()}, store: store}, make(chan struct{}, 1)}, nil
}

// String names the site and nothing else.
func (c *Client) String() string { return "client.Client(" + c.site.origin + ")" }

// Format writes what String returns, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Token returns an access token that is valid now, as far as can be told here. It refreshes the token if it is due, and
// waits for that until ctx is done, but no longer than a second while the old one is still good.
//
// The error matches ErrLoginRequired if there is no login, or not any more. Any other means that the token has expired and
// the site or the store failed; the next call may succeed.
func (c *Client) Token(ctx context.Context) (Token, error) { return c.token(ctx, "", false) }

// Refresh does what Token does, but does not content itself with the token that is there: it returns one that the site
// issued, or that another process stored, since. If a refresh failed a moment ago, it returns that one's error.
func (c *Client) Refresh(ctx context.Context) (Token, error) {
	t, err := c.Token(ctx) // which is where the token that is there is found out
	if err != nil {
		return t, err
	}
	return c.token(ctx, t.AccessToken, true)
}

// Login logs in with an e-mail address and a password, and stores the tokens in place of those of an earlier login, which
// it does not end. It asks the site once the store is ready to take them. If the store fails after that, it ends the new
// login. If ctx ends while the site answers, the site may have a login that nobody holds.
//
// The error is a *SecondFactorRequiredError for a user with a second step. It matches ErrInvalidCredentials or another *Error if
// the site refuses, and is any other if the site or the store failed. A site that asks for a CAPTCHA at login refuses with
// code 40026.
func (c *Client) Login(ctx context.Context, email, password string) error {
	return c.login(ctx, "/api/v4/session/token", map[string]string{"email": email, "password": password})
}

// SecondFactor is the second step of Login. The error matches ErrInvalidOTP for a wrong one-time password, and is otherwise
// as for Login: a *Error with the code 404 means that the first step was too long ago.
func (c *Client) SecondFactor(ctx context.Context, sessionID, otp string) error {
	return c.login(ctx, "/api/v4/session/token/2fa", map[string]string{"otp": otp, "session_id": sessionID})
}

const (
	// storeTimeout is how long tokens that are there already may take to be stored, even if the caller has left.
	storeTimeout = 30 * time.Second

	// abandonTimeout is how long it may take to log out a login that could not be stored.
	abandonTimeout = 5 * time.Second
)

// login asks the site within an Update of the store: by then it is known that there is a place for the tokens, and nobody
// else changes them.
func (c *Client) login(ctx context.Context, path string, credentials map[string]string) error {
	done, err := c.myTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	var next *StoredLogin
	err = c.store.Update(ctx, func(current *StoredLogin) (*StoredLogin, error) {
		if err := c.site.owns(current); err != nil {
			return nil, err
		}
		if next != nil { // a store that calls twice does not log in twice
			return next, nil
		}
		if err := c.ready(ctx); err != nil {
			return nil, err
		}
		began := time.Now()
		data, err := c.site.call(ctx, http.MethodPost, path, credentials)
		if err != nil {
			return nil, err
		}
		var answer struct {
			Token tokens `json:"token"`
		}
		if err := json.Unmarshal(data, &answer); err != nil {
			return nil, errNotCloudreve
		}
		next, err = c.site.accept(answer.Token, began)
		return next, err
	})
	if err != nil && next != nil && ctx.Err() != nil { // the caller left while they were stored
		storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		err = c.store.Update(storing, func(current *StoredLogin) (*StoredLogin, error) { return next, c.site.owns(current) })
	}
	if err != nil {
		if next != nil {
			err = c.abandon(ctx, next, err)
		}
		return err
	}
	if next == nil {
		return errStore
	}
	c.replace(next)
	return nil
}

var errStore = errors.New("client: the store has no error, though nothing was stored")

// abandon logs out a login that nobody has, since it could not be stored.
func (c *Client) abandon(ctx context.Context, l *StoredLogin, why error) error {
	if l.RefreshToken == "" {
		return why
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if err := c.site.logout(ctx, l); err != nil {
		return fmt.Errorf("%w; the site keeps the new login, since it cannot be logged out: %w", why, err)
	}
	return why
}

// myTurn waits until no other login or logout is under way: what they do to the store and here belongs together.
func (c *Client) myTurn(ctx context.Context) (done func(), err error) {
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Logout ends the login, at the site first and then in the store. If the site cannot be told, it returns an error and
// keeps the login. That there is none, or that the site ended it before, is no error. Access tokens that were issued work
// until they expire, as Cloudreve has it.
func (c *Client) Logout(ctx context.Context) error {
	done, err := c.myTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = c.store.Update(ctx, func(current *StoredLogin) (*StoredLogin, error) {
		if err := c.site.owns(current); err != nil || current == nil || current.RefreshToken == "" {
			return nil, err
		}
		return nil, c.site.logout(ctx, current)
	})
	if err != nil {
		return err
	}
	c.replace(nil)
	return nil
}
