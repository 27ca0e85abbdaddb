package authmw

import (
	"context"
	"strings"
	"time"

	"github.com/authmw/authmw/internal/option"
)

const (
	defaultRealm    = "api"
	maxLeeway       = 5 * time.Minute
	minMaxTokenSize = 256     // just above Cloudreve's access tokens
	maxMaxTokenSize = 1 << 20 // what net/http takes in headers
)

// An Option changes a default of New, which reports invalid arguments. If an option is given twice, the last one wins;
// WithPreviousSecrets accumulates.
type Option func(*config)

// config is what options write to.
type config struct {
	previous     [][]byte // secrets
	now          func() time.Time
	leeway       time.Duration
	realm        string
	maxTokenSize int
	extractors   []Extractor // nil: the Authorization header alone
	render       Renderer
	lenient      bool
	strictScopes bool
	check        func(context.Context, *Claims) (bool, error)
	observe      func(Decision)

	errs option.Errors
}

// configure returns what options say.
func configure(options []Option) config {
	c := config{errs: option.ErrorsOf("authmw"), now: time.Now, realm: defaultRealm, maxTokenSize: defaultMaxTokenSize, render: ProblemJSON}
	option.Apply(&c, &c.errs, options)
	return c
}

// WithPreviousSecrets also accepts tokens signed with secrets that are no longer the current one, so that the secret
// can change without every user having to log in again. They are tried in this order once the current one fails. Keep
// them for no longer than access tokens live.
func WithPreviousSecrets(secrets ...[]byte) Option {
	return func(c *config) { c.previous = append(c.previous, secrets...) }
}

// WithLeeway accepts a token up to leeway after exp and before nbf, for servers whose clocks differ. It is between 0, the
// default and what Cloudreve has, and 5 minutes. Cloudreve sets nbf to the time of issue, so a server whose clock is
// behind needs some, or refuses every token at first.
func WithLeeway(leeway time.Duration) Option {
	return func(c *config) {
		if leeway < 0 || leeway > maxLeeway {
			c.errs.Addf("leeway %v is not between 0 and %v", leeway, maxLeeway)
		}
		c.leeway = leeway
	}
}

// WithClock sets where the time is read, which is time.Now by default. Tests use it to stand still.
func WithClock(now func() time.Time) Option {
	return func(c *config) {
		if now == nil {
			c.errs.Addf("the clock is nil")
		}
		c.now = now
	}
}

// WithRealm sets the realm in the challenge of a denied request, "api" by default: printable ASCII without quotation
// marks and backslashes.
func WithRealm(realm string) Option {
	return func(c *config) {
		if realm == "" || strings.ContainsFunc(realm, unquotable) {
			c.errs.Addf("realm %q is empty or has characters other than printable ASCII without \" and \\", realm)
		}
		c.realm = realm
	}
}

// WithMaxTokenSize sets the number of bytes that a token may have, 8192 by default, between 256 and 1 MiB. Cloudreve's
// access tokens have 175, those for OAuth clients under 500.
func WithMaxTokenSize(bytes int) Option {
	return func(c *config) {
		if bytes < minMaxTokenSize || bytes > maxMaxTokenSize {
			c.errs.Addf("token size limit %d is not between %d and %d", bytes, minMaxTokenSize, maxMaxTokenSize)
		}
		c.maxTokenSize = bytes
	}
}

// WithExtractors sets all the places where a token is looked for, in place of the default AuthorizationHeader() alone.
// All are searched: a request with a token in two of them is denied with ErrAmbiguousCredentials (RFC 6750 section 2:
// "Clients MUST NOT use more than one method to transmit the token in each request").
func WithExtractors(extractors ...Extractor) Option {
	return func(c *config) {
		if len(extractors) == 0 {
			c.errs.Addf("no extractor is left")
		}
		for _, extractor := range extractors {
			switch e := extractor.(type) {
			case nil:
				c.errs.Addf("an extractor is nil")
			case ExtractorFunc:
				if e == nil {
					c.errs.Addf("an extractor is nil")
				}
			case interface{ validate() error }:
				if err := e.validate(); err != nil {
					c.errs.Add(err)
				}
			}
		}
		c.extractors = append([]Extractor(nil), extractors...)
	}
}

// WithRenderer sets how denied requests are answered, which is ProblemJSON by default.
func WithRenderer(render Renderer) Option {
	return func(c *config) {
		if render == nil {
			c.errs.Addf("the renderer is nil")
		}
		c.render = render
	}
}

// WithLenientOptional makes Optional do what Cloudreve does: a request whose token fails to verify (malformed, wrong
// signature, expired, not yet valid, wrong claims, a node's signature) is anonymous. By default it is denied: a client
// whose token has just expired should learn that, rather than see what strangers see. AnonymousReason tells a handler
// what was wrong with the token.
//
// A token that does verify still denies the request if its type is wrong or missing, if it has no sub, if it lacks a scope
// or if the check set by WithClaimsCheck refuses it. So do ambiguous credentials and ErrUnavailable. If the form of the
// payload is not accepted, the request is anonymous and type and sub are not looked at: Cloudreve accepts some of these
// tokens, and denies others, such as one whose payload is the JSON value null. With an Introspector, which is asked last, a forged
// token of the wrong type denies the request too.
func WithLenientOptional() Option {
	return func(c *config) { c.lenient = true }
}

// WithStrictScopes binds every token by its scopes. A token with neither scopes nor a client_id, which otherwise permits
// everything, then permits nothing that asks for a scope. It is for servers that issue their own tokens and use scopes as
// roles. [Claims.HasScope] agrees, on the claims that a handler or the check set by WithClaimsCheck gets. The check runs
// before scopes are compared, and may set them. Claims that do not come from this Validator, such as those that a test
// gives to NewContext, are not strict.
func WithStrictScopes() Option {
	return func(c *config) { c.strictScopes = true }
}

// WithClaimsCheck sets a check of every token that was found valid, such as whether its user was banned since it was
// issued, which no token can tell. The check returns false to deny the request with ErrTokenRejected, and an error if
// it cannot tell: that denies the request with ErrUnavailable, under Optional too. An error that wraps a sentinel of
// this package, such as ErrTokenRejected, is that one, with a reason for the log. The context is the request's. The
// check may change the claims, which are the request's own, and leave what it looked up for the handler, see SetValue.
// A request that passes two middlewares is checked twice.
func WithClaimsCheck(check func(ctx context.Context, claims *Claims) (ok bool, err error)) Option {
	return func(c *config) {
		if check == nil {
			c.errs.Addf("the claims check is nil")
		}
		c.check = check
	}
}

// WithObserver sets a function that is called with every decision, before the handler runs, for logs and metrics. It must
// be safe for concurrent use, and the request waits for it. A request that passes two middlewares is decided on twice.
// Decision.Request still has its token: log parts of it, never the whole.
//
// Without an observer, a Validator logs to slog's default logger that it denies requests with ErrUnavailable, at most once
// a minute, and nothing else. It does not log a request whose client has closed the connection. With an observer, it logs
// nothing.
func WithObserver(observe func(Decision)) Option {
	return func(c *config) {
		if observe == nil {
			c.errs.Addf("the observer is nil")
		}
		c.observe = observe
	}
}
