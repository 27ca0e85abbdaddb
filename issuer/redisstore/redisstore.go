// Package redisstore keeps the families of package issuer in Redis or Valkey, alone or as a cluster, for servers that run
// as several processes.
//
//	client := redis.NewClient(&redis.Options{
//		Addr: "127.0.0.1:6379", DialTimeout: time.Second, ReadTimeout: time.Second, MaxRetries: 1, ContextTimeoutEnabled: true,
//	})
//	i, err := issuer.New(secret, redisstore.New(client))
//
// What it keeps lives exactly as long as it means something, so that it never grows past the live families. Identifiers
// are kept as hashes, but for those that Cloudreve has to find. Each operation is one script on one key, and so atomic, and
// in a cluster in one slot. Keys begin with "authmw:", Cloudreve's with "jwt_revoke_"; the commands are EVALSHA and EVAL,
// and in the scripts HSET, HGET, HMGET, EXISTS, PEXPIRE, PTTL, SET and DEL. Redis 4 or later has them all.
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
// What Redis forgets, by a restart without persistence or by evicting keys, is gone: then New's families are over, and
// users log in again, but what NewCloudreveCompatible's Issuer revoked works again. And with either Issuer, whoever was
// put out gets in again if Redis goes back to how it was before, by a restart from a snapshot or a failover to a replica
// that lags behind. So let Redis keep everything (appendonly yes, appendfsync always, maxmemory-policy noeviction) or,
// with New, nothing at all (save "", appendonly no). A *redis.Ring is refused.
func New(client redis.UniversalClient) *Store { return &Store{client} }

func familyKey(id string) string { return prefix + "family:" + id }

// run runs a script on one key. Scripts also do what a command could: those always go to the server that is written to,
// and what was just revoked there may not have reached the others.
func run(ctx context.Context, client redis.UniversalClient, script *redis.Script, key string, args ...any) *redis.Cmd {
	var misuse error
	if client == nil {
		misuse = errNoClient
	} else if _, ring := client.(interface{ SetAddrs(map[string]string) }); ring {
		// A redis.Ring, or what embeds one, looks for a key elsewhere when its server is down. There, nothing is revoked.
		misuse = errRing
	}
	if misuse != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(misuse)
		return cmd
	}
	return script.Run(ctx, client, []string{key}, args...)
}

var (
	errNoClient = errors.New("redisstore: the client is nil")
	errRing     = errors.New("redisstore: a redis.Ring would look for what is revoked where it is not")
)

// create begins a family, once more if its answer was lost. ARGV: token, milliseconds to live.
var create = redis.NewScript(`
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then
	return redis.error_reply('the family is there already')
end
redis.call('HSET', KEYS[1], 'token', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`)

// Create is part of issuer.Store.
func (s *Store) Create(ctx context.Context, f issuer.Family) error {
	return run(ctx, s.client, create, familyKey(f.ID), f.Token, milliseconds(f.Expires.Sub(f.Now))).Err()
}

// rotate decides on the use of a token as issuer.Store says. ARGV: from, to, call, now in nanoseconds, now and the end of
// the grace window in microseconds, milliseconds to live. Nanoseconds stay strings: Lua's numbers would round them.
var rotate = redis.NewScript(`
local family = redis.call('HMGET', KEYS[1], 'token', 'previous', 'call', 'at', 'grace')
local token, previous, call, at, grace = family[1], family[2], family[3], family[4], family[5]
if not token then
	return {'unknown', ''}
end
if token == ARGV[1] then
	redis.call('HSET', KEYS[1], 'token', ARGV[2], 'previous', ARGV[1], 'call', ARGV[3], 'at', ARGV[4], 'grace', ARGV[6])
	redis.call('PEXPIRE', KEYS[1], ARGV[7])
	return {'rotated', ''}
end
if previous == ARGV[1] and token == ARGV[2] and (tonumber(ARGV[5]) < tonumber(grace) or call == ARGV[3]) then
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
	answer, err := run(ctx, s.client, rotate, familyKey(r.Family), r.From, r.To, r.Call, r.Now.UnixNano(),
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

var del = redis.NewScript(`return redis.call('DEL', KEYS[1])`)

// Delete is part of issuer.Store.
func (s *Store) Delete(ctx context.Context, family string) error {
	return run(ctx, s.client, del, familyKey(family)).Err()
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
if left == -1 then
	redis.call('SET', KEYS[1], ARGV[1])
elseif left > tonumber(ARGV[2]) then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', left)
else
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
`)

func revoke(ctx context.Context, client redis.UniversalClient, key, value string, r issuer.Revocation) error {
	return run(ctx, client, keepLonger, key, value, milliseconds(r.Until.Sub(r.Now))).Err()
}

var existing = redis.NewScript(`return redis.call('EXISTS', KEYS[1])`)

func exists(ctx context.Context, client redis.UniversalClient, key string) (bool, error) {
	n, err := run(ctx, client, existing, key).Int()
	return n > 0, err
}

// milliseconds returns d rounded up, and at least one: Redis takes no less for a time to live.
func milliseconds(d time.Duration) int64 {
	whole := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		whole++
	}
	return max(1, whole)
}
