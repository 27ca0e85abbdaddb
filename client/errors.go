package client

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/authmw/authmw/internal/cloudreve"
)

// ErrLoginRequired is matched by the error of every call that finds no usable login in the store. Only
// Login, by this Client or by another with the same store, puts an end to it.
var ErrLoginRequired = errors.New("client: log in")

// SecondFactorRequiredError is the error of Login for a user who has a second step: call SecondFactor with its SessionID and the
// one-time password. Cloudreve gives it ten minutes.
type SecondFactorRequiredError struct {
	SessionID string
}

func (*SecondFactorRequiredError) Error() string { return "client: a one-time password is required" }

// What a site refuses a login for.
var (
	ErrInvalidCredentials = errors.New("client: wrong e-mail address or password")
	ErrInvalidOTP         = errors.New("client: wrong one-time password")
)

// Error is a refusal by the site, with its code (https://github.com/cloudreve/cloudreve: pkg/serializer/error.go) and its
// own words.
type Error struct {
	Code int
	Msg  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("client: the site refuses with code %d: %.200q", e.Code, e.Msg)
}

// Is reports whether target is the sentinel for e.Code.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case cloudreve.CodeInvalidPassword:
		return target == ErrInvalidCredentials
	case cloudreve.CodeOTP:
		return target == ErrInvalidOTP
	}
	return false
}

// refusal reports whether err says that a refresh token will never work again. Anything else may be over soon.
func refusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == cloudreve.CodeCredentialInvalid || e.Code == cloudreve.CodeParameter)
}

// errNotCloudreve is for an answer that has the form of Cloudreve's and no token in it.
var errNotCloudreve = fmt.Errorf("client: %w", &cloudreve.NotCloudreveError{Status: http.StatusOK})
