package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// compatible has refresh tokens work until they expire or their family is revoked, as in Cloudreve.
type compatible struct{ revocations Revocations }

// check refuses a grant whose tokens would be bound here and permit everything at a Cloudreve with the same secret.
func (c *compatible) check(g Grant) error {
	if g.Scopes != nil && g.ClientID == "" {
		return errors.New("issuer: scopes without a client ID do not bind a token at Cloudreve")
	}
	return nil
}

func (c *compatible) firstID() string { return "" }

func (c *compatible) begin(context.Context, refreshToken, time.Time, time.Time) error { return nil }

var errRotating = errors.New("jti: a token that works once")

func (c *compatible) renew(ctx context.Context, t refreshToken, now, _ time.Time) (string, time.Time, error) {
	if t.id != "" {
		return "", time.Time{}, refused(errRotating)
	}
	if err := c.check(t.grant); err != nil {
		return "", time.Time{}, refused(err)
	}
	switch revoked, err := c.revocations.Revoked(ctx, t.root); {
	case err != nil:
		return "", time.Time{}, err
	case revoked:
		return "", time.Time{}, ErrRevoked
	default:
		return "", now, nil
	}
}

// revocationMargin is for how long a revocation is kept beyond the tokens that it is for: Cloudreve's ten seconds, and by
// how much the clock of whoever issued one of them may be ahead.
const revocationMargin = 10*time.Second + earlyRefresh

// end revokes until the last refresh token that could have been issued by now expires. Cloudreve does so for its
// default lifetime alone, after which a client's refresh tokens, which live longer, work again.
func (c *compatible) end(ctx context.Context, t refreshToken, now, expires time.Time) error {
	return c.revocations.Revoke(ctx, Revocation{RootTokenID: t.root, Now: now, Until: expires.Add(revocationMargin)})
}

// CloudreveStateHash returns the state_hash that Cloudreve gives a user's refresh tokens, for use in WithStateHash:
// SHA-256 of the user's e-mail address, the column password of the table users as it is, and the setting siteID.
func CloudreveStateHash(email, password, siteID string) []byte {
	sum := sha256.Sum256([]byte(email + "/" + password + "/" + siteID))
	return sum[:]
}
