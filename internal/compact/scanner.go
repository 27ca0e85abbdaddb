package compact

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest, the outermost included.
const maxDepth = 16

// scanner reads one JSON object (RFC 8259) from left to right. It accepts less than encoding/json does: nothing in it
// folds letter case, replaces bad UTF-8 or lets a second member of the same name win.
//
// The first thing that is wrong is kept in reason and ends the input, so that every later read fails too and callers
// need to look at reason only where they stop.
type scanner struct {
	json       string
	pos        int
	depth      int
	members    int // read so far, at every depth
	maxMembers int // 0: no limit
	reason     string
}

func (s *scanner) fail(reason string) {
	if s.reason == "" {
		s.reason = reason
	}
	s.pos = len(s.json)
}

// peek returns the next byte that is not white space, or 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.json); s.pos++ {
		switch c := s.json[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it is the next byte that is not white space.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) expect(c byte) {
	if !s.take(c) {
		s.fail(reasonSyntax)
	}
}

// end checks that nothing but white space is left.
func (s *scanner) end() {
	if s.peek(); s.pos < len(s.json) {
		s.fail(reasonSyntax)
	}
}

func (s *scanner) enter(open byte) {
	s.expect(open)
	if s.depth++; s.depth > maxDepth {
		s.fail(reasonDepth)
	}
}

// firstMember enters an object and returns the name of its first member; ok is false if it has none, or on failure.
func (s *scanner) firstMember() (name string, ok bool) {
	s.enter('{')
	if s.take('}') {
		s.depth--
		return "", false
	}
	return s.name()
}

// nextMember returns the name of the next member once the last one's value was read; ok is false at the object's end,
// or on failure.
func (s *scanner) nextMember() (name string, ok bool) {
	if s.take('}') {
		s.depth--
		return "", false
	}
	s.expect(',')
	return s.name()
}

func (s *scanner) name() (name string, ok bool) {
	name = s.string()
	s.expect(':')
	if s.members++; s.maxMembers > 0 && s.members > s.maxMembers {
		s.fail(reasonMembers)
	}
	return name, s.reason == ""
}

// firstElement enters an array and reports whether it has an element.
func (s *scanner) firstElement() bool {
	s.enter('[')
	if s.take(']') {
		s.depth--
		return false
	}
	return s.reason == ""
}

// nextElement reports whether another element follows the one just read.
func (s *scanner) nextElement() bool {
	if s.take(']') {
		s.depth--
		return false
	}
	s.expect(',')
	return s.reason == ""
}

// string reads a string. Without escapes it is a slice of the input.
func (s *scanner) string() string {
	if !s.take('"') {
		s.fail(reasonSyntax)
		return ""
	}
	for i := s.pos; i < len(s.json); i++ {
		switch c := s.json[i]; {
		case c == '"':
			value := s.json[s.pos:i]
			s.pos = i + 1
			return value
		case c == '\\':
			return s.escapedString(i)
		case c < ' ':
			s.fail(reasonSyntax)
			return ""
		}
	}
	s.fail(reasonSyntax)
	return ""
}

// escapedString reads a string whose first escape is at i.
func (s *scanner) escapedString(i int) string {
	value := append([]byte(nil), s.json[s.pos:i]...) // which grows with the string, not with all that is left
	for i < len(s.json) {
		c := s.json[i]
		i++
		switch {
		case c == '"':
			s.pos = i
			return string(value)
		case c < ' ':
			s.fail(reasonSyntax)
			return ""
		case c != '\\':
			value = append(value, c)
			continue
		}
		if i == len(s.json) {
			break
		}
		c = s.json[i]
		i++
		switch c {
		case '"', '\\', '/':
			value = append(value, c)
		case 'b':
			value = append(value, '\b')
		case 'f':
			value = append(value, '\f')
		case 'n':
			value = append(value, '\n')
		case 'r':
			value = append(value, '\r')
		case 't':
			value = append(value, '\t')
		case 'u':
			r, ok := hex4(s.json[i:])
			if !ok {
				s.fail(reasonSyntax)
				return ""
			}
			i += 4
			if utf16.IsSurrogate(r) {
				// A lone surrogate has no UTF-8: decoders that replace it make two subjects one.
				low, ok := hex4(strings.TrimPrefix(s.json[i:], `\u`))
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError || !strings.HasPrefix(s.json[i:], `\u`) {
					s.fail(reasonUTF8)
					return ""
				}
				i += 6
			}
			value = utf8.AppendRune(value, r)
		default:
			s.fail(reasonSyntax)
			return ""
		}
	}
	s.fail(reasonSyntax)
	return ""
}

// hex4 reads the four hexadecimal digits that s begins with.
func hex4(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range []byte(s[:4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// text reads a value that must be a string.
func (s *scanner) text() string {
	if s.peek() != '"' {
		s.fail(reasonNotString)
		return ""
	}
	return s.string()
}

// texts reads a value that must be an array of strings.
func (s *scanner) texts() []string {
	if s.peek() != '[' {
		s.fail(reasonNotStrings)
		return nil
	}
	var values []string
	for more := s.firstElement(); more; more = s.nextElement() {
		if s.peek() != '"' {
			s.fail(reasonNotStrings)
			return nil
		}
		values = append(values, s.string())
	}
	return values
}

// number reads a number and returns it as it was written.
func (s *scanner) number() string {
	s.peek()
	start := s.pos
	s.accept('-')
	if !s.accept('0') && s.digits() == 0 {
		s.fail(reasonSyntax)
		return ""
	}
	if s.accept('.') && s.digits() == 0 {
		s.fail(reasonSyntax)
		return ""
	}
	if s.accept('e') || s.accept('E') {
		_ = s.accept('+') || s.accept('-')
		if s.digits() == 0 {
			s.fail(reasonSyntax)
			return ""
		}
	}
	return s.json[start:s.pos]
}

func (s *scanner) accept(c byte) bool {
	if s.pos < len(s.json) && s.json[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.json) && '0' <= s.json[s.pos] && s.json[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

// lastSecond is the last one of the year 9999, and so the last that RFC 3339 can write.
const lastSecond = 253402300799

// date reads a NumericDate (RFC 7519 section 2) that all implementations read alike: from 1970 to the year 9999 and
// without an exponent, which leaves float64 and int64 no room to overflow.
func (s *scanner) date() time.Time {
	if c := s.peek(); c != '-' && (c < '0' || '9' < c) {
		s.fail(reasonNotNumber)
		return time.Time{}
	}
	number := s.number()
	if s.reason != "" {
		return time.Time{}
	}
	if number[0] == '-' {
		s.fail(reasonNegative)
		return time.Time{}
	}
	if seconds, err := strconv.ParseInt(number, 10, 64); err == nil && seconds <= lastSecond {
		return time.Unix(seconds, 0).UTC()
	}
	if strings.ContainsAny(number, "eE") {
		s.fail(reasonExponent)
		return time.Time{}
	}
	// A fraction goes through float64 as golang-jwt's does, so that both see the same instant. Integers that come here
	// are too large.
	f, _ := strconv.ParseFloat(number, 64)
	if f >= lastSecond+1 {
		s.fail(reasonFar)
		return time.Time{}
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

// skip reads a value of any type.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		var names nameSet
		for name, ok := s.firstMember(); ok; name, ok = s.nextMember() {
			if !names.add(name) {
				s.fail(reasonDuplicate)
			}
			s.skip()
		}
	case '[':
		for more := s.firstElement(); more; more = s.nextElement() {
			s.skip()
		}
	case '"':
		s.string()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		// RFC 8259 section 6: a number beyond float64 is read differently by different implementations, or not at all.
		if _, err := strconv.ParseFloat(s.number(), 64); err != nil {
			s.fail(reasonRange)
		}
	}
}

func (s *scanner) literal(word string) {
	if !strings.HasPrefix(s.json[s.pos:], word) {
		s.fail(reasonSyntax)
		return
	}
	s.pos += len(word)
}

// nameSet holds the names of one object's members.
type nameSet map[string]struct{}

// add reports whether name is new.
func (n *nameSet) add(name string) bool {
	if *n == nil {
		*n = make(nameSet)
	}
	if _, found := (*n)[name]; found {
		return false
	}
	(*n)[name] = struct{}{}
	return true
}

// foldsTo reports whether name differs from one of known, but only by letter case. Decoders that fold case, as
// encoding/json does, would read the known member from it.
func foldsTo(name string, known []string) bool {
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return true
		}
	}
	return false
}
