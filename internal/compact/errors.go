package compact

import (
	"fmt"
	"time"

	"github.com/authmw/authmw/internal/strictjson"
)

// Kind says what a refused token failed at.
type Kind int

// The kinds. If Verify returns Claim or a later one, the MAC was right.
const (
	Malformed   Kind = iota + 1
	Signature        // made with no current key
	Claim            // the payload's form, a claim's type, or exp is missing
	Expired          // the time is exp or later
	NotYetValid      // the time is before nbf
	WrongType        // token_type
	Subject          // sub is a string, but cannot be a subject
)

// Error is the reason why a token was refused. It never holds a part of the token: its strings are
// constants.
type Error struct {
	Kind   Kind
	Member string        // the header parameter or claim at fault, if this package knows it
	Reason string        // a fixed phrase
	Found  string        // the value of Member, if it is on a list of known ones
	Want   string        // a fixed phrase: the value that Member must have
	By     time.Duration // for Expired and NotYetValid: how far the clock is past exp or before nbf
}

func (e *Error) Error() string {
	text := e.Reason
	switch {
	case e.Kind == Expired:
		return fmt.Sprintf("expired %v ago", readable(e.By))
	case e.Kind == NotYetValid:
		return fmt.Sprintf("valid in %v", readable(e.By))
	case e.Reason == reasonMissing:
		text = "there is no " + e.Member
	case e.Found != "":
		text = e.Member + " is " + e.Found
	case e.Member != "":
		text = e.Member + ": " + e.Reason
	}
	if e.Want != "" {
		text += "; " + e.Want
	}
	return text
}

// readable leaves out the fraction of what is longer than a moment.
func readable(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

// limited returns the reason of package strictjson with the limit that it stands for here.
func limited(reason string) string {
	switch reason {
	case strictjson.ReasonMembers:
		return reasonMembers
	case strictjson.ReasonElements:
		return reasonScopes
	}
	return reason
}

func malformed(reason string) *Error { return &Error{Kind: Malformed, Reason: reason} }

// The reasons. Tests name them, so that each difference from golang-jwt is a known one.
const (
	reasonShape           = "not three segments"
	reasonSignatureLength = "the signature does not have 43 characters"
	reasonHeaderLength    = "header is longer than 1024 characters"
	reasonBase64          = "not base64url without padding"
	reasonSignature       = "made with no current key"

	reasonAlgorithm   = "unknown"
	reasonHeaderType  = "not JWT"
	reasonUnsupported = "not supported"

	reasonMembers = "too many members (at most 16 in a header, 100 in a payload)"
	reasonScopes  = "more than 100 scopes"

	reasonNotNumber = "not a number"
	reasonNegative  = "negative"
	reasonExponent  = "written with an exponent"
	reasonFar       = "past the year 9999"

	reasonMissing   = "missing"
	reasonLong      = "longer than 255 bytes"
	reasonControl   = "holds a control character"
	reasonTokenType = "not the right type"
)
