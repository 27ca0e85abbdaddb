package compact

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/capture"
)

// TestIssuedStart shows that what is known of a token by its beginning is what reading it would find.
func TestIssuedStart(t *testing.T) {
	header, err := base64.RawURLEncoding.DecodeString(issuedHeader)
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"HS256","typ":"JWT"}`, string(header))
	require.NoError(t, parseHeader(string(header), nil))
	require.Equal(t, issuedStart, issuedHeader+"."+encode(issuedPayload))
}

// FuzzIssued holds the way that knows Cloudreve's payloads by their looks against the plain one, without the detour of a
// token.
func FuzzIssued(f *testing.F) {
	tokens := capture.Read(f).Tokens
	for _, token := range tokens {
		var segment [512]byte
		n, ok := decode(segment[:], strings.Split(token.Token, ".")[1])
		require.True(f, ok)
		f.Add(string(segment[:n]))
	}
	for _, seed := range []string{
		`{"token_type":"access","sub":"","exp":0,"nbf":0}`, `{"token_type":"access","sub":"w","exp":01,"nbf":1}`,
		`{"token_type":"access","sub":"w","exp":253402300799,"nbf":253402300800}`, `{"token_type":"access","sub":"w","exp":1.5,"nbf":1}`,
		`{"token_type":"access","sub":"w","exp":1,"nbf":1,"scopes":["a","b"]}`, `{"token_type":"access","sub":"w","exp":1,"nbf":1,"scopes":[]}`,
		`{"token_type":"access","sub":"w","exp":1,"nbf":1,"client_id":"c"} `, `{"token_type":"access","sub":"\u0077","exp":1,"nbf":1}`,
		`{"token_type":"access","sub":"w","exp":1895000.00,"nbf":1795430989}`, `{"token_type":"access","sub":"w","exp":1795430989,"nbf":0700000000}`,
		"{\"token_type\":\"access\",\"sub\":\"w\",\"exp\":1795430989,\"nbf\":1795430989,\"client_id\":\"a\tb\"}",
		`{"token_type":"access","sub":"w","exp":1795430989,"nbf":1795430989,"scopes":["a"}`,
		`{"token_type":"access","sub":"w","exp":1795430989,"nbf":1795430989,"scopes":["]}`,
		`{"token_type":"access","sub":"w","exp":1795430989,"nbf":1795430989,"scopes":["a","b"],"client_id":"c"}`,
		`{"token_type":"access","sub":"w","exp":1,"nbf":1,"client_id":"c","client_id":"c"}`, `{"token_type":"access","sub":"w","exp":,"nbf":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		var claims, plain Claims
		if parseIssued([]byte(payload), &claims) {
			require.NoError(t, ParseClaims(payload, &plain))
			require.Equal(t, plain, claims)
		}
	})
}

// TestIssuedIsWhatIsIssued shows that real access tokens go the fast way.
func TestIssuedIsWhatIsIssued(t *testing.T) {
	captured := capture.Read(t)
	for _, token := range captured.Tokens {
		payload, err := payloadOf(NewVerifier([]byte(captured.SecretKey)), token.Token)
		require.NoError(t, err)
		var claims Claims
		require.Equal(t, token.TokenType == "access", parseIssued([]byte(payload), &claims), token.Name)
	}
}
