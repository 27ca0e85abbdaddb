// Package issuer is the other side of package authmw: it issues pairs of an access and a refresh token as Cloudreve v4
// does, renews and revokes them.
//
//	i, err := issuer.New(secret, issuer.NewMemoryStore())
//	pair, err := i.Issue(ctx, issuer.Grant{Subject: "lUpa"})  // at login
//	pair, err = i.Refresh(ctx, pair.RefreshToken)             // when the access token expires
//	err = i.Revoke(ctx, pair.RefreshToken)                    // at sign-out
//
// There are two ways to refresh. New's rotates (RFC 9700 section 4.14.2): each refresh token works once. A client that lost
// the answer may repeat the request within a short grace window. Any other second use ends the login, since one of the two
// users is a thief. NewCloudreveCompatible's is Cloudreve's own: refresh tokens work until they expire or are revoked.
// In both, all tokens that stem from one login are a family, with Cloudreve's root_token_id as its name.
//
// Each refresh starts the lifetime of the refresh token anew: a login that is used lives on. Revoke ends one login; what
// ends all of a user's is another state hash, see WithStateHash. Access tokens are not revocable: they work until they
// expire, see authmw.WithClaimsCheck for what can be done.
package issuer

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/uuid"
)

// The defaults of WithTTL, WithGrace and WithFamilyLimit. The lifetimes are those that Cloudreve sets up a new site with.
const (
	DefaultAccessTTL   = time.Hour
	DefaultRefreshTTL  = 14 * 24 * time.Hour
	DefaultGrace       = 30 * time.Second
	DefaultFamilyLimit = 1000
)

// Grant identifies the user that tokens are issued for and, optionally, the OAuth client and its scopes. All of it is
// UTF-8, and no more than makes a token of 8 KiB.
type Grant struct {
	// Subject becomes sub. It has 1 to 255 bytes and no control characters.
	Subject string
	// ClientID becomes client_id. It is empty for a user who logs in directly.
	ClientID string
	// Scopes become scopes, at most 100. They bind the tokens: authmw.Claims.HasScope reports false for any other. A list
	// that is empty but not nil has no scope at all. With neither Scopes nor a ClientID, the tokens permit everything,
	// unless the Validator has authmw.WithStrictScopes.
	//
	// A refresh repeats them for as long as the login lives. To take a role away, make the roles part of the state hash, so
	// that the user has to log in again, or change the claims in the check set by authmw.WithClaimsCheck.
	//
	// Cloudreve takes a token with scopes and no client_id for a user's own login, which may do everything. If it has the
	// same secret, give each Grant with Scopes a ClientID. NewCloudreveCompatible insists on it.
	Scopes []string
}

func (g Grant) validate() error {
	if reason := compact.CheckSubject(g.Subject); reason != "" {
		return fmt.Errorf("issuer: subject: %s", reason)
	}
	invalid := func(text string) bool { return !utf8.ValidString(text) }
	if invalid(g.Subject) || invalid(g.ClientID) || slices.ContainsFunc(g.Scopes, invalid) {
		return errors.New("issuer: subject, client ID and scopes must be UTF-8")
	}
	if n := len(g.Scopes); n > compact.MaxScopes {
		return fmt.Errorf("issuer: %d scopes: at most %d are accepted", n, compact.MaxScopes)
	}
	return nil
}

// Issuer issues, renews and revokes pairs of tokens. Make one with New or NewCloudreveCompatible; a nil or zero one fails
// with authmw.ErrUnavailable. It is safe for concurrent use.
type Issuer struct {
	signer   *compact.Signer
	verifier *compact.Verifier
	families families
	now      func() time.Time
	newID    func() string
	ttl      ttl
	clients  map[string]ttl
	state    func(context.Context, Grant) ([]byte, error)
	observe  func(context.Context, Event)
}

type ttl struct{ access, refresh time.Duration }

// families is one of the two ways to refresh. expires is when the refresh token of a pair issued now expires.
type families interface {
	// first returns the generation of a new family's first refresh token.
	first() int64
	// kind returns an error if t is a refresh token of the other way.
	kind(t refreshToken) error
	// check returns an error if no tokens may be issued for g.
	check(g Grant) error
	// begin begins a family. It returns how many others it ended to stay within the limit.
	begin(ctx context.Context, t refreshToken, now, expires time.Time) (ended int, err error)
	// renew decides on the use of a refresh token. next is the pair that follows it as of now. at is when the token was used
	// first, if it is Repeated.
	renew(ctx context.Context, t refreshToken, now time.Time, next Pair) (outcome Outcome, at time.Time, err error)
	// end ends a family. limited is as for Revocations.Revoke.
	end(ctx context.Context, t refreshToken, now, expires time.Time) (limited bool, err error)
}

// An Option changes a default. New and NewCloudreveCompatible report invalid arguments.
type Option func(*config)

type config struct {
	Issuer
	previous [][]byte
	grace    *time.Duration
	limit    int
	errs     []error
}

func (c *config) invalid(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("issuer: "+format, args...))
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
			c.invalid("lifetimes for a client without an ID: WithTTL sets those of users")
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
		c.invalid("lifetimes of %v and %v: each must be between a second and ten years", access, refresh)
	}
	*t = ttl{access, refresh}
}

// WithPreviousSecrets also accepts refresh tokens signed with secrets that are no longer the current one. What is issued
// is signed with the current one. Keep them for as long as refresh tokens live; a Validator needs its own, see
// authmw.WithPreviousSecrets, for as long as access tokens do.
func WithPreviousSecrets(secrets ...[]byte) Option {
	return func(c *config) { c.previous = append(c.previous, secrets...) }
}

// WithStateHash sets a function that returns what state_hash is to be for a grant at the moment, such as
// CloudreveStateHash of the user's e-mail address and password. A refresh token only works for as long as the function
// returns what it did when the token was issued, so that a changed password ends all refreshing. It is asked at every
// Issue and every Refresh, and so is also the place to find that the user was banned or the client's permission taken
// back: an error that wraps ErrInvalidGrant refuses the token, any other means that the state cannot be had and becomes
// authmw.ErrUnavailable.
//
// Without one, tokens have no state_hash, and those that have one are refused, since it cannot be checked.
func WithStateHash(state func(ctx context.Context, grant Grant) ([]byte, error)) Option {
	return func(c *config) {
		if state == nil {
			c.invalid("the state function is nil")
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
			c.invalid("a grace window of %v is not between 0 and a minute", grace)
		}
		c.grace = &grace
	}
}

// WithFamilyLimit sets how many logins a subject may have at one client, between 1 and 10,000, and DefaultFamilyLimit
// unless set. Without a limit, one user fills the store.
//
// With New, a login beyond it ends another one: first those that were never refreshed, then the one that was not refreshed
// for the longest time. With NewCloudreveCompatible, which keeps no logins, it is how many sign-outs are kept one by one:
// see MemoryStore for what happens beyond it. The stores of package redisstore keep them all.
func WithFamilyLimit(limit int) Option {
	return func(c *config) {
		if limit < 1 || limit > 10_000 {
			c.invalid("a limit of %d families is not between 1 and 10,000", limit)
		}
		c.limit = limit
	}
}

// Event is something that an operator may want to know.
type Event struct {
	// Grant is of the refresh token or the login that caused it.
	Grant Grant
	// Err is one of these:
	//   - ErrReused: a refresh token was used a second time, which ended the family. It is a theft, or a client that keeps
	//     its tokens badly. It happens once for a family, whose tokens are all refused from then on;
	//   - ErrFamilyLimit: the grant's subject and client have as many logins, or sign-outs, as WithFamilyLimit permits.
	// An event is missed if the store's answer was lost on the way.
	Err error
	// Ended is how many live families ended by it. It is 0 where that is not known, which is the case with
	// NewCloudreveCompatible.
	Ended int
}

// WithObserver sets a function that is told of events. It must be safe for concurrent use. The call that caused the event
// waits for it, and passes its context. If it panics, so does the call, after it has done its work.
func WithObserver(observe func(ctx context.Context, event Event)) Option {
	return func(c *config) {
		if observe == nil {
			c.invalid("the observer is nil")
		}
		c.observe = observe
	}
}

// WithClock sets where the time is read, which is time.Now by default.
func WithClock(now func() time.Time) Option {
	return func(c *config) {
		if now == nil {
			c.invalid("the clock is nil")
		}
		c.now = now
	}
}

// New returns an Issuer whose refresh tokens work once. It signs with secret, of authmw.MinSecretSize bytes or more, of
// which it keeps a copy. Its access tokens are Cloudreve's to the byte; its refresh tokens have one member more, jti,
// which Cloudreve ignores: whoever has the same secret and does not rotate, such as a Cloudreve, would renew them without
// asking the store. It does not accept refresh tokens that Cloudreve issued: those are in no store.
//
// The error tells everything that is wrong with the arguments at once.
func New(secret []byte, store Store, options ...Option) (*Issuer, error) {
	return build(secret, options, func(c *config) families {
		if store == nil {
			c.invalid("the store is nil")
		}
		grace := DefaultGrace
		if c.grace != nil {
			grace = *c.grace
		}
		return &rotating{store: store, grace: grace, limit: c.limit}
	})
}

// NewCloudreveCompatible returns an Issuer that does as Cloudreve does, to the byte: refresh tokens work as often as one
// likes until they expire, and Revoke ends all that stem from the same login. It also accepts those that Cloudreve itself
// issued with the same secret, provided that WithStateHash computes what Cloudreve does, and none that New's Issuer did.
// The lifetimes should not be shorter than those of another issuer with the secret, or than they were before: a family is
// revoked for as long as a refresh token issued here lives, and as long as the one that Revoke was given.
//
// It does not issue a token with scopes and no client_id, which Cloudreve would take for a user's own login, and Refresh
// refuses such a refresh token with ErrInvalidGrant. No Cloudreve has issued one: 4.12.0 to 4.16.0 left out client_id in
// the access tokens of OAuth clients (CVE-2026-54560), but not in their refresh tokens. Refresh accepts those, and the new
// access token has the client_id.
//
// A refresh token that was stolen stays good for the thief until someone signs out. Prefer New unless Cloudreve's own
// tokens are to be renewed.
func NewCloudreveCompatible(secret []byte, revocations Revocations, options ...Option) (*Issuer, error) {
	return build(secret, options, func(c *config) families {
		if revocations == nil {
			c.invalid("the revocations are nil")
		}
		if c.grace != nil {
			c.invalid("WithGrace is for New: here refresh tokens work more than once")
		}
		return &compatible{revocations, c.limit}
	})
}

func build(secret []byte, options []Option, way func(*config) families) (*Issuer, error) {
	c := config{
		Issuer: Issuer{
			now: time.Now, newID: uuid.New, ttl: ttl{DefaultAccessTTL, DefaultRefreshTTL}, observe: func(context.Context, Event) {},
		},
		limit: DefaultFamilyLimit,
	}
	for _, option := range options {
		if option == nil {
			c.invalid("an option is nil")
			continue
		}
		option(&c)
	}
	c.families = way(&c)
	if _, err := authmw.NewKeys(secret, c.previous...); err != nil {
		c.errs = append(c.errs, err)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	c.signer = compact.NewSigner(secret)
	c.verifier = compact.NewVerifier(append([][]byte{secret}, c.previous...)...)
	i := c.Issuer
	return &i, nil
}

// String says nothing of what i was made with.
func (i *Issuer) String() string { return "issuer.Issuer" }

// GoString returns what String does.
func (i *Issuer) GoString() string { return i.String() }

// Issue returns the first pair of a new family, for someone who has just logged in. If the subject has as many logins at the
// client as WithFamilyLimit permits, it ends one of them.
//
// An error that matches authmw.ErrUnavailable means that the store or the state function failed, one that matches
// ErrInvalidGrant that the state function refused, and any other that grant breaks a limit of Grant's or a rule of
// NewCloudreveCompatible's.
func (i *Issuer) Issue(ctx context.Context, grant Grant) (Pair, error) {
	if i == nil || i.families == nil {
		return Pair{}, unavailable(errNotBuilt)
	}
	if err := grant.validate(); err != nil {
		return Pair{}, err
	}
	t := refreshToken{grant: grant, root: i.newID(), generation: i.families.first()}
	if err := i.families.check(grant); err != nil {
		return Pair{}, fmt.Errorf("issuer: %w", err)
	}
	state, err := i.stateOf(ctx, grant)
	if err != nil {
		return Pair{}, err
	}
	t.state = state
	now := i.time()
	pair, err := i.pair(t, now)
	if err == nil && len(pair.RefreshToken) > maxTokenSize-generationRoom {
		err = errGrantSize
	}
	if err != nil {
		return Pair{}, fmt.Errorf("issuer: %w", err)
	}
	ended, err := i.families.begin(ctx, t, now, pair.RefreshExpires)
	if err != nil {
		return Pair{}, unavailable(err)
	}
	if ended > 0 {
		i.observe(ctx, Event{Grant: grant, Err: ErrFamilyLimit, Ended: ended})
	}
	return pair, nil
}

// Refresh returns the pair that follows a refresh token. Anything wrong with the token is an error that matches
// ErrInvalidGrant, for which the client has to log in again: among them ErrReused, ErrRevoked and ErrStateChanged, and
// the sentinels of package authmw for a token that is malformed, forged, expired or of the wrong type. An error that
// matches authmw.ErrUnavailable means that the store or the state function failed; the client should try again, and soon:
// the store may have done its work and only its answer been lost, and then the token works again for as long as the grace
// window is, see WithGrace. Of a token that was not signed here, no error says more than that.
func (i *Issuer) Refresh(ctx context.Context, token string) (Pair, error) {
	t, err := i.parse(token)
	if err != nil {
		return Pair{}, err
	}
	if err := i.families.check(t.grant); err != nil {
		return Pair{}, refused(err)
	}
	state, err := i.stateOf(ctx, t.grant)
	if err != nil {
		return Pair{}, err
	}
	if subtle.ConstantTimeCompare([]byte(state), []byte(t.state)) != 1 {
		return Pair{}, ErrStateChanged
	}
	// The pair is made before the store uses the token up, so that a failure does not cost the login.
	now := i.time()
	pair, err := i.pair(t.next(), now)
	if err != nil {
		return Pair{}, refused(err)
	}
	outcome, at, err := i.families.renew(ctx, t, now, pair)
	if err != nil {
		return Pair{}, unavailable(err)
	}
	switch outcome {
	case Rotated:
		return pair, nil
	case Repeated:
		first, err := i.pair(t.next(), at)
		if err == nil && first.AccessExpires.Truncate(time.Second).After(now) {
			return first, nil
		}
		return pair, nil // the first was issued for longer, by an Issuer with other lifetimes
	case Reused:
		i.observe(ctx, Event{Grant: t.grant, Err: ErrReused, Ended: 1})
		return Pair{}, ErrReused
	case Unknown:
		return Pair{}, ErrRevoked
	default:
		return Pair{}, unavailable(fmt.Errorf("the store returned %v", outcome))
	}
}

// Revoke ends the family of a refresh token: it is deleted from New's Store, or added to NewCloudreveCompatible's
// Revocations. None of its refresh tokens works any more; access tokens do until they expire. It does not matter whether
// the token was used already, and revoking twice is no error. Errors are as for Refresh, in particular for a token that
// has expired, whose owner may take it that the login is over.
func (i *Issuer) Revoke(ctx context.Context, token string) error {
	t, err := i.parse(token)
	if err != nil {
		return err
	}
	now := i.time()
	expires := now.Add(i.lifetimes(t.grant).refresh)
	if t.expires.After(expires) { // issued by another who gives more time, or before the lifetime was cut
		expires = t.expires
	}
	limited, err := i.families.end(ctx, t, now, expires)
	if err != nil {
		return unavailable(err)
	}
	if limited {
		i.observe(ctx, Event{Grant: t.grant, Err: ErrFamilyLimit})
	}
	return nil
}

// time returns the time by the clock on the wall, as tokens have it: the monotonic clock stands still while a machine sleeps.
func (i *Issuer) time() time.Time { return i.now().Round(0) }

func (i *Issuer) lifetimes(g Grant) ttl {
	if t, ok := i.clients[g.ClientID]; ok {
		return t
	}
	return i.ttl
}

// stateOf returns the state_hash for g at the moment, in base64.
func (i *Issuer) stateOf(ctx context.Context, g Grant) (string, error) {
	if i.state == nil {
		return "", nil
	}
	g.Scopes = slices.Clone(g.Scopes) // the function may change them, but not the token
	state, err := i.state(ctx, g)
	if errors.Is(err, ErrInvalidGrant) {
		return "", err
	} else if err != nil {
		return "", unavailable(err)
	}
	return string(base64.StdEncoding.AppendEncode(make([]byte, 0, 64), state)), nil
}
