package issuer

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/authmw/authmw/internal/compact"
)

// Identity identifies the user that tokens are issued for and, optionally, the OAuth client and its scopes. All of it is
// UTF-8, and no more than makes a token of 8 KiB.
type Identity struct {
	// Subject becomes sub. It has 1 to 255 bytes and no control characters.
	Subject string
	// ClientID becomes client_id. It is empty for a user who logs in directly.
	ClientID string
	// Scopes become scopes, at most 100. They bind the tokens: authmw.Claims.HasScope reports false for any other. A list
	// that is empty but not nil has no scope at all. With neither Scopes nor a ClientID, the tokens permit everything,
	// unless the Validator has authmw.WithStrictScopes.
	//
	// A refresh repeats them for as long as the login lives. To take a role away, make the roles part of the state hash, so
	// that the user has to log in again, or change the claims in the check set by authmw.WithClaimsCheck.
	//
	// Cloudreve takes a token with scopes and no client_id for a user's own login, which may do everything. If it has the
	// same secret, give each Identity with Scopes a ClientID. NewCloudreveCompatible insists on it.
	Scopes []string
}

func (identity Identity) validate() error {
	if reason := compact.CheckSubject(identity.Subject); reason != "" {
		return fmt.Errorf("issuer: subject: %s", reason)
	}
	invalid := func(text string) bool { return !utf8.ValidString(text) }
	if invalid(identity.Subject) || invalid(identity.ClientID) || slices.ContainsFunc(identity.Scopes, invalid) {
		return errors.New("issuer: subject, client ID and scopes must be UTF-8")
	}
	if n := len(identity.Scopes); n > compact.MaxScopes {
		return fmt.Errorf("issuer: %d scopes: at most %d are accepted", n, compact.MaxScopes)
	}
	return nil
}
