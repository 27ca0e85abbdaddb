package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// typist answers each question as soon as it is asked, and keeps what is shown.
type typist struct {
	keyboard io.Writer
	answers  map[string]string
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
		{"Ctrl-C", "sw0r\x03", exitNoAnswer},
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
