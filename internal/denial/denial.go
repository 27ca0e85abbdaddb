// Package denial has the failures that requests and tokens are refused for, with all that a client is told of each.
// Package authmw exports them as its sentinel errors.
package denial

import (
	"encoding/json"
	"net/http"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/compact"
)

// Failure is one way in which a request can be denied.
type Failure struct {
	Code         string // stable, such as "token_expired"
	Status       int    // HTTP status
	OAuthError   string // RFC 6750 section 3.1; empty for none
	Message      string // one sentence for the client
	Cloudreve    int    // the code in Cloudreve's API
	CloudreveMsg string // the message that goes with it there
	Alike        []error
}

// Error returns the code, as an error of package authmw.
func (f *Failure) Error() string { return "authmw: " + f.Code }

// Unwrap returns golang-jwt's sentinels for the same failure.
func (f *Failure) Unwrap() []error { return f.Alike }

// The failures. Package authmw documents each under the same name.
var (
	MissingToken = &Failure{
		Code: "missing_token", Status: http.StatusUnauthorized,
		Message:   "This resource requires an access token.",
		Cloudreve: cloudreve.CodeLoginRequired, CloudreveMsg: cloudreve.MsgLoginRequired,
	}
	MalformedToken   = invalidToken("malformed_token", "The access token is malformed.", jwt.ErrTokenMalformed)
	NodeSignature    = invalidToken("node_signature", "A node signature is not an access token.", jwt.ErrTokenMalformed)
	InvalidSignature = invalidToken("invalid_signature", "The access token has an invalid signature.", jwt.ErrTokenSignatureInvalid)
	TokenExpired     = invalidToken("token_expired", "The access token has expired.", jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims)
	TokenNotYetValid = invalidToken("token_not_yet_valid", "The access token is not valid yet.", jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims)
	InvalidClaims    = invalidToken("invalid_claims", "The access token has invalid claims.", jwt.ErrTokenInvalidClaims)
	TokenRejected    = invalidToken("token_rejected", "The access token is no longer accepted.", jwt.ErrTokenInvalidClaims)
	WrongTokenType   = &Failure{
		Code: "wrong_token_type", Status: http.StatusUnauthorized, OAuthError: "invalid_token",
		Message:   "The token is not an access token.",
		Cloudreve: cloudreve.CodeCredentialInvalid, CloudreveMsg: "Invalid token type",
		Alike: []error{jwt.ErrTokenInvalidClaims},
	}
	AmbiguousCredentials = &Failure{
		Code: "ambiguous_credentials", Status: http.StatusBadRequest, OAuthError: "invalid_request",
		Message:   "The request carries more than one set of credentials.",
		Cloudreve: cloudreve.CodeParameter, CloudreveMsg: "Parameter error",
	}
	InsufficientScope = &Failure{
		Code: "insufficient_scope", Status: http.StatusForbidden, OAuthError: "insufficient_scope",
		Message:   "The access token lacks a scope that this resource requires.",
		Cloudreve: cloudreve.CodeInsufficientScope, CloudreveMsg: "Insufficient scope",
	}
	Unavailable = &Failure{
		Code: "unavailable", Status: http.StatusServiceUnavailable,
		Message:   "Access tokens cannot be checked at the moment.",
		Cloudreve: cloudreve.CodeDBError, CloudreveMsg: "Access tokens cannot be checked at the moment",
	}
)

// invalidToken returns the failure of a token that was sent, but is not good. Cloudreve takes its sender for anonymous,
// and tells anonymous senders to log in.
func invalidToken(code, message string, alike ...error) *Failure {
	return &Failure{
		Code: code, Status: http.StatusUnauthorized, OAuthError: "invalid_token", Message: message,
		Cloudreve: cloudreve.CodeLoginRequired, CloudreveMsg: cloudreve.MsgLoginRequired, Alike: alike,
	}
}

// OfKind returns the failure of a token that package compact refused.
func OfKind(kind compact.Kind) *Failure {
	switch kind {
	case compact.Malformed:
		return MalformedToken
	case compact.Signature:
		return InvalidSignature
	case compact.Expired:
		return TokenExpired
	case compact.NotYetValid:
		return TokenNotYetValid
	case compact.WrongType:
		return WrongTokenType
	default:
		return InvalidClaims
	}
}

// The header of answers, besides the challenge.
const (
	// ProblemType and EnvelopeType are the media types of the two forms of a denial.
	ProblemType  = "application/problem+json"
	EnvelopeType = "application/json; charset=utf-8"

	// RetryAfter is how many seconds a client should wait after status 503: long enough not to add to the trouble, short
	// enough for a user to wait.
	RetryAfter = "5"
)

// Problem is a body of type application/problem+json (RFC 9457), with the code as an extension member.
type Problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	SessionID string `json:"session_id,omitempty"` // of a login that needs a second factor
}

// Problem returns the problem that f is.
func (f *Failure) Problem() Problem {
	return Problem{Title: http.StatusText(f.Status), Status: f.Status, Detail: f.Message, Code: f.Code}
}

// Envelope returns the denial that Cloudreve answers with for the same.
func (f *Failure) Envelope() cloudreve.Denial {
	return cloudreve.Denial{Code: f.Cloudreve, Msg: f.CloudreveMsg}
}

// JSON returns a body as Cloudreve sends it. It must have nothing in it that encoding/json cannot marshal.
func JSON(body any) []byte {
	encoded, _ := json.Marshal(body)
	return encoded
}

// JSONLine returns a body with a newline at its end, for those who read it in a terminal.
func JSONLine(body any) []byte { return append(JSON(body), '\n') }
