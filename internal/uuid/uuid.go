// Package uuid makes and recognizes UUIDs (RFC 9562), which Cloudreve names logins and requests by.
package uuid

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// New returns a random UUID (RFC 9562 section 5.4).
func New() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, id[i:i+1])
	}
	return string(text)
}

// Canonical returns id in lower case (RFC 9562 section 4) and whether it is a UUID.
func Canonical(id string) (string, bool) {
	if len(id) != 36 {
		return "", false
	}
	id = strings.ToLower(id)
	for i, c := range []byte(id) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && strings.IndexByte("0123456789abcdef", c) < 0 {
			return "", false
		}
	}
	return id, true
}
