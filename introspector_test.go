package authmw_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

type introspectorFunc func(context.Context, string, *authmw.Claims) error

func (f introspectorFunc) Introspect(ctx context.Context, token string, claims *authmw.Claims) error {
	return f(ctx, token, claims)
}

// goodToken is a good token.
func goodToken(t *testing.T) string {
	return sign(usualHeader, payload(t, "wGH0", "wGH0"))
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
