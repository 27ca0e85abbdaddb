package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/internal/capture"
)

// nowVariable stops the clock of the program under test, and of nothing else.
const nowVariable = "AUTHMW_TEST_NOW"

// captured is when the site of the capture issued its first tokens.
var captured = time.Unix(1795430989, 0).UTC()

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"status-of": statusOf, "authmw": func() {
		now := time.Now
		if text := os.Getenv(nowVariable); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				panic(err)
			}
			now = func() time.Time { return t }
		}
		os.Exit(start(now, testKeyring(os.Getenv(keyringVariable))))
	}})
}

// statusOf runs a command, the second argument and those after it, and fails with its output as it does, but only if its exit
// status is the first argument.
func statusOf() {
	command := exec.Command(os.Args[2], os.Args[3:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = command.Run()
	if status := fmt.Sprint(command.ProcessState.ExitCode()); status != os.Args[1] {
		fmt.Fprintln(os.Stderr, "the exit status is", status)
		os.Exit(0)
	}
	os.Exit(1)
}

// TestScripts types commands as a user does. Those of testdata/database run under each kind of database.
func TestScripts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloudreve.db")
	fill(t, file, sqliteDialect)
	database, err := os.ReadFile(file)
	require.NoError(t, err)
	testscript.Run(t, params(t, "testdata/script", func(env *testscript.Env) error {
		return os.WriteFile(filepath.Join(env.WorkDir, "data", "cloudreve.db"), database, 0o600)
	}))
}

func TestDatabaseScripts(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			db := kind.create(t)
			testscript.Run(t, params(t, "testdata/database", func(env *testscript.Env) error {
				env.Setenv("DSN", db.url)
				env.Setenv("DATABASE", db.name)
				return os.WriteFile(filepath.Join(env.WorkDir, "data", "conf.ini"), []byte(db.config), 0o600)
			}))
		})
	}
}

// params are those of all scripts: they run at the time of the capture, with the captured key in key.txt, and with two
// sites, one of which has another database and a clock that is a minute behind.
func params(t *testing.T, dir string, setup func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("AUTHMW_UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv(nowVariable, captured.Format(time.RFC3339))
			c := capture.Read(t)
			env.Setenv("KEY", c.SecretKey)
			env.Setenv("SALT", salt)
			env.Setenv("TOKEN", c.Named(t, "login, access"))
			env.Setenv("REFRESH", c.Named(t, "login, refresh"))
			env.Setenv("TERM", "xterm")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command otherwise
			env.Setenv("SITE", standIn(t, siteID, captured).URL)
			env.Setenv("OTHER_SITE", standIn(t, "another", captured.Add(-time.Minute)).URL)
			site, server := liveSite(t)
			env.Values["site"], env.Values["server"] = site, server
			env.Setenv("LIVE_SITE", server.URL)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv(keyringVariable, filepath.Join(env.WorkDir, "keyring"))
			if err := os.MkdirAll(filepath.Join(env.WorkDir, "keyring"), 0o700); err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Join(env.WorkDir, "data"), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "key.txt"), []byte(c.SecretKey+"\n"), 0o600); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "other.txt"), []byte("another key of more than 32 bytes, and random"), 0o600); err != nil {
				return err
			}
			return setup(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// lock FILE holds an SQLite database until the script is over.
			"lock": func(ts *testscript.TestScript, _ bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
				ts.Check(err)
				ts.Defer(func() { _ = db.Close() })
				db.SetMaxOpenConns(1)
				_, err = db.Exec("BEGIN EXCLUSIVE")
				ts.Check(err)
			},
			// refresh-token FILE prints the refresh token in what token --refresh printed.
			"refresh-token": func(ts *testscript.TestScript, _ bool, args []string) {
				var pair struct {
					RefreshToken string `json:"refresh_token"`
				}
				ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &pair))
				_, err := fmt.Fprintln(ts.Stdout(), pair.RefreshToken)
				ts.Check(err)
			},
			// site WHAT ... does something to the live site, or prints how often it was asked for something.
			"site": func(ts *testscript.TestScript, _ bool, args []string) {
				site := ts.Value("site").(*cloudrevetest.Site)
				switch args[0] {
				case "age": // has the tokens in a folder's files be of yesterday
					files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[1]), "http*.json"))
					ts.Check(err)
					for _, file := range files {
						ts.Check(client.NewFileStore(file).Update(context.Background(), func(login *client.StoredLogin) (*client.StoredLogin, error) {
							aged := *login
							aged.Obtained = aged.Obtained.Add(-24 * time.Hour)
							return &aged, nil
						}))
					}
				case "end-logins":
					site.EndLogins(args[1])
				case "gone":
					ts.Value("server").(*httptest.Server).Close()
				case "ban":
					site.SetBanned(args[1], true)
				case "down":
					site.SetOutage(cloudrevetest.BadGateway)
				case "up":
					site.SetOutage(cloudrevetest.NoOutage)
				case "count":
					_, err := fmt.Fprintln(ts.Stdout(), site.Count(args[1]))
					ts.Check(err)
				default:
					ts.Fatalf("site %v?", args)
				}
			},
			// sql STATEMENT changes the script's database.
			"sql": func(ts *testscript.TestScript, _ bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs("data/cloudreve.db"))
				ts.Check(err)
				defer func() { _ = db.Close() }()
				_, err = db.Exec(strings.Join(args, " "))
				ts.Check(err)
			},
		},
	}
}

// standIn is a stand-in for a site with the captured key. Below some paths it does as other servers do.
func standIn(t *testing.T, id string, now time.Time) *httptest.Server {
	site, err := cloudrevetest.New(cloudrevetest.Config{Secret: capture.Read(t).SecretKey, SiteID: id, Now: func() time.Time { return now }})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", site)
	mux.HandleFunc("/yes/", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"code":0,"data":"4.14.0"}`) })
	for _, version := range []string{"4.11.9", "4.12.0", "4.16.0-pro", "v4.16.0", "4.16.1", "4.17.0", "unknown"} {
		mux.HandleFunc("/"+version+"/api/v4/site/ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"code":0,"data":%q}`, version) })
		mux.Handle("/"+version+"/", http.StripPrefix("/"+version, site))
	}
	mux.HandleFunc("/down/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/ahead/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Add(10*time.Minute).Format(http.TimeFormat))
		http.StripPrefix("/ahead", site).ServeHTTP(w, r)
	})
	mux.HandleFunc("/captcha/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"code":40026,"msg":"CAPTCHA error"}`)
	})
	mux.HandleFunc("/failing/", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"code":50001,"msg":"DB error"}`) })
	mux.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example"+strings.TrimPrefix(r.URL.Path, "/moved"), http.StatusFound)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		if id != siteID || strings.HasPrefix(r.URL.Path, "/ahead/") {
			assert.Empty(t, r.Header.Get("Authorization"), "a token for a site that it is not for, or at a time that the site chose")
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// liveSite is a site for one script, with a clock that runs, and a storage host that it redirects to.
func liveSite(t *testing.T) (*cloudrevetest.Site, *httptest.Server) {
	site, err := cloudrevetest.New(cloudrevetest.Config{Users: []cloudrevetest.User{
		{ID: "wGH0", Email: "admin@example.com", Password: "Passw0rd!", Nickname: "admin"},
		{ID: "ogUy", Email: "bob@example.com", Password: "Passw0rd!", Nickname: "bob\x1b[31m", OTP: "123456"},
	}})
	require.NoError(t, err)
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "from storage")
	}))
	t.Cleanup(storage.Close)
	site.Handle("GET /api/v4/download", authmw.Required, http.RedirectHandler(storage.URL, http.StatusFound))
	site.Handle("POST /api/v4/echo", authmw.Required, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Content-Type"), " ")
		_, _ = io.Copy(w, r.Body)
	}))
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	return site, server
}

// TestStatus shows the exit statuses that scripts go by.
func TestStatus(t *testing.T) {
	c := capture.Read(t)
	token := c.Named(t, "login, access")
	for _, row := range []struct {
		name string
		key  string
		args []string
		want int
	}{
		{"yes", c.SecretKey, []string{"verify", "--key-file", "-", token}, 0},
		{"no", strings.Repeat("another", 6), []string{"verify", "--key-file", "-", token}, 1},
		{"no key", "", []string{"verify", token}, 2},
		{"a short key", "short", []string{"verify", "--key-file", "-", token}, 2},
		{"a bad key", strings.Repeat("x", 32), []string{"key", "check", "--key-file", "-"}, 1},
		{"an unknown command", "", []string{"verfy"}, 2},
		{"an unknown flag", "", []string{"verify", "--frobnicate"}, 2},
		{"help", "", []string{"verify", "--help"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			program := &cli{in: strings.NewReader(row.key), out: io.Discard, err: io.Discard, now: func() time.Time { return captured }}
			require.Equal(t, row.want, program.run(t.Context(), row.args))
		})
	}
}
