package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/authmw/authmw/internal/cloudreve"
)

const (
	// flightTimeout is what a refresh may take, waiting for another process included.
	flightTimeout = 30 * time.Second

	// refreshTimeout is how long the site may take to answer a refresh. An answer that does not come must leave time for two
	// more tries within the grace window of an issuer whose refresh tokens work once, which is 30 seconds by default.
	refreshTimeout = 8 * time.Second

	// patience is for how long callers with a token that is still good wait for a newer one.
	patience = time.Second

	// mostBackoff is for how long the site is left alone after failures, at the most.
	mostBackoff = time.Minute

	// checkInterval is how often the store is looked at for a login by another process, while there is none.
	checkInterval = time.Second
)

var (
	errNoLogin  = fmt.Errorf("%w: nobody is logged in", ErrLoginRequired)
	errNoRenew  = fmt.Errorf("%w: the access token expired, and there is no refresh token", ErrLoginRequired)
	errRefused  = fmt.Errorf("%w: the site refused to renew the login", ErrLoginRequired)
	errPanicked = errors.New("client: the store or the transport panicked") // with what, may contain a token
)

// flight is a refresh under way. There is never more than one.
type flight struct {
	done     chan struct{} // closed when it is over
	loaded   chan struct{} // closed when the store has answered
	patience context.Context
	token    Token // like err, to be read when it is over
	err      error
}

// unsaved is a pair that the site issued and the store did not take.
type unsaved struct {
	before *Login // which it followed
	login  *Login
}

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

// token returns a token other than one that the site rejected, if there is any to be had. It does not ask for one, unless
// forced, if the rejected one is new.
func (c *Client) token(ctx context.Context, rejected string, force bool) (Token, error) {
	if err := ctx.Err(); err != nil {
		return Token{}, err
	}
	c.mu.Lock()
	now, h := time.Now(), c.held
	usable := h.usableFor(rejected, now)
	if usable && !h.due(now) || h != nil && h.AccessToken == rejected && !force && h.young(now) {
		c.mu.Unlock()
		return h.token, nil
	}
	f := c.flight
	if f == nil {
		var err error
		switch {
		case c.required != nil && (now.Before(c.checkAt) || now.Before(c.retryAt)):
			err = c.required
		case now.Before(c.retryAt):
			err = c.err
		}
		if err != nil {
			c.mu.Unlock()
			if usable {
				return h.token, nil
			}
			return Token{}, err
		}
		f = c.begin(rejected)
	}
	c.mu.Unlock()

	impatient, loaded := f.patience.Done(), f.loaded
	for {
		select {
		case <-loaded:
			loaded = nil
			if impatient == nil { // the store took longer than that
				if h := c.inUse(); h.usableFor(rejected, time.Now()) {
					return h.token, nil
				}
			}
		case <-ctx.Done():
			return Token{}, ctx.Err()
		case <-impatient:
			impatient = nil
			select {
			case <-f.done: // which ends the patience as well
				continue
			default:
			}
			if h := c.inUse(); h.usableFor(rejected, time.Now()) {
				return h.token, nil
			}
		case <-f.done:
			if f.err != nil && !errors.Is(f.err, ErrLoginRequired) {
				if h := c.inUse(); h.usableFor(rejected, time.Now()) {
					return h.token, nil
				}
			}
			return f.token, f.err
		}
	}
}

func (c *Client) inUse() *held {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// begin begins a flight. It is called with the lock held.
func (c *Client) begin(rejected string) *flight {
	ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
	impatient, giveUp := context.WithTimeout(context.Background(), patience)
	f := &flight{done: make(chan struct{}), loaded: make(chan struct{}), patience: impatient}
	c.flight = f
	generation := c.generation
	go func() {
		defer cancel()
		defer giveUp()
		var login *Login
		err := errPanicked // also of a store that ends this goroutine
		defer func() { c.land(f, generation, login, err) }()
		login, err = c.renew(ctx, f, rejected, generation)
	}()
	return f
}

// land ends a flight.
func (c *Client) land(f *flight, generation int, login *Login, err error) {
	c.mu.Lock()
	c.flight = nil
	news := false
	switch {
	case generation != c.generation: // someone logged in or out meanwhile, and has the last word
		err = c.required
	case err == nil:
		c.hold(login)
	case errors.Is(err, ErrLoginRequired):
		if news = c.required == nil; news {
			c.lose(err)
		}
		err = c.required
		c.checkAt = time.Now().Add(checkInterval)
	default:
		c.fail(err)
		if c.required != nil {
			err = c.required
		}
	}
	f.err = err
	if c.held != nil && err == nil {
		f.token = c.held.token
	}
	c.mu.Unlock()
	close(f.done)
	if news {
		defer func() { _ = recover() }() // a panic in a goroutine of ours would end the program
		c.notify(err)
	}
}

// hold takes a login into use.
func (c *Client) hold(l *Login) {
	c.held = newHeld(l)
	c.failures, c.retryAt, c.err, c.required, c.unsaved = 0, time.Time{}, nil, nil, nil
}

// lose gives up the login.
func (c *Client) lose(err error) {
	c.held, c.unsaved = nil, nil
	c.required, c.checkAt = err, time.Now().Add(checkInterval)
}

// fail takes note of a refresh that may succeed another time.
func (c *Client) fail(err error) {
	c.err, c.retryAt = err, time.Now().Add(cloudreve.Backoff(c.failures, mostBackoff, err))
	c.failures++
}

// renew returns a login whose token is fresh: from the store, if another process was quicker, or from the site.
func (c *Client) renew(ctx context.Context, f *flight, rejected string, generation int) (login *Login, err error) {
	defer func() {
		if r := recover(); r != nil {
			login, err = nil, errPanicked
		}
	}()
	current, err := c.store.Load(ctx)
	if err != nil {
		return nil, err
	}
	if fresh, err := c.fresh(current, rejected); fresh || err != nil {
		return current, err
	}
	c.mu.Lock()
	if c.held == nil && c.generation == generation { // so that it is used while it lasts, though it is due
		c.held = newHeld(current)
	}
	c.mu.Unlock()
	close(f.loaded)
	var refused error
	err = c.store.Update(ctx, func(current *Login) (*Login, error) {
		// Under the lock it is known who was first.
		fresh, err := c.fresh(current, rejected)
		login = current
		if fresh || err != nil {
			return current, err
		}
		login, err = c.refresh(ctx, current)
		if refusal(err) {
			c.mu.Lock()
			c.refused = current.RefreshToken
			c.mu.Unlock()
			refused = fmt.Errorf("%w: the site does not renew the login (%w)", ErrLoginRequired, err)
			marked := *current
			marked.Refused = time.Now()
			return &marked, nil
		}
		return login, err
	})
	if refused != nil {
		return nil, refused // even if that could not be stored
	}
	return login, err
}

// fresh reports whether a login out of the store can be used as it is.
func (c *Client) fresh(l *Login, rejected string) (bool, error) {
	switch err := c.ours(l); {
	case err != nil:
		return false, err
	case l == nil:
		return false, errNoLogin
	case c.knownRefused(l.RefreshToken):
		return false, errRefused
	case !l.Refused.IsZero():
		return false, fmt.Errorf("%w: the site refused to renew the login at %s", ErrLoginRequired, l.Refused.UTC().Format(time.RFC3339))
	}
	h, now := newHeld(l), time.Now()
	switch {
	case l.AccessToken != rejected && !h.due(now):
		return true, nil
	case l.RefreshToken == "" && now.Before(h.usable):
		return true, nil // as long as it lasts, rejected or not: there is no other
	case l.RefreshToken == "":
		return false, errNoRenew
	}
	return false, nil
}

// knownRefused reports whether the site refused a refresh token, though the store may not know.
func (c *Client) knownRefused(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return token != "" && token == c.refused
}

// refresh returns the login that follows one, with what the site issues or did not store before.
func (c *Client) refresh(ctx context.Context, current *Login) (*Login, error) {
	c.mu.Lock()
	u := c.unsaved
	c.mu.Unlock()
	latest := current
	if u != nil && u.before.AccessToken == current.AccessToken && u.before.RefreshToken == current.RefreshToken {
		latest = u.login
		if !newHeld(latest).due(time.Now()) {
			return latest, nil
		}
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	// No Authorization header: Cloudreve would check that first, and the access token has expired, or soon will.
	data, err := c.call(ctx, http.MethodPost, "/api/v4/session/token/refresh", map[string]string{"refresh_token": latest.RefreshToken})
	if err != nil {
		return nil, err
	}
	var t tokens
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, errNotCloudreve
	}
	if t.RefreshToken == "" { // RFC 6749 section 6: the old one stays in use
		t.RefreshToken = latest.RefreshToken
	}
	next, err := c.accept(t, asked)
	if err != nil {
		return nil, err
	}
	if was := latest.Subject(); was != "" && was != next.Subject() {
		return nil, errors.New("client: the site answered with another user's token")
	}
	c.mu.Lock()
	c.unsaved = &unsaved{current, next}
	c.mu.Unlock()
	return next, nil
}
