package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Replace puts content in place of the file at path, with mode 0600. A crash leaves the file as it was or with all of the
// content, and when Replace returns nil it outlasts a crash of the machine, on file systems that can sync a folder. When it
// returns an error, the file is as it was. The caller holds a lock on path: there is one name for what is not complete yet,
// so that the next call overwrites what a crash leaves behind.
func Replace(path string, content []byte) error {
	return withTemporary(path, ".new", content, func(temporary string) error { return os.Rename(temporary, path) })
}

// Probe finds out whether there is room to replace the file at path by as many bytes, on the same terms as Replace. It writes
// under another name: beside a Replace, its zeros would take the place of the content.
func Probe(path string, bytes int) error {
	return withTemporary(path, ".probe", make([]byte, bytes), os.Remove)
}

// withTemporary writes content to a new file beside the one at path, and has use do something with its name. If a file, link
// or pipe has that name, it removes the name, and opens none. On failure it leaves no file behind.
func withTemporary(path, suffix string, content []byte, use func(temporary string) error) (err error) {
	temporary := path + suffix
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return changeName(path, func() error { return use(temporary) })
}

// Remove removes the file at path, so that it is gone after a crash of the machine too.
func Remove(path string) error {
	return changeName(path, func() error { return os.Remove(path) })
}

// changeName changes a name in the folder of path, and makes the change last. It opens the folder before: when the name is
// changed, it must not fail any more. On Windows there is nothing to sync.
func changeName(path string, change func() error) error {
	if runtime.GOOS == "windows" {
		return change()
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	if err := change(); err != nil {
		return err
	}
	_ = folder.Sync() // which some file systems refuse for a folder
	return nil
}
