package issuertest

import (
	"context"
	"errors"
	"time"

	"github.com/authmw/authmw/issuer"
)

// faults make the next operation of a store fail, before or after it took effect.
type faults struct{ before, after bool }

var errFault = errors.New("issuertest: the store is down")

func (f *faults) around(operation func() error) error {
	before, after := f.before, f.after
	*f = faults{}
	if before {
		return errFault
	}
	if err := operation(); err != nil {
		return err
	}
	if after {
		return errFault
	}
	return nil
}

type faultyStore struct {
	issuer.Store
	faults
}

func (f *faultyStore) Create(ctx context.Context, family issuer.Family) (ended int, err error) {
	err = f.around(func() (err error) {
		ended, err = f.Store.Create(ctx, family)
		return err
	})
	return ended, err
}

func (f *faultyStore) Rotate(ctx context.Context, r issuer.Rotation) (outcome issuer.Outcome, at time.Time, err error) {
	err = f.around(func() (err error) {
		outcome, at, err = f.Store.Rotate(ctx, r)
		return err
	})
	return outcome, at, err
}

func (f *faultyStore) Delete(ctx context.Context, owner, family string) error {
	return f.around(func() error { return f.Store.Delete(ctx, owner, family) })
}

type faultyRevocations struct {
	issuer.Revocations
	faults
}

func (f *faultyRevocations) Revoke(ctx context.Context, r issuer.Revocation) (limited bool, err error) {
	err = f.around(func() (err error) {
		limited, err = f.Revocations.Revoke(ctx, r)
		return err
	})
	return limited, err
}

func (f *faultyRevocations) Revoked(ctx context.Context, r issuer.Renewal) (revoked bool, err error) {
	err = f.around(func() (err error) {
		revoked, err = f.Revocations.Revoked(ctx, r)
		return err
	})
	return revoked, err
}
