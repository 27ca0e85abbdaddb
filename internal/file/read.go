package file

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Read returns the content of the regular file at path, up to limit bytes, and its FileInfo. It does not wait for anything
// else, such as the other end of a named pipe.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a file", path)
	}
	content, err := io.ReadAll(io.LimitReader(f, limit))
	return content, info, err
}

// CheckFolder returns an error if someone else than the user and root can put another file in the place of the one at path:
// if its folder belongs to another user, or others can write to it. A link counts as the folder that it leads to. On Windows
// it only looks whether there is a folder.
func CheckFolder(path string) error {
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return err
	case runtime.GOOS == "windows":
		return nil
	case !Owned(info) && !ownedByRoot(info):
		return fmt.Errorf("the folder %s belongs to %s, who could put another file there: use a folder of your own", folder, Owner(info))
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write to the folder %s, which has mode %04o: use a folder of your own, with mode 0700", folder, info.Mode().Perm())
	}
	return nil
}
