// Package compact verifies HS256 JSON Web Tokens in compact serialization, strictly: first the shape of the token, then
// its MAC, and only then a byte of the payload's JSON.
//
// It is the hot path of package authmw and knows nothing of requests, modes or scopes. A Verifier holds its keys ready
// for use and pools what a verification needs, so that a valid token costs little more than its MAC.
package compact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strings"
	"sync"
	"time"
)

const (
	// issuedHeader is {"alg":"HS256","typ":"JWT"}, which Cloudreve and golang-jwt put before every token that they
	// issue: whoever sends exactly these bytes needs no header parsed.
	issuedHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

	// signatureLen is the length of 32 bytes in base64url without padding.
	signatureLen = 43

	// maxHeaderLen bounds what an unauthenticated sender can have parsed. A header that says no more than HS256 needs
	// under 50 bytes, one with a key ID under 100.
	maxHeaderLen = 1024
)

// Strict refuses trailing bits that are not zero, so that a token has one spelling (RFC 4648 section 3.5).
var base64url = base64.RawURLEncoding.Strict()

// Verifier verifies tokens with a fixed list of keys. It is safe for concurrent use.
type Verifier struct {
	keys    int
	scratch sync.Pool // of *scratch
}

// scratch is what one verification works on. Nothing in it outlives the call: claims slice a string of their own.
type scratch struct {
	macs    []hash.Hash // one for each key, in the keys' order
	token   []byte
	decoded []byte
	sum     []byte
}

// NewVerifier returns a Verifier that tries the secrets in the order given. It copies them. Their strength is the
// caller's concern.
func NewVerifier(secrets ...[]byte) *Verifier {
	copies := make([][]byte, len(secrets))
	for i, secret := range secrets {
		copies[i] = append([]byte(nil), secret...)
	}
	v := &Verifier{keys: len(copies)}
	v.scratch.New = func() any {
		s := &scratch{
			macs:    make([]hash.Hash, len(copies)),
			token:   make([]byte, 0, 512),
			decoded: make([]byte, 512),
			sum:     make([]byte, 0, sha256.Size),
		}
		for i, secret := range copies {
			s.macs[i] = hmac.New(sha256.New, secret)
		}
		return s
	}
	return v
}

// Expect is what a token must match beyond its MAC.
type Expect struct {
	TokenType string           // the exact value of token_type
	Now       func() time.Time // asked only once the MAC was found right
	Leeway    time.Duration    // how far exp and nbf may be missed
}

// Verify fills claims from token if its shape, header, MAC, claims, time and type hold, in this order, and otherwise
// returns an *Error and leaves in claims nothing that may be used. The caller bounds the length of token.
func (v *Verifier) Verify(token string, expect Expect, claims *Claims) error {
	payload, err := v.authenticate(token)
	if err != nil {
		return err
	}
	if err := ParseClaims(payload, claims); err != nil {
		return err
	}
	return claims.check(expect)
}

// authenticate returns the decoded payload of a token whose MAC is right.
func (v *Verifier) authenticate(token string) (payload string, err error) {
	// RFC 7515 section 3.1: BASE64URL(header) || '.' || BASE64URL(payload) || '.' || BASE64URL(signature).
	headerEnd := strings.IndexByte(token, '.')
	if headerEnd < 0 {
		return "", malformed(reasonSegments)
	}
	payloadEnd := headerEnd + 1 + strings.IndexByte(token[headerEnd+1:], '.')
	if payloadEnd == headerEnd {
		return "", malformed(reasonSegments)
	}
	// Length before dots: a fourth segment must not be worth a search through all that a stranger sent.
	if len(token)-payloadEnd-1 != signatureLen {
		if strings.IndexByte(token[payloadEnd+1:], '.') >= 0 {
			return "", malformed(reasonSegments)
		}
		return "", malformed(reasonSignatureLength)
	}

	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	s.token = append(s.token[:0], token...)
	if n := base64url.DecodedLen(len(token)); n > len(s.decoded) {
		s.decoded = make([]byte, n)
	}

	if header := token[:headerEnd]; header != issuedHeader {
		if err := s.checkHeader(s.token[:headerEnd]); err != nil {
			return "", err
		}
	}
	var signature [sha256.Size]byte
	if _, ok := decode(signature[:], s.token[payloadEnd+1:]); !ok {
		return "", malformed(reasonBase64)
	}
	n, ok := decode(s.decoded, s.token[headerEnd+1:payloadEnd])
	if !ok {
		return "", malformed(reasonBase64)
	}

	for _, mac := range s.macs {
		mac.Reset()
		mac.Write(s.token[:payloadEnd])
		s.sum = mac.Sum(s.sum[:0])
		if hmac.Equal(s.sum, signature[:]) {
			return string(s.decoded[:n]), nil
		}
	}
	return "", &Error{Kind: Signature, Reason: reasonSignature}
}

// checkHeader reads a header other than the usual one.
func (s *scratch) checkHeader(segment []byte) error {
	if len(segment) > maxHeaderLen {
		return malformed(reasonHeaderLength)
	}
	n, ok := decode(s.decoded, segment)
	if !ok {
		return malformed(reasonBase64)
	}
	return parseHeader(string(s.decoded[:n]))
}

// decode writes to dst the bytes that src stands for and reports whether src is their one spelling in base64url without
// padding. The standard decoder skips CR and LF even in strict mode; each one skipped makes the result shorter than the
// length of src promises, unless that length is one that no encoding has.
func decode(dst, src []byte) (n int, ok bool) {
	if len(src)%4 == 1 {
		return 0, false
	}
	n, err := base64url.Decode(dst, src)
	return n, err == nil && n == base64url.DecodedLen(len(src))
}
