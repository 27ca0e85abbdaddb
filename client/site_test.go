package client_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/client"
)

// TestOtherSite shows that tokens of one site are neither sent to another nor replaced by its own.
func TestOtherSite(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		login := &client.StoredLogin{Site: "https://other.example.com:443", AccessToken: "a", RefreshToken: "r"}
		put(t, w.store, login)
		_, err := w.Token(t.Context())
		require.ErrorContains(t, err, "other.example.com")
		require.NotErrorIs(t, err, client.ErrLoginRequired)
		require.ErrorContains(t, w.Login(t.Context(), "admin@example.com", "Passw0rd!"), "other.example.com")
		require.ErrorContains(t, w.Logout(t.Context()), "other.example.com")
		kept, err := w.store.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, login, kept)
		for _, request := range []string{refresh, "POST /api/v4/session/token", "DELETE /api/v4/session/token"} {
			require.Zero(t, w.site.Count(request))
		}
	})
}

// TestOddAnswers shows that nothing is taken for a token that is none.
func TestOddAnswers(t *testing.T) {
	other := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "ogUy"})
	wrongType := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", TokenType: "refresh"})
	for _, row := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"HTML", "<html>", 200, "not as Cloudreve"},
		{"nothing", "", 200, "not as Cloudreve"},
		{"no code", "{}", 200, "not as Cloudreve"},
		{"no data", `{"code":0}`, 200, "not as Cloudreve"},
		{"no token", `{"code":0,"data":{"access_token":"","refresh_token":"r"}}`, 200, "not as Cloudreve"},
		{"garbage", `{"code":0,"data":{"access_token":"a.b.c","refresh_token":"r"}}`, 200, "not as Cloudreve"},
		{"a refresh token", `{"code":0,"data":{"access_token":"` + wrongType + `","refresh_token":"r"}}`, 200, "not as Cloudreve"},
		{"another user's", `{"code":0,"data":{"access_token":"` + other + `","refresh_token":"r"}}`, 200, "another user"},
		{"a redirect", "", 307, "redirects to"},
		{"a code", `{"code":50001,"msg":"no\u001b[31m"}`, 200, `50001: "no\x1b[31m"`},
		{"not found", `404 page not found`, 404, "not as Cloudreve"},
	} {
		t.Run(row.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				odd := round(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/refresh") {
						require.Empty(t, r.Header.Get("Authorization"))
						return response(r, row.status, "application/json", row.body, "Location", "https://evil.example/"), nil
					}
					require.Equal(t, "cloud.example.com", r.URL.Host)
					return w.site.RoundTrip(r)
				})
				c, err := client.New(siteURL, w.store, client.WithTransport(odd))
				require.NoError(t, err)
				require.NoError(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
				before, err := w.store.Load(t.Context())
				require.NoError(t, err)
				time.Sleep(time.Hour)
				_, err = c.Token(t.Context())
				require.ErrorContains(t, err, row.want)
				require.NotErrorIs(t, err, client.ErrLoginRequired)
				after, err := w.store.Load(t.Context())
				require.NoError(t, err)
				require.Equal(t, before, after)
			})
		})
	}
}

// TestSiteThatRepeats shows that what was sent is not in an error, though the site says it.
func TestSiteThatRepeats(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			return response(r, 200, "application/json", `{"code":40001,"msg":"cannot parse MyPassword"}`), nil
		})))
		require.NoError(t, err)
		err = c.Login(t.Context(), "admin@example.com", "MyPassword")
		require.ErrorContains(t, err, "cannot parse […]")
	})
}
