// Package introspect lets a server that has no master key accept Cloudreve's access tokens: it asks the site who a token
// is. Whoever has the key can sign in as anyone; most plugins have no need of that.
//
//	site, err := introspect.New("https://cloud.example.com")
//	v, err := authmw.NewFromIntrospector(site)            // for the same modes and adapters as any other Validator
//
// A token without a client_id is shown to GET /api/v4/user/me. An OAuth client's token is shown to
// GET /api/v4/session/oauth/userinfo if it has the scope openid, as all that Cloudreve issues have. If it has only
// UserInfo.Read, it is shown to /user/me, where Cloudreve 4.12.0 to 4.16.1 refuse it because they demand Admin.Read. A token
// with scopes and no client_id, as Cloudreve 4.12.0 to 4.16.0 issued to OAuth clients (CVE-2026-54560), is bound by its
// scopes here, although the site takes it for a user's own login. What the site accepts is as the token says. So a ban and a new master key are seen too, as soon as what was answered before is
// forgotten.
//
// # What it costs
//
// A token that is accepted is not asked about again for 30 seconds, one that is not for two; of requests with one token at
// the same time one asks. So a hundred users cost the site a hundred small requests in half a minute, whatever they do.
// What is no access token in good form and in time is denied before anyone is asked. Still, anyone can make up tokens that
// are: no more than 32 requests are under way at a time, and others wait for their turn, for five seconds at the most. Limit by address
// how often a client may fail, if strangers reach the server.
//
// # When the site is down
//
// Requests with a token that is not known are denied with authmw.ErrUnavailable, status 503; under Optional too, never
// anonymous. After three failures in a row nobody asks any more but one request now and then, half a second to half a
// minute apart, until one is answered. What was accepted is accepted until its 30 seconds are over, and no longer.
//
// # How far to trust it
//
// The site sees every token, and its answers decide: reach it by https, or in a network that is trusted.
package introspect

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/cloudreve"
)

// MaxCacheFor is for how long a token that the site accepted is accepted unasked, at the most and unless WithCacheFor says
// so.
const MaxCacheFor = 30 * time.Second

const (
	// refusedFor is for how long a token that the site refused is refused unasked: a client that tries again at once gets
	// the same answer, one that is unbanned does not wait.
	refusedFor = 2 * time.Second

	// timeout is what the wait for a turn may take, and then the answer.
	timeout = 5 * time.Second

	// maxRequests is how many requests are under way at a time, maxWaiting how many tokens there may be whose turn it is
	// not.
	maxRequests = 32
	maxWaiting  = 4096

	// maxCached is how many tokens are remembered, of those accepted and of those refused each. An entry takes 100 to 250
	// bytes.
	maxCached = 20_000

	// tripAfter failures in a row, nobody is let through but one now and then, which gets rarer with each failure.
	tripAfter   = 3
	mostBackoff = 30 * time.Second
)

var (
	errBusy     = errors.New("introspect: too many tokens at once are asked about")
	errPanicked = errors.New("introspect: the transport panicked") // with what, may contain the token
	errNotMade  = errors.New("introspect: the site was not made by New")
)

// Site is an authmw.Introspector that asks a Cloudreve site. Make one with New. It is safe for concurrent use. What it asks
// is answered within seconds or given up; there is nothing to close.
type Site struct {
	site     *cloudreve.Site
	cacheFor time.Duration
	turns    chan struct{} // as many as there are requests under way

	mu       sync.Mutex
	accepted cache
	refused  cache
	flights  map[key]*flight
	failures int // in a row
	err      error
	retryAt  time.Time // when one may ask in spite of the failures
	probing  bool      // one does
}

// key is a token's SHA-256. Whoever reads this process's memory finds no tokens that are not in use.
type key [sha256.Size]byte

// flight is a question under way. There is never more than one about a token.
type flight struct {
	done chan struct{}
	err  error // to be read when done
}

// An Option changes a default of New.
type Option func(*config)

type config struct {
	cacheFor  time.Duration
	transport http.RoundTripper
	errs      []error
}

// WithCacheFor sets for how long a token that the site accepted is accepted unasked, MaxCacheFor unless set, and 0 to ask
// every time. A ban is seen after that, and so is the end of a token that was replaced with the master key.
func WithCacheFor(d time.Duration) Option {
	return func(c *config) {
		if d < 0 || d > MaxCacheFor {
			c.errs = append(c.errs, fmt.Errorf("introspect: a time of %v to accept tokens unasked is not between 0 and %v", d, MaxCacheFor))
		}
		c.cacheFor = d
	}
}

// WithTransport sets what requests are sent by, which is http.DefaultTransport unless set.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *config) {
		if transport == nil {
			c.errs = append(c.errs, errors.New("introspect: the transport is nil"))
		}
		c.transport = transport
	}
}

// New returns a Site for the one whose first page is at siteURL. It is not asked anything yet. The error tells everything
// that is wrong with the arguments at once.
func New(siteURL string, options ...Option) (*Site, error) {
	c := config{cacheFor: MaxCacheFor, transport: http.DefaultTransport}
	for _, option := range options {
		if option == nil {
			c.errs = append(c.errs, errors.New("introspect: an option is nil"))
			continue
		}
		option(&c)
	}
	site, err := cloudreve.NewSite(siteURL, c.transport)
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("introspect: %w", err))
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	return &Site{site: site, cacheFor: c.cacheFor, turns: make(chan struct{}, maxRequests), flights: map[key]*flight{}}, nil
}

// String says nothing of the tokens that are known.
func (s *Site) String() string { return "introspect.Site" }

// GoString returns what String does.
func (s *Site) GoString() string { return s.String() }

// Introspect is part of authmw.Introspector. It returns nil if the site accepts the token as that of the claims' Subject.
// The error matches authmw.ErrInvalidSignature if it takes its sender for anonymous; authmw.ErrTokenRejected if it knows
// no such user, or a banned one, or if the token has no scope for which the site would tell; and none of those if the site
// cannot be asked.
func (s *Site) Introspect(ctx context.Context, token string, claims *authmw.Claims) error {
	if s == nil || s.site == nil {
		return errNotMade
	}
	question, err := questionFor(claims)
	if err != nil {
		return err
	}
	k := key(sha256.Sum256([]byte(token)))
	now := time.Now()
	s.mu.Lock()
	if _, ok := s.accepted.get(k, now); ok {
		s.mu.Unlock()
		return nil
	}
	if err, ok := s.refused.get(k, now); ok {
		s.mu.Unlock()
		return err
	}
	f := s.flights[k]
	if f == nil {
		if f, err = s.begin(k, token, claims.Subject, question, now, claims.ExpiresAt); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// question is something that the site answers only to those it knows.
type question struct {
	path   string
	answer func(cloudreve.Answer) (id string)
}

var errNoScope = fmt.Errorf("%w: it has neither the scope openid nor UserInfo.Read, without which the site does not tell whose it is", authmw.ErrTokenRejected)

// questionFor returns what can be asked with a token that claims so.
func questionFor(claims *authmw.Claims) (question, error) {
	switch {
	case claims.ClientID == "":
		// Cloudreve takes it for a user's own login, which needs no scope there, even if it has scopes (CVE-2026-54560).
		return question{"/api/v4/user/me", me}, nil
	case claims.HasScope("openid"):
		return question{"/api/v4/session/oauth/userinfo", userinfo}, nil
	case claims.HasScope("UserInfo.Read"):
		return question{"/api/v4/user/me", me}, nil
	default:
		return question{}, errNoScope
	}
}

func me(answer cloudreve.Answer) string {
	var data struct {
		ID string `json:"id"`
	}
	if answer.Code == nil || json.Unmarshal(answer.Data, &data) != nil {
		return ""
	}
	return data.ID
}

// userinfo reads the one answer that has no envelope (OpenID Connect Core section 5.3.2).
func userinfo(answer cloudreve.Answer) string {
	var data struct {
		Sub string `json:"sub"`
	}
	if answer.Code != nil || json.Unmarshal(answer.Body, &data) != nil {
		return ""
	}
	return data.Sub
}

// begin asks about a token, unless that is no use at the moment. It is called with the lock held.
func (s *Site) begin(k key, token, subject string, q question, now, expires time.Time) (*flight, error) {
	if len(s.flights) >= maxRequests+maxWaiting {
		return nil, errBusy
	}
	tripped := s.failures >= tripAfter
	if tripped && (s.probing || now.Before(s.retryAt)) {
		return nil, s.err
	}
	s.probing = tripped
	f := &flight{done: make(chan struct{})}
	s.flights[k] = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		select {
		case s.turns <- struct{}{}:
		case <-ctx.Done():
			s.end(k, f, tripped, outcome{err: errBusy})
			return
		}
		asked := time.Now()
		o := outcome{err: s.hopeless(ctx, tripped)}
		if o.err == nil {
			// With a time of its own: that strangers made it wait is not the site's fault.
			asking, cancel := context.WithTimeout(context.Background(), timeout)
			o = s.ask(asking, token, subject, q)
			cancel()
		}
		o.asked, o.expires = asked, expires
		s.end(k, f, tripped, o)
		<-s.turns // only now, so that the next one knows what became of this
	}()
	return f, nil
}

// hopeless returns why a question whose turn it is should not be asked any more.
func (s *Site) hopeless(ctx context.Context, probe bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return errBusy
	case s.failures >= tripAfter && !probe:
		return s.err
	}
	return nil
}

// outcome is what became of a question.
type outcome struct {
	err            error
	answered       bool // by the site, with yes or no
	down           bool // it could have been answered, and was not
	asked, expires time.Time
}

// end tells all who wait, and remembers what can be.
func (s *Site) end(k key, f *flight, probe bool, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, k)
	if probe {
		s.probing = false
	}
	switch {
	case o.answered:
		s.failures, s.err = 0, nil
		if o.err != nil {
			s.refused.put(k, entry{o.asked.Add(refusedFor), o.err})
		} else if until := o.asked.Add(s.cacheFor); until.Before(o.expires) {
			s.accepted.put(k, entry{until: until})
		} else {
			s.accepted.put(k, entry{until: o.expires})
		}
	case o.down && (probe || s.failures < tripAfter): // of those that were under way together, not each counts
		s.failures++
		s.err = o.err
		s.retryAt = time.Now().Add(cloudreve.Backoff(max(s.failures-tripAfter, 0), mostBackoff, o.err))
	}
	f.err = o.err
	close(f.done)
}

// ask shows the site a token, and returns what that says.
func (s *Site) ask(ctx context.Context, token, subject string, q question) (o outcome) {
	defer func() {
		if r := recover(); r != nil { // in a goroutine of ours, it would end the server
			o = outcome{err: errPanicked, down: true}
		}
	}()
	answer, err := s.site.Do(ctx, http.MethodGet, q.path, token, nil)
	if err != nil {
		// An answer that is not Cloudreve's may be to this token alone, such as a proxy's to a long one: whoever made that up
		// must not have the others denied.
		return outcome{err: fmt.Errorf("introspect: %w", err), down: !errors.As(err, new(*cloudreve.Other))}
	}
	no := func(sentinel error, reason string) outcome {
		return outcome{err: fmt.Errorf("%w: %s", sentinel, reason), answered: true}
	}
	code := 0
	if answer.Code != nil {
		code = *answer.Code
	}
	switch code {
	case 0:
		switch id := q.answer(answer); id {
		case subject:
			return outcome{answered: true}
		case "":
			return outcome{err: fmt.Errorf("introspect: %w", &cloudreve.Other{Status: http.StatusOK}), down: true}
		default:
			return no(authmw.ErrTokenRejected, "the site says that it is another user's")
		}
	case cloudreve.CodeLoginRequired:
		return no(authmw.ErrInvalidSignature, "the site does not accept it, by its key or by its clock")
	case cloudreve.CodeCredentialInvalid:
		return no(authmw.ErrWrongTokenType, "the site says so")
	case cloudreve.CodeNotFound, cloudreve.CodeDBError:
		return no(authmw.ErrTokenRejected, "the site has no such user, or not an active one")
	case cloudreve.CodeForbidden, cloudreve.CodeInsufficientScope:
		return no(authmw.ErrTokenRejected, "the site does not tell its holder who they are")
	default:
		return outcome{err: fmt.Errorf("introspect: the site answers with code %d", code), down: true}
	}
}
