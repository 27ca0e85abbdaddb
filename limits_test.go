package authmw_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/hostile"
)

// TestHostileInputAllocatesLittle sends what costs naive parsers memory in proportion, or worse. A denied request may
// cost the buffers for one token of the default size limit, whatever was sent.
func TestHostileInputAllocatesLittle(t *testing.T) {
	const mib = 1 << 20
	const limit = 32 << 10
	places := authmw.WithExtractors(authmw.AuthorizationHeader(), authmw.Header("X-Token"), authmw.WebSocketProtocol("bearer"),
		authmw.InsecureQuery("access_token"), authmw.Cookie("token"))
	authorization := func(values ...string) http.Header { return http.Header{"Authorization": values} }
	webSocket := func(protocols string) http.Header {
		return http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {protocols}}
	}
	garbage := func(header string) http.Header {
		return authorization("Bearer " + encode(header) + "." + encode(usualPayload) + "." + strings.Repeat("A", 43))
	}
	for _, row := range []struct {
		name   string
		header http.Header
		want   error
	}{
		{"1 MiB of dots", authorization("Bearer " + strings.Repeat(".", mib)), authmw.ErrMalformedToken},
		{"1 MiB valid token", authorization("Bearer " + sign(usualHeader, payload(t, `"sub"`, `"x":"`+strings.Repeat("x", mib)+`","sub"`))), authmw.ErrMalformedToken},
		{"9,000 levels", authorization("Bearer " + sign(usualHeader, nested(9000))), authmw.ErrMalformedToken},
		{"2,900 levels, within the size limit", authorization("Bearer " + sign(usualHeader, nested(2900))), authmw.ErrInvalidClaims},
		{"1 MiB of spaces", authorization("Bearer " + strings.Repeat(" ", mib) + "x"), authmw.ErrMalformedToken},
		{"1 MiB of words", authorization("Bearer" + strings.Repeat(" x", mib/2)), authmw.ErrMalformedToken},
		{"1 MiB of scheme", authorization(strings.Repeat("Bearer", mib/6)), authmw.ErrMissingToken},
		{"10,000 headers", authorization(strings.Split(strings.Repeat("Bearer x\n", 10000), "\n")...), authmw.ErrAmbiguousCredentials},
		{"1 MiB in another header", http.Header{"X-Token": {strings.Repeat(".", mib)}}, authmw.ErrMalformedToken},
		{"1 MiB of subprotocols", webSocket(strings.Repeat("bearer,a,", mib/9)), authmw.ErrAmbiguousCredentials},
		{"1 MiB of commas", webSocket(strings.Repeat(",", mib)), authmw.ErrMissingToken},
		{"1 MiB of parameters with escapes", http.Header{"Query": {strings.Repeat("a_rather_long_name_%41_that_is_not_the_one=%41&", mib/46)}}, authmw.ErrMissingToken},
		{"1 MiB of one parameter with an escape", http.Header{"Query": {"access_token=%41" + strings.Repeat("A", mib)}}, authmw.ErrMalformedToken},
		{"1 MiB of parameters of the name", http.Header{"Query": {strings.Repeat("access_token=%41&", mib/17)}}, authmw.ErrAmbiguousCredentials},
		{"1 MiB of cookies", http.Header{"Cookie": {strings.Repeat("a=b;", mib/4)}}, authmw.ErrMissingToken},
		{"long header", garbage(strings.Repeat(`{"a":`, 1000)), authmw.ErrMalformedToken},
		{"deep header", garbage(strings.Repeat(`[`, 700)), authmw.ErrMalformedToken},
		{"header of many members", garbage(parameters(60)), authmw.ErrMalformedToken},
		{"header of one escaped string", garbage(`{"alg":"` + strings.Repeat(`\u0048`, 120) + `"}`), authmw.ErrMalformedToken},
		{"header of many escaped strings", garbage(`{"x":[` + strings.Repeat(`"\n",`, 149) + `"\n"]}`), authmw.ErrMalformedToken},
		{"8 KiB with a wrong signature", authorization("Bearer " + signWithOther(`{"x":"`+strings.Repeat("x", 6000)+`"}`)), authmw.ErrInvalidSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := newValidator(t, places)
			r := newRequest()
			r.Header = row.header
			r.URL.RawQuery = row.header.Get("Query")
			claims, err := v.Check(r, authmw.Required)
			requireOutcome(t, row.want, claims, err)
			require.Less(t, bytesPerRun(func() { _, _ = v.Check(r, authmw.Required) }), uint64(limit))
		})
	}
}

// TestHostilePayloadsAllocateLittle has payloads that are expensive to read. Anyone can have them read by a Validator with
// an introspector, which has no key to refuse them by; with a key, they have to be signed.
func TestHostilePayloadsAllocateLittle(t *testing.T) {
	const limit = 32 << 10
	introspected, err := authmw.NewFromIntrospector(introspectorFunc(func(context.Context, string, *authmw.Claims) error {
		return authmw.ErrInvalidSignature
	}))
	require.NoError(t, err)
	size := (8192 - len(encode(usualHeader)) - 45) / 4 * 3
	for _, payload := range hostile.Payloads(size) {
		t.Run(payload.Name, func(t *testing.T) {
			header := "Bearer " + sign(usualHeader, payload.JSON)
			require.Greater(t, len(header), 8000)
			for name, v := range map[string]*authmw.Validator{"key": newValidator(t), "introspector": introspected} {
				_, err := v.Check(newRequest(header), authmw.Required, "Admin.Write")
				require.NotErrorIs(t, err, authmw.ErrMalformedToken, "it is read: %v", err)
				r := newRequest(header)
				require.LessOrEqual(t, bytesPerRun(func() { _, _ = v.Check(r, authmw.Required, "Admin.Write") }), uint64(limit), name)
			}
		})
	}
}

// bytesPerRun returns how much f allocates, and the least that it did in a few tries: the race detector empties pools
// at random.
func bytesPerRun(f func()) uint64 {
	least := ^uint64(0)
	for range 20 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestAllocations pins what a request costs in allocations, so that it does not grow unseen.
func TestAllocations(t *testing.T) {
	v := newValidator(t)
	token := sign(usualHeader, usualPayload)
	client := sign(usualHeader, payload(t, `1795430989}`, `1795430989,"scopes":["openid","Files.Read","Shares.Write"],"client_id":"c"}`))
	with, without, forged := newRequest("Bearer "+token), newRequest(), newRequest("Bearer "+signWithOther(usualPayload))
	for _, row := range []struct {
		name string
		run  func()
		most float64
	}{
		{"Verify", func() { _, _ = v.Verify(t.Context(), token) }, 2},
		{"Verify, with scopes", func() { _, _ = v.Verify(t.Context(), client) }, 3},
		{"None", func() { _, _ = v.Authenticate(with, authmw.None) }, 0},
		{"Optional without credentials", func() { _, _ = v.Authenticate(without, authmw.Optional) }, 0},
		{"Required without credentials", func() { _, _ = v.Authenticate(without, authmw.Required) }, 1},
		{"Required, and a request to carry the claims", func() { _, _ = v.Authenticate(with, authmw.Required) }, 2},
		{"wrong signature", func() { _, _ = v.Authenticate(forged, authmw.Required) }, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			least := testing.AllocsPerRun(1, row.run)
			for range 20 {
				least = min(least, testing.AllocsPerRun(1, row.run))
			}
			require.LessOrEqual(t, least, row.most)
		})
	}
}
