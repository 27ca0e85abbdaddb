package authmw_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecurityDocument checks that the tests that docs/security.md cites exist, in the package that it names and with the
// rows that it names.
func TestSecurityDocument(t *testing.T) {
	document, err := os.ReadFile("docs/security.md")
	require.NoError(t, err)
	cited := regexp.MustCompile("`([\\w/]+)\\.(\\w+)`((?: \\((?:`[^`]*`(?:, )?)+\\))?)")
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[4]) == "shown by" {
			continue
		}
		rows++
		tests := cited.FindAllStringSubmatch(cells[4], -1)
		require.NotEmpty(t, tests, line)
		require.Empty(t, strings.Trim(cited.ReplaceAllString(cells[4], ""), " ,"), "each test is cited as package.Test: %s", line)
		for _, test := range tests {
			source := function(t, test[1], test[2])
			for _, row := range quoted.FindAllStringSubmatch(test[3], -1) {
				require.True(t, strings.Contains(source, `"`+row[1]+`"`) || strings.Contains(source, "`"+row[1]+"`"),
					"%s.%s has no row %s", test[1], test[2], row[1])
			}
		}
	}
	require.Greater(t, rows, 30)
}

// function returns the source of a test, or of a part of an exported test suite. Packages are named by their folder.
func function(t *testing.T, folder, name string) string {
	if folder == "authmw" {
		folder = "."
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	declaration := regexp.MustCompile(`(?ms)^func ` + name + `\(.*?^}`)
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") && !strings.HasSuffix(filepath.Base(folder), "test") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		if found := declaration.Find(source); found != nil {
			return string(found)
		}
	}
	require.Fail(t, "a test that is cited does not exist", "%s in %s", name, folder)
	return ""
}
