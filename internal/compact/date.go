package compact

import (
	"strconv"
	"strings"
	"time"

	"github.com/authmw/authmw/internal/strictjson"
)

// lastSecond is the last second of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// date reads a NumericDate (RFC 7519 section 2) in whole seconds: a fraction is rounded up or down. It
// accepts only numbers that all implementations can represent: from 1970 to the year 9999 and
// without an exponent.
func date(s *strictjson.Scanner, roundUp bool) time.Time {
	if c := s.Peek(); c != '-' && (c < '0' || '9' < c) {
		s.Fail(reasonNotNumber)
		return time.Time{}
	}
	var n strictjson.Number
	if s.Number(&n); s.Reason != "" {
		return time.Time{}
	}
	// 18 digits fit into an int64, and are enough to be past the year 9999.
	seconds, _ := strconv.ParseInt(n.Whole[:min(len(n.Whole), 18)], 10, 64)
	if roundUp && strings.Trim(n.Fraction, "0") != "" {
		seconds++
	}
	switch {
	case n.Negative:
		s.Fail(reasonNegative)
	case n.Exponent != "":
		s.Fail(reasonExponent)
	case seconds > lastSecond:
		s.Fail(reasonFar)
	default:
		return time.Unix(seconds, 0).UTC()
	}
	return time.Time{}
}
