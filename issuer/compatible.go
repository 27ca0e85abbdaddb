package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// compatible has refresh tokens work until they expire or their family is revoked, as in Cloudreve.
type compatible struct {
	revocations Revocations
	limit       int // of WithFamilyLimit
}

var (
	errRotating = errors.New("jti: the token works once, and this issuer's do not")
	errScopes   = errors.New("scopes without a client ID do not bind a token at Cloudreve")
)

func (c *compatible) kind(t refreshToken) error {
	if t.generation != 0 {
		return errRotating
	}
	return nil
}

// check refuses an identity whose tokens would be bound here and permit everything at a Cloudreve with the same secret.
func (c *compatible) check(identity Identity) error {
	if identity.Scopes != nil && identity.ClientID == "" {
		return errScopes
	}
	return nil
}

func (c *compatible) first() int64 { return 0 }

func (c *compatible) begin(context.Context, refreshToken, time.Time, time.Time) (int, error) {
	return 0, nil
}

func (c *compatible) renew(ctx context.Context, t refreshToken, now time.Time, _ Pair) (Outcome, time.Time, error) {
	revoked, err := c.revocations.Revoked(ctx, Renewal{Owner: t.owner(), RootTokenID: t.root, Issued: t.issued})
	if revoked {
		return Unknown, time.Time{}, err
	}
	return Rotated, now, err
}

// revocationMargin is for how long a revocation is kept beyond the tokens that it is for: Cloudreve's ten seconds, and by
// how much the clock of another issuer may be ahead.
const revocationMargin = 10*time.Second + earlyRefresh

// end revokes until the last refresh token that could have been issued by now expires. Cloudreve does so for its
// default lifetime alone, after which a client's refresh tokens, which live longer, work again.
func (c *compatible) end(ctx context.Context, t refreshToken, now, expires time.Time) (limited bool, err error) {
	return c.revocations.Revoke(ctx, Revocation{
		Owner: t.owner(), RootTokenID: t.root, Now: now, Until: expires.Add(revocationMargin), Limit: c.limit,
	})
}

// CloudreveStateHash returns the state_hash that Cloudreve gives a user's refresh tokens, for use in WithStateHash:
// SHA-256 of the user's e-mail address, the column password of the table users as it is, and the setting siteID.
func CloudreveStateHash(email, password, siteID string) []byte {
	sum := sha256.Sum256([]byte(email + "/" + password + "/" + siteID))
	return sum[:]
}
