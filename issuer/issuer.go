// Package issuer is the other side of package authmw: it issues pairs of an access and a refresh token as Cloudreve v4
// does, renews and revokes them.
//
//	i, err := issuer.New(secret, issuer.NewMemoryStore())
//	pair, err := i.Issue(ctx, issuer.Identity{Subject: "lUpa"})  // at login
//	pair, err = i.Refresh(ctx, pair.RefreshToken)                // when the access token expires
//	err = i.Revoke(ctx, pair.RefreshToken)                       // at logout
//
// There are two ways to refresh. New's rotates (RFC 9700 section 4.14.2): each refresh token works once. A client that lost
// the answer may repeat the request within a short grace window. Any other second use ends the login, since one of the two
// users is a thief. NewCloudreveCompatible's is Cloudreve's own: refresh tokens work until they expire or are revoked.
// In both, all tokens that stem from one login are a family, with Cloudreve's root_token_id as its name.
//
// Each refresh starts the lifetime of the refresh token anew: a login that is used lives on. Revoke ends one login; what
// ends all of a user's is another state hash, see WithStateHash. Access tokens are not revocable: they work until they
// expire, see authmw.WithClaimsCheck for what can be done.
package issuer

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/uuid"
)

// Issuer issues, renews and revokes pairs of tokens. Make one with New or NewCloudreveCompatible; a nil or zero one fails
// with authmw.ErrUnavailable. It is safe for concurrent use.
type Issuer struct {
	config
	signer   *compact.Signer
	verifier *compact.Verifier
	families families
}

// New returns an Issuer whose refresh tokens work once. It signs with secret, of authmw.MinSecretSize bytes or more, of
// which it keeps a copy. Its access tokens are Cloudreve's to the byte; its refresh tokens have one member more, jti,
// which Cloudreve ignores: whoever has the same secret and does not rotate, such as a Cloudreve, would renew them without
// asking the store. It does not accept refresh tokens that Cloudreve issued: those are in no store.
//
// The error reports everything that is wrong with the arguments at once.
func New(secret []byte, store Store, options ...Option) (*Issuer, error) {
	c := configure(options)
	if store == nil {
		c.errs.Addf("the store is nil")
	}
	grace := DefaultGrace
	if c.grace != nil {
		grace = *c.grace
	}
	return build(secret, c, &rotating{store: store, grace: grace, limit: c.limit})
}

// NewCloudreveCompatible returns an Issuer that does as Cloudreve does, to the byte: refresh tokens work as often as one
// likes until they expire, and Revoke ends all that stem from the same login. It also accepts those that Cloudreve itself
// issued with the same secret, provided that WithStateHash computes what Cloudreve does, and none that New's Issuer did.
// The lifetimes should not be shorter than those of another issuer with the secret, or than they were before: a family is
// revoked for as long as a refresh token issued here lives, and as long as the one that Revoke was given.
//
// It does not issue a token with scopes and no client_id, which Cloudreve would take for a user's own login, and Refresh
// refuses such a refresh token with ErrInvalidGrant. No Cloudreve has issued one: 4.12.0 to 4.16.0 left out client_id in
// the access tokens of OAuth clients (CVE-2026-54560), but not in their refresh tokens. Refresh accepts those, and the new
// access token has the client_id.
//
// A refresh token that was stolen stays good for the thief until someone logs out. Prefer New unless Cloudreve's own
// tokens are to be renewed.
func NewCloudreveCompatible(secret []byte, revocations Revocations, options ...Option) (*Issuer, error) {
	c := configure(options)
	if revocations == nil {
		c.errs.Addf("the revocations are nil")
	}
	if c.grace != nil {
		c.errs.Addf("WithGrace is for New: here refresh tokens work more than once")
	}
	return build(secret, c, &compatible{revocations, c.limit})
}

// build returns the Issuer of a config, or everything that is wrong with it and the secrets.
func build(secret []byte, c config, families families) (*Issuer, error) {
	if _, err := authmw.NewKeys(secret, c.previous...); err != nil {
		c.errs.Add(err)
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	verifier := compact.NewVerifier(append([][]byte{secret}, c.previous...)...)
	c.previous = nil // the verifier has what it needs of them
	return &Issuer{config: c, signer: compact.NewSigner(secret), verifier: verifier, families: families}, nil
}

// String says nothing of what i was made with.
func (i *Issuer) String() string { return "issuer.Issuer" }

// GoString returns what String does.
func (i *Issuer) GoString() string { return i.String() }

// Issue returns the first pair of a new family, for someone who has just logged in. If the subject has as many logins at the
// client as WithFamilyLimit permits, it ends one of them.
//
// An error that matches authmw.ErrUnavailable means that the store or the state function failed, one that matches
// ErrInvalidGrant that the state function refused, and any other that identity breaks a limit of Identity's or a rule of
// NewCloudreveCompatible's.
func (i *Issuer) Issue(ctx context.Context, identity Identity) (Pair, error) {
	if i == nil || i.families == nil {
		return Pair{}, unavailable(errNotBuilt)
	}
	if err := identity.validate(); err != nil {
		return Pair{}, err
	}
	t := refreshToken{identity: identity, root: i.newID(), generation: i.families.first()}
	if err := i.families.check(identity); err != nil {
		return Pair{}, fmt.Errorf("issuer: %w", err)
	}
	state, err := i.stateOf(ctx, identity)
	if err != nil {
		return Pair{}, err
	}
	t.state = state
	now := i.time()
	pair, err := i.pair(t, now)
	if err == nil && len(pair.RefreshToken) > maxTokenSize-generationRoom {
		err = errIdentitySize
	}
	if err != nil {
		return Pair{}, fmt.Errorf("issuer: %w", err)
	}
	ended, err := i.families.begin(ctx, t, now, pair.RefreshExpires)
	if err != nil {
		return Pair{}, unavailable(err)
	}
	if ended > 0 {
		i.observe(ctx, Event{Identity: identity, Err: ErrFamilyLimit, Ended: ended})
	}
	return pair, nil
}

// Refresh returns the pair that follows a refresh token. Anything wrong with the token is an error that matches
// ErrInvalidGrant, for which the client has to log in again: among them ErrReused, ErrRevoked and ErrStateChanged, and
// the sentinels of package authmw for a token that is malformed, forged, expired or of the wrong type. An error that
// matches authmw.ErrUnavailable means that the store or the state function failed; the client should try again, and soon:
// the store may have done its work and only its answer been lost, and then the token works again for as long as the grace
// window is, see WithGrace. Of a token that was not signed here, no error says more than that.
func (i *Issuer) Refresh(ctx context.Context, token string) (Pair, error) {
	t, err := i.parse(token)
	if err != nil {
		return Pair{}, err
	}
	if err := i.families.check(t.identity); err != nil {
		return Pair{}, refused(err)
	}
	state, err := i.stateOf(ctx, t.identity)
	if err != nil {
		return Pair{}, err
	}
	if subtle.ConstantTimeCompare([]byte(state), []byte(t.state)) != 1 {
		return Pair{}, ErrStateChanged
	}
	// The pair is made before the store uses the token up, so that a failure does not cost the login.
	now := i.time()
	pair, err := i.pair(t.next(), now)
	if err != nil {
		return Pair{}, refused(err)
	}
	outcome, at, err := i.families.renew(ctx, t, now, pair)
	if err != nil {
		return Pair{}, unavailable(err)
	}
	switch outcome {
	case Rotated:
		return pair, nil
	case Repeated:
		first, err := i.pair(t.next(), at)
		if err == nil && first.AccessExpires.Truncate(time.Second).After(now) {
			return first, nil
		}
		return pair, nil // the first was issued for longer, by an Issuer with other lifetimes
	case Reused:
		i.observe(ctx, Event{Identity: t.identity, Err: ErrReused, Ended: 1})
		return Pair{}, ErrReused
	case Unknown:
		return Pair{}, ErrRevoked
	default:
		return Pair{}, unavailable(fmt.Errorf("the store returned %v", outcome))
	}
}

// Revoke ends the family of a refresh token: it is deleted from New's Store, or added to NewCloudreveCompatible's
// Revocations. None of its refresh tokens works any more; access tokens do until they expire. It does not matter whether
// the token was used already, and revoking twice is no error. Errors are as for Refresh, in particular for a token that
// has expired, whose owner may take it that the login is over.
func (i *Issuer) Revoke(ctx context.Context, token string) error {
	t, err := i.parse(token)
	if err != nil {
		return err
	}
	now := i.time()
	expires := now.Add(i.lifetimes(t.identity).refresh)
	if t.expires.After(expires) { // issued by another who gives more time, or before the lifetime was cut
		expires = t.expires
	}
	limited, err := i.families.end(ctx, t, now, expires)
	if err != nil {
		return unavailable(err)
	}
	if limited {
		i.observe(ctx, Event{Identity: t.identity, Err: ErrFamilyLimit})
	}
	return nil
}

// time returns the time by the clock on the wall, as tokens have it: the monotonic clock stands still while a machine sleeps.
func (i *Issuer) time() time.Time { return i.now().Round(0) }

func (i *Issuer) lifetimes(identity Identity) ttl {
	if t, ok := i.clients[identity.ClientID]; ok {
		return t
	}
	return i.ttl
}

// stateOf returns the state_hash for identity at the moment, in base64.
func (i *Issuer) stateOf(ctx context.Context, identity Identity) (string, error) {
	if i.state == nil {
		return "", nil
	}
	identity.Scopes = slices.Clone(identity.Scopes) // the function may change them, but not the token
	state, err := i.state(ctx, identity)
	if errors.Is(err, ErrInvalidGrant) {
		return "", err
	} else if err != nil {
		return "", unavailable(err)
	}
	return string(base64.StdEncoding.AppendEncode(make([]byte, 0, 64), state)), nil
}

// refreshType is the token_type of a refresh token.
const refreshType = "refresh"

const (
	// maxTokenSize is the size that package authmw accepts of access tokens by default.
	maxTokenSize = 8 << 10
	// generationRoom is by how much a refresh token may grow until it is of the highest generation.
	generationRoom = 24
)

var (
	errIdentitySize = errors.New("the identity, with its state, makes a token of more than 8 KiB")
	errFamily       = errors.New("root_token_id is not a UUID")
)

// pair signs the two tokens that t stands for, as of now.
func (i *Issuer) pair(t refreshToken, now time.Time) (Pair, error) {
	lifetime := i.lifetimes(t.identity)
	p := Pair{AccessExpires: now.Add(lifetime.access).UTC(), RefreshExpires: now.Add(lifetime.refresh).UTC()}
	claims := compact.Claims{
		TokenType: authmw.AccessToken, Subject: t.identity.Subject, ExpiresAt: p.AccessExpires, NotBefore: now,
		Scopes: t.identity.Scopes, ClientID: t.identity.ClientID,
	}
	p.AccessToken = i.signer.Sign(&claims)
	claims.TokenType, claims.ExpiresAt = refreshType, p.RefreshExpires
	claims.Refresh = &compact.Refresh{ID: t.id(), StateHash: t.state, RootTokenID: t.root}
	p.RefreshToken = i.signer.Sign(&claims)
	if len(p.RefreshToken) > maxTokenSize { // it has all that the access token has
		return Pair{}, errIdentitySize
	}
	return p, nil
}

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
		identity: Identity{Subject: claims.Subject, ClientID: claims.ClientID, Scopes: claims.Scopes},
		state:    claims.Refresh.StateHash, root: root, generation: generation, issued: claims.NotBefore, expires: claims.ExpiresAt,
	}
	if err := i.families.kind(t); err != nil {
		return t, refused(err)
	}
	return t, nil
}
