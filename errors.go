package authmw

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw/internal/compact"
)

// A failure is one way in which a request can be denied, and all that is said of it to anyone. The sentinels below are
// the only ones.
type failure struct {
	code         string
	status       int
	oauthError   string // RFC 6750 section 3.1
	message      string // for the client
	cloudreve    int    // https://github.com/cloudreve/cloudreve: pkg/serializer/error.go
	cloudreveMsg string
	alike        []error // golang-jwt's sentinels for the same
}

func (f *failure) Error() string   { return "authmw: " + f.code }
func (f *failure) Unwrap() []error { return f.alike }

func newFailure(code string, status int, oauthError, message string, cloudreve int, cloudreveMsg string, alike ...error) error {
	return &failure{code, status, oauthError, message, cloudreve, cloudreveMsg, alike}
}

// invalidToken is the failure of a token that was sent, but is not good. Cloudreve takes its sender for anonymous, and
// tells anonymous senders to log in.
func invalidToken(code, message string, alike ...error) error {
	return newFailure(code, http.StatusUnauthorized, "invalid_token", message, 401, "Login required", alike...)
}

// The sentinels, one for each [Error.Code]. Every *Error matches its own under errors.Is, and golang-jwt's for the same
// failure where there is one, so that code written for jwt.ErrTokenExpired keeps working. It also matches whatever a
// check, extractor or key source of yours returned.
//
// A token is only ever called expired, not yet valid, of the wrong type or wrong in its claims after its signature was
// found right; but by a Validator from NewFromIntrospector, which has to ask about that, before anyone is asked.
var (
	// ErrMissingToken: the route requires a token and the request has no Bearer credentials. Status 401.
	ErrMissingToken = newFailure("missing_token", http.StatusUnauthorized, "", "This resource requires an access token.", 401, "Login required")

	// ErrMalformedToken: the credentials or the token do not have the form that is accepted, or the token's header asks
	// for anything but HS256. Status 401.
	ErrMalformedToken = invalidToken("malformed_token", "The access token is malformed.", jwt.ErrTokenMalformed)

	// ErrNodeSignature: the credentials are "Bearer Cr …", with which the nodes of a Cloudreve cluster sign requests to
	// each other. They are no access token and cannot be verified here. Status 401.
	ErrNodeSignature = invalidToken("node_signature", "A node signature is not an access token.", jwt.ErrTokenMalformed)

	// ErrInvalidSignature: the token was signed with none of the current secrets, or was changed since; or an Introspector
	// says so. Status 401.
	ErrInvalidSignature = invalidToken("invalid_signature", "The access token has an invalid signature.", jwt.ErrTokenSignatureInvalid)

	// ErrTokenExpired: it is exp or later. Status 401.
	ErrTokenExpired = invalidToken("token_expired", "The access token has expired.", jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims)

	// ErrTokenNotYetValid: it is earlier than nbf. Status 401.
	ErrTokenNotYetValid = invalidToken("token_not_yet_valid", "The access token is not valid yet.", jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims)

	// ErrWrongTokenType: token_type is not "access". Most often a refresh token was sent, or a token that another library
	// made and that has no token_type. Status 401.
	ErrWrongTokenType = newFailure("wrong_token_type", http.StatusUnauthorized, "invalid_token", "The token is not an access token.", 40020, "Invalid token type", jwt.ErrTokenInvalidClaims)

	// ErrInvalidClaims: the payload is not one strict JSON object with a good sub and exp. Status 401.
	ErrInvalidClaims = invalidToken("invalid_claims", "The access token has invalid claims.", jwt.ErrTokenInvalidClaims)

	// ErrTokenRejected: the token is good, but the check set by WithClaimsCheck, or an Introspector, says no. Status 401.
	ErrTokenRejected = invalidToken("token_rejected", "The access token is no longer accepted.", jwt.ErrTokenInvalidClaims)

	// ErrAmbiguousCredentials: the request has more than one Authorization header, or a token in more than one place.
	// Status 400.
	ErrAmbiguousCredentials = newFailure("ambiguous_credentials", http.StatusBadRequest, "invalid_request", "The request carries more than one set of credentials.", 40001, "Parameter error")

	// ErrInsufficientScope: the token lacks a scope that the route asks for, see Claims.HasScope. Status 403.
	ErrInsufficientScope = newFailure("insufficient_scope", http.StatusForbidden, "insufficient_scope", "The access token lacks a scope that this resource requires.", 40089, "Insufficient scope")

	// ErrUnavailable: a token was sent, but what it takes to check it, the secrets, an Introspector or the check set by
	// WithClaimsCheck, cannot be had at the moment. Status 503.
	ErrUnavailable = newFailure("unavailable", http.StatusServiceUnavailable, "", "Access tokens cannot be checked at the moment.", 50001, "Access tokens cannot be checked at the moment")
)

// Error is why a request is denied.
//
// What it says itself, through Error and LogValue, is for the server's own eyes: it tells, for example, how long ago a
// token expired. It never holds a token, a secret or anything else that the sender chose, unless the error of a check,
// extractor or key source of yours does, whose text is part of it. What the sender may know is in Code, Message and
// Challenge.
type Error struct {
	failure *failure // nil in one that was made by hand, see kind
	cause   error
	scopes  []string // that the route asks for, with ErrInsufficientScope
	missing string   // the first of them that the token lacks
}

// asError returns err as an *Error. One that no part of this package made is a failure of the server's, never the
// sender's.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		switch {
		case e == nil || e.failure == nil:
			// Not one of ours: a nil *Error in an error, or one made by hand. It must not pass for no error.
			return deny(ErrUnavailable, nil)
		case err == error(e):
			return e
		}
		return &Error{failure: e.failure, cause: err, scopes: e.scopes, missing: e.missing}
	}
	var f *failure
	switch {
	case !errors.As(err, &f):
		return deny(ErrUnavailable, err)
	case err == error(f):
		return deny(f, nil)
	}
	return deny(f, err)
}

// deny makes an Error of a sentinel and, for the server's own eyes, what led to it.
func deny(sentinel, cause error) *Error {
	return &Error{failure: sentinel.(*failure), cause: cause}
}

// refuse makes an Error of what package compact says of a token.
func refuse(err error) *Error {
	var refused *compact.Error
	if !errors.As(err, &refused) {
		return deny(ErrUnavailable, err)
	}
	switch refused.Kind {
	case compact.Malformed:
		return deny(ErrMalformedToken, err)
	case compact.Signature:
		return deny(ErrInvalidSignature, err)
	case compact.Expired:
		return deny(ErrTokenExpired, err)
	case compact.NotYetValid:
		return deny(ErrTokenNotYetValid, err)
	case compact.WrongType:
		return deny(ErrWrongTokenType, err)
	default:
		return deny(ErrInvalidClaims, err)
	}
}

func (e *Error) kind() *failure {
	if e.failure == nil {
		return ErrUnavailable.(*failure)
	}
	return e.failure
}

// Error returns the code and the detail, such as "authmw: token_expired: expired 35s ago".
func (e *Error) Error() string {
	if e.cause == nil {
		return e.kind().Error()
	}
	return e.kind().Error() + ": " + strings.TrimPrefix(e.cause.Error(), e.kind().Error()+": ")
}

// Unwrap returns the sentinel and what led to the denial.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind()}
	}
	return []error{e.kind(), e.cause}
}

// Code returns the failure's name, such as "token_expired" for ErrTokenExpired. Codes are stable.
func (e *Error) Code() string { return e.kind().code }

// Status returns the HTTP status for the failure: 400, 401, 403 or 503.
func (e *Error) Status() int { return e.kind().status }

// Message returns the one sentence about the failure that a client is told.
func (e *Error) Message() string { return e.kind().message }

// Scopes returns the scopes that the route asks for if the failure is ErrInsufficientScope, and nil otherwise.
func (e *Error) Scopes() []string { return e.scopes }

// unquotable reports whether r is none of the characters that the values in a challenge may have: %x20-21 / %x23-5B /
// %x5D-7E (RFC 6750 section 3).
func unquotable(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// Challenge returns the value of the WWW-Authenticate header for the failure (RFC 6750 section 3), or "" if other
// credentials would not help. A request without credentials is told the scheme and realm alone, without "an error code
// or other error information" (section 3.1).
func (e *Error) Challenge(realm string) string {
	if e.kind().status == http.StatusServiceUnavailable {
		return ""
	}
	challenge := `Bearer realm="` + realm + `"`
	if e.kind().oauthError != "" {
		challenge += `, error="` + e.kind().oauthError + `", error_description="` + e.kind().message + `"`
	}
	if len(e.scopes) > 0 {
		challenge += `, scope="` + strings.Join(e.scopes, " ") + `"`
	}
	return challenge
}

// CloudreveCode returns the failure's code in Cloudreve's own API and the message that goes with it there.
func (e *Error) CloudreveCode() (code int, msg string) {
	code, msg = e.kind().cloudreve, e.kind().cloudreveMsg
	if e.missing != "" {
		msg = fmt.Sprintf("%s: %s", msg, e.missing)
	}
	return code, msg
}

// LogValue returns the code and, if there is one, the detail.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("code", e.Code())}
	if e.cause != nil {
		attrs = append(attrs, slog.String("detail", e.cause.Error()))
	}
	return slog.GroupValue(attrs...)
}
