package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
)

// TestMain is also the other processes of the tests below.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && strings.HasPrefix(os.Args[1], "child-") {
		if err := child(os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// report is what a child that shares a store has to say.
type report struct {
	Calls  int
	Failed []string
}

func child(task, site, path string) error {
	var store client.Store = client.NewFileStore(path)
	if task == "child-dies" {
		store = dying{store}
	}
	c, err := client.New(site, store)
	if err != nil {
		return err
	}
	switch task {
	case "child-stores":
		err := store.Update(context.Background(), func(*client.StoredLogin) (*client.StoredLogin, error) {
			return &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: "a"}, nil
		})
		if err == nil {
			_, err = store.Load(context.Background())
		}
		if err == nil {
			err = errors.New("stored")
		}
		fmt.Println(err)
		return nil
	case "child-dies":
		_, err := c.Refresh(context.Background())
		return fmt.Errorf("alive: %w", err)
	case "child-refreshes":
		for {
			if _, err := c.Refresh(context.Background()); err != nil {
				return err
			}
			fmt.Println("refreshed")
		}
	case "child-calls":
		// Until standard input is closed.
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		return json.NewEncoder(os.Stdout).Encode(calls(ctx, c, site))
	}
	return errors.New("what?")
}

// calls has four goroutines ask the site who they are, until ctx is done.
func calls(ctx context.Context, c *client.Client, site string) (r report) {
	httpClient := &http.Client{Transport: &client.Transport{Client: c}}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			ticker := time.NewTicker(5 * time.Millisecond)
			defer ticker.Stop()
			for ctx.Err() == nil {
				<-ticker.C
				failed := ""
				answer, err := httpClient.Get(site + "/api/v4/user/me")
				if err != nil {
					failed = err.Error()
				} else {
					content, err := io.ReadAll(answer.Body)
					_ = answer.Body.Close()
					if err != nil || !strings.HasPrefix(string(content), `{"code":0,`) {
						failed = fmt.Sprint(string(content), err)
					}
				}
				mu.Lock()
				r.Calls++
				if failed != "" {
					r.Failed = append(r.Failed, failed)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	httpClient.CloseIdleConnections()
	return r
}

// dying is a store whose process is killed between the site's answer and the file.
type dying struct{ client.Store }

func (d dying) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	return d.Store.Update(ctx, func(current *client.StoredLogin) (*client.StoredLogin, error) {
		_, err := change(current)
		if err != nil {
			return nil, err
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return nil, err
		}
		_ = self.Kill() // SIGKILL
		select {}
	})
}

func start(t *testing.T, task, site, path string) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(program, task, site, path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, in, bufio.NewReader(out)
}

// loggedIn is a site on loopback, and a file with a login at it.
func loggedIn(t *testing.T, access time.Duration) (site *cloudrevetest.Site, url, path string) {
	site, err := cloudrevetest.New(cloudrevetest.Config{})
	require.NoError(t, err)
	require.NoError(t, site.SetTTL(access, time.Hour))
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	path = filepath.Join(t.TempDir(), "authmw", "login.json")
	c, err := client.New(server.URL, client.NewFileStore(path))
	require.NoError(t, err)
	require.NoError(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
	return site, server.URL, path
}

func TestKilledBetweenRefreshAndStore(t *testing.T) {
	site, url, path := loggedIn(t, time.Hour)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	cmd, _, _ := start(t, "child-dies", url, path)
	require.Error(t, cmd.Wait())
	require.False(t, cmd.ProcessState.Exited(), "it was killed")
	require.Equal(t, 1, site.Count(refresh), "after the site had answered")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	c, err := client.New(url, client.NewFileStore(path))
	require.NoError(t, err)
	_, err = c.Refresh(t.Context())
	require.NoError(t, err, "neither the lock nor the login is lost")
}

// TestKilledAtAnyTime has two processes share a file, and kills one of them, again and again: 200 times if AUTHMW_SOAK is set,
// or else 25 times.
func TestKilledAtAnyTime(t *testing.T) {
	kills := 25
	if os.Getenv("AUTHMW_SOAK") != "" {
		kills = 200
	}
	_, url, path := loggedIn(t, time.Hour)
	type process struct {
		cmd *exec.Cmd
		out *bufio.Reader
	}
	var processes [2]process
	for n := range processes {
		processes[n].cmd, _, processes[n].out = start(t, "child-refreshes", url, path)
	}
	for n := range kills {
		p := &processes[n%2]
		for range rand.N(5) + 1 {
			line, err := p.out.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "refreshed\n", line)
		}
		<-time.After(rand.N(3 * time.Millisecond)) // anywhere in what it does over and over again
		require.NoError(t, p.cmd.Process.Kill())
		_ = p.cmd.Wait()
		login, err := client.NewFileStore(path).Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, "wGH0", login.Subject())
		p.cmd, _, p.out = start(t, "child-refreshes", url, path)
	}
	t.Logf("%d kills: no file was corrupt, and no login lost", kills)
	for _, p := range processes {
		require.NoError(t, p.cmd.Process.Kill())
		_ = p.cmd.Wait()
	}
	c, err := client.New(url, client.NewFileStore(path))
	require.NoError(t, err)
	_, err = c.Refresh(t.Context())
	require.NoError(t, err)
}

// TestTwoProcesses takes as long as AUTHMW_SOAK says, such as 60s, or else three seconds.
func TestTwoProcesses(t *testing.T) {
	duration := 3 * time.Second
	if text := os.Getenv("AUTHMW_SOAK"); text != "" {
		var err error
		duration, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	site, url, path := loggedIn(t, 2*time.Second)
	type process struct {
		cmd *exec.Cmd
		in  io.WriteCloser
		out *bufio.Reader
	}
	var processes [2]process
	for i := range processes {
		processes[i].cmd, processes[i].in, processes[i].out = start(t, "child-calls", url, path)
	}
	store := client.NewFileStore(path)
	logins := map[string]bool{}
	reads := 0
	for end := time.After(duration); ; reads++ {
		login, err := store.Load(t.Context())
		require.NoError(t, err, "never torn")
		require.NotNil(t, login)
		logins[login.AccessToken] = true
		select {
		case <-end:
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	for _, p := range processes {
		require.NoError(t, p.in.Close())
		var r report
		require.NoError(t, json.NewDecoder(p.out).Decode(&r))
		require.NoError(t, p.cmd.Wait())
		require.Empty(t, r.Failed)
		require.Greater(t, r.Calls, 100)
		t.Logf("%d calls, none failed", r.Calls)
	}
	t.Logf("%d refreshes in %v, %d different tokens in %d readings of the file", site.Count(refresh), duration, len(logins), reads)
	require.GreaterOrEqual(t, site.Count(refresh), int(duration/(2*time.Second)))
	require.LessOrEqual(t, site.Count(refresh), int(duration/(200*time.Millisecond))+2)
}

func TestFileStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "login.json")
	store := client.NewFileStore(path)
	login, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Nil(t, login)

	want := &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: "a", RefreshToken: "r", Obtained: time.Now().Round(0).UTC()}
	put(t, store, want)
	login, err = store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, login)
	if runtime.GOOS != "windows" {
		for name, mode := range map[string]os.FileMode{path: 0o600, path + ".lock": 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode().Perm(), name)
		}
	}

	failure := errors.New("no")
	require.ErrorIs(t, store.Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return nil, failure }), failure)
	login, err = store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, login)

	require.NoError(t, os.WriteFile(path+".new", []byte(`{"site":"https://cl`), 0o600)) // what a crash leaves behind
	want.RefreshToken = "next"
	put(t, store, want)
	require.NoFileExists(t, path+".new")
	login, err = store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, login)

	put(t, store, nil)
	require.NoFileExists(t, path)
	put(t, store, nil)
}

func TestFileStoreRefuses(t *testing.T) {
	const content = `{"site":"https://cloud.example.com:443","access_token":"SECRET","refresh_token":"SECRET"}`
	for _, row := range []struct {
		name    string
		prepare func(path string) error
		want    string
	}{
		{"a file that the group can read", func(path string) error { return os.Chmod(path, 0o640) }, "others can read"},
		{"a file that everyone can read", func(path string) error { return os.Chmod(path, 0o604) }, "others can read"},
		{"a folder that others can write to", func(path string) error { return os.Chmod(filepath.Dir(path), 0o770) }, "others can write"},
		{"half of a login", func(path string) error { return os.WriteFile(path, []byte(content[:60]), 0o600) }, "not a login"},
		{"an empty file", func(path string) error { return os.WriteFile(path, nil, 0o600) }, "not a login"},
		{"something else", func(path string) error { return os.WriteFile(path, []byte(`{"SECRET":1}`), 0o600) }, "not a login"},
		{"something more", func(path string) error { return os.WriteFile(path, []byte(content+"{}"), 0o600) }, "not a login"},
		{"a folder", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "is not a file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(row.want, "others") {
				t.Skip("Windows has no such modes")
			}
			path := filepath.Join(t.TempDir(), "authmw", "login.json")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			require.NoError(t, row.prepare(path))
			err := client.NewFileStore(path).Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) {
				t.Error("called")
				return nil, nil
			})
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "SECRET")
			_, err = os.Lstat(path)
			require.NoError(t, err, "nothing is lost")
		})
	}
}

// TestPlantedFiles has things that someone left where the store writes. None of them is written to, or waited for.
func TestPlantedFiles(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, victim, at string){
		"a link":        func(t *testing.T, victim, at string) { require.NoError(t, os.Symlink(victim, at)) },
		"a second name": func(t *testing.T, victim, at string) { require.NoError(t, os.Link(victim, at)) },
		"a pipe":        func(t *testing.T, _, at string) { mkfifo(t, at) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Chmod(dir, 0o700))
			victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "login.json")
			require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o644))
			plant(t, victim, path+".new")
			plant(t, victim, path+".probe")
			require.NoError(t, client.NewFileStore(path).Ready(t.Context()))
			put(t, client.NewFileStore(path), &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: "a"})
			content, err := os.ReadFile(victim)
			require.NoError(t, err)
			require.Equal(t, "precious", string(content))
			login, err := client.NewFileStore(path).Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, "a", login.AccessToken)

			require.NoError(t, os.Remove(path))
			plant(t, victim, path)
			_, err = client.NewFileStore(path).Load(t.Context())
			require.Error(t, err)
		})
	}
}

// TestFolderOfAnother has folders that belong to this user, to root, and to somebody else, for root and for a user.
func TestFolderOfAnother(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can be several users: run it as root")
	}
	const somebody, other = 1, 2
	// Other users can run a program that is not in a folder of root's alone.
	dir, err := os.MkdirTemp("", "authmw")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program"), program, 0o755))
	for _, row := range []struct {
		name        string
		user, owner int
		link        bool
		want        string
	}{
		{"root, in a folder of root's", 0, 0, false, "stored"},
		{"root, in somebody's folder", 0, somebody, false, "belongs to daemon"},
		{"root, by a link to somebody's folder", 0, somebody, true, "belongs to daemon"},
		{"somebody, in their folder", somebody, somebody, false, "stored"},
		{"somebody, in another's folder", somebody, other, false, "belongs to bin"},
		{"somebody, in a folder of root's", somebody, 0, false, "permission denied"},
		{"somebody, in a folder that cannot be listed", somebody, somebody, false, "permission denied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			folder, err := os.MkdirTemp(dir, "")
			require.NoError(t, err)
			require.NoError(t, os.Chmod(folder, 0o755))
			if strings.HasSuffix(row.name, "listed") {
				require.NoError(t, os.Chmod(folder, 0o300))
			}
			require.NoError(t, os.Chown(folder, row.owner, row.owner))
			if row.link {
				require.NoError(t, os.Symlink(folder, folder+".link"))
				folder += ".link"
			}
			require.NoError(t, os.Symlink("/etc/authmw-must-not-be-there", filepath.Join(folder, "login.json.new")))
			command := exec.Command(filepath.Join(dir, "program"), "child-stores", "https://cloud.example.com", filepath.Join(folder, "login.json"))
			runAs(command, row.user)
			output, err := command.CombinedOutput()
			require.NoError(t, err, string(output))
			require.Contains(t, string(output), row.want)
			if row.want != "stored" {
				require.NoFileExists(t, filepath.Join(folder, "login.json"), "an error changes nothing")
			}
			require.NoFileExists(t, "/etc/authmw-must-not-be-there")
		})
	}
}

// TestNoRoom has a store that cannot keep more than it has. The site is not asked for tokens, but a login can end.
func TestNoRoom(t *testing.T) {
	site, url, path := loggedIn(t, time.Hour)
	store := client.NewFileStore(path)
	c, err := client.New(url, store)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(path+".probe", "in the way"), 0o700))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = c.Refresh(t.Context())
	require.Error(t, err)
	require.Error(t, c.Login(t.Context(), "admin@example.com", "Passw0rd!"))
	require.Zero(t, site.Count(refresh))
	require.Equal(t, 1, site.Count(login), "the first one")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, c.Logout(t.Context()))
	require.Equal(t, 1, site.Count(logout))
	require.NoFileExists(t, path)
}

// TestReadyAtAnyTime asks a store whether it is ready while it changes. What it tries out never takes the place of the login.
func TestReadyAtAnyTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authmw", "login.json")
	store := client.NewFileStore(path)
	put(t, store, &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: "a"})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			_ = store.Ready(context.Background())
		}
	}()
	for n := range 200 {
		put(t, store, &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: fmt.Sprint(n)})
		login, err := store.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(n), login.AccessToken)
	}
	<-done
}

// TestLoginThatIsTooLarge is not stored: it could not be read again.
func TestLoginThatIsTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authmw", "login.json")
	store := client.NewFileStore(path)
	put(t, store, &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: "a"})
	err := store.Update(t.Context(), func(l *client.StoredLogin) (*client.StoredLogin, error) {
		large := *l
		large.RefreshToken = strings.Repeat("x", 64<<10)
		return &large, nil
	})
	require.ErrorContains(t, err, "more than 64 KiB")
	stored, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, stored.RefreshToken)
}

// TestErrorsSayWhereTheyComeFrom has errors of the lock, which are this package's, and of change, which are returned as they
// are.
func TestErrorsSayWhereTheyComeFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file", "login.json")
	require.NoError(t, os.WriteFile(filepath.Dir(path), nil, 0o600)) // in the place of the folder
	err := client.NewFileStore(path).Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return nil, nil })
	require.ErrorContains(t, err, "client: ")
	require.Equal(t, 1, strings.Count(err.Error(), "client: "))

	own := errors.New("an error of change")
	err = client.NewFileStore(filepath.Join(t.TempDir(), "login.json")).Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return nil, own })
	require.Equal(t, own, err)
}
