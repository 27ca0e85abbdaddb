package authmw

import (
	"context"
	"net/http"
	"net/netip"
)

// identity is a context that knows who sent the request. It is a context itself rather than a value in one, to keep what
// a request costs low.
type identity struct {
	context.Context
	claims *Claims // nil: anonymous
	reason error   // why the token was ignored, see WithLenientOptional
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
// make it anonymous. Adapters have no need of it, see [Validator.Authenticate]; tests of handlers do. Claims that a test
// makes permit every scope unless they have Scopes or a ClientID: for a server with [WithStrictScopes], give them Scopes,
// []string{} for none.
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

type clientAddressKey struct{}

// WithClientAddress returns a context that carries the address of the client that sent a request, for an [Introspector]
// that shares its capacity out by address. A Validator sets the address of the request's RemoteAddr unless the context has
// one. Behind a proxy that is the proxy's: an application that knows the client's, such as from a header that it trusts,
// sets it in a middleware outside of authmw's. It is never read from a header here.
func WithClientAddress(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, clientAddressKey{}, address)
}

// ClientAddress returns the address that WithClientAddress set. ok is false if there is none.
func ClientAddress(ctx context.Context) (address netip.Addr, ok bool) {
	address, ok = ctx.Value(clientAddressKey{}).(netip.Addr)
	return address, ok
}

// withRemoteAddr returns r's context with the address of the client, if only RemoteAddr tells it.
func withRemoteAddr(r *http.Request) context.Context {
	ctx := r.Context()
	if _, ok := ClientAddress(ctx); ok {
		return ctx
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ctx
	}
	return WithClientAddress(ctx, remote.Addr())
}

// AnonymousReason returns the *Error that made a request with a token anonymous, under Optional with WithLenientOptional.
// Otherwise it returns nil. Like FromContext, it takes the context of the request, not a *gin.Context.
func AnonymousReason(ctx context.Context) error {
	i := identityOf(ctx)
	if i == nil {
		return nil
	}
	return i.reason
}

// SetValue leaves v, such as the application's user, on claims for the handler to get with Value. It is for the check set
// by WithClaimsCheck, which may have had to look v up. A second call replaces the value. The value is not part of what
// claims print, log or marshal, and the observer does not get it. With nil claims, SetValue does nothing.
func SetValue(claims *Claims, v any) {
	if claims != nil {
		claims.value = func() any { return v }
	}
}

// Value returns the value that SetValue left on the claims that ctx carries. ok is false without claims or a value, and
// if the value is not a T. The value is not copied: if it is a pointer, other requests may hold the same one. If a
// request passes two middlewares, it is the value of the inner one's check. Like FromContext, Value takes the context of
// the request, not a *gin.Context.
func Value[T any](ctx context.Context) (v T, ok bool) {
	claims, _ := FromContext(ctx)
	if claims == nil || claims.value == nil {
		return v, false
	}
	v, ok = claims.value().(T)
	return v, ok
}
