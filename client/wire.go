package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/compact"
)

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

// requestTimeout is what a request of the client's own may take.
const requestTimeout = 20 * time.Second

// call sends a request without an access token, which Cloudreve would check first, and returns the answer's data. The error
// is an *Error or a *SecondFactorRequiredError if the site answered no.
func (c *Client) call(ctx context.Context, method, path string, body map[string]string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := c.site.Do(ctx, method, path, "", body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if answer.Code == nil {
		return nil, errNotCloudreve
	}
	switch *answer.Code {
	case 0:
		return answer.Data, nil
	case cloudreve.CodeSecondFactor:
		second := new(SecondFactorRequiredError)
		if json.Unmarshal(answer.Data, &second.SessionID) == nil {
			return nil, second
		}
	}
	msg := answer.Msg
	for _, sent := range body { // which a site may repeat
		msg = strings.ReplaceAll(msg, sent, "[…]")
	}
	return nil, &Error{*answer.Code, msg}
}

// tokens is Cloudreve's token object. Its times are not read: the tokens have their own.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// accept returns the login that tokens are of, which were asked for at a time.
func (c *Client) accept(t tokens, asked time.Time) (*Login, error) {
	if _, err := read(t.AccessToken); err != nil {
		return nil, errNotCloudreve
	}
	// Without its monotonic reading, which stands still while a laptop sleeps.
	return &Login{Site: c.origin, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Obtained: asked.Round(0)}, nil
}

// read returns the claims of an access token, whose signature only the site can check.
func read(token string) (claims compact.Claims, err error) {
	if err := compact.Read(token, &claims); err != nil {
		return claims, err
	}
	if claims.TokenType != authmw.AccessToken || claims.ExpiresAt.IsZero() {
		return claims, errNotCloudreve
	}
	return claims, nil
}
