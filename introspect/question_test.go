package introspect_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/introspect"
	"github.com/authmw/authmw/issuer"
)

func TestOAuthClients(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		issue := func(scopes ...string) string {
			return issue(t, w.site, issuer.Identity{Subject: "user1", ClientID: "desktop", Scopes: scopes}).AccessToken
		}
		require.Equal(t, 200, w.status("/scoped", issue("openid", "Files.Write")))
		require.Equal(t, 1, w.site.Count(userinfo))
		require.Equal(t, 403, w.status("/scoped", issue("openid")))
		require.Equal(t, 2, w.site.Count(userinfo))
		require.Equal(t, 200, w.status("/scoped", issue("UserInfo.Write", "Files.Read")))
		require.Equal(t, 1, w.site.Count(me))
	})
}

// TestAnswers shows what is made of each.
func TestAnswers(t *testing.T) {
	client := authmw.Claims{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid"}}
	own := authmw.Claims{Subject: "wGH0"}
	for _, row := range []struct {
		name   string
		claims authmw.Claims
		status int
		body   string
		want   error // nil, or what it matches
	}{
		{"yes", own, 200, `{"code":0,"data":{"id":"wGH0"},"msg":""}`, nil},
		{"yes, to a client", client, 200, `{"sub":"wGH0"}`, nil},
		{"yes, to scopes without a client", authmw.Claims{Subject: "wGH0", Scopes: []string{"Files.Read"}}, 200, `{"code":0,"data":{"id":"wGH0"}}`, nil},
		{"yes, to no scopes and no client", authmw.Claims{Subject: "wGH0", Scopes: []string{}}, 200, `{"code":0,"data":{"id":"wGH0"}}`, nil},
		{"Admin.Read, which up to 4.16.1 demand", authmw.Claims{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"UserInfo.Read"}}, 200,
			`{"code":40089,"msg":"Insufficient scope: Admin.Read"}`, authmw.ErrTokenRejected},
		{"another user", own, 200, `{"code":0,"data":{"id":"ogUy"}}`, authmw.ErrTokenRejected},
		{"another user, to a client", client, 200, `{"sub":"ogUy"}`, authmw.ErrTokenRejected},
		{"a client's answer to a user", own, 200, `{"sub":"wGH0"}`, authmw.ErrUnavailable},
		{"a user's answer to a client", client, 200, `{"code":0,"sub":"wGH0","data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"nobody", own, 200, `{"code":0,"data":{}}`, authmw.ErrUnavailable},
		{"no code", own, 200, `{"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"no data", own, 200, `{"code":0}`, authmw.ErrUnavailable},
		{"an ID that is no string", own, 200, `{"code":0,"data":{"id":1}}`, authmw.ErrUnavailable},
		{"anonymous", own, 200, `{"code":401,"msg":"Login required"}`, authmw.ErrInvalidSignature},
		{"anonymous client", client, 200, `{"code":401,"msg":"Login required"}`, authmw.ErrInvalidSignature},
		{"wrong type", own, 200, `{"code":40020,"msg":"Invalid token type"}`, authmw.ErrWrongTokenType},
		{"not found", own, 200, `{"code":404,"msg":"User not found"}`, authmw.ErrTokenRejected},
		{"banned", own, 200, `{"code":50001,"msg":"failed to get login user"}`, authmw.ErrTokenRejected},
		{"scope", own, 200, `{"code":40089,"msg":"Insufficient scope: UserInfo.Read"}`, authmw.ErrTokenRejected},
		{"openid", client, 200, `{"code":403,"msg":"openid scope required"}`, authmw.ErrTokenRejected},
		{"an unknown code", own, 200, `{"code":1,"msg":""}`, authmw.ErrUnavailable},
		{"a code that is no number", own, 200, `{"code":"0","data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"HTML", own, 200, `<html>`, authmw.ErrUnavailable},
		{"nothing", own, 200, ``, authmw.ErrUnavailable},
		{"yes with status 500", own, 500, `{"code":0,"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"yes with status 401", own, 401, `{"code":0,"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"yes after 1 MiB", own, 200, strings.Repeat(" ", 1<<20) + `{"code":0,"data":{"id":"wGH0"}}`, authmw.ErrUnavailable},
		{"a redirect", own, 302, ``, authmw.ErrUnavailable},
		{"a panic", own, 0, ``, authmw.ErrUnavailable},
		{"no connection", own, -1, ``, authmw.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := authmwtest.Mint(t, []byte(authmwtest.Secret), row.claims)
			site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
				require.Equal(t, "cloud.example.com", r.URL.Host)
				require.Equal(t, []string{"Bearer " + token}, r.Header["Authorization"])
				switch row.status {
				case -1:
					return nil, errors.New("connection refused")
				case 0:
					panic(token)
				}
				return &http.Response{StatusCode: row.status, Header: http.Header{"Location": {"https://evil.example/"}},
					Body: io.NopCloser(strings.NewReader(row.body)), Request: r}, nil
			})))
			require.NoError(t, err)
			v, err := authmw.NewFromIntrospector(site)
			require.NoError(t, err)
			claims, err := v.Verify(t.Context(), token)
			if row.want == nil {
				require.NoError(t, err)
				require.Equal(t, row.claims.Subject, claims.Subject)
				require.Equal(t, row.claims.ClientID, claims.ClientID)
				return
			}
			require.ErrorIs(t, err, row.want)
			require.NotContains(t, err.Error(), token)
			require.NotContains(t, fmt.Sprintf("%+v %#v %v", site, site, v), token)
		})
	}
}

// TestScopesWithoutAClient has tokens as Cloudreve 4.12.0 to 4.16.0 issued to OAuth clients (CVE-2026-54560): the site takes
// them for a user's own login, and they are bound here all the same.
func TestScopesWithoutAClient(t *testing.T) {
	cloudreve, err := cloudrevetest.New(cloudrevetest.Config{})
	require.NoError(t, err)
	site, err := introspect.New(siteURL, introspect.WithTransport(cloudreve))
	require.NoError(t, err)
	v, err := authmw.NewFromIntrospector(site)
	require.NoError(t, err)
	check := func(token string, scopes ...string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := v.Check(r, authmw.Required, scopes...)
		return err
	}
	identity := issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid", "Files.Write"}}
	pair, err := cloudreve.IssueWithoutClientID(identity)
	require.NoError(t, err)
	token := pair.AccessToken
	require.NoError(t, check(token, "Files.Read"))
	require.ErrorIs(t, check(token, "Admin.Write"), authmw.ErrInsufficientScope)
	token = authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", Scopes: []string{}})
	require.NoError(t, check(token))
	require.ErrorIs(t, check(token, "Files.Read"), authmw.ErrInsufficientScope)
	require.Equal(t, 2, cloudreve.Count("GET /api/v4/user/me"))
	require.NoError(t, check(issue(t, cloudreve, issuer.Identity{Subject: "wGH0"}).AccessToken, "Admin.Write"))
}

// TestOddAnswerToOne shows that what is answered to one token alone does not count against the site.
func TestOddAnswerToOne(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		site, err := introspect.New(siteURL, introspect.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.Header.Get("Authorization"), "long") {
				return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
			}
			return w.site.RoundTrip(r)
		})))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		for i := range 10 {
			require.Error(t, site.Introspect(t.Context(), fmt.Sprint("long", i), claims))
		}
		require.NoError(t, site.Introspect(t.Context(), w.token(1), claims))
	})
}
