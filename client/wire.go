package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/authmw/authmw"
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
	case codeInvalidPassword:
		return target == ErrInvalidCredentials
	case code2FA:
		return target == ErrInvalidOTP
	}
	return false
}

// Cloudreve's codes.
const (
	codeSecondFactor      = 203
	codeLoginRequired     = 401
	codeParameter         = 40001
	codeCredentialInvalid = 40020 // for every refresh token that does not work
	code2FA               = 40022
	codeInvalidPassword   = 40080
)

// refusal reports whether err says that a refresh token will never work again. Anything else may be over soon.
func refusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == codeCredentialInvalid || e.Code == codeParameter)
}

// unavailable is the error of a site that does not do its work.
type unavailable struct {
	error
	retryAfter time.Duration // what it asks for, if anything
}

func (u unavailable) Unwrap() error { return u.error }

var errNotCloudreve = errors.New("client: the answer is not Cloudreve's: is the URL that of the site's first page?")

// maxAnswer is the most bytes of an answer that are read. Cloudreve's have a thousand.
const maxAnswer = 1 << 20

// requestTimeout is what a request of the client's own may take.
const requestTimeout = 20 * time.Second

// call sends a request without an access token, which Cloudreve would check first, and returns the answer's data. The error
// is an *Error or a *SecondFactorRequired if the site answered no.
func (c *Client) call(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.site.JoinPath(path).String(), bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("client: the answer broke off: %w", err)
	}
	switch status := response.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests:
		seconds, _ := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
		return nil, unavailable{fmt.Errorf("client: the site answers with status %d", status), time.Duration(seconds) * time.Second}
	case status >= 300 && status < 400:
		return nil, fmt.Errorf("client: the site redirects to %.200q: give the URL of the site itself", response.Header.Get("Location"))
	}
	var envelope struct {
		Code *int            `json:"code"`
		Data json.RawMessage `json:"data"`
		Msg  string          `json:"msg"`
	}
	if json.Unmarshal(content, &envelope) != nil || envelope.Code == nil {
		return nil, errNotCloudreve
	}
	switch *envelope.Code {
	case 0:
		return envelope.Data, nil
	case codeSecondFactor:
		second := new(SecondFactorRequired)
		if json.Unmarshal(envelope.Data, &second.SessionID) == nil {
			return nil, second
		}
	}
	return nil, &Error{*envelope.Code, envelope.Msg}
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
	return &Login{Site: c.origin, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Obtained: asked}, nil
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
