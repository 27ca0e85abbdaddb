package cloudrevetest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/internal/capture"
	"github.com/authmw/authmw/issuer"
)

// TestExchanges replays what was said to a real Cloudreve, in the same order, and compares the answers to the byte, but
// for correlation IDs and for the root_token_id of a new login, which is random.
func TestExchanges(t *testing.T) {
	c := capture.Read(t)
	profiles := map[string]json.RawMessage{}
	for _, e := range c.Exchanges {
		var answer struct {
			Data struct{ User json.RawMessage }
		}
		if strings.HasPrefix(e.Name, "login") && json.Unmarshal(e.Body, &answer) == nil && answer.Data.User != nil {
			var request struct{ Email string }
			require.NoError(t, json.Unmarshal(e.Request, &request))
			profiles[request.Email] = answer.Data.User
		}
	}
	var now time.Time
	config := cloudrevetest.Config{Secret: c.SecretKey, SiteID: c.SiteID, Now: func() time.Time { return now }}
	for _, user := range c.Users {
		nickname, _, _ := strings.Cut(user.Email, "@")
		config.Users = append(config.Users, cloudrevetest.User{
			ID: user.Sub, Email: user.Email, Password: "Passw0rd!", Stored: user.Password, Nickname: nickname, Profile: profiles[user.Email],
		})
	}
	site, err := cloudrevetest.New(config)
	require.NoError(t, err)
	site.Handle("GET /api/v4/share", authmw.Required, http.NotFoundHandler(), "Shares.Read")

	correlation := regexp.MustCompile(`,"correlation_id":"[0-9a-f-]{36}"`)
	token := regexp.MustCompile(`eyJ[\w-]+\.([\w-]+)\.[\w-]+`)
	root := regexp.MustCompile(`"root_token_id":"[0-9a-f-]{36}"`)
	expiry := regexp.MustCompile(`"(access|refresh)_expires":"([^"]+)"`)
	for _, e := range c.Exchanges {
		t.Run(e.Name, func(t *testing.T) {
			want := string(compacted(t, e.Body))
			if times := expiry.FindStringSubmatch(want); times != nil {
				expires, err := time.Parse(time.RFC3339Nano, times[2])
				require.NoError(t, err)
				now = expires.Add(-issuer.DefaultAccessTTL)
			}
			r := httptest.NewRequest(e.Method, e.Path, bytes.NewReader(e.Request))
			if e.Request != nil {
				r.Header.Set("Content-Type", "application/json")
			}
			if e.Authorization != "" {
				r.Header.Set("Authorization", e.Authorization)
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			got := w.Body.String()
			require.Equal(t, e.Status, w.Code)
			require.Equal(t, e.ContentType, w.Header().Get("Content-Type"))
			cacheControl := e.CacheControl
			if strings.Contains(want, `"access_token"`) {
				cacheControl += ", no-store" // which RFC 6749 section 5.1 requires and Cloudreve lacks
			}
			require.Equal(t, cacheControl, w.Header().Get("Cache-Control"))
			require.Equal(t, correlation.MatchString(want), correlation.MatchString(got), "a correlation ID, or none")
			claims := func(body string) (payloads []string) {
				for _, match := range token.FindAllStringSubmatch(body, -1) {
					payload, err := base64.RawURLEncoding.DecodeString(match[1])
					require.NoError(t, err)
					payloads = append(payloads, root.ReplaceAllString(string(payload), "ROOT"))
				}
				return payloads
			}
			require.Equal(t, claims(want), claims(got))
			same := func(body string) string {
				body = correlation.ReplaceAllString(body, "")
				if strings.HasPrefix(e.Name, "login") {
					body = token.ReplaceAllString(body, "TOKEN")
				}
				// Cloudreve reads the clock once more for the refresh token.
				return expiry.ReplaceAllStringFunc(body, func(s string) string {
					return regexp.MustCompile(`\.\d+Z`).ReplaceAllString(s, "Z")
				})
			}
			require.Equal(t, same(want), same(got))
		})
	}
}

func compacted(t *testing.T, text json.RawMessage) []byte {
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, text))
	return b.Bytes()
}

// TestCloudreve turns each of the stand-in's switches.
func TestCloudreve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site, err := cloudrevetest.New(cloudrevetest.Config{Users: []cloudrevetest.User{
			{ID: "wGH0", Email: "admin@example.com", Password: "Passw0rd!"},
			{ID: "ogUy", Email: "bob@example.com", Password: "Passw0rd!", OTP: "123456"},
		}})
		require.NoError(t, err)
		httpClient := &http.Client{Transport: site}
		do := func(method, path, token, body string) (status int, answer string, err error) {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://cloud.example.com/api/v4"+path, strings.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			response, err := httpClient.Do(r)
			if err != nil {
				return 0, "", err
			}
			defer func() { _ = response.Body.Close() }()
			content, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return response.StatusCode, string(content), nil
		}
		code := func(method, path, token, body string) int {
			status, answer, err := do(method, path, token, body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, answer)
			envelope := struct{ Code int }{Code: -1}
			require.NoError(t, json.Unmarshal([]byte(answer), &envelope))
			return envelope.Code
		}
		refresh := func(pair issuer.Pair) int {
			return code("POST", "/session/token/refresh", "", `{"refresh_token":"`+pair.RefreshToken+`"}`)
		}
		me := func(pair issuer.Pair) int { return code("GET", "/user/me", pair.AccessToken, "") }

		admin, bob := issue(t, site, issuer.Identity{Subject: "wGH0"}), issue(t, site, issuer.Identity{Subject: "ogUy"})
		require.Equal(t, []int{0, 0, 0, 0}, []int{me(admin), me(bob), refresh(admin), refresh(bob)})
		for subject, want := range map[string]int{"not an ID": 404, "nobody": 50001} {
			token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: subject})
			require.Equal(t, want, me(issuer.Pair{AccessToken: token}))
		}

		site.SetBanned("wGH0", true)
		require.Equal(t, []int{50001, 0, 40020, 0}, []int{me(admin), me(bob), refresh(admin), refresh(bob)})
		require.Equal(t, 50001, code("GET", "/site/ping", admin.AccessToken, ""))
		require.Equal(t, 40017, code("POST", "/session/token", "", `{"email":"admin@example.com","password":"Passw0rd!"}`))
		site.SetBanned("wGH0", false)
		site.EndLogins("ogUy")
		require.Equal(t, []int{0, 0, 0, 40020}, []int{me(admin), me(bob), refresh(admin), refresh(bob)})

		_, answer, err := do("POST", "/session/token", "", `{"email":"BOB@example.com","password":"Passw0rd!"}`)
		require.NoError(t, err)
		second := regexp.MustCompile(`^\{"code":203,"data":"([0-9a-f-]{36})","msg":""`).FindStringSubmatch(answer)
		require.NotNil(t, second, answer)
		require.Equal(t, 404, code("POST", "/session/token/2fa", "", `{"otp":"123456","session_id":"another"}`))
		require.Equal(t, 40022, code("POST", "/session/token/2fa", "", `{"otp":"654321","session_id":"`+second[1]+`"}`))
		require.Equal(t, 0, code("POST", "/session/token/2fa", "", `{"otp":"123456","session_id":"`+second[1]+`"}`))
		require.Equal(t, 404, code("POST", "/session/token/2fa", "", `{"otp":"123456","session_id":"`+second[1]+`"}`), "it works once")

		site.SetOutage(cloudrevetest.RedisDown)
		status, answer, err := do("POST", "/session/token/refresh", "", `{"refresh_token":"`+admin.RefreshToken+`"}`)
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, status)
		require.Empty(t, answer)
		require.Equal(t, 0, me(admin))
		site.SetOutage(cloudrevetest.BadGateway)
		status, _, err = do("GET", "/user/me", "", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusBadGateway, status)
		site.SetOutage(cloudrevetest.Unreachable)
		_, _, err = do("GET", "/user/me", "", "")
		require.Error(t, err)
		site.SetOutage(cloudrevetest.NoOutage)

		site.SetLatency(time.Minute)
		began := time.Now()
		require.Equal(t, 0, me(admin))
		require.Equal(t, time.Minute, time.Since(began))
		httpClient.Timeout = time.Second
		_, _, err = do("GET", "/user/me", "", "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		httpClient.Timeout = 0
		site.SetLatency(0)

		require.NoError(t, site.SetTTL(time.Second, time.Minute))
		short := issue(t, site, issuer.Identity{Subject: "wGH0"})
		time.Sleep(time.Second)
		require.Equal(t, []int{401, 0}, []int{me(short), refresh(short)})
		time.Sleep(time.Minute)
		require.Equal(t, []int{401, 40020}, []int{me(short), refresh(short)})

		require.NoError(t, site.SetSecret(strings.Repeat("another", 5)))
		require.Equal(t, []int{401, 40020}, []int{me(admin), refresh(admin)})

		client := issue(t, site, issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid", "email"}})
		require.Equal(t, 40089, me(client))
		_, answer, err = do("GET", "/session/oauth/userinfo", client.AccessToken, "")
		require.NoError(t, err)
		require.JSONEq(t, `{"sub":"wGH0","email":"admin@example.com","email_verified":true}`, answer)
		client = issue(t, site, issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"profile"}})
		require.Equal(t, 403, code("GET", "/session/oauth/userinfo", client.AccessToken, ""))

		for _, request := range []string{"GET /session/token", "HEAD /user/me", "GET /nowhere"} {
			method, path, _ := strings.Cut(request, " ")
			status, _, err := do(method, path, "", "")
			require.NoError(t, err)
			require.Equal(t, http.StatusNotFound, status, request)
		}
		require.Equal(t, 2, site.Count("POST /api/v4/session/token"))
	})
}

// TestCloudreveTokensWithoutClientID has the tokens of CVE-2026-54560, which the site takes for a user's own login.
func TestCloudreveTokensWithoutClientID(t *testing.T) {
	site, err := cloudrevetest.New(cloudrevetest.Config{})
	require.NoError(t, err)
	site.Handle("GET /api/v4/share", authmw.Required, http.NotFoundHandler(), "Shares.Read")
	identity := issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"openid", "offline_access"}}
	pair, err := site.IssueWithoutClientID(identity)
	require.NoError(t, err)
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	claims, err := v.Verify(t.Context(), pair.AccessToken)
	require.NoError(t, err)
	require.Empty(t, claims.ClientID)
	require.Equal(t, identity.Scopes, claims.Scopes)
	require.False(t, claims.HasScope("Shares.Read"))

	do := func(method, path, token string, body io.Reader) (status int, answer string) {
		r, err := http.NewRequest(method, "http://cloud.example.com/api/v4"+path, body)
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := site.RoundTrip(r)
		require.NoError(t, err)
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(content)
	}
	status, _ := do("GET", "/share", pair.AccessToken, nil)
	require.Equal(t, http.StatusNotFound, status, "the route's own answer")
	_, answer := do("GET", "/share", issue(t, site, identity).AccessToken, nil)
	require.Contains(t, answer, "Insufficient scope: Shares.Read")
	// The length of a body of a type of its own is not known to the client.
	_, answer = do("POST", "/session/token/refresh", "", io.NopCloser(strings.NewReader(`{"refresh_token":"`+pair.RefreshToken+`"}`)))
	require.Contains(t, answer, `"access_token"`)

	for _, change := range []string{`"sub":""`, `"sub":null`, `"x":1`} {
		payload := `{"token_type":"access",` + change + `,"exp":253402300799}`
		input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		signature, err := jwt.SigningMethodHS256.Sign(input, []byte(authmwtest.Secret))
		require.NoError(t, err)
		_, answer = do("GET", "/site/ping", input+"."+base64.RawURLEncoding.EncodeToString(signature), nil)
		require.Contains(t, answer, `{"code":404,"msg":"User not found"`, change)
	}
}

// issue returns the tokens of a site for an identity.
func issue(t testing.TB, site *cloudrevetest.Site, identity issuer.Identity) issuer.Pair {
	t.Helper()
	pair, err := site.Issue(identity)
	require.NoError(t, err)
	return pair
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	users := []cloudrevetest.User{{ID: "wGH0", Email: "a@example.com"}, {ID: "wGH0"}, {ID: "user 1"}, {ID: "ogUy", Email: "A@example.com"}}
	_, err := cloudrevetest.New(cloudrevetest.Config{Secret: "short", Users: users})
	for _, want := range []string{"the secret has 5 bytes", "two users have the ID wGH0", `user 3 has the ID "user 1"`, "two users have the e-mail address A@example.com"} {
		require.ErrorContains(t, err, want)
	}
	site, err := cloudrevetest.New(cloudrevetest.Config{Users: users[:1]})
	require.NoError(t, err)
	require.Error(t, site.SetTTL(0, time.Hour))
	require.Error(t, site.SetSecret("short"))
	pair := issue(t, site, issuer.Identity{Subject: "wGH0"})
	users[0].ID = "changed"
	claims, err := verify(t, pair.AccessToken)
	require.NoError(t, err, "what failed has changed nothing")
	require.Equal(t, "wGH0", claims.Subject)
	r := httptest.NewRequest(http.MethodGet, "/api/v4/user/me", nil)
	r.Header.Set("Authorization", "Bearer "+pair.AccessToken)
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	require.Contains(t, w.Body.String(), `"id":"wGH0"`, "a Site has its own copy of the users")
}

func verify(t *testing.T, token string) (*authmw.Claims, error) {
	v, err := authmw.New([]byte(authmwtest.Secret))
	require.NoError(t, err)
	return v.Verify(t.Context(), token)
}
