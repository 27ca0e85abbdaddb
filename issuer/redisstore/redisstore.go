// Package redisstore keeps the families of package issuer in Redis or Valkey, alone, behind Sentinel or as a cluster, for
// servers that run as several processes.
//
//	client := redis.NewClient(&redis.Options{
//		Addr: "127.0.0.1:6379", DialTimeout: time.Second, ReadTimeout: time.Second, MaxRetries: 1, ContextTimeoutEnabled: true,
//	})
//	i, err := issuer.New(secret, redisstore.New(client))
//
// It needs Redis 5 or later, or Valkey. Each operation is one script, which is atomic. It works on the two keys of an owner,
// which is a subject at one client, or on the one key of a revocation: in a cluster, they are in one slot. It takes one round
// trip, or two if the server does not know the script yet. A client may repeat it after a lost answer (MaxRetries).
//
// Keys begin with "authmw:", Cloudreve's with "jwt_revoke_". Programs that share them must have the same users: the limit
// of issuer.WithFamilyLimit counts by subject and client alone. The commands are EVALSHA and EVAL, and in the scripts TIME,
// HGET, HSET, HDEL, HKEYS, HLEN, ZADD, ZCARD, ZREM, ZPOPMIN, ZRANGEBYSCORE, ZREMRANGEBYSCORE, ZSCORE, EXISTS, PTTL,
// PEXPIRE, SET and DEL. In a cluster, go-redis also sends CLUSTER SLOTS and COMMAND.
//
// Identifiers are kept as hashes, except those that Cloudreve has to find. A hash hides a root_token_id, which is random.
// It does not hide a user's ID from someone who tries all that there may be.
//
// # Time
//
// Redis measures the grace window with its own clock. The clocks of the processes need to agree to a minute: a refresh token
// from a clock further ahead is refused as not yet valid. The clocks of the Redis servers should agree to a second or so,
// since a window that one server began may end at another.
//
// # Failover
//
// Redis replicates after it has answered. If the master fails, the replica that takes over may lack the last writes.
//
//   - Logins that were refreshed meanwhile go on, unless they expire by what the replica knows. A refresh token carries its
//     generation, and the replica catches up with the first use of a newer one. An older token still ends the family.
//   - Logins that began meanwhile are over, and their users log in again.
//   - Logins that ended meanwhile, by a logout or by a second use of a token, are live again. So are, with
//     NewCloudreveCompatible, tokens that were revoked meanwhile. Access tokens are not affected: they work until they
//     expire.
//
// While the old master is down, an Issuer answers authmw.ErrUnavailable for the logins there. That takes as long as Redis
// needs to elect a new master (down-after-milliseconds, cluster-node-timeout) and the client to find it. A client of a
// cluster finds it when it loads the cluster's state again: set ClusterStateReloadInterval, which is a minute by default, to
// a few seconds. An old master that is not down but cut off answers as before, until it knows that it was replaced. Logins
// that were refreshed at both go on with the highest generation.
//
// To lose fewer writes, and to stop a master that is cut off, let a master refuse writes without a replica:
// min-replicas-to-write 1 and min-replicas-max-lag 1. Then every call fails with authmw.ErrUnavailable while no replica is
// connected, so run two or more.
//
// A restart loses what was not persisted: nothing with appendonly yes and appendfsync always, a second or two with
// appendfsync everysec, and with snapshots all since the last one. Redis should evict nothing: maxmemory-policy noeviction.
//
// # Memory
//
// An owner takes two keys, which expire with the last of the owner's logins: some 700 bytes with one login, and 300 more for
// each further one. Logins beyond the limit of issuer.WithFamilyLimit end. Logins that have expired take memory until the owner has reached the limit
// or until its keys expire. Revocations have no limit. Each takes some 160 bytes for as long as refresh tokens live.
// Limit how often one user may log in, and watch used_memory and the number of keys (DBSIZE).
//
// # Time-outs
//
// A server that hangs is an error only when the client gives up. Set its timeouts (DialTimeout, ReadTimeout, MaxRetries) to
// how long a user may have to wait, and ContextTimeoutEnabled so that the deadline of a request's context counts.
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

// prefix begins the keys of this package, except those that Cloudreve reads.
const prefix = "authmw:"

// Store is an issuer.Store and issuer.Revocations. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

// New returns a Store that works through client, which the caller configures and closes.
//
// If Redis forgets everything, by a restart without persistence or by evicting keys, the logins of issuer.New are over and
// users log in again. Tokens that NewCloudreveCompatible's Issuer revoked work again. See Failover above for what happens if
// Redis goes back to an earlier state.
//
// With a nil client or a *redis.Ring, every call returns an error: a Ring looks for a key on another server when one is down.
func New(client redis.UniversalClient) *Store { return &Store{client} }

// run runs a script on keys of one slot. Scripts are used also where a command would do: a client never sends them to a
// replica, which may not yet know what was revoked.
func run(ctx context.Context, client redis.UniversalClient, script *redis.Script, keys []string, args ...any) *redis.Cmd {
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
	return script.Run(ctx, client, keys, args...)
}

var (
	errNoClient = errors.New("redisstore: the client is nil")
	errRing     = errors.New("redisstore: a redis.Ring would look for what is revoked where it is not")
)

// An owner has two keys. The hash tag in braces has a cluster keep them in one slot.
//
//   - families is a hash with a field for each family: its generation, the end of its grace window in microseconds of the
//     server's clock, the Issuer's time of the last rotation in nanoseconds, and the name of that call. A time or a name
//     that there is not yet is 0 or empty.
//   - expiries is a sorted set of the same families in the order in which they end when there are too many. The score is
//     when the family expires, in milliseconds of the server's clock, and 2^52 more if it was refreshed.
//
// Both live as long as the family that expires last.
func familyKeys(owner string) []string {
	return []string{prefix + "{" + owner + "}:families", prefix + "{" + owner + "}:expiries"}
}

// common begins the scripts for families. ARGV[1] is the family, ARGV[2] its time to live in milliseconds. Numbers are
// float64, exact below 2^53, and written with %.0f, since Lua would write large ones with an exponent. What was nanoseconds
// stays a string.
const common = `
local families, expiries, family, ttl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local refreshed = 2^52

local function load()
	local state = redis.call('HGET', families, family)
	if not state then
		return nil
	end
	local generation, grace, at, call = string.match(state, '^(%d+) (%d+) (%-?%d+) (.*)$')
	if not call then
		error('the family has a form that is not known here')
	end
	return tonumber(generation), tonumber(grace), at, call
end

-- order sets when a family expires.
local function order(id, was_refreshed)
	local score = math.floor(now / 1000) + ttl
	if was_refreshed then
		score = score + refreshed
	end
	redis.call('ZADD', expiries, string.format('%.0f', score), id)
end

local function save(generation, grace, at, call)
	local left = {[families] = redis.call('PTTL', families), [expiries] = redis.call('PTTL', expiries)}
	order(family, generation > 1)
	redis.call('HSET', families, family, string.format('%.0f %.0f ', generation, grace) .. at .. ' ' .. call)
	for key, ms in pairs(left) do
		if ms ~= -1 and ms < ttl then -- a key that lives for ever is left so
			redis.call('PEXPIRE', key, ttl)
		end
	end
end
`

// create begins a family as issuer.Store says. ARGV[3] is the limit.
var create = redis.NewScript(common + `
local generation = load()
if generation == 1 then
	return 0
elseif generation then
	return redis.error_reply('the family is there already, and was used')
end
local ended, limit = 0, tonumber(ARGV[3])
if redis.call('HLEN', families) >= limit then
	local expired = math.floor(now / 1000)
	for _, first in ipairs({0, refreshed}) do
		local from, to = string.format('%.0f', first), string.format('(%.0f', first + expired)
		for _, old in ipairs(redis.call('ZRANGEBYSCORE', expiries, from, to)) do
			redis.call('HDEL', families, old)
		end
		redis.call('ZREMRANGEBYSCORE', expiries, from, to)
	end
	if redis.call('ZCARD', expiries) < redis.call('HLEN', families) then -- it was evicted
		for _, id in ipairs(redis.call('HKEYS', families)) do
			if not redis.call('ZSCORE', expiries, id) then
				order(id, true)
			end
		end
		redis.call('PEXPIRE', expiries, math.max(redis.call('PTTL', families), ttl))
	end
	while redis.call('HLEN', families) >= limit do
		ended = ended + redis.call('HDEL', families, redis.call('ZPOPMIN', expiries)[1])
	end
end
save(1, 0, '0', '')
return ended
`)

// Create is part of issuer.Store.
func (s *Store) Create(ctx context.Context, f issuer.Family) (ended int, err error) {
	return run(ctx, s.client, create, familyKeys(f.Owner), f.ID, milliseconds(f.Expires.Sub(f.Now)), max(f.Limit, 1)).Int()
}

// rotate decides on the use of a refresh token as issuer.Store says. ARGV[3] is its generation, ARGV[4] the grace window in
// microseconds, ARGV[5] the Issuer's time in nanoseconds, ARGV[6] the name of the call.
var rotate = redis.NewScript(common + `
local generation, grace, at, call = load()
if not generation then
	redis.call('HDEL', families, family) -- a server that must not write may not know of the family: there, this fails
	return {'unknown', ''}
end
local used = tonumber(ARGV[3])
if used >= generation then
	local window = tonumber(ARGV[4])
	if window > 0 then
		window = window + now
	else
		window = 0
	end
	save(used + 1, window, ARGV[5], ARGV[6])
	return {'rotated', ''}
end
if used == generation - 1 and (now < grace or call == ARGV[6]) then
	return {'repeated', at}
end
redis.call('HDEL', families, family)
redis.call('ZREM', expiries, family)
return {'reused', ''}
`)

var outcomes = map[string]issuer.Outcome{
	"rotated": issuer.Rotated, "repeated": issuer.Repeated, "reused": issuer.Reused, "unknown": issuer.Unknown,
}

// Rotate is part of issuer.Store. Redis measures the grace window.
func (s *Store) Rotate(ctx context.Context, r issuer.Rotation) (issuer.Outcome, time.Time, error) {
	if r.Generation < 1 || r.Generation >= 1<<53 {
		return 0, time.Time{}, fmt.Errorf("redisstore: generation %d is not between 1 and 2^53", r.Generation)
	}
	answer, err := run(ctx, s.client, rotate, familyKeys(r.Owner), r.Family, milliseconds(r.Expires.Sub(r.Now)),
		r.Generation, r.Grace.Microseconds(), r.Now.UnixNano(), r.Call).StringSlice()
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
		return 0, time.Time{}, fmt.Errorf("redisstore: the time of the family's last rotation: %w", err)
	}
	return outcomes[answer[0]], time.Unix(0, at), nil
}

var del = redis.NewScript(`
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
`)

// Delete is part of issuer.Store.
func (s *Store) Delete(ctx context.Context, owner, family string) error {
	return run(ctx, s.client, del, familyKeys(owner), family).Err()
}

// Revoke is part of issuer.Revocations. It ignores the limit and keeps every revocation.
func (s *Store) Revoke(ctx context.Context, r issuer.Revocation) (limited bool, err error) {
	return false, revoke(ctx, s.client, revokedKey(r.RootTokenID), "1", r)
}

// Revoked is part of issuer.Revocations.
func (s *Store) Revoked(ctx context.Context, r issuer.Renewal) (bool, error) {
	return exists(ctx, s.client, revokedKey(r.RootTokenID))
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
	return run(ctx, client, keepLonger, []string{key}, value, milliseconds(r.Until.Sub(r.Now))).Err()
}

// existing returns whether there is a key. A server that must not write may not know of it: there, it fails.
var existing = redis.NewScript(`
local n = redis.call('EXISTS', KEYS[1])
if n == 0 then
	redis.call('DEL', KEYS[1])
end
return n
`)

func exists(ctx context.Context, client redis.UniversalClient, key string) (bool, error) {
	n, err := run(ctx, client, existing, []string{key}).Int()
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
