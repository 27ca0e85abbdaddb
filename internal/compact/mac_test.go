package compact

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMAC holds the states of a key against crypto/hmac, for secrets around the block size and both beginnings of a
// message.
func TestMAC(t *testing.T) {
	for _, size := range []int{0, 1, 31, 32, 63, 64, 65, 256} {
		secret := []byte(strings.Repeat("secret", 50)[:size])
		k, h := newKey(secret), newHasher()
		for _, input := range []string{"", "a", issuedStart, issuedStart + strings.Repeat("x", 300)} {
			reference := hmac.New(sha256.New, secret)
			reference.Write([]byte(input))
			want := reference.Sum(nil)
			require.Equal(t, want, k.mac(&h, k.inner, input), "%d bytes", size)
			if strings.HasPrefix(input, issuedStart) {
				require.Equal(t, want, k.mac(&h, k.issued, input[sha256.BlockSize:]), "%d bytes", size)
			}
		}
	}
}

// TestRFC4231 has the test cases of RFC 4231 with a full-length HMAC-SHA-256, as keys for a token that this package did
// not sign.
func TestRFC4231(t *testing.T) {
	for _, key := range []string{
		strings.Repeat("\x0b", 20), "Jefe", strings.Repeat("\xaa", 20), strings.Repeat("\xaa", 131),
	} {
		_, err := payloadOf(NewVerifier([]byte(key)), sign(key, `{"alg":"HS256"}`, "Hi There"))
		require.NoError(t, err)
	}
}
