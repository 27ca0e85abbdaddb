package authmw_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

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

// TestClientAddress shows which address an introspector gets.
func TestClientAddress(t *testing.T) {
	forwarded := http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Real-Ip": {"203.0.113.9"}, "Forwarded": {"for=203.0.113.9"}}
	for _, row := range []struct {
		name, remote, set, want string
	}{
		{"RemoteAddr", "192.0.2.1:1234", "", "192.0.2.1"},
		{"RemoteAddr of IPv6", "[2001:db8::1]:1234", "", "2001:db8::1"},
		{"set by the application", "192.0.2.1:1234", "198.51.100.7", "198.51.100.7"},
		{"a Unix socket", "@", "", "invalid IP"},
		{"none", "", "", "invalid IP"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			v, err := authmw.NewFromIntrospector(introspectorFunc(func(ctx context.Context, _ string, _ *authmw.Claims) error {
				address, ok := authmw.ClientAddress(ctx)
				require.Equal(t, address.IsValid(), ok)
				got = append(got, address.String())
				return nil
			}), authmw.WithClock(clock))
			require.NoError(t, err)
			r := newRequest("Bearer " + goodToken(t))
			maps.Copy(r.Header, forwarded) // which anyone may send
			r.RemoteAddr = row.remote
			if row.set != "" {
				r = r.WithContext(authmw.WithClientAddress(r.Context(), netip.MustParseAddr(row.set)))
			}
			_, err = v.Check(r, authmw.Required)
			require.NoError(t, err)
			served, err := v.Authenticate(r, authmw.Optional)
			require.NoError(t, err)
			_, err = v.Authenticate(served, authmw.Required)
			require.NoError(t, err)
			require.Equal(t, []string{row.want, row.want, row.want}, got)
		})
	}
	_, ok := authmw.ClientAddress(t.Context())
	require.False(t, ok)
}

func TestValue(t *testing.T) {
	type user struct{ Name, password string }
	claims := &authmw.Claims{Subject: "wGH0"}
	ctx := authmw.NewContext(t.Context(), claims)
	_, ok := authmw.Value[*user](ctx)
	require.False(t, ok, "no value")
	authmw.SetValue(claims, user{"Alice", "hunter2"})
	u, ok := authmw.Value[user](ctx)
	require.True(t, ok)
	require.Equal(t, "Alice", u.Name)
	_, ok = authmw.Value[*user](ctx)
	require.False(t, ok, "of another type")
	_, ok = authmw.Value[user](t.Context())
	require.False(t, ok, "no claims")
	authmw.SetValue(nil, u)

	encoded, err := json.Marshal(claims)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "claims", claims)
	for _, shown := range []string{string(encoded), log.String(), fmt.Sprintf("%v %+v %#v", claims, claims, claims), fmt.Sprintf("%+v %#v", *claims, ctx)} {
		require.NotContains(t, shown, "Alice")
		require.NotContains(t, shown, "hunter2")
	}
	authmw.SetValue(claims, nil)
	_, ok = authmw.Value[user](ctx)
	require.False(t, ok)
}
