package authmw_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

type introspectorFunc func(context.Context, string, *authmw.Claims) error

func (f introspectorFunc) Introspect(ctx context.Context, token string, claims *authmw.Claims) error {
	return f(ctx, token, claims)
}

func TestNewFromIntrospector(t *testing.T) {
	_, err := authmw.NewFromIntrospector(nil, authmw.WithPreviousSecrets([]byte(testSecret)), authmw.WithClock(nil))
	for _, want := range []string{"the introspector is nil", "previous secrets", "the clock is nil"} {
		require.ErrorContains(t, err, want)
	}
}

// TestIntrospector shows what an introspector's errors become, under each mode, and that it is not asked about what can be
// seen to be wrong.
func TestIntrospector(t *testing.T) {
	down := errors.New("connection refused")
	for _, row := range []struct {
		name string
		says error
		want error // under Required and Optional
	}{
		{"genuine", nil, nil},
		{"forged", authmw.ErrInvalidSignature, authmw.ErrInvalidSignature},
		{"rejected", fmt.Errorf("%w: banned", authmw.ErrTokenRejected), authmw.ErrTokenRejected},
		{"down", down, authmw.ErrUnavailable},
		{"gave up", context.Canceled, authmw.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked := 0
			v, err := authmw.NewFromIntrospector(introspectorFunc(func(_ context.Context, token string, claims *authmw.Claims) error {
				asked++
				require.Equal(t, goodToken(t), token)
				require.Equal(t, "wGH0", claims.Subject)
				return row.says
			}), authmw.WithClock(clock))
			require.NoError(t, err)
			for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
				claims, err := v.Check(newRequest("Bearer "+goodToken(t)), mode)
				requireOutcome(t, row.want, claims, err)
				if row.says != nil {
					require.ErrorIs(t, err, row.says)
				}
			}
			require.Equal(t, 2, asked)
			for _, header := range [][]string{nil, {"Basic x"}, {"Bearer garbage"}, {"Bearer " + strings.Repeat("x", 9000)}} {
				_, err = v.Check(newRequest(header...), authmw.Required)
				require.Error(t, err)
			}
			_, err = v.Check(newRequest("Bearer "+goodToken(t)), authmw.None)
			require.NoError(t, err)
			require.Equal(t, 2, asked)
		})
	}
}

// goodToken is a good token.
func goodToken(t *testing.T) string {
	return sign(usualHeader, payload(t, "wGH0", "wGH0"))
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

// TestIntrospectorsOwnClaims has an introspector that breaks its contract.
func TestIntrospectorsOwnClaims(t *testing.T) {
	v, err := authmw.NewFromIntrospector(introspectorFunc(func(_ context.Context, _ string, claims *authmw.Claims) error {
		claims.Subject, claims.Scopes[0] = "somebody else", "Admin.Write"
		return nil
	}), authmw.WithClock(clock))
	require.NoError(t, err)
	claims, err := v.Check(newRequest("Bearer "+sign(usualHeader, payload(t, `"sub"`, `"scopes":["Files.Read"],"sub"`))), authmw.Required, "Files.Read")
	require.NoError(t, err)
	require.Equal(t, "wGH0", claims.Subject)
	require.Equal(t, []string{"Files.Read"}, claims.Scopes)
}
