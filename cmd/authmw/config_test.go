package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// documented has the keys of Cloudreve's documentation, for each kind of database.
const documented = `[System]
; runs as master or slave
Mode = master
Listen = :5212
Debug = false
SessionSecret = something random

[Database]
; mysql, mariadb, postgres or sqlite
Type = mysql
Port = 3307
User = cloudreve
Password = secret
Host = db.internal
Name = cloudreve
TablePrefix = cd_
Charset = utf8mb4
UnixSocket = false

[Redis]
Server = 127.0.0.1:6379
Password =
DB = 0
`

func TestReadConfig(t *testing.T) {
	defaults := config{Port: 3306, Charset: "utf8mb4", DBFile: filepath.Join("data", "cloudreve.db")}
	with := func(change func(*config)) config {
		c := defaults
		change(&c)
		return c
	}
	mysql := config{"mysql", "db.internal", 3307, "cloudreve", "secret", "cloudreve", "utf8mb4", defaults.DBFile, false, "", "cd_"}
	crlf := func(text string) string {
		out := ""
		for _, r := range text {
			if r == '\n' {
				out += "\r"
			}
			out += string(r)
		}
		return out
	}
	for _, row := range []struct {
		name, content string
		environ       []string
		want          config
	}{
		{"documented", documented, nil, mysql},
		{"CRLF", crlf(documented), nil, mysql},
		{"a BOM", "\ufeff" + documented, nil, mysql},
		{"a BOM before the section itself, and CRLF", "\ufeff[Database]\r\nType = postgres\r\n", nil, with(func(c *config) { c.Type = "postgres" })},
		{"empty", "", nil, defaults},
		{"no section Database", "[System]\nMode = master\n", nil, defaults},
		{"an empty section", "[Database]\n", nil, defaults},
		{"backquotes round # and ;", "[Database]\nPassword = `a#b;c`\nUser = `x ; y # z`\n", nil,
			with(func(c *config) { c.Password, c.User = "a#b;c", "x ; y # z" })},
		{"quotation marks round # and ;, which do not help", "[Database]\nPassword = \"a#b;c\"\n", nil, with(func(c *config) { c.Password = "\"a" })},
		{"quotation marks", "[Database]\nPassword = \"a b\"\n", nil, with(func(c *config) { c.Password = "a b" })},
		{"a comment in an unquoted value, as Cloudreve has it", "[Database]\nPassword = a#b\n", nil, with(func(c *config) { c.Password = "a" })},
		{"an equals sign in a value", "[Database]\nDatabaseURL = host=x user=y\n", nil, with(func(c *config) { c.DatabaseURL = "host=x user=y" })},
		{"no spaces", "[Database]\nType=sqlite\nDBFile=x.db\n", nil, with(func(c *config) { c.Type, c.DBFile = "sqlite", "x.db" })},
		{"a port that is no number", "[Database]\nPort = many\n", nil, defaults},
		{"a socket", "[Database]\nUnixSocket = true\nHost = /run/mysqld/mysqld.sock\n", nil,
			with(func(c *config) { c.UnixSocket, c.Host = true, "/run/mysqld/mysqld.sock" })},
		{"keys of no use", "[Database]\nSSLMode = allow\nColour = red\n", nil, defaults},
		{"overrides", documented, []string{"CR_CONF_Database.Host=other", "CR_CONF_Database__Port=1", "CR_CONF_Database.Password=`x#y`",
			"CR_CONF_=x", "CR_CONF_Database=x", "PATH=/", "CR_CONF_System.Debug=true"},
			config{"mysql", "other", 1, "cloudreve", "x#y", "cloudreve", "utf8mb4", defaults.DBFile, false, "", "cd_"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "conf.ini")
			require.NoError(t, os.WriteFile(path, []byte(row.content), 0o600))
			got, err := readConfig(path, row.environ)
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

func TestReadConfigErrors(t *testing.T) {
	for _, row := range []struct {
		name, content string
		environ       []string
		want          string
	}{
		{"no key and value", "[Database]\nType = mysql\nPassword hunter2\n", nil, "is not in the format of Cloudreve's conf.ini: see line 3"},
		{"an open section", "[Database hunter2\nType = mysql\n", nil, "is not in the format of Cloudreve's conf.ini: see line 1"},
		{"an open quote", "[Database]\nPassword = `hunter2\n", nil, "is not in the format of Cloudreve's conf.ini"},
		{"a slave", "[System]\nMode = slave\n", nil, "is of a slave node"},
		{"an override", "", []string{"CR_CONF_Database.Password=`hunter2"}, "the environment variables CR_CONF_… cannot be understood"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "conf.ini")
			require.NoError(t, os.WriteFile(path, []byte(row.content), 0o600))
			_, err := readConfig(path, row.environ)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "hunter2", "a password in an error")
		})
	}
	_, err := readConfig(t.TempDir(), nil)
	require.ErrorContains(t, err, "the configuration cannot be read")
}

// TestFindDBFile has a Cloudreve in /…/cloudreve, and commands typed in /…/work.
func TestFindDBFile(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	program, work := filepath.Join(root, "cloudreve"), filepath.Join(root, "work")
	for _, file := range []string{
		filepath.Join(program, "data", "cloudreve.db"), filepath.Join(program, "data", "data", "nested.db"),
		filepath.Join(program, "beside.db"), filepath.Join(program, "data", "cloudreve.db"),
		filepath.Join(root, "etc", "near.db"), filepath.Join(work, "data", "here.db"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}
	t.Chdir(work)
	for _, row := range []struct{ name, config, dbFile, want string }{
		{"the usual place", "../cloudreve/data/conf.ini", "data/cloudreve.db", "cloudreve/data/cloudreve.db"},
		{"beside the program", "../cloudreve/data/conf.ini", "beside.db", "cloudreve/beside.db"},
		{"conf.ini elsewhere", "../etc/conf.ini", "near.db", "etc/near.db"},
		{"the working directory", "../etc/conf.ini", "data/here.db", "work/data/here.db"},
		{"absolute", "../etc/conf.ini", filepath.Join(root, "x.db"), "x.db"},
		{"nowhere", "../cloudreve/data/conf.ini", "gone.db", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := findDBFile(filepath.FromSlash(row.config), filepath.FromSlash(row.dbFile))
			if row.want == "" {
				require.ErrorContains(t, err, filepath.Join(program, "gone.db")+", nor ")
				require.ErrorContains(t, err, filepath.Join(work, "gone.db")+": it is relative")
				return
			}
			require.NoError(t, err)
			require.Equal(t, filepath.Join(root, filepath.FromSlash(row.want)), got)
		})
	}
}
