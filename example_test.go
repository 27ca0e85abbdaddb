package authmw_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
)

// The examples have a fixed clock and tokens that are signed on the spot; see package authmwtest for tests of your own.
var (
	exampleSecret = []byte("an example's secret of 32 bytes or more")
	exampleClock  = authmw.WithClock(func() time.Time { return time.Unix(1795430989, 0) })
)

func exampleToken(secret []byte, change func(*authmw.Claims)) string {
	claims := &authmw.Claims{
		TokenType: authmw.AccessToken, Subject: "wGH0",
		NotBefore: time.Unix(1795430989, 0), ExpiresAt: time.Unix(1795434589, 0),
	}
	if change != nil {
		change(claims)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		panic(err)
	}
	return token
}

// Check is all that an adapter is made of. Without one, call it yourself.
func ExampleValidator_Check() {
	v, err := authmw.New(exampleSecret, exampleClock)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		claims, err := v.Check(r, authmw.Required, "Files.Read")
		if err != nil {
			v.Deny(w, r, err)
			return
		}
		_, _ = fmt.Fprintln(w, "files of", claims.Subject)
	}

	r := httptest.NewRequest(http.MethodGet, "/files", nil)
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Code, " ", w.Header().Get("WWW-Authenticate"), "\n", w.Body)

	r.Header.Set("Authorization", "Bearer "+exampleToken(exampleSecret, nil))
	w = httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 401 Bearer realm="api"
	// {"title":"Unauthorized","status":401,"detail":"This resource requires an access token.","code":"missing_token"}
	// 200 files of wGH0
}

// Verify is for tokens that come by other ways than HTTP, such as gRPC metadata or a message queue.
func ExampleValidator_Verify() {
	v, err := authmw.New(exampleSecret, exampleClock)
	if err != nil {
		fmt.Println(err)
		return
	}
	expired := exampleToken(exampleSecret, func(c *authmw.Claims) { c.ExpiresAt = time.Unix(1795430954, 0) })
	_, err = v.Verify(context.Background(), expired)
	fmt.Println(err)
	// Output: authmw: token_expired: expired 35s ago
}

// A KeySource lets the secret change while the server runs.
func ExampleNewFromKeySource() {
	var current atomic.Pointer[authmw.Keys]
	rotate := func(secret []byte, previous ...[]byte) error {
		keys, err := authmw.NewKeys(secret, previous...)
		if err == nil {
			current.Store(keys)
		}
		return err
	}
	v, err := authmw.NewFromKeySource(authmw.KeySourceFunc(func(context.Context) (*authmw.Keys, error) {
		return current.Load(), nil
	}), exampleClock)
	if err != nil {
		fmt.Println(err)
		return
	}
	token := exampleToken(exampleSecret, nil)
	verify := func() {
		_, err := v.Verify(context.Background(), token)
		fmt.Println(err)
	}

	verify()
	fmt.Println(rotate(exampleSecret))
	verify()
	newSecret := []byte("the secret that comes after the example's")
	fmt.Println(rotate(newSecret, exampleSecret))
	verify()
	fmt.Println(rotate(newSecret))
	verify()
	// Output:
	// authmw: unavailable: the key source returned no keys
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// authmw: invalid_signature: made with no current key
}

// A check refuses tokens that are good in themselves. False says no; an error, that it cannot be told.
func ExampleWithClaimsCheck() {
	banned := func(_ context.Context, subject string) (bool, error) { return subject == "ogUy", nil }
	v, err := authmw.New(exampleSecret, exampleClock,
		authmw.WithClaimsCheck(func(ctx context.Context, claims *authmw.Claims) (ok bool, err error) {
			is, err := banned(ctx, claims.Subject)
			return !is, err
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(context.Background(), exampleToken(exampleSecret, func(c *authmw.Claims) { c.Subject = "ogUy" }))
	fmt.Println(err)
	// Output: authmw: token_rejected
}

// Behind a proxy, RemoteAddr is the proxy's. A middleware outside of authmw's takes the client's address from the header that
// this proxy sets, and from no other sender.
func ExampleWithClientAddress() {
	proxy := netip.MustParsePrefix("10.0.0.0/24")
	behindProxy := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			remote, err := netip.ParseAddrPort(r.RemoteAddr)
			client, errClient := netip.ParseAddr(r.Header.Get("X-Real-IP"))
			if err == nil && errClient == nil && proxy.Contains(remote.Addr()) {
				r = r.WithContext(authmw.WithClientAddress(r.Context(), client))
			}
			next.ServeHTTP(w, r)
		})
	}
	show := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(authmw.ClientAddress(r.Context()))
	})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Real-IP", "203.0.113.7")
	for _, r.RemoteAddr = range []string{"10.0.0.2:4711", "198.51.100.1:4711"} {
		behindProxy(show).ServeHTTP(nil, r)
	}
	// Output:
	// 203.0.113.7 true
	// invalid IP false
}

// The check looks the user up once, and leaves it for the handler.
func ExampleSetValue() {
	type user struct{ name string }
	users := map[string]*user{"wGH0": {"Alice"}}
	v, err := authmw.New(exampleSecret, exampleClock,
		authmw.WithClaimsCheck(func(_ context.Context, claims *authmw.Claims) (ok bool, err error) {
			u, ok := users[claims.Subject]
			if ok {
				authmw.SetValue(claims, u)
			}
			return ok, nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := authmw.Value[*user](r.Context())
		_, _ = fmt.Fprintln(w, "hello,", u.name)
	})

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+exampleToken(exampleSecret, nil))
	w := httptest.NewRecorder()
	authhttp.Required(v)(greet).ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output: hello, Alice
}

// A server that issues its own tokens uses scopes as roles.
func ExampleWithStrictScopes() {
	v, err := authmw.New(exampleSecret, exampleClock, authmw.WithStrictScopes())
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodDelete, "/users/7", nil)
	for _, roles := range [][]string{nil, {"editor"}, {"editor", "admin"}} {
		r.Header.Set("Authorization", "Bearer "+exampleToken(exampleSecret, func(c *authmw.Claims) { c.Scopes = roles }))
		_, err := v.Check(r, authmw.Required, "admin")
		fmt.Println(roles, err)
	}
	// Output:
	// [] authmw: insufficient_scope: the token lacks admin
	// [editor] authmw: insufficient_scope: the token lacks admin
	// [editor admin] <nil>
}

// The log gets what the client does not: the detail of each denial. Neither gets the token.
func ExampleWithObserver() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	v, err := authmw.New(exampleSecret, exampleClock, authmw.WithObserver(func(e authmw.Decision) {
		switch {
		case e.Denied:
			logger.Warn("denied", "path", e.Request.URL.Path, "err", e.Err)
		case e.Claims != nil:
			logger.Info("admitted", "path", e.Request.URL.Path, "who", e.Claims)
		}
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/files", nil)
	for _, token := range []string{
		exampleToken(exampleSecret, nil),
		exampleToken(exampleSecret, func(c *authmw.Claims) { c.NotBefore = time.Unix(1795430992, 0) }),
	} {
		r.Header.Set("Authorization", "Bearer "+token)
		_, _ = v.Check(r, authmw.Required)
	}
	// Output:
	// level=INFO msg=admitted path=/files who.sub=wGH0 who.exp=2026-11-23T11:49:49.000Z
	// level=WARN msg=denied path=/files err.code=token_not_yet_valid err.detail="valid in 3s"
}

// A Renderer of your own can fall back on those that are there.
func ExampleWithRenderer() {
	v, err := authmw.New(exampleSecret, authmw.WithRenderer(func(r *http.Request, err *authmw.Error) authmw.Response {
		if r.Header.Get("Accept") == "text/html" && err.Status() == http.StatusUnauthorized {
			return authmw.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {"/login"}}}
		}
		return authmw.ProblemJSON(r, err)
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/files", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	v.Deny(w, r, authmw.ErrMissingToken)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /login
}

// Decode gives access to claims that are not Cloudreve's.
func ExampleClaims_Decode() {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"token_type": "access", "sub": "wGH0", "exp": 1795434589, "tenant": "acme",
	}).SignedString(exampleSecret)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := authmw.New(exampleSecret, exampleClock)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := v.Verify(context.Background(), token)
	if err != nil {
		fmt.Println(err)
		return
	}
	var own struct {
		Tenant string `json:"tenant"`
	}
	fmt.Println(claims.Decode(&own), own.Tenant)
	// Output: <nil> acme
}

// NewContext makes a handler's test independent of tokens.
func ExampleNewContext() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		claims, ok := authmw.FromContext(r.Context())
		if !ok {
			_, _ = fmt.Fprintln(w, "hello, stranger")
			return
		}
		_, _ = fmt.Fprintln(w, "hello,", claims.Subject)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	handler(w, r.WithContext(authmw.NewContext(r.Context(), &authmw.Claims{Subject: "wGH0"})))
	fmt.Print(w.Body)
	// Output: hello, wGH0
}
