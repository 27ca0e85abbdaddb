package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/session"
)

// TestRequests has what is wrong with the form of a request.
func TestRequests(t *testing.T) {
	for _, row := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		message                  string
	}{
		{"no body", "DELETE", "/token", "", nil, 400, "Parameter error"},
		{"no body and no Content-Type", "DELETE", "/token", "", []string{"Content-Type", ""}, 400, "Parameter error"},
		{"not JSON", "POST", "/token", "email=a&password=b", nil, 400, "Parameter error"},
		{"an array", "POST", "/token", "[]", nil, 400, "Parameter error"},
		{"null", "POST", "/token", "null", nil, 400, "Parameter error"},
		{"cut off", "POST", "/token", credentials[:30], nil, 400, "Parameter error"},
		{"cut off at the end", "POST", "/token", credentials[:len(credentials)-1], nil, 400, "Parameter error"},
		{"text after it", "POST", "/token", credentials + "x", nil, 400, "Parameter error"},
		{"two objects", "POST", "/token", credentials + credentials, nil, 400, "Parameter error"},
		{"a form", "POST", "/token", credentials, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "Content-Type must be application/json"},
		{"text, which any page may send", "POST", "/token", credentials, []string{"Content-Type", "text/plain"}, 415, "Content-Type must be application/json"},
		{"no Content-Type", "POST", "/token", credentials, []string{"Content-Type", ""}, 415, "Content-Type must be application/json"},
		{"half a Content-Type", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset"}, 415, "Content-Type must be application/json"},
		{"long one-time password", "POST", "/token/2fa", `{"otp":"` + strings.Repeat("1", 129) + `","session_id":"x"}`, nil, 400, "OTP too long"},
		{"long session ID", "POST", "/token/2fa", `{"otp":"1","session_id":"` + strings.Repeat("x", 129) + `"}`, nil, 400, "SessionID too long"},
		{"another charset", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset=utf-16"}, 415, "Content-Type must be application/json"},
		{"nothing in it", "POST", "/token", "{}", nil, 400, "Email cannot be empty"},
		{"no password", "POST", "/token", `{"email":"a"}`, nil, 400, "Password cannot be empty"},
		{"short password", "POST", "/token", `{"email":"a","password":"äöü"}`, nil, 400, "Password too short"},
		{"long password", "POST", "/token", `{"email":"a","password":"` + strings.Repeat("ä", 129) + `"}`, nil, 400, "Password too long"},
		{"long e-mail address", "POST", "/token", `{"email":"` + strings.Repeat("a", 255) + `","password":"Passw0rd!"}`, nil, 400, "Email too long"},
		{"control character in an e-mail address", "POST", "/token", `{"email":"a@example.com\u000aBcc: b@example.com","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"C1 control character in an e-mail address", "POST", "/token", `{"email":"a\u0085","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"line separator in an e-mail address", "POST", "/token", `{"email":"a\u2028","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"text turned around in an e-mail address", "POST", "/token", `{"email":"a\u202eb","password":"Passw0rd!"}`, nil, 400, "Email must not have control characters"},
		{"control character in a session ID", "POST", "/token/2fa", `{"otp":"1","session_id":"a\r\nDEL b"}`, nil, 400, "SessionID must not have control characters"},
		{"control character in a one-time password", "POST", "/token/2fa", `{"otp":"1\u0000","session_id":"a"}`, nil, 400, "OTP must not have control characters"},
		{"charset of RFC 2231", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset*=utf-16''utf-8"}, 415, "Content-Type must be application/json"},
		{"empty charset", "POST", "/token", credentials, []string{"Content-Type", "application/json; charset="}, 415, "Content-Type must be application/json"},
		{"two types in one header", "POST", "/token", credentials, []string{"Content-Type", "application/json, text/plain"}, 415, "Content-Type must be application/json"},
		{"huge password", "POST", "/token", `{"email":"a","password":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "The body is larger than 16384 bytes"},
		{"unknown field", "POST", "/token", `{"email":"a","password":"Passw0rd!","admin":true}`, nil, 400, `Unknown field "admin"`},
		{"long unknown field", "POST", "/token", `{"` + strings.Repeat("x", 1000) + `":1}`, nil, 400, `Unknown field "` + strings.Repeat("x", 40) + `"`},
		{"another letter case", "POST", "/token", `{"Email":"a"}`, nil, 400, `Unknown field "Email"`},
		{"given twice", "POST", "/token", `{"email":"a","email":"b"}`, nil, 400, "Email is given twice"},
		{"a number", "POST", "/token", `{"email":"a","password":12345678}`, nil, 400, "Password must be a string of Unicode characters"},
		{"an object", "POST", "/token", `{"email":{"a":"b"}}`, nil, 400, "Email must be a string of Unicode characters"},
		{"not UTF-8", "POST", "/token", "{\"email\":\"a\",\"password\":\"abc\xff\"}", nil, 400, "The body is not UTF-8"},
		{"half a surrogate pair", "POST", "/token", `{"email":"a","password":"abc\ud800"}`, nil, 400, "Password must be a string of Unicode characters"},
		{"empty refresh token", "POST", "/token/refresh", `{"refresh_token":""}`, nil, 400, "RefreshToken cannot be empty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newService(t, session.WithPlainStyle())
			w := s.send(row.method, row.path, row.body, row.header...)
			require.Equal(t, row.status, w.Code)
			var problem struct{ Detail, Code string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
			require.Equal(t, row.message, problem.Detail)
			require.Equal(t, "invalid_request", problem.Code)
			require.Len(t, s.events, 1)
			require.ErrorContains(t, s.events[0].Err, row.message)

			w = newService(t).send(row.method, row.path, row.body, row.header...)
			require.Equal(t, 200, w.Code)
			want, err := json.Marshal(map[string]any{"code": 40001, "msg": row.message})
			require.NoError(t, err)
			require.JSONEq(t, string(want), w.Body.String(), "and no correlation ID")
		})
	}
	for _, contentType := range []string{"application/json", "Application/JSON; charset=UTF-8", `application/json;charset="utf-8"`} {
		require.Equal(t, 200, newService(t, session.WithPlainStyle()).send("POST", "/token", credentials, "Content-Type", contentType).Code)
	}
}

// TestTypeIsCheckedFirst sends bodies that nobody may read, since their type is wrong or not certain.
func TestTypeIsCheckedFirst(t *testing.T) {
	for name, contentType := range map[string][]string{
		"none":            nil,
		"a form":          {"application/x-www-form-urlencoded"},
		"the right twice": {"application/json", "application/json"},
		"two types":       {"application/json", "text/plain"},
		"another first":   {"text/plain", "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, session.WithPlainStyle())
			r := httptest.NewRequest("POST", "/token", unreadable{t})
			r.Header["Content-Type"] = contentType
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
		})
	}
}

// unreadable is a body that fails the test when it is read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// TestHugeBodyEndsTheConnection shows that no more is read of one than it takes to see that it is huge.
func TestHugeBodyEndsTheConnection(t *testing.T) {
	server := httptest.NewServer(newService(t, session.WithPlainStyle()))
	defer server.Close()
	response, err := server.Client().Post(server.URL+"/token", "application/json", strings.NewReader(strings.Repeat(" ", 200<<10)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	require.True(t, response.Close)
}

// TestPasswordsAreKept shows that a password may have any character of Unicode, also the one that decoders put in place of
// what they cannot read.
func TestPasswordsAreKept(t *testing.T) {
	const password = "p\u00e4ss\U0001f600\ufffd"
	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	require.NoError(t, err)
	var got string
	h, err := session.New(i, func(_ context.Context, _, password string) (session.User, error) {
		got = password
		return session.User{}, session.ErrInvalidCredentials
	})
	require.NoError(t, err)
	(&service{Handler: h}).send("POST", "/token", `{"email":"a","password":"p\u00e4ss\ud83d\ude00\ufffd"}`)
	require.Equal(t, password, got)
}

// FuzzBody sends any body: it is answered, and never with tokens unless it is the one that has a right to them.
func FuzzBody(f *testing.F) {
	f.Add(credentials)
	f.Add(`{"email":"a","password":"abc\ud800"}`)
	f.Add(`{"email":{"a":[1,{}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := newService(t).send("POST", "/token", body)
		var answer struct{ Code *int }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		var sent struct{ Email, Password string }
		good := json.Unmarshal([]byte(body), &sent) == nil && sent.Password == "Passw0rd!"
		if *answer.Code == 0 {
			require.True(t, good)
		}
	})
}

// TestValuesDoNotKeepTheBody has a login function that keeps e-mail addresses, such as to count tries. That must not keep
// the bodies in memory that they came in, with the passwords.
func TestValuesDoNotKeepTheBody(t *testing.T) {
	const logins, padding = 1000, 15 << 10
	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	require.NoError(t, err)
	tries := map[string]int{}
	h, err := session.New(i, func(_ context.Context, email, _ string) (session.User, error) {
		tries[email]++
		return session.User{}, session.ErrInvalidCredentials
	})
	require.NoError(t, err)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for n := range logins {
		body := fmt.Sprintf(`{"email":"%d@example.com","password":"Passw0rd!"%s}`, n, strings.Repeat(" ", padding))
		(&service{Handler: h}).send("POST", "/token", body)
	}
	require.Less(t, int64(heap())-int64(before), int64(logins*padding/10))
	require.Len(t, tries, logins)
}
