// Package compact verifies HS256 JSON Web Tokens in compact serialization, strictly: first the shape of the token, then
// its MAC, and only then a byte of the payload's JSON. It also signs tokens.
//
// It is the hot path of package authmw and knows nothing of requests, modes or scopes. A Verifier holds its keys ready
// for use and pools what a verification needs, so that a valid token costs little more than its MAC.
package compact

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
)

const (
	// signatureLen is the length of 32 bytes in base64url without padding.
	signatureLen = 43

	// maxHeaderLen bounds what an unauthenticated sender can have parsed. A header that says no more than HS256 needs
	// under 50 bytes, one with a key ID under 100.
	maxHeaderLen = 1024
)

// Verifier verifies tokens with a fixed list of keys. It is safe for concurrent use.
type Verifier struct {
	// Plain makes it parse even what it would know by its looks: tokens as Cloudreve issues them. The answers are the same,
	// as tests show that use it.
	Plain bool

	keys    []key
	scratch sync.Pool // of *scratch
}

// scratch is what one verification works on. Nothing in it outlives the call: claims have strings of their own.
type scratch struct {
	hasher
	decoded   []byte
	signature [sha256.Size + 2]byte
}

// NewVerifier returns a Verifier that tries the secrets in the order given. It keeps none of them, but what their MACs
// need. Their strength is the caller's concern.
func NewVerifier(secrets ...[]byte) *Verifier {
	v := new(Verifier)
	for _, secret := range secrets {
		v.keys = append(v.keys, newKey(secret))
	}
	v.scratch.New = func() any { return &scratch{hasher: newHasher()} }
	return v
}

// Verify fills claims from token if its shape, header, MAC, claims, time and type hold, in this order, and otherwise
// returns an *Error and leaves in claims nothing that may be used. The caller bounds the length of token.
func (v *Verifier) Verify(token string, expect Expect, claims *Claims) error {
	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	segment, payload, err := v.authenticate(token, s)
	if err != nil {
		return err
	}
	if v.Plain || !parseIssued(payload, claims) {
		if err := parseClaims(string(payload), claims, s.decoded); err != nil {
			return err
		}
	}
	claims.Segment = segment
	return claims.Check(expect)
}

// Read fills claims from a token as Verify does, with the same errors, but looks neither at its MAC nor at their values:
// anyone may have written them, and Check is still to be called. It is for those who have no key, and needs none.
func (v *Verifier) Read(token string, claims *Claims) error {
	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	s.grow(token)
	header, rest, _ := strings.Cut(token, ".")
	segment, signature, found := strings.Cut(rest, ".")
	if !found || len(signature) != signatureLen {
		return s.shapeError(token)
	}
	if header != issuedHeader {
		if err := s.checkHeader(header); err != nil {
			return err
		}
	}
	if _, ok := decode(s.signature[:], signature); !ok {
		return malformed(reasonBase64)
	}
	n, ok := decode(s.decoded, segment)
	if !ok {
		return malformed(reasonBase64)
	}
	if err := parseClaims(string(s.decoded[:n]), claims, s.decoded); err != nil {
		return err
	}
	claims.Segment = segment
	return nil
}

// Read is Read of a Verifier for one token.
func Read(token string, claims *Claims) error { return NewVerifier().Read(token, claims) }

// grow makes room for any part of a token to be decoded: three bytes for four characters, and what decode needs.
func (s *scratch) grow(token string) {
	if size := len(token)/4*3 + 8; len(s.decoded) < size {
		s.decoded = make([]byte, max(size, 512))
	}
}

// authenticate returns the payload of a token whose MAC is right: as it stands in the token and, in s, decoded.
func (v *Verifier) authenticate(token string, s *scratch) (segment string, payload []byte, err error) {
	// RFC 7515 section 3.1: BASE64URL(header) || '.' || BASE64URL(payload) || '.' || BASE64URL(signature). The signature's
	// length is known, so what is no token is mostly seen in one place, however long it is.
	s.grow(token)
	inputLen := len(token) - signatureLen - 1
	if inputLen < 0 || token[inputLen] != '.' {
		return "", nil, s.shapeError(token)
	}
	input, signature := token[:inputLen], token[inputLen+1:]

	undecoded, unhashed, n := "", input, 0
	issued := !v.Plain && strings.HasPrefix(input, issuedStart)
	if issued {
		segment, undecoded, unhashed = input[len(issuedHeader)+1:], input[len(issuedStart):], input[sha256.BlockSize:]
		n = copy(s.decoded, issuedPayload)
	} else {
		header, body, found := strings.Cut(input, ".")
		if !found {
			return "", nil, malformed(reasonShape)
		}
		if v.Plain || header != issuedHeader {
			if err := s.checkHeader(header); err != nil {
				return "", nil, err
			}
		}
		segment, undecoded = body, body
	}
	if _, ok := decode(s.signature[:], signature); !ok {
		return "", nil, malformed(reasonBase64)
	}
	m, ok := decode(s.decoded[n:], undecoded)
	if !ok {
		return "", nil, malformed(reasonBase64)
	}

	for i := range v.keys {
		k := &v.keys[i]
		inner := k.inner
		if issued {
			inner = k.issued
		}
		if hmac.Equal(k.mac(&s.hasher, inner, unhashed), s.signature[:sha256.Size]) {
			return segment, s.decoded[:n+m], nil
		}
	}
	return "", nil, &Error{Kind: Signature, Reason: reasonSignature}
}

// shapeError returns the error of a token whose last segment does not have the length of a signature. The signatures of
// other algorithms are longer, so the header may say what is wrong.
func (s *scratch) shapeError(token string) error {
	header, rest, _ := strings.Cut(token, ".")
	_, signature, found := strings.Cut(rest, ".")
	if !found || strings.Contains(signature, ".") {
		return malformed(reasonShape)
	}
	var e *Error
	if errors.As(s.checkHeader(header), &e) && e.Member == "alg" {
		return e
	}
	return malformed(reasonSignatureLength)
}

// checkHeader reads a header other than Cloudreve's.
func (s *scratch) checkHeader(segment string) error {
	if len(segment) > maxHeaderLen {
		return malformed(reasonHeaderLength)
	}
	n, ok := decode(s.decoded, segment)
	if !ok {
		return malformed(reasonBase64)
	}
	return parseHeader(string(s.decoded[:n]), s.decoded)
}
