package session

import (
	"errors"
	"net/http"

	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/denial"
	"github.com/authmw/authmw/issuer"
)

// SecondFactorRequiredError is the error of a LoginFunc for a login that needs a second step.
type SecondFactorRequiredError struct {
	// SessionID names the login for the second step. It is the application's, must be hard to guess and should expire
	// soon: Cloudreve uses a random UUID and 10 minutes.
	SessionID string
}

func (*SecondFactorRequiredError) Error() string { return "session: a second factor is required" }

// What a LoginFunc or SecondFactorFunc may return, itself or wrapped.
var (
	ErrInvalidCredentials = errors.New("session: wrong e-mail address or password")
	ErrBlocked            = errors.New("session: the user is blocked")
	ErrNotActivated       = errors.New("session: the user is not activated")
	ErrInvalidOTP         = errors.New("session: wrong one-time password")
	ErrUnknownLogin       = errors.New("session: no login waits for this second factor")
)

// mistake is an error of the application's: to try again later would not help.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// failures are what a client is told of each error that a login or a refresh ends with.
var failures = []struct {
	err     error
	failure denial.Failure
}{
	{ErrBlocked, denial.Failure{
		Code: "blocked", Status: http.StatusForbidden, Message: "This account is blocked.",
		Cloudreve: cloudreve.CodeUserBanned, CloudreveMsg: "This account has been blocked",
	}},
	{ErrInvalidCredentials, denial.Failure{
		Code: "invalid_credentials", Status: http.StatusUnauthorized, Message: "Wrong e-mail address or password.",
		Cloudreve: cloudreve.CodeInvalidPassword, CloudreveMsg: "Incorrect password or email address",
	}},
	{ErrNotActivated, denial.Failure{
		Code: "not_activated", Status: http.StatusForbidden, Message: "This account is not activated.",
		Cloudreve: cloudreve.CodeUserNotActivated, CloudreveMsg: "This account is not activated",
	}},
	{ErrInvalidOTP, denial.Failure{
		Code: "invalid_otp", Status: http.StatusUnauthorized, Message: "Wrong one-time password.",
		Cloudreve: cloudreve.CodeOTP, CloudreveMsg: "Incorrect 2FA code",
	}},
	{ErrUnknownLogin, denial.Failure{
		Code: "unknown_login", Status: http.StatusNotFound, Message: "No login waits for this second factor.",
		Cloudreve: cloudreve.CodeNotFound, CloudreveMsg: "Session not found",
	}},
	// One answer for all reasons, as in Cloudreve: the reason would help a thief more than a client.
	{issuer.ErrInvalidGrant, denial.Failure{
		Code: "invalid_grant", Status: http.StatusBadRequest, Message: "The refresh token is not accepted.",
		Cloudreve: cloudreve.CodeCredentialInvalid, CloudreveMsg: "Failed to issue token pair",
	}},
}

// failureOf returns what a client is told of an error. An unknown error is the server's own trouble.
func failureOf(err error) denial.Failure {
	var bad *requestError
	switch {
	case errors.As(err, new(mistake)):
		return denial.Failure{
			Code: "server_error", Status: http.StatusInternalServerError, Message: "The server made a mistake.",
			Cloudreve: cloudreve.CodeDBError, CloudreveMsg: "Internal error",
		}
	case errors.As(err, &bad):
		return denial.Failure{
			Code: "invalid_request", Status: bad.status, Message: bad.message,
			Cloudreve: cloudreve.CodeParameter, CloudreveMsg: bad.message,
		}
	case errors.As(err, new(*SecondFactorRequiredError)):
		return denial.Failure{
			Code: "second_factor_required", Status: http.StatusUnauthorized, Message: "A second factor is required.",
			Cloudreve: cloudreve.CodeSecondFactor,
		}
	}
	for _, known := range failures {
		if errors.Is(err, known.err) {
			return known.failure
		}
	}
	return denial.Failure{
		Code: "unavailable", Status: http.StatusServiceUnavailable, Message: "Sessions cannot be handled at the moment.",
		Cloudreve: cloudreve.CodeDBError, CloudreveMsg: "Sessions cannot be handled at the moment",
	}
}
