package masterkey

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// opened tells connections to an SQLite database whose file was replaced, as when a backup is restored. Such a connection
// goes on to read the old file, while the name stands for another one.
type opened struct {
	mu    sync.Mutex
	file  fs.FileInfo  // which the name stood for at the last reading
	fresh map[any]bool // the driver's connections that were opened on that file
	old   int          // how many others there may be
}

// maxConnections keeps connections that were closed long ago from filling the memory.
const maxConnections = 64

// isSQLite reports whether db has one of the drivers for SQLite, as far as their names tell.
func isSQLite(db *sql.DB) bool {
	return strings.Contains(strings.ToLower(fmt.Sprintf("%T", db.Driver())), "sqlite")
}

// connect returns a connection for a reading. It has database/sql close those to a file that was replaced, and returns a
// warning then.
func (o *opened) connect(ctx context.Context, db *sql.DB) (conn *sql.Conn, warning string, err error) {
	for {
		conn, err := db.Conn(ctx)
		if err != nil || !isSQLite(db) {
			return conn, warning, err
		}
		var path string
		row := conn.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'")
		if row.Scan(&path) != nil || path == "" {
			return conn, warning, nil // the reading will tell, or it is no file
		}
		if o.isFresh(conn, path, db.Stats().OpenConnections) {
			return conn, warning, nil
		}
		discard(conn)
		warning = fmt.Sprintf("%s was replaced while this program had it open, and other connections may still read the old file: call SetConnMaxLifetime on the database", path)
	}
}

// isFresh reports whether conn is to the file that path stands for, as far as can be told. open is how many connections
// there are.
func (o *opened) isFresh(conn *sql.Conn, path string, open int) bool {
	now, err := os.Stat(path)
	if err != nil {
		return true // there is nothing to compare with
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil && !os.SameFile(o.file, now) {
		o.fresh, o.old = nil, open
	}
	o.file = now
	fresh := true
	_ = conn.Raw(func(c any) error {
		switch {
		case o.fresh[c]:
		case o.old > 0:
			o.old--
			fresh = false
		default:
			if o.fresh == nil || len(o.fresh) >= maxConnections {
				o.fresh = map[any]bool{}
			}
			o.fresh[c] = true
		}
		return nil
	})
	return fresh
}

// discard has database/sql close a connection, rather than use it again.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}
