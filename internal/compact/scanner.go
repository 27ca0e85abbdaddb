package compact

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits on one JSON object. They bound the work on input from unauthenticated senders.
const (
	maxDepth = 16 // levels of objects and arrays, including the outermost

	// MaxScopes is the largest number of elements in scopes, the only array whose elements are kept.
	MaxScopes = 100
)

// scanner reads one JSON object (RFC 8259) from left to right. It accepts less than encoding/json does: nothing in it
// folds letter case, replaces bad UTF-8 or lets a second member of the same name win.
//
// The first error is kept in reason and ends the input. Every later read then fails too, so callers
// need to check reason only where they stop.
//
// Reading is linear in the length of the input, except for comparing the names of members. The
// limit on members bounds that.
type scanner struct {
	json       string
	pos        int
	depth      int
	names      []memberName // of the members of all open objects, see unique
	members    int          // read so far, at every depth
	maxMembers int
	buffer     []byte // for strings with escapes; nothing keeps a part of it
	steps      int    // values read and names compared so far; tests bound them
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
	if !s.next('}') {
		return "", false
	}
	return s.name()
}

// next reads what follows a member or an element: a comma, or the end of the object or array. It reports whether it was
// a comma.
func (s *scanner) next(end byte) bool {
	switch s.peek() {
	case ',':
		s.pos++
		return true
	case end:
		s.pos++
		s.depth--
	default:
		s.fail(reasonSyntax)
	}
	return false
}

func (s *scanner) name() (name string, ok bool) {
	name = s.string()
	s.expect(':')
	if s.members++; s.members > s.maxMembers {
		s.fail(reasonMembers)
	}
	return name, s.reason == ""
}

// memberName is a name with its hash, which is cheaper to compare.
type memberName struct {
	name string
	hash uint64
}

// hashSeed is random, so that nobody can make up names with the same hash.
var hashSeed = maphash.MakeSeed()

// unique fails if name is among s.names[first:], the names of the members of one object, and
// otherwise adds it to them. A nested object appends its own names and removes them at its end.
func (s *scanner) unique(name string, first int) {
	m := memberName{name, maphash.String(hashSeed, name)}
	for i := range s.names[first:] {
		s.steps++
		if sibling := &s.names[first+i]; sibling.hash == m.hash && sibling.name == m.name {
			s.fail(reasonDuplicate)
			return
		}
	}
	s.names = append(grow(s.names, s.maxMembers), m)
}

// grow makes room for one more element of at most limit. After a few, it makes room for all at once: growing step by step
// takes twice the memory.
func grow[T any](list []T, limit int) []T {
	if len(list) < cap(list) {
		return list
	}
	if len(list) == 0 {
		return slices.Grow(list, 8)
	}
	return slices.Grow(list, limit-len(list))
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
func (s *scanner) nextElement() bool { return s.next(']') }

// string reads a string. Without escapes it is a slice of the input.
func (s *scanner) string() string {
	if !s.take('"') {
		s.fail(reasonSyntax)
		return ""
	}
	s.steps++
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
	value := append(s.buffer[:0], s.json[s.pos:i]...)
	for i < len(s.json) {
		switch c := s.json[i]; {
		case c == '"':
			s.buffer, s.pos = value, i+1
			return string(value)
		case c == '\\':
			r, size, reason := unescape(s.json[i:])
			if reason != "" {
				s.fail(reason)
				return ""
			}
			if r < utf8.RuneSelf {
				value = append(value, byte(r))
			} else {
				value = utf8.AppendRune(value, r)
			}
			i += size
		case c < ' ':
			s.fail(reasonSyntax)
			return ""
		default:
			value = append(value, c)
			i++
		}
	}
	s.fail(reasonSyntax)
	return ""
}

// skipString reads a string without decoding it, which allocates nothing.
func (s *scanner) skipString() {
	if !s.take('"') {
		s.fail(reasonSyntax)
		return
	}
	s.steps++
	for i := s.pos; i < len(s.json); {
		switch c := s.json[i]; {
		case c == '"':
			s.pos = i + 1
			return
		case c == '\\':
			_, size, reason := unescape(s.json[i:])
			if reason != "" {
				s.fail(reason)
				return
			}
			i += size
		case c < ' ':
			s.fail(reasonSyntax)
			return
		default:
			i++
		}
	}
	s.fail(reasonSyntax)
}

// simpleEscapes has the characters that the escapes of one letter stand for. It is a table, since a processor cannot
// predict the branches that escapes at random would take.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape returns the character that the escape at the start of text stands for and the length of
// the escape, or the reason why it is not valid.
func unescape(text string) (r rune, size int, reason string) {
	if len(text) < 2 {
		return 0, 0, reasonSyntax
	}
	if c := simpleEscapes[text[1]]; c != 0 {
		return rune(c), 2, ""
	}
	r, ok := hex4(text[2:])
	switch {
	case text[1] != 'u' || !ok:
		return 0, 0, reasonSyntax
	case !utf16.IsSurrogate(r):
		return r, 6, ""
	}
	// A lone surrogate has no UTF-8. Decoders that replace it read two subjects as one.
	low, found := strings.CutPrefix(text[6:], `\u`)
	if second, ok := hex4(low); found && ok {
		if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
			return r, 12, ""
		}
	}
	return 0, 0, reasonUTF8
}

// hexDigits has the values of the hexadecimal digits, and notHex for all other bytes. It is a table for the reason that
// simpleEscapes is one.
var hexDigits = func() (table [256]uint16) {
	for c := range table {
		table[c] = notHex
	}
	for value, c := range []byte("0123456789abcdef") {
		table[c] = uint16(value)
	}
	for value, c := range []byte("ABCDEF") {
		table[c] = uint16(10 + value)
	}
	return table
}()

// notHex has a bit that no digit has.
const notHex = 1 << 4

// hex4 reads the four hexadecimal digits that s begins with.
func hex4(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	a, b, c, d := hexDigits[s[0]], hexDigits[s[1]], hexDigits[s[2]], hexDigits[s[3]]
	return rune(a)<<12 | rune(b)<<8 | rune(c)<<4 | rune(d), (a|b|c|d)&notHex == 0
}

// text reads a value that must be a string.
func (s *scanner) text() string {
	if s.peek() != '"' {
		s.fail(reasonNotString)
		return ""
	}
	return s.string()
}

// textOrNull reads a string, or null as the empty string, as encoding/json does.
func (s *scanner) textOrNull() string {
	if s.peek() == 'n' {
		s.literal("null")
		return ""
	}
	return s.text()
}

// skipText checks that a value is a string.
func (s *scanner) skipText() {
	if s.peek() != '"' {
		s.fail(reasonNotString)
		return
	}
	s.skipString()
}

// texts reads a value that must be an array of at most MaxScopes strings. An empty array is not nil.
func (s *scanner) texts() []string {
	if s.peek() != '[' {
		s.fail(reasonNotStrings)
		return nil
	}
	values := []string{}
	for more := s.firstElement(); more; more = s.nextElement() {
		if s.peek() != '"' {
			s.fail(reasonNotStrings)
			return nil
		}
		if len(values) == MaxScopes {
			s.fail(reasonScopes)
			return nil
		}
		values = append(grow(values, MaxScopes), s.string())
	}
	return values
}

// skipTexts checks that a value is an array of strings.
func (s *scanner) skipTexts() {
	if s.peek() != '[' {
		s.fail(reasonNotStrings)
		return
	}
	for more := s.firstElement(); more; more = s.nextElement() {
		if s.peek() != '"' {
			s.fail(reasonNotStrings)
			return
		}
		s.skipString()
	}
}

// number is a number as written. Its parts are decimal digits; exponent may have a sign.
type number struct {
	negative                  bool
	whole, fraction, exponent string // fraction and exponent are empty if absent
}

// number reads a number, which begins at the next byte, into n. On failure nothing of n may be used.
func (s *scanner) number(n *number) {
	s.steps++
	i := s.pos
	n.negative = s.byteAt(i) == '-'
	if n.negative {
		i++
	}
	start := i
	if s.byteAt(i) == '0' {
		i++
	} else {
		i = s.digits(i)
	}
	n.whole = s.json[start:i]
	ok := n.whole != ""
	if s.byteAt(i) == '.' {
		start = i + 1
		i = s.digits(start)
		n.fraction = s.json[start:i]
		ok = ok && n.fraction != ""
	}
	if c := s.byteAt(i); c == 'e' || c == 'E' {
		start = i + 1
		i = start
		if c := s.byteAt(i); c == '+' || c == '-' {
			i++
		}
		end := s.digits(i)
		ok = ok && end > i
		i = end
		n.exponent = s.json[start:i]
	}
	if !ok {
		s.fail(reasonSyntax)
		return
	}
	s.pos = i
}

// byteAt returns the byte at i, or 0 at the end.
func (s *scanner) byteAt(i int) byte {
	if i < len(s.json) {
		return s.json[i]
	}
	return 0
}

// digits returns where the decimal digits end that begin at i. There may be none.
func (s *scanner) digits(i int) int {
	for i < len(s.json) && '0' <= s.json[i] && s.json[i] <= '9' {
		i++
	}
	return i
}

// huge reports whether the magnitude of n is 10^308 or more. Numbers below that fit into a float64.
// It is decided by the digits, since converting a number can cost many times what reading it does.
func (n *number) huge() bool {
	if n.exponent == "" && len(n.whole) <= 308 {
		return false
	}
	// The power of ten of the first digit that is not zero, before the exponent is applied.
	var power int
	if n.whole != "0" {
		power = len(n.whole) - 1
	} else {
		significant := strings.TrimLeft(n.fraction, "0")
		if significant == "" {
			return false
		}
		power = len(significant) - len(n.fraction) - 1
	}
	digits, negative := strings.CutPrefix(n.exponent, "-")
	exponent := 0
	for _, c := range []byte(strings.TrimPrefix(digits, "+")) {
		exponent = min(exponent*10+int(c-'0'), 1<<24) // more than any token has digits
	}
	if negative {
		exponent = -exponent
	}
	return power+exponent >= 308
}

// skipNumber checks that a value is a number that fits into a float64 (RFC 8259 section 6: implementations differ in how
// they read others).
func (s *scanner) skipNumber() {
	var n number
	if s.number(&n); s.reason == "" && n.huge() {
		s.fail(reasonRange)
	}
}

// lastSecond is the last second of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// date reads a NumericDate (RFC 7519 section 2) in whole seconds: a fraction is rounded up or down. It
// accepts only numbers that all implementations can represent: from 1970 to the year 9999 and
// without an exponent.
func (s *scanner) date(roundUp bool) time.Time {
	if c := s.peek(); c != '-' && (c < '0' || '9' < c) {
		s.fail(reasonNotNumber)
		return time.Time{}
	}
	var n number
	if s.number(&n); s.reason != "" {
		return time.Time{}
	}
	// 18 digits fit into an int64, and are enough to be past the year 9999.
	seconds, _ := strconv.ParseInt(n.whole[:min(len(n.whole), 18)], 10, 64)
	if roundUp && strings.Trim(n.fraction, "0") != "" {
		seconds++
	}
	switch {
	case n.negative:
		s.fail(reasonNegative)
	case n.exponent != "":
		s.fail(reasonExponent)
	case seconds > lastSecond:
		s.fail(reasonFar)
	default:
		return time.Unix(seconds, 0).UTC()
	}
	return time.Time{}
}

// skip reads a value of any type.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		s.steps++
		first := len(s.names)
		for name, ok := s.firstMember(); ok; name, ok = s.nextMember() {
			s.unique(name, first)
			s.skip()
		}
		s.names = s.names[:first]
	case '[':
		s.steps++
		for more := s.firstElement(); more; more = s.nextElement() {
			s.skip()
		}
	case '"':
		s.skipString()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.skipNumber()
	}
}

func (s *scanner) literal(word string) {
	s.steps++
	if !strings.HasPrefix(s.json[s.pos:], word) {
		s.fail(reasonSyntax)
		return
	}
	s.pos += len(word)
}

// foldsTo reports whether name differs from one of known by letter case alone. Decoders that fold case, as encoding/json
// does, would read the known member from it. The known ones are in lower case and have at most 13 letters.
func foldsTo(name string, known []string) bool {
	var folded [13]byte
	n := 0
	for _, r := range name {
		switch {
		case 'A' <= r && r <= 'Z':
			r += 'a' - 'A'
		case r == '\u017f': // long s
			r = 's'
		case r == '\u212a': // Kelvin sign
			r = 'k'
		}
		if r >= utf8.RuneSelf || n == len(folded) {
			return false
		}
		folded[n] = byte(r)
		n++
	}
	for _, k := range known {
		if string(folded[:n]) == k {
			return true
		}
	}
	return false
}
