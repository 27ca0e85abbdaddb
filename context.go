package authmw

import (
	"context"
	"net/http"
)

// identity is a context that knows who sent the request. It is a context itself rather than a value in one, to keep what
// a request costs low.
type identity struct {
	context.Context
	claims *Claims // nil: anonymous
	reason error   // why a token that was sent counts for nothing
}

// sender has all that a handler is given of who sent the request in one allocation, which costs less than three.
type sender struct {
	identity
	own     Claims       // what identity.claims points to, if to anything
	request http.Request // with identity as its context
}

type identityKey struct{}

func (i *identity) Value(key any) any {
	if key == (identityKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// String keeps the claims out of what printing the context shows.
func (i *identity) String() string { return "authmw.identity" }

func identityOf(ctx context.Context) *identity {
	i, _ := ctx.Value(identityKey{}).(*identity)
	return i
}

// NewContext returns a context that carries claims, for FromContext to find, and hides any that ctx carries. Nil claims
// make it anonymous. Adapters have no need of it, see [Validator.Authenticate]; tests of handlers do.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return &identity{Context: ctx, claims: claims}
}

// FromContext returns the claims of the request that ctx is the context of. ok is false, and the claims nil, if the
// request is anonymous: no credentials under Optional, or only None on the route and everything around it.
//
// A *gin.Context does not pass on what is in its request's context, unless Engine.ContextWithFallback is set: there, use
// c.Request.Context() or authgin.Claims.
func FromContext(ctx context.Context) (claims *Claims, ok bool) {
	i := identityOf(ctx)
	if i == nil || i.claims == nil {
		return nil, false
	}
	return i.claims, true
}

// AnonymousReason returns the *Error that made the request's token count for nothing, if it was sent one under Optional
// with WithLenientOptional. For all other requests it is nil.
func AnonymousReason(ctx context.Context) error {
	i := identityOf(ctx)
	if i == nil {
		return nil
	}
	return i.reason
}

// SetValue leaves v, such as the application's user, on claims for the handler to get with Value. It is for the check set
// by WithClaimsCheck, which may have had to look v up. A second call replaces the value. The value is not part of what
// claims print, log or marshal, and the observer does not get it. Nil claims are left alone.
func SetValue(claims *Claims, v any) {
	if claims != nil {
		claims.value = func() any { return v }
	}
}

// Value returns the value that SetValue left on the claims that ctx carries. ok is false if there are no claims, no value,
// or a value that is not a T. Like claims, a value belongs to one request: what it points to may be shared.
func Value[T any](ctx context.Context) (v T, ok bool) {
	claims, _ := FromContext(ctx)
	if claims == nil || claims.value == nil {
		return v, false
	}
	v, ok = claims.value().(T)
	return v, ok
}
