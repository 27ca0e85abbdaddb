package masterkey_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/masterkey"
)

const (
	keyA = "key A, which has more than the 32 bytes that HS256 needs"
	keyB = "key B, which has more than the 32 bytes that HS256 needs"
	keyC = "key C, which has more than the 32 bytes that HS256 needs"
)

// table is a database of one row and one column, or none if value is no string, nil or error. Real databases are in the
// tests of cmd/authmw, where their drivers are.
type table struct {
	value any
	query string
}

func (t *table) Connect(context.Context) (driver.Conn, error) { return t, nil }
func (t *table) Driver() driver.Driver                        { return nil }
func (t *table) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (t *table) Close() error                                 { return nil }
func (t *table) Prepare(query string) (driver.Stmt, error) {
	t.query = query
	err, _ := t.value.(error)
	return stmt{t}, err
}

type stmt struct{ *table }

func (s stmt) NumInput() int                              { return 0 }
func (s stmt) Exec([]driver.Value) (driver.Result, error) { return nil, errors.ErrUnsupported }
func (s stmt) Query([]driver.Value) (driver.Rows, error)  { return &rows{value: s.value}, nil }

type rows struct {
	value any
	done  bool
}

func (r *rows) Columns() []string { return []string{"value"} }
func (r *rows) Close() error      { return nil }
func (r *rows) Next(dest []driver.Value) error {
	if r.done || r.value == none {
		return io.EOF
	}
	r.done, dest[0] = true, r.value
	return nil
}

var none = struct{}{}

func open(t *testing.T, value any) *sql.DB {
	db := sql.OpenDB(&table{value: value})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestDatabase(t *testing.T) {
	gone := errors.New("the database is gone")
	for _, row := range []struct {
		name    string
		value   any
		want    string
		errorIs error
	}{
		{"text", keyA, "", nil},
		{"bytes, as MySQL's driver returns", []byte(keyA), "", nil},
		{"no row", none, "no setting secret_key in this database: start Cloudreve on it once", sql.ErrNoRows},
		{"NULL", nil, "the setting secret_key in the database is empty: have Cloudreve make a new one", nil},
		{"empty", "", "the setting secret_key in the database is empty", nil},
		{"short", keyA[:31], "has 31 bytes, HS256 needs 32 or more", nil},
		{"an error", gone, "the setting secret_key cannot be read", gone},
	} {
		t.Run(row.name, func(t *testing.T) {
			key, err := masterkey.Database(open(t, row.value))(t.Context())
			if row.want == "" {
				require.NoError(t, err)
				require.Equal(t, keyA, string(key.Secret))
				require.Equal(t, "the setting secret_key in the database", key.From)
				return
			}
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), keyA[:31])
			require.Zero(t, key)
			if row.errorIs != nil {
				require.ErrorIs(t, err, row.errorIs)
			}
		})
	}
	_, err := masterkey.Database(nil)(t.Context())
	require.ErrorContains(t, err, "the database is nil")
}

func TestEnv(t *testing.T) {
	const name = "AUTHMW_TEST_KEY"
	t.Setenv(name, keyA+"\n")
	key, err := masterkey.Env(name)(t.Context())
	require.NoError(t, err)
	require.Equal(t, keyA+"\n", string(key.Secret), "as it is, as Cloudreve does")
	require.Equal(t, "the environment variable "+name, key.From)

	t.Setenv(name, "")
	_, err = masterkey.Env(name)(t.Context())
	require.ErrorContains(t, err, name+" is empty: set it to")
	t.Setenv(name, "short")
	_, err = masterkey.Env(name)(t.Context())
	require.ErrorContains(t, err, name+" has 5 bytes")
	require.NoError(t, os.Unsetenv(name))
	_, err = masterkey.Env(name)(t.Context())
	require.ErrorContains(t, err, name+" is not set: set it to")
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, row := range []struct{ name, content, want, err string }{
		{"bare", keyA, keyA, ""},
		{"a newline", keyA + "\n", keyA, ""},
		{"CRLF", keyA + "\r\n", keyA, ""},
		{"two newlines", keyA + "\n\n", keyA + "\n", ""},
		{"CR alone", keyA + "\r", keyA + "\r", ""},
		{"blanks", " " + keyA + " ", " " + keyA + " ", ""},
		{"empty", "", "", "is empty: write the value"},
		{"a newline alone", "\n", "", "is empty: write the value"},
		{"short", "short\n", "", "has 5 bytes"},
		{"huge", strings.Repeat("x", 64<<10+1), "", "larger than 64 KiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(row.content), 0o600))
			key, err := masterkey.File(path)(t.Context())
			if row.err != "" {
				require.ErrorContains(t, err, row.err)
				require.ErrorContains(t, err, path)
				require.Zero(t, key)
				return
			}
			require.NoError(t, err)
			require.Equal(t, masterkey.Key{Secret: []byte(row.want), From: "the file " + path}, key)
		})
	}
	_, err := masterkey.File(path + "s")(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = masterkey.File(filepath.Dir(path))(t.Context())
	require.ErrorContains(t, err, filepath.Dir(path))
}

func TestFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(keyA), 0o600))
	for mode, warned := range map[fs.FileMode]bool{
		0o600: false, 0o400: false, 0o700: false, 0o604: true, 0o640: true, 0o620: true, 0o644: true,
	} {
		require.NoError(t, os.Chmod(path, mode))
		key, err := masterkey.File(path)(t.Context())
		require.NoError(t, err)
		if warned {
			require.Equal(t, fmt.Sprintf("%s has mode %#o, so others than its owner may get at the key: chmod 600 it", path, mode), key.Warning)
		} else {
			require.Empty(t, key.Warning, mode)
		}
	}
}

func TestEnvOrDatabase(t *testing.T) {
	read := masterkey.EnvOrDatabase(open(t, keyA))
	require.NoError(t, os.Unsetenv(masterkey.EnvVar))
	key, err := read(t.Context())
	require.NoError(t, err)
	require.Equal(t, keyA, string(key.Secret))

	t.Setenv("CR_SETTING_secret_key", keyB)
	key, err = read(t.Context())
	require.NoError(t, err)
	require.Equal(t, keyB, string(key.Secret))
	require.Equal(t, "the environment variable CR_SETTING_secret_key", key.From)

	t.Setenv("CR_SETTING_secret_key", "")
	_, err = read(t.Context())
	require.ErrorContains(t, err, "CR_SETTING_secret_key is empty", "Cloudreve would use the empty key, not the database's")
}
