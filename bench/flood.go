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

// flood has a plugin without a master key flooded with forged tokens, over real connections to a site on loopback, and
// writes what its users saw.
func flood(w io.Writer, perSecond int, latency, duration time.Duration) error {
	cloudreve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		body := `{"code":401,"msg":"Login required"}`
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer good") {
			body = `{"code":0,"data":{"id":"user"}}`
		}
		_, _ = io.WriteString(w, body)
	}))
	defer cloudreve.Close()
	site, err := introspect.New(cloudreve.URL)
	if err != nil {
		return err
	}
	const users = 100
	f := &flooded{site: site}
	for i := range users {
		f.ask(f.users(), fmt.Sprint("good known ", i), floodAddress(i))
	}
	f.wait.Wait()
	known, newcomers, forged := f.users(), f.users(), f.users()

	before, end := use(), time.Now().Add(duration)
	every := func(interval time.Duration, do func(i int)) {
		f.wait.Go(func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for i := 0; time.Now().Before(end); i++ {
				do(i)
				<-ticker.C
			}
		})
	}
	every(10*time.Millisecond, func(i int) {
		for n := range perSecond / 100 {
			f.ask(forged, fmt.Sprint("forged ", i, " ", n), floodAddress(1<<23))
		}
	})
	every(5*time.Second/users, func(i int) { f.ask(known, fmt.Sprint("good known ", i%users), floodAddress(i%users)) })
	every(100*time.Millisecond, func(i int) { f.ask(newcomers, fmt.Sprint("good new ", i), floodAddress(1<<20+i)) })
	time.Sleep(duration / 2)
	during := use()
	f.wait.Wait()
	cloudreve.CloseClientConnections()
	after := use()

	_, err = fmt.Fprintf(w, `%d forged tokens a second from one address for %v; the site takes %v
users that are known  %v
new users             %v
forged tokens         %v
before                %v
during                %v
after                 %v
`, perSecond, duration, latency, known, newcomers, forged, before, during, after)
	return err
}

// flooded is a plugin that is flooded.
type flooded struct {
	site *introspect.Site
	wait sync.WaitGroup
}

// outcomes are what some senders saw.
type outcomes struct {
	mu     sync.Mutex
	failed int
	took   []time.Duration
}

func (*flooded) users() *outcomes { return new(outcomes) }

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
