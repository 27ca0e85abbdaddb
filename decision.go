package authmw

import (
	"net/http"
	"slices"
)

// Decision is one decision about a request under Required or Optional.
type Decision struct {
	// Request is the request. It may be read only during the call: the server and CopyBack change it later.
	Request *http.Request
	Mode    Mode
	// Claims are a copy of the sender's claims, also if the request is denied for its scopes or by the check set by
	// WithClaimsCheck. They are nil for anonymous requests, and on a denial for any other reason. The observer may keep
	// them.
	Claims *Claims
	// Err is why the request is denied or, with WithLenientOptional, why it counts as anonymous although it had a token.
	// It is nil or an *Error, whose LogValue and text tell more than the sender is told.
	Err error
	// Denied is whether the request is denied.
	Denied bool
}

// newDecision returns the decision that found s, or denied the request, or both.
func newDecision(r *http.Request, mode Mode, s *sender, denial *Error) Decision {
	decision := Decision{Request: r, Mode: mode}
	if s != nil {
		decision.Err = s.reason
		if s.claims != nil {
			// The handler may change its own claims while an observer logs these in the background.
			claims := *s.claims
			claims.Scopes = slices.Clone(claims.Scopes)
			claims.value = nil
			decision.Claims = &claims
		}
	}
	if denial != nil {
		decision.Denied, decision.Err = true, denial
	}
	return decision
}
