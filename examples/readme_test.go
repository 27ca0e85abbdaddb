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
	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/introspect"
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

func withoutTheMasterKey(ctx context.Context) error {
	site, err := introspect.New("https://cloud.example.com")
	if err != nil {
		return err
	}
	v, err := authmw.NewFromIntrospector(site)
	if err != nil {
		return err
	}
	_, err = v.Verify(ctx, "")
	return err
}

func aClient(ctx context.Context, email, password string) (*http.Client, error) {
	c, err := client.New("https://cloud.example.com", client.NewFileStore("/var/lib/backup/cloudreve.json"))
	if err != nil {
		return nil, err
	}
	site := &http.Client{Transport: &client.Transport{Client: c}}
	if email != "" {
		err = c.Login(ctx, email, password)
	}
	return site, err
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

	require.ErrorIs(t, withoutTheMasterKey(t.Context()), authmw.ErrMissingToken)
	_, err := aClient(t.Context(), "", "")
	require.NoError(t, err)

	blocks := codeBlocks(t, "../README.md")
	require.Len(t, blocks, 7)
	for _, block := range blocks {
		requireLines(t, block, "readme_test.go")
	}
}

// codeBlocks returns the Go code in a document.
func codeBlocks(t *testing.T, document string) (blocks []string) {
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	for _, match := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(content), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// requireLines holds each line of a document's code to be in a file that compiles.
func requireLines(t *testing.T, block, file string) {
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(block) {
		code, _, _ := strings.Cut(" "+line, " //")
		require.True(t, strings.Contains(string(source), strings.TrimSpace(code)+"\n"), "not in %s: %s", file, line)
	}
}
