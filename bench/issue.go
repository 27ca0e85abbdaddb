package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/redisstore"
)

// measureIssuing has what package issuer does beside what it is made of.
func measureIssuing(rounds int) []table {
	tables := []table{
		measure("Issuing a pair", 0, "", rounds, issuing()),
		measure("Refreshing in memory", 1, "gin-jwt signs one token and keeps nothing, so that the old one still works.", rounds, refreshing()),
	}
	client := connect()
	if client == nil {
		return tables
	}
	defer func() { _ = client.Close() }()
	return append(tables, measure(fmt.Sprintf("Refreshing through Redis, %d goroutines", goroutines), 0, "", rounds, refreshingThroughRedis(client)))
}

// state is a state_hash, as Cloudreve's refresh tokens have one.
var state = issuer.CloudreveStateHash("admin@example.com", "password", "site")

func withState() issuer.Option {
	return issuer.WithStateHash(func(context.Context, issuer.Identity) ([]byte, error) { return state, nil })
}

func issuing() []benchmark {
	type claims struct {
		TokenType string `json:"token_type"`
		jwt.RegisteredClaims
		StateHash   []byte `json:"state_hash,omitempty"`
		RootTokenID string `json:"root_token_id,omitempty"`
	}
	// Users differ, or one would be at the limit all the time. When all are logged in, the next store begins empty: what a
	// heap of a million logins costs the garbage collector is not measured.
	var subjects []string
	for n := range 10_000 {
		subjects = append(subjects, "user"+strconv.Itoa(n))
	}
	issue := func(build func() *issuer.Issuer) func(*testing.B) {
		return func(b *testing.B) {
			var i *issuer.Issuer
			n := 0
			repeat(func() error {
				if n%len(subjects) == 0 {
					i = build()
				}
				_, err := i.Issue(context.Background(), issuer.Identity{Subject: subjects[n%len(subjects)]})
				n++
				return err
			})(b)
		}
	}
	return []benchmark{
		{name: "golang-jwt signs the two tokens", run: repeat(func() error {
			now := time.Now()
			access := claims{TokenType: "access", RegisteredClaims: jwt.RegisteredClaims{Subject: "wGH0",
				ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)), NotBefore: jwt.NewNumericDate(now)}}
			refresh := access
			refresh.TokenType, refresh.StateHash, refresh.RootTokenID = "refresh", state, "d2ceee9a-9a54-4be7-bf92-904c7d17d80a"
			refresh.ID = refresh.RootTokenID + ".1"
			for _, c := range []claims{access, refresh} {
				if _, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(secret); err != nil {
					return err
				}
			}
			return nil
		})},
		{name: "NewCloudreveCompatible", run: issue(func() *issuer.Issuer {
			return must(issuer.NewCloudreveCompatible(secret, issuer.NewMemoryStore(), withState()))
		})},
		{name: "New, with 10,000 users in memory", run: issue(func() *issuer.Issuer {
			return must(issuer.New(secret, issuer.NewMemoryStore(), withState()))
		})},
		{name: "New, with a user at the limit", run: func(b *testing.B) {
			i := must(issuer.New(secret, issuer.NewMemoryStore(), withState()))
			repeat(func() error {
				_, err := i.Issue(context.Background(), issuer.Identity{Subject: "wGH0"})
				return err
			})(b)
		}},
	}
}

func refreshing() []benchmark {
	gin.SetMode(gin.ReleaseMode)
	refresh := func(i *issuer.Issuer) func(*testing.B) {
		pair := must(i.Issue(context.Background(), issuer.Identity{Subject: "wGH0"}))
		return repeat(func() (err error) {
			pair, err = i.Refresh(context.Background(), pair.RefreshToken)
			return err
		})
	}
	mw := must(ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm: "bench", Key: secret, Timeout: time.Hour, MaxRefresh: 24 * time.Hour,
		PayloadFunc: func(any) ginjwt.MapClaims { return ginjwt.MapClaims{"token_type": "access", "sub": "wGH0"} },
	}))
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodPost, "/", nil)
	token, _, err := mw.TokenGenerator(nil)
	if err != nil {
		log.Fatal(err)
	}
	c.Request.Header.Set("Authorization", "Bearer "+token)
	return []benchmark{
		{name: "NewCloudreveCompatible", run: func(b *testing.B) {
			refresh(must(issuer.NewCloudreveCompatible(secret, issuer.NewMemoryStore(), withState())))(b)
		}},
		{name: "New", run: func(b *testing.B) { refresh(must(issuer.New(secret, issuer.NewMemoryStore(), withState())))(b) }},
		{name: "gin-jwt", run: repeat(func() error {
			_, _, err := mw.RefreshToken(c)
			return err
		})},
	}
}

// connect returns a client of the Redis on loopback, or of the one that AUTHMW_REDIS_URL names, or nil.
func connect() *redis.Client {
	url := os.Getenv("AUTHMW_REDIS_URL")
	if url == "" {
		url = "redis://127.0.0.1:6379/0"
	}
	client := redis.NewClient(must(redis.ParseURL(url)))
	if err := client.Ping(context.Background()).Err(); err != nil {
		log.Printf("bench: no Redis, so its table is left out: %v", err)
		return nil
	}
	return client
}

const goroutines = 32

// refreshingThroughRedis compares Refresh with the client's bare EVALSHA of the same script with the same arguments.
func refreshingThroughRedis(client *redis.Client) []benchmark {
	inParallel := func(one func() func() error) func(*testing.B) {
		return func(b *testing.B) {
			b.SetParallelism(goroutines / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				do := one()
				for pb.Next() {
					if err := do(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	i := must(issuer.New(secret, redisstore.New(client), withState(), issuer.WithTTL(time.Hour, 2*time.Hour)))
	run := time.Now().UnixNano()
	var user atomic.Int64
	login := func() issuer.Pair {
		return must(i.Issue(context.Background(), issuer.Identity{Subject: fmt.Sprintf("bench%d-%d", run, user.Add(1))}))
	}
	return []benchmark{
		{name: "the client's EVALSHA alone", run: inParallel(func() func() error {
			seen := new(recorder)
			recorded := redis.NewClient(client.Options())
			recorded.AddHook(seen)
			defer func() { _ = recorded.Close() }()
			pair := login()
			must(must(issuer.New(secret, redisstore.New(recorded), withState())).Refresh(context.Background(), pair.RefreshToken))
			args := seen.args // evalsha, the script, 2, two keys, the family, its time to live, the generation …
			generation := int64(1)
			return func() error {
				generation++
				return client.EvalSha(context.Background(), args[1].(string), []string{args[3].(string), args[4].(string)},
					append([]any{args[5], args[6], generation}, args[8:]...)...).Err()
			}
		})},
		{name: "New", run: inParallel(func() func() error {
			pair := login()
			return func() (err error) {
				pair, err = i.Refresh(context.Background(), pair.RefreshToken)
				return err
			}
		})},
	}
}

// recorder keeps the last EVALSHA of one goroutine.
type recorder struct{ args []any }

func (r *recorder) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.EqualFold(cmd.Name(), "evalsha") {
			r.args = cmd.Args()
		}
		return next(ctx, cmd)
	}
}
