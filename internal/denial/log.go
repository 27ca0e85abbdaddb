package denial

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// logInterval is the shortest time between two lines of a Log.
const logInterval = time.Minute

// Log says in slog's default logger that a server denies requests for a fault of its own, at most once a minute. An
// application without an observer would not learn of it otherwise. The zero Log is ready for use.
type Log struct {
	mu       sync.Mutex
	loggedAt time.Time
}

// Write logs a message and the error. It logs nothing if ctx, which is the request's, was cancelled: a key source or a
// store fails with the context of a client that has closed its connection, which is not the server's fault.
func (l *Log) Write(ctx context.Context, message string, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	l.mu.Lock()
	now := time.Now()
	due := now.Sub(l.loggedAt) >= logInterval
	if due {
		l.loggedAt = now
	}
	l.mu.Unlock()
	if due {
		slog.ErrorContext(ctx, message, "err", err)
	}
}
