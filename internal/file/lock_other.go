//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package file

import (
	"errors"
	"io/fs"
)

func try(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }

// Owned reports true: who may do what to a file is not told by its owner here.
func Owned(fs.FileInfo) bool { return true }
