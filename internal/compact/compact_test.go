package compact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	testSecret = "viHqGBnQZxedlpUuZEhUxX8jmbrEAlslDCC00zHngSxxOENb4v13Kn9wk9yY9WtX"
	issuedAt   = 1795430989
)

func encode(segment string) string { return base64.RawURLEncoding.EncodeToString([]byte(segment)) }

func sign(secret, header, payload string) string {
	return signSegments(secret, encode(header)+"."+encode(payload))
}

func signInput(input string) string { return signSegments(testSecret, input) }

func signSegments(secret, input string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

func at(seconds int64) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0) }
}

type issuedToken struct {
	Name, Token, Sub string
	TokenType        string `json:"token_type"`
	Exp, Nbf         int64
	Scopes           []string
	ClientID         string `json:"client_id"`
}

func readCapture(t testing.TB) (secret string, tokens []issuedToken) {
	t.Helper()
	data, err := os.ReadFile("../../testdata/cloudreve-4.14.json")
	require.NoError(t, err)
	var capture struct {
		SecretKey string `json:"secret_key"`
		Tokens    []issuedToken
	}
	require.NoError(t, json.Unmarshal(data, &capture))
	require.NotEmpty(t, capture.Tokens)
	return capture.SecretKey, capture.Tokens
}

// TestCloudreveTokens has every token of a real Cloudreve, of both types, under both expectations.
func TestCloudreveTokens(t *testing.T) {
	secret, tokens := readCapture(t)
	v := NewVerifier([]byte(secret))
	other := map[string]string{"access": "refresh", "refresh": "access"}
	for _, token := range tokens {
		t.Run(token.Name, func(t *testing.T) {
			var claims Claims
			require.NoError(t, v.Verify(token.Token, Expect{TokenType: token.TokenType, Now: at(token.Nbf)}, &claims))
			require.Equal(t, Claims{
				TokenType: token.TokenType, Subject: token.Sub, ClientID: token.ClientID, Scopes: token.Scopes,
				ExpiresAt: time.Unix(token.Exp, 0).UTC(), NotBefore: time.Unix(token.Nbf, 0).UTC(), Segment: strings.Split(token.Token, ".")[1],
			}, claims)

			for kind, expect := range map[Kind]Expect{
				WrongType:   {TokenType: other[token.TokenType], Now: at(token.Nbf)},
				Expired:     {TokenType: token.TokenType, Now: at(token.Exp)},
				NotYetValid: {TokenType: token.TokenType, Now: at(token.Nbf - 1)},
			} {
				requireKind(t, kind, v.Verify(token.Token, expect, &claims))
			}
		})
	}
}

func requireKind(t *testing.T, kind Kind, err error) {
	t.Helper()
	var refused *Error
	require.True(t, errors.As(err, &refused), "%v", err)
	require.Equal(t, kind, refused.Kind, "%v", err)
}

// payloadOf returns the decoded payload of a token whose MAC is right.
func payloadOf(v *Verifier, token string) (string, error) {
	_, payload, err := v.authenticate(token, v.scratch.New().(*scratch))
	return string(payload), err
}

// TestRFC7515 has the example of RFC 7515 appendix A.1, whose header is spelled unlike anybody's.
func TestRFC7515(t *testing.T) {
	key, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	require.NoError(t, err)
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	payload, err := payloadOf(NewVerifier(key), token)
	require.NoError(t, err)
	require.Equal(t, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", payload)
}

// TestMAC holds the states of a key against crypto/hmac, for secrets around the block size and both beginnings of a
// message.
func TestMAC(t *testing.T) {
	for _, size := range []int{0, 1, 31, 32, 63, 64, 65, 256} {
		secret := []byte(strings.Repeat("secret", 50)[:size])
		k := newKey(secret)
		for _, input := range []string{"", "a", issuedStart, issuedStart + strings.Repeat("x", 300)} {
			reference := hmac.New(sha256.New, secret)
			reference.Write([]byte(input))
			want := reference.Sum(nil)
			require.Equal(t, want, k.mac(&scratch{digest: newDigest()}, k.inner, input), "%d bytes", size)
			if strings.HasPrefix(input, issuedStart) {
				require.Equal(t, want, k.mac(&scratch{digest: newDigest()}, k.issued, input[sha256.BlockSize:]), "%d bytes", size)
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

func TestKeysAreTriedInOrder(t *testing.T) {
	const header, payload = `{"alg":"HS256","typ":"JWT"}`, `{"token_type":"access","sub":"wGH0","exp":1795434589}`
	v := NewVerifier([]byte("first"), []byte("second"), []byte("third"))
	expect := Expect{TokenType: "access", Now: at(issuedAt)}
	var claims Claims
	for _, secret := range []string{"first", "second", "third"} {
		require.NoError(t, v.Verify(sign(secret, header, payload), expect, &claims), secret)
	}
	requireKind(t, Signature, v.Verify(sign("fourth", header, payload), expect, &claims))
	requireKind(t, Signature, NewVerifier().Verify(sign("first", header, payload), expect, &claims))
}

// TestClockIsReadLast shows that nothing about time can be learned from a token that was not signed here.
func TestClockIsReadLast(t *testing.T) {
	v := NewVerifier([]byte(testSecret))
	expect := Expect{TokenType: "access", Now: func() time.Time {
		t.Error("the clock is read")
		return time.Time{}
	}}
	var claims Claims
	for _, token := range []string{
		"", "a.b.c", sign("other", `{"alg":"HS256"}`, `{"exp":1}`), sign(testSecret, `{"alg":"HS256"}`, `{"exp":`),
		sign(testSecret, `{"alg":"none"}`, `{"exp":1}`),
	} {
		require.Error(t, v.Verify(token, expect, &claims))
	}
}

// TestIssuedStart shows that what is known of a token by its beginning is what reading it would find.
func TestIssuedStart(t *testing.T) {
	header, err := base64.RawURLEncoding.DecodeString(issuedHeader)
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"HS256","typ":"JWT"}`, string(header))
	require.NoError(t, parseHeader(string(header), nil))
	require.Equal(t, issuedStart, issuedHeader+"."+encode(issuedPayload))
}
