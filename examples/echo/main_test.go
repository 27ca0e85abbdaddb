package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
)

func TestOwnErrors(t *testing.T) {
	e, err := newServer([]byte(authmwtest.Secret))
	require.NoError(t, err)
	for _, row := range []struct {
		name   string
		claims authmw.Claims
		status int
		body   string
	}{
		{"user", authmw.Claims{Subject: "wGH0"}, http.StatusOK, `{"owner":"wGH0"}`},
		{"client without the scope", authmw.Claims{Subject: "wGH0", ClientID: "desktop"}, http.StatusForbidden, `{"ok":false,"reason":"insufficient_scope"}`},
		{"refresh token", authmw.Claims{Subject: "wGH0", TokenType: "refresh"}, http.StatusUnauthorized, `{"ok":false,"reason":"wrong_token_type"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/api/files", nil)
			r.Header.Set("Authorization", "Bearer "+authmwtest.Mint(t, []byte(authmwtest.Secret), row.claims))
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Equal(t, row.status, w.Code)
			require.JSONEq(t, row.body, w.Body.String())
			require.Equal(t, row.status != http.StatusOK, w.Header().Get("WWW-Authenticate") != "")
		})
	}
}
