// Package strictjson reads JSON objects (RFC 8259) that strangers sent. It accepts less than encoding/json: it does not
// fold letter case, replace bad UTF-8 or let a second member of the same name win.
package strictjson

import (
	"hash/maphash"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The reasons to refuse an object.
const (
	ReasonSyntax     = "not one JSON object"
	ReasonUTF8       = "not UTF-8"
	ReasonDepth      = "nested deeper than 16"
	ReasonMembers    = "too many members"
	ReasonElements   = "too many elements"
	ReasonDuplicate  = "member given twice"
	ReasonFolded     = "member name in other letter case"
	ReasonRange      = "number of 10^308 or more"
	ReasonNotString  = "not a string"
	ReasonNotStrings = "not an array of strings"
)

// maxDepth is the limit on levels of objects and arrays, including the outermost. With the limit on members, it bounds
// the work on one object.
const maxDepth = 16

// Scanner reads one JSON object from left to right. Make one with New.
//
// The first error is kept in Reason and ends the input. Every later read then fails too, so callers need to check Reason
// only where they stop.
//
// Reading is linear in the length of the input, except for comparing the names of members. The limit on members bounds
// that.
type Scanner struct {
	Reason string // why the input is refused; empty if it is not

	json       string
	pos        int
	depth      int
	names      []memberName // of the members of all open objects, see Unique
	members    int          // read so far, at every depth
	maxMembers int
	buffer     []byte // for strings with escapes; nothing keeps a part of it
	steps      int    // values read and names compared so far; tests bound them
}

// New returns a Scanner of json. It accepts at most maxMembers members, including those of nested objects. It uses the
// bytes of buffer, which may be nil, until its last read.
func New(json string, maxMembers int, buffer []byte) Scanner {
	s := Scanner{json: json, maxMembers: maxMembers, buffer: buffer}
	if !utf8.ValidString(json) {
		s.Fail(ReasonUTF8)
	}
	return s
}

// Fail refuses the input for a reason, unless it was refused before.
func (s *Scanner) Fail(reason string) {
	if s.Reason == "" {
		s.Reason = reason
	}
	s.pos = len(s.json)
}

// Peek returns the next byte that is not white space, or 0 at the end.
func (s *Scanner) Peek() byte {
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
func (s *Scanner) take(c byte) bool {
	if s.Peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *Scanner) expect(c byte) {
	if !s.take(c) {
		s.Fail(ReasonSyntax)
	}
}

// End checks that nothing but white space is left.
func (s *Scanner) End() {
	if s.Peek(); s.pos < len(s.json) {
		s.Fail(ReasonSyntax)
	}
}

func (s *Scanner) enter(open byte) {
	s.expect(open)
	if s.depth++; s.depth > maxDepth {
		s.Fail(ReasonDepth)
	}
}

// FirstMember enters an object and returns the name of its first member; ok is false if it has none, or on failure.
func (s *Scanner) FirstMember() (name string, ok bool) {
	s.enter('{')
	if s.take('}') {
		s.depth--
		return "", false
	}
	return s.name()
}

// NextMember returns the name of the next member once the last one's value was read; ok is false at the object's end,
// or on failure.
func (s *Scanner) NextMember() (name string, ok bool) {
	if !s.next('}') {
		return "", false
	}
	return s.name()
}

// next reads what follows a member or an element: a comma, or the end of the object or array. It reports whether it was
// a comma.
func (s *Scanner) next(end byte) bool {
	switch s.Peek() {
	case ',':
		s.pos++
		return true
	case end:
		s.pos++
		s.depth--
	default:
		s.Fail(ReasonSyntax)
	}
	return false
}

func (s *Scanner) name() (name string, ok bool) {
	name = s.quoted()
	s.expect(':')
	if s.members++; s.members > s.maxMembers {
		s.Fail(ReasonMembers)
	}
	return name, s.Reason == ""
}

// memberName is a name with its hash, which is cheaper to compare.
type memberName struct {
	name string
	hash uint64
}

// hashSeed is random, so that nobody can make up names with the same hash.
var hashSeed = maphash.MakeSeed()

// Unique fails if name is among s.names[first:], the names of the members of one object, and
// otherwise adds it to them. A nested object appends its own names and removes them at its end.
func (s *Scanner) Unique(name string, first int) {
	m := memberName{name, maphash.String(hashSeed, name)}
	for i := range s.names[first:] {
		s.steps++
		if sibling := &s.names[first+i]; sibling.hash == m.hash && sibling.name == m.name {
			s.Fail(ReasonDuplicate)
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

// FirstElement enters an array and reports whether it has an element.
func (s *Scanner) FirstElement() bool {
	s.enter('[')
	if s.take(']') {
		s.depth--
		return false
	}
	return s.Reason == ""
}

// NextElement reports whether another element follows the one just read.
func (s *Scanner) NextElement() bool { return s.next(']') }

// quoted reads a string. Without escapes it is a slice of the input.
func (s *Scanner) quoted() string {
	if !s.take('"') {
		s.Fail(ReasonSyntax)
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
			return s.escaped(i)
		case c < ' ':
			s.Fail(ReasonSyntax)
			return ""
		}
	}
	s.Fail(ReasonSyntax)
	return ""
}

// escaped reads a string whose first escape is at i.
func (s *Scanner) escaped(i int) string {
	value := append(s.buffer[:0], s.json[s.pos:i]...)
	for i < len(s.json) {
		switch c := s.json[i]; {
		case c == '"':
			s.buffer, s.pos = value, i+1
			return string(value)
		case c == '\\':
			r, size, reason := unescape(s.json[i:])
			if reason != "" {
				s.Fail(reason)
				return ""
			}
			if r < utf8.RuneSelf {
				value = append(value, byte(r))
			} else {
				value = utf8.AppendRune(value, r)
			}
			i += size
		case c < ' ':
			s.Fail(ReasonSyntax)
			return ""
		default:
			value = append(value, c)
			i++
		}
	}
	s.Fail(ReasonSyntax)
	return ""
}

// skipQuoted reads a string without decoding it, which allocates nothing.
func (s *Scanner) skipQuoted() {
	if !s.take('"') {
		s.Fail(ReasonSyntax)
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
				s.Fail(reason)
				return
			}
			i += size
		case c < ' ':
			s.Fail(ReasonSyntax)
			return
		default:
			i++
		}
	}
	s.Fail(ReasonSyntax)
}

// simpleEscapes has the characters that the escapes of one letter stand for. It is a table, since a processor cannot
// predict the branches that escapes at random would take.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape returns the character that the escape at the start of text stands for and the length of
// the escape, or the reason why it is not valid.
func unescape(text string) (r rune, size int, reason string) {
	if len(text) < 2 {
		return 0, 0, ReasonSyntax
	}
	if c := simpleEscapes[text[1]]; c != 0 {
		return rune(c), 2, ""
	}
	r, ok := hex4(text[2:])
	switch {
	case text[1] != 'u' || !ok:
		return 0, 0, ReasonSyntax
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
	return 0, 0, ReasonUTF8
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

// Text reads a value that must be a string.
func (s *Scanner) Text() string {
	if s.Peek() != '"' {
		s.Fail(ReasonNotString)
		return ""
	}
	return s.quoted()
}

// TextOrNull reads a string, or null as the empty string, as encoding/json does.
func (s *Scanner) TextOrNull() string {
	if s.Peek() == 'n' {
		s.literal("null")
		return ""
	}
	return s.Text()
}

// SkipText checks that a value is a string.
func (s *Scanner) SkipText() {
	if s.Peek() != '"' {
		s.Fail(ReasonNotString)
		return
	}
	s.skipQuoted()
}

// Texts reads a value that must be an array of at most limit strings. An empty array is not nil.
func (s *Scanner) Texts(limit int) []string {
	if s.Peek() != '[' {
		s.Fail(ReasonNotStrings)
		return nil
	}
	values := []string{}
	for more := s.FirstElement(); more; more = s.NextElement() {
		if s.Peek() != '"' {
			s.Fail(ReasonNotStrings)
			return nil
		}
		if len(values) == limit {
			s.Fail(ReasonElements)
			return nil
		}
		values = append(grow(values, limit), s.quoted())
	}
	return values
}

// SkipTexts checks that a value is an array of strings.
func (s *Scanner) SkipTexts() {
	if s.Peek() != '[' {
		s.Fail(ReasonNotStrings)
		return
	}
	for more := s.FirstElement(); more; more = s.NextElement() {
		if s.Peek() != '"' {
			s.Fail(ReasonNotStrings)
			return
		}
		s.skipQuoted()
	}
}

// Number is a number as written. Its parts are decimal digits. Exponent may have a sign.
type Number struct {
	Negative                  bool
	Whole, Fraction, Exponent string // Fraction and Exponent are empty if absent
}

// Number reads a number, which begins at the next byte, into n. On failure nothing of n may be used.
func (s *Scanner) Number(n *Number) {
	s.steps++
	i := s.pos
	n.Negative = s.byteAt(i) == '-'
	if n.Negative {
		i++
	}
	start := i
	if s.byteAt(i) == '0' {
		i++
	} else {
		i = s.digits(i)
	}
	n.Whole = s.json[start:i]
	ok := n.Whole != ""
	if s.byteAt(i) == '.' {
		start = i + 1
		i = s.digits(start)
		n.Fraction = s.json[start:i]
		ok = ok && n.Fraction != ""
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
		n.Exponent = s.json[start:i]
	}
	if !ok {
		s.Fail(ReasonSyntax)
		return
	}
	s.pos = i
}

// byteAt returns the byte at i, or 0 at the end.
func (s *Scanner) byteAt(i int) byte {
	if i < len(s.json) {
		return s.json[i]
	}
	return 0
}

// digits returns where the decimal digits end that begin at i. There may be none.
func (s *Scanner) digits(i int) int {
	for i < len(s.json) && '0' <= s.json[i] && s.json[i] <= '9' {
		i++
	}
	return i
}

// huge reports whether the magnitude of n is 10^308 or more. Numbers below that fit into a float64.
// It is decided by the digits, since converting a number can cost many times what reading it does.
func (n *Number) huge() bool {
	if n.Exponent == "" && len(n.Whole) <= 308 {
		return false
	}
	// The power of ten of the first digit that is not zero, before the exponent is applied.
	var power int
	if n.Whole != "0" {
		power = len(n.Whole) - 1
	} else {
		significant := strings.TrimLeft(n.Fraction, "0")
		if significant == "" {
			return false
		}
		power = len(significant) - len(n.Fraction) - 1
	}
	digits, negative := strings.CutPrefix(n.Exponent, "-")
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
func (s *Scanner) skipNumber() {
	var n Number
	if s.Number(&n); s.Reason == "" && n.huge() {
		s.Fail(ReasonRange)
	}
}

// Skip reads a value of any type.
func (s *Scanner) Skip() {
	switch s.Peek() {
	case '{':
		s.steps++
		first := len(s.names)
		for name, ok := s.FirstMember(); ok; name, ok = s.NextMember() {
			s.Unique(name, first)
			s.Skip()
		}
		s.names = s.names[:first]
	case '[':
		s.steps++
		for more := s.FirstElement(); more; more = s.NextElement() {
			s.Skip()
		}
	case '"':
		s.skipQuoted()
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

func (s *Scanner) literal(word string) {
	s.steps++
	if !strings.HasPrefix(s.json[s.pos:], word) {
		s.Fail(ReasonSyntax)
		return
	}
	s.pos += len(word)
}

// FoldsTo reports whether name differs from one of known by letter case alone. Decoders that fold case, as encoding/json
// does, would read the known member from it. The known ones are in lower case and have at most 13 letters.
func FoldsTo(name string, known []string) bool {
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
