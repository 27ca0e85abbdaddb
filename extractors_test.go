package authmw_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestExtractors(t *testing.T) {
	token := sign(usualHeader, usualPayload)
	all := []authmw.Extractor{
		authmw.AuthorizationHeader(), authmw.Header("x-access-token"), authmw.Cookie("access_token"),
		authmw.InsecureQuery("access_token"), authmw.WebSocketProtocol("bearer"),
	}
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Add(pairs[i], pairs[i+1])
			}
		}
	}
	query := func(query string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = query }
	}
	for _, row := range []struct {
		name   string
		change func(*http.Request)
		want   error
	}{
		{"nothing", header(), authmw.ErrMissingToken},
		{"authorization header", header("Authorization", "Bearer "+token), nil},
		{"own header", header("x-access-token", token), nil},
		{"own header twice", header("X-Access-Token", token, "X-Access-Token", token), authmw.ErrAmbiguousCredentials},
		{"own header, empty", header("X-Access-Token", ""), authmw.ErrMissingToken},
		{"own header with a scheme", header("X-Access-Token", "Bearer "+token), authmw.ErrMalformedToken},
		{"cookie", header("Cookie", "a=b; access_token="+token), nil},
		{"cookie twice", header("Cookie", "access_token="+token+"; access_token="+token), authmw.ErrAmbiguousCredentials},
		{"cookie with white space", header("Cookie", "a=b ; access_token ="+token+" "), nil},
		{"cookie, empty", header("Cookie", "access_token="), authmw.ErrMissingToken},
		{"cookie of another name", header("Cookie", "Access_Token="+token), authmw.ErrMissingToken},
		{"query", query("a=b&access_token=" + token), nil},
		{"query twice", query("access_token=" + token + "&access_token=x"), authmw.ErrAmbiguousCredentials},
		{"query twice, once empty", query("access_token=" + token + "&access_token="), nil},
		{"query, empty", query("access_token="), authmw.ErrMissingToken},
		{"query that does not parse elsewhere", query("%zz;=&access_token=" + token), nil},
		{"query that does not parse", query("access_token=%zz"), authmw.ErrMalformedToken},
		{"query that parses in part", query("access_token=" + token + "%"), authmw.ErrMalformedToken},
		{"query with a semicolon", query("access_token=" + token + ";x"), authmw.ErrMalformedToken},
		{"query with the name escaped", query("access%5Ftoken=" + token), nil},
		{"query with the token escaped", query("access_token=" + strings.ReplaceAll(token, ".", "%2E")), nil},
		{"query of many parameters", query("access_token=" + token + strings.Repeat("&a=b", 20000)), nil},
		{"cookie that does not parse", header("Cookie", `access_token=a"b`), authmw.ErrMalformedToken},
		{"cookie with a high byte", header("Cookie", "access_token=\xff"), authmw.ErrMalformedToken},
		{"cookie in quotation marks", header("Cookie", `a=b;access_token="`+token+`"`), nil},
		{"cookie without a value", header("Cookie", "access_token"), authmw.ErrMissingToken},
		{"cookie in a second header", header("Cookie", "a=b", "Cookie", "access_token="+token), nil},
		{"WebSocket", header("Upgrade", "WebSocket", "Sec-WebSocket-Protocol", "chat, bearer,"+token), nil},
		{"WebSocket in two lines", header("Upgrade", "websocket", "Sec-WebSocket-Protocol", "bearer", "Sec-WebSocket-Protocol", token), nil},
		{"WebSocket among others", header("Upgrade", "h2c, websocket", "Sec-WebSocket-Protocol", "bearer,"+token), nil},
		{"WebSocket with the name in upper case", header("Upgrade", "websocket", "Sec-WebSocket-Protocol", "Bearer,"+token), authmw.ErrMissingToken},
		{"WebSocket with an empty element", header("Upgrade", "websocket", "Sec-WebSocket-Protocol", "bearer,, "+token), nil},
		{"WebSocket without a token", header("Upgrade", "websocket", "Sec-WebSocket-Protocol", "chat, bearer"), authmw.ErrMissingToken},
		{"WebSocket twice", header("Upgrade", "websocket", "Sec-WebSocket-Protocol", "bearer, a, bearer, b"), authmw.ErrAmbiguousCredentials},
		{"WebSocket with the name as token", header("Upgrade", "websocket", "Sec-WebSocket-Protocol", "bearer, bearer, "+token), authmw.ErrMalformedToken},
		{"no WebSocket", header("Sec-WebSocket-Protocol", "bearer, "+token), authmw.ErrMissingToken},
		{"header and cookie", header("Authorization", "Bearer "+token, "Cookie", "access_token="+token), authmw.ErrAmbiguousCredentials},
		{"cookie and own header", header("Cookie", "access_token="+token, "X-Access-Token", token), authmw.ErrAmbiguousCredentials},
		{"Basic and cookie", header("Authorization", "Basic dXNlcjpwYXNz", "Cookie", "access_token="+token), nil},
		{"malformed header and cookie", header("Authorization", "Bearer", "Cookie", "access_token="+token), authmw.ErrMalformedToken},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			row.change(r)
			claims, err := newValidator(t, authmw.WithExtractors(all...)).Check(r, authmw.Required)
			requireOutcome(t, row.want, claims, err)

			// Without configuration, nothing but the Authorization header is a place for a token.
			claims, err = newValidator(t).Check(r, authmw.Optional)
			if r.Header.Get("Authorization") == "" {
				require.NoError(t, err)
				require.Nil(t, claims)
			}
		})
	}
}

func TestOwnExtractor(t *testing.T) {
	down := errors.New("the session store is gone")
	v := newValidator(t, authmw.WithExtractors(authmw.ExtractorFunc(func(*http.Request) (string, error) { return "", down })))
	for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
		claims, err := v.Check(newRequest(), mode)
		requireOutcome(t, authmw.ErrUnavailable, claims, err)
		require.ErrorIs(t, err, down)
	}
}

// FuzzAuthorization sends any value of the header: nothing panics, and there are claims or there is an error.
func FuzzAuthorization(f *testing.F) {
	token := sign(usualHeader, usualPayload)
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer " + token, "bearer  " + token + " ", "Bearer\t" + token, "Bearer Cr x:0",
		"Basic dXNlcjpwYXNz", token, "Bearer a.b.c", "Bearer ..", "Bearer " + token + ", Bearer " + token, "BearerX y",
		" \t ", "Bearer \x00", "Bearer \xff.\xff.\xff", "Beare\u017f x",
	} {
		f.Add(seed)
	}
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, value string) {
		claims, err := v.Check(newRequest(value), authmw.Required)
		require.Equal(t, err == nil, claims != nil)
		if claims != nil {
			// There is one key and this one token under it: whatever is accepted is it, but for what surrounds it.
			scheme, rest, _ := strings.Cut(strings.Trim(value, " \t"), " ")
			require.True(t, strings.EqualFold("Bearer", scheme))
			require.Equal(t, token, strings.TrimLeft(rest, " "))
			return
		}
		claims, errOptional := v.Check(newRequest(value), authmw.Optional)
		require.Nil(t, claims)
		if errors.Is(err, authmw.ErrMissingToken) {
			require.NoError(t, errOptional)
		} else {
			require.Error(t, errOptional)
		}
		found, err := authmw.AuthorizationHeader().Extract(newRequest(value))
		require.True(t, err == nil || found == "")
		require.NotContains(t, found, " ")
		require.Contains(t, value, found, "a token is a part of the value")
	})
}
