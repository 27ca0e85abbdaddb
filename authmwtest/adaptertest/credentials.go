package adaptertest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
)

// credentials are those of a request, and what is answered to them.
type credentials struct {
	name          string
	authorization []string
	code          string // of the denial; "" for a valid token, missing_token for no credentials
	unscoped      bool   // the token lacks the scope
}

// allCredentials returns each kind of credentials. It is long because it is a table.
func allCredentials(t *testing.T) []credentials {
	valid := accessToken(t, nil)
	clientToken := func(scopes ...string) string {
		return accessToken(t, func(c *authmw.Claims) { c.ClientID, c.Scopes = clientID, scopes })
	}
	// Cloudreve 4.12.0 to 4.16.0 left out client_id (CVE-2026-54560).
	scopedToken := func(scopes ...string) string {
		return accessToken(t, func(c *authmw.Claims) { c.Scopes = scopes })
	}
	return []credentials{
		{name: "no header", code: "missing_token"},
		{name: "empty header", authorization: []string{""}, code: "missing_token"},
		{name: "Basic", authorization: []string{"Basic dXNlcjpwYXNz"}, code: "missing_token"},
		{name: "token without a scheme", authorization: []string{valid}, code: "missing_token"},
		{name: "valid", authorization: []string{"Bearer " + valid}},
		{name: "valid, scheme in lower case", authorization: []string{"bearer " + valid}},
		{name: "valid, several spaces", authorization: []string{"Bearer   " + valid}},
		{name: "valid, of a client with the scope", authorization: []string{"Bearer " + clientToken(scope)}},
		{name: "valid, of a client with Write for Read", authorization: []string{"Bearer " + clientToken("Files.Write")}},
		{name: "valid, of a client without the scope", authorization: []string{"Bearer " + clientToken("Shares.Read")}, unscoped: true},
		{name: "valid, of a client without scopes", authorization: []string{"Bearer " + clientToken()}, unscoped: true},
		{name: "valid, of a client with an empty list of scopes", authorization: []string{"Bearer " + clientToken([]string{}...)}, unscoped: true},
		{name: "valid, with the scope but no client", authorization: []string{"Bearer " + scopedToken(scope)}},
		{name: "valid, with Write for Read but no client", authorization: []string{"Bearer " + scopedToken("Files.Write")}},
		{name: "valid, with another scope but no client", authorization: []string{"Bearer " + scopedToken("Shares.Read")}, unscoped: true},
		{name: "valid, with an empty list of scopes and no client", authorization: []string{"Bearer " + scopedToken([]string{}...)}, unscoped: true},
		{name: "Bearer alone", authorization: []string{"Bearer"}, code: "malformed_token"},
		{name: "two words", authorization: []string{"Bearer " + valid + " " + valid}, code: "malformed_token"},
		{name: "garbage", authorization: []string{"Bearer garbage"}, code: "malformed_token"},
		{name: "longer than 8 KiB", authorization: []string{"Bearer " + strings.Repeat(".", 8193)}, code: "malformed_token"},
		{name: "node signature", authorization: []string{"Bearer Cr c2lnbmF0dXJl:0"}, code: "node_signature"},
		{name: "other secret", authorization: []string{"Bearer " + authmwtest.Mint(t, []byte(authmwtest.Secret+"!"), authmw.Claims{
			Subject: subject, NotBefore: now})}, code: "invalid_signature"},
		{name: "expired", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.ExpiresAt = now
		})}, code: "token_expired"},
		{name: "not yet valid", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.NotBefore = now.Add(time.Second)
		})}, code: "token_not_yet_valid"},
		{name: "refresh token", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.TokenType = "refresh"
		})}, code: "wrong_token_type"},
		{name: "no subject", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.Subject = ""
		})}, code: "invalid_claims"},
		{name: "banned", authorization: []string{"Bearer " + accessToken(t, func(c *authmw.Claims) {
			c.Subject = "banned"
		})}, code: "token_rejected"},
		{name: "two headers", authorization: []string{"Bearer " + valid, "Bearer " + valid}, code: "ambiguous_credentials"},
		{name: "two headers, Basic first", authorization: []string{"Basic dXNlcjpwYXNz", "Bearer " + valid}, code: "ambiguous_credentials"},
	}
}

func testCredentials(t *testing.T, build func(Server) http.Handler) {
	s := site{validator: newValidator(t, authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (bool, error) {
		return claims.Subject != "banned", nil
	}))}
	s.start(t, build(Server{Routes: s.modes(t)}))
	for _, row := range allCredentials(t) {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{}
			if row.authorization != nil {
				header["Authorization"] = row.authorization
			}
			s.send(t, http.MethodGet, "/none", header).requireServed(t, "")
			for _, path := range []string{"/required", "/required/scope", "/optional", "/optional/scope"} {
				got := s.send(t, http.MethodGet, path, header)
				switch {
				case row.code == "missing_token" && strings.HasPrefix(path, "/optional"):
					got.requireServed(t, "")
				case row.code != "":
					got.requireDenied(t, row.code)
				case row.unscoped && strings.HasSuffix(path, "/scope"):
					got.requireDenied(t, "insufficient_scope")
				default:
					got.requireServed(t, subject)
				}
				s.send(t, http.MethodGet, "/optional", nil).requireServed(t, "")
			}
			head := s.send(t, http.MethodHead, "/required", header)
			if want, denied := denials[row.code]; denied && head.StatusCode != http.StatusMethodNotAllowed && head.StatusCode != http.StatusNotFound {
				require.Equal(t, want.status, head.StatusCode)
				require.Empty(t, head.body)
			}
		})
	}
}
