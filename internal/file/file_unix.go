//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// nonBlocking has an open not wait for the other end of a named pipe.
const nonBlocking = syscall.O_NONBLOCK

// Owned reports whether a file belongs to the user that this process acts for.
func Owned(info fs.FileInfo) bool {
	id, ok := owner(info)
	return ok && id == os.Geteuid()
}

func ownedByRoot(info fs.FileInfo) bool {
	id, ok := owner(info)
	return ok && id == 0
}

// Owner returns the name of the user that a file belongs to, or the number of one without a name.
func Owner(info fs.FileInfo) string {
	id, ok := owner(info)
	if !ok {
		return "an unknown user"
	}
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", id)
}

func owner(info fs.FileInfo) (id int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

func try(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|nonBlocking, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return func() {
			_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) // a copy in a forked process would go on to hold it
			_ = file.Close()
		}, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errHeld
	}
	return nil, &os.PathError{Op: "flock", Path: path, Err: err}
}
