package compact

import (
	"fmt"
	"time"
)

// Kind says what a refused token failed at.
type Kind int

// The kinds, in the order in which a token is checked. From Expired on the MAC was right.
const (
	Malformed Kind = iota + 1
	Signature
	Claim
	Expired
	NotYetValid
	WrongType
)

// Error is why a token was refused. It never holds a part of the token: Reason and Member are constants of this package.
type Error struct {
	Kind   Kind
	Member string        // the header parameter or claim at fault, if it is one that this package knows
	Reason string        // a fixed phrase
	By     time.Duration // for Expired and NotYetValid: by how much the clock misses
}

func (e *Error) Error() string {
	switch {
	case e.Kind == Expired:
		return fmt.Sprintf("expired %v ago", readable(e.By))
	case e.Kind == NotYetValid:
		return fmt.Sprintf("valid in %v", readable(e.By))
	case e.Member != "":
		return e.Member + ": " + e.Reason
	}
	return e.Reason
}

// readable leaves out the fraction of what is longer than a moment.
func readable(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

func malformed(reason string) *Error { return &Error{Kind: Malformed, Reason: reason} }

// The reasons. Tests name them, so that each difference from golang-jwt is a known one.
const (
	reasonShape        = "not three segments, the last of 43 characters"
	reasonHeaderLength = "header is longer than 1024 characters"
	reasonBase64       = "not base64url without padding"
	reasonSignature    = "made with no current key"

	reasonAlgorithm   = "not HS256"
	reasonHeaderType  = "not JWT"
	reasonUnsupported = "not supported"

	reasonSyntax    = "not one JSON object"
	reasonUTF8      = "not UTF-8"
	reasonDepth     = "nested deeper than 16"
	reasonMembers   = "more than 16 members in the header"
	reasonDuplicate = "member given twice"
	reasonFolded    = "member name in other letter case"
	reasonRange     = "number beyond float64"

	reasonNotString  = "not a string"
	reasonNotStrings = "not an array of strings"
	reasonNotNumber  = "not a number"
	reasonNegative   = "negative"
	reasonExponent   = "written with an exponent"
	reasonFar        = "past the year 9999"

	reasonMissing   = "missing"
	reasonEmpty     = "empty"
	reasonLong      = "longer than 255 bytes"
	reasonControl   = "holds a control character"
	reasonTokenType = "not the type asked for"
)
