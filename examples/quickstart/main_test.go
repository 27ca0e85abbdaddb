package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestSelftest(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	requests, err := requestsFor(secret, time.Now())
	require.NoError(t, err)
	v, err := authmw.New(secret)
	require.NoError(t, err)
	for name, build := range frameworks {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(build(v))
			defer server.Close()
			var table strings.Builder
			require.Zero(t, send(&table, name, server.URL, requests), table.String())

			requests := append([]request{}, requests...)
			requests[3].want = "401 token_expired"
			table.Reset()
			require.Equal(t, 1, send(&table, name, server.URL, requests), "a difference is found")
			require.Equal(t, 1, strings.Count(table.String(), "DIFFERS"))
		})
	}
}

func TestShow(t *testing.T) {
	requests, err := requestsFor([]byte(strings.Repeat("s", 32)), time.Now())
	require.NoError(t, err)
	var shell strings.Builder
	show(&shell, "http://127.0.0.1:8080", requests)
	require.Contains(t, shell.String(), "# Optional, no token: 200 a share, seen by anyone\ncurl -i http://127.0.0.1:8080/share\n")
	require.Contains(t, shell.String(), "curl -i -H 'Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")
	require.Equal(t, len(requests), strings.Count(shell.String(), "curl "))
}
