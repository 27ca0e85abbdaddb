package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Replace puts content in place of the file at path, with mode 0600. At no time, whatever crashes, is there a part of it
// alone, and when Replace returns nil it outlasts a crash of the machine. The caller holds a lock on path: there is one name
// for what is not complete yet, so that what a crash leaves behind is overwritten by the next call.
func Replace(path string, content []byte) (err error) {
	temporary, err := writeBeside(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return syncFolder(path)
}

// Probe finds out whether there is room to replace the file at path by as many bytes, on the same terms as Replace.
func Probe(path string, bytes int) error {
	temporary, err := writeBeside(path, make([]byte, bytes))
	if err != nil {
		return err
	}
	return os.Remove(temporary)
}

// writeBeside writes content to a new file beside the one at path. Of a file, link or pipe that is there under its name, it
// removes the name, and opens none.
func writeBeside(path string, content []byte) (temporary string, err error) {
	temporary = path + ".new"
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
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncFolder(path)
}

// syncFolder makes a change of the name path last. Windows has no such thing.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return folder.Sync()
}
