package authmw_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/authmw/authmw"

// submodules returns the folders of the modules in go.work, without the root.
func submodules(t *testing.T) (folders []string) {
	work, err := os.ReadFile("go.work")
	require.NoError(t, err)
	for _, match := range regexp.MustCompile(`(?m)^\t\./(\S+)$`).FindAllStringSubmatch(string(work), -1) {
		folders = append(folders, match[1])
	}
	require.NotEmpty(t, folders)
	return folders
}

// imports returns the import paths of each Go file in a folder and below it, without those below the folders in except.
func imports(t *testing.T, folder string, except []string) map[string][]string {
	found := map[string][]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(except, filepath.ToSlash(path)):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			found[path] = append(found[path], name)
		}
		return nil
	}))
	return found
}

// TestSubmodulesUseThePublicAPI shows that a released submodule compiles with a newer root: it imports no internal package of
// the root, whose API may change at any time. The exceptions are the command line, which is built with the root of its own
// version, and the modules that are never released.
func TestSubmodulesUseThePublicAPI(t *testing.T) {
	except := []string{"cmd/authmw", "bench", "examples"}
	all := submodules(t)
	for _, folder := range except {
		require.Contains(t, all, folder)
	}
	for _, folder := range all {
		if slices.Contains(except, folder) {
			continue
		}
		files := imports(t, folder, nil)
		require.NotEmpty(t, files)
		for file, paths := range files {
			for _, path := range paths {
				require.False(t, strings.HasPrefix(path, module+"/internal/"), "%s imports %s", file, path)
			}
		}
	}
}

// TestRootHasOneRequirement shows that a program that imports the root module, its test helpers included, gets golang-jwt and
// nothing else.
func TestRootHasOneRequirement(t *testing.T) {
	for file, paths := range imports(t, ".", submodules(t)) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, path := range paths {
			first, _, _ := strings.Cut(path, "/")
			external := strings.Contains(first, ".") && !strings.HasPrefix(path, module)
			require.False(t, external && path != "github.com/golang-jwt/jwt/v5", "%s imports %s", file, path)
		}
	}
}

// TestDependenciesPointOneWay checks the order of the packages of the root module: none imports one further up.
func TestDependenciesPointOneWay(t *testing.T) {
	order := []string{
		"internal/option", "internal/strictjson", "internal/uuid", "internal/file", "internal/cloudreve", "internal/compact", "internal/denial",
		"", "hashid", "adapters", "issuer", "session", "masterkey", "introspect", "client",
	}
	floor := func(folder string) int {
		for i := len(order) - 1; i >= 0; i-- {
			if folder == order[i] || order[i] != "" && strings.HasPrefix(folder, order[i]+"/") {
				return i
			}
		}
		return -1 // test helpers and tools, which may import anything
	}
	for file, paths := range imports(t, ".", submodules(t)) {
		folder := filepath.ToSlash(filepath.Dir(file))
		if folder == "." {
			folder = ""
		}
		from := floor(folder)
		if from < 0 || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(folder, "issuer/issuertest") {
			continue
		}
		for _, path := range paths {
			rest, own := strings.CutPrefix(path, module)
			if !own {
				continue
			}
			to := floor(strings.TrimPrefix(rest, "/"))
			require.True(t, 0 <= to && to <= from, "%s imports %s, which is further up", file, path)
		}
	}
}
