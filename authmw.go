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

	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/denial"
)

// A Validator checks the access tokens of requests. Make one with New, NewFromKeySource or NewFromIntrospector; a nil or
// zero one denies with ErrUnavailable whatever carries a token. It is safe for concurrent use.
type Validator struct {
	config
	tokens tokenSource
	asks   bool // tokens are verified by an Introspector, which needs the client's address

	log denial.Log // of denials with status 503, if there is no observer
}

// New returns a Validator for tokens signed with secret, which it copies and never prints or returns. For Cloudreve's
// tokens it is the site's master key: the bytes of the setting secret_key, as they are. It must have MinSecretSize bytes
// or more.
//
// The error reports everything that is wrong with the secret and the options at once.
func New(secret []byte, options ...Option) (*Validator, error) {
	c := configure(options)
	keys, err := NewKeys(secret, c.previous...)
	if err != nil {
		c.errs.Add(err)
	}
	return build(c, keyTokens{keys})
}

// NewFromKeySource returns a Validator for tokens signed with secrets that may change while it is in use. The error
// reports everything that is wrong with the options at once. source is not asked before the first request.
func NewFromKeySource(source KeySource, options ...Option) (*Validator, error) {
	c := configure(options)
	if f, ok := source.(KeySourceFunc); source == nil || ok && f == nil {
		c.errs.Addf("the key source is nil")
	}
	if c.previous != nil {
		c.errs.Addf("previous secrets come from the key source")
	}
	return build(c, keyTokens{source})
}

// NewFromIntrospector returns a Validator that has no secret: it asks introspector whether a token is genuine, such as
// Cloudreve itself, see package introspect. The error reports everything that is wrong with the options at once.
func NewFromIntrospector(introspector Introspector, options ...Option) (*Validator, error) {
	c := configure(options)
	if introspector == nil {
		c.errs.Addf("the introspector is nil")
	}
	if c.previous != nil {
		c.errs.Addf("previous secrets are of no use to an introspector")
	}
	v, err := build(c, introspectedTokens{introspector, compact.NewVerifier()})
	if err != nil {
		return nil, err
	}
	v.asks = true
	return v, nil
}

// build returns the Validator of a config, or everything that is wrong with it.
func build(c config, tokens tokenSource) (*Validator, error) {
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	c.previous = nil // tokens has what it needs of them
	return &Validator{config: c, tokens: tokens}, nil
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
		return nil, deny(denial.MissingToken, nil)
	}
	claims, denied := v.verify(ctx, token)
	if denied != nil {
		return nil, denied
	}
	if err := v.accept(ctx, &claims); err != nil {
		return nil, err
	}
	return &claims, nil
}

// verify returns the claims of a token that is good in itself.
func (v *Validator) verify(ctx context.Context, token string) (Claims, *Error) {
	if !v.built() {
		return Claims{}, deny(denial.Unavailable, errNotBuilt)
	}
	if len(token) > v.maxTokenSize {
		return Claims{}, deny(denial.MalformedToken, errTokenSize)
	}
	claims, err := v.tokens.verify(ctx, token, compact.Expect{TokenType: AccessToken, Now: v.now, Leeway: v.leeway})
	claims.bound = claims.bound || v.strictScopes
	return claims, err
}

// built reports whether v was made by one of the constructors.
func (v *Validator) built() bool { return v != nil && v.tokens != nil }

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
		return deny(denial.TokenRejected, nil)
	default:
		return nil
	}
}

var (
	errNotBuilt    = errors.New("the validator was not made by New")
	errTokenSize   = errors.New("longer than the size limit")
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
	s, denied := v.decide(r, mode, scopes)
	switch {
	case v == nil:
	case v.observe != nil:
		v.observe(newDecision(r, mode, s, denied))
	case denied != nil && denied.Status() == http.StatusServiceUnavailable:
		v.log.Write(r.Context(), "authmw: requests with a token are denied with status 503", denied)
	}
	if denied != nil {
		return nil, denied
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
			return nil, deny(denial.MissingToken, errOtherScheme)
		default:
			return nil, deny(denial.MissingToken, nil)
		}
	}
	ctx := r.Context()
	if v != nil && v.asks {
		ctx = withRemoteAddr(r)
	}
	claims, denied := v.verify(ctx, token)
	if denied != nil {
		return v.refused(mode, denied)
	}
	found := &sender{own: claims}
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
	switch err.failure {
	case denial.MalformedToken, denial.NodeSignature, denial.InvalidSignature, denial.TokenExpired, denial.TokenNotYetValid,
		denial.InvalidClaims:
		// Cloudreve looks at sub only after the token has verified, and then denies the request.
		var e *compact.Error
		if errors.As(err, &e) && e.Kind == compact.Subject {
			return nil, err
		}
		return &sender{identity: identity{reason: err}}, nil
	}
	return nil, err
}

// insufficientScope is the denial of a token that lacks the scope missing of those that a route asks for. The challenge
// names only what RFC 6749 section 3.3 lets a scope be: a name that breaks the rule is held by no token anyway.
func insufficientScope(missing string, scopes []string) *Error {
	e := deny(denial.InsufficientScope, errors.New("the token lacks "+missing))
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
			return "", deny(denial.AmbiguousCredentials, errors.New("a token in more than one place"))
		}
		token = found
	}
	return token, nil
}

// Denial returns the answer to a request that Check or Authenticate denied: what the Renderer makes of err and, where
// it left them out,
//   - Cache-Control: no-store, since Cloudreve's status 200 could be cached;
//   - WWW-Authenticate: the error's challenge, if the answer has the error's status;
//   - Retry-After: 5 seconds, with status 503.
//
// An err that matches no sentinel of this package, nil included, becomes ErrUnavailable, since it says nothing about the
// sender. Adapters for frameworks that write responses themselves use Denial, all others Deny.
func (v *Validator) Denial(r *http.Request, err error) Response {
	if !v.built() {
		return responseTo(r, asError(err), ProblemJSON, defaultRealm)
	}
	return responseTo(r, asError(err), v.render, v.realm)
}

// Deny answers a request that Check or Authenticate denied with err. See [Validator.Denial] for what is sent.
func (v *Validator) Deny(w http.ResponseWriter, r *http.Request, err error) {
	v.Denial(r, err).write(w)
}
