package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"
)

// rotating has each refresh token work once.
type rotating struct {
	store Store
	grace time.Duration
	limit int // of WithFamilyLimit
}

// maxGeneration keeps generations exact where numbers are float64, as in the scripts of Redis.
const maxGeneration = 1<<53 - 1

// id returns the jti of t: the family and the generation. It is the same whichever process computes it. It need not be
// secret: the MAC makes it a token.
func (t refreshToken) id() string {
	if t.generation == 0 {
		return ""
	}
	return t.root + "." + strconv.FormatInt(t.generation, 10)
}

// parseGeneration returns the generation in the jti of a refresh token, or 0 if it has no jti.
func parseGeneration(id, root string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	digits, found := strings.CutPrefix(id, root+".")
	generation, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || generation < 1 || generation >= maxGeneration || strconv.FormatInt(generation, 10) != digits {
		return 0, errID
	}
	return generation, nil
}

var (
	errID   = errors.New("jti is not root_token_id, a dot and a generation")
	errNoID = errors.New("jti is missing")
)

func (r *rotating) kind(t refreshToken) error {
	if t.generation == 0 {
		return errNoID
	}
	return nil
}

func (r *rotating) check(Grant) error { return nil }

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
