// Package masterkey finds the secret that a Cloudreve v4 signs its tokens with, the setting secret_key, where the site
// keeps it, and follows it when it changes.
//
//	source, err := masterkey.Open(ctx, masterkey.Database(db))  // *sql.DB: SQLite, MySQL, MariaDB, PostgreSQL
//	defer source.Close()
//	v, err := authmw.NewFromKeySource(source)
//
// Database, Env, File and Cloudreve are the places to read it from; any function that returns a Key is one too. A program
// that needs the key once, such as to sign with it, calls the Reader itself. Whoever has the key can be anyone.
//
// This is not what "cloudreve master-key" is about: that one encrypts files.
package masterkey

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/authmw/authmw"
)

// Variable is the environment variable that overrides the key in Cloudreve's database.
const Variable = "CR_SETTING_secret_key"

const setting = "secret_key"

// Key is a key that was found. Printing, logging or encoding one as JSON does not show the secret. Do not keep one in an
// unexported field of a struct that is printed, though: package fmt does not call methods there.
type Key struct {
	// Secret is the key itself: the bytes as they stand, since Cloudreve does not decode them.
	Secret []byte `json:"-"`

	// From says where it was found, such as "the file /run/secrets/key".
	From string

	// Warning says what is wrong with that place, though the key be good. It is empty if nothing is.
	Warning string
}

// String tells where the key was found.
func (k Key) String() string { return "masterkey.Key(from " + k.From + ")" }

// Format writes what String returns, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue returns what String does.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// A Reader reads the key from where it is kept. On failure the Key is zero; the error says what to do and does not
// contain the secret. Those that this package makes return no key of less than authmw.MinSecretSize bytes. They are safe
// for concurrent use.
type Reader func(ctx context.Context) (Key, error)

// Database reads the key from the table settings of Cloudreve's database. It works with the drivers of SQLite, MySQL,
// MariaDB and PostgreSQL, and only reads.
//
// Open SQLite with mode=ro in its URI: otherwise, the driver takes a wrong path for a database that is to be made, and makes
// it. Also call SetConnMaxLifetime, with a minute or so: a connection goes on to read a file that was replaced, as when a
// backup is restored. With a driver whose type is named after SQLite, Database notices a replacement after its first reading.
// From then on it reads by connections of its own, with mode=ro and no other options, and the Key has a Warning. It does not
// notice a symbolic link that leads to another file since.
func Database(db *sql.DB) Reader {
	file := new(sqliteFile)
	return func(ctx context.Context) (Key, error) {
		if db == nil {
			return Key{}, errNoDatabase
		}
		var value, warning string
		var err error
		replaced := ""
		if isSQLite(db) {
			replaced = file.look(ctx, db)
		}
		if replaced == "" {
			value, err = query(ctx, db, setting)
		} else {
			value, err = querySQLite(ctx, db.Driver(), replaced, setting)
			warning = replaced + " was replaced while this program had it open, and connections may still read the old file: call SetConnMaxLifetime on the database"
		}
		if err != nil {
			return Key{}, err
		}
		key, err := found([]byte(value), "the setting secret_key in the database",
			"have Cloudreve make a new one in its admin panel, and restart it")
		if err == nil {
			key.Warning = warning
		}
		return key, err
	}
}

// Env reads the key from an environment variable, such as Variable.
func Env(name string) Reader {
	return func(context.Context) (Key, error) {
		value, ok := os.LookupEnv(name)
		if !ok {
			return Key{}, fmt.Errorf("masterkey: the environment variable %s is not set: set it to the value of the setting secret_key", name)
		}
		return found([]byte(value), "the environment variable "+name, "set it to the value of the setting secret_key")
	}
}

// File reads the key from a file, less one newline at its end, LF or CRLF. On systems with Unix permissions, the Key has
// a Warning if others than the file's owner may read or write it.
func File(path string) Reader {
	return func(context.Context) (Key, error) {
		content, mode, err := readFile(path)
		if err != nil {
			return Key{}, fmt.Errorf("masterkey: the key's file cannot be read: write the value of the setting secret_key into one: %w", err)
		}
		if line, ok := bytes.CutSuffix(content, []byte("\n")); ok {
			content = bytes.TrimSuffix(line, []byte("\r"))
		}
		key, err := found(content, "the file "+path, "write the value of the setting secret_key into it")
		if err == nil && mode&0o077 != 0 && runtime.GOOS != "windows" {
			key.Warning = fmt.Sprintf("%s has mode %#o, so others than its owner may get at the key: chmod 600 it", path, mode)
		}
		return key, err
	}
}

// maxFileSize is far beyond any key, and keeps a path to the wrong file from filling the memory.
const maxFileSize = 64 << 10

func readFile(path string) (content []byte, mode fs.FileMode, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	content, err = io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err == nil && len(content) > maxFileSize {
		err = fmt.Errorf("%s is larger than %d KiB: it is no key", path, maxFileSize>>10)
	}
	return content, info.Mode().Perm(), err
}

// Cloudreve reads the key from where Cloudreve itself looks for it: the environment variable CR_SETTING_secret_key and, if
// that is not set, the database. A variable that is set but empty is an error and not passed over: Cloudreve would take
// the empty text for its key.
func Cloudreve(db *sql.DB) Reader {
	env, database := Env(Variable), Database(db)
	return func(ctx context.Context) (Key, error) {
		if _, ok := os.LookupEnv(Variable); ok {
			return env(ctx)
		}
		return database(ctx)
	}
}

// found makes a Key of what was found somewhere, if it can be one. The advice is what to do otherwise.
func found(secret []byte, from, advice string) (Key, error) {
	if len(secret) == 0 {
		return Key{}, fmt.Errorf("masterkey: %s is empty: %s", from, advice)
	}
	if len(secret) < authmw.MinSecretSize {
		return Key{}, fmt.Errorf("masterkey: %s has %d bytes, HS256 needs %d or more (RFC 7518 section 3.2), and Cloudreve generates 256: %s",
			from, len(secret), authmw.MinSecretSize, advice)
	}
	return Key{Secret: secret, From: from}, nil
}

// Setting returns a setting from the table settings of Cloudreve's database, such as hash_id_salt, which package uid
// takes. The error wraps sql.ErrNoRows if the site has no such setting, or has deleted it. A name has only the characters
// a-z, A-Z, 0-9 and _, as all of Cloudreve's do.
func Setting(ctx context.Context, db *sql.DB, name string) (string, error) {
	if db == nil {
		return "", errNoDatabase
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return "", fmt.Errorf("masterkey: %q is not the name of a setting", name)
	}
	return query(ctx, db, name)
}

var errNoDatabase = errors.New("masterkey: the database is nil")

func query(ctx context.Context, db *sql.DB, name string) (string, error) {
	// Written like this, it is the same statement for every database: nothing in it needs quoting by dialect, and without
	// an argument it has no placeholder, on whose form they differ.
	row := db.QueryRowContext(ctx, "SELECT value FROM settings WHERE name = '"+name+"' AND deleted_at IS NULL")
	var value sql.NullString
	switch err := row.Scan(&value); {
	case errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("masterkey: there is no setting %s in this database: start Cloudreve on it once, or name the right one: %w", name, err)
	case err != nil:
		return "", fmt.Errorf("masterkey: the setting %s cannot be read: is this Cloudreve's database, and is it up? %w", name, err)
	default:
		return value.String, nil
	}
}
