// Package introspect lets a server that has no master key accept Cloudreve's access tokens: it asks the site whose
// token it is. A server that has the key can act as any user, which most plugins do not need.
//
//	site, err := introspect.New("https://cloud.example.com")
//	v, err := authmw.NewFromIntrospector(site)            // for the same modes and adapters as any other Validator
//
// A token without a client_id is shown to GET /api/v4/user/me. An OAuth client's token is shown to
// GET /api/v4/session/oauth/userinfo if it has the scope openid, as all that Cloudreve issues have. If it has only
// UserInfo.Read, it is shown to /user/me, where Cloudreve 4.12.0 to 4.16.1 refuse it because they demand Admin.Read. A token
// with scopes and no client_id, as Cloudreve 4.12.0 to 4.16.0 issued to OAuth clients (CVE-2026-54560), is bound by its
// scopes here, although the site takes it for a user's own login. What the site accepts is as the token says. So a ban and
// a new master key are seen too, as soon as what was answered before is forgotten.
//
// # What it costs
//
// A token that the site accepted is not asked about again for 30 seconds, one that it refused for two. Concurrent requests
// with one token share one question. A token in use is asked about again in the background before its 30 seconds end: by
// the first request after a random time in their third quarter. So requests do not wait, and users who came together are
// not asked about together. A hundred active users cost the site about five small requests a second, however many requests they send.
//
// # Strangers
//
// A token in bad form, of the wrong type or out of time is denied without asking. Anyone can make up others, so there are
// turns: at most 32 questions are in flight. Tokens that the site accepted before go first, with turns reserved for them.
// This gives them priority, never acceptance. Other tokens take turns by client address: an IPv4 address, or an IPv6 /64.
// An address goes last whose tokens the site keeps not accepting, and so do all of an IPv6 /48. A question whose turn would
// not come within a second is refused at once with authmw.ErrUnavailable, status 503.
//
// The address is the request's RemoteAddr. Behind a proxy that is the proxy's, which all clients share, unless the
// application sets the client's with [authmw.WithClientAddress]. Even then, a flood from many addresses can make new users
// wait or fail, hundreds of them if the site takes seconds to answer: limit it elsewhere.
//
// # When the site is down
//
// Requests with a token that is not known are denied with authmw.ErrUnavailable; under Optional too, never anonymous. If
// most questions of the last ten seconds failed, a circuit breaker opens: for a time that grows from half a second to half a
// minute nobody asks, and then a few do, until one is answered. Strangers cannot open it for known tokens, nor can one token
// alone. What was accepted is accepted until its 30 seconds are over, and no longer.
//
// A site that answers with status 429 is asked once a second, for as long as its Retry-After says, up to 30 seconds, and two
// seconds if it does not say. If it answers so to a few users or addresses alone, or to strangers alone, the others are asked
// about as before. Addresses that go last stay at that pace, all of them together, for another minute. The circuit stays
// closed.
//
// # How far to trust it
//
// The site sees every token, and its answers decide: reach it by https, or in a network that is trusted.
package introspect

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/cloudreve"
)

const (
	// refusedFor is for how long a token that the site refused is refused unasked: a client that tries again at once gets
	// the same answer, one that is unbanned does not wait.
	refusedFor = 2 * time.Second

	// timeout is how long the site may take to answer.
	timeout = 5 * time.Second

	// retryRefresh is the time between two tries to ask about a token in use again.
	retryRefresh = time.Second
)

var (
	errBusy     = errors.New("introspect: too many tokens at once are asked about")
	errPanicked = errors.New("introspect: the transport panicked") // the value may contain the token
	errNotMade  = errors.New("introspect: the site was not made by New")
)

// Introspector is an authmw.Introspector that asks a Cloudreve site. Make one with New. It is safe for concurrent use. Each
// question is answered within seconds or given up. There is nothing to close.
type Introspector struct {
	config
	site *cloudreve.Site

	mu       sync.Mutex
	accepted cache[acceptance]
	refused  cache[refusal]
	failed   cache[time.Time] // when a failure of a question about a token was last counted
	flights  map[key]*flight
	queue    queue
	breakers [len(turns)]breaker // by class
	wake     *time.Timer         // calls dispatch at wakeAt, for a site that is paced
	wakeAt   time.Time           // zero if it does not
	silent   bool                // a question timed out: its connection may be dead, and HTTP/2 would use it for all that follow
}

// acceptance is what is remembered of a token that the site accepted.
type acceptance struct {
	refreshAt time.Time // it is asked about again from then on, if it is in use
	until     time.Time // it is accepted unasked
	expires   time.Time // it has priority
}

// refusal is what is remembered of a token that the site refused.
type refusal struct {
	until time.Time
	err   error
}

// New returns an Introspector for the site whose first page is at siteURL. It does not ask the site yet. The error reports
// everything that is wrong with the arguments at once.
func New(siteURL string, options ...Option) (*Introspector, error) {
	c := configure(options)
	site, err := cloudreve.NewSite(siteURL, c.transport)
	if err != nil {
		c.errs.Addf("%w", err)
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	return &Introspector{config: c, site: site, flights: map[key]*flight{}}, nil
}

// String says nothing of the tokens that are known.
func (i *Introspector) String() string { return "introspect.Introspector" }

// GoString returns what String does.
func (i *Introspector) GoString() string { return i.String() }

// Introspect is part of authmw.Introspector. It returns nil if the site accepts the token as that of the claims' Subject.
// The error matches authmw.ErrInvalidSignature if it takes its sender for anonymous; authmw.ErrTokenRejected if it knows
// no such user, or a banned one, or if the token has no scope for which the site would tell; and none of those if the site
// cannot be asked.
func (i *Introspector) Introspect(ctx context.Context, token string, claims *authmw.Claims) error {
	if i == nil || i.site == nil {
		return errNotMade
	}
	question, err := questionFor(claims)
	if err != nil {
		return err
	}
	address, _ := authmw.ClientAddress(ctx)
	f, err := i.join(flight{
		key: sha256.Sum256([]byte(token)), token: token, subject: claims.Subject, expires: claims.ExpiresAt, question: question,
	}, address, time.Now())
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the flight to wait for: f or another one about the same token. It returns none, and what is known, if there
// is nothing to wait for.
func (i *Introspector) join(f flight, address netip.Addr, now time.Time) (*flight, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	accepted, found := i.accepted.get(f.key)
	f.known = found && now.Before(accepted.expires)
	if found && now.Before(accepted.until) {
		if !now.Before(accepted.refreshAt) && i.flights[f.key] == nil {
			accepted.refreshAt = now.Add(retryRefresh) // unless the site accepts it before
			i.accepted.put(f.key, accepted)
			_, _ = i.begin(f, address, now)
		}
		return nil, nil
	}
	if refused, found := i.refused.get(f.key); found && now.Before(refused.until) {
		return nil, refused.err
	}
	if other := i.flights[f.key]; other != nil {
		return other, nil
	}
	return i.begin(f, address, now)
}

// begin has f wait for its turn, unless that would take too long or the circuit is open. It is called with the lock held.
func (i *Introspector) begin(f flight, address netip.Addr, now time.Time) (waiting *flight, err error) {
	f.bucket = i.queue.bucket(address)
	f.class = known
	if !f.known {
		f.class = f.bucket.class(now)
	}
	if i.queue.full(f.class) || i.queue.wait(f.class, f.bucket, now) > maxWait {
		return nil, errBusy
	}
	if f.trial, err = i.allow(f.class, now); err != nil {
		return nil, err
	}
	waiting = &f
	waiting.done = make(chan struct{})
	i.flights[waiting.key] = waiting
	// A little later than expected is still in time.
	waiting.timer = time.AfterFunc(maxWait+maxWait/10, func() { i.expire(waiting) })
	i.queue.push(waiting, now)
	i.dispatch(now)
	return waiting, nil
}

// allow asks the breaker of a class. A site that accepts tokens is up: if it answers strangers with errors, the turns are
// enough to protect it from those of them who are not suspect.
func (i *Introspector) allow(c class, now time.Time) (trial bool, err error) {
	if c == fresh && i.breakers[known].healthy(now) {
		return false, nil
	}
	return i.breakers[c].allow(now)
}

// dispatch asks those whose turn it is. It is called with the lock held.
func (i *Introspector) dispatch(now time.Time) {
	for {
		f, pause := i.queue.next(now)
		if f == nil {
			i.wakeIn(pause, now)
			return
		}
		f.timer.Stop()
		if f.class == fresh && f.bucket.class(now) == suspect {
			i.breakers[fresh].abandoned(f.trial)
			f.class, f.trial = suspect, false
		}
		if !f.trial { // the circuit may have opened since it began to wait
			var err error
			if f.trial, err = i.allow(f.class, now); err != nil {
				i.queue.done(f)
				i.finish(f, err)
				continue
			}
		}
		f.reconnect, i.silent = i.silent, false
		go i.run(f)
	}
}

// wakeIn has dispatch called after a pause, if that is not zero, or before.
func (i *Introspector) wakeIn(pause time.Duration, now time.Time) {
	if pause == 0 || !i.wakeAt.IsZero() && i.wakeAt.Before(now.Add(pause)) {
		return
	}
	if i.wake != nil {
		i.wake.Stop()
	}
	i.wakeAt = now.Add(pause)
	i.wake = time.AfterFunc(pause, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.wakeAt = time.Time{}
		i.dispatch(time.Now())
	})
}

// expire ends a flight whose turn has not come.
func (i *Introspector) expire(f *flight) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue.remove(f) {
		i.breakers[f.class].abandoned(f.trial)
		i.finish(f, errBusy)
	}
}

// finish tells all who wait for f. It is called with the lock held.
func (i *Introspector) finish(f *flight, err error) {
	delete(i.flights, f.key)
	f.err = err
	close(f.done)
}

// run asks about f.
func (i *Introspector) run(f *flight) {
	o := outcome{err: errPanicked, down: true} // unless ask returns: a transport may call runtime.Goexit
	defer func() { i.settle(f, o) }()
	asked := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	o = i.ask(ctx, f)
	o.asked = asked
}

// ask shows the site the token of f.
func (i *Introspector) ask(ctx context.Context, f *flight) (o outcome) {
	defer func() {
		if r := recover(); r != nil { // in a goroutine of ours, it would end the server
			o = outcome{err: errPanicked, down: true}
		}
	}()
	if f.reconnect {
		i.site.CloseIdleConnections()
	}
	return f.question.ask(ctx, i.site, f.token, f.subject)
}

// settle remembers what can be remembered of an outcome, and gives the turn to the next one.
func (i *Introspector) settle(f *flight, o outcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	i.queue.done(f)
	if o.down {
		// One token counts once in the breaker's window: it may be that the site fails for this one alone.
		last, _ := i.failed.get(f.key)
		if o.down = f.trial || now.Sub(last) >= breakerWindow; o.down {
			i.failed.put(f.key, now)
		}
		i.silent = i.silent || errors.Is(o.err, context.DeadlineExceeded)
	}
	i.report(f, o, now)
	switch {
	case o.answered:
		i.queue.answered(now.Sub(o.asked))
		i.remember(f, o)
	case o.limited:
		i.queue.limited(f, now, o.retryAfter)
	}
	if o.answered || !f.known { // of a known token, a failure is not its sender's
		f.bucket.judge(o.err == nil, now)
	}
	i.finish(f, o.err)
	i.dispatch(now)
}

// report tells the breakers of an outcome.
func (i *Introspector) report(f *flight, o outcome, now time.Time) {
	for c := f.class; c <= suspect; c++ {
		b, trial := &i.breakers[c], f.trial && c == f.class
		switch {
		case o.answered || o.limited:
			b.answered(now, trial)
		case o.down:
			b.failed(now, trial, o.err)
		default:
			b.abandoned(trial)
		}
	}
	if o.answered && o.err == nil && f.class != known {
		i.breakers[known].answered(now, false) // the site is up for users
	}
}

// remember keeps the site's answer about a token.
func (i *Introspector) remember(f *flight, o outcome) {
	if o.err != nil {
		i.accepted.delete(f.key)
		i.refused.put(f.key, refusal{o.asked.Add(refusedFor), o.err})
		return
	}
	a := acceptance{until: o.asked.Add(i.cacheTTL), expires: f.expires}
	if a.until.After(f.expires) {
		a.until = f.expires
	}
	// In the third quarter, which leaves time for a request to come that asks again.
	a.refreshAt = o.asked.Add(i.cacheTTL/2 + rand.N(i.cacheTTL/4+1))
	i.accepted.put(f.key, a)
}
