package client

import (
	"math/rand/v2"
	"time"
)

// activeLogin is a login in use.
type activeLogin struct {
	*StoredLogin
	token  Token
	dueAt  time.Time // when it is to be refreshed
	usable time.Time // until when it is worth a try
	again  time.Time // until when the site is not asked for another, though it rejects this one
}

// due reports whether a token is to be refreshed. One that was asked for in the future tells nothing about its age.
func (a *activeLogin) due(now time.Time) bool { return !now.Before(a.dueAt) || now.Before(a.Obtained) }

// usableFor reports whether a token is worth a try for someone whose last one was rejected.
func (a *activeLogin) usableFor(rejected string, now time.Time) bool {
	return a != nil && a.AccessToken != rejected && now.Before(a.usable)
}

// young reports whether a token is so new that another would be rejected as well.
func (a *activeLogin) young(now time.Time) bool {
	return !now.Before(a.Obtained) && now.Before(a.again)
}

const (
	minMargin = 10 * time.Second

	// minAge is how old a token must be to be replaced because a request was refused. A request that is refused with a new
	// token would be refused with the next.
	minAge = 10 * time.Second
)

func activate(l *StoredLogin) *activeLogin {
	h := &activeLogin{StoredLogin: l}
	claims, err := read(l.AccessToken)
	if err != nil {
		return h // due since ever
	}
	h.token = Token{l.AccessToken, claims.ExpiresAt}
	h.usable = claims.ExpiresAt
	if l.Obtained.IsZero() {
		h.dueAt = h.usable.Add(-minMargin)
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
	margin := min(max(minMargin, lifetime/10), lifetime/2)
	h.dueAt = h.usable.Add(-margin - rand.N(margin/8+1))
	tenth := lifetime / 10
	if lifetime < time.Second { // the site is asked at most once a second
		tenth = time.Second
	}
	h.again = l.Obtained.Add(min(minAge, tenth))
	// If this clock is ahead, a new token looks old.
	if grace := l.Obtained.Add(tenth); h.dueAt.Before(grace) {
		h.dueAt = grace
		if h.usable.Before(grace) {
			h.usable = grace
		}
	}
	return h
}
