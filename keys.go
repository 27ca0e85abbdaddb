package authmw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/denial"
)

// MinSecretSize is the least number of bytes in a secret: RFC 7518 section 3.2, "A key of the same size as the hash
// output (for instance, 256 bits for "HS256") or larger MUST be used". Cloudreve generates 256 bytes.
const MinSecretSize = 32

// Keys is a list of secrets, prepared for use: the current one and those before it whose tokens are still good. It is
// immutable and safe for concurrent use. As a KeySource it returns itself.
type Keys struct {
	verifier *compact.Verifier
	n        int
}

// NewKeys returns the Keys of a current secret and any previous ones. It copies them. The error names every secret of
// less than MinSecretSize bytes by its place, never by its value.
func NewKeys(current []byte, previous ...[]byte) (*Keys, error) {
	secrets := append([][]byte{current}, previous...)
	var errs []error
	for i, secret := range secrets {
		if len(secret) < MinSecretSize {
			name := "the secret"
			if i > 0 {
				name = fmt.Sprintf("previous secret %d", i)
			}
			errs = append(errs, fmt.Errorf("authmw: %s has %d bytes, HS256 needs %d or more (RFC 7518 section 3.2)",
				name, len(secret), MinSecretSize))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Keys{verifier: compact.NewVerifier(secrets...), n: len(secrets)}, nil
}

// Keys returns k, which makes a fixed list of secrets a KeySource.
func (k *Keys) Keys(context.Context) (*Keys, error) { return k, nil }

// String tells how many secrets there are and nothing else.
func (k *Keys) String() string { return fmt.Sprintf("authmw.Keys(%d)", k.n) }

// GoString returns what String does: %#v would print what a secret was turned into.
func (k *Keys) GoString() string { return k.String() }

// LogValue returns what String does.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// A KeySource supplies the secrets in force, so that they can change while the server runs.
//
// Keys is called once for every request that carries a token, from many goroutines at once. It should hand out a value
// kept in memory, such as an atomic.Pointer[Keys] that something else refreshes: NewKeys does once what is costly, so
// that each request is cheap. An error means that the secrets cannot be had: the request is denied with ErrUnavailable,
// under Required and Optional alike. The context is the request's.
type KeySource interface {
	Keys(ctx context.Context) (*Keys, error)
}

// A KeyReloader is a KeySource that can look for newer secrets when it is asked to. A token whose signature fits none of
// those that Keys returned has it asked once, before the token is refused.
//
// Reload is given the Keys that did not fit and returns those to try next, or nil or the same if there are none. Anyone
// can send tokens that fit nothing: Reload must limit how often it looks, however many requests ask at once, and how long
// it lets a request wait.
type KeyReloader interface {
	KeySource
	Reload(ctx context.Context, failed *Keys) *Keys
}

// KeySourceFunc is a function as a KeySource.
type KeySourceFunc func(ctx context.Context) (*Keys, error)

// Keys calls f.
func (f KeySourceFunc) Keys(ctx context.Context) (*Keys, error) { return f(ctx) }

// A tokenSource verifies tokens. It returns the claims of a token that is good, or why it is not.
type tokenSource interface {
	verify(ctx context.Context, token string, expect compact.Expect) (Claims, *Error)
}

// keyTokens is the tokenSource of a KeySource.
type keyTokens struct{ KeySource }

var errNoKeys = errors.New("the key source returned no keys")

func (k keyTokens) verify(ctx context.Context, token string, expect compact.Expect) (Claims, *Error) {
	keys, err := k.Keys(ctx)
	if err != nil {
		return Claims{}, deny(denial.Unavailable, err)
	}
	if keys == nil || keys.verifier == nil {
		return Claims{}, deny(denial.Unavailable, errNoKeys)
	}
	var claims compact.Claims
	err = keys.verifier.Verify(token, expect, &claims)
	if err == nil {
		return newClaims(&claims), nil
	}
	refused := refuse(err)
	reloader, ok := k.KeySource.(KeyReloader)
	if !ok || refused.failure != denial.InvalidSignature {
		return Claims{}, refused
	}
	newer := reloader.Reload(ctx, keys)
	if newer == nil || newer == keys || newer.verifier == nil {
		return Claims{}, refused
	}
	if err := newer.verifier.Verify(token, expect, &claims); err != nil {
		return Claims{}, refuse(err)
	}
	return newClaims(&claims), nil
}
