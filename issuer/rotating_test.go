package issuer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

func TestReuseIsReported(t *testing.T) {
	var reported []issuer.Event
	i, clock := rotating(t, issuer.WithObserver(func(_ context.Context, e issuer.Event) { reported = append(reported, e) }))
	identity := issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"offline_access"}}
	first, err := i.Issue(t.Context(), identity)
	require.NoError(t, err)
	second, err := i.Refresh(t.Context(), first.RefreshToken)
	require.NoError(t, err)
	clock.Advance(issuer.DefaultGrace)
	require.Empty(t, reported)
	_, err = i.Refresh(t.Context(), first.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrReused)
	require.Equal(t, []issuer.Event{{Identity: identity, Err: issuer.ErrReused, Ended: 1}}, reported)
	_, err = i.Refresh(t.Context(), second.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrRevoked)
	require.Len(t, reported, 1)
}

// TestGraceEndsWithTheAccessToken has access tokens that live for less than the grace window, and for a fraction of a second
// less than that, since exp has whole seconds.
func TestGraceEndsWithTheAccessToken(t *testing.T) {
	for client, window := range map[string]time.Duration{"": 10*time.Second - 156820287, "long": time.Minute} {
		for _, row := range []struct {
			after time.Duration
			want  error
		}{{window - time.Microsecond, nil}, {window, issuer.ErrReused}} {
			i, clock := rotating(t, issuer.WithGrace(time.Minute), issuer.WithTTL(10*time.Second, time.Hour), issuer.WithClientTTL("long", time.Hour, time.Hour))
			v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(clock.Now))
			require.NoError(t, err)
			pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0", ClientID: client})
			require.NoError(t, err)
			next, err := i.Refresh(t.Context(), pair.RefreshToken)
			require.NoError(t, err)
			clock.Advance(row.after)
			again, err := i.Refresh(t.Context(), pair.RefreshToken)
			require.ErrorIs(t, err, row.want)
			if row.want == nil {
				require.Equal(t, next, again)
				_, err = v.Verify(t.Context(), again.AccessToken)
				require.NoError(t, err)
			}
		}
	}
}

// TestTheLimitIsReported has one user more logins at one client than the limit, and leaves others alone.
func TestTheLimitIsReported(t *testing.T) {
	var reported []issuer.Event
	i, clock := rotating(t, issuer.WithFamilyLimit(2), issuer.WithObserver(func(_ context.Context, e issuer.Event) { reported = append(reported, e) }))
	identities := []issuer.Identity{
		{Subject: "wGH0"}, {Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid"}}, {Subject: "wGH0", ClientID: "phone"}, {Subject: "lUpa"},
	}
	pairs := map[int][]issuer.Pair{}
	for range 2 {
		for n, identity := range identities {
			pair, err := i.Issue(t.Context(), identity)
			require.NoError(t, err)
			pairs[n] = append(pairs[n], pair)
		}
		clock.Advance(time.Second)
	}
	require.Empty(t, reported)
	_, err := i.Issue(t.Context(), identities[1])
	require.NoError(t, err)
	require.Equal(t, []issuer.Event{{Identity: identities[1], Err: issuer.ErrFamilyLimit, Ended: 1}}, reported)
	for n := range identities {
		for m, pair := range pairs[n] {
			_, err := i.Refresh(t.Context(), pair.RefreshToken)
			if n == 1 && m == 0 {
				require.ErrorIs(t, err, issuer.ErrRevoked)
			} else {
				require.NoError(t, err)
			}
		}
	}
}

// TestRepeatWithOtherLifetimes has an answer that was lost, and a second Issuer whose tokens live for less than the time since.
func TestRepeatWithOtherLifetimes(t *testing.T) {
	store, clock := issuer.NewMemoryStore(), authmwtest.NewClock(noon)
	long, err := issuer.New([]byte(authmwtest.Secret), store, issuer.WithClock(clock.Now))
	require.NoError(t, err)
	short, err := issuer.New([]byte(authmwtest.Secret), store, issuer.WithClock(clock.Now), issuer.WithTTL(5*time.Second, 10*time.Second))
	require.NoError(t, err)
	pair, err := long.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	_, err = long.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	clock.Advance(20 * time.Second)
	again, err := short.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, clock.Now().Add(5*time.Second), again.AccessExpires)
	_, err = short.Refresh(t.Context(), again.RefreshToken)
	require.NoError(t, err)
}

// TestNoGraceAtAll has a second use by a process whose clock is behind the first one's.
func TestNoGraceAtAll(t *testing.T) {
	i, clock := rotating(t, issuer.WithGrace(0))
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	clock.Advance(-time.Second)
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrReused)
}
