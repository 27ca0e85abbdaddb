package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/authmw/authmw/issuer"
)

// revokedValue is what Cloudreve 4.14 writes under the key of a revoked family: the gob of a struct with a field Value
// that holds true. Cloudreve takes anything else, such as "1", for no revocation. It stands here as bytes, since the gob
// of a type of this package would bear that type's name and number.
const revokedValue = "\x1b\x7f\x03\x01\x01\x04item\x01\xff\x80\x00\x01\x01\x01\x05Value\x01\x10\x00\x00\x00" +
	"\r\xff\x80\x01\x04bool\x02\x02\x00\x01\x00"

// CloudreveRevocations is the issuer.Revocations of a Cloudreve that uses Redis: a logout at either is a logout at both. It
// is for NewCloudreveCompatible, with Cloudreve's own secret and its database of Redis.
type CloudreveRevocations struct{ client redis.UniversalClient }

// NewCloudreveRevocations returns the CloudreveRevocations of a Cloudreve. client must use the server and the database that
// the section Redis of its configuration names.
func NewCloudreveRevocations(client redis.UniversalClient) *CloudreveRevocations {
	return &CloudreveRevocations{client}
}

// cloudreveKey has no prefix of ours, and the root_token_id as it is: so Cloudreve reads and writes it.
func cloudreveKey(rootTokenID string) string { return "jwt_revoke_" + rootTokenID }

// Revoke is part of issuer.Revocations. It writes the value that Cloudreve reads. It ignores the limit and keeps every revocation.
func (c *CloudreveRevocations) Revoke(ctx context.Context, r issuer.Revocation) (limited bool, err error) {
	return false, revoke(ctx, c.client, cloudreveKey(r.RootTokenID), revokedValue, r)
}

// Revoked is part of issuer.Revocations. Any value under the key counts as revoked: Cloudreve would ignore one that it
// cannot decode, and let the token work.
func (c *CloudreveRevocations) Revoked(ctx context.Context, r issuer.Renewal) (bool, error) {
	return exists(ctx, c.client, cloudreveKey(r.RootTokenID))
}
