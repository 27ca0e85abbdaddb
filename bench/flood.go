package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/introspect"
)

// floodScene is a site, and what is sent to a plugin that asks it.
type floodScene struct {
	name      string
	latency   time.Duration // of the site
	limit     int           // requests a second, beyond which it answers with status 429; 0 for none
	failEvery int           // one of so many fails; 0 for none
	forged    int           // tokens a second, from one address
	users     int           // who send a request every five seconds
}

var floodScenes = []floodScene{
	{name: "a flood, and a site that takes 50 ms", latency: 50 * time.Millisecond, forged: 1500, users: 100},
	{name: "a flood, and a site that takes 200 ms", latency: 200 * time.Millisecond, forged: 1500, users: 100},
	{name: "10,000 users, and a site that takes 5 ms", latency: 5 * time.Millisecond, users: 10_000},
	{name: "a flood, and a site that answers 50 requests a second", latency: 20 * time.Millisecond, limit: 50, forged: 1500, users: 20},
	{name: "a site that fails every second request", latency: 20 * time.Millisecond, failEvery: 2, users: 100},
}

func (sc floodScene) serve(w http.ResponseWriter, r *http.Request, count *floodCount) {
	asked, second := count.next()
	time.Sleep(sc.latency)
	switch {
	case sc.limit > 0 && second > sc.limit:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case sc.failEvery > 0 && asked%sc.failEvery == 0:
		w.WriteHeader(http.StatusBadGateway)
	case strings.HasPrefix(r.Header.Get("Authorization"), "Bearer good"):
		_, _ = io.WriteString(w, `{"code":0,"data":{"id":"user"}}`)
	default:
		_, _ = io.WriteString(w, `{"code":401,"msg":"Login required"}`)
	}
}

// floodCount counts requests, in all and in this second.
type floodCount struct {
	mu            sync.Mutex
	asked, second int
	began         time.Time
}

func (c *floodCount) next() (asked, second int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.began) > time.Second {
		c.began, c.second = time.Now(), 0
	}
	c.asked++
	c.second++
	return c.asked, c.second
}

// run plays the scene over real connections to a site on loopback, and writes what the users of the plugin saw. It is long
// because it is one scene, in the order in which it happens.
func (sc floodScene) run(w io.Writer, duration time.Duration) error {
	count := new(floodCount)
	cloudreve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sc.serve(w, r, count) }))
	defer cloudreve.Close()
	site, err := introspect.New(cloudreve.URL)
	if err != nil {
		return err
	}
	f := &flooded{site: site}
	for first := new(outcomes); len(first.took) == 0 || first.failed > 0; { // until all of them are known
		first = new(outcomes)
		for i := range sc.users {
			f.ask(first, fmt.Sprint("good known ", i), floodAddress(i))
		}
		f.wait.Wait()
	}
	known, newcomers, forged := new(outcomes), new(outcomes), new(outcomes)

	before, end := use(), time.Now().Add(duration)
	every := func(interval time.Duration, times int, do func(i int)) {
		f.wait.Go(func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for i := 0; time.Now().Before(end); i++ {
				for n := range times {
					do(i*times + n)
				}
				<-ticker.C
			}
		})
	}
	const tick = 10 * time.Millisecond
	every(tick, sc.forged/100, func(i int) { f.ask(forged, fmt.Sprint("forged ", i), floodAddress(1<<23)) })
	const round = 50 * time.Millisecond // of a hundred in five seconds
	every(round, max(sc.users/100, 1), func(i int) { f.ask(known, fmt.Sprint("good known ", i%sc.users), floodAddress(i%sc.users)) })
	every(100*time.Millisecond, 1, func(i int) { f.ask(newcomers, fmt.Sprint("good new ", i), floodAddress(1<<20+i)) })
	time.Sleep(duration / 2)
	during := use()
	f.wait.Wait()
	cloudreve.CloseClientConnections()

	_, err = fmt.Fprintf(w, `%s, for %v
  users that are known  %v
  new users             %v
  forged tokens         %v
  questions to the site %d
  before                %v
  during                %v
  after                 %v
`, sc.name, duration, known, newcomers, forged, count.asked, before, during, use())
	return err
}

// flooded is a plugin that is flooded.
type flooded struct {
	site *introspect.Introspector
	wait sync.WaitGroup
}

// outcomes are what some senders saw.
type outcomes struct {
	mu     sync.Mutex
	failed int
	took   []time.Duration
}

func (f *flooded) ask(o *outcomes, token string, address netip.Addr) {
	f.wait.Go(func() {
		began := time.Now()
		claims := &authmw.Claims{Subject: "user", ExpiresAt: began.Add(time.Hour)}
		err := f.site.Introspect(authmw.WithClientAddress(context.Background(), address), token, claims)
		o.mu.Lock()
		defer o.mu.Unlock()
		if err != nil {
			o.failed++
		}
		o.took = append(o.took, time.Since(began))
	})
}

func (o *outcomes) String() string {
	if len(o.took) == 0 {
		return "none"
	}
	slices.Sort(o.took)
	at := func(p float64) time.Duration {
		return o.took[min(int(p*float64(len(o.took))), len(o.took)-1)].Round(time.Millisecond / 10)
	}
	return fmt.Sprintf("%d requests, %.2f %% failed, p50 %v, p99 %v", len(o.took), 100*float64(o.failed)/float64(len(o.took)), at(.5), at(.99))
}

func floodAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// usage is what the process uses.
type usage struct {
	goroutines int
	heap       uint64
}

func use() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %.1f MiB of heap", u.goroutines, float64(u.heap)/(1<<20))
}
