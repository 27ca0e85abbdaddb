// Package adaptertest checks adapters of package authmw for web frameworks.
//
// An adapter's own test builds servers with it:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.TestAdapter(t, func(s adaptertest.Server) http.Handler { … })
//	}
package adaptertest

import (
	"net/http"
	"testing"
)

// TestAdapter checks that an adapter for a web framework does what authmw's own do: for each mode and kind of
// credentials the same status, headers and JSON, the handler run exactly once or not at all, with the right claims both
// from the adapter and from authmw.FromContext, and none of them left over for the next request.
//
// build is called several times. The handlers it returns serve on loopback only, and only during the test.
func TestAdapter(t *testing.T, build func(Server) http.Handler) {
	t.Run("credentials", func(t *testing.T) { testCredentials(t, build) })
	t.Run("requests", func(t *testing.T) { testRequests(t, build) })
	t.Run("context", func(t *testing.T) { testContext(t, build) })
	t.Run("time", func(t *testing.T) { testTime(t, build) })
	t.Run("key source down", func(t *testing.T) { testKeySourceDown(t, build) })
	t.Run("lenient optional", func(t *testing.T) { testLenient(t, build) })
	t.Run("renderers", func(t *testing.T) { testRenderers(t, build) })
	t.Run("preflight", func(t *testing.T) { testPreflight(t, build) })
	t.Run("nested", func(t *testing.T) { testNested(t, build) })
	t.Run("strict scopes", func(t *testing.T) { testStrictScopes(t, build) })
	t.Run("value", func(t *testing.T) { testValue(t, build) })
	t.Run("panics", func(t *testing.T) { testPanics(t, build) })
	t.Run("request", func(t *testing.T) { testRequestComesBack(t, build) })
	t.Run("concurrency", func(t *testing.T) { testConcurrency(t, build) })
}
