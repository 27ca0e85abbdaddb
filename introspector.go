package authmw

import (
	"context"
	"slices"

	"github.com/authmw/authmw/internal/compact"
)

// An Introspector tells whether a token is genuine, by asking whoever issued it. It takes the place of secrets, see
// NewFromIntrospector.
//
// Introspect is called once for every request whose token is in order as far as can be told without a secret: its form
// and header, its size, exp, nbf, token_type and sub. Whatever else is sent is denied before, with the same errors as by
// secrets, although it may be forged as well. The claims are what the token says, and anyone may have written them. If the
// token is genuine, and its sender still admitted, Introspect MUST return nil, and the claims are taken for true. If not,
// it returns ErrInvalidSignature, ErrTokenRejected or another sentinel of this package, itself or wrapped; if it cannot
// tell, any other error, for which the request is denied with ErrUnavailable. The context is the request's.
//
// It is called from many goroutines at once, and anyone can send tokens that are in order: what it asks of others is to be
// limited, see [ClientAddress]. It must not keep or log the token, nor keep the claims. They are a copy.
type Introspector interface {
	Introspect(ctx context.Context, token string, claims *Claims) error
}

// introspectedTokens is the tokenSource of an Introspector.
type introspectedTokens struct {
	introspector Introspector
	reader       *compact.Verifier // without keys
}

func (i introspectedTokens) verify(ctx context.Context, token string, expect compact.Expect) (Claims, *Error) {
	var parsed compact.Claims
	if err := i.reader.Read(token, &parsed); err != nil {
		return Claims{}, refuse(err)
	}
	if err := parsed.Check(expect); err != nil {
		return Claims{}, refuse(err)
	}
	claims := newClaims(&parsed)
	shown := claims
	shown.Scopes = slices.Clone(claims.Scopes)
	if err := i.introspector.Introspect(ctx, token, &shown); err != nil {
		return Claims{}, asError(err)
	}
	return claims, nil
}
