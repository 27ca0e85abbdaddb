package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
)

// load sends requests over keep-alive connections to a server on loopback, in this process: bare and with Required in
// turn, each for the given time in each of many rounds, so that a disturbance from outside hits one round and not one
// server.
func load(w io.Writer, perRound time.Duration) error {
	token := mint(secret, nil)
	expired := sign(secret, &authmw.Claims{TokenType: authmw.AccessToken, Subject: "wGH0", ExpiresAt: time.Now().Add(-time.Minute)})
	forged := mint([]byte(strings.Repeat("guess", 8)), nil)
	// Seven of ten requests are good, one each without a token, with an expired and with a forged one.
	mixed := []string{token, token, token, "", token, token, expired, token, token, forged}

	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	servers := []*server{
		{name: "bare, valid tokens", handler: bare, tokens: []string{token}},
		{name: "Required, valid tokens", handler: authhttp.Required(newValidator())(bare), tokens: []string{token}},
		{name: "bare, mixed tokens", handler: bare, tokens: mixed},
		{name: "Required, mixed tokens", handler: authhttp.Required(newValidator())(bare), tokens: mixed},
	}
	const rounds, connections = 15, 16
	_, _ = fmt.Fprintf(w, "%d connections, %v for each in %d rounds, GOMAXPROCS %d\nresident memory at start: %s\n",
		connections, perRound, rounds, runtime.GOMAXPROCS(0), resident())
	order := slices.Clone(servers)
	for range rounds {
		for _, s := range order {
			if err := s.run(perRound, connections); err != nil {
				return err
			}
		}
		slices.Reverse(order) // so that a drift of the machine's speed favours nobody
	}
	_, _ = fmt.Fprintf(w, "%-26s %12s %10s %10s  %s\n", "", "requests/s", "p50", "p99", "answers by status")
	for _, s := range servers {
		_, _ = fmt.Fprintf(w, "%-26s %12.0f %10v %10v  %v\n", s.name, median(s.throughput), s.quantile(0.50), s.quantile(0.99), s.statuses)
	}
	for i := 0; i < len(servers); i += 2 {
		bare, required := servers[i], servers[i+1]
		var kept []float64
		for round := range rounds {
			kept = append(kept, 100*required.throughput[round]/bare.throughput[round])
		}
		_, _ = fmt.Fprintf(w, "%s keeps %.1f %% of the bare server's throughput\n", required.name, median(kept))
	}
	_, _ = fmt.Fprintf(w, "resident memory at end: %s\n", resident())
	return nil
}

type server struct {
	name       string
	handler    http.Handler
	tokens     []string
	throughput []float64       // requests a second, of each round
	latencies  [1 << 16]uint32 // how many answers took that many microseconds; the last has all slower ones
	statuses   map[int]int
}

func (s *server) quantile(q float64) time.Duration {
	answers := uint32(0)
	for _, n := range s.latencies {
		answers += n
	}
	sum := uint32(0)
	for microseconds, n := range s.latencies {
		if sum += n; float64(sum) >= q*float64(answers) {
			return time.Duration(microseconds) * time.Microsecond
		}
	}
	return 0
}

// run serves for the given time and adds what it measured.
func (s *server) run(d time.Duration, connections int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			log.Print(err)
		}
	}()
	defer func() { _ = server.Close() }()
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	if s.statuses == nil {
		s.statuses = map[int]int{}
	}

	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		answers atomic.Int64
		failure atomic.Pointer[error]
	)
	ctx, cancel := context.WithTimeout(context.Background(), d+30*time.Second)
	defer cancel()
	start := time.Now()
	for worker := range connections {
		wg.Go(func() {
			var latencies [len(s.latencies)]uint32
			statuses := map[int]int{}
			for i := worker; time.Since(start) < d; i++ {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String(), nil)
				if err != nil {
					failure.Store(&err)
					return
				}
				if token := s.tokens[i%len(s.tokens)]; token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				sent := time.Now()
				response, err := transport.RoundTrip(r)
				if err != nil {
					failure.Store(&err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				latencies[min(time.Since(sent).Microseconds(), int64(len(latencies)-1))]++
				statuses[response.StatusCode]++
				answers.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, n := range latencies {
				s.latencies[i] += n
			}
			for status, n := range statuses {
				s.statuses[status] += n
			}
		})
	}
	wg.Wait()
	s.throughput = append(s.throughput, float64(answers.Load())/time.Since(start).Seconds())
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}

// resident returns the memory of this process that is in use.
func resident() string {
	runtime.GC()
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if size, found := strings.CutPrefix(line, "VmRSS:"); found {
				return strings.TrimSpace(size)
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("%d kB (from the runtime)", m.Sys/1024)
}
