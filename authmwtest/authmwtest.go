// Package authmwtest helps to test servers that use authmw: it mints tokens and stops the clock. Package cloudrevetest has a
// stand-in for a Cloudreve site, and package adaptertest checks adapters for web frameworks.
//
//	clock := authmwtest.NewClock(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
//	v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
//	token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", NotBefore: clock.Now()})
package authmwtest

import (
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
)

// Secret is a secret for tests. Everybody knows it: it protects nothing.
const Secret = "authmwtest: a secret that everybody knows"

// TTL is how long a token is valid whose claims do not say so: an hour, as in Cloudreve.
const TTL = time.Hour

// Mint returns a token with the given claims, signed with secret as Cloudreve does. What is left out of the claims
// becomes what an access token has that is issued now: an empty TokenType "access", a zero NotBefore the real current
// time unless ExpiresAt is set, and a zero ExpiresAt a TTL after NotBefore. With a Clock, set NotBefore to its Now.
// Scopes bind a token with or without a ClientID. Neither claims nor secret need be good: bad tokens are for tests too.
func Mint(tb testing.TB, secret []byte, claims authmw.Claims) string {
	tb.Helper()
	if claims.TokenType == "" {
		claims.TokenType = authmw.AccessToken
	}
	if claims.NotBefore.IsZero() && claims.ExpiresAt.IsZero() {
		claims.NotBefore = time.Now()
	}
	if claims.ExpiresAt.IsZero() {
		claims.ExpiresAt = claims.NotBefore.Add(TTL)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims).SignedString(secret)
	if err != nil {
		tb.Fatalf("authmwtest: cannot sign: %v", err)
	}
	return token
}

// Clock is a clock that stands still unless it is moved. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time that c stands at. It is what authmw.WithClock takes.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves c by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
