package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/redisstore"
)

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
