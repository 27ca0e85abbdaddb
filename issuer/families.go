package issuer

import (
	"context"
	"time"
)

// families is one of the two ways to refresh. expires is when the refresh token of a pair issued now expires.
type families interface {
	// first returns the generation of a new family's first refresh token.
	first() int64
	// kind returns an error if t is a refresh token of the other way.
	kind(t refreshToken) error
	// check returns an error if no tokens may be issued for identity.
	check(identity Identity) error
	// begin begins a family. It returns how many others it ended to stay within the limit.
	begin(ctx context.Context, t refreshToken, now, expires time.Time) (ended int, err error)
	// renew decides on the use of a refresh token. next is the pair that follows it as of now. at is when the token was used
	// first, if it is Repeated.
	renew(ctx context.Context, t refreshToken, now time.Time, next Pair) (outcome Outcome, at time.Time, err error)
	// end ends a family. limited is as for Revocations.Revoke.
	end(ctx context.Context, t refreshToken, now, expires time.Time) (limited bool, err error)
}
