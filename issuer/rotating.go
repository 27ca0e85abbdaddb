package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// rotating has each refresh token work once.
type rotating struct {
	store Store
	grace time.Duration
	limit int // of WithFamilyLimit
}

var errNoID = errors.New("jti is missing")

func (r *rotating) kind(t refreshToken) error {
	if t.generation == 0 {
		return errNoID
	}
	return nil
}

func (r *rotating) check(Identity) error { return nil }

func (r *rotating) first() int64 { return 1 }

func (r *rotating) begin(ctx context.Context, t refreshToken, now, expires time.Time) (ended int, err error) {
	return r.store.Create(ctx, Family{Owner: t.owner(), ID: hashed(t.root), Now: now, Expires: expires, Limit: r.limit})
}

func (r *rotating) renew(ctx context.Context, t refreshToken, now time.Time, p Pair) (Outcome, time.Time, error) {
	return r.store.Rotate(ctx, Rotation{
		Owner: t.owner(), Family: hashed(t.root), Generation: t.generation, Call: rand.Text(),
		// A repeat is not to return an access token that has expired, which it does at the whole second of its exp.
		Now: now, Grace: min(r.grace, p.AccessExpires.Truncate(time.Second).Sub(now)), Expires: p.RefreshExpires,
	})
}

func (r *rotating) end(ctx context.Context, t refreshToken, _, _ time.Time) (limited bool, err error) {
	return false, r.store.Delete(ctx, t.owner(), hashed(t.root))
}
