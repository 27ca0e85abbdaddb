package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// refreshToken is what a refresh token says.
type refreshToken struct {
	identity   Identity
	state      string    // state_hash, in base64
	root       string    // root_token_id, the name of the family
	generation int64     // which of the family's tokens it is, from 1 on; 0 if they work more than once
	issued     time.Time // nbf, zero if absent
	expires    time.Time
}

// owner returns the hash of the user and the client, which stores know them by.
func (t refreshToken) owner() string {
	return hashed(t.identity.Subject, "\n", t.identity.ClientID) // a subject has no control characters
}

// hashed returns an identifier as stores keep it: nobody who reads a store learns a root_token_id from it.
func hashed(parts ...string) string {
	id := make([]byte, 0, 256)
	for _, part := range parts {
		id = append(id, part...)
	}
	sum := sha256.Sum256(id)
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, 43), sum[:]))
}

// next returns the token that follows t.
func (t refreshToken) next() refreshToken {
	if t.generation > 0 {
		t.generation++
	}
	return t
}

// earlyRefresh is by how much an Issuer's clock may be behind that of the one that issued a refresh token. nbf is the
// second of issue, so without it a clock that is a millisecond behind would have a user log in again.
const earlyRefresh = time.Minute

// maxGeneration keeps generations exact where numbers are float64, as in the scripts of Redis.
const maxGeneration = 1<<53 - 1

// id returns the jti of t: the family and the generation. It is the same whichever process computes it. It need not be
// secret: the MAC makes it a token.
func (t refreshToken) id() string {
	if t.generation == 0 {
		return ""
	}
	return t.root + "." + strconv.FormatInt(t.generation, 10)
}

// parseGeneration returns the generation in the jti of a refresh token, or 0 if it has no jti.
func parseGeneration(id, root string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	digits, found := strings.CutPrefix(id, root+".")
	generation, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || generation < 1 || generation >= maxGeneration || strconv.FormatInt(generation, 10) != digits {
		return 0, errID
	}
	return generation, nil
}

var errID = errors.New("jti is not root_token_id, a dot and a generation")
