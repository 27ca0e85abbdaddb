package session

import (
	"context"

	"github.com/authmw/authmw/issuer"
)

// User is who logged in.
type User struct {
	// Identity is the user that tokens are issued for.
	issuer.Identity
	// Profile is the member user of the answer to a login, as encoding/json makes it. It is left out if nil.
	Profile any
}

// LoginFunc checks an e-mail address and a password. The address has 1 to 254 characters and no control characters, line
// separators or bidirectional controls. Nothing else is known of it. The password has 4 to 128 characters (not bytes:
// bcrypt takes 72 of those). It returns
//   - ErrInvalidCredentials if there is no such user or it is not their password. It should take the same time for both:
//     compare against some hash even if there is no user;
//   - ErrBlocked or ErrNotActivated for a user who must not log in, once the password was found right;
//   - a *SecondFactorRequiredError if there is a second step;
//   - any other error if it cannot tell at the moment, which is answered with status 503.
//
// A user that the issuer's state function refuses, see issuer.WithStateHash, counts as blocked.
type LoginFunc func(ctx context.Context, email, password string) (User, error)

// SecondFactorFunc checks a one-time password for the login that SessionID of a SecondFactorRequiredError named. It returns
// ErrInvalidOTP, ErrUnknownLogin if there is no such login or no longer, or any error that a LoginFunc may. It must count
// the tries: a one-time password of six digits does not stand many.
type SecondFactorFunc func(ctx context.Context, sessionID, otp string) (User, error)
