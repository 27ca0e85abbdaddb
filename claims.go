package authmw

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw/internal/compact"
)

// AccessToken is the token_type of an access token, the one type that a Validator accepts.
const AccessToken = "access"

// Claims are what a verified token says of the sender. Those that a Validator returns belong to one request alone; the
// caller may change them. To keep them for longer, copy what is needed: the pointer keeps the request alive. To store them,
// use JSON: other encodings, such as gob, do not keep apart claims that are bound by their scopes and those that are not.
//
// *Claims is a jwt.Claims, so golang-jwt can sign one: the JSON is, member for member, what Cloudreve issues. Set TokenType
// to AccessToken.
type Claims struct {
	// TokenType is token_type: AccessToken in all claims that a Validator returns.
	TokenType string
	// Subject is sub, the user: for Cloudreve a hashid such as "wGH0", never the number in its database.
	Subject string
	// ExpiresAt is exp: the token is valid before it. A fraction of a second in the token is rounded down.
	ExpiresAt time.Time
	// NotBefore is nbf: the token is valid from then on. For Cloudreve it is the time of issue. A fraction of a second in
	// the token is rounded up. It is zero if absent.
	NotBefore time.Time
	// Scopes is scopes: what an OAuth client was granted or, on a server that issues its own tokens, the user's roles. See
	// HasScope. It is nil if the token has no such member, and empty but not nil if the list is empty.
	Scopes []string
	// ClientID is client_id, the OAuth client that the token was issued to. It is empty for a user's own login, and for the
	// tokens of CVE-2026-54560.
	ClientID string

	segment string     // the payload as it stands in the token, decoded only for those who ask
	bound   bool       // by Scopes, even if the application sets them to nil
	value   func() any // see SetValue; a function, so that printing claims does not print it
}

func newClaims(c *compact.Claims) Claims {
	return Claims{
		TokenType: c.TokenType,
		Subject:   c.Subject,
		ExpiresAt: c.ExpiresAt,
		NotBefore: c.NotBefore,
		Scopes:    c.Scopes,
		ClientID:  c.ClientID,
		segment:   c.Segment,
		bound:     c.Scopes != nil || c.ClientID != "",
	}
}

// HasScope reports whether the token permits scope. A token with neither scopes nor a client_id is a user's own login and
// permits everything, unless the Validator has WithStrictScopes. Any other token must hold the scope itself or, for
// "X.Read", "X.Write". Letter case matters. Nil claims, those of an anonymous sender, have no scope. A claims check that
// removes scopes, even all of them, does not turn a bound token into a user's own.
//
// This is Cloudreve's rule, with one exception: Cloudreve takes a token with scopes and no client_id for a user's own login.
// Cloudreve 4.12.0 to 4.16.0 issued such tokens to OAuth clients (CVE-2026-54560).
func (c *Claims) HasScope(scope string) bool {
	switch {
	case c == nil:
		return false
	case !c.bound && c.Scopes == nil && c.ClientID == "":
		return true
	case slices.Contains(c.Scopes, scope):
		return true
	}
	resource, read := strings.CutSuffix(scope, ".Read")
	return read && slices.Contains(c.Scopes, resource+".Write")
}

// Decode unmarshals the whole payload of the token into v, for claims that Claims has no field for. The payload is the
// one that was verified, whatever became of c's fields since; if c does not come from a token, it is c's own JSON. It
// returns encoding/json's errors.
//
// No two members of one object have the same name, but encoding/json also matches names in other letter case: of
// unknown members "role" and "Role" in one token, a field tagged role gets the last.
func (c *Claims) Decode(v any) error {
	payload, err := base64.RawURLEncoding.DecodeString(c.segment)
	if c.segment == "" {
		payload, err = json.Marshal(c)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return err
	}
	if claims, ok := v.(*Claims); ok {
		claims.bound = claims.bound || c.bound
	}
	return nil
}

// claimsJSON has the members in Cloudreve's order.
type claimsJSON struct {
	TokenType string   `json:"token_type"`
	Subject   string   `json:"sub"`
	ExpiresAt *int64   `json:"exp,omitempty"`
	NotBefore *int64   `json:"nbf,omitempty"`
	Scopes    []string `json:"scopes,omitzero"`
	ClientID  string   `json:"client_id,omitempty"`
}

// MarshalJSON returns the claims as Cloudreve issues them: the same members in the same order, times in whole seconds,
// without zero times, nil Scopes and an empty ClientID. Claims that are bound by scopes and have none left get an empty
// list. Members that only Decode gives access to are not part of it.
func (c Claims) MarshalJSON() ([]byte, error) {
	seconds := func(t time.Time) *int64 {
		if t.IsZero() {
			return nil
		}
		s := t.Unix()
		return &s
	}
	scopes := c.Scopes
	if scopes == nil && c.bound && c.ClientID == "" {
		scopes = []string{} // without the member, the token would permit everything
	}
	return json.Marshal(claimsJSON{c.TokenType, c.Subject, seconds(c.ExpiresAt), seconds(c.NotBefore), scopes, c.ClientID})
}

// UnmarshalJSON sets c from a token's payload. It is as strict about its form as a Validator, but checks none of the
// values, so jwt.ParseWithClaims with a *Claims is no substitute for one: it would take a refresh token. On failure it
// returns an error that matches ErrInvalidClaims and leaves c as it was.
func (c *Claims) UnmarshalJSON(payload []byte) error {
	var parsed compact.Claims
	if err := compact.ParseClaims(string(payload), &parsed); err != nil {
		return refuse(err)
	}
	parsed.Segment = base64.RawURLEncoding.EncodeToString(payload)
	*c = newClaims(&parsed)
	return nil
}

// GetExpirationTime returns ExpiresAt, or nil if it is zero. It is part of jwt.Claims.
func (c *Claims) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(c.ExpiresAt), nil }

// GetNotBefore returns NotBefore, or nil if it is zero. It is part of jwt.Claims.
func (c *Claims) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(c.NotBefore), nil }

// GetSubject returns Subject. It is part of jwt.Claims.
func (c *Claims) GetSubject() (string, error) { return c.Subject, nil }

// GetIssuedAt returns iat, which Cloudreve does not issue, or nil. It is part of jwt.Claims.
func (c *Claims) GetIssuedAt() (*jwt.NumericDate, error) {
	registered, err := c.registered()
	return registered.IssuedAt, err
}

// GetIssuer returns iss, which Cloudreve does not issue, or "". It is part of jwt.Claims.
func (c *Claims) GetIssuer() (string, error) {
	registered, err := c.registered()
	return registered.Issuer, err
}

// GetAudience returns aud, which Cloudreve does not issue, or nil. It is part of jwt.Claims.
func (c *Claims) GetAudience() (jwt.ClaimStrings, error) {
	registered, err := c.registered()
	return registered.Audience, err
}

func (c *Claims) registered() (registered jwt.RegisteredClaims, err error) {
	err = c.Decode(&registered)
	return registered, err
}

func numericDate(t time.Time) *jwt.NumericDate {
	if t.IsZero() {
		return nil
	}
	return jwt.NewNumericDate(t)
}

// LogValue returns sub, exp and, if there is one, client_id, or "anonymous" for nil claims.
func (c *Claims) LogValue() slog.Value {
	if c == nil {
		return slog.StringValue("anonymous")
	}
	attrs := []slog.Attr{slog.String("sub", c.Subject), slog.Time("exp", c.ExpiresAt)}
	if c.ClientID != "" {
		attrs = append(attrs, slog.String("client_id", c.ClientID))
	}
	return slog.GroupValue(attrs...)
}
