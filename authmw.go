// Package authmw identifies the sender of an HTTP request by its access token, the HS256 JSON Web Token that Cloudreve
// v4 issues. Each route says how much it cares, by its [Mode].
//
// A [Validator] takes a request and a mode and answers with [Claims], with nil for an anonymous sender, or with an
// [Error]. Adapters attach it to the routes of a framework: adapters/nethttp (in this module), adapters/echo,
// adapters/echov5 and adapters/gin. In any handler, [FromContext] has the claims.
//
// The token is accepted only in the one form that Cloudreve issues: README.md lists where this is stricter than
// Cloudreve itself, and how to loosen what can be loosened.
package authmw

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/authmw/authmw/internal/compact"
)

// A Validator checks the access tokens of requests. Make one with New, NewFromKeySource or NewFromIntrospector; a nil or
// zero one denies with ErrUnavailable whatever carries a token. It is safe for concurrent use.
type Validator struct {
	keys         KeySource
	introspector Introspector // in place of keys
	now          func() time.Time
	leeway       time.Duration
	realm        string
	maxTokenSize int
	extractors   []Extractor // nil: the Authorization header alone
	render       Renderer
	lenient      bool
	check        func(context.Context, *Claims) (bool, error)
	observe      func(Event)
}

// New returns a Validator for tokens signed with secret, which it copies and never prints or returns. For Cloudreve's
// tokens it is the site's master key: the bytes of the setting secret_key, as they are. It must have MinSecretSize bytes
// or more.
//
// The error tells everything that is wrong with the secret and the options at once.
func New(secret []byte, options ...Option) (*Validator, error) {
	return build(func(c *config) KeySource {
		keys, err := NewKeys(secret, c.previous...)
		if err != nil {
			c.errs = append(c.errs, err)
		}
		return keys
	}, options)
}

// NewFromKeySource returns a Validator for tokens signed with secrets that may change while it is in use. The error
// tells everything that is wrong with the options at once; source is not asked before the first request.
func NewFromKeySource(source KeySource, options ...Option) (*Validator, error) {
	return build(func(c *config) KeySource {
		if f, ok := source.(KeySourceFunc); source == nil || ok && f == nil {
			c.invalid("the key source is nil")
		}
		if c.previous != nil {
			c.invalid("previous secrets come from the key source")
		}
		return source
	}, options)
}

// NewFromIntrospector returns a Validator that has no secret: it asks introspector who a token is, such as Cloudreve
// itself, see package introspect. The error tells everything that is wrong with the options at once.
func NewFromIntrospector(introspector Introspector, options ...Option) (*Validator, error) {
	return build(func(c *config) KeySource {
		if introspector == nil {
			c.invalid("the introspector is nil")
		}
		if c.previous != nil {
			c.invalid("previous secrets are of no use to an introspector")
		}
		c.introspector = introspector
		return nil
	}, options)
}

// String says nothing of what v was made with.
func (v *Validator) String() string { return "authmw.Validator" }

// GoString returns what String does.
func (v *Validator) GoString() string { return v.String() }

// Verify returns the claims of a bare access token, for callers that have no HTTP request. It does all that Check does
// but look for the token, tell the observer and hold scopes against a route. On failure the claims are nil and the
// error is an *Error.
func (v *Validator) Verify(ctx context.Context, token string) (*Claims, error) {
	if token == "" {
		return nil, deny(ErrMissingToken, nil)
	}
	var parsed compact.Claims
	if err := v.verify(ctx, token, &parsed); err != nil {
		return nil, err
	}
	claims := newClaims(&parsed)
	if err := v.accept(ctx, &claims); err != nil {
		return nil, err
	}
	return &claims, nil
}

// verify fills claims from a token that is good in itself. On failure claims are to be thrown away.
func (v *Validator) verify(ctx context.Context, token string, claims *compact.Claims) *Error {
	if !v.built() {
		return deny(ErrUnavailable, errNotBuilt)
	}
	if len(token) > v.maxTokenSize {
		return deny(ErrMalformedToken, errTokenSize)
	}
	expect := compact.Expect{TokenType: AccessToken, Now: v.now, Leeway: v.leeway}
	if v.introspector != nil {
		return v.introspect(ctx, token, expect, claims)
	}
	keys, err := v.keys.Keys(ctx)
	if err != nil {
		return deny(ErrUnavailable, err)
	}
	if keys == nil || keys.verifier == nil {
		return deny(ErrUnavailable, errNoKeys)
	}
	if err = keys.verifier.Verify(token, expect, claims); err == nil {
		return nil
	}
	refused := refuse(err)
	if error(refused.failure) != ErrInvalidSignature {
		return refused
	}
	reloader, ok := v.keys.(KeyReloader)
	if !ok {
		return refused
	}
	newer := reloader.Reload(ctx, keys)
	if newer == nil || newer == keys || newer.verifier == nil {
		return refused
	}
	if err := newer.verifier.Verify(token, expect, claims); err != nil {
		return refuse(err)
	}
	return nil
}

// built reports whether v was made by one of the constructors.
func (v *Validator) built() bool { return v != nil && (v.keys != nil || v.introspector != nil) }

// accept asks the application about a token that is good in itself.
func (v *Validator) accept(ctx context.Context, claims *Claims) *Error {
	if v.check == nil {
		return nil
	}
	switch ok, err := v.check(ctx, claims); {
	case err != nil:
		return asError(err)
	case !ok:
		return deny(ErrTokenRejected, nil)
	default:
		return nil
	}
}

var (
	errNotBuilt    = errors.New("the validator was not made by New")
	errTokenSize   = errors.New("longer than the size limit")
	errNoKeys      = errors.New("the key source returned no keys")
	errOtherScheme = errors.New("there is an Authorization header, but not with a Bearer token")
)

// Check returns the claims of whoever sent r, nil for an anonymous sender where mode admits one, or the *Error for
// which r is to be denied; at most one of the two is not nil. A token with a client_id must hold all scopes; see
// [Claims.HasScope]. It neither changes r nor writes an answer; Deny does the latter.
func (v *Validator) Check(r *http.Request, mode Mode, scopes ...string) (*Claims, error) {
	s, err := v.identify(r, mode, scopes)
	if s == nil {
		return nil, err
	}
	return s.claims, nil
}

// Authenticate does what Check does and returns the request for the handler: r, or a shallow copy of it whose context
// carries the claims for FromContext and, for a sender made anonymous by WithLenientOptional, the reason for
// AnonymousReason. On failure the request is nil and the error an *Error. It is what an adapter needs.
func (v *Validator) Authenticate(r *http.Request, mode Mode, scopes ...string) (*http.Request, error) {
	s, err := v.identify(r, mode, scopes)
	if err != nil {
		return nil, err
	}
	if s == nil {
		if mode == None || identityOf(r.Context()) == nil {
			return r, nil
		}
		// A middleware further out found someone by other rules. The last word is this one's.
		s = new(sender)
	}
	s.Context = r.Context()
	s.request = *r.WithContext(&s.identity)
	return &s.request, nil
}

// identify returns who sent r, as a sender whose request is still to be made, nil for an anonymous sender, or why r is
// denied, and tells the observer.
func (v *Validator) identify(r *http.Request, mode Mode, scopes []string) (*sender, error) {
	if mode == None {
		return nil, nil
	}
	s, denial := v.decide(r, mode, scopes)
	if v != nil && v.observe != nil {
		event := Event{Request: r, Mode: mode}
		if s != nil {
			event.Claims, event.Err = s.claims, s.reason
		}
		if denial != nil {
			event.Denied, event.Err = true, denial
		}
		v.observe(event)
	}
	if denial != nil {
		return nil, denial
	}
	return s, nil
}

// decide returns who sent r, and why r is denied. It returns both for a token that is good, but not good enough.
func (v *Validator) decide(r *http.Request, mode Mode, scopes []string) (*sender, *Error) {
	token, err := v.extract(r)
	if err != nil {
		return v.refused(mode, asError(err))
	}
	if token == "" {
		switch {
		case mode == Optional:
			return nil, nil
		case r.Header.Get("Authorization") != "":
			return nil, deny(ErrMissingToken, errOtherScheme)
		default:
			return nil, deny(ErrMissingToken, nil)
		}
	}
	var parsed compact.Claims
	if err := v.verify(r.Context(), token, &parsed); err != nil {
		return v.refused(mode, err)
	}
	found := &sender{own: newClaims(&parsed)}
	found.claims = &found.own
	if err := v.accept(r.Context(), found.claims); err != nil {
		return found, err
	}
	for _, scope := range scopes {
		if !found.claims.HasScope(scope) {
			return found, insufficientScope(scope, scopes)
		}
	}
	return found, nil
}

// refused denies a request for its token, unless it is one that counts for nothing.
func (v *Validator) refused(mode Mode, err *Error) (*sender, *Error) {
	if mode == Optional && v != nil && v.lenient {
		switch error(err.failure) {
		case ErrMalformedToken, ErrNodeSignature, ErrInvalidSignature, ErrTokenExpired, ErrTokenNotYetValid, ErrInvalidClaims:
			return &sender{identity: identity{reason: err}}, nil
		}
	}
	return nil, err
}

// insufficientScope is the denial of a token that lacks the scope missing of those that a route asks for. The challenge
// names only what RFC 6749 section 3.3 lets a scope be: a name that breaks the rule is held by no token anyway.
func insufficientScope(missing string, scopes []string) *Error {
	e := deny(ErrInsufficientScope, errors.New("the token lacks "+missing))
	e.missing = missing
	e.scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool {
		return scope == "" || strings.Contains(scope, " ") || strings.ContainsFunc(scope, unquotable)
	})
	return e
}

// extract returns the one token that r carries, or "".
func (v *Validator) extract(r *http.Request) (token string, err error) {
	if v == nil || v.extractors == nil {
		return authorizationHeader(r)
	}
	for _, extractor := range v.extractors {
		found, err := extractor.Extract(r)
		if err != nil {
			return "", err
		}
		if found == "" {
			continue
		}
		if token != "" {
			return "", deny(ErrAmbiguousCredentials, errors.New("a token in more than one place"))
		}
		token = found
	}
	return token, nil
}

// IsPreflight is for adapters. It reports whether r is a CORS preflight: OPTIONS with Origin and
// Access-Control-Request-Method (Fetch standard, section 4.9), and without Authorization, which no browser sends with
// it. A middleware that wraps a whole router has to let it through to whatever answers preflights behind it. Anyone can
// send one, so a handler that does not look at the method must not be reached that way: adapters let through only those
// that no route claims.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != "" && len(r.Header["Authorization"]) == 0
}
