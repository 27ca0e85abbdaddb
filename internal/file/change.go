package file

import (
	"context"
	"reflect"
)

// Change replaces a value that several processes share. While it holds the lock at path, see [Lock], it calls change with
// the value that load returns, which it must not modify, and save with the result. For both, nil means that there is no value. If change returns an
// error or the same value, Change does not call save. It returns the first error as it is.
func Change[T any](ctx context.Context, path string, load func(context.Context) (*T, error), save func(next *T) error, change func(current *T) (next *T, err error)) error {
	unlock, err := Lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := load(ctx)
	if err != nil {
		return err
	}
	next, err := change(current)
	if err != nil || reflect.DeepEqual(next, current) {
		return err
	}
	return save(next)
}
