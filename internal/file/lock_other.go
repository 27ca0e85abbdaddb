//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package file

import "errors"

func try(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }
