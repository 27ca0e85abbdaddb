package authmw_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

// Tokens are made by hand here: no library would make most of them.

// issued is when the capture's first tokens were issued, and now in these tests.
const issued = 1795430989

func clock() time.Time { return time.Unix(issued, 0) }

const (
	testSecret  = "viHqGBnQZxedlpUuZEhUxX8jmbrEAlslDCC00zHngSxxOENb4v13Kn9wk9yY9WtX"
	otherSecret = "somebody else's secret, which is just as long as it needs to be"

	usualHeader  = `{"alg":"HS256","typ":"JWT"}`
	usualPayload = `{"token_type":"access","sub":"wGH0","exp":1795434589,"nbf":1795430989}`
)

func encode(segment string) string { return base64.RawURLEncoding.EncodeToString([]byte(segment)) }

func signWith(newHash func() hash.Hash, secret, header, payload string) string {
	return signSegments(newHash, secret, encode(header)+"."+encode(payload))
}

func signSegments(newHash func() hash.Hash, secret, input string) string {
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

func sign(header, payload string) string {
	return signWith(sha256.New, testSecret, header, payload)
}

// payload returns the usual one with the first old replaced by new.
func payload(t *testing.T, old, new string) string {
	t.Helper()
	require.Contains(t, usualPayload, old)
	return strings.Replace(usualPayload, old, new, 1)
}

func newValidator(t testing.TB, options ...authmw.Option) *authmw.Validator {
	t.Helper()
	v, err := authmw.New([]byte(testSecret), append([]authmw.Option{authmw.WithClock(clock)}, options...)...)
	require.NoError(t, err)
	return v
}

func newRequest(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

func nested(depth int) string {
	return fmt.Sprintf(`{"token_type":"access","sub":"wGH0","exp":1795434589,"x":%s}`,
		strings.Repeat("[", depth-1)+strings.Repeat("]", depth-1))
}

func signWithOther(payload string) string {
	return signWith(sha256.New, otherSecret, usualHeader, payload)
}

// parameters returns a header with n parameters.
func parameters(n int) string {
	var b strings.Builder
	b.WriteString(`{"alg":"HS256"`)
	for i := range n - 1 {
		fmt.Fprintf(&b, `,"p%d":%d`, i, i)
	}
	return b.String() + "}"
}
