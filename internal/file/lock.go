// Package file has what it takes for the processes on one machine to share a small file: a lock, and a way to replace it.
package file

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// interval is the average time between two tries to get a lock that another process holds.
const interval = 10 * time.Millisecond

var errHeld = errors.New("the lock is held by another process")

// Lock waits until the lock at path is this caller's alone, or ctx is done. The lock is the system's: it ends with the
// process that holds it, however that ends. If they are not there, Lock makes the folder, with mode 0700, and the file, with
// mode 0600; its content does not matter. It returns the error of CheckFolder if there is one. The file must stay where it
// is: to delete it makes two locks of one.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := CheckFolder(path); err != nil {
		return nil, err
	}
	for {
		unlock, err := try(path)
		if unlock != nil || err != nil {
			return unlock, err
		}
		timer := time.NewTimer(interval/2 + rand.N(interval))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%s: %w: %w", path, errHeld, ctx.Err())
		}
	}
}
