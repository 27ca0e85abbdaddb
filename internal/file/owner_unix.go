//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package file

import (
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
