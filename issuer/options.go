package issuer

import (
	"context"
	"time"

	"github.com/authmw/authmw/internal/option"
	"github.com/authmw/authmw/internal/uuid"
)

// The defaults of WithTTL, WithGrace and WithFamilyLimit. The lifetimes are those that Cloudreve sets up a new site with.
const (
	DefaultAccessTTL   = time.Hour
	DefaultRefreshTTL  = 14 * 24 * time.Hour
	DefaultGrace       = 30 * time.Second
	DefaultFamilyLimit = 1000
)

// Event is something that an operator may want to know.
type Event struct {
	// Identity is of the refresh token or the login that caused it.
	Identity Identity
	// Err is one of these:
	//   - ErrReused: a refresh token was used a second time, which ended the family. It is a theft, or a client that keeps
	//     its tokens badly. It happens once for a family, whose tokens are all refused from then on;
	//   - ErrFamilyLimit: the identity's subject and client have as many logins, or logouts, as WithFamilyLimit permits.
	// An event is missed if the store's answer was lost on the way.
	Err error
	// Ended is how many live families ended by it. It is 0 where that is not known, which is the case with
	// NewCloudreveCompatible.
	Ended int
}

// An Option changes a default of New and NewCloudreveCompatible, which report invalid arguments. If an option is given
// twice, the last one wins; WithPreviousSecrets accumulates.
type Option func(*config)

// config is what options write to.
type config struct {
	previous [][]byte // secrets
	ttl      ttl
	clients  map[string]ttl // by client ID
	state    func(context.Context, Identity) ([]byte, error)
	grace    *time.Duration // nil: DefaultGrace
	limit    int
	observe  func(context.Context, Event)
	now      func() time.Time
	newID    func() string

	errs option.Errors
}

type ttl struct{ access, refresh time.Duration }

// configure returns what options say.
func configure(options []Option) config {
	c := config{errs: option.ErrorsOf("issuer"),
		ttl: ttl{DefaultAccessTTL, DefaultRefreshTTL}, limit: DefaultFamilyLimit, observe: func(context.Context, Event) {},
		now: time.Now, newID: uuid.New,
	}
	option.Apply(&c, &c.errs, options)
	return c
}

// maxTTL keeps the arithmetic of times far from its limits.
const maxTTL = 10 * 365 * 24 * time.Hour

// WithTTL sets for how long access and refresh tokens are valid, between a second and ten years each. Neither has to be
// the longer.
func WithTTL(access, refresh time.Duration) Option {
	return func(c *config) { c.setTTL(&c.ttl, access, refresh) }
}

// WithClientTTL sets what WithTTL does for the tokens of one OAuth client, whose ID is not empty.
func WithClientTTL(clientID string, access, refresh time.Duration) Option {
	return func(c *config) {
		if clientID == "" {
			c.errs.Addf("lifetimes for a client without an ID: WithTTL sets those of users")
		}
		var t ttl
		c.setTTL(&t, access, refresh)
		if c.clients == nil {
			c.clients = map[string]ttl{}
		}
		c.clients[clientID] = t
	}
}

func (c *config) setTTL(t *ttl, access, refresh time.Duration) {
	if min(access, refresh) < time.Second || max(access, refresh) > maxTTL {
		c.errs.Addf("lifetimes of %v and %v: each must be between a second and ten years", access, refresh)
	}
	*t = ttl{access, refresh}
}

// WithPreviousSecrets also accepts refresh tokens signed with secrets that are no longer the current one. What is issued
// is signed with the current one. Keep them for as long as refresh tokens live; a Validator needs its own, see
// authmw.WithPreviousSecrets, for as long as access tokens do.
func WithPreviousSecrets(secrets ...[]byte) Option {
	return func(c *config) { c.previous = append(c.previous, secrets...) }
}

// WithStateHash sets a function that returns what state_hash is to be for an identity at the moment, such as
// CloudreveStateHash of the user's e-mail address and password. A refresh token only works for as long as the function
// returns what it did when the token was issued, so that a changed password ends all refreshing. It is asked at every
// Issue and every Refresh, and so is also the place to find that the user was banned or the client's permission taken
// back: an error that wraps ErrInvalidGrant refuses the token, any other means that the state cannot be had and becomes
// authmw.ErrUnavailable.
//
// Without one, tokens have no state_hash, and those that have one are refused, since it cannot be checked.
func WithStateHash(state func(ctx context.Context, identity Identity) ([]byte, error)) Option {
	return func(c *config) {
		if state == nil {
			c.errs.Addf("the state function is nil")
		}
		c.state = state
	}
}

// WithGrace sets for how long after its first use New's refresh tokens may be used again, for a client that lost the
// answer or asks twice at once: within grace it gets the same pair once more, unless the new refresh token was used
// already, which ends the family as any other second use. It is between 0 and a minute, and DefaultGrace unless set. It
// ends early when the access token of the pair expires. Without grace, two requests of one client at the same time look
// like a theft.
//
// The store measures it. The clocks of several Issuers need to agree only to a minute, as for every refresh token.
func WithGrace(grace time.Duration) Option {
	return func(c *config) {
		if grace < 0 || grace > time.Minute {
			c.errs.Addf("a grace window of %v is not between 0 and a minute", grace)
		}
		c.grace = &grace
	}
}

// WithFamilyLimit sets how many logins a subject may have at one client, between 1 and 10,000, and DefaultFamilyLimit
// unless set. Without a limit, one user fills the store.
//
// With New, a login beyond it ends another one: first those that were never refreshed, then the one that was not refreshed
// for the longest time. With NewCloudreveCompatible, which keeps no logins, it is how many logouts are kept one by one:
// see MemoryStore for what happens beyond it. The stores of package redisstore keep them all.
func WithFamilyLimit(limit int) Option {
	return func(c *config) {
		if limit < 1 || limit > 10_000 {
			c.errs.Addf("a limit of %d families is not between 1 and 10,000", limit)
		}
		c.limit = limit
	}
}

// WithObserver sets a function that is told of events. It must be safe for concurrent use. The call that caused the event
// waits for it, and passes its context. If it panics, so does the call, after it has done its work.
func WithObserver(observe func(ctx context.Context, event Event)) Option {
	return func(c *config) {
		if observe == nil {
			c.errs.Addf("the observer is nil")
		}
		c.observe = observe
	}
}

// WithClock sets where the time is read, which is time.Now by default.
func WithClock(now func() time.Time) Option {
	return func(c *config) {
		if now == nil {
			c.errs.Addf("the clock is nil")
		}
		c.now = now
	}
}
