package examples_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/introspect"
	"github.com/authmw/authmw/issuer"
)

// TestPluginGuide does what docs/cloudreve-plugin.md says, from an empty folder: it builds both plugins out of the guide's
// own text, and sends the requests in its table.
func TestPluginGuide(t *testing.T) {
	blocks := codeBlocks(t, "../docs/cloudreve-plugin.md")
	require.Len(t, blocks, 5)
	for _, snippet := range blocks[3:] {
		requireLines(t, snippet, "plugin_test.go")
	}
	site, err := cloudrevetest.New(cloudrevetest.Config{})
	require.NoError(t, err)
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	key := filepath.Join(t.TempDir(), "key.txt")
	require.NoError(t, os.WriteFile(key, []byte(authmwtest.Secret+"\n"), 0o600))
	token, stranger := issue(t, site, issuer.Identity{Subject: "wGH0"}).AccessToken, issue(t, site, issuer.Identity{Subject: "wGH0", ClientID: "app", Scopes: []string{"openid"}}).AccessToken
	for _, row := range []struct {
		name, validator string
		flags           []string
		down            string // to a token that was not seen, while the site is down
	}{
		{"without the master key", blocks[1], []string{"-site", server.URL}, "503 unavailable"},
		{"with the master key", blocks[2], []string{"-key-file", key}, "welcome back, wGH0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			site.SetOutage(cloudrevetest.NoOutage)
			plugin := startPlugin(t, blocks[0], row.validator, row.flags)
			for _, request := range []struct{ path, token, want string }{
				{"/notes", "", "401 missing_token"},
				{"/notes", token, "the notes of wGH0"},
				{"/notes", stranger, "403 insufficient_scope"},
				{"/welcome", "", "welcome, stranger"},
				{"/welcome", token, "welcome back, wGH0"},
				{"/welcome", "nonsense", "401 malformed_token"},
				{"/health", "nonsense", "ok"},
			} {
				require.Contains(t, ask(t, plugin+request.path, request.token), request.want, request)
			}
			site.SetOutage(cloudrevetest.Unreachable)
			require.Contains(t, ask(t, plugin+"/welcome", issue(t, site, issuer.Identity{Subject: "wGH0", ClientID: "app", Scopes: []string{"openid", "email"}}).AccessToken), row.down)
			require.Contains(t, ask(t, plugin+"/welcome", token), "welcome back, wGH0")
		})
	}
}

func ask(t *testing.T, url, token string) string {
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	_, code, _ := strings.Cut(string(body), `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	return response.Status[:3] + " " + code + string(body)
}

// startPlugin builds a plugin in an empty folder and returns its URL.
func startPlugin(t *testing.T, main, validator string, flags []string) string {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(main), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "validator.go"), []byte(validator), 0o600))
	for _, command := range []string{
		"go mod init example.com/notes",
		"go mod edit -require=github.com/authmw/authmw@v0.1.0 -replace=github.com/authmw/authmw=" + root, // for the release that go get gets
		"go mod tidy",
		"gofmt -l .",
		"go vet ./...",
		"go build -o notes .",
	} {
		args := strings.Fields(command)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", command, output)
		require.False(t, args[0] == "gofmt" && len(output) > 0, "%s", output)
	}
	cmd := exec.Command(filepath.Join(folder, "notes"), append(flags, "-listen", "127.0.0.1:0")...)
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(log).ReadString('\n')
	require.NoError(t, err)
	_, url, found := strings.Cut(strings.TrimSpace(line), "listening on ")
	require.True(t, found, line)
	return url
}

// whatThePluginAsks and testingIt have the guide's other code.
func whatThePluginAsks(ctx context.Context, email, password string) (*http.Response, error) {
	c, err := client.New("http://127.0.0.1:5212", client.NewFileStore("/var/lib/notes/login.json"))
	if err != nil {
		return nil, err
	}
	err = c.Login(ctx, email, password)
	if err != nil {
		return nil, err
	}
	site := &http.Client{Transport: &client.Transport{Client: c}}
	response, err := site.Get("http://127.0.0.1:5212/api/v4/user/me")
	return response, err
}

var _ = whatThePluginAsks

func TestTestingIt(t *testing.T) {
	site, err := cloudrevetest.New(cloudrevetest.Config{})
	require.NoError(t, err)
	asked, err := introspect.New("http://cloudreve.test", introspect.WithTransport(site))
	require.NoError(t, err)
	v, err := authmw.NewFromIntrospector(asked)
	require.NoError(t, err)
	pair, err := site.Issue(issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	site.SetBanned("wGH0", true)
	_, err = v.Verify(t.Context(), pair.AccessToken)
	require.True(t, errors.Is(err, authmw.ErrTokenRejected))
}

// issue returns the tokens of a site for an identity.
func issue(t testing.TB, site *cloudrevetest.Site, identity issuer.Identity) issuer.Pair {
	t.Helper()
	pair, err := site.Issue(identity)
	require.NoError(t, err)
	return pair
}
