package issuer

import (
	"context"
	"fmt"
	"time"
)

// Store keeps the live families of New's Issuer. A family is a login: all refresh tokens that stem from it. They are
// numbered, and the store keeps the number of the one that may be used next, the family's generation.
//
// A store must be safe for concurrent use, from as many processes as there are Issuers that share it. Each method MUST be
// atomic: of several calls at once for one owner, the outcome is that of some order of them. In SQL that takes a lock on the
// owner, since a row lock does not stop another login. An error means that the store could not do its work, never that there
// is no such family; the Issuer answers authmw.ErrUnavailable and issues nothing. A call that failed may or may not have
// taken effect. A store, or its client library, may repeat a call: twice the same call has the effect of one.
//
// Owners and families are named by hashes, 43 characters of base64url. Nothing here is a token, and a store needs to keep
// nothing that it is not given. IDs of families are unique among all owners. An owner stands for one Subject and ClientID,
// and is the same in every call for a family. Issuers that share a store must have the same users, or those of one share
// the limit of WithFamilyLimit with those of another.
//
// Times are by the clock of the calling Issuer. A store that has a clock of its own, which all Issuers share, takes the
// differences of them: it keeps its own time plus Grace and plus Expires minus Now. It reads the time while it holds the
// lock. A store in the Issuer's process takes Now for the time.
//
// A store MAY forget a family once Expires is past. Before that, only Create, Rotate and Delete remove it. A store that
// loses its memory makes users log in again. One that goes back to an earlier state keeps users logged in, until the Expires
// of that state: their refresh tokens tell it by how much it is behind, see Rotate. Logins that began since are over, and a
// login that ended since is live again.
//
// Package issuertest has a test for stores, TestStore.
type Store interface {
	// Create adds a family of generation 1. In one step, it MUST
	//   - return 0 and change nothing if the family is there and of generation 1 (the same call once more, after its answer
	//     was lost), and return an error if it is of a higher generation: IDs never repeat;
	//   - while its Owner has Limit live families or more, delete one: first those of generation 1, then the others, and
	//     within each group the one that expires first. With equal lifetimes these are first the logins that were never
	//     refreshed, and then the one that was not refreshed for the longest time. A family that has expired does not count,
	//     and may be deleted too;
	//   - add the family.
	// It returns how many live families it deleted.
	Create(ctx context.Context, family Family) (ended int, err error)

	// Rotate decides on the use of a refresh token. In one step, it MUST
	//   - return Unknown if there is no such family;
	//   - if Generation is the family's or higher, make Generation + 1 the family's, keep Call, Now, the end of Grace and
	//     Expires in place of what was there, and return Rotated. It is higher if the store went back to an earlier state;
	//   - if Generation is the family's - 1, and Grace has not passed since that use or Call is the one that was kept (the
	//     same call once more, after its answer was lost), change nothing and return Repeated and, as at, the Now that was
	//     kept, to the nanosecond (which a timestamp in SQL may round: keep its UnixNano);
	//   - otherwise delete the family and return Reused.
	// What at is with the other outcomes does not matter. With a Grace of 0, no time is within it. A store that takes Now for
	// the time MAY also refuse a repeat whose Now is earlier than that use by Grace or more, as when a clock was set back.
	Rotate(ctx context.Context, rotation Rotation) (outcome Outcome, at time.Time, err error)

	// Delete removes a family. That there is none is no error.
	Delete(ctx context.Context, owner, family string) error
}

// Family is a family at its beginning.
type Family struct {
	Owner   string    // the hash of its subject and client ID
	ID      string    // the hash of its root_token_id
	Now     time.Time // when it begins, by the Issuer's clock
	Expires time.Time // when its refresh token expires, by the Issuer's clock
	Limit   int       // how many live families the owner may have, with this one: 1 or more
}

// Rotation is the use of a refresh token.
type Rotation struct {
	Owner      string        // the hash of the family's subject and client ID
	Family     string        // the hash of its root_token_id
	Generation int64         // the number of the token that is used: 1 or more, and below 2^53
	Call       string        // identifies this call of Rotate: up to 43 characters of ASCII, never the same twice
	Now        time.Time     // when it is used, by the Issuer's clock
	Grace      time.Duration // for how long it may be used again for the same answer: 0 or more
	Expires    time.Time     // when the token that follows it expires, by the Issuer's clock
}

// Outcome is what a Store made of a Rotation.
type Outcome int

// The outcomes. The zero Outcome is none of them.
const (
	Rotated  Outcome = iota + 1 // the token was good, and the next one follows it
	Repeated                    // it was used before, within the grace window or by the same call: the first answer holds
	Reused                      // it was used before: the family was deleted
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

// Revocations keeps the families that NewCloudreveCompatible's Issuer revoked. A family that is not in it works, so if it
// loses its memory, tokens work again that were revoked.
//
// It must be safe for concurrent use. An error means that it could not do its work; the Issuer answers
// authmw.ErrUnavailable and issues nothing.
type Revocations interface {
	// Revoke adds a family. It MUST be kept until Until, whatever was kept of it before.
	//
	// It MAY forget a revocation of an owner that has more than Limit of them, if it then also reports other families of the
	// same owner as revoked: it MUST NOT report a token as live that was issued before its family was revoked. limited is
	// true if this call made it forget one.
	Revoke(ctx context.Context, revocation Revocation) (limited bool, err error)

	// Revoked reports whether the family of a refresh token was revoked. Beyond Until it MAY say either.
	Revoked(ctx context.Context, renewal Renewal) (bool, error)
}

// Revocation is the end of a family.
type Revocation struct {
	Owner       string    // the hash of its subject and client ID
	RootTokenID string    // root_token_id: a UUID in lower case
	Now         time.Time // when it is revoked
	Until       time.Time // when the last of its refresh tokens has expired
	Limit       int       // how many revocations of one owner are kept one by one: 1 or more
}

// Renewal is the use of a refresh token of NewCloudreveCompatible's Issuer.
type Renewal struct {
	Owner       string    // the hash of its subject and client ID
	RootTokenID string    // root_token_id: a UUID in lower case
	Issued      time.Time // its nbf, by the clock of its issuer, which may be up to a minute ahead; zero if it has none
}
