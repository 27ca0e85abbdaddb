package main

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

func TestSelftest(t *testing.T) {
	var logged strings.Builder
	handler, err := newService([]byte(authmwtest.Secret), issuer.NewMemoryStore(), slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	var table strings.Builder
	require.Zero(t, checkAll(&table, server.URL), table.String())
	require.Contains(t, logged.String(), "used before")
	require.NotContains(t, logged.String(), "eyJ", "tokens are not logged")
	require.NotContains(t, logged.String(), "battery")

	server.Close()
	table.Reset()
	require.NotZero(t, checkAll(&table, server.URL), "a difference is found")
}

func TestOldLoginsEndWithTheUser(t *testing.T) {
	u, err := newUsers()
	require.NoError(t, err)
	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore(), issuer.WithStateHash(u.state))
	require.NoError(t, err)
	first, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	second, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)

	changed := u[demoEmail]
	changed.password, err = hash("another", changed.salt)
	require.NoError(t, err)
	u[demoEmail] = changed
	_, err = i.Refresh(t.Context(), first.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrStateChanged)
	delete(u, demoEmail)
	_, err = i.Refresh(t.Context(), second.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrInvalidGrant)
}
