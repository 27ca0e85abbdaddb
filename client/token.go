package client

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/compact"
)

// Token is an access token. It does not show itself when it is printed.
type Token struct {
	AccessToken string
	// Expiry is the token's own exp, from when on it is no longer valid.
	Expiry time.Time
}

// String tells when the token expires and nothing else.
func (t Token) String() string {
	return "client.Token(expires " + t.Expiry.UTC().Format(time.RFC3339) + ")"
}

// Format writes what String returns, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalJSON returns what String does, for loggers: a token does not get into a log by being part of something.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// LogValue returns what String does.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// read returns the claims of an access token, whose signature only the site can check.
func read(token string) (claims compact.Claims, err error) {
	if err := compact.Read(token, &claims); err != nil {
		return claims, err
	}
	if claims.TokenType != authmw.AccessToken || claims.ExpiresAt.IsZero() {
		return claims, errNotCloudreve
	}
	return claims, nil
}
