package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
)

func TestBannedUser(t *testing.T) {
	var b banned
	var logged strings.Builder
	handler, err := newHandler([]byte(authmwtest.Secret), &b, slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/me", nil)
	r.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0"}))

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), `"id":"wGH0"`)
	require.Empty(t, logged.String())

	b.users.Store("wGH0", true)
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, logged.String(), "path=/me err.code=token_rejected")
}
