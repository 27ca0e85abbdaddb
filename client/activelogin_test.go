package client_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
)

func TestRefreshAheadOfExpiry(t *testing.T) {
	for _, row := range []struct {
		name                 string
		lifetime             time.Duration
		notBefore, notBehind time.Duration // before the end
	}{
		{"an hour: a tenth", time.Hour, 6*time.Minute + 45*time.Second, 6 * time.Minute},
		{"a minute: ten seconds", time.Minute, 11250 * time.Millisecond, 10 * time.Second},
		{"ten seconds: half", 10 * time.Second, 5625 * time.Millisecond, 5 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				require.NoError(t, w.site.SetTTL(row.lifetime, 24*time.Hour))
				first := w.login(t)
				time.Sleep(row.lifetime - row.notBefore - 1)
				token, err := w.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, first, token)
				require.Zero(t, w.site.Count(refresh))
				time.Sleep(row.notBefore - row.notBehind + 1)
				token, err = w.Token(t.Context())
				require.NoError(t, err)
				require.NotEqual(t, first, token)
				require.Equal(t, 1, w.site.Count(refresh))
				login, err := w.store.Load(t.Context())
				require.NoError(t, err)
				require.Equal(t, token.AccessToken, login.AccessToken)
			})
		})
	}
}

// TestJitter shows that clients that logged in together do not refresh together.
func TestJitter(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		clients := make([]*client.Client, 20)
		for i := range clients {
			clients[i] = w.another(t, client.NewMemoryStore())
			require.NoError(t, clients[i].Login(t.Context(), "admin@example.com", "Passw0rd!"))
		}
		moments := map[time.Duration]bool{}
		began := time.Now()
		time.Sleep(53 * time.Minute)
		for range 80 {
			before := w.site.Count(refresh)
			for _, c := range clients {
				_, err := c.Token(t.Context())
				require.NoError(t, err)
			}
			if w.site.Count(refresh) > before {
				moments[time.Since(began)] = true
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, len(clients), w.site.Count(refresh))
		require.Greater(t, len(moments), 5)
	})
}

// TestSleepingLaptop shows that a token's age is not told by the clock that stands still while a machine sleeps.
func TestSleepingLaptop(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		login, err := w.store.Load(t.Context())
		require.NoError(t, err)
		require.NotContains(t, login.Obtained.String(), "m=")
	})
}

// TestOddLifetimes has tokens that expire as they are issued, and a clock that was an hour ahead and is no longer.
func TestOddLifetimes(t *testing.T) {
	for _, lifetime := range []time.Duration{0, -time.Hour} {
		in(t, func(t *testing.T, w *world) {
			asked := 0
			c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
				asked++
				token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", NotBefore: time.Now(), ExpiresAt: time.Now().Add(lifetime)})
				return response(r, 200, "application/json", `{"code":0,"data":{"access_token":"`+token+`","refresh_token":"r"}}`), nil
			})))
			require.NoError(t, err)
			w.login(t)
			time.Sleep(time.Hour)
			for range 1000 {
				_, _ = c.Token(t.Context())
				time.Sleep(10 * time.Millisecond)
			}
			require.LessOrEqual(t, asked, 11)
		})
	}
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		login, err := w.store.Load(t.Context())
		require.NoError(t, err)
		ahead := *login
		ahead.Obtained = ahead.Obtained.Add(5 * time.Hour)
		put(t, w.store, &ahead)
		time.Sleep(4 * time.Hour)
		token, err := w.another(t, w.store).Token(t.Context())
		require.NoError(t, err)
		require.True(t, time.Now().Before(token.Expiry))
	})
}

// TestClocks has the client's clock wrong, in both directions, and by more than a token lives.
func TestClocks(t *testing.T) {
	for _, skew := range []time.Duration{-26 * time.Hour, -30 * time.Second, 30 * time.Second, 50 * time.Minute, 26 * time.Hour} {
		t.Run(fmt.Sprint("site ", skew), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := func() time.Time { return time.Now().Add(skew) }
				site, err := cloudrevetest.New(cloudrevetest.Config{Now: now})
				require.NoError(t, err)
				v, err := authmw.New([]byte(authmwtest.Secret), authmw.WithClock(now))
				require.NoError(t, err)
				c, err := client.New(siteURL, client.NewMemoryStore(), client.WithTransport(site))
				require.NoError(t, err)
				require.NoError(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
				const hours = 10
				for range hours * 60 {
					token, err := c.Token(t.Context())
					require.NoError(t, err)
					_, err = v.Verify(t.Context(), token.AccessToken)
					require.NoError(t, err)
					time.Sleep(time.Minute)
				}
				require.LessOrEqual(t, site.Count(refresh), hours*10)
				require.GreaterOrEqual(t, site.Count(refresh), hours)
			})
		})
	}
}
