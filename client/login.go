package client

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/authmw/authmw/internal/compact"
)

// Token is an access token. It does not show itself when it is printed.
type Token struct {
	AccessToken string
	// Expiry is the token's own exp, from when on it is no longer valid.
	Expiry time.Time
}

// String tells when the token expires and nothing else.
func (t Token) String() string {
	return "client.Token(expires " + t.Expiry.UTC().Format(time.RFC3339) + ")"
}

// Format writes what String returns, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalJSON returns what String does, for loggers: a token does not get into a log by being part of something.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// LogValue returns what String does.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Login is what a Store keeps: a pair of tokens and where they come from. It does not show them when it is printed, nor when
// it is logged by itself; its JSON, for stores, has them.
type Login struct {
	// Site is the origin that the tokens are for, with its port: "https://cloud.example.com:443".
	Site string `json:"site"`
	// AccessToken is the last one.
	AccessToken string `json:"access_token"`
	// RefreshToken is for the next pair. It is empty for a login that cannot be renewed, such as that of an OAuth client
	// without offline_access.
	RefreshToken string `json:"refresh_token"`
	// Obtained is when the pair was asked for, by this machine's clock. It is zero if that is not known.
	Obtained time.Time `json:"obtained,omitzero"`
	// Refused is when the site refused the refresh token for good. It is zero if it did not.
	Refused time.Time `json:"refused,omitzero"`
}

// String names the site and nothing else.
func (l Login) String() string { return "client.Login(" + l.Site + ")" }

// Format writes what String returns, whatever the verb.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// LogValue returns what String does.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

// Subject returns sub of the access token, the user's ID, or "" if it cannot be read.
func (l Login) Subject() string {
	claims, _ := read(l.AccessToken)
	return claims.Subject
}

// Expiry returns exp of the access token, or the zero Time if it cannot be read.
func (l Login) Expiry() time.Time {
	claims, _ := read(l.AccessToken)
	return claims.ExpiresAt
}

// RefreshExpiry returns exp of the refresh token, or the zero Time if it cannot be read.
func (l Login) RefreshExpiry() time.Time {
	var claims compact.Claims
	if err := compact.Read(l.RefreshToken, &claims); err != nil {
		return time.Time{}
	}
	return claims.ExpiresAt
}

// held is a login in use.
type held struct {
	*Login
	token  Token
	dueAt  time.Time // when it is to be refreshed
	usable time.Time // until when it is worth a try
	again  time.Time // until when the site is not asked for another, though it rejects this one
}

// due reports whether a token is to be refreshed. One that was asked for in the future tells nothing about its age.
func (h *held) due(now time.Time) bool { return !now.Before(h.dueAt) || now.Before(h.Obtained) }

// usableFor reports whether a token is worth a try for someone whose last one was rejected.
func (h *held) usableFor(rejected string, now time.Time) bool {
	return h != nil && h.AccessToken != rejected && now.Before(h.usable)
}

// young reports whether a token is so new that another would be rejected as well.
func (h *held) young(now time.Time) bool { return !now.Before(h.Obtained) && now.Before(h.again) }

const (
	leastMargin = 10 * time.Second

	// leastAge is how old a token is at the least that is replaced because a request was refused. Whoever is refused with a
	// new one would be with the next.
	leastAge = 10 * time.Second
)

func newHeld(l *Login) *held {
	h := &held{Login: l}
	claims, err := read(l.AccessToken)
	if err != nil {
		return h // due since ever
	}
	h.token = Token{l.AccessToken, claims.ExpiresAt}
	h.usable = claims.ExpiresAt
	if l.Obtained.IsZero() {
		h.dueAt = h.usable.Add(-leastMargin)
		return h
	}
	lifetime := claims.ExpiresAt.Sub(l.Obtained)
	if !claims.NotBefore.IsZero() {
		// Cloudreve sets nbf to the time of issue. By this clock the token lives no longer than by the site's.
		lifetime = claims.ExpiresAt.Sub(claims.NotBefore)
		if end := l.Obtained.Add(lifetime); end.Before(h.usable) {
			h.usable = end
		}
	}
	lifetime = max(lifetime, 0)
	margin := min(max(leastMargin, lifetime/10), lifetime/2)
	h.dueAt = h.usable.Add(-margin - rand.N(margin/8+1))
	tenth := lifetime / 10
	if lifetime < time.Second { // whatever that is good for, the site is asked once in a second at the most
		tenth = time.Second
	}
	h.again = l.Obtained.Add(min(leastAge, tenth))
	// If this clock is ahead, a new token looks old.
	if grace := l.Obtained.Add(tenth); h.dueAt.Before(grace) {
		h.dueAt = grace
		if h.usable.Before(grace) {
			h.usable = grace
		}
	}
	return h
}
