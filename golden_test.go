package authmw_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/capture"
)

// TestCloudreveTokens has every token of a real Cloudreve's answers: the access tokens are accepted, the refresh tokens
// refused for their type alone. That refresh tokens are good in themselves, internal/compact shows.
func TestCloudreveTokens(t *testing.T) {
	captured := capture.Read(t)
	for _, issued := range captured.Tokens {
		t.Run(issued.Name, func(t *testing.T) {
			var now time.Time
			v, err := authmw.New([]byte(captured.SecretKey), authmw.WithClock(func() time.Time { return now }))
			require.NoError(t, err)
			verify := func(at int64, token string) (*authmw.Claims, error) {
				now = time.Unix(at, 0)
				return v.Verify(t.Context(), token)
			}

			claims, err := verify(issued.Nbf, issued.Token)
			good := error(nil)
			if issued.TokenType == authmw.AccessToken {
				require.NoError(t, err)
				require.Equal(t, issued.TokenType, claims.TokenType)
				require.Equal(t, issued.Sub, claims.Subject)
				require.Equal(t, issued.Exp, claims.ExpiresAt.Unix())
				require.Equal(t, issued.Nbf, claims.NotBefore.Unix())
				require.Equal(t, issued.Scopes, claims.Scopes)
				require.Equal(t, issued.ClientID, claims.ClientID)
			} else {
				good = authmw.ErrWrongTokenType
				requireOutcome(t, good, claims, err)
			}

			claims, err = verify(issued.Exp-1, issued.Token)
			requireOutcome(t, good, claims, err)
			claims, err = verify(issued.Exp, issued.Token)
			requireOutcome(t, authmw.ErrTokenExpired, claims, err)
			claims, err = verify(issued.Nbf-1, issued.Token)
			requireOutcome(t, authmw.ErrTokenNotYetValid, claims, err)

			other, err := authmw.New([]byte(otherSecret), authmw.WithClock(func() time.Time { return time.Unix(issued.Nbf, 0) }))
			require.NoError(t, err)
			claims, err = other.Verify(t.Context(), issued.Token)
			requireOutcome(t, authmw.ErrInvalidSignature, claims, err)

			for i := range issued.Token {
				for bit := range 8 {
					changed := []byte(issued.Token)
					changed[i] ^= 1 << bit
					claims, err := verify(issued.Nbf, string(changed))
					require.Nil(t, claims, "bit %d of character %d", bit, i)
					require.Error(t, err)
					require.NotErrorIs(t, err, authmw.ErrWrongTokenType, "bit %d of character %d got past the MAC", bit, i)
				}
			}
			for i, segment := range strings.Split(issued.Token, ".") {
				decoded, err := base64.RawURLEncoding.DecodeString(segment)
				require.NoError(t, err)
				for bit := range 8 * len(decoded) {
					decoded[bit/8] ^= 1 << (bit % 8)
					segments := strings.Split(issued.Token, ".")
					segments[i] = encode(string(decoded))
					decoded[bit/8] ^= 1 << (bit % 8)
					claims, err := verify(issued.Nbf, strings.Join(segments, "."))
					require.Nil(t, claims)
					if i > 0 {
						require.ErrorIs(t, err, authmw.ErrInvalidSignature, "bit %d of segment %d", bit, i)
					} else {
						require.Error(t, err)
						require.NotErrorIs(t, err, authmw.ErrWrongTokenType)
					}
				}
			}
		})
	}
}

// TestDocumentedToken has the access token that Cloudreve's documentation prints. It is well formed; only the key that
// it was signed with is nobody's.
func TestDocumentedToken(t *testing.T) {
	const documented = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwic3ViIjoibHB1YSIsImV4cCI6MTc0NTY1NTU3OCwibmJmIjoxNzQ1NjUxOTc4fQ.L1ETHHBNImNevze00QAgrrY1maZO2nefyIwdT4cb68c"
	claims, err := newValidator(t).Verify(t.Context(), documented)
	requireOutcome(t, authmw.ErrInvalidSignature, claims, err)
	require.NotErrorIs(t, err, authmw.ErrMalformedToken)
}
