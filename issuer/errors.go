package issuer

import (
	"errors"
	"fmt"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/denial"
)

// ErrInvalidGrant is matched by every error about a refresh token that does not work (RFC 6749 section 5.2: invalid_grant,
// for a token that "is invalid, expired, revoked …"). Its sender has to log in again. The text of
// the errors is for the server's own eyes; it never holds a part of the token.
var ErrInvalidGrant = errors.New("issuer: the refresh token is not accepted")

// The reasons for which a refresh token that is good in itself is not accepted.
var (
	// ErrReused: the token was used before. Its whole family was revoked, in the same step as this was found.
	ErrReused = fmt.Errorf("%w: it was used before", ErrInvalidGrant)

	// ErrRevoked: its family was revoked, or is not in the store any more.
	ErrRevoked = fmt.Errorf("%w: its login was ended", ErrInvalidGrant)

	// ErrStateChanged: the function set by WithStateHash returns something else than when the token was issued.
	ErrStateChanged = fmt.Errorf("%w: the state of its user changed", ErrInvalidGrant)
)

// ErrFamilyLimit is an Event's Err when a subject and client reach the limit of WithFamilyLimit, by a login or a logout. No
// method returns it.
var ErrFamilyLimit = errors.New("issuer: the limit of WithFamilyLimit was reached")

var errNotBuilt = errors.New("the issuer was not made by New")

// unavailable returns an error of a store or of the application.
func unavailable(err error) error {
	return fmt.Errorf("issuer: %w: %w", authmw.ErrUnavailable, err)
}

// refused returns the error for a refresh token, of package compact or of this one.
func refused(err error) error {
	failure := denial.InvalidClaims
	var e *compact.Error
	if errors.As(err, &e) {
		failure = denial.OfKind(e.Kind)
	}
	return fmt.Errorf("%w: %w: %w", ErrInvalidGrant, failure, err)
}
