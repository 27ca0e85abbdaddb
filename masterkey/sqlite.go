package masterkey

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// opened knows which file each connection to an SQLite database was opened on. A connection goes on to read a file that was
// replaced, as when a backup is restored, while its name stands for another one.
type opened struct {
	mu    sync.Mutex
	files map[any]fs.FileInfo // by the driver's connection
}

// maxConnections keeps connections that were closed long ago from filling the memory.
const maxConnections = 64

// errReplaced is returned for a connection to a file that was replaced. It has database/sql close the connection.
var errReplaced = fmt.Errorf("the file of the database was replaced: %w", driver.ErrBadConn)

// isSQLite reports whether db has one of the drivers for SQLite, as far as their names tell.
func isSQLite(db *sql.DB) bool {
	return strings.Contains(strings.ToLower(fmt.Sprintf("%T", db.Driver())), "sqlite")
}

// check returns errReplaced, and the file's name, if conn is to a file that was replaced since it was first checked.
func (o *opened) check(ctx context.Context, conn *sql.Conn) (path string, err error) {
	row := conn.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'")
	if row.Scan(&path) != nil || path == "" {
		return "", nil // there is no way to tell
	}
	now, err := os.Stat(path)
	if err != nil {
		return "", nil
	}
	return path, conn.Raw(func(c any) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		before, known := o.files[c]
		switch {
		case known && !os.SameFile(before, now):
			delete(o.files, c)
			return errReplaced
		case !known:
			if o.files == nil || len(o.files) >= maxConnections {
				o.files = map[any]fs.FileInfo{}
			}
			o.files[c] = now
		}
		return nil
	})
}

// connect returns a connection. If the first was to a file that was replaced, it is another one, with a warning.
func (o *opened) connect(ctx context.Context, db *sql.DB) (conn *sql.Conn, warning string, err error) {
	for {
		conn, err := db.Conn(ctx)
		if err != nil || !isSQLite(db) {
			return conn, warning, err
		}
		path, err := o.check(ctx, conn)
		if err == nil {
			return conn, warning, nil
		}
		_ = conn.Close()
		if !errors.Is(err, errReplaced) {
			return nil, "", err
		}
		warning = fmt.Sprintf("%s was replaced while this program had it open, and other connections may still read the old file: call SetConnMaxLifetime on the database", path)
	}
}
