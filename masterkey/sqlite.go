package masterkey

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// sqliteFile notices that the file of an SQLite database was replaced, as when a backup is restored. The connections of a pool
// go on to read the old file, while the name stands for another one.
type sqliteFile struct {
	mu       sync.Mutex
	path     string
	file     fs.FileInfo // which path stood for at the last reading
	replaced bool        // at any time: there may be old connections in the pool for as long as the program runs
}

// isSQLite reports whether db has one of the drivers for SQLite, as far as their names tell.
func isSQLite(db *sql.DB) bool {
	return strings.Contains(strings.ToLower(fmt.Sprintf("%T", db.Driver())), "sqlite")
}

// look returns the path of db's file if that was replaced since the first look, and "" otherwise.
func (s *sqliteFile) look(ctx context.Context, db *sql.DB) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		row := db.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'")
		if row.Scan(&s.path) != nil || s.path == "" {
			return "" // it is not in a file, or there is no way to tell
		}
	}
	if now, err := os.Stat(s.path); err == nil {
		s.replaced = s.replaced || s.file != nil && !os.SameFile(s.file, now)
		s.file = now
	}
	if !s.replaced {
		return ""
	}
	return s.path
}

// querySQLite returns a setting from the file that path stands for now, by a connection of its own.
func querySQLite(ctx context.Context, d driver.Driver, path, name string) (string, error) {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive of Windows
		path = "/" + path
	}
	uri := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}
	db := sql.OpenDB(connector{d, uri.String()})
	defer func() { _ = db.Close() }()
	return query(ctx, db, name)
}

// connector is the driver.Connector of a driver and a data source name.
type connector struct {
	driver driver.Driver
	name   string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
func (c connector) Driver() driver.Driver                        { return c.driver }
