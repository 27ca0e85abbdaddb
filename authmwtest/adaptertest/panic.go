package adaptertest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/require"
)

// panicSource is a function of the application that a Validator calls, and that panics in this test.
type panicSource struct {
	name  string
	build func(panics func()) (*authmw.Validator, error)
}

// panicSources are all of them. A Validator calls most of them for some requests only.
func panicSources(t *testing.T) []panicSource {
	secret := []byte(authmwtest.Secret)
	keys, err := authmw.NewKeys(secret)
	require.NoError(t, err)
	clock := authmw.WithClock(func() time.Time { return now })
	option := func(option func(panics func()) authmw.Option) func(func()) (*authmw.Validator, error) {
		return func(panics func()) (*authmw.Validator, error) { return authmw.New(secret, clock, option(panics)) }
	}
	return []panicSource{
		{"key source", func(panics func()) (*authmw.Validator, error) {
			return authmw.NewFromKeySource(authmw.KeySourceFunc(func(context.Context) (*authmw.Keys, error) {
				panics()
				return keys, nil
			}), clock)
		}},
		{"key reload", func(panics func()) (*authmw.Validator, error) {
			return authmw.NewFromKeySource(panickingReloader{keys, panics}, clock)
		}},
		{"introspector", func(panics func()) (*authmw.Validator, error) {
			return authmw.NewFromIntrospector(panickingIntrospector(panics), clock)
		}},
		{"clock", option(func(panics func()) authmw.Option {
			return authmw.WithClock(func() time.Time {
				panics()
				return now
			})
		})},
		{"extractor", option(func(panics func()) authmw.Option {
			return authmw.WithExtractors(authmw.ExtractorFunc(func(*http.Request) (string, error) {
				panics()
				return "", nil
			}))
		})},
		{"claims check", option(func(panics func()) authmw.Option {
			return authmw.WithClaimsCheck(func(context.Context, *authmw.Claims) (bool, error) {
				panics()
				return true, nil
			})
		})},
		{"observer", option(func(panics func()) authmw.Option {
			return authmw.WithObserver(func(authmw.Decision) { panics() })
		})},
		{"observer of denials", option(func(panics func()) authmw.Option {
			return authmw.WithObserver(func(e authmw.Decision) {
				if e.Denied {
					panics()
				}
			})
		})},
		{"renderer", option(func(panics func()) authmw.Option {
			return authmw.WithRenderer(func(*http.Request, *authmw.Error) authmw.Response {
				panics()
				return authmw.Response{}
			})
		})},
	}
}

type panickingReloader struct {
	authmw.KeySource
	panics func()
}

func (r panickingReloader) Reload(context.Context, *authmw.Keys) *authmw.Keys {
	r.panics()
	return nil
}

type panickingIntrospector func()

func (panics panickingIntrospector) Introspect(context.Context, string, *authmw.Claims) error {
	panics()
	return nil
}

// testPanics makes every function of the application panic, or end its goroutine. The request must not reach the handler,
// under either kind of recovery middleware.
func testPanics(t *testing.T, build func(Server) http.Handler) {
	tokens := map[string]string{
		"no token": "",
		"forged":   authmwtest.Mint(t, []byte(authmwtest.Secret+"!"), authmw.Claims{Subject: subject, NotBefore: now}),
		"valid":    accessToken(t, nil),
	}
	ends := map[string]panicking{
		"error":           {errPanic, func() { panic(errPanic) }},
		"ErrAbortHandler": {http.ErrAbortHandler, func() { panic(http.ErrAbortHandler) }},
		"Goexit":          {nil, runtime.Goexit},
	}
	aborts := map[string]bool{"recovery that aborts": true, "recovery that does not abort": false}
	for _, source := range panicSources(t) {
		sourcePanicked := false
		for end, how := range ends {
			for recovery, abort := range aborts {
				t.Run(source.name+", "+end+", "+recovery, func(t *testing.T) {
					testPanic(t, build, source, how, abort, tokens, &sourcePanicked)
				})
			}
		}
		require.True(t, sourcePanicked, "%s is called for some request", source.name)
	}

	// Claims are nil on most denials: an observer that forgets this panics for every stranger.
	t.Run("observer that reads nil claims", func(t *testing.T) {
		var recovered error
		v := newValidator(t, authmw.WithObserver(func(e authmw.Decision) { _ = e.Claims.Subject }))
		handler := build(Server{
			Recover: func(value any) bool {
				recovered, _ = value.(error)
				return false
			},
			Routes: []Route{{http.MethodGet, "/", Middleware{v, authmw.Required, nil}, func(http.ResponseWriter, *http.Request, *authmw.Claims, bool) {
				t.Error("the handler runs after a panic")
			}}},
		})
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		require.ErrorAs(t, recovered, new(runtime.Error))
	})
}

// panicking is a way in which a function of the application's ends.
type panicking struct {
	value any // that is recovered; nil for none
	do    func()
}

// testPanic has one function panic, for each kind of token and of route. It sets everPanicked if the function was called.
func testPanic(t *testing.T, build func(Server) http.Handler, source panicSource, how panicking, abort bool, tokens map[string]string, everPanicked *bool) {
	var panicked, served bool
	var recovered any
	v, err := source.build(func() {
		panicked, *everPanicked = true, true
		how.do()
	})
	require.NoError(t, err)
	recoverFrom := func(value any) bool {
		recovered = value
		return abort
	}
	handle := func(http.ResponseWriter, *http.Request, *authmw.Claims, bool) { served = true }
	routes := build(Server{Recover: recoverFrom, Routes: []Route{
		{http.MethodGet, "/required", Middleware{v, authmw.Required, nil}, handle},
		{http.MethodGet, "/optional", Middleware{v, authmw.Optional, nil}, handle},
	}})
	router := build(Server{Recover: recoverFrom, Router: &Middleware{v, authmw.Optional, nil}, Routes: []Route{
		{http.MethodGet, "/none", Middleware{nil, authmw.None, nil}, handle},
	}})

	for kind, token := range tokens {
		for path, handler := range map[string]http.Handler{"/required": routes, "/optional": routes, "/none": router} {
			panicked, served, recovered = false, false, nil
			r := httptest.NewRequest(http.MethodGet, path, nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			require.Nil(t, serveAlone(handler, r), "%s, %s: build ignores Server.Recover", kind, path)
			if panicked {
				require.False(t, served, "%s, %s: the handler runs after a panic", kind, path)
				require.Equal(t, how.value, recovered, "%s, %s: the panic is passed on unchanged", kind, path)
				continue
			}
			admitted := kind == "valid" || kind == "no token" && path != "/required"
			require.Equal(t, admitted, served, "%s, %s", kind, path)
		}
	}
}

var errPanic = errors.New("a panic of the application's")
