package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/file"
)

// typist answers each question as soon as it is asked, and keeps what is shown.
type typist struct {
	keyboard io.Writer
	answers  map[string]string
	again    func(shown string) string // answers a question each time
	shown    bytes.Buffer
}

func (t *typist) Write(p []byte) (int, error) {
	t.shown.Write(p)
	for question, answer := range t.answers {
		if strings.HasSuffix(t.shown.String(), question) {
			delete(t.answers, question)
			if _, err := io.WriteString(t.keyboard, answer); err != nil {
				return 0, err
			}
		}
	}
	if t.again != nil {
		if _, err := io.WriteString(t.keyboard, t.again(t.shown.String())); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// TestLoginAtTerminal types a login, of which only the address is shown.
func TestLoginAtTerminal(t *testing.T) {
	_, server := liveSite(t)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, row := range []struct {
		name     string
		password string
		want     int
	}{
		{"a login", "Passw0rd!\r", 0},
		{"a mistake, corrected", "Passw0rx\x7fd!\r", 0},
		{"Ctrl-C", "sw0r\x03", exitSignal + int(unix.SIGINT)},
		{"Ctrl-D", "\x04", exitNoAnswer},
	} {
		t.Run(row.name, func(t *testing.T) {
			master, slave := pty(t)
			user := &typist{keyboard: master, answers: map[string]string{
				"E-mail address: ": "bob@example.com\r", "Password: ": row.password, "One-time password: ": "123456\r",
			}}
			before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			var out bytes.Buffer
			c := &cli{in: slave, out: &out, err: user, keyring: testKeyring(t.TempDir()), now: time.Now}
			require.Equal(t, row.want, c.run(t.Context(), []string{"login", server.URL}))
			after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.Equal(t, before, after, "the terminal is as it was")

			require.NoError(t, slave.Close())
			echoed, _ := io.ReadAll(master) // which ends with an error when the other side is closed
			for _, secret := range []string{"sw0r", "123456"} {
				require.NotContains(t, user.shown.String()+out.String()+string(echoed), secret)
			}
			require.Contains(t, user.shown.String(), "bob@example.com")
			if row.want == 0 {
				require.Contains(t, out.String(), "as ogUy; the tokens are in the keyring")
			}
		})
	}
}

// program returns a path with the program's name for this test's binary. TestMain runs what the name says.
func program(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "authmw")
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, path))
	return path
}

// TestSignalsAtAPrompt ends the program while it asks for a password. The terminal is as it was, and the program dies by the
// signal, so that a script that it is part of ends too.
func TestSignalsAtAPrompt(t *testing.T) {
	_, server := liveSite(t)
	for _, row := range []struct {
		name string
		end  func(keyboard io.Writer, p *os.Process) error
		want syscall.Signal
	}{
		{"Ctrl-C", func(keyboard io.Writer, _ *os.Process) error {
			_, err := keyboard.Write([]byte{ctrlC})
			return err
		}, syscall.SIGINT},
		{"SIGINT", func(_ io.Writer, p *os.Process) error { return p.Signal(syscall.SIGINT) }, syscall.SIGINT},
		{"SIGTERM", func(_ io.Writer, p *os.Process) error { return p.Signal(syscall.SIGTERM) }, syscall.SIGTERM},
		{"SIGHUP", func(_ io.Writer, p *os.Process) error { return p.Signal(syscall.SIGHUP) }, syscall.SIGHUP},
	} {
		t.Run(row.name, func(t *testing.T) {
			master, slave := pty(t)
			before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			command := exec.Command(program(t), "login", "--email", "admin@example.com", server.URL)
			command.Env = append(os.Environ(), keyringVariable+"=broken", "XDG_CONFIG_HOME="+t.TempDir())
			command.Stdin = slave
			shown, err := command.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start())
			t.Cleanup(func() { _ = command.Process.Kill() })
			waitFor(t, shown, "Password: ")
			during, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.NotEqual(t, before, during, "it is raw while the question is asked")
			require.NoError(t, row.end(master, command.Process))
			rest, err := io.ReadAll(shown)
			require.NoError(t, err)
			require.NotContains(t, string(rest), "no answer")
			var ended *exec.ExitError
			require.ErrorAs(t, command.Wait(), &ended)
			status := ended.Sys().(syscall.WaitStatus)
			require.True(t, status.Signaled(), "it exited with status %d", status.ExitStatus())
			require.Equal(t, row.want, status.Signal())
			after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

// waitFor reads until something is shown.
func waitFor(t *testing.T, from io.Reader, text string) {
	var shown []byte
	one := make([]byte, 1)
	for !strings.Contains(string(shown), text) {
		_, err := from.Read(one)
		require.NoError(t, err, string(shown))
		shown = append(shown, one...)
	}
}

// TestWaitsForALock has another program hold the lock of the tokens. The command says what it waits for, and goes on.
func TestWaitsForALock(t *testing.T) {
	_, server := liveSite(t)
	config := t.TempDir()
	folder := filepath.Join(config, "authmw")
	require.NoError(t, os.Mkdir(folder, 0o700))
	lock := filepath.Join(folder, strings.NewReplacer("://", "-", ":", "-").Replace(server.URL)+".json.lock")
	unlock, err := file.Lock(t.Context(), lock)
	require.NoError(t, err)
	command := exec.Command(program(t), "login", "--email", "admin@example.com", server.URL)
	command.Env = append(os.Environ(), keyringVariable+"=broken", "XDG_CONFIG_HOME="+config)
	command.Stdin = strings.NewReader("Passw0rd!\n")
	shown, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	waitFor(t, shown, "authmw: waiting for another program, which holds "+lock+"\n")
	unlock()
	require.NoError(t, command.Wait())
}

// TestOneTimePasswordAgain types a wrong one at first. The address and the password are not asked for again.
func TestOneTimePasswordAgain(t *testing.T) {
	_, server := liveSite(t)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, row := range []struct {
		name  string
		wrong int
		want  int
	}{{"once", 1, 0}, {"twice", 2, 0}, {"three times", 3, exitNo}} {
		t.Run(row.name, func(t *testing.T) {
			master, slave := pty(t)
			tries := 0
			user := &typist{keyboard: master, answers: map[string]string{"E-mail address: ": "bob@example.com\r", "Password: ": "Passw0rd!\r"}}
			user.again = func(shown string) string {
				refused := strings.Count(shown, "try again")
				if !strings.HasSuffix(shown, "One-time password: ") || refused < tries { // a prompt may be drawn twice
					return ""
				}
				tries++
				if tries <= row.wrong {
					return "654321\r"
				}
				return "123456\r"
			}
			var out bytes.Buffer
			c := &cli{in: slave, out: &out, err: user, keyring: testKeyring(t.TempDir()), now: time.Now}
			require.Equal(t, row.want, c.run(t.Context(), []string{"login", server.URL}))
			require.Equal(t, min(row.wrong+1, maxOTPs), tries)
			require.Equal(t, 1, strings.Count(user.shown.String(), "E-mail address: "))
		})
	}
}

// TestFullDevice has output that cannot be written.
func TestFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer func() { _ = full.Close() }()
	for _, args := range [][]string{{"--help"}, {"token", "--help"}, {"--version"}, {"help", "token"}, {"completion", "bash"}} {
		var shown bytes.Buffer
		c := &cli{out: full, err: &shown, now: time.Now}
		require.Equal(t, exitNoAnswer, c.run(t.Context(), args), args)
		require.Contains(t, shown.String(), "no space left on device")
	}
}

// TestRequestOnATerminal ends the line of an answer that does not, but only where people look at it.
func TestRequestOnATerminal(t *testing.T) {
	site, server := liveSite(t)
	site.Handle("GET /api/v4/lines", authmw.None, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "lines\n") }))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	keyring := testKeyring(t.TempDir())
	c := &cli{in: strings.NewReader("Passw0rd!\n"), out: io.Discard, err: io.Discard, keyring: keyring, now: time.Now}
	require.Zero(t, c.run(t.Context(), []string{"login", "--email", "admin@example.com", server.URL}))
	for path, want := range map[string]string{"/api/v4/download": "from storage", "/api/v4/lines": "lines\n"} {
		for _, terminal := range []bool{false, true} {
			var out bytes.Buffer
			c := &cli{out: &out, err: io.Discard, keyring: keyring, now: time.Now, terminal: terminal}
			require.Zero(t, c.run(t.Context(), []string{"request", "GET", path}))
			if terminal {
				want = strings.TrimSuffix(want, "\n") + "\n"
			}
			require.Equal(t, want, out.String())
		}
	}
}

// pty returns both sides of a new terminal.
func pty(t *testing.T) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal can be made here: ", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(filepath.Join("/dev/pts", fmt.Sprint(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}
