package issuer

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Pair is an access token and the refresh token for its successor. Its JSON is the token object of Cloudreve's API. A
// token expires at the whole second of its exp, which is its time here without the fraction.
//
// Package fmt and slog print when the tokens expire and not the tokens. They do print the tokens of a Pair in an unexported
// field of another struct, and of one that slog's JSONHandler finds inside another value.
type Pair struct {
	AccessToken    string    `json:"access_token"`
	RefreshToken   string    `json:"refresh_token"`
	AccessExpires  time.Time `json:"access_expires"`
	RefreshExpires time.Time `json:"refresh_expires"`
}

// String tells when the tokens expire and not what they are.
func (p Pair) String() string {
	return fmt.Sprintf("issuer.Pair(access until %s, refresh until %s)", p.AccessExpires.Format(time.RFC3339), p.RefreshExpires.Format(time.RFC3339))
}

// Format writes what String returns, for any verb except %p, which package fmt does not pass on.
func (p Pair) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.String()) }

// LogValue returns what String does: as JSON, a Pair is its tokens.
func (p Pair) LogValue() slog.Value { return slog.StringValue(p.String()) }
