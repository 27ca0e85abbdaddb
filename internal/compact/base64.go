package compact

import "encoding/binary"

// sextets[i] has the value of each character of base64url (RFC 4648 section 5) where it stands as the i-th of four, and
// invalid for all other bytes.
var sextets = func() (tables [4][256]uint32) {
	for i := range tables {
		for c := range tables[i] {
			tables[i][c] = invalid
		}
		for value, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			tables[i][c] = uint32(value) << (26 - 6*i)
		}
	}
	return tables
}()

// invalid is a bit that no value has.
const invalid = 1

// decode writes to dst the bytes that src stands for, and reports whether src is base64url without padding and their one
// spelling in it: bits that stand for nothing are zero (RFC 4648 section 3.5). The standard library's decoder also skips
// line breaks. dst must have room for two bytes more than src stands for.
func decode(dst []byte, src string) (n int, ok bool) {
	var all uint32
	for ; len(src) >= 8; src = src[8:] {
		first := sextets[0][src[0]] | sextets[1][src[1]] | sextets[2][src[2]] | sextets[3][src[3]]
		second := sextets[0][src[4]] | sextets[1][src[5]] | sextets[2][src[6]] | sextets[3][src[7]]
		all |= first | second
		binary.BigEndian.PutUint64(dst[n:], uint64(first)<<32|uint64(second)<<8) // and two bytes more, to be overwritten
		n += 6
	}
	if len(src) >= 4 {
		group := sextets[0][src[0]] | sextets[1][src[1]] | sextets[2][src[2]] | sextets[3][src[3]]
		all |= group
		binary.BigEndian.PutUint32(dst[n:], group)
		n += 3
		src = src[4:]
	}
	var group uint32
	switch len(src) {
	case 0:
		return n, all&invalid == 0
	case 1:
		return 0, false
	case 2:
		group = sextets[0][src[0]] | sextets[1][src[1]]
		dst[n] = byte(group >> 24)
		group <<= 8
		n++
	case 3:
		group = sextets[0][src[0]] | sextets[1][src[1]] | sextets[2][src[2]]
		dst[n] = byte(group >> 24)
		dst[n+1] = byte(group >> 16)
		group <<= 16
		n += 2
	}
	// What is left of the last group stands for nothing. An invalid character is seen there too.
	return n, all&invalid == 0 && group == 0
}
