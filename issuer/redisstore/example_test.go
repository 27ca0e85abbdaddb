package redisstore_test

import (
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/redisstore"
)

var secret = []byte("a secret of at least thirty-two bytes")

func ExampleNew() {
	client := redis.NewClient(&redis.Options{
		Addr:                  "127.0.0.1:6379",
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second,
		ReadTimeout:           time.Second,
		MaxRetries:            1,
	})
	i, err := issuer.New(secret, redisstore.New(client))
	if err != nil {
		log.Fatal(err)
	}
	_ = i
}

// With Sentinel, the client asks which server is the master.
func ExampleNew_sentinel() {
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:            "logins",
		SentinelAddrs:         []string{"127.0.0.1:26379", "127.0.0.1:26380", "127.0.0.1:26381"},
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second,
		ReadTimeout:           time.Second,
		MaxRetries:            1,
	})
	i, err := issuer.New(secret, redisstore.New(client))
	if err != nil {
		log.Fatal(err)
	}
	_ = i
}

// With a cluster, a client should look for a new master more often than once in a minute, which is go-redis's default.
func ExampleNew_cluster() {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                      []string{"127.0.0.1:7000", "127.0.0.1:7001", "127.0.0.1:7002"},
		ContextTimeoutEnabled:      true,
		DialTimeout:                time.Second,
		ReadTimeout:                time.Second,
		ClusterStateReloadInterval: 2 * time.Second,
	})
	i, err := issuer.New(secret, redisstore.New(client))
	if err != nil {
		log.Fatal(err)
	}
	_ = i
}

// Who logs out of Cloudreve cannot refresh here any more, and the other way round.
func ExampleNewCloudreveRevocations() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"}) // the one in Cloudreve's conf.ini
	i, err := issuer.NewCloudreveCompatible(secret, redisstore.NewCloudreveRevocations(client))
	if err != nil {
		log.Fatal(err)
	}
	_ = i
}
