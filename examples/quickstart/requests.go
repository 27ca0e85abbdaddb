package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
)

// request is one to send, and the answer to expect: the status with the body, or with the code of a denial.
type request struct {
	name          string
	path          string
	authorization string
	want          string
}

// requestsFor returns a request for each thing that can happen.
func requestsFor(secret []byte, now time.Time) ([]request, error) {
	var failure error
	// Cloudreve issues tokens like this at login; here they are signed by hand, as for local debugging.
	bearer := func(secret []byte, change func(*authmw.Claims)) string {
		claims := &authmw.Claims{
			TokenType: authmw.AccessToken, Subject: "wGH0", NotBefore: now, ExpiresAt: now.Add(time.Hour),
		}
		change(claims)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
		if err != nil {
			failure = err
		}
		return "Bearer " + token
	}
	user := bearer(secret, func(*authmw.Claims) {})
	reader := bearer(secret, func(c *authmw.Claims) { c.ClientID, c.Scopes = "desktop", []string{"Files.Read"} })
	profile := bearer(secret, func(c *authmw.Claims) { c.ClientID, c.Scopes = "desktop", []string{"profile"} })
	expired := bearer(secret, func(c *authmw.Claims) { c.ExpiresAt = now.Add(-time.Second) })
	refresh := bearer(secret, func(c *authmw.Claims) { c.TokenType = "refresh" })
	forged := bearer([]byte(strings.Repeat("guess", 8)), func(*authmw.Claims) {})

	return []request{
		{"None, no token", "/ping", "", "200 pong"},
		{"None, not even looked at", "/ping", forged, "200 pong"},
		{"Optional, no token", "/share", "", "200 a share, seen by anyone"},
		{"Optional, a user's token", "/share", user, "200 a share, seen by wGH0"},
		{"Optional, an expired token", "/share", expired, "401 token_expired"},
		{"Required, no token", "/me", "", "401 missing_token"},
		{"Required, a user's token", "/me", user, "200 you are wGH0"},
		{"Required, an expired token", "/me", expired, "401 token_expired"},
		{"Required, a token of another secret", "/me", forged, "401 invalid_signature"},
		{"Required, a refresh token", "/me", refresh, "401 wrong_token_type"},
		{"Required, no token but a password", "/me", "Basic dXNlcjpwYXNz", "401 missing_token"},
		{"Required, two words after Bearer", "/me", user + " x", "401 malformed_token"},
		{"Files.Read, a user's token", "/files", user, "200 files of wGH0"},
		{"Files.Read, an OAuth client with it", "/files", reader, "200 files of wGH0"},
		{"Files.Read, an OAuth client without it", "/files", profile, "403 insufficient_scope"},
	}, failure
}

// answer sends r and returns what came back in the form of request.want.
func answer(base string, r request) string {
	req, err := http.NewRequest(http.MethodGet, base+r.path, nil)
	if err != nil {
		return err.Error()
	}
	if r.authorization != "" {
		req.Header.Set("Authorization", r.authorization)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(body))
	if response.Header.Get("Content-Type") == "application/problem+json" {
		var problem struct{ Code string }
		if err := json.Unmarshal(body, &problem); err != nil {
			return err.Error()
		}
		text = problem.Code
	}
	return fmt.Sprintf("%d %s", response.StatusCode, text)
}
