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
	temporary := path + ".new"
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
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return err
	}
	return syncFolder(path)
}

// Probe finds out whether there is room to replace the file at path by as many bytes, on the same terms as Replace.
func Probe(path string, bytes int) error {
	temporary := path + ".new"
	err := os.WriteFile(temporary, make([]byte, bytes), 0o600)
	if removed := os.Remove(temporary); err == nil {
		err = removed
	}
	return err
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
