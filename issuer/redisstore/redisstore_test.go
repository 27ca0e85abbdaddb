package redisstore_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/issuertest"
	"github.com/authmw/authmw/issuer/redisstore"
	"github.com/authmw/authmw/session"
)

// unavailable skips a test that needs what this machine does not have, or fails it where everything is to be had.
func unavailable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("AUTHMW_REQUIRE_SERVICES") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// connect returns a client of a running Redis: the one that AUTHMW_REDIS_URL names, or the one on loopback.
func connect(t *testing.T) *redis.Client {
	url := os.Getenv("AUTHMW_REDIS_URL")
	if url == "" {
		url = "redis://127.0.0.1:6379/0"
	}
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		unavailable(t, "no Redis at %s (%v): start redis-server, or name one with AUTHMW_REDIS_URL=redis://host:port/db", options.Addr, err)
	}
	return client
}

// server is a Redis of a test's own, to be stopped and started.
type server struct {
	address string
	args    []string
	process *exec.Cmd
}

func startRedis(t *testing.T, args ...string) *server {
	return startRedisWith(t, append([]string{"--save", "", "--appendonly", "yes", "--appendfsync", "always"}, args...)...)
}

func startRedisWith(t *testing.T, args ...string) *server {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if path, err = exec.LookPath("valkey-server"); err != nil {
			unavailable(t, "neither redis-server nor valkey-server is installed")
		}
	}
	s := &server{address: freeAddress(t)}
	_, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	// A configuration file comes first.
	options := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--") })
	s.args = slices.Concat([]string{path}, args[:options], []string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir()}, args[options:])
	t.Cleanup(func() { s.stop(t) })
	s.start(t)
	return s
}

// freeAddress returns an address for a server. A member of a cluster listens at the port that is higher by 10,000 too.
func freeAddress(t *testing.T) string {
	for {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := free.Addr().(*net.TCPAddr)
		require.NoError(t, free.Close())
		if address.Port <= 65535-10_000 {
			return address.String()
		}
	}
}

func (s *server) start(t *testing.T) {
	s.process = exec.Command(s.args[0], s.args[1:]...)
	require.NoError(t, s.process.Start())
	probe := s.client(t, nil)
	require.Eventually(t, func() bool { return probe.Ping(context.WithoutCancel(t.Context())).Err() == nil }, 20*time.Second, 10*time.Millisecond)
}

func (s *server) stop(t *testing.T) {
	if s.process == nil {
		return
	}
	require.NoError(t, s.process.Process.Kill())
	_ = s.process.Wait()
	s.process = nil
}

func (s *server) signal(t *testing.T, signal os.Signal) {
	require.NoError(t, s.process.Process.Signal(signal))
}

func (s *server) client(t *testing.T, change func(*redis.Options)) *redis.Client {
	options := &redis.Options{Addr: s.address, MaxRetries: -1, DialTimeout: time.Second, ReadTimeout: 300 * time.Millisecond}
	if change != nil {
		change(options)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func claimsOf(t *testing.T, token string) (claims struct {
	RootTokenID string `json:"root_token_id"`
	JTI         string
}) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))
	return claims
}

func TestStore(t *testing.T) {
	client := startRedis(t).client(t, nil)
	testStore(t, client, client)
}

// testStore tests a Store that works through client. node is the one server behind it, and the test's own.
func testStore(t *testing.T, client redis.UniversalClient, node *redis.Client) {
	open := func(t *testing.T) issuer.Store {
		require.NoError(t, node.FlushAll(t.Context()).Err())
		return redisstore.New(client)
	}
	issuertest.TestStore(t, open, func(t *testing.T, d time.Duration) {
		owners, err := node.Keys(t.Context(), "authmw:{*}:families").Result()
		require.NoError(t, err)
		for _, key := range owners {
			keys := []string{key, strings.TrimSuffix(key, "families") + "expiries"}
			require.NoError(t, advance.Run(t.Context(), node, keys, d.Microseconds(), float64(d)/float64(time.Millisecond)).Err())
		}
	})
}

// advance moves the times of an owner's families back, as if time had passed. ARGV: microseconds, the same in milliseconds.
var advance = redis.NewScript(`
for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do
	local generation, grace, rest = string.match(redis.call('HGET', KEYS[1], id), '^(%d+) (%d+) (.*)$')
	if grace ~= '0' then
		grace = string.format('%.0f', grace - ARGV[1])
	end
	redis.call('HSET', KEYS[1], id, generation .. ' ' .. grace .. ' ' .. rest)
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
	redis.call('ZINCRBY', KEYS[2], -ARGV[2], id)
end
return 1
`)

func TestRevocations(t *testing.T) {
	client := connect(t)
	issuertest.TestRevocations(t, func(*testing.T) issuer.Revocations { return redisstore.New(client) })
}

// roundTrips counts what goes over the wire.
type roundTrips struct {
	mu   sync.Mutex
	n    int
	seen []string
}

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.add(cmd)
		return next(ctx, cmd)
	}
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.add(cmds...)
		return next(ctx, cmds)
	}
}

func (r *roundTrips) add(cmds ...redis.Cmder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	for _, cmd := range cmds {
		r.seen = append(r.seen, fmt.Sprint(cmd.Args()))
	}
}

// TestRoundTrips counts them, with the script known to the server and, the first time, not. It also looks at what the
// server gets to see.
func TestRoundTrips(t *testing.T) {
	client := startRedis(t).client(t, nil)
	count := new(roundTrips)
	client.AddHook(count)
	trips := func(do func()) int {
		count.n = 0
		do()
		return count.n
	}
	for name, build := range map[string]func() (*issuer.Issuer, error){
		"rotating": func() (*issuer.Issuer, error) {
			return issuer.New([]byte(authmwtest.Secret), redisstore.New(client))
		},
		"compatible": func() (*issuer.Issuer, error) {
			return issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), redisstore.New(client))
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, client.ScriptFlush(t.Context()).Err())
			i, err := build()
			require.NoError(t, err)
			var pair issuer.Pair
			for range 2 {
				require.LessOrEqual(t, trips(func() { pair, err = i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"}) }), 2)
				require.NoError(t, err)
			}
			first := pair
			require.LessOrEqual(t, trips(func() { pair, err = i.Refresh(t.Context(), pair.RefreshToken) }), 2, "the first time")
			require.NoError(t, err)
			require.Equal(t, 1, trips(func() { pair, err = i.Refresh(t.Context(), pair.RefreshToken) }))
			require.NoError(t, err)
			require.NoError(t, i.Revoke(t.Context(), pair.RefreshToken))
			require.NotEmpty(t, count.seen)
			for _, command := range count.seen {
				for _, part := range strings.Split(pair.RefreshToken, ".")[1:] {
					require.NotContains(t, command, part)
				}
				require.NotContains(t, command, "wGH0")
				for _, token := range []string{first.RefreshToken, pair.RefreshToken} {
					claims := claimsOf(t, token)
					require.NotContains(t, command, claims.RootTokenID)
					if claims.JTI != "" {
						require.NotContains(t, command, claims.JTI)
					}
				}
			}
		})
	}
}

// TestNothingOutlivesItsTokens looks at the time to live of every key.
func TestNothingOutlivesItsTokens(t *testing.T) {
	client := startRedis(t).client(t, nil)
	i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(client), issuer.WithTTL(time.Minute, time.Hour))
	require.NoError(t, err)
	compatible, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), redisstore.New(client), issuer.WithTTL(time.Minute, time.Hour))
	require.NoError(t, err)
	for range 3 {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
		require.NoError(t, err)
		_, err = i.Refresh(t.Context(), pair.RefreshToken)
		require.NoError(t, err)
		pair, err = compatible.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
		require.NoError(t, err)
		require.NoError(t, compatible.Revoke(t.Context(), pair.RefreshToken))
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 5, "two of the owner, and three revocations")
	for _, key := range keys {
		left, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.Greater(t, left, time.Duration(0), key)
		require.LessOrEqual(t, left, time.Hour+70*time.Second, key)
	}
}

// TestTimesToLive looks at them one by one: a family lives as long as its last token, a revocation as long as the longest
// that was asked for.
func TestTimesToLive(t *testing.T) {
	client := startRedis(t).client(t, nil)
	store := redisstore.New(client)
	now := time.Now()
	around := func(want time.Duration, key string) {
		t.Helper()
		left, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.InDelta(t, want.Seconds(), left.Seconds(), 60)
	}
	for _, step := range []struct {
		ttl, want time.Duration
	}{{time.Hour, time.Hour}, {3 * time.Hour, 3 * time.Hour}, {2 * time.Hour, 3 * time.Hour}} {
		_, err := store.Create(t.Context(), issuer.Family{Owner: "o", ID: step.ttl.String(), Now: now, Expires: now.Add(step.ttl), Limit: 10})
		require.NoError(t, err)
		around(step.want, "authmw:{o}:families")
		around(step.want, "authmw:{o}:expiries")
	}
	_, _, err := store.Rotate(t.Context(), issuer.Rotation{Owner: "o", Family: "1h0m0s", Generation: 1, Now: now, Expires: now.Add(4 * time.Hour)})
	require.NoError(t, err)
	around(4*time.Hour, "authmw:{o}:families")
	around(4*time.Hour, "authmw:{o}:expiries")
	require.NoError(t, client.HSet(t.Context(), "authmw:{o}:families", "odd", "not ours").Err())
	_, _, err = store.Rotate(t.Context(), issuer.Rotation{Owner: "o", Family: "odd", Generation: 1, Now: now, Expires: now.Add(time.Hour)})
	require.ErrorContains(t, err, "a form that is not known")
	for n := range 10_000 { // as many as WithFamilyLimit permits
		_, err := store.Create(t.Context(), issuer.Family{Owner: "many", ID: fmt.Sprint(n), Now: now, Expires: now.Add(time.Hour), Limit: 10_000})
		require.NoError(t, err)
	}
	for _, limit := range []int{10_000, 1} {
		ended, err := store.Create(t.Context(), issuer.Family{Owner: "many", ID: fmt.Sprint("limit ", limit), Now: now, Expires: now.Add(time.Hour), Limit: limit})
		require.NoError(t, err)
		require.Equal(t, 10_001-limit, ended)
		require.EqualValues(t, limit, client.HLen(t.Context(), "authmw:{many}:families").Val())
		require.EqualValues(t, limit, client.ZCard(t.Context(), "authmw:{many}:expiries").Val())
	}

	const id = "0c9b9247-266d-4c2f-bbcf-1f59ea6b313b"
	cloudreve := redisstore.NewCloudreveRevocations(client)
	longest := time.Duration(0)
	revoke := func(until time.Time) {
		t.Helper()
		limited, err := cloudreve.Revoke(t.Context(), issuer.Revocation{RootTokenID: id, Now: now, Until: until, Limit: 1})
		require.NoError(t, err)
		require.False(t, limited)
	}
	for _, until := range []time.Duration{time.Hour, 2 * time.Hour, time.Minute} {
		revoke(now.Add(until))
		longest = max(longest, until)
		around(longest, "jwt_revoke_"+id)
	}
	require.NoError(t, client.Persist(t.Context(), "jwt_revoke_"+id).Err())
	revoke(now.Add(time.Hour))
	left, err := client.PTTL(t.Context(), "jwt_revoke_"+id).Result()
	require.NoError(t, err)
	require.Negative(t, left, "what was for ever stays so")
	require.NoError(t, client.Set(t.Context(), "jwt_revoke_"+id, "what Cloudreve cannot read", 3*time.Hour).Err())
	revoke(now.Add(time.Hour))
	around(3*time.Hour, "jwt_revoke_"+id)
	value, err := client.Get(t.Context(), "jwt_revoke_"+id).Bytes()
	require.NoError(t, err)
	require.Len(t, value, 42, "now it can")

	revoke(time.Unix(1<<60, 0))
	revoked, err := cloudreve.Revoked(t.Context(), issuer.Renewal{RootTokenID: id})
	require.NoError(t, err)
	require.True(t, revoked)
}

// TestServerThatMustNotWrite has servers that may not know the latest: they fail, and do not say that there is nothing.
func TestServerThatMustNotWrite(t *testing.T) {
	for name, forbid := range map[string]func(*redis.Client) error{
		"a replica without its master": func(c *redis.Client) error { return c.ReplicaOf(t.Context(), "127.0.0.1", "1").Err() },
		"a master without a replica":   func(c *redis.Client) error { return c.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err() },
	} {
		t.Run(name, func(t *testing.T) {
			client := startRedis(t).client(t, nil)
			i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(client))
			require.NoError(t, err)
			over, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
			require.NoError(t, err)
			require.NoError(t, i.Revoke(t.Context(), over.RefreshToken))
			live, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
			require.NoError(t, err)
			require.NoError(t, forbid(client))
			for _, token := range []string{over.RefreshToken, live.RefreshToken} {
				_, err = i.Refresh(t.Context(), token)
				require.ErrorIs(t, err, authmw.ErrUnavailable)
			}
			for _, revocations := range []issuer.Revocations{redisstore.New(client), redisstore.NewCloudreveRevocations(client)} {
				compatible, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), revocations)
				require.NoError(t, err)
				pair, err := compatible.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
				require.NoError(t, err)
				_, err = compatible.Refresh(t.Context(), pair.RefreshToken)
				require.ErrorIs(t, err, authmw.ErrUnavailable)
			}
		})
	}
}

// TestKeysOutOfStep has one of an owner's keys without the other, as after an eviction, and one that lives for ever.
func TestKeysOutOfStep(t *testing.T) {
	client := startRedis(t).client(t, nil)
	store, now := redisstore.New(client), time.Now()
	const families, expiries = "authmw:{o}:families", "authmw:{o}:expiries"
	login := func(id string, ttl time.Duration) (ended int) {
		ended, err := store.Create(t.Context(), issuer.Family{Owner: "o", ID: id, Now: now, Expires: now.Add(ttl), Limit: 3})
		require.NoError(t, err)
		return ended
	}
	refresh := func(id string, generation int64, want issuer.Outcome) {
		t.Helper()
		outcome, _, err := store.Rotate(t.Context(), issuer.Rotation{Owner: "o", Family: id, Generation: generation, Call: id, Now: now, Expires: now.Add(24 * time.Hour)})
		require.NoError(t, err)
		require.Equal(t, want, outcome)
	}
	for _, id := range []string{"a", "b", "c"} {
		login(id, 24*time.Hour)
		refresh(id, 1, issuer.Rotated)
	}
	require.NoError(t, client.Del(t.Context(), expiries).Err())
	require.Equal(t, 1, login("d", time.Hour), "one of a, b and c")
	require.Equal(t, 1, login("e", time.Hour), "d")
	refresh("d", 1, issuer.Unknown)
	refresh("e", 1, issuer.Rotated)
	require.EqualValues(t, 3, client.HLen(t.Context(), families).Val())
	require.EqualValues(t, 3, client.ZCard(t.Context(), expiries).Val())
	for _, key := range []string{families, expiries} {
		require.Positive(t, client.PTTL(t.Context(), key).Val())
	}

	require.NoError(t, client.Del(t.Context(), families).Err())
	for _, id := range []string{"f", "g", "h"} {
		require.Zero(t, login(id, time.Hour))
	}
	require.Equal(t, 1, login("i", time.Hour))
	for _, key := range []string{families, expiries} {
		require.NoError(t, client.Persist(t.Context(), key).Err())
	}
	refresh("i", 1, issuer.Rotated)
	for _, key := range []string{families, expiries} {
		require.Negative(t, client.PTTL(t.Context(), key).Val(), "it was made to live for ever, and is not cut short")
	}
}

// TestRotationsThatAreNone has values that no Issuer passes.
func TestRotationsThatAreNone(t *testing.T) {
	store, now := redisstore.New(startRedis(t).client(t, nil)), time.Now()
	_, err := store.Create(t.Context(), issuer.Family{Owner: "o", ID: "f", Now: now, Expires: now.Add(time.Hour), Limit: 3})
	require.NoError(t, err)
	r := issuer.Rotation{Owner: "o", Family: "f", Call: "a\x00b\n c", Now: now, Grace: -time.Second, Expires: now.Add(time.Hour)}
	for _, generation := range []int64{-1, 0, 1 << 53, 1 << 62} {
		r.Generation = generation
		_, _, err = store.Rotate(t.Context(), r)
		require.ErrorContains(t, err, "is not between 1 and 2^53")
	}
	r.Generation = 1
	for _, want := range []issuer.Outcome{issuer.Rotated, issuer.Repeated} {
		outcome, _, err := store.Rotate(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, want, outcome, "the same call")
	}
	r.Call = "another"
	outcome, _, err := store.Rotate(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, issuer.Reused, outcome, "no window")
}

// TestRing shows that a client is refused that asks another server when one is down.
func TestRing(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	t.Cleanup(func() { _ = ring.Close() })
	_, err := redisstore.New(ring).Create(t.Context(), issuer.Family{ID: "f"})
	require.ErrorContains(t, err, "redis.Ring")
	require.ErrorContains(t, redisstore.New(struct{ *redis.Ring }{ring}).Delete(t.Context(), "o", "f"), "redis.Ring")
	require.ErrorContains(t, redisstore.New(nil).Delete(t.Context(), "o", "f"), "client is nil")
	_, err = redisstore.NewCloudreveRevocations(ring).Revoked(t.Context(), issuer.Renewal{RootTokenID: "id"})
	require.ErrorContains(t, err, "redis.Ring")
}

// refreshOverHTTP returns the status and the body that a session handler answers.
func refreshOverHTTP(t *testing.T, i *issuer.Issuer, token string) (int, string) {
	handler, err := session.New(i, func(context.Context, string, string) (session.User, error) {
		return session.User{}, session.ErrInvalidCredentials
	})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/api/v4/session/token/refresh", strings.NewReader(`{"refresh_token":"`+token+`"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestOutage stops the server midway: first so that connections are refused, then so that it hangs.
func TestOutage(t *testing.T) {
	for name, build := range map[string]func(redis.UniversalClient) (*issuer.Issuer, error){
		"rotating": func(client redis.UniversalClient) (*issuer.Issuer, error) {
			return issuer.New([]byte(authmwtest.Secret), redisstore.New(client), issuer.WithGrace(0))
		},
		"compatible": func(client redis.UniversalClient) (*issuer.Issuer, error) {
			return issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), redisstore.New(client))
		},
		"sharing Cloudreve's": func(client redis.UniversalClient) (*issuer.Issuer, error) {
			return issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), redisstore.NewCloudreveRevocations(client))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startRedis(t)
			i, err := build(s.client(t, nil))
			require.NoError(t, err)
			issue := func() issuer.Pair {
				pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
				require.NoError(t, err)
				return pair
			}
			live, revoked := issue(), issue()
			require.NoError(t, i.Revoke(t.Context(), revoked.RefreshToken))
			down := func() {
				t.Helper()
				for _, token := range []string{live.RefreshToken, revoked.RefreshToken} {
					pair, err := i.Refresh(t.Context(), token)
					require.ErrorIs(t, err, authmw.ErrUnavailable)
					require.NotErrorIs(t, err, issuer.ErrInvalidGrant)
					require.Zero(t, pair)
					require.ErrorIs(t, i.Revoke(t.Context(), token), authmw.ErrUnavailable)
				}
				status, body := refreshOverHTTP(t, i, live.RefreshToken)
				require.Equal(t, http.StatusServiceUnavailable, status)
				require.NotContains(t, body, "eyJ")
				if name == "rotating" {
					pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
					require.ErrorIs(t, err, authmw.ErrUnavailable)
					require.Zero(t, pair)
				}
			}
			s.stop(t)
			down()
			s.start(t)
			require.Eventually(t, func() bool {
				_, err := i.Refresh(t.Context(), revoked.RefreshToken)
				return !errors.Is(err, authmw.ErrUnavailable)
			}, 10*time.Second, 10*time.Millisecond, "it recovers by itself")
			_, err = i.Refresh(t.Context(), revoked.RefreshToken)
			require.ErrorIs(t, err, issuer.ErrRevoked)
			live, err = i.Refresh(t.Context(), live.RefreshToken)
			require.NoError(t, err)

			// A server that hangs finds the commands waiting when it goes on, and does them then: for whoever sent them they
			// failed all the same. So what was live is not asked for here, but what was revoked is.
			s.signal(t, syscall.SIGSTOP)
			pair, err := i.Refresh(t.Context(), revoked.RefreshToken)
			require.ErrorIs(t, err, authmw.ErrUnavailable)
			require.Zero(t, pair)
			require.ErrorIs(t, i.Revoke(t.Context(), live.RefreshToken), authmw.ErrUnavailable)
			status, body := refreshOverHTTP(t, i, revoked.RefreshToken)
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.NotContains(t, body, "eyJ")
			s.signal(t, syscall.SIGCONT)
			require.Eventually(t, func() bool {
				_, err := i.Refresh(t.Context(), revoked.RefreshToken)
				return !errors.Is(err, authmw.ErrUnavailable)
			}, 10*time.Second, 10*time.Millisecond, "it recovers by itself")
			_, err = i.Refresh(t.Context(), revoked.RefreshToken)
			require.ErrorIs(t, err, issuer.ErrRevoked)
			require.NoError(t, i.Revoke(t.Context(), live.RefreshToken))
			_, err = i.Refresh(t.Context(), live.RefreshToken)
			require.ErrorIs(t, err, issuer.ErrRevoked)
			_, err = i.Refresh(t.Context(), issue().RefreshToken)
			require.NoError(t, err)
		})
	}
}

// TestDataLoss empties the server: families that it forgot are over, and none of them comes back to life.
func TestDataLoss(t *testing.T) {
	client := startRedis(t).client(t, nil)
	i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(client))
	require.NoError(t, err)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	require.NoError(t, client.FlushAll(t.Context()).Err())
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrRevoked)
}

// TestLostAnswer cuts the connection behind a server that has done its work: with retries on, the client asks again and
// is given what it was meant to be given, even without a grace window.
func TestLostAnswer(t *testing.T) {
	s := startRedis(t)
	proxy := &cuttingProxy{target: s.address}
	address := proxy.start(t)
	client := s.client(t, func(o *redis.Options) { o.Addr, o.MaxRetries, o.PoolSize = address, 3, 1 })
	i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(client), issuer.WithGrace(0))
	require.NoError(t, err)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	for range 3 {
		pair, err = i.Refresh(t.Context(), pair.RefreshToken) // and has the script loaded
		require.NoError(t, err)
	}
	proxy.cutNext()
	pair, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, 1, proxy.cuts())
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
}

// cuttingProxy passes everything on, but closes the connection in place of the next answer when told to.
type cuttingProxy struct {
	target string
	mu     sync.Mutex
	cut    bool
	n      int
}

func (p *cuttingProxy) cutNext() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
}

func (p *cuttingProxy) cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func (p *cuttingProxy) start(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go p.pass(server, client, false)
			go p.pass(client, server, true)
		}
	}()
	return listener.Addr().String()
}

func (p *cuttingProxy) pass(to, from net.Conn, answers bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if answers {
			p.mu.Lock()
			cut := p.cut
			if p.cut = false; cut {
				p.n++
			}
			p.mu.Unlock()
			if cut {
				return
			}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestCluster has a cluster of one server, which refuses commands and scripts whose keys are in several slots as one of
// many does.
func TestCluster(t *testing.T) {
	s := startRedis(t, "--cluster-enabled", "yes")
	require.NoError(t, s.client(t, nil).ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.address}})
	t.Cleanup(func() { _ = client.Close() })
	require.Eventually(t, func() bool {
		return client.Set(t.Context(), "probe", 1, time.Second).Err() == nil
	}, 20*time.Second, 10*time.Millisecond)
	testStore(t, client, s.client(t, nil))
	t.Run("revocations", func(t *testing.T) {
		issuertest.TestRevocations(t, func(*testing.T) issuer.Revocations { return redisstore.New(client) })
	})
}

// TestFourProcesses has 50 goroutines in each of four processes refresh one token at once. The clocks of two processes are
// a minute apart. The processes are this test's binary, told so by the environment.
func TestFourProcesses(t *testing.T) {
	if token := os.Getenv("AUTHMW_TEST_REFRESH"); token != "" {
		refreshAtOnce(t, token)
		return
	}
	client := connect(t)
	for name, grace := range map[string]time.Duration{"with grace": time.Minute, "without": 0} {
		t.Run(name, func(t *testing.T) {
			i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(client), issuer.WithGrace(grace), issuer.WithTTL(time.Minute, time.Hour))
			require.NoError(t, err)
			first, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
			require.NoError(t, err)
			processes := [4]*bufio.Scanner{}
			gates := [4]io.Closer{}
			for n := range processes {
				process := exec.Command(os.Args[0], "-test.run", "^TestFourProcesses$")
				ahead := []time.Duration{0, 0, 30 * time.Second, -30 * time.Second}[n]
				process.Env = append(os.Environ(), "AUTHMW_TEST_REFRESH="+first.RefreshToken, "AUTHMW_TEST_GRACE="+grace.String(), "AUTHMW_TEST_AHEAD="+ahead.String())
				process.Stderr = os.Stderr
				gates[n], err = process.StdinPipe()
				require.NoError(t, err)
				output, err := process.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, process.Start())
				t.Cleanup(func() { _, _ = process.Process.Kill(), process.Wait() })
				processes[n] = bufio.NewScanner(output)
				require.True(t, processes[n].Scan())
				require.Equal(t, "ready", processes[n].Text())
			}
			for _, gate := range gates {
				require.NoError(t, gate.Close())
			}
			answers, total := map[string]int{}, 0
			for _, lines := range processes {
				for lines.Scan() {
					if answer, found := strings.CutPrefix(lines.Text(), "answer: "); found {
						answers[answer]++
						total++
					}
				}
			}
			require.Equal(t, 200, total)
			pairs := slices.DeleteFunc(slices.Collect(maps.Keys(answers)), func(answer string) bool { return answer == "refused" })
			require.Len(t, pairs, 1, "exactly one pair")
			if grace > 0 {
				require.Equal(t, 200, answers[pairs[0]])
			} else {
				require.Equal(t, 1, answers[pairs[0]])
			}
			_, err = i.Refresh(t.Context(), first.RefreshToken)
			if grace == 0 {
				require.ErrorIs(t, err, issuer.ErrRevoked, "the second use ended the family")
			}
		})
	}
}

// refreshAtOnce is what each of the four processes does.
func refreshAtOnce(t *testing.T, token string) {
	grace, err := time.ParseDuration(os.Getenv("AUTHMW_TEST_GRACE"))
	require.NoError(t, err)
	ahead, err := time.ParseDuration(os.Getenv("AUTHMW_TEST_AHEAD"))
	require.NoError(t, err)
	i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(connect(t)), issuer.WithGrace(grace), issuer.WithTTL(time.Hour, 2*time.Hour),
		issuer.WithClock(func() time.Time { return time.Now().Add(ahead) }))
	require.NoError(t, err)
	answers := make([]string, 50)
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for n := range answers {
		wg.Go(func() {
			<-gate
			pair, err := i.Refresh(t.Context(), token)
			answers[n] = pair.RefreshToken
			if err != nil {
				answers[n] = "refused"
				if errors.Is(err, authmw.ErrUnavailable) {
					answers[n] = "unavailable"
				}
			}
		})
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin) // until the other processes are ready too
	require.NoError(t, err)
	close(gate)
	wg.Wait()
	for _, answer := range answers {
		fmt.Println("answer: " + answer)
	}
}

// replication has replicas log in as a user of their own, who can be locked out.
var replication = []string{"--appendonly", "no", "--repl-diskless-sync-delay", "0", "--user", "replica", "on", ">password", "+psync", "+replconf", "+ping",
	"--masteruser", "replica", "--masterauth", "password"}

func startReplicated(t *testing.T, args ...string) *server {
	return startRedis(t, append(replication, args...)...)
}

// cutOff ends the replication of a master, and lets it go on otherwise.
func (s *server) cutOff(t *testing.T) {
	client := s.client(t, nil)
	require.NoError(t, client.Do(t.Context(), "ACL", "SETUSER", "replica", "off").Err())
	require.NoError(t, client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
}

// families returns what a server keeps of families.
func (s *server) families(t *testing.T) map[string]string {
	families := map[string]string{}
	client := s.client(t, func(o *redis.Options) {
		o.OnConnect = func(ctx context.Context, c *redis.Conn) error {
			_ = c.ReadOnly(ctx) // which a replica in a cluster wants to hear, and no other server
			return nil
		}
	})
	keys, err := client.Keys(t.Context(), "authmw:*:families").Result()
	require.NoError(t, err)
	for _, key := range keys {
		states, err := client.HGetAll(t.Context(), key).Result()
		require.NoError(t, err)
		maps.Copy(families, states)
	}
	return families
}

// testFailover refreshes many logins all the time. It cuts the replica off, kills the master one second later, and counts
// the logins that do not survive it.
func testFailover(t *testing.T, client redis.UniversalClient, logins int, master, replica *server) {
	var thefts, lost, refreshes atomic.Int64
	newIssuer := func() *issuer.Issuer {
		i, err := issuer.New([]byte(authmwtest.Secret), redisstore.New(client),
			issuer.WithObserver(func(_ context.Context, event issuer.Event) { thefts.Add(1) }))
		require.NoError(t, err)
		return i
	}
	i := newIssuer()
	type login struct{ stolen, newest string }
	all := make([]login, logins)
	// each runs f for every login, 32 at a time.
	each := func(f func(l *login)) {
		var wg sync.WaitGroup
		var next atomic.Int64
		for range 32 {
			wg.Go(func() {
				for n := next.Add(1) - 1; n < int64(len(all)); n = next.Add(1) - 1 {
					f(&all[n])
				}
			})
		}
		wg.Wait()
	}
	deadline := time.Now().Add(time.Minute)
	refresh := func(l *login) {
		for {
			pair, err := i.Refresh(t.Context(), l.newest)
			switch {
			case err == nil:
				l.newest = pair.RefreshToken
				refreshes.Add(1)
				return
			case !errors.Is(err, authmw.ErrUnavailable) || time.Now().After(deadline):
				t.Error(err)
				lost.Add(1)
				return
			}
		}
	}
	for n := range all {
		pair, err := i.Issue(t.Context(), issuer.Identity{Subject: fmt.Sprintf("user%d", n)})
		require.NoError(t, err)
		all[n].stolen, all[n].newest = pair.RefreshToken, pair.RefreshToken
	}
	each(refresh)
	require.Eventually(t, func() bool { return maps.Equal(master.families(t), replica.families(t)) }, 20*time.Second, 10*time.Millisecond)

	master.cutOff(t)
	for cut := time.Now(); time.Since(cut) < time.Second; {
		each(refresh)
	}
	behind, kept := 0, replica.families(t)
	for id, state := range master.families(t) {
		require.Contains(t, kept, id)
		if kept[id] != state {
			behind++
		}
	}
	require.Positive(t, behind)
	before := refreshes.Load()
	master.stop(t) // with SIGKILL
	each(refresh)
	each(refresh)
	t.Logf("%d logins, of which the replica knew an older generation of %d; %d refreshes before the master was killed, %d after; logins lost: %d, thefts reported: %d",
		logins, behind, before, refreshes.Load()-before, lost.Load(), thefts.Load())
	require.Zero(t, lost.Load())
	require.Zero(t, thefts.Load())

	// A token older than what the replica knew still ends its login.
	_, err := i.Refresh(t.Context(), all[0].stolen)
	require.ErrorIs(t, err, issuer.ErrReused)
	_, err = i.Refresh(t.Context(), all[0].newest)
	require.ErrorIs(t, err, issuer.ErrRevoked)
	require.EqualValues(t, 1, thefts.Load())
}

func TestSentinelFailover(t *testing.T) {
	master := startReplicated(t)
	host, port, err := net.SplitHostPort(master.address)
	require.NoError(t, err)
	replica := startReplicated(t, "--replicaof", host, port)

	config := filepath.Join(t.TempDir(), "sentinel.conf")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf("sentinel monitor logins %s %s 1\n"+
		"sentinel down-after-milliseconds logins 500\nsentinel failover-timeout logins 5000\n", host, port)), 0o600))
	sentinel := startRedisWith(t, config, "--sentinel")
	probe := sentinel.client(t, nil)
	require.Eventually(t, func() bool {
		known, err := probe.Do(t.Context(), "SENTINEL", "REPLICAS", "logins").Slice()
		return err == nil && len(known) == 1
	}, 30*time.Second, 10*time.Millisecond)

	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "logins", SentinelAddrs: []string{sentinel.address}, MaxRetries: 1, DialTimeout: time.Second, ReadTimeout: time.Second,
	})
	t.Cleanup(func() { _ = client.Close() })
	testFailover(t, client, 400, master, replica)
}

func TestClusterFailover(t *testing.T) {
	var servers []*server
	var clients []*redis.Client
	for range 6 {
		s := startReplicated(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
		servers, clients = append(servers, s), append(clients, s.client(t, nil))
	}
	host, port, err := net.SplitHostPort(servers[0].address)
	require.NoError(t, err)
	for n, client := range clients[:3] {
		require.NoError(t, client.ClusterAddSlotsRange(t.Context(), n*5462, min((n+1)*5462, 16384)-1).Err())
		require.NoError(t, client.Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", n+1).Err())
	}
	for _, client := range clients[1:] {
		require.NoError(t, client.ClusterMeet(t.Context(), host, port).Err())
	}
	eventually := func(client *redis.Client, command func() *redis.StringCmd, part string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(command().Val(), part) }, 30*time.Second, 10*time.Millisecond)
	}
	for n, client := range clients {
		eventually(client, func() *redis.StringCmd { return client.ClusterInfo(t.Context()) }, "cluster_known_nodes:6")
		eventually(client, func() *redis.StringCmd { return client.ClusterInfo(t.Context()) }, "cluster_state:ok")
		if n >= 3 {
			master, err := clients[n-3].Do(t.Context(), "CLUSTER", "MYID").Text()
			require.NoError(t, err)
			require.Eventually(t, func() bool { return client.ClusterReplicate(t.Context(), master).Err() == nil }, 30*time.Second, 10*time.Millisecond)
			eventually(client, func() *redis.StringCmd { return client.Info(t.Context(), "replication") }, "master_link_status:up")
		}
	}
	for _, client := range clients {
		eventually(client, func() *redis.StringCmd { return client.ClusterInfo(t.Context()) }, "cluster_state:ok")
	}

	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{servers[0].address, servers[1].address, servers[2].address}, DialTimeout: time.Second, ReadTimeout: time.Second,
		ClusterStateReloadInterval: time.Second,
	})
	t.Cleanup(func() { _ = client.Close() })
	testFailover(t, client, 1200, servers[1], servers[4])
}
