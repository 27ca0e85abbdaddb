// Package compact verifies HS256 JSON Web Tokens in compact serialization, strictly: first the shape of the token, then
// its MAC, and only then a byte of the payload's JSON.
//
// It is the hot path of package authmw and knows nothing of requests, modes or scopes. A Verifier holds its keys ready
// for use and pools what a verification needs, so that a valid token costs little more than its MAC.
package compact

import (
	"crypto/hmac"
	"crypto/sha256"
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

// Verifier verifies tokens with a fixed list of keys. It is safe for concurrent use.
type Verifier struct {
	// Plain makes it parse even what it would know by its looks: the usual header, and payloads as Cloudreve issues them.
	// The answers are the same, as tests show that use it.
	Plain bool

	scratch sync.Pool // of *scratch
}

// scratch is what one verification works on. Nothing in it outlives the call: claims slice a string of their own.
type scratch struct {
	macs      []hash.Hash // one for each key, in the keys' order
	input     []byte      // what the MAC is of
	decoded   []byte
	signature [sha256.Size + 1]byte
	sum       [sha256.Size]byte
}

// NewVerifier returns a Verifier that tries the secrets in the order given. It copies them. Their strength is the
// caller's concern.
func NewVerifier(secrets ...[]byte) *Verifier {
	copies := make([][]byte, len(secrets))
	for i, secret := range secrets {
		copies[i] = append([]byte(nil), secret...)
	}
	v := new(Verifier)
	v.scratch.New = func() any {
		s := &scratch{macs: make([]hash.Hash, len(copies)), decoded: make([]byte, 512)}
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
	if v.Plain || !parseIssued(payload, claims) {
		if err := ParseClaims(payload, claims); err != nil {
			return err
		}
	}
	return claims.check(expect)
}

// authenticate returns the decoded payload of a token whose MAC is right.
func (v *Verifier) authenticate(token string) (payload string, err error) {
	// RFC 7515 section 3.1: BASE64URL(header) || '.' || BASE64URL(payload) || '.' || BASE64URL(signature). The signature's
	// length is known, so what is no token is mostly seen in one place, however long it is.
	inputLen := len(token) - signatureLen - 1
	if inputLen < 0 || token[inputLen] != '.' {
		return "", malformed(reasonShape)
	}
	var header string
	body, usual := strings.CutPrefix(token[:inputLen], issuedHeader+".")
	if usual = usual && !v.Plain; !usual {
		var found bool
		if header, body, found = strings.Cut(token[:inputLen], "."); !found {
			return "", malformed(reasonShape)
		}
	}

	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	if len(s.decoded) < len(token) { // which is more than any part of it decodes to
		s.decoded = make([]byte, len(token))
	}
	if !usual {
		if err := s.checkHeader(header); err != nil {
			return "", err
		}
	}
	if _, ok := decode(s.signature[:], token[inputLen+1:]); !ok {
		return "", malformed(reasonBase64)
	}
	n, ok := decode(s.decoded, body)
	if !ok {
		return "", malformed(reasonBase64)
	}

	s.input = append(s.input[:0], token[:inputLen]...)
	for _, mac := range s.macs {
		mac.Reset()
		mac.Write(s.input)
		if hmac.Equal(mac.Sum(s.sum[:0]), s.signature[:sha256.Size]) {
			return string(s.decoded[:n]), nil
		}
	}
	return "", &Error{Kind: Signature, Reason: reasonSignature}
}

// checkHeader reads a header other than the usual one.
func (s *scratch) checkHeader(segment string) error {
	if len(segment) > maxHeaderLen {
		return malformed(reasonHeaderLength)
	}
	n, ok := decode(s.decoded, segment)
	if !ok {
		return malformed(reasonBase64)
	}
	return parseHeader(string(s.decoded[:n]))
}
