package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/masterkey"
)

func TestSelftest(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.txt")
	require.NoError(t, run(0, key, true))
	found, err := masterkey.File(key)(t.Context())
	require.NoError(t, err)
	require.Empty(t, found.Warning)
	require.Error(t, run(0, key, true), "another file is not written over")
}

// TestShow checks that the requests that are printed are answered.
func TestShow(t *testing.T) {
	site, err := cloudrevetest.New(cloudrevetest.Config{Users: users})
	require.NoError(t, err)
	server := httptest.NewServer(site)
	defer server.Close()
	var printed bytes.Buffer
	require.NoError(t, show(&printed, site, server.URL, ""))
	for _, u := range users {
		require.Contains(t, printed.String(), u.Email)
	}
	tokens := regexp.MustCompile(`TOKEN=(\S+)`).FindAllStringSubmatch(printed.String(), -1)
	require.Len(t, tokens, 2)
	for n, line := range regexp.MustCompile(`TOKEN" (http\S+)`).FindAllStringSubmatch(printed.String(), -1) {
		require.NoError(t, ask(t.Context(), line[1], tokens[n][1]))
	}
	require.NoError(t, test(&printed, site, server.URL))
	require.NotContains(t, printed.String(), "FAILS")
	require.Equal(t, 4, strings.Count(printed.String(), " ok\n"))
}

func TestKeyFileOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.txt")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	require.ErrorIs(t, writeKey(path, "key"), os.ErrExist)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
}
