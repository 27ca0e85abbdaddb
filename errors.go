package authmw

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/authmw/authmw/internal/compact"
	"github.com/authmw/authmw/internal/denial"
)

// The sentinels, one for each [Error.Code]. Every *Error matches its own under errors.Is, and golang-jwt's for the same
// failure where there is one, so that code written for jwt.ErrTokenExpired keeps working. It also matches the error that
// your check, extractor or key source returned.
//
// A token is called expired, not yet valid, of the wrong type or wrong in its claims only after its signature was
// verified. The exception is a Validator from NewFromIntrospector, which asks the introspector last.
var (
	// ErrMissingToken: the route requires a token and the request has no Bearer credentials. Status 401.
	ErrMissingToken error = denial.MissingToken

	// ErrMalformedToken: the credentials or the token do not have the form that is accepted, or the token's header asks
	// for anything but HS256. Status 401.
	ErrMalformedToken error = denial.MalformedToken

	// ErrNodeSignature: the credentials are "Bearer Cr …", with which the nodes of a Cloudreve cluster sign requests to
	// each other. They are not an access token and cannot be verified here. Status 401.
	ErrNodeSignature error = denial.NodeSignature

	// ErrInvalidSignature: the token was signed with none of the current secrets, or was changed since; or an Introspector
	// says so. Status 401.
	ErrInvalidSignature error = denial.InvalidSignature

	// ErrTokenExpired: the current time is at or after exp. Status 401.
	ErrTokenExpired error = denial.TokenExpired

	// ErrTokenNotYetValid: the current time is before nbf. Status 401.
	ErrTokenNotYetValid error = denial.TokenNotYetValid

	// ErrWrongTokenType: token_type is not "access". Most often a refresh token was sent, or a token that another library
	// made and that has no token_type. Status 401.
	ErrWrongTokenType error = denial.WrongTokenType

	// ErrInvalidClaims: the payload is not one strict JSON object with a good sub and exp. Status 401.
	ErrInvalidClaims error = denial.InvalidClaims

	// ErrTokenRejected: the token is good, but the check set by WithClaimsCheck, or an Introspector, rejects it. Status 401.
	ErrTokenRejected error = denial.TokenRejected

	// ErrAmbiguousCredentials: the request has more than one Authorization header, or a token in more than one place.
	// Status 400.
	ErrAmbiguousCredentials error = denial.AmbiguousCredentials

	// ErrInsufficientScope: the token lacks a scope that the route asks for, see [Claims.HasScope]. Status 403.
	ErrInsufficientScope error = denial.InsufficientScope

	// ErrUnavailable: a token was sent, but the secrets, an Introspector or the check set by WithClaimsCheck failed, so it
	// cannot be checked at the moment. Status 503.
	ErrUnavailable error = denial.Unavailable
)

// Error is why a request is denied.
//
// What it says itself, through Error and LogValue, is for the server's own eyes: it tells, for example, how long ago a
// token expired. It never holds a token, a secret or anything else that the sender chose, unless the error of a check,
// extractor or key source of yours does, whose text is part of it. What the sender may know is in Code, Message and
// Challenge.
type Error struct {
	failure *denial.Failure // nil in one that was made by hand, see kind
	cause   error
	scopes  []string // that the route asks for, with ErrInsufficientScope
	missing string   // the first of them that the token lacks
}

// asError returns err as an *Error. Foreign errors become ErrUnavailable: they say nothing about the sender.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		switch {
		case e == nil || e.failure == nil:
			// Not one of ours: a nil *Error in an error, or one made by hand. It must not pass for no error.
			return deny(denial.Unavailable, nil)
		case err == error(e):
			return e
		}
		return &Error{failure: e.failure, cause: err, scopes: e.scopes, missing: e.missing}
	}
	var f *denial.Failure
	switch {
	case !errors.As(err, &f):
		return deny(denial.Unavailable, err)
	case err == error(f):
		return deny(f, nil)
	}
	return deny(f, err)
}

// deny makes an Error of a failure and its cause, which only the server's own log shows.
func deny(failure *denial.Failure, cause error) *Error {
	return &Error{failure: failure, cause: cause}
}

// refuse makes an Error of the reason that package compact refused a token for.
func refuse(err error) *Error {
	var refused *compact.Error
	if !errors.As(err, &refused) {
		return deny(denial.Unavailable, err)
	}
	return deny(denial.OfKind(refused.Kind), err)
}

func (e *Error) kind() *denial.Failure {
	if e.failure == nil {
		return denial.Unavailable
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
func (e *Error) Code() string { return e.kind().Code }

// Status returns the HTTP status for the failure: 400, 401, 403 or 503.
func (e *Error) Status() int { return e.kind().Status }

// Message returns the one sentence about the failure that a client is told.
func (e *Error) Message() string { return e.kind().Message }

// Scopes returns the scopes that the route asks for if the failure is ErrInsufficientScope, and nil otherwise.
func (e *Error) Scopes() []string { return e.scopes }

// unquotable reports whether r is none of the characters that the values in a challenge may have: %x20-21 / %x23-5B /
// %x5D-7E (RFC 6750 section 3).
func unquotable(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// Challenge returns the value of the WWW-Authenticate header for the failure (RFC 6750 section 3), or "" if other
// credentials would not help. A request without credentials is told the scheme and realm alone, without "an error code
// or other error information" (section 3.1).
func (e *Error) Challenge(realm string) string {
	if e.kind().Status == http.StatusServiceUnavailable {
		return ""
	}
	challenge := `Bearer realm="` + realm + `"`
	if e.kind().OAuthError != "" {
		challenge += `, error="` + e.kind().OAuthError + `", error_description="` + e.kind().Message + `"`
	}
	if len(e.scopes) > 0 {
		challenge += `, scope="` + strings.Join(e.scopes, " ") + `"`
	}
	return challenge
}

// CloudreveCode returns the failure's code in Cloudreve's own API and the message that goes with it there.
func (e *Error) CloudreveCode() (code int, msg string) {
	code, msg = e.kind().Cloudreve, e.kind().CloudreveMsg
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
