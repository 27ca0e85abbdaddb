package authmw_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecurityDocument holds docs/security.md to its word that a test shows each answer.
func TestSecurityDocument(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "adapters/*/*_test.go", "authmwtest/*.go",
		"client/*_test.go", "introspect/*_test.go", "issuer/*_test.go", "issuer/*/*_test.go", "masterkey/*_test.go", "cmd/*/*_test.go", "session/*_test.go", "hashid/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			sources.Write(source)
		}
	}
	document, err := os.ReadFile("docs/security.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[4]) == "shown by" {
			continue
		}
		rows++
		shown := names.FindAllStringSubmatch(cells[4], -1)
		require.NotEmpty(t, shown, line)
		for _, name := range shown {
			found := strings.Contains(sources.String(), "func "+name[1]+"(")
			for _, quote := range []string{`"`, "`"} {
				found = found || strings.Contains(sources.String(), quote+name[1]+quote+",")
			}
			require.True(t, found, "no test is named %s", name[1])
		}
	}
	require.Greater(t, rows, 30)
}
