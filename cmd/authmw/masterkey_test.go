package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/capture"
	"github.com/authmw/authmw/masterkey"
)

// These are the tests of package masterkey that need real databases: the drivers are here.

func TestDatabase(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			db := openServer(t, kind.dialect, kind.create(t))
			key, err := masterkey.Database(db)(t.Context())
			require.NoError(t, err)
			require.Equal(t, capture.Read(t).SecretKey, string(key.Secret))
			value, err := masterkey.ReadSetting(t.Context(), db, "hash_id_salt")
			require.NoError(t, err)
			require.Equal(t, salt, value)

			for _, row := range []struct{ name, change, want string }{
				{"NULL", "UPDATE settings SET value = NULL WHERE name = 'secret_key'", "the setting secret_key in the database is empty"},
				{"short", "UPDATE settings SET value = 'short' WHERE name = 'secret_key'", "has 5 bytes"},
				{"deleted", "UPDATE settings SET value = '" + key.String() + key.String() + "', deleted_at = updated_at WHERE name = 'secret_key'", "there is no setting secret_key"},
				{"no table", "DROP TABLE settings", "the setting secret_key cannot be read"},
			} {
				t.Run(row.name, func(t *testing.T) {
					_, err := db.ExecContext(t.Context(), row.change)
					require.NoError(t, err)
					_, err = masterkey.Database(db)(t.Context())
					require.ErrorContains(t, err, row.want)
				})
			}
		})
	}
}

// TestReplacedSQLiteFile has a backup restored under a server that has the database open, twice.
func TestReplacedSQLiteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cloudreve.db")
	restore := func(key string) {
		backup := filepath.Join(dir, "backup.db")
		db, err := sql.Open("sqlite", backup)
		require.NoError(t, err)
		for _, statement := range []string{
			"CREATE TABLE settings (name TEXT, value TEXT, deleted_at TEXT)", "INSERT INTO settings VALUES ('secret_key', '" + key + "', NULL)",
		} {
			_, err = db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		require.NoError(t, db.Close())
		require.NoError(t, os.Rename(backup, path))
	}
	keys := []string{newKey(), newKey(), newKey()}
	restore(keys[0])
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	read := masterkey.Database(db)
	for n, key := range keys {
		if n > 0 {
			restore(key)
		}
		for range 2 {
			found, err := read(t.Context())
			require.NoError(t, err)
			require.Equal(t, key, string(found.Secret))
			if n > 0 {
				require.Contains(t, found.Warning, path+" was replaced while this program had it open")
			} else {
				require.Empty(t, found.Warning)
			}
		}
	}

	// The application has connections of its own, one of them busy while the file is replaced.
	var conns []*sql.Conn
	for range 3 {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		require.NoError(t, conn.PingContext(t.Context()))
		conns = append(conns, conn)
	}
	for _, conn := range conns[1:] {
		require.NoError(t, conn.Close())
	}
	restore(keys[0])
	for n := range 6 {
		found, err := read(t.Context())
		require.NoError(t, err)
		require.Equal(t, keys[0], string(found.Secret))
		if n == 2 {
			require.NoError(t, conns[0].Close())
		}
	}

	// Something that is no database is there for a while.
	require.NoError(t, os.WriteFile(path+".garbage", []byte(strings.Repeat("garbage ", 1000)), 0o600))
	require.NoError(t, os.Rename(path+".garbage", path))
	for range 2 {
		_, err = read(t.Context())
		require.Error(t, err)
	}
	restore(keys[1])
	found, err := read(t.Context())
	require.NoError(t, err)
	require.Equal(t, keys[1], string(found.Secret))
	require.Zero(t, db.Stats().InUse)
}

// TestDatabaseInMemory is one whose connection is all there is of it: a reading that fails does not close it.
func TestDatabaseInMemory(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	db.SetMaxOpenConns(1)
	read := masterkey.Database(db)
	_, err = read(t.Context())
	require.ErrorContains(t, err, "no such table")
	_, err = db.ExecContext(t.Context(), "CREATE TABLE settings (name TEXT, value TEXT, deleted_at TEXT)")
	require.NoError(t, err)
	_, err = read(t.Context())
	require.ErrorIs(t, err, sql.ErrNoRows)
	key := newKey()
	_, err = db.ExecContext(t.Context(), "INSERT INTO settings VALUES ('secret_key', '"+key+"', NULL)")
	require.NoError(t, err)
	found, err := read(t.Context())
	require.NoError(t, err)
	require.Equal(t, key, string(found.Secret))
	require.Empty(t, found.Warning)
}

func openServer(t *testing.T, d dialect, s server) *sql.DB {
	db, err := sql.Open(d.driver, s.source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// TestRotationUnderLoad has the key change in a real database, twice, while 1,000 requests a second are served for
// two minutes of the bubble's clock. What users have is valid: a token of the key that the database has, or of one that
// it had less than twenty seconds ago.
func TestRotationUnderLoad(t *testing.T) {
	const (
		previousFor  = 20 * time.Second
		seconds      = 120
		perSecond    = 1000
		rotateEvery  = 50 * time.Second
		senders      = 8
		perSender    = perSecond / senders
		stillAllowed = masterkey.DefaultInterval * 11 / 10 // until the change is seen, if nothing tells of it
	)
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := kind.create(t)
			synctest.Test(t, func(t *testing.T) {
				db, err := sql.Open(kind.dialect.driver, s.source)
				require.NoError(t, err)
				defer func() { require.NoError(t, db.Close()) }()
				source, err := masterkey.Open(t.Context(), masterkey.Database(db), masterkey.WithPreviousTTL(previousFor))
				require.NoError(t, err)
				defer func() { require.NoError(t, source.Close()) }()
				v, err := authmw.NewFromKeySource(source)
				require.NoError(t, err)
				handler := authhttp.Required(v)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
				send := func(token string) int {
					r := httptest.NewRequest(http.MethodGet, "/files", nil)
					r.Header.Set("Authorization", "Bearer "+token)
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					return w.Code
				}

				key := capture.Read(t).SecretKey
				token := func() string { return authmwtest.Mint(t, []byte(key), authmw.Claims{Subject: "wGH0"}) }
				valid := []string{token()} // what users have: of the current key, and of the one before
				type rotated struct {
					token string
					at    time.Time
				}
				var old []rotated
				var served, refused atomic.Int64
				for second := range seconds {
					if second > 0 && second%int(rotateEvery/time.Second) == 0 {
						old = append(old, rotated{valid[0], time.Now()})
						key = newKey()
						_, err := db.ExecContext(t.Context(), "UPDATE settings SET value = '"+key+"' WHERE name = 'secret_key'")
						require.NoError(t, err)
						valid = append([]string{token()}, valid[0])
					}
					if n := len(old); n > 0 && time.Since(old[n-1].at) >= previousFor {
						valid = valid[:1]
					}
					var group sync.WaitGroup
					for range senders {
						group.Go(func() {
							for n := range perSender {
								served.Add(1)
								if send(valid[n%len(valid)]) != http.StatusNoContent {
									refused.Add(1)
								}
							}
						})
					}
					group.Wait()
					for _, o := range old {
						if time.Since(o.at) > previousFor+stillAllowed {
							require.Equal(t, http.StatusUnauthorized, send(o.token), "rotated out %v ago", time.Since(o.at))
						}
					}
					time.Sleep(time.Second) // of the bubble's clock
				}
				require.EqualValues(t, seconds*perSecond, served.Load())
				require.Zero(t, refused.Load(), "of %d requests with a valid token", served.Load())
				require.Len(t, old, 2)
				require.Equal(t, http.StatusUnauthorized, send(old[0].token))
			})
		})
	}
}

func newKey() string {
	random := make([]byte, 128)
	_, _ = rand.Read(random) // which does not fail
	return hex.EncodeToString(random)
}

// TestFloodOfForgedTokens sends 100,000 of them, over five minutes, to a server whose key is in a real database.
func TestFloodOfForgedTokens(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := kind.create(t)
			synctest.Test(t, func(t *testing.T) {
				db, err := sql.Open(kind.dialect.driver, s.source)
				require.NoError(t, err)
				defer func() { require.NoError(t, db.Close()) }()
				var readings atomic.Int64
				read := masterkey.Database(db)
				source, err := masterkey.Open(t.Context(), func(ctx context.Context) (masterkey.Key, error) {
					readings.Add(1)
					return read(ctx)
				})
				require.NoError(t, err)
				defer func() { require.NoError(t, source.Close()) }()
				v, err := authmw.NewFromKeySource(source)
				require.NoError(t, err)

				const intervals, perInterval, atOnce = 10, 10_000, 100
				forged := authmwtest.Mint(t, []byte(newKey()), authmw.Claims{Subject: "wGH0"})
				var accepted atomic.Int64
				readings.Store(0)
				for interval := range intervals {
					for range perInterval / atOnce {
						var group sync.WaitGroup
						for range atOnce {
							group.Go(func() {
								if _, err := v.Verify(t.Context(), forged); err == nil {
									accepted.Add(1)
								}
							})
						}
						group.Wait()
						time.Sleep(masterkey.DefaultInterval / (perInterval / atOnce))
					}
					passed := time.Duration(interval+1) * masterkey.DefaultInterval
					require.LessOrEqual(t, readings.Load(), int64(passed/(2*time.Second))+1, "one every two seconds")
				}
				require.Zero(t, accepted.Load())
				require.Positive(t, readings.Load())
				t.Logf("%d forged tokens in %v caused %d readings", intervals*perInterval, intervals*masterkey.DefaultInterval, readings.Load())
			})
		})
	}
}
