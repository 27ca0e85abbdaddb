package denial

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/compact"
)

func TestOfKind(t *testing.T) {
	for kind, want := range map[compact.Kind]*Failure{
		compact.Malformed: MalformedToken, compact.Signature: InvalidSignature, compact.Claim: InvalidClaims, compact.Expired: TokenExpired,
		compact.NotYetValid: TokenNotYetValid, compact.WrongType: WrongTokenType, compact.Subject: InvalidClaims,
	} {
		require.Same(t, want, OfKind(kind))
	}
}

// TestForms has the two forms of a failure, to the byte.
func TestForms(t *testing.T) {
	require.Equal(t, `{"title":"Unauthorized","status":401,"detail":"The token is not an access token.","code":"wrong_token_type"}`+"\n",
		string(JSONLine(WrongTokenType.Problem())))
	require.Equal(t, `{"code":40020,"msg":"Invalid token type"}`, string(JSON(WrongTokenType.Envelope())))
	require.Equal(t, `{"code":203,"data":"id","msg":"","correlation_id":"c"}`, string(JSON(cloudreve.Denial{Code: 203, Data: "id", CorrelationID: "c"})))
}
