// Package masterkey finds the secret that a Cloudreve v4 signs its tokens with, the setting secret_key, where the site
// keeps it, and follows it when it changes.
//
//	source, err := masterkey.Open(ctx, masterkey.Database(db))  // *sql.DB: SQLite, MySQL, MariaDB, PostgreSQL
//	defer source.Close()
//	v, err := authmw.NewFromKeySource(source)
//
// Database, Env, File and EnvOrDatabase are the places to read it from; any function that returns a Key is one too. A program
// that needs the key once, such as to sign with it, calls the ReadFunc itself. Whoever has the key can be anyone.
//
// This is not what "cloudreve master-key" is about: that one encrypts files.
package masterkey

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// EnvVar is the environment variable that overrides the key in Cloudreve's database.
const EnvVar = "CR_SETTING_secret_key"

const setting = "secret_key"

// A ReadFunc reads the key from where it is kept. On failure the Key is zero; the error says what to do and does not
// contain the secret. Those that this package makes return no key of less than authmw.MinSecretSize bytes. They are safe
// for concurrent use.
type ReadFunc func(ctx context.Context) (Key, error)

// Database reads the key from the table settings of Cloudreve's database. It works with the drivers of SQLite, MySQL,
// MariaDB and PostgreSQL, and only reads.
//
// Open SQLite with mode=ro in its URI: otherwise, the driver takes a wrong path for a database that is to be made, and makes
// it. Also call SetConnMaxLifetime, with a minute or so: a connection goes on to read a file that was replaced, as when a
// backup is restored. With a driver whose type is named after SQLite, Database notices a replacement after its first reading.
// From then on it reads by connections of its own, with mode=ro and no other options, and the Key has a Warning. It does not
// notice a symbolic link that leads to another file since.
func Database(db *sql.DB) ReadFunc {
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

// Env reads the key from an environment variable, such as EnvVar.
func Env(name string) ReadFunc {
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
func File(path string) ReadFunc {
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

// EnvOrDatabase reads the key from where Cloudreve itself looks for it: the environment variable CR_SETTING_secret_key and, if
// that is not set, the database. A variable that is set but empty is an error and not passed over: Cloudreve would take
// the empty text for its key.
func EnvOrDatabase(db *sql.DB) ReadFunc {
	env, database := Env(EnvVar), Database(db)
	return func(ctx context.Context) (Key, error) {
		if _, ok := os.LookupEnv(EnvVar); ok {
			return env(ctx)
		}
		return database(ctx)
	}
}
