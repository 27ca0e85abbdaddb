package compact

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// Signer signs tokens with one key. It is safe for concurrent use.
type Signer struct {
	key     key
	scratch sync.Pool // of *signing
}

// signing is what one signature works on.
type signing struct {
	hasher
	payload []byte
	token   []byte
}

// NewSigner returns a Signer. It keeps what the MACs need and not the secret. The secret's strength is the caller's
// concern.
func NewSigner(secret []byte) *Signer {
	s := &Signer{key: newKey(secret)}
	s.scratch.New = func() any { return &signing{hasher: newHasher()} }
	return s
}

// Sign returns the token of claims, in which Segment is ignored. It is to the byte what golang-jwt makes of Cloudreve's
// struct: the members in its order, empty ones left out, times in whole seconds. A Scopes that is empty but not nil is an
// empty list. Invalid UTF-8 becomes U+FFFD.
func (s *Signer) Sign(claims *Claims) string {
	w := s.scratch.Get().(*signing)
	defer s.scratch.Put(w)
	w.payload = appendPayload(w.payload[:0], claims)
	w.token = append(w.token[:0], issuedHeader...)
	w.token = append(w.token, '.')
	w.token = base64.RawURLEncoding.AppendEncode(w.token, w.payload)
	inner, rest := s.key.inner, w.token
	if bytes.HasPrefix(rest, []byte(issuedStart[:sha256.BlockSize])) {
		inner, rest = s.key.issued, rest[sha256.BlockSize:]
	}
	mac := s.key.macBytes(&w.hasher, inner, rest)
	w.token = append(w.token, '.')
	w.token = base64.RawURLEncoding.AppendEncode(w.token, mac)
	return string(w.token)
}

func appendPayload(b []byte, c *Claims) []byte {
	b = append(b, `{"token_type":`...)
	b = appendText(b, c.TokenType)
	b = appendMember(b, `,"sub":`, c.Subject)
	b = appendDate(b, `,"exp":`, c.ExpiresAt)
	b = appendDate(b, `,"nbf":`, c.NotBefore)
	if c.Refresh != nil {
		b = appendMember(b, `,"jti":`, c.Refresh.ID)
		b = appendMember(b, `,"state_hash":`, c.Refresh.StateHash)
		b = appendMember(b, `,"root_token_id":`, c.Refresh.RootTokenID)
	}
	if c.Scopes != nil {
		b = append(b, `,"scopes":[`...)
		for i, scope := range c.Scopes {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, scope)
		}
		b = append(b, ']')
	}
	b = appendMember(b, `,"client_id":`, c.ClientID)
	return append(b, '}')
}

// appendMember appends a member that is left out if its value is empty.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, name...), value)
}

// appendDate appends a member that is left out if its value is zero.
func appendDate(b []byte, name string, value time.Time) []byte {
	if value.IsZero() {
		return b
	}
	return strconv.AppendInt(append(b, name...), value.Unix(), 10)
}

// appendText appends text as encoding/json does, which also escapes what HTML would read as markup.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			encoded, err := json.Marshal(text)
			if err != nil {
				panic(err) // it never happens for a string
			}
			return append(b, encoded...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
