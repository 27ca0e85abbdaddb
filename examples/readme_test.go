package examples_test

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echo"
	authgin "github.com/authmw/authmw/adapters/gin"
	authhttp "github.com/authmw/authmw/adapters/nethttp"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/masterkey"
	"github.com/authmw/authmw/session"
)

// firstPage has the code of README.md, line by line, so that it compiles.
func firstPage(secret []byte, files, share, ping http.Handler) error {
	v, err := authmw.New(secret)
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("GET /files", authhttp.Required(v, "Files.Read")(files))
	mux.Handle("GET /share/{id}", authhttp.Optional(v)(share))
	mux.Handle("GET /ping", authhttp.None()(ping))

	e := echo.New()
	func(files echo.HandlerFunc) {
		e.GET("/files", files, authecho.Required(v))
	}(echo.WrapHandler(files))

	r := gin.New()
	func(files gin.HandlerFunc) {
		r.GET("/files", authgin.Required(v), files)
	}(gin.WrapH(files))
	return nil
}

func inAnyHandler(r *http.Request) bool {
	claims, ok := authmw.FromContext(r.Context())
	return ok && claims.Subject != ""
}

func loggingIn(secret []byte, mux *http.ServeMux, login session.LoginFunc) error {
	i, err := issuer.New(secret, issuer.NewMemoryStore())
	if err != nil {
		return err
	}
	sessions, err := session.New(i, login)
	if err != nil {
		return err
	}
	mux.Handle("/api/v4/session/", sessions)
	return nil
}

func theMasterKey(ctx context.Context, db *sql.DB) error {
	source, err := masterkey.Open(ctx, masterkey.Database(db))
	if err != nil {
		return err
	}
	defer source.Close()
	v, err := authmw.NewFromKeySource(source)
	if err != nil {
		return err
	}
	_, err = v.Verify(ctx, "")
	return err
}

func testsOfYourOwnServer(t *testing.T) string {
	token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0", ClientID: "desktop", Scopes: []string{"Files.Read"}})
	return token
}

func TestREADME(t *testing.T) {
	gin.SetMode(gin.TestMode)
	require.NoError(t, firstPage([]byte(authmwtest.Secret), http.NotFoundHandler(), http.NotFoundHandler(), http.NotFoundHandler()))
	require.False(t, inAnyHandler(&http.Request{}))
	require.NotEmpty(t, testsOfYourOwnServer(t))
	require.NoError(t, loggingIn([]byte(authmwtest.Secret), http.NewServeMux(), func(context.Context, string, string) (session.User, error) {
		return session.User{}, session.ErrInvalidCredentials
	}))

	require.ErrorContains(t, theMasterKey(t.Context(), nil), "the database is nil")

	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, blocks, 5)
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			code, _, _ := strings.Cut(line, "//")
			require.True(t, strings.Contains(string(source), strings.TrimSpace(code)+"\n"), "not in this file: %s", line)
		}
	}
}
