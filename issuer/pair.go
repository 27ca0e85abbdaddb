package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/uuid"
)

// refreshType is the token_type of a refresh token.
const refreshType = "refresh"

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

// refreshToken is what a refresh token says.
type refreshToken struct {
	grant      Grant
	state      string    // state_hash, in base64
	root       string    // root_token_id, the name of the family
	generation int64     // which of the family's tokens it is, from 1 on; 0 if they work more than once
	issued     time.Time // nbf, zero if absent
	expires    time.Time
}

// owner returns the hash of the user and the client, as stores know them.
func (t refreshToken) owner() string {
	return hashed(t.grant.Subject, "\n", t.grant.ClientID) // a subject has no control characters
}

// hashed returns an identifier as stores keep it: nobody who reads a store learns a root_token_id from it.
func hashed(parts ...string) string {
	id := make([]byte, 0, 256)
	for _, part := range parts {
		id = append(id, part...)
	}
	sum := sha256.Sum256(id)
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, 43), sum[:]))
}

// next returns the token that follows t.
func (t refreshToken) next() refreshToken {
	if t.generation > 0 {
		t.generation++
	}
	return t
}

// pair signs the two tokens that t stands for, as of now.
func (i *Issuer) pair(t refreshToken, now time.Time) (Pair, error) {
	lifetime := i.lifetimes(t.grant)
	p := Pair{AccessExpires: now.Add(lifetime.access).UTC(), RefreshExpires: now.Add(lifetime.refresh).UTC()}
	claims := compact.Claims{
		TokenType: authmw.AccessToken, Subject: t.grant.Subject, ExpiresAt: p.AccessExpires, NotBefore: now,
		Scopes: t.grant.Scopes, ClientID: t.grant.ClientID,
	}
	p.AccessToken = i.signer.Sign(&claims)
	claims.TokenType, claims.ExpiresAt = refreshType, p.RefreshExpires
	claims.Refresh = &compact.Refresh{ID: t.id(), StateHash: t.state, RootTokenID: t.root}
	p.RefreshToken = i.signer.Sign(&claims)
	if len(p.RefreshToken) > maxTokenSize { // it has all that the access token has
		return Pair{}, errGrantSize
	}
	return p, nil
}

// earlyRefresh is by how much an Issuer's clock may be behind that of the one that issued a refresh token. nbf is the
// second of issue, so without it a clock that is a millisecond behind would have a user log in again.
const earlyRefresh = time.Minute

const (
	// maxTokenSize is the size that package authmw accepts of access tokens by default.
	maxTokenSize = 8 << 10
	// generationRoom is by how much a refresh token may grow until it is of the highest generation.
	generationRoom = 24
)

var (
	errGrantSize = errors.New("the grant, with its state, makes a token of more than 8 KiB")
	errFamily    = errors.New("root_token_id is not a UUID")
)

// parse returns the claims of a refresh token that was signed here, is valid now, of the right type and of the right kind.
func (i *Issuer) parse(token string) (t refreshToken, err error) {
	if i == nil || i.families == nil {
		return t, unavailable(errNotBuilt)
	}
	if len(token) > maxTokenSize {
		return t, refused(&compact.Error{Kind: compact.Malformed, Reason: "longer than 8 KiB"})
	}
	claims := compact.Claims{Refresh: new(compact.Refresh)}
	if err := i.verifier.Verify(token, compact.Expect{TokenType: refreshType, Now: i.now, Early: earlyRefresh}, &claims); err != nil {
		return t, refused(err)
	}
	root, ok := uuid.Canonical(claims.Refresh.RootTokenID)
	if !ok {
		return t, refused(errFamily)
	}
	generation, err := parseGeneration(claims.Refresh.ID, root)
	if err != nil {
		return t, refused(err)
	}
	t = refreshToken{
		grant: Grant{Subject: claims.Subject, ClientID: claims.ClientID, Scopes: claims.Scopes},
		state: claims.Refresh.StateHash, root: root, generation: generation, issued: claims.NotBefore, expires: claims.ExpiresAt,
	}
	if err := i.families.kind(t); err != nil {
		return t, refused(err)
	}
	return t, nil
}
