// Package redisstore keeps the families of package issuer in Redis or Valkey, alone or as a cluster, for servers that run
// as several processes.
//
//	client := redis.NewClient(&redis.Options{
//		Addr: "127.0.0.1:6379", DialTimeout: time.Second, ReadTimeout: time.Second, MaxRetries: 1, ContextTimeoutEnabled: true,
//	})
//	i, err := issuer.New(secret, redisstore.New(client))
//
// What it keeps lives exactly as long as it means something, so that it never grows past the live families. Identifiers
// are kept as hashes. Each operation is one command or script on one key, and so atomic, and in a cluster in one slot. Keys
// begin with "authmw:", Cloudreve's with "jwt_revoke_"; the commands are EVALSHA, EVAL, DEL and EXISTS, and in the scripts
// EXISTS, HSET, HMGET, PEXPIRE, PTTL, SET and DEL. Redis 4 or later has them all.
//
// A server that hangs is an error only once the client gives up: set its timeouts (DialTimeout, ReadTimeout, MaxRetries)
// to what a user may be made to wait, and ContextTimeoutEnabled for the deadline of a request's context to count.
package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/authmw/authmw/issuer"
)

// prefix is what the keys of this package begin with, but for Cloudreve's own.
const prefix = "authmw:"

// Store is an issuer.Store and issuer.Revocations. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

// New returns a Store that works through client, which the caller configures and closes.
//
// What Redis loses, by a restart without persistence, by evicting keys or by a failover to a replica that lags behind, is
// lost: then New's families are over, and users log in again. But what NewCloudreveCompatible's Issuer revoked works again:
// for that, let Redis persist (appendonly yes) and evict nothing (maxmemory-policy noeviction).
func New(client redis.UniversalClient) *Store { return &Store{client} }

func familyKey(id string) string { return prefix + "family:" + id }

// create begins a family. ARGV: token, milliseconds to live.
var create = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then
	return redis.error_reply('the family is there already')
end
redis.call('HSET', KEYS[1], 'token', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`)

// Create is part of issuer.Store.
func (s *Store) Create(ctx context.Context, f issuer.Family) error {
	return create.Run(ctx, s.client, []string{familyKey(f.ID)}, f.Token, milliseconds(f.Expires.Sub(f.Now))).Err()
}

// rotate decides on the use of a token as issuer.Store says. ARGV: from, to, now in nanoseconds, now and the end of the
// grace window in microseconds, milliseconds to live. Nanoseconds stay strings: Lua's numbers would round them.
var rotate = redis.NewScript(`
local family = redis.call('HMGET', KEYS[1], 'token', 'previous', 'at', 'grace')
local token, previous, at, grace = family[1], family[2], family[3], family[4]
if not token then
	return {'unknown', ''}
end
if token == ARGV[1] then
	redis.call('HSET', KEYS[1], 'token', ARGV[2], 'previous', ARGV[1], 'at', ARGV[3], 'grace', ARGV[5])
	redis.call('PEXPIRE', KEYS[1], ARGV[6])
	return {'rotated', ARGV[3]}
end
if previous == ARGV[1] and token == ARGV[2] and (tonumber(ARGV[4]) < tonumber(grace) or at == ARGV[3]) then
	return {'repeated', at}
end
redis.call('DEL', KEYS[1])
return {'reused', ''}
`)

var outcomes = map[string]issuer.Outcome{
	"rotated": issuer.Rotated, "repeated": issuer.Repeated, "reused": issuer.Reused, "unknown": issuer.Unknown,
}

// Rotate is part of issuer.Store.
func (s *Store) Rotate(ctx context.Context, r issuer.Rotation) (issuer.Outcome, time.Time, error) {
	answer, err := rotate.Run(ctx, s.client, []string{familyKey(r.Family)}, r.From, r.To, r.Now.UnixNano(),
		r.Now.UnixMicro(), r.GraceUntil.UnixMicro(), milliseconds(r.Expires.Sub(r.Now))).StringSlice()
	if err != nil {
		return 0, time.Time{}, err
	}
	if len(answer) != 2 || outcomes[answer[0]] == 0 {
		return 0, time.Time{}, errors.New("redisstore: the script's answer is not one of its own")
	}
	if answer[1] == "" {
		return outcomes[answer[0]], time.Time{}, nil
	}
	at, err := strconv.ParseInt(answer[1], 10, 64)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("redisstore: the time of the family's last token: %w", err)
	}
	return outcomes[answer[0]], time.Unix(0, at), nil
}

// Delete is part of issuer.Store.
func (s *Store) Delete(ctx context.Context, family string) error {
	return s.client.Del(ctx, familyKey(family)).Err()
}

// Revoke is part of issuer.Revocations.
func (s *Store) Revoke(ctx context.Context, r issuer.Revocation) error {
	return revoke(ctx, s.client, revokedKey(r.RootTokenID), "1", r)
}

// Revoked is part of issuer.Revocations.
func (s *Store) Revoked(ctx context.Context, rootTokenID string) (bool, error) {
	return exists(ctx, s.client, revokedKey(rootTokenID))
}

func revokedKey(rootTokenID string) string {
	sum := sha256.Sum256([]byte(rootTokenID))
	return prefix + "revoked:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// keepLonger sets a key that is never to live for less time than it was to. ARGV: value, milliseconds to live.
var keepLonger = redis.NewScript(`
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > tonumber(ARGV[2]) then
	return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

func revoke(ctx context.Context, client redis.UniversalClient, key, value string, r issuer.Revocation) error {
	return keepLonger.Run(ctx, client, []string{key}, value, milliseconds(r.Until.Sub(r.Now))).Err()
}

func exists(ctx context.Context, client redis.UniversalClient, key string) (bool, error) {
	n, err := client.Exists(ctx, key).Result()
	return n > 0, err
}

// milliseconds returns d rounded up, and at least one: Redis takes no less for a time to live.
func milliseconds(d time.Duration) int64 {
	return max(1, int64((d+time.Millisecond-1)/time.Millisecond))
}
