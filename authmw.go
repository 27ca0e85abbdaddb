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
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authmw/authmw/internal/compact"
)

// A Validator checks the access tokens of requests. Make one with New, NewFromKeySource or NewFromIntrospector; a nil or
// zero one denies with ErrUnavailable whatever carries a token. It is safe for concurrent use.
type Validator struct {
	settings

	mu       sync.Mutex
	loggedAt time.Time // when logUnavailable last wrote a line
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
		c.introspector, c.reader = introspector, compact.NewVerifier()
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
	claims := v.newClaims(&parsed)
	if err := v.accept(ctx, &claims); err != nil {
		return nil, err
	}
	return &claims, nil
}

// newClaims returns the claims of a valid token for the application.
func (v *Validator) newClaims(parsed *compact.Claims) Claims {
	claims := newClaims(parsed)
	claims.bound = claims.bound || v.strictScopes
	return claims
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
	bound := claims.bound
	ok, err := v.check(ctx, claims)
	claims.bound = claims.bound || bound // the check may have replaced the whole struct
	switch {
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

// Check returns the claims of the sender of r, or nil claims if mode admits r as anonymous. On failure the claims are nil
// and the error is an *Error. A token that is bound by its scopes must hold all of scopes, see [Claims.HasScope]. Check
// neither changes r nor writes a response, see [Validator.Deny].
func (v *Validator) Check(r *http.Request, mode Mode, scopes ...string) (*Claims, error) {
	s, err := v.identify(r, mode, scopes)
	if s == nil {
		return nil, err
	}
	return s.claims, nil
}

// Authenticate does what Check does and returns the request for the handler: r, or a shallow copy of it whose context
// carries the claims for FromContext and, for a sender made anonymous by WithLenientOptional, the reason for
// AnonymousReason. On failure the request is nil and the error an *Error.
//
// Authenticate is for adapters, which defer [CopyBack] before they call the handler. It panics if a function given to an
// option does. Then the request must not reach the handler, even if an outer middleware recovers.
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

// CopyBack copies MultipartForm and Pattern from src to dst, where src has them. It is for adapters: dst is the request
// that an adapter was given, src the last one that it can see after the handler. A handler sets them on the copy that
// [Validator.Authenticate] returned, but net/http removes the uploaded files of the request that it made itself, and
// outer middlewares log its pattern. An adapter defers CopyBack, so that it also runs if the handler panics. Other fields,
// such as Form and the context, are not copied.
func CopyBack(dst, src *http.Request) {
	if dst == src {
		return
	}
	if src.MultipartForm != nil {
		dst.MultipartForm = src.MultipartForm
	}
	if src.Pattern != "" && src.Pattern != dst.Pattern { // without a need, nothing is written that others may read
		dst.Pattern = src.Pattern
	}
}

// identify returns who sent r, as a sender whose request is still to be made, nil for an anonymous sender, or why r is
// denied, and tells the observer.
func (v *Validator) identify(r *http.Request, mode Mode, scopes []string) (*sender, error) {
	if mode == None {
		return nil, nil
	}
	s, denial := v.decide(r, mode, scopes)
	switch {
	case v == nil:
	case v.observe != nil:
		v.observe(newEvent(r, mode, s, denial))
	case denial != nil && denial.Status() == http.StatusServiceUnavailable:
		v.logUnavailable(r.Context(), denial)
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
	ctx := r.Context()
	if v != nil && v.introspector != nil {
		ctx = withRemoteAddr(r)
	}
	var parsed compact.Claims
	if err := v.verify(ctx, token, &parsed); err != nil {
		return v.refused(mode, err)
	}
	found := &sender{own: v.newClaims(&parsed)}
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

// refused denies a request for its token, unless WithLenientOptional makes it anonymous.
func (v *Validator) refused(mode Mode, err *Error) (*sender, *Error) {
	if mode != Optional || v == nil || !v.lenient {
		return nil, err
	}
	switch error(err.failure) {
	case ErrMalformedToken, ErrNodeSignature, ErrInvalidSignature, ErrTokenExpired, ErrTokenNotYetValid, ErrInvalidClaims:
		// Cloudreve looks at sub only after the token has verified, and then denies the request.
		var e *compact.Error
		if errors.As(err, &e) && e.Kind == compact.Subject {
			return nil, err
		}
		return &sender{identity: identity{reason: err}}, nil
	}
	return nil, err
}

// logInterval is the shortest time between two lines of logUnavailable.
const logInterval = time.Minute

// logUnavailable logs that a request was denied because of a fault of the server's. An application without an observer
// would not learn of it otherwise.
func (v *Validator) logUnavailable(ctx context.Context, denial *Error) {
	// A key source fails with the context of a client that has closed its connection. That is not the server's fault.
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	v.mu.Lock()
	now := time.Now()
	due := now.Sub(v.loggedAt) >= logInterval
	if due {
		v.loggedAt = now
	}
	v.mu.Unlock()
	if due {
		slog.ErrorContext(ctx, "authmw: requests with a token are denied with status 503", "err", denial)
	}
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
