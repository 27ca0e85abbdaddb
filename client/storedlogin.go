package client

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/authmw/authmw/internal/compact"
)

// StoredLogin is what a Store keeps: a pair of tokens and where they come from. It does not show them when it is printed, nor when
// it is logged by itself; its JSON, for stores, has them.
type StoredLogin struct {
	// Site is the origin that the tokens are for, with its port: "https://cloud.example.com:443".
	Site string `json:"site"`
	// AccessToken is the last one.
	AccessToken string `json:"access_token"`
	// RefreshToken is for the next pair. It is empty for a login that cannot be renewed, such as that of an OAuth client
	// without offline_access.
	RefreshToken string `json:"refresh_token"`
	// Obtained is when the pair was asked for, by this machine's clock. It is zero if that is not known.
	Obtained time.Time `json:"obtained,omitzero"`
	// Refused is when the site refused the refresh token for good. It is zero if it did not.
	Refused time.Time `json:"refused,omitzero"`
}

// String names the site and nothing else.
func (l StoredLogin) String() string { return "client.StoredLogin(" + l.Site + ")" }

// Format writes what String returns, whatever the verb.
func (l StoredLogin) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// LogValue returns what String does.
func (l StoredLogin) LogValue() slog.Value { return slog.StringValue(l.String()) }

// Subject returns sub of the access token, the user's ID, or "" if it cannot be read.
func (l StoredLogin) Subject() string {
	claims, _ := read(l.AccessToken)
	return claims.Subject
}

// Expiry returns exp of the access token, or the zero Time if it cannot be read.
func (l StoredLogin) Expiry() time.Time {
	claims, _ := read(l.AccessToken)
	return claims.ExpiresAt
}

// RefreshExpiry returns exp of the refresh token, or the zero Time if it cannot be read.
func (l StoredLogin) RefreshExpiry() time.Time {
	var claims compact.Claims
	if err := compact.Read(l.RefreshToken, &claims); err != nil {
		return time.Time{}
	}
	return claims.ExpiresAt
}
