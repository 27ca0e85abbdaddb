package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFolderOfAnother has a folder for logins that belongs to somebody else: nothing is written there, wherever the tokens are.
func TestFolderOfAnother(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("only root can give a folder to another user: run it as root")
	}
	_, server := liveSite(t)
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	folder := filepath.Join(config, "authmw")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.Chown(folder, 1, 1))
	for _, store := range []string{inFile, inKeyring} {
		var shown bytes.Buffer
		c := &cli{in: strings.NewReader("Passw0rd!\n"), out: io.Discard, err: &shown, keyring: testKeyring(t.TempDir()), now: time.Now}
		require.Equal(t, exitNoAnswer, c.run(t.Context(), []string{"login", "--store", store, "--email", "admin@example.com", server.URL}))
		require.Contains(t, shown.String(), "belongs to")
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
	all := &logins{cli: &cli{}, folder: folder}
	require.ErrorContains(t, all.put(t.Context(), loginRecord{Site: server.URL}), "belongs to")
}
