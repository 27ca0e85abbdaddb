// Package session is an HTTP handler for logging in, refreshing and signing out, in the wire format of Cloudreve v4 or
// in a plain one:
//
//	POST   …/token          {"email": …, "password": …}    a user and a pair of tokens, or a question for a second factor
//	POST   …/token/2fa      {"otp": …, "session_id": …}    a user and a pair of tokens
//	POST   …/token/refresh  {"refresh_token": …}           the next pair
//	DELETE …/token          {"refresh_token": …}           its login is over
//
// # Mounting
//
// Only the end of the path counts, without a slash after it, so the handler can be mounted anywhere under any router, with
// or without a prefix stripped. Cloudreve has it at /api/v4/session/token:
//
//	mux.Handle("/api/v4/session/", handler)
//	e.Any("/api/v4/session/*", echo.WrapHandler(handler))
//	r.Any("/api/v4/session/*path", gin.WrapH(handler))
//
// Where other routes stand beside it that such a pattern would conflict with, give it each of its own: POST and DELETE
// …/token, POST …/token/refresh, POST …/token/2fa.
//
// It belongs outside of any middleware of authmw: whoever logs in has no access token yet, and whoever refreshes has an
// expired one. A CORS middleware belongs outside of it. It does not limit how often one may try: do so by account in the
// LoginFunc, and by address in a middleware around the handler, for all paths that end alike.
//
// # Requests
//
// The body is a JSON object of at most 16 KiB with the members above, all of them strings, and no others. There must be
// one Content-Type header with application/json, which no page of another site can make a browser send unasked. A sign-out
// with an expired token, or one of a login that is over, may be answered with success or with invalid_grant: to the client,
// both mean that it is signed out.
//
// # Answers
//
// In Cloudreve's style, which is the default, HTTP status is 200 unless the server is at fault, and the outcome in the
// body:
//
//	login    {"code":0,"data":{"user":…,"token":{"access_token":…,"refresh_token":…,"access_expires":…,"refresh_expires":…}},"msg":""}
//	refresh  {"code":0,"data":{"access_token":…,"refresh_token":…,"access_expires":…,"refresh_expires":…},"msg":""}
//	sign-out {"code":0,"data":"","msg":""}
//	denied   {"code":40020,"msg":"Failed to issue token pair","correlation_id":…}
//
// In the plain style, a login and a refresh are answered by what is data there, a sign-out by status 204, and errors by
// application/problem+json with a code. Times are RFC 3339, with nanoseconds.
//
//	error                        Cloudreve's code          plain
//	ErrInvalidCredentials        40080                     401 invalid_credentials
//	ErrBlocked                   40017                     403 blocked
//	ErrNotActivated              40018                     403 not_activated
//	SecondFactorRequired         203, session_id as data   401 second_factor_required, with session_id
//	ErrInvalidOTP                40022                     401 invalid_otp
//	ErrUnknownLogin              404                       404 unknown_login
//	issuer.ErrInvalidGrant       40020                     400 invalid_grant
//	the request's form           40001                     400, 413 or 415 invalid_request
//	the application's mistakes   50001 with status 500     500 server_error
//	anything else                50001 with status 503     503 unavailable, and Retry-After
//
// Other paths are 404 and other methods 405, as plain text in both styles.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/issuer"
)

// User is who logged in.
type User struct {
	// Grant is for whom tokens are issued.
	issuer.Grant
	// Profile is the member user of the answer to a login, as encoding/json makes it. It is left out if nil.
	Profile any
}

// LoginFunc checks an e-mail address and a password. The address has 1 to 254 characters and no control characters, line
// separators or bidirectional controls. Nothing else is known of it. The password has 4 to 128 characters (not bytes:
// bcrypt takes 72 of those). It returns
//   - ErrInvalidCredentials if there is no such user or it is not their password. It should take the same time for both:
//     compare against some hash even if there is no user;
//   - ErrBlocked or ErrNotActivated for a user who must not log in, once the password was found right;
//   - a *SecondFactorRequired if there is a second step;
//   - any other error if it cannot tell at the moment, which is answered with status 503.
//
// A user that the issuer's state function refuses, see issuer.WithStateHash, counts as blocked.
type LoginFunc func(ctx context.Context, email, password string) (User, error)

// SecondFactorFunc checks a one-time password for the login that SessionID of a SecondFactorRequired named. It returns
// ErrInvalidOTP, ErrUnknownLogin if there is no such login or no longer, or any error that a LoginFunc may. It must count
// the tries: a one-time password of six digits does not stand many.
type SecondFactorFunc func(ctx context.Context, sessionID, otp string) (User, error)

// SecondFactorRequired is the error of a LoginFunc for a login that needs a second step.
type SecondFactorRequired struct {
	// SessionID names the login for the second step. It is the application's, must be hard to guess and should expire
	// soon: Cloudreve uses a random UUID and 10 minutes.
	SessionID string
}

func (*SecondFactorRequired) Error() string { return "session: a second factor is required" }

// What a LoginFunc or SecondFactorFunc may return, itself or wrapped.
var (
	ErrInvalidCredentials = errors.New("session: wrong e-mail address or password")
	ErrBlocked            = errors.New("session: the user is blocked")
	ErrNotActivated       = errors.New("session: the user is not activated")
	ErrInvalidOTP         = errors.New("session: wrong one-time password")
	ErrUnknownLogin       = errors.New("session: no login waits for this second factor")
)

// Action is what a request asks for.
type Action string

// The actions.
const (
	ActionLogin        Action = "login"
	ActionSecondFactor Action = "second factor"
	ActionRefresh      Action = "refresh"
	ActionSignOut      Action = "sign-out"
)

// Event is one answered request.
type Event struct {
	Request *http.Request // whose body was read
	Action  Action
	// Err is nil if tokens were issued or a login ended, and otherwise why not: one of this package's errors, among them
	// *SecondFactorRequired, one of package issuer's, one about the form of the request, or whatever a function of the
	// application's returned.
	Err error
}

// An Option changes a default of New.
type Option func(*handler)

// WithSecondFactor sets what checks the second step of a login. Without it, …/token/2fa does not exist, and for a LoginFunc
// to ask for one is a mistake, answered with status 500.
func WithSecondFactor(check SecondFactorFunc) Option {
	return func(h *handler) {
		if check == nil {
			h.errs = append(h.errs, errors.New("session: the check of the second factor is nil"))
		}
		h.secondFactor = check
	}
}

// WithPlainStyle answers as HTTP APIs do in place of as Cloudreve does: with status codes, bodies without an envelope,
// and errors as application/problem+json (RFC 9457), which is what package authmw answers by default. Its counterpart
// there is authmw.WithRenderer(authmw.CloudreveEnvelope).
func WithPlainStyle() Option {
	return func(h *handler) { h.style = plain{} }
}

// WithObserver sets a function that is told of every request for one of the actions, once it is decided, for logs and
// metrics. It must be safe for concurrent use; the answer waits for it.
func WithObserver(observe func(Event)) Option {
	return func(h *handler) {
		if observe == nil {
			h.errs = append(h.errs, errors.New("session: the observer is nil"))
		}
		h.observe = observe
	}
}

// New returns the handler. The error tells everything that is wrong with the arguments at once.
func New(i *issuer.Issuer, login LoginFunc, options ...Option) (http.Handler, error) {
	h := &handler{issuer: i, login: login, style: cloudreve{}, observe: func(Event) {}}
	if i == nil {
		h.errs = append(h.errs, errors.New("session: the issuer is nil"))
	}
	if login == nil {
		h.errs = append(h.errs, errors.New("session: the login function is nil"))
	}
	for _, option := range options {
		if option == nil {
			h.errs = append(h.errs, errors.New("session: an option is nil"))
			continue
		}
		option(h)
	}
	if err := errors.Join(h.errs...); err != nil {
		return nil, err
	}
	return h, nil
}

type handler struct {
	issuer       *issuer.Issuer
	login        LoginFunc
	secondFactor SecondFactorFunc
	style        style
	observe      func(Event)
	errs         []error
}

// ServeHTTP serves the requests that the package's comment lists, and denies all others with 404 and 405.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/token/refresh"):
		h.serve(w, r, methods{http.MethodPost: {ActionRefresh, h.serveRefresh}})
	case strings.HasSuffix(path, "/token/2fa") && h.secondFactor != nil:
		h.serve(w, r, methods{http.MethodPost: {ActionSecondFactor, h.serveSecondFactor}})
	case strings.HasSuffix(path, "/token"):
		h.serve(w, r, methods{http.MethodPost: {ActionLogin, h.serveLogin}, http.MethodDelete: {ActionSignOut, h.serveSignOut}})
	default:
		http.NotFound(w, r)
	}
}

type methods map[string]struct {
	action Action
	do     func(*http.Request) (result, error)
}

// result is what is to be answered to a request that succeeds.
type result struct {
	user  json.RawMessage // of a login
	token *issuer.Pair    // nil for a sign-out
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, by methods) {
	method, ok := by[r.Method]
	if !ok {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(by)), ", "))
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	limited := *r
	if limited.Body == nil { // which no server passes, but a test may
		limited.Body = http.NoBody
	}
	limited.Body = http.MaxBytesReader(w, limited.Body, maxBody)
	r = &limited
	result, err := method.do(r)
	h.observe(Event{Request: r, Action: method.action, Err: err})
	if err != nil {
		h.style.deny(w, r, method.action, failureOf(err), err)
		return
	}
	h.style.answer(w, method.action, result)
}

func (h *handler) serveLogin(r *http.Request) (result, error) {
	var email, password string
	err := readBody(r, field{name: "email", label: "Email", value: &email, most: 254, noControls: true}, field{name: "password", label: "Password", value: &password, least: 4, most: 128})
	if err != nil {
		return result{}, err
	}
	user, err := h.login(r.Context(), email, password)
	return h.issue(r, user, err)
}

func (h *handler) serveSecondFactor(r *http.Request) (result, error) {
	var otp, sessionID string
	err := readBody(r, field{name: "otp", label: "OTP", value: &otp, most: 128, noControls: true}, field{name: "session_id", label: "SessionID", value: &sessionID, most: 128, noControls: true})
	if err != nil {
		return result{}, err
	}
	user, err := h.secondFactor(r.Context(), sessionID, otp)
	return h.issue(r, user, err)
}

func (h *handler) issue(r *http.Request, user User, err error) (result, error) {
	var second *SecondFactorRequired
	if errors.As(err, &second) && (second == nil || h.secondFactor == nil) {
		return result{}, mistake{errors.New("session: a second factor is required, but there is no WithSecondFactor, or no login")}
	}
	if err != nil {
		return result{}, err
	}
	var profile json.RawMessage
	if user.Profile != nil {
		// Before anything is issued that nobody would be given.
		if profile, err = json.Marshal(user.Profile); err != nil {
			return result{}, mistake{fmt.Errorf("session: the user's profile: %w", err)}
		}
	}
	switch pair, err := h.issuer.Issue(r.Context(), user.Grant); {
	case err == nil:
		return result{user: profile, token: &pair}, nil
	case errors.Is(err, issuer.ErrInvalidGrant):
		return result{}, fmt.Errorf("%w: %w", ErrBlocked, err)
	case errors.Is(err, authmw.ErrUnavailable):
		return result{}, err
	default:
		return result{}, mistake{err}
	}
}

func (h *handler) serveRefresh(r *http.Request) (result, error) {
	token, err := readToken(r)
	if err != nil {
		return result{}, err
	}
	pair, err := h.issuer.Refresh(r.Context(), token)
	if err != nil {
		return result{}, err
	}
	return result{token: &pair}, nil
}

func (h *handler) serveSignOut(r *http.Request) (result, error) {
	token, err := readToken(r)
	if err != nil {
		return result{}, err
	}
	return result{}, h.issuer.Revoke(r.Context(), token)
}

func readToken(r *http.Request) (token string, err error) {
	return token, readBody(r, field{name: "refresh_token", label: "RefreshToken", value: &token, most: maxBody})
}

// mistake is an error of the application's: trying again later would be no use.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// failure is how an error is answered, in either style.
type failure struct {
	status        int
	code, message string
	cloudreve     int
	cloudreveMsg  string
}

// failureOf returns what is told of an error. Whatever it does not know is the server's own trouble.
func failureOf(err error) failure {
	var bad *requestError
	switch {
	case errors.As(err, new(mistake)):
		return failure{http.StatusInternalServerError, "server_error", "The server made a mistake.", 50001, "Internal error"}
	case errors.As(err, &bad):
		return failure{bad.status, "invalid_request", bad.message, 40001, bad.message}
	case errors.As(err, new(*SecondFactorRequired)):
		return failure{http.StatusUnauthorized, "second_factor_required", "A second factor is required.", 203, ""}
	case errors.Is(err, ErrBlocked):
		return failure{http.StatusForbidden, "blocked", "This account is blocked.", 40017, "This account has been blocked"}
	case errors.Is(err, ErrInvalidCredentials):
		return failure{http.StatusUnauthorized, "invalid_credentials", "Wrong e-mail address or password.", 40080, "Incorrect password or email address"}
	case errors.Is(err, ErrNotActivated):
		return failure{http.StatusForbidden, "not_activated", "This account is not activated.", 40018, "This account is not activated"}
	case errors.Is(err, ErrInvalidOTP):
		return failure{http.StatusUnauthorized, "invalid_otp", "Wrong one-time password.", 40022, "Incorrect 2FA code"}
	case errors.Is(err, ErrUnknownLogin):
		return failure{http.StatusNotFound, "unknown_login", "No login waits for this second factor.", 404, "Session not found"}
	case errors.Is(err, issuer.ErrInvalidGrant):
		// One answer for all reasons, as Cloudreve has it: which one it is helps a thief more than a client.
		return failure{http.StatusBadRequest, "invalid_grant", "The refresh token is not accepted.", 40020, "Failed to issue token pair"}
	default:
		const message = "Sessions cannot be handled at the moment"
		return failure{http.StatusServiceUnavailable, "unavailable", message + ".", 50001, message}
	}
}
