package compact

import (
	"crypto/sha256"
	"encoding"
	"hash"
)

// key is a secret in the form that HMAC-SHA-256 (RFC 2104) needs it in: the states of SHA-256 that hashing what is the
// same for every token leads to. FIPS 198-1 section 6 allows them in place of the secret, to be kept as secret as that.
//
// crypto/hmac keeps the same states, but only those after the pads. Cloudreve's access tokens go on with a block that is
// the same for all of them too: with the state after that, three blocks are left to hash of four.
type key struct {
	inner  []byte // after the secret XOR ipad
	issued []byte // after that and the first block of issuedStart
	outer  []byte // after the secret XOR opad
}

// digest is SHA-256 as crypto/sha256 documents it: a hash whose state can be saved and resumed.
type digest interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

func newDigest() digest { return sha256.New().(digest) }

// hasher is what computing a MAC works on.
type hasher struct {
	digest digest
	chunk  [512]byte // of the message
	sum    [sha256.Size]byte
}

func newHasher() hasher { return hasher{digest: newDigest()} }

func newKey(secret []byte) key {
	if len(secret) > sha256.BlockSize {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	var ipad, opad [sha256.BlockSize]byte
	copy(ipad[:], secret)
	copy(opad[:], secret)
	for i := range ipad {
		ipad[i] ^= 0x36
		opad[i] ^= 0x5c
	}
	return key{
		inner:  stateAfter(ipad[:]),
		issued: stateAfter(ipad[:], []byte(issuedStart[:sha256.BlockSize])),
		outer:  stateAfter(opad[:]),
	}
}

func stateAfter(blocks ...[]byte) []byte {
	d := newDigest()
	for _, block := range blocks {
		d.Write(block)
	}
	state, err := d.MarshalBinary()
	if err != nil {
		panic(err) // as crypto/hmac does: it never happens, and no MAC may be computed without the secret in it
	}
	return state
}

// mac returns the MAC of the message that inner is the state after the beginning of and whose rest is given. It is in h
// until the next call.
func (k *key) mac(h *hasher, inner []byte, rest string) []byte {
	resume(h.digest, inner)
	for rest != "" {
		n := copy(h.chunk[:], rest)
		h.digest.Write(h.chunk[:n])
		rest = rest[n:]
	}
	return k.finish(h)
}

// macBytes is mac of bytes.
func (k *key) macBytes(h *hasher, inner, rest []byte) []byte {
	resume(h.digest, inner)
	h.digest.Write(rest)
	return k.finish(h)
}

// finish returns the MAC of what the digest was given after the inner pad.
func (k *key) finish(h *hasher) []byte {
	sum := h.digest.Sum(h.sum[:0])
	resume(h.digest, k.outer)
	h.digest.Write(sum)
	return h.digest.Sum(sum[:0])
}

func resume(d digest, state []byte) {
	if err := d.UnmarshalBinary(state); err != nil {
		panic(err)
	}
}
