package issuer

import (
	"context"
	"fmt"
	"time"
)

// Store keeps the live families of New's Issuer: for each, which of its refresh tokens comes next. A family that is not
// in it does not refresh, so a store that loses all its memory makes users log in again and lets nobody in who was out.
// One that goes back to an older state, such as a snapshot, does let in again whoever was put out since.
//
// It must be safe for concurrent use, from as many processes as there are Issuers that share it. Each method MUST be
// atomic: of several calls at once for one family, the outcome is that of some order of them. An error means that the
// store could not do its work, never that there is no such family; the Issuer answers authmw.ErrUnavailable and issues
// nothing. A call that failed may or may not have taken effect.
//
// Times are the Issuer's; a store needs no clock of its own. It MAY forget a family once Expires is past and MUST NOT
// before. Identifiers are hashes, 43 characters of base64url: nothing here is a token, and a store needs to keep nothing
// that it is not given. Package authmwtest has a test for stores, TestStore.
type Store interface {
	// Create adds a family. IDs never repeat: that there is one already SHOULD be an error, unless it has the same Token (the
	// same call once more, after its answer was lost on the way).
	Create(ctx context.Context, family Family) error

	// Rotate decides on the use of a token. In one step, it MUST
	//   - return Unknown if there is no such family;
	//   - if From is the family's token, make To the token and From the one before it, keep Call, Now, GraceUntil and
	//     Expires in place of what was there, and return Rotated;
	//   - if From is the one before and To the token, and Now is before the GraceUntil that was kept, to the microsecond, or
	//     Call is the one that was kept (the same call once more, after its answer was lost on the way), change nothing and
	//     return Repeated and, as at, the Now that was kept, to the nanosecond (which a timestamp in SQL may round: keep its
	//     UnixNano);
	//   - otherwise delete the family and return Reused.
	// What at is with the other outcomes does not matter.
	Rotate(ctx context.Context, rotation Rotation) (outcome Outcome, at time.Time, err error)

	// Delete removes a family. That there is none is no error.
	Delete(ctx context.Context, family string) error
}

// Family is a family at its beginning.
type Family struct {
	ID      string    // the hash of its name
	Token   string    // that of the ID of its first refresh token
	Now     time.Time // when it begins
	Expires time.Time // when that token does
}

// Rotation is the use of a refresh token.
type Rotation struct {
	Family     string    // of which family: the hash of its name
	From       string    // the token that is used: the hash of its ID
	To         string    // the token that is to follow it, likewise
	Call       string    // a random name for this use, for a store that sends it twice
	Now        time.Time // when it is used
	GraceUntil time.Time // until when it may be used again for the same answer; zero if it may not
	Expires    time.Time // when the token To expires
}

// Outcome is what a Store made of a Rotation.
type Outcome int

// The outcomes. The zero Outcome is none of them.
const (
	Rotated  Outcome = iota + 1 // From was the family's token, To is now
	Repeated                    // it was used before, by someone who may have lost the answer
	Reused                      // it was used before: the family is gone
	Unknown                     // there is no such family, or not any more
)

// String returns the outcome's name.
func (o Outcome) String() string {
	switch o {
	case Rotated:
		return "rotated"
	case Repeated:
		return "repeated"
	case Reused:
		return "reused"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// Revocations keeps the families that NewCloudreveCompatible's Issuer revoked. What is not in it works, so one that loses
// its memory lets tokens work again that were revoked.
//
// It must be safe for concurrent use. An error means that it could not do its work; the Issuer answers
// authmw.ErrUnavailable and issues nothing.
type Revocations interface {
	// Revoke adds a family. It MUST be kept until Until, whatever was kept of it before.
	Revoke(ctx context.Context, revocation Revocation) error

	// Revoked reports whether a family was revoked. Beyond Until it MAY say either.
	Revoked(ctx context.Context, rootTokenID string) (bool, error)
}

// Revocation is the end of a family.
type Revocation struct {
	RootTokenID string    // root_token_id: a UUID in lower case
	Now         time.Time // when it is revoked
	Until       time.Time // when the last of its refresh tokens has expired
}
