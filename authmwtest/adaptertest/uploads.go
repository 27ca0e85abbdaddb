package adaptertest

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/require"
)

// testRequestComesBack looks at what a handler leaves on its request, which is a copy of the one that the server made, for
// the server and for middlewares further out.
func testRequestComesBack(t *testing.T, build func(Server) http.Handler) {
	v := newValidator(t)
	middlewares := func(router bool, handle func(http.ResponseWriter, *http.Request, *authmw.Claims, bool)) http.Handler {
		server := Server{Routes: []Route{{http.MethodPost, "/", Middleware{v, authmw.Required, nil}, handle}}}
		if router {
			server.Router = &Middleware{v, authmw.Optional, nil}
		}
		return build(server)
	}
	for _, router := range []bool{false, true} {
		name := map[bool]string{false: "one middleware", true: "two middlewares"}[router]
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(fmt.Sprintf("uploads over %s, %s", protocol, name), func(t *testing.T) {
				testUploads(t, protocol, func(handle http.HandlerFunc) http.Handler {
					return middlewares(router, func(w http.ResponseWriter, r *http.Request, _ *authmw.Claims, _ bool) { handle(w, r) })
				})
			})
		}
		for _, panics := range []bool{false, true} {
			t.Run(fmt.Sprintf("pattern and form, %s, panic: %t", name, panics), func(t *testing.T) {
				form := new(multipart.Form)
				handler := middlewares(router, func(_ http.ResponseWriter, r *http.Request, _ *authmw.Claims, _ bool) {
					r.MultipartForm, r.Pattern = form, "POST /{$}"
					if panics {
						panic(http.ErrAbortHandler)
					}
				})
				r := httptest.NewRequest(http.MethodPost, "/", nil)
				r.Header.Set("Authorization", "Bearer "+accessToken(t, nil))
				ctx := r.Context()
				require.Equal(t, panics, serveAlone(handler, r) != nil)
				require.Same(t, form, r.MultipartForm)
				require.Equal(t, "POST /{$}", r.Pattern)
				require.Equal(t, ctx, r.Context(), "the context with the claims stays inside")
			})
		}
	}
}

// testUploads sends ten files, which are too large for the memory that the handler allows.
func testUploads(t *testing.T, protocol string, build func(http.HandlerFunc) http.Handler) {
	const uploads, size = 10, 1 << 20
	var mu sync.Mutex
	var files []string
	server := httptest.NewUnstartedServer(build(func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != protocol {
			t.Errorf("a request over %s", r.Proto)
		}
		if err := r.ParseMultipartForm(1 << 10); err != nil {
			t.Error(err)
			return
		}
		file, err := r.MultipartForm.File["file"][0].Open()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = file.Close() }()
		onDisk, ok := file.(*os.File)
		if !ok {
			t.Error("the upload is not on disk")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		files = append(files, onDisk.Name())
	}))
	server.EnableHTTP2 = protocol == "HTTP/2.0"
	server.StartTLS()
	defer server.Close()

	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "file")
	require.NoError(t, err)
	_, err = part.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	for range uploads {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/", bytes.NewReader(body.Bytes()))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+accessToken(t, nil))
		r.Header.Set("Content-Type", form.FormDataContentType())
		response, err := server.Client().Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	server.Close() // which waits until every request has been dealt with
	require.Len(t, files, uploads)
	for _, file := range files {
		_, err := os.Stat(file)
		require.ErrorIs(t, err, os.ErrNotExist, "the file stays on disk")
	}
}
