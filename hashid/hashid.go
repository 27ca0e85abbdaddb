// Package hashid turns the numbers in Cloudreve's database into the IDs that its API and the subject of its tokens have, and
// back: "wGH0" for user 1, under one salt.
//
//	ids, err := hashid.New(salt)             // the setting hash_id_salt
//	sub, err := ids.Encode(1, hashid.User)
//	id, err := ids.Decode(sub, hashid.User)
//
// They are hashids (https://hashids.org) of a number and its type, in Cloudreve's setup: the default alphabet and no
// minimum length. They are no secret, and hide nothing from whoever sees a few of them.
package hashid

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Type is what an ID is of. Its numbers are Cloudreve's.
type Type int

// The types that Cloudreve 4.14 has.
const (
	Share Type = iota
	User
	File
	Folder
	Tag
	Policy
	SourceLink
	Group
	Entity
	AuditLog
	Node
	Task
	DavAccount
	Payment
)

var typeNames = [...]string{"share", "user", "file", "folder", "tag", "policy", "source link", "group", "entity", "audit log",
	"node", "task", "DAV account", "payment"}

// String returns the type's name, and "Type(n)" for one that this package does not know.
func (t Type) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return fmt.Sprintf("Type(%d)", int(t))
	}
	return typeNames[t]
}

var (
	// ErrInvalid: it is not an ID, or was made with another salt.
	ErrInvalid = errors.New("hashid: not an ID under this salt")

	// ErrWrongType: it is an ID, but of something else.
	ErrWrongType = errors.New("hashid: an ID of another type")
)

// The hashids algorithm divides its characters into those that stand for digits, those that separate numbers, and guards,
// which only IDs of a minimum length have.
const (
	characters = "abdegjklmnopqrvwxyzABDEGJKLMNOPQRVWXYZ1234567890"
	separators = "cfhistuCFHISTU"
	guards     = len(characters) / 12

	// maxLen is longer than the ID of the largest number is.
	maxLen = 32
)

// Encoder encodes and decodes under one salt. It is safe for concurrent use.
type Encoder struct {
	salt       []rune
	alphabet   string
	separators string
}

// New returns the Encoder of the site whose setting hash_id_salt is salt. An empty salt is an error: no site has one.
func New(salt string) (*Encoder, error) {
	if salt == "" {
		return nil, errors.New("hashid: the salt is empty; it is the setting hash_id_salt of the site")
	}
	runes := []rune(salt)
	return &Encoder{
		salt:       runes,
		alphabet:   shuffle(characters, runes)[guards:],
		separators: shuffle(separators, runes),
	}, nil
}

// Encode returns the ID of a number. A negative number or type is an error, as is a type beyond 31 bits.
func (e *Encoder) Encode(id int64, t Type) (string, error) {
	if id < 0 || t < 0 || t > math.MaxInt32 {
		return "", fmt.Errorf("hashid: number %d of type %d: negative, or no type", id, t)
	}
	return e.encode(id, int64(t)), nil
}

// Decode returns the number that an ID of type t stands for. The error is ErrInvalid for anything that Encode never
// returns under this salt, and one that matches ErrWrongType, with the type found, for an ID of another type.
func (e *Encoder) Decode(id string, t Type) (int64, error) {
	numbers, ok := e.decode(id)
	if !ok || len(numbers) != 2 || numbers[1] > math.MaxInt32 {
		return 0, ErrInvalid
	}
	if found := Type(numbers[1]); found != t {
		return 0, fmt.Errorf("%w: %v, not %v", ErrWrongType, found, t)
	}
	return numbers[0], nil
}

func (e *Encoder) encode(numbers ...int64) string {
	sum := int64(0)
	for n, number := range numbers {
		sum += number % int64(n+100)
	}
	lottery := e.alphabet[sum%int64(len(e.alphabet))]
	id := []byte{lottery}
	alphabet := e.alphabet
	for n, number := range numbers {
		alphabet = e.next(alphabet, lottery)
		digits := digitsOf(number, alphabet)
		id = append(id, digits...)
		if n+1 < len(numbers) {
			id = append(id, e.separators[number%(int64(digits[0])+int64(n))%int64(len(e.separators))])
		}
	}
	return string(id)
}

// decode returns the numbers in an ID. That they encode to the very same ID shows that it was made with this salt.
func (e *Encoder) decode(id string) (numbers []int64, ok bool) {
	if id == "" || len(id) > maxLen {
		return nil, false
	}
	lottery, rest := id[0], id[1:]
	alphabet := e.alphabet
	for _, digits := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(e.separators, r) }) {
		alphabet = e.next(alphabet, lottery)
		number, ok := numberOf(digits, alphabet)
		if !ok {
			return nil, false
		}
		numbers = append(numbers, number)
	}
	return numbers, len(numbers) > 0 && e.encode(numbers...) == id
}

// next returns the alphabet for the next number of an ID that begins with lottery.
func (e *Encoder) next(alphabet string, lottery byte) string {
	return shuffle(alphabet, slices.Concat([]rune{rune(lottery)}, e.salt, []rune(alphabet)))
}

// digitsOf writes number with the characters of alphabet as digits.
func digitsOf(number int64, alphabet string) string {
	base := int64(len(alphabet))
	var digits [64]byte
	n := len(digits)
	for {
		n--
		digits[n] = alphabet[number%base]
		if number /= base; number == 0 {
			return string(digits[n:])
		}
	}
}

func numberOf(digits, alphabet string) (number int64, ok bool) {
	base := int64(len(alphabet))
	for n := range len(digits) {
		digit := strings.IndexByte(alphabet, digits[n])
		if digit < 0 || number > (math.MaxInt64-int64(digit))/base {
			return 0, false
		}
		number = number*base + int64(digit)
	}
	return number, true
}

// shuffle puts the characters of text in an order that salt determines: from the last to the second, each changes places
// with one before it.
func shuffle(text string, salt []rune) string {
	shuffled := []byte(text)
	for i, v, sum := len(shuffled)-1, 0, 0; i > 0; i, v = i-1, v+1 {
		v %= len(salt)
		sum += int(salt[v])
		j := (int(salt[v]) + v + sum) % i
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	}
	return string(shuffled)
}
