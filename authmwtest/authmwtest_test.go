package authmwtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
)

func TestMint(t *testing.T) {
	clock := authmwtest.NewClock(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	start := clock.Now()
	fixed, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
	require.NoError(t, err)
	real, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)

	for _, row := range []struct {
		name     string
		claims   authmw.Claims
		nbf, exp time.Time
	}{
		{"nbf", authmw.Claims{NotBefore: start}, start, start.Add(time.Hour)},
		{"exp", authmw.Claims{ExpiresAt: start.Add(time.Minute)}, time.Time{}, start.Add(time.Minute)},
		{"both", authmw.Claims{NotBefore: start.Add(-1), ExpiresAt: start.Add(time.Minute)}, start.Add(-time.Second), start.Add(time.Minute)},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.claims.Subject = "wGH0"
			claims, err := fixed.Verify(t.Context(), authmwtest.Mint(t, []byte(authmwtest.Secret), row.claims))
			require.NoError(t, err)
			require.Equal(t, authmw.AccessToken, claims.TokenType)
			require.Equal(t, row.nbf, claims.NotBefore)
			require.Equal(t, row.exp, claims.ExpiresAt)
		})
	}

	_, err = real.Verify(t.Context(), authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0"}))
	require.NoError(t, err, "without times it is issued now")

	token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", NotBefore: start})
	clock.Advance(authmwtest.TTL - 1)
	_, err = fixed.Verify(t.Context(), token)
	require.NoError(t, err)
	clock.Advance(1)
	_, err = fixed.Verify(t.Context(), token)
	require.ErrorIs(t, err, authmw.ErrTokenExpired)

	_, err = fixed.Verify(t.Context(), authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{TokenType: "refresh", Subject: "wGH0", NotBefore: clock.Now()}))
	require.ErrorIs(t, err, authmw.ErrWrongTokenType)
}
