package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/authmw/authmw/masterkey"
)

// database is Cloudreve's database. It is only read.
type database struct {
	*sql.DB
	placeholder string // for the one argument of a statement
	name        string // for people
}

const (
	connectTimeout = 5 * time.Second
	busyTimeout    = time.Second
)

// open opens the database that conf.ini at path names, as Cloudreve does.
func (c config) open(path string) (*database, error) {
	kind := c.Type
	if kind == "" {
		kind = "sqlite"
	}
	if c.DatabaseURL != "" {
		return openDSN(kind, c.DatabaseURL)
	}
	switch kind {
	case "sqlite", "sqlite3":
		file, err := findDBFile(path, c.DBFile)
		if err != nil {
			return nil, err
		}
		return openSQLite(file)
	case "mysql", "mariadb":
		m := mysql.NewConfig()
		m.User, m.Passwd, m.DBName = c.User, c.Password, c.Name
		m.Net, m.Addr = "tcp", net.JoinHostPort(strings.Trim(c.Host, "[]"), strconv.Itoa(c.Port))
		if c.UnixSocket {
			m.Net, m.Addr = "unix", c.Host
		}
		if err := m.Apply(mysql.Charset(c.Charset, "")); err != nil {
			return nil, err
		}
		return openMySQL(m)
	case "postgres":
		var dsn strings.Builder
		for _, setting := range [][2]string{{"host", c.Host}, {"port", strconv.Itoa(c.Port)}, {"user", c.User},
			{"password", c.Password}, {"dbname", c.Name}, {"sslmode", "disable"}} {
			if setting[1] != "" {
				fmt.Fprintf(&dsn, "%s='%s' ", setting[0], strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(setting[1]))
			}
		}
		return openPostgres(dsn.String())
	default:
		return nil, fmt.Errorf("the database type %q of %s is none that Cloudreve v4 has: sqlite, mysql, mariadb or postgres, in lower case", c.Type, path)
	}
}

// openURL opens the database that the user names: the kind, a colon, and the rest of a URL or what the driver takes.
func openURL(dsn string) (*database, error) {
	kind, rest, ok := strings.Cut(dsn, ":")
	if address, ok := strings.CutPrefix(rest, "//"); ok && !strings.HasPrefix(kind, "sqlite") {
		if err := checkAddress(address); err != nil {
			return nil, err
		}
	}
	switch {
	case !ok:
	case kind == "postgres" || kind == "postgresql":
		if strings.HasPrefix(rest, "//") {
			rest = dsn
		}
		return openDSN("postgres", rest)
	case kind == "mysql" || kind == "mariadb":
		if strings.HasPrefix(rest, "//") {
			native, err := nativeMySQL(dsn)
			if err != nil {
				return nil, err
			}
			rest = native
		}
		return openDSN("mysql", rest)
	case kind == "sqlite" || kind == "sqlite3":
		if path, ok := strings.CutPrefix(rest, "//"); ok {
			rest = path
		}
		return openSQLite(rest)
	}
	return nil, errors.New("the database's URL begins with none of sqlite:, mysql:, mariadb: and postgres://")
}

// checkAddress returns an error for an address in which a password that is not escaped may be taken for a host or a name,
// and shown.
func checkAddress(address string) error {
	path := ""
	if i := strings.IndexAny(address, "/?#"); i >= 0 {
		path, _, _ = strings.Cut(address[i:], "?")
	}
	if strings.Contains(path, "@") {
		return errors.New("the database's URL cannot be understood: in a password, write %2F for /, %23 for #, %3F for ?, %40 for @, %25 for %")
	}
	return nil
}

var errMySQLURL = errors.New("the URL of the database is not mysql://user@host:port/name")

// nativeMySQL turns a URL into what the driver takes.
func nativeMySQL(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Opaque != "" {
		return "", errMySQLURL // the parser's error quotes the password
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Net, c.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	c.DBName = strings.TrimPrefix(u.Path, "/")
	native := c.FormatDSN()
	if u.RawQuery != "" {
		separator := "?"
		if strings.Contains(native, "?") {
			separator = "&"
		}
		native += separator + u.RawQuery
	}
	return native, nil
}

// hasPassword reports whether there may be a password in what openURL takes, in any of its forms.
func hasPassword(dsn string) bool {
	kind, rest, _ := strings.Cut(dsn, ":")
	if strings.HasPrefix(kind, "sqlite") {
		return false
	}
	if u, err := url.Parse(dsn); err == nil {
		for name := range u.Query() {
			if strings.EqualFold(name, "password") {
				return true
			}
		}
	}
	userinfo := rest[:max(0, strings.LastIndexByte(rest, '@'))]
	return strings.Contains(userinfo, ":") || strings.Contains(strings.ToLower(rest), "password")
}

// openDSN opens a database by what its driver takes, as in DatabaseURL of conf.ini.
func openDSN(kind, dsn string) (*database, error) {
	switch kind {
	case "sqlite", "sqlite3":
		path := strings.TrimPrefix(dsn, "file:")
		path, _, _ = strings.Cut(path, "?")
		return openSQLite(path)
	case "mysql", "mariadb":
		m, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, errors.New("the database's URL is not what the driver for MySQL takes, user@tcp(host:port)/name")
		}
		return openMySQL(m)
	case "postgres":
		return openPostgres(dsn)
	default:
		return nil, fmt.Errorf("the database type %q is none that Cloudreve v4 has: sqlite, mysql, mariadb or postgres", kind)
	}
}

// openSQLite opens a file that must exist, to read alone: a wrong path does not become an empty database.
func openSQLite(path string) (*database, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %q: name Cloudreve's cloudreve.db", path)
	case err != nil:
		return nil, fmt.Errorf("the database cannot be opened: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: name the file cloudreve.db in it", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute)}
	if !strings.HasPrefix(uri.Path, "/") { // a drive of Windows
		uri.Path = "/" + uri.Path
	}
	uri.RawQuery = fmt.Sprintf("mode=ro&_pragma=busy_timeout(%d)", busyTimeout.Milliseconds())
	if real, err := filepath.EvalSymlinks(absolute); err == nil && atRest(real) { // whose other files are beside the real one
		uri.RawQuery += "&immutable=1"
	}
	db, err := sql.Open("sqlite", uri.String())
	if err != nil {
		return nil, err
	}
	db.SetConnMaxLifetime(masterkey.DefaultInterval) // or a file that was replaced would be read on
	return &database{db, "?", path}, nil
}

// atRest reports whether an SQLite file is in WAL mode and nobody has it open. To open such a one, if only to read it,
// makes files beside it, which belong to whoever did so and may keep others out.
func atRest(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false // and let the driver say so
	}
	defer func() { _ = file.Close() }()
	var header [20]byte // https://sqlite.org/fileformat.html#file_format_version_numbers
	if _, err := io.ReadFull(file, header[:]); err != nil || header[18] != 2 {
		return false
	}
	_, err = os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

func openMySQL(m *mysql.Config) (*database, error) {
	m.Timeout, m.ReadTimeout, m.WriteTimeout = connectTimeout, connectTimeout, connectTimeout
	m.Logger = new(mysql.NopLogger) // what matters is in the error
	connector, err := mysql.NewConnector(m)
	if err != nil {
		return nil, errors.New("the database's URL is not what the driver for MySQL takes")
	}
	return &database{sql.OpenDB(connector), "?", fmt.Sprintf("%s on %s", m.DBName, m.Addr)}, nil
}

func openPostgres(dsn string) (*database, error) {
	p, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the database's URL is not what PostgreSQL takes, postgres://user@host:port/name")
	}
	p.ConnectTimeout = connectTimeout
	return &database{stdlib.OpenDB(*p), "$1", fmt.Sprintf("%s on %s:%d", p.Database, p.Host, p.Port)}, nil
}

// explain puts what to do about it before what a driver says.
func (d *database) explain(err error) error {
	if d == nil || err == nil {
		return err
	}
	if text, ok := strings.CutSuffix(err.Error(), ": "+sql.ErrNoRows.Error()); ok {
		return errors.New(text)
	}
	what, detail := "", ""
	var my *mysql.MySQLError
	var pg *pgconn.PgError
	var lite *sqlite.Error
	var network *net.OpError
	var dns *net.DNSError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &my):
		what, detail = map[uint16]string{1044: refusedUser, 1045: refusedUser, 1698: refusedUser, 1142: mayNotRead,
			1046: noDatabase, 1049: noDatabase, 1054: noTable, 1146: noTable}[my.Number], my.Message
	case errors.As(err, &pg):
		what, detail = map[string]string{"28000": refusedUser, "28P01": refusedUser, "42501": mayNotRead,
			"3D000": noDatabase, "42703": noTable, "42P01": noTable}[pg.Code], pg.Message
	case errors.As(err, &lite):
		what, detail = map[int]string{sqlite3.SQLITE_BUSY: locked, sqlite3.SQLITE_LOCKED: locked, sqlite3.SQLITE_ERROR: noTable,
			sqlite3.SQLITE_NOTADB: notSQLite, sqlite3.SQLITE_CANTOPEN: notReadable, sqlite3.SQLITE_IOERR: notReadable,
			sqlite3.SQLITE_READONLY: unfinished}[lite.Code()&0xff], lite.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		what, detail = noAnswer, "no answer in time"
	case errors.As(err, &dns):
		what, detail = noServer, dns.Err
	case errors.As(err, &network):
		what, detail = noServer, network.Err.Error()
	case errors.As(err, &connect):
		what, detail = noServer, "what answers is no PostgreSQL"
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn):
		what, detail = noAnswer, "the connection broke"
	}
	if what == "" {
		return err
	}
	return fmt.Errorf(what+" (%s)", d.name, detail)
}

const (
	refusedUser = "the database %s refuses this user or password: compare them with Cloudreve's"
	noDatabase  = "the database %s does not exist: compare its name with Cloudreve's"
	noTable     = "the database %s lacks a table or column that Cloudreve v4 makes: is it Cloudreve's?"
	mayNotRead  = "this user may not read the database %s: GRANT SELECT ON its tables settings and users"
	noAnswer    = "the database %s does not answer: is that its port, and is no table locked?"
	noServer    = "the database %s cannot be reached: is its server running, are host and port right?"
	locked      = "the database %s is locked by another program: try again, or end that"
	notSQLite   = "%s is no SQLite database: name Cloudreve's cloudreve.db"
	unfinished  = "the database %s was left in the middle of a change: start Cloudreve once, or read a copy of all its files"
	notReadable = "the database %s cannot be opened: is it a file that you may read?"
)
