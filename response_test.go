package authmw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

// TestBodies has the bodies to the byte: Cloudreve's are as a Cloudreve sends them, others end with a newline.
func TestBodies(t *testing.T) {
	for name, row := range map[string]struct {
		render      authmw.Renderer
		contentType string
		body        string
	}{
		"problem": {authmw.ProblemJSON, "application/problem+json",
			`{"title":"Unauthorized","status":401,"detail":"The access token has expired.","code":"token_expired"}` + "\n"},
		"envelope": {authmw.CloudreveEnvelope, "application/json; charset=utf-8", `{"code":401,"msg":"Login required"}`},
	} {
		t.Run(name, func(t *testing.T) {
			response := newValidator(t, authmw.WithRenderer(row.render)).Denial(newRequest(), authmw.ErrTokenExpired)
			require.Equal(t, row.body, string(response.Body))
			require.Equal(t, row.contentType, response.Header.Get("Content-Type"))
		})
	}
}

func TestRendererMayBeOdd(t *testing.T) {
	for _, status := range []int{0, 99, 101, 600, 1000, -1} {
		v := newValidator(t, authmw.WithRenderer(func(*http.Request, *authmw.Error) authmw.Response {
			return authmw.Response{Status: status}
		}))
		w := httptest.NewRecorder()
		v.Deny(w, newRequest(), authmw.ErrMissingToken)
		require.Equal(t, http.StatusUnauthorized, w.Code, "a status that cannot be sent becomes the error's")
	}

	v := newValidator(t, authmw.WithRenderer(func(r *http.Request, err *authmw.Error) authmw.Response {
		response := authmw.ProblemJSON(r, err)
		response.Header["www-authenticate"] = []string{"Negotiate"}
		response.Header["cache-control"] = nil
		return response
	}))
	w := httptest.NewRecorder()
	v.Deny(w, newRequest(), authmw.ErrMissingToken)
	require.Equal(t, []string{"Negotiate"}, w.Header().Values("WWW-Authenticate"), "a renderer's own headers stay")
	require.Empty(t, w.Header().Values("Cache-Control"))
}

func TestRetryAfterIsForStatus503(t *testing.T) {
	w := httptest.NewRecorder()
	newValidator(t, authmw.WithRenderer(authmw.CloudreveEnvelope)).Deny(w, newRequest(), authmw.ErrUnavailable)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"code":50001,"msg":"Access tokens cannot be checked at the moment"}`, w.Body.String())
	require.NotContains(t, w.Header(), "Retry-After")
}

func TestDenialIsItsOwn(t *testing.T) {
	shared := http.Header{"Vary": make([]string, 1, 9), "Content-Length": {"5"}}
	v := newValidator(t, authmw.WithRenderer(func(*http.Request, *authmw.Error) authmw.Response {
		return authmw.Response{Status: 599, Header: shared, Body: []byte("a body")}
	}))
	w := httptest.NewRecorder()
	w.Header().Set("Content-Length", "7")
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("ETag", `"of the answer that there would have been"`)
	v.Deny(w, newRequest(), authmw.ErrMissingToken)
	require.Equal(t, 599, w.Code)
	require.Empty(t, w.Header().Get("Content-Length"))
	require.Empty(t, w.Header().Get("ETag"))
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"), "a middleware further out compresses the body")
	w.Header().Add("Vary", "Cookie")
	require.Equal(t, []string{""}, shared["Vary"][:1])
	require.Empty(t, shared["Vary"][:2][1], "the renderer's header is not written to")
}
