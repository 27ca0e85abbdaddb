package introspect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/introspect"
)

func TestWithCacheTTL(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		token := w.token(1)
		for range 5 {
			require.Equal(t, 200, w.status("/required", token))
		}
		require.Equal(t, 5, w.site.Count(me))
	}, introspect.WithCacheTTL(0))
	for _, d := range []time.Duration{-1, introspect.MaxCacheTTL + 1} {
		_, err := introspect.New(siteURL, introspect.WithCacheTTL(d))
		require.Error(t, err)
	}
	_, err := introspect.New("cloud.example.com", introspect.WithTransport(nil), nil)
	for _, want := range []string{"a site is named by the URL", "the transport is nil", "an option is nil"} {
		require.ErrorContains(t, err, want)
	}
}
