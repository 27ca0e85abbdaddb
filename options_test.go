package authmw_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestLeeway(t *testing.T) {
	var now time.Time
	at := func(leeway time.Duration, seconds int64, nanos int64) error {
		v := newValidator(t, authmw.WithLeeway(leeway), authmw.WithClock(func() time.Time { return now }))
		now = time.Unix(seconds, nanos)
		_, err := v.Verify(t.Context(), sign(usualHeader, usualPayload))
		return err
	}
	const nbf, exp = 1795430989, 1795434589
	require.NoError(t, at(0, nbf, 0))
	require.NoError(t, at(0, exp-1, 999999999))
	require.ErrorIs(t, at(0, nbf-1, 999999999), authmw.ErrTokenNotYetValid)
	require.ErrorIs(t, at(0, exp, 0), authmw.ErrTokenExpired)

	require.NoError(t, at(30*time.Second, nbf-30, 0))
	require.NoError(t, at(30*time.Second, exp+29, 999999999))
	require.ErrorIs(t, at(30*time.Second, nbf-31, 999999999), authmw.ErrTokenNotYetValid)
	require.ErrorIs(t, at(30*time.Second, exp+30, 0), authmw.ErrTokenExpired)
}

func TestLenientOptional(t *testing.T) {
	v := newValidator(t, authmw.WithLenientOptional(), authmw.WithClaimsCheck(func(_ context.Context, c *authmw.Claims) (bool, error) {
		if c.Subject == "down" {
			return false, errors.New("the database is gone")
		}
		return c.Subject != "banned", nil
	}))
	with := func(old, new string) []string { return bearer(sign(usualHeader, payload(t, old, new))) }
	for _, row := range []struct {
		name      string
		header    []string
		err       error
		anonymous bool
	}{
		{"malformed header", []string{"Bearer"}, authmw.ErrMalformedToken, true},
		{"malformed token", bearer("garbage"), authmw.ErrMalformedToken, true},
		{"node signature", []string{"Bearer Cr x"}, authmw.ErrNodeSignature, true},
		{"wrong signature", bearer(signWithOther(usualPayload)), authmw.ErrInvalidSignature, true},
		{"expired", with("1795434589", "1"), authmw.ErrTokenExpired, true},
		{"not yet valid", with(`"nbf":1795430989`, `"nbf":1795430990`), authmw.ErrTokenNotYetValid, true},
		{"sub of another type", with(`"wGH0"`, "1"), authmw.ErrInvalidClaims, true},
		{"payload null, unlike Cloudreve", bearer(sign(usualHeader, `null`)), authmw.ErrInvalidClaims, true},
		{"empty payload", bearer(sign(usualHeader, `{}`)), authmw.ErrWrongTokenType, false},
		{"no token_type", with(`"token_type":"access",`, ``), authmw.ErrWrongTokenType, false},
		{"token_type null", with(`"access"`, `null`), authmw.ErrWrongTokenType, false},
		{"no sub", with(`"sub":"wGH0",`, ``), authmw.ErrInvalidClaims, false},
		{"neither sub nor exp", bearer(sign(usualHeader, `{"token_type":"access"}`)), authmw.ErrInvalidClaims, false},
		{"sub empty", with(`"wGH0"`, `""`), authmw.ErrInvalidClaims, false},
		{"sub null", with(`"wGH0"`, `null`), authmw.ErrInvalidClaims, false},
		{"sub that is nobody's", with(`wGH0`, `\u0000`), authmw.ErrInvalidClaims, false},
		{"refresh token", with("access", "refresh"), authmw.ErrWrongTokenType, false},
		{"scopes", with(`"sub"`, `"client_id":"c","sub"`), authmw.ErrInsufficientScope, false},
		{"banned", with("wGH0", "banned"), authmw.ErrTokenRejected, false},
		{"check down", with("wGH0", "down"), authmw.ErrUnavailable, false},
		{"ambiguous", []string{"Bearer a", "Bearer b"}, authmw.ErrAmbiguousCredentials, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			claims, err := v.Check(newRequest(row.header...), authmw.Required, "Files.Read")
			requireOutcome(t, row.err, claims, err)

			claims, err = v.Check(newRequest(row.header...), authmw.Optional, "Files.Read")
			r, errAuthenticate := v.Authenticate(newRequest(row.header...), authmw.Optional, "Files.Read")
			if !row.anonymous {
				requireOutcome(t, row.err, claims, err)
				require.ErrorIs(t, errAuthenticate, row.err)
				require.Nil(t, r)
				return
			}
			require.NoError(t, err)
			require.Nil(t, claims)
			require.NoError(t, errAuthenticate)
			require.ErrorIs(t, authmw.AnonymousReason(r.Context()), row.err)
			_, ok := authmw.FromContext(r.Context())
			require.False(t, ok)
		})
	}
	require.NoError(t, authmw.AnonymousReason(t.Context()))
}

func TestClaimsCheck(t *testing.T) {
	type contextKey struct{}
	down := errors.New("the database is gone")
	v := newValidator(t, authmw.WithClaimsCheck(func(ctx context.Context, c *authmw.Claims) (bool, error) {
		require.Equal(t, "the request's", ctx.Value(contextKey{}))
		switch c.Subject {
		case "banned":
			return false, nil
		case "down":
			return true, down
		case "banned in March":
			return false, fmt.Errorf("%w: banned in March", authmw.ErrTokenRejected)
		}
		return true, nil
	}))
	for subject, want := range map[string]error{
		"wGH0": nil, "banned": authmw.ErrTokenRejected, "banned in March": authmw.ErrTokenRejected, "down": authmw.ErrUnavailable,
	} {
		token := sign(usualHeader, payload(t, "wGH0", subject))
		ctx := context.WithValue(t.Context(), contextKey{}, "the request's")
		for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
			claims, err := v.Check(newRequest("Bearer "+token).WithContext(ctx), mode)
			requireOutcome(t, want, claims, err)
		}
		claims, err := v.Verify(ctx, token)
		requireOutcome(t, want, claims, err)
		require.Equal(t, subject == "down", errors.Is(err, down))
	}
	_, err := v.Check(newRequest(), authmw.Optional)
	require.NoError(t, err, "nobody is asked about an anonymous sender")
	_, err = v.Check(newRequest("Bearer "+signWithOther(usualPayload)), authmw.Required)
	require.ErrorIs(t, err, authmw.ErrInvalidSignature, "nor about a token that is not good")
}

func TestObserver(t *testing.T) {
	var events []authmw.Decision
	v := newValidator(t, authmw.WithLenientOptional(), authmw.WithObserver(func(e authmw.Decision) { events = append(events, e) }))
	expired := sign(usualHeader, payload(t, "1795434589", "1"))
	client := sign(usualHeader, payload(t, `"sub"`, `"client_id":"c","sub"`))
	for _, row := range []struct {
		name    string
		request *http.Request
		mode    authmw.Mode
		subject string
		err     error
		denied  bool
	}{
		{"valid", newRequest("Bearer " + sign(usualHeader, usualPayload)), authmw.Required, "wGH0", nil, false},
		{"anonymous", newRequest(), authmw.Optional, "", nil, false},
		{"denied", newRequest(), authmw.Required, "", authmw.ErrMissingToken, true},
		{"counted as anonymous", newRequest("Bearer " + expired), authmw.Optional, "", authmw.ErrTokenExpired, false},
		{"known, but without the scope", newRequest("Bearer " + client), authmw.Required, "wGH0", authmw.ErrInsufficientScope, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			events = nil
			_, _ = v.Check(row.request, row.mode, "Files.Read")
			require.Len(t, events, 1)
			e := events[0]
			require.Same(t, row.request, e.Request)
			require.Equal(t, row.mode, e.Mode)
			require.Equal(t, row.denied, e.Denied)
			if row.err == nil {
				require.NoError(t, e.Err)
			} else {
				require.ErrorIs(t, e.Err, row.err)
			}
			if row.subject == "" {
				require.Nil(t, e.Claims)
			} else {
				require.Equal(t, row.subject, e.Claims.Subject)
			}
		})
	}
	events = nil
	_, err := v.Check(newRequest("Bearer "+expired), authmw.None)
	require.NoError(t, err)
	require.Empty(t, events, "None decides nothing")
}

// TestObserversOwnClaims has the handler change its claims after the observer was given those of the event.
func TestObserversOwnClaims(t *testing.T) {
	var seen *authmw.Claims
	v := newValidator(t,
		authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
			authmw.SetValue(claims, "the user")
			return true, nil
		}),
		authmw.WithObserver(func(e authmw.Decision) { seen = e.Claims }))
	claims, err := v.Check(newRequest("Bearer "+sign(usualHeader, payload(t, `"sub"`, `"scopes":["Files.Read"],"sub"`))), authmw.Required)
	require.NoError(t, err)
	claims.Subject, claims.Scopes[0] = "changed", "changed"
	require.Equal(t, "wGH0", seen.Subject)
	require.Equal(t, []string{"Files.Read"}, seen.Scopes)

	_, ok := authmw.Value[string](authmw.NewContext(t.Context(), claims))
	require.True(t, ok)
	_, ok = authmw.Value[string](authmw.NewContext(t.Context(), seen))
	require.False(t, ok, "the observer does not get the value")
	require.False(t, seen.HasScope("Shares.Read"), "the copy is bound as the original is")
}

// TestUnavailableIsLogged shows that a server without an observer says in its log that it denies requests for a fault of
// its own, and does not say so for every request.
func TestUnavailableIsLogged(t *testing.T) {
	down := errors.New("the database is gone")
	source := authmw.KeySourceFunc(func(ctx context.Context) (*authmw.Keys, error) {
		return nil, errors.Join(down, ctx.Err())
	})
	good := newRequest("Bearer " + sign(usualHeader, usualPayload))
	lines := func(t *testing.T, do func()) []string {
		var text strings.Builder
		logger, writer, flags := slog.Default(), log.Writer(), log.Flags()
		defer func() {
			slog.SetDefault(logger)
			log.SetOutput(writer) // which SetDefault has changed, and does not restore
			log.SetFlags(flags)
		}()
		slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
		do()
		return slices.Collect(strings.Lines(text.String()))
	}
	synctest.Test(t, func(t *testing.T) {
		v, err := authmw.NewFromKeySource(source)
		require.NoError(t, err)
		check := func(r *http.Request, mode authmw.Mode) {
			_, err := v.Check(r, mode)
			require.ErrorIs(t, err, authmw.ErrUnavailable)
		}
		logged := lines(t, func() {
			for range 100 {
				check(good, authmw.Required)
				check(good, authmw.Optional)
			}
		})
		require.Len(t, logged, 1)
		require.Contains(t, logged[0], "level=ERROR")
		require.Contains(t, logged[0], "err.code=unavailable")
		require.Contains(t, logged[0], "the database is gone")
		require.NotContains(t, logged[0], "eyJ", "no token")

		require.Empty(t, lines(t, func() {
			time.Sleep(59 * time.Second)
			check(good, authmw.Required)
		}))
		require.Len(t, lines(t, func() {
			time.Sleep(time.Second)
			check(good, authmw.Required)
			check(good, authmw.Required)
		}), 1, "another line a minute later")

		time.Sleep(time.Hour)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.Empty(t, lines(t, func() { check(good.WithContext(cancelled), authmw.Required) }), "the client is gone")

		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(2 * time.Second)
		require.Len(t, lines(t, func() { check(good.WithContext(late), authmw.Required) }), 1, "the server is too slow")

		other, err := authmw.NewFromKeySource(source)
		require.NoError(t, err)
		require.Len(t, lines(t, func() { _, _ = other.Check(good, authmw.Required) }), 1, "each Validator has a minute of its own")
		require.Len(t, lines(t, func() { _, _ = new(authmw.Validator).Check(good, authmw.Required) }), 1, "a Validator that New did not make")

		observed, err := authmw.NewFromKeySource(source, authmw.WithObserver(func(authmw.Decision) {}))
		require.NoError(t, err)
		require.Empty(t, lines(t, func() { _, _ = observed.Check(good, authmw.Required) }), "left to the observer")
		require.Empty(t, lines(t, func() { _, _ = newValidator(t).Check(newRequest("Bearer x"), authmw.Required) }), "not the server's fault")
	})
}

func TestContext(t *testing.T) {
	v := newValidator(t)
	outer, err := v.Authenticate(newRequest("Bearer "+sign(usualHeader, usualPayload)), authmw.Required)
	require.NoError(t, err)
	claims, ok := authmw.FromContext(outer.Context())
	require.True(t, ok)
	require.Equal(t, "wGH0", claims.Subject)

	type contextKey struct{}
	inner := context.WithValue(outer.Context(), contextKey{}, 1)
	again, ok := authmw.FromContext(inner)
	require.True(t, ok)
	require.Same(t, claims, again)
	require.Equal(t, 1, inner.Value(contextKey{}))

	_, ok = authmw.FromContext(authmw.NewContext(inner, nil))
	require.False(t, ok, "nil claims hide those further out")
	_, ok = authmw.FromContext(t.Context())
	require.False(t, ok)

	// A second Validator that looks elsewhere finds nobody: what the first one found must not show through.
	second := newValidator(t, authmw.WithExtractors(authmw.Cookie("other")))
	r, err := second.Authenticate(outer, authmw.Optional)
	require.NoError(t, err)
	_, ok = authmw.FromContext(r.Context())
	require.False(t, ok)
	require.NotSame(t, outer, r, "the request that came in is left as it was")

	plain := newRequest()
	r, err = v.Authenticate(plain, authmw.Optional)
	require.NoError(t, err)
	require.Same(t, plain, r)

	cancelled, cancel := context.WithCancel(t.Context())
	r, err = v.Authenticate(newRequest("Bearer "+sign(usualHeader, usualPayload)).WithContext(cancelled), authmw.Required)
	require.NoError(t, err)
	cancel()
	<-r.Context().Done()
	require.ErrorIs(t, r.Context().Err(), context.Canceled)
}
