package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
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

	// maxBackoff limits the time between two tries after failures.
	maxBackoff = time.Minute

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
	before *StoredLogin // which it followed
	login  *StoredLogin
}

// refresher has the login in use, and refreshes it when it is due.
type refresher struct {
	config
	site  site
	store Store

	mu         sync.Mutex
	active     *activeLogin // the login in use, nil if none is known
	flight     *flight
	generation int // counts logins and logouts, which a flight that began before does not undo
	failures   int // refreshes that failed in a row
	retryAt    time.Time
	err        error  // of the last refresh
	refused    string // the refresh token that the site refused for good
	required   error  // matches ErrLoginRequired: there is no login
	checkAt    time.Time
	unsaved    *unsaved
}

// token returns a token other than one that the site rejected, if there is one. It does not ask the site for one, unless
// forced, if the rejected one is new.
func (r *refresher) token(ctx context.Context, rejected string, force bool) (Token, error) {
	if err := ctx.Err(); err != nil {
		return Token{}, err
	}
	token, f, err := r.join(rejected, force)
	if f == nil {
		return token, err
	}
	return r.wait(ctx, f, rejected)
}

// join returns the flight to wait for, or what is to be returned without one.
func (r *refresher) join(rejected string, force bool) (Token, *flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, a := time.Now(), r.active
	usable := a.usableFor(rejected, now)
	if usable && !a.due(now) || a != nil && a.AccessToken == rejected && !force && a.young(now) {
		return a.token, nil, nil
	}
	if r.flight != nil {
		return Token{}, r.flight, nil
	}
	var err error
	switch {
	case r.required != nil && (now.Before(r.checkAt) || now.Before(r.retryAt)):
		err = r.required
	case now.Before(r.retryAt):
		err = r.err
	}
	switch {
	case err == nil:
		return Token{}, r.begin(rejected), nil
	case usable:
		return a.token, nil, nil
	default:
		return Token{}, nil, err
	}
}

// wait returns the token of a flight. Once its patience is over and the store has answered, it returns the token in use, if
// that is still good.
func (r *refresher) wait(ctx context.Context, f *flight, rejected string) (Token, error) {
	impatient, loaded := f.patience.Done(), f.loaded
	for {
		select {
		case <-f.done:
			if f.err != nil && !errors.Is(f.err, ErrLoginRequired) {
				if token, ok := r.usable(rejected); ok {
					return token, nil
				}
			}
			return f.token, f.err
		case <-ctx.Done():
			return Token{}, ctx.Err()
		case <-impatient:
			impatient = nil
			select {
			case <-f.done: // which ends the patience as well
				continue
			default:
			}
		case <-loaded:
			loaded = nil
		}
		if impatient == nil {
			if token, ok := r.usable(rejected); ok {
				return token, nil
			}
		}
	}
}

// usable returns the token in use, if it is worth a try.
func (r *refresher) usable(rejected string) (Token, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.active.usableFor(rejected, time.Now()) {
		return Token{}, false
	}
	return r.active.token, true
}

// begin begins a flight. It is called with the lock held.
func (r *refresher) begin(rejected string) *flight {
	ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
	impatient, giveUp := context.WithTimeout(context.Background(), patience)
	f := &flight{done: make(chan struct{}), loaded: make(chan struct{}), patience: impatient}
	r.flight = f
	generation := r.generation
	go func() {
		defer cancel()
		defer giveUp()
		var login *StoredLogin
		err := errPanicked // also of a store that ends this goroutine
		defer func() { r.finish(f, generation, login, err) }()
		login, err = r.renew(ctx, f, rejected, generation)
	}()
	return f
}

// finish ends a flight.
func (r *refresher) finish(f *flight, generation int, login *StoredLogin, err error) {
	r.mu.Lock()
	r.flight = nil
	news := false
	switch {
	case generation != r.generation: // someone logged in or out meanwhile, and has the last word
		err = r.required
	case err == nil:
		r.use(login)
	case errors.Is(err, ErrLoginRequired):
		if news = r.required == nil; news {
			r.drop(err)
		}
		err = r.required
		r.checkAt = time.Now().Add(checkInterval)
	default:
		r.postpone(err)
		if r.required != nil {
			err = r.required
		}
	}
	f.err = err
	if r.active != nil && err == nil {
		f.token = r.active.token
	}
	r.mu.Unlock()
	close(f.done)
	if news {
		defer func() { _ = recover() }() // a panic in a goroutine of ours would end the program
		r.notify(err)
	}
}

// replace takes a new login into use, or none if l is nil. A flight that began before does not undo it.
func (r *refresher) replace(l *StoredLogin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	if l == nil {
		r.drop(errNoLogin)
	} else {
		r.use(l)
	}
}

// use takes a login into use.
func (r *refresher) use(l *StoredLogin) {
	r.active = activate(l)
	r.failures, r.retryAt, r.err, r.required, r.unsaved = 0, time.Time{}, nil, nil, nil
}

// drop gives up the login.
func (r *refresher) drop(err error) {
	r.active, r.unsaved = nil, nil
	r.required, r.checkAt = err, time.Now().Add(checkInterval)
}

// postpone takes note of a refresh that failed and may succeed another time.
func (r *refresher) postpone(err error) {
	r.err, r.retryAt = err, time.Now().Add(cloudreve.Backoff(r.failures, maxBackoff, err))
	r.failures++
}

// renew returns a login whose token is fresh: from the store, if another process was quicker, or from the site.
func (r *refresher) renew(ctx context.Context, f *flight, rejected string, generation int) (login *StoredLogin, err error) {
	defer func() {
		if recover() != nil {
			login, err = nil, errPanicked
		}
	}()
	current, err := r.store.Load(ctx)
	if err != nil {
		return nil, err
	}
	if fresh, err := r.fresh(current, rejected); fresh || err != nil {
		return current, err
	}
	r.mu.Lock()
	if r.active == nil && r.generation == generation { // so that it is used while it lasts, though it is due
		r.active = activate(current)
	}
	r.mu.Unlock()
	close(f.loaded)
	var refused error
	err = r.store.Update(ctx, func(current *StoredLogin) (*StoredLogin, error) {
		// Under the lock it is known who was first.
		fresh, err := r.fresh(current, rejected)
		login = current
		if fresh || err != nil {
			return current, err
		}
		login, err = r.refresh(ctx, current)
		if refusal(err) {
			r.mu.Lock()
			r.refused = current.RefreshToken
			r.mu.Unlock()
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
func (r *refresher) fresh(l *StoredLogin, rejected string) (bool, error) {
	switch err := r.site.owns(l); {
	case err != nil:
		return false, err
	case l == nil:
		return false, errNoLogin
	case r.knownRefused(l.RefreshToken):
		return false, errRefused
	case !l.Refused.IsZero():
		return false, fmt.Errorf("%w: the site refused to renew the login at %s", ErrLoginRequired, l.Refused.UTC().Format(time.RFC3339))
	}
	a, now := activate(l), time.Now()
	switch {
	case l.AccessToken != rejected && !a.due(now):
		return true, nil
	case l.RefreshToken == "" && now.Before(a.usable):
		return true, nil // as long as it lasts, rejected or not: there is no other
	case l.RefreshToken == "":
		return false, errNoRenew
	}
	return false, nil
}

// knownRefused reports whether the site refused a refresh token, though the store may not know.
func (r *refresher) knownRefused(token string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return token != "" && token == r.refused
}

// refresh returns the login that follows one, with what the site issues or did not store before.
func (r *refresher) refresh(ctx context.Context, current *StoredLogin) (*StoredLogin, error) {
	r.mu.Lock()
	u := r.unsaved
	r.mu.Unlock()
	latest := current
	if u != nil && u.before.AccessToken == current.AccessToken && u.before.RefreshToken == current.RefreshToken {
		latest = u.login
		if !activate(latest).due(time.Now()) {
			return latest, nil
		}
	}
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	// No Authorization header: Cloudreve would check that first, and the access token has expired, or soon will.
	data, err := r.site.call(ctx, http.MethodPost, "/api/v4/session/token/refresh", map[string]string{"refresh_token": latest.RefreshToken})
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
	next, err := r.site.accept(t, asked)
	if err != nil {
		return nil, err
	}
	if was := latest.Subject(); was != "" && was != next.Subject() {
		return nil, errors.New("client: the site answered with another user's token")
	}
	r.mu.Lock()
	r.unsaved = &unsaved{current, next}
	r.mu.Unlock()
	return next, nil
}

// ready asks a store that can tell whether it has room for a login.
func (r *refresher) ready(ctx context.Context) error {
	if store, ok := r.store.(interface{ Ready(context.Context) error }); ok {
		return store.Ready(ctx)
	}
	return nil
}
