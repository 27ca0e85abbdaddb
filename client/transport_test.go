package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
)

// round is a function as an http.RoundTripper.
type round func(*http.Request) (*http.Response, error)

func (f round) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(r *http.Request, status int, contentType, body string, header ...string) *http.Response {
	response := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}
	for i := 0; i < len(header); i += 2 {
		response.Header.Set(header[i], header[i+1])
	}
	return response
}

func TestTransport(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		httpClient := &http.Client{Transport: &client.Transport{Client: w.Client}}
		r, err := http.NewRequestWithContext(t.Context(), "GET", siteURL+"/api/v4/user/me", nil)
		require.NoError(t, err)
		answer, err := httpClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Contains(t, string(body), `"id":"wGH0"`)
		require.Empty(t, r.Header, "the request is the caller's")
		require.Empty(t, answer.Request.Header.Get("Authorization"), "nobody sees the token")
	})
}

// TestOrigin shows where the token goes, and where not.
func TestOrigin(t *testing.T) {
	for _, row := range []struct {
		name, url string
		want      bool
	}{
		{"the site", "https://cloud.example.com/x", true},
		{"in other letter case, with its port", "https://CLOUD.example.com:443/x", true},
		{"another host", "https://example.com/x", false},
		{"a host below", "https://s3.cloud.example.com/x", false},
		{"a host that begins alike", "https://cloud.example.com.evil.example/x", false},
		{"another scheme", "http://cloud.example.com/x", false},
		{"another port", "https://cloud.example.com:8443/x", false},
		{"another scheme on its port", "http://cloud.example.com:443/x", false},
		{"a user that looks like it", "https://cloud.example.com@evil.example/x", false},
		{"redirected to storage", "https://cloud.example.com/to-storage", false},
		{"redirected to storage and back", "https://cloud.example.com/there-and-back", false},
		{"redirected on the site", "https://cloud.example.com/to-itself", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				token := w.login(t)
				var got []string
				base := round(func(r *http.Request) (*http.Response, error) {
					switch r.URL.Path {
					case "/to-storage":
						return response(r, 302, "", "", "Location", "https://storage.example/x"), nil
					case "/there-and-back":
						return response(r, 302, "", "", "Location", "https://storage.example/back"), nil
					case "/back":
						return response(r, 302, "", "", "Location", "https://cloud.example.com/x"), nil
					case "/to-itself":
						return response(r, 307, "", "", "Location", "/x"), nil
					}
					got = r.Header.Values("Authorization")
					return response(r, 200, "application/octet-stream", "data"), nil
				})
				c, err := client.New(siteURL, w.store, client.WithTransport(base))
				require.NoError(t, err)
				answer, err := (&http.Client{Transport: &client.Transport{Client: c}}).Get(row.url)
				require.NoError(t, err)
				body, err := io.ReadAll(answer.Body)
				require.NoError(t, err)
				require.Equal(t, "data", string(body))
				if row.want {
					require.Equal(t, []string{"Bearer " + token.AccessToken}, got)
				} else {
					require.NotContains(t, strings.Join(got, " "), "Bearer")
				}
			})
		})
	}
}

func TestOwnAuthorization(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		var got []string
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			got = append(got, r.Header.Get("Authorization"))
			return response(r, 401, "", ""), nil
		})))
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), "GET", siteURL, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Basic dXNlcjpwYXNz")
		answer, err := (&client.Transport{Client: c}).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 401, answer.StatusCode)
		require.Equal(t, []string{"Basic dXNlcjpwYXNz"}, got)
	})
}

// TestOtherNames shows that neither another name for the site's server, nor for the header, gets past.
func TestOtherNames(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		var got http.Header
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return response(r, 204, "", ""), nil
		})))
		require.NoError(t, err)
		for name, change := range map[string]func(*http.Request){
			"Host":           func(r *http.Request) { r.Host = "evil.example" },
			"Opaque":         func(r *http.Request) { r.URL.Opaque = "//evil.example/x" },
			"letter case":    func(r *http.Request) { r.Header["authorization"] = []string{"Basic x"} },
			"no credentials": func(r *http.Request) { r.Header["Authorization"] = []string{""} },
		} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", siteURL+"/x", nil)
			require.NoError(t, err)
			change(r)
			_, err = (&client.Transport{Client: c}).RoundTrip(r)
			require.NoError(t, err)
			require.NotContains(t, got.Get("Authorization"), "Bearer", name)
		}
		r, err := http.NewRequestWithContext(t.Context(), "GET", siteURL+"/x", nil)
		require.NoError(t, err)
		r.Host = "CLOUD.example.com:443"
		r.Trailer = http.Header{"X-Sum": nil}
		_, err = (&client.Transport{Client: c}).RoundTrip(r)
		require.NoError(t, err)
		require.Contains(t, got.Get("Authorization"), "Bearer")
	})
}

// TestDenialThatHangs shows that the body of a first answer is not waited for.
func TestDenialThatHangs(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		time.Sleep(20 * time.Second)
		requests := 0
		reader, writer := io.Pipe()
		defer func() { _ = writer.Close() }()
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/refresh") {
				return w.site.RoundTrip(r)
			}
			if requests++; requests > 1 {
				return response(r, 204, "", ""), nil
			}
			answer := response(r, 401, "text/plain", "")
			answer.Body, answer.ContentLength = reader, -1
			return answer, nil
		})))
		require.NoError(t, err)
		began := time.Now()
		answer, err := (&http.Client{Transport: &client.Transport{Client: c}}).Get(siteURL + "/x")
		require.NoError(t, err)
		require.Equal(t, 204, answer.StatusCode)
		require.Zero(t, time.Since(began))
	})
}

// body is a request's, and counts.
type body struct {
	io.Reader
	closed int
}

func (b *body) Close() error { b.closed++; return nil }

func TestReplay(t *testing.T) {
	const denied = `{"code":401,"msg":"Login required","correlation_id":"99b3c13f-bd45-448c-aaf5-138e599f3287"}`
	large := strings.Repeat("0123456789", 100_000)
	for _, row := range []struct {
		name    string
		status  int
		answer  string
		method  string
		body    string
		getBody func() (io.ReadCloser, error)
		noRetry bool
		want    int // requests
	}{
		{name: "401", status: 401, answer: "no", want: 2},
		{name: "code 401", status: 200, answer: denied, want: 2},
		{name: "code 401, in another order", status: 200, answer: `{"msg":"x","code":401}`, want: 1},
		{name: "code 4010", status: 200, answer: `{"code":4010,"msg":"x"}`, want: 1},
		{name: "code 0", status: 200, answer: `{"code":0,"data":{"code":401}}`, want: 1},
		{name: "code 401 in what is no JSON", status: 200, answer: `{"code":401,"msg":`, want: 1},
		{name: "code 401 in a large body", status: 200, answer: `{"code":401,"data":"` + large + `"}`, want: 1},
		{name: "a large body", status: 200, answer: `{"code":0,"data":"` + large + `"}`, want: 1},
		{name: "an empty body", status: 200, answer: "", want: 1},
		{name: "403", status: 403, answer: denied, want: 1},
		{name: "switched off", status: 401, answer: denied, noRetry: true, want: 1},
		{name: "switched off, code 401", status: 200, answer: denied, noRetry: true, want: 1},
		{name: "a body that can be had again", status: 200, answer: denied, method: "POST", body: large, want: 2,
			getBody: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(large)), nil }},
		{name: "a body that cannot", status: 200, answer: denied, method: "POST", body: large, want: 1},
		{name: "a body that fails to be had again", status: 401, answer: denied, method: "POST", body: large, want: 1,
			getBody: func() (io.ReadCloser, error) { return nil, errors.New("gone") }},
	} {
		for _, length := range []string{"a length", "no length"} {
			t.Run(row.name+", "+length, func(t *testing.T) {
				in(t, func(t *testing.T, w *world) {
					first := w.login(t)
					var got, tokens []string
					closed := 0
					base := round(func(r *http.Request) (*http.Response, error) {
						if r.Header.Get("Authorization") == "" {
							return w.site.RoundTrip(r)
						}
						tokens = append(tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
						var content []byte
						if r.Body != nil {
							var err error
							content, err = io.ReadAll(r.Body)
							require.NoError(t, err)
							require.NoError(t, r.Body.Close())
						}
						got = append(got, string(content))
						answer := response(r, row.status, "application/json; charset=utf-8", row.answer)
						if len(got) > 1 {
							answer = response(r, 200, "application/json", `{"code":0}`)
						}
						if length == "no length" {
							answer.ContentLength = -1
						}
						answer.Body = struct {
							io.Reader
							io.Closer
						}{answer.Body, closer(func() { closed++ })}
						return answer, nil
					})
					c, err := client.New(siteURL, w.store, client.WithTransport(base))
					require.NoError(t, err)
					r, err := http.NewRequestWithContext(t.Context(), row.method, siteURL+"/api/v4/file", nil)
					require.NoError(t, err)
					sent := &body{Reader: strings.NewReader(row.body)}
					if row.body != "" {
						r.Body, r.GetBody = sent, row.getBody
					}
					time.Sleep(20 * time.Second) // a new token would not be better
					answer, err := (&client.Transport{Client: c, NoRetry: row.noRetry}).RoundTrip(r)
					require.NoError(t, err)
					content, err := io.ReadAll(answer.Body)
					require.NoError(t, err)
					require.Len(t, got, row.want)
					for _, body := range got {
						require.True(t, row.body == body, "whole")
					}
					require.Equal(t, row.want-1, closed)
					require.NoError(t, answer.Body.Close())
					require.Equal(t, row.want, closed)
					require.Same(t, r, answer.Request)
					if row.body != "" {
						require.Equal(t, 1, sent.closed)
					}
					if row.want == 1 {
						require.Equal(t, row.status, answer.StatusCode)
						require.True(t, row.answer == string(content), "handed on whole")
						return
					}
					require.Equal(t, `{"code":0}`, string(content))
					require.Equal(t, first.AccessToken, tokens[0])
					require.NotEqual(t, tokens[0], tokens[1])
					require.Equal(t, 1, w.site.Count(refresh))
				})
			})
		}
	}
}

type closer func()

func (f closer) Close() error { f(); return nil }

// TestRejectedAgainAndAgain shows that a site that rejects every token is not asked for one with each request.
func TestRejectedAgainAndAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		w.site.Handle("GET /api/v4/never", authmw.None, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
		httpClient := &http.Client{Transport: &client.Transport{Client: w.Client}}
		for range 600 {
			answer, err := httpClient.Get(siteURL + "/api/v4/never")
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
			require.NoError(t, answer.Body.Close())
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, w.site.Count(refresh), 6, "once in ten seconds")
	})
}

// TestKeyReplaced is what a restart after a rotation of the master key looks like.
func TestKeyReplaced(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		httpClient := &http.Client{Transport: &client.Transport{Client: w.Client}}
		time.Sleep(time.Minute)
		require.NoError(t, w.site.SetSecret(strings.Repeat("another", 5)))
		answer, err := httpClient.Get(siteURL + "/api/v4/user/me")
		require.NoError(t, err)
		content, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Contains(t, string(content), `{"code":401,"msg":"Login required"`)
		_, err = httpClient.Get(siteURL + "/api/v4/user/me")
		require.ErrorIs(t, err, client.ErrLoginRequired)
		require.Equal(t, 1, w.site.Count(refresh))
	})
}

// TestNoNewerToken shows that a body that was had again for nothing is closed, and the answer handed on.
func TestNoNewerToken(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		time.Sleep(20 * time.Second)
		w.site.SetOutage(cloudrevetest.RedisDown)
		w.site.Handle("POST /api/v4/never", authmw.None, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
		again := &body{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), "POST", siteURL+"/api/v4/never", strings.NewReader("x"))
		require.NoError(t, err)
		r.GetBody = func() (io.ReadCloser, error) { return again, nil }
		answer, err := (&client.Transport{Client: w.Client}).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
		require.Equal(t, 1, again.closed)
	})
}

// TestNoToken shows that nothing is sent without one, and that the body is closed all the same.
func TestNoToken(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		sent := &body{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), "POST", siteURL+"/api/v4/user/me", sent)
		require.NoError(t, err)
		_, err = (&client.Transport{Client: w.Client}).RoundTrip(r)
		require.ErrorIs(t, err, client.ErrLoginRequired)
		require.Equal(t, 1, sent.closed)
		require.Zero(t, w.site.Count("POST /api/v4/user/me"))
		_, err = (&client.Transport{}).RoundTrip(r)
		require.ErrorContains(t, err, "no Client")
		require.Equal(t, 2, sent.closed)
	})
}

// TestBodyThatBreaksOff shows that an error while a body is looked into comes to whoever reads it.
func TestBodyThatBreaksOff(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		broken := errors.New("connection reset")
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			answer := response(r, 200, "application/json", "")
			answer.ContentLength = 100
			answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte(`{"code":401`)), failing{broken}))
			return answer, nil
		})))
		require.NoError(t, err)
		answer, err := (&http.Client{Transport: &client.Transport{Client: c}}).Get(siteURL)
		require.NoError(t, err)
		content, err := io.ReadAll(answer.Body)
		require.ErrorIs(t, err, broken)
		require.Equal(t, `{"code":401`, string(content))
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestTrailer has a trailer whose value is known once the body was read, which is when it is sent.
func TestTrailer(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.login(t)
		var got http.Header
		c, err := client.New(siteURL, w.store, client.WithTransport(round(func(r *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, r.Body)
			require.NoError(t, err)
			got = r.Trailer.Clone()
			return response(r, http.StatusOK, "text/plain", ""), nil
		})))
		require.NoError(t, err)
		r, err := http.NewRequest(http.MethodPost, siteURL+"/upload", nil)
		require.NoError(t, err)
		r.Trailer = http.Header{"Checksum": nil}
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("content"), readerFunc(func([]byte) (int, error) {
			r.Trailer.Set("Checksum", "abc")
			return 0, io.EOF
		})))
		answer, err := (&client.Transport{Client: c}).RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.Header{"Checksum": {"abc"}}, got)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
