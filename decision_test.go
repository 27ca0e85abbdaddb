package authmw_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

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
