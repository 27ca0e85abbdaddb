// Package capture has what a real Cloudreve 4.14 issued and answered, for tests.
package capture

import (
	"embed"
	"encoding/json"
	"testing"
)

//go:embed testdata
var files embed.FS

// Capture is what was recorded of one site, and what the site was made of.
type Capture struct {
	SecretKey string     `json:"secret_key"` // the master key
	SiteID    string     `json:"site_id"`
	Users     []User     `json:"users"`
	Tokens    []Token    `json:"tokens"`
	Exchanges []Exchange `json:"exchanges"`
}

// User is a row of the table users.
type User struct {
	Sub      string `json:"sub"` // the user's ID in the API
	Email    string `json:"email"`
	Password string `json:"password"` // as it is stored
}

// Token is a token with its claims.
type Token struct {
	Name      string   `json:"name"`
	Token     string   `json:"token"`
	TokenType string   `json:"token_type"`
	Sub       string   `json:"sub"`
	Exp       int64    `json:"exp"`
	Nbf       int64    `json:"nbf"`
	Scopes    []string `json:"scopes"`
	ClientID  string   `json:"client_id"`
}

// Exchange is a request and its answer.
type Exchange struct {
	Name          string          `json:"name"`
	Method        string          `json:"method"`
	Path          string          `json:"path"`
	Authorization string          `json:"authorization"`
	Request       json.RawMessage `json:"request"` // its body
	Status        int             `json:"status"`
	ContentType   string          `json:"content_type"`
	CacheControl  string          `json:"cache_control"`
	Body          json.RawMessage `json:"body"`
}

// Read returns the capture.
func Read(t testing.TB) (c Capture) {
	t.Helper()
	for _, name := range []string{"testdata/cloudreve-4.14.json", "testdata/cloudreve-4.14-exchanges.json"} {
		content, err := files.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(content, &c)
		}
		if err != nil {
			t.Fatalf("capture: %s: %v", name, err)
		}
	}
	return c
}

// Named returns the token of this name.
func (c Capture) Named(t testing.TB, name string) string {
	t.Helper()
	for _, token := range c.Tokens {
		if token.Name == name {
			return token.Token
		}
	}
	t.Fatalf("capture: no token %s", name)
	return ""
}
