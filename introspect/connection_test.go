package introspect_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/introspect"
)

// TestDeadConnection has an HTTP/2 connection that swallows what is sent, as after a router has forgotten it. HTTP/2 would
// send every question over it, so that the circuit would never close.
func TestDeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{
			Protocols: new(http.Protocols),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != "HTTP/2.0" {
					t.Errorf("a request over %s", r.Proto)
				}
				_, _ = io.WriteString(w, `{"code":0,"data":{"id":"user1"}}`)
			}),
		}
		server.Protocols.SetUnencryptedHTTP2(true)
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(pipes) })

		var dialled atomic.Int32
		first := &deadConn{}
		transport := &http.Transport{
			Protocols: server.Protocols,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				pipes.conns <- theirs
				if dialled.Add(1) > 1 {
					return ours, nil
				}
				first.Conn = ours
				return first, nil
			},
		}
		defer func() {
			transport.CloseIdleConnections()
			require.NoError(t, server.Close())
			serving.Wait()
		}()
		site, err := introspect.New("http://cloud.example.com", introspect.WithTransport(transport))
		require.NoError(t, err)
		claims := &authmw.Claims{Subject: "user1", ExpiresAt: time.Now().Add(time.Hour)}
		ask := func(i int) error { return site.Introspect(t.Context(), fmt.Sprint(i), claims) }
		require.NoError(t, ask(0))

		first.dead.Store(true)
		var wait sync.WaitGroup
		for i := range 10 {
			wait.Go(func() {
				if ask(10+i) == nil {
					t.Error("a question over a dead connection")
				}
			})
		}
		wait.Wait()
		require.Error(t, ask(1), "the circuit is open")
		time.Sleep(time.Second)
		require.NoError(t, ask(2))
		require.EqualValues(t, 2, dialled.Load())
	})
}

// deadConn swallows what is written to it, once it is dead.
type deadConn struct {
	net.Conn
	dead atomic.Bool
}

func (c *deadConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// pipeListener accepts the ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
