package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
)

func TestSecretChanges(t *testing.T) {
	secrets := []string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)}
	path := filepath.Join(t.TempDir(), "master-key")
	source := &secretFile{path: path}
	now := time.Now()
	put := func(secret string) error {
		require.NoError(t, os.WriteFile(path, []byte(secret+"\n"), 0o600))
		return source.read(now)
	}
	require.NoError(t, put(secrets[0]))
	e, err := newServer(source)
	require.NoError(t, err)
	status := func(secret string) int {
		r := httptest.NewRequest(http.MethodGet, "/me", nil)
		r.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(secret), authmw.Claims{Subject: "wGH0"}))
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Code
	}

	require.Equal(t, http.StatusOK, status(secrets[0]))
	require.Equal(t, http.StatusUnauthorized, status(secrets[1]))
	require.NoError(t, put(secrets[1]))
	require.NoError(t, source.read(now), "nothing has changed since")
	require.Equal(t, http.StatusOK, status(secrets[0]), "the previous secret's tokens are still good")
	require.Equal(t, http.StatusOK, status(secrets[1]))
	require.NoError(t, put(secrets[2]))
	require.Equal(t, http.StatusUnauthorized, status(secrets[0]))
	require.Equal(t, http.StatusOK, status(secrets[1]))
	now = now.Add(tokenTTL + time.Minute)
	require.NoError(t, source.read(now))
	require.Equal(t, http.StatusUnauthorized, status(secrets[1]), "not for longer than tokens live")
	require.Equal(t, http.StatusOK, status(secrets[2]))

	require.Error(t, put("short"))
	require.Equal(t, http.StatusOK, status(secrets[2]), "the last good secret stays")
}
