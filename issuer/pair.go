package issuer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/uuid"
)

// refreshType is the token_type of a refresh token.
const refreshType = "refresh"

// Pair is an access token and the refresh token for its successor. Its JSON is the token object of Cloudreve's API. A
// token expires at the whole second of its exp, which is its time here without the fraction.
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

// Format writes what String returns, whatever the verb.
func (p Pair) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.String()) }

// LogValue returns what String does: as JSON, a Pair is its tokens.
func (p Pair) LogValue() slog.Value { return slog.StringValue(p.String()) }

// claims are those of both tokens, in Cloudreve's order.
type claims struct {
	TokenType string `json:"token_type"`
	jwt.RegisteredClaims
	StateHash   []byte   `json:"state_hash,omitempty"`
	RootTokenID string   `json:"root_token_id,omitempty"`
	Scopes      []string `json:"scopes,omitzero"`
	ClientID    string   `json:"client_id,omitempty"`
}

// refreshToken is what a refresh token says.
type refreshToken struct {
	grant   Grant
	state   []byte
	root    string // the family's name
	id      string // jti, which only rotating refresh tokens have
	expires time.Time
}

// pair signs the two tokens that t stands for, as of now.
func (i *Issuer) pair(t refreshToken, now time.Time) (Pair, error) {
	lifetime := i.lifetimes(t.grant)
	p := Pair{AccessExpires: now.Add(lifetime.access).UTC(), RefreshExpires: now.Add(lifetime.refresh).UTC()}
	access := claims{TokenType: authmw.AccessToken, Scopes: t.grant.Scopes, ClientID: t.grant.ClientID}
	access.Subject = t.grant.Subject
	access.NotBefore = jwt.NewNumericDate(now)
	refresh := access
	access.ExpiresAt = jwt.NewNumericDate(p.AccessExpires)
	refresh.TokenType = refreshType
	refresh.ID = t.id
	refresh.ExpiresAt = jwt.NewNumericDate(p.RefreshExpires)
	refresh.StateHash, refresh.RootTokenID = t.state, t.root
	var err, errRefresh error
	p.AccessToken, err = i.sign(access)
	p.RefreshToken, errRefresh = i.sign(refresh)
	if err = errors.Join(err, errRefresh); err != nil {
		return Pair{}, err
	}
	if len(p.RefreshToken) > maxTokenSize { // which has all that the access token has
		return Pair{}, errGrantSize
	}
	return p, nil
}

// earlyRefresh is by how much an Issuer's clock may be behind that of the one that issued a refresh token. nbf is the
// second of issue, so without it a clock that is a millisecond behind would have a user log in again.
const earlyRefresh = time.Minute

// maxTokenSize is what package authmw accepts of access tokens by default.
const maxTokenSize = 8 << 10

var (
	errGrantSize = errors.New("issuer: the grant makes a token of more than 8 KiB")
	errFamily    = errors.New("root_token_id is not a UUID")
)

// parse returns what a refresh token says, if it was signed here, is valid now and of the right type.
func (i *Issuer) parse(token string) (t refreshToken, err error) {
	if i == nil || i.families == nil {
		return t, unavailable(errNotBuilt)
	}
	if len(token) > maxTokenSize {
		return t, refused(&compact.Error{Kind: compact.Malformed, Reason: "longer than 8 KiB"})
	}
	var parsed compact.Claims
	if err := i.verifier.Verify(token, compact.Expect{TokenType: refreshType, Now: i.now, Early: earlyRefresh}, &parsed); err != nil {
		return t, refused(err)
	}
	// The members that are left are known to occur once and to be strings.
	payload, err := base64.RawURLEncoding.DecodeString(parsed.Segment)
	if err != nil {
		return t, refused(err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return t, refused(err)
	}
	root, ok := uuid.Canonical(c.RootTokenID)
	if !ok {
		return t, refused(errFamily)
	}
	return refreshToken{
		grant: Grant{Subject: parsed.Subject, ClientID: parsed.ClientID, Scopes: parsed.Scopes},
		state: c.StateHash, root: root, id: c.ID, expires: parsed.ExpiresAt,
	}, nil
}
