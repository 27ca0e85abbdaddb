package issuer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// rotating has each refresh token work once.
type rotating struct {
	store   Store
	grace   time.Duration
	onReuse func(context.Context, Grant)
}

// hashed is an identifier as stores keep it: whoever reads a store learns no root_token_id and no jti.
func hashed(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// successor returns the jti of the token that follows t. It is derived from t's, so that whoever asks for the successor a
// second time is given the same one, whichever process answers, even one with another secret or other lifetimes, and
// without any store knowing it. It need not be secret: what makes a token is its MAC.
func (t refreshToken) successor() string {
	return hashed("authmw successor " + t.root + " " + t.id)[:22]
}

func (r *rotating) check(Grant) error { return nil }

func (r *rotating) firstID() string { return rand.Text() }

func (r *rotating) begin(ctx context.Context, t refreshToken, now, expires time.Time) error {
	return r.store.Create(ctx, Family{ID: hashed(t.root), Token: hashed(t.id), Now: now, Expires: expires})
}

var errNoID = errors.New("jti is missing")

func (r *rotating) renew(ctx context.Context, t refreshToken, now, expires time.Time) (string, time.Time, error) {
	if t.id == "" {
		return "", time.Time{}, refused(errNoID)
	}
	next := t.successor()
	rotation := Rotation{Family: hashed(t.root), From: hashed(t.id), To: hashed(next), Call: rand.Text(), Now: now, Expires: expires}
	if r.grace > 0 { // or a call that read the clock before one that came first would be within it
		rotation.GraceUntil = now.Add(r.grace)
	}
	outcome, at, err := r.store.Rotate(ctx, rotation)
	if err != nil {
		return "", time.Time{}, err
	}
	switch outcome {
	case Rotated:
		return next, now, nil
	case Repeated:
		return next, at, nil
	case Reused:
		if r.onReuse != nil {
			r.onReuse(ctx, t.grant)
		}
		return "", time.Time{}, ErrReused
	case Unknown:
		return "", time.Time{}, ErrRevoked
	default:
		return "", time.Time{}, fmt.Errorf("the store returned %v", outcome)
	}
}

func (r *rotating) end(ctx context.Context, t refreshToken, _, _ time.Time) error {
	return r.store.Delete(ctx, hashed(t.root))
}
