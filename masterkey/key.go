package masterkey

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/authmw/authmw"
)

// Key is a key that was found. Printing, logging or encoding one as JSON does not show the secret. Do not keep one in an
// unexported field of a struct that is printed, though: package fmt does not call methods there.
type Key struct {
	// Secret is the key itself: the bytes as they stand, since Cloudreve does not decode them.
	Secret []byte `json:"-"`

	// From says where it was found, such as "the file /run/secrets/key".
	From string

	// Warning says what is wrong with that place, though the key be good. It is empty if nothing is.
	Warning string
}

// String tells where the key was found.
func (k Key) String() string { return "masterkey.Key(from " + k.From + ")" }

// Format writes what String returns, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue returns what String does.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// found makes a Key of what was found somewhere, if it can be one. The advice is what to do otherwise.
func found(secret []byte, from, advice string) (Key, error) {
	if len(secret) == 0 {
		return Key{}, fmt.Errorf("masterkey: %s is empty: %s", from, advice)
	}
	if len(secret) < authmw.MinSecretSize {
		return Key{}, fmt.Errorf("masterkey: %s has %d bytes, HS256 needs %d or more (RFC 7518 section 3.2), and Cloudreve generates 256: %s",
			from, len(secret), authmw.MinSecretSize, advice)
	}
	return Key{Secret: secret, From: from}, nil
}
