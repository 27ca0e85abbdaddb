package authmw

import (
	"fmt"
	"strconv"
)

// Mode says how much a route cares who sent a request.
//
//	mode      no credentials       valid token           invalid token
//	Required  401                  handler, with claims  401
//	Optional  handler, anonymous   handler, with claims  401
//	None      handler; the header is never read
//
// They are Cloudreve's "JWT Required", "JWT Optional" and "Auth: None", but for the last column of Optional: there
// Cloudreve takes a token that does not verify for anonymous, which WithLenientOptional restores.
type Mode uint8

const (
	// Required admits only requests with a valid token. It is the zero Mode and stands in for every unknown one, so
	// that a mode that was forgotten fails closed.
	Required Mode = iota
	// Optional admits requests without credentials as anonymous.
	Optional
	// None admits every request and reads nothing of it. It does not lift a mode that is set further out.
	None
)

var modeNames = [...]string{Required: "required", Optional: "optional", None: "none"}

// String returns "required", "optional" or "none", and "Mode(n)" for any other value.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "Mode(" + strconv.Itoa(int(m)) + ")"
}

// MarshalText returns what String does, and an error for a value that is none of the three modes.
func (m Mode) MarshalText() ([]byte, error) {
	if int(m) >= len(modeNames) {
		return nil, fmt.Errorf("authmw: %v is none of the modes", m)
	}
	return []byte(m.String()), nil
}

// UnmarshalText sets m from "required", "optional" or "none", in lower case. Any other text, the empty one included, is
// an error and leaves m as it was.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if string(text) == name {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("authmw: mode %q is not required, optional or none", text)
}
