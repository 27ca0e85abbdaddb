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
// returns an error, the file is as it was. The caller holds a lock on path: there is one name
// for what is not complete yet, so that what a crash leaves behind is overwritten by the next call.
func Replace(path string, content []byte) (err error) {
	temporary, err := writeBeside(path, ".new", content)
	if err != nil {
		return err
	}
	err = changeName(path, func() error { return os.Rename(temporary, path) })
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// Probe finds out whether there is room to replace the file at path by as many bytes, on the same terms as Replace.
func Probe(path string, bytes int) error {
	temporary, err := writeBeside(path, ".probe", make([]byte, bytes)) // another name, or Replace would take it for its own
	if err != nil {
		return err
	}
	if err := changeName(path, func() error { return os.Remove(temporary) }); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return nil
}

// writeBeside writes content to a new file beside the one at path. Of a file, link or pipe that is there under its name, it
// removes the name, and opens none.
func writeBeside(path, suffix string, content []byte) (temporary string, err error) {
	temporary = path + suffix
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(temporary)
		return "", err
	}
	return temporary, nil
}

// Remove removes the file at path, so that it is gone after a crash of the machine too.
func Remove(path string) error {
	return changeName(path, func() error { return os.Remove(path) })
}

// changeName changes a name in the folder of path, and makes the change last. The folder is opened before: once the name is
// changed, there is no error to return for what was done. Windows has no such thing.
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
