// Package session is an HTTP handler for logging in, refreshing and logging out, in the wire format of Cloudreve v4 or
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
// one Content-Type header with application/json, which no page of another site can make a browser send unasked. A logout
// with an expired token, or one of a login that is over, may be answered with success or with invalid_grant: to the client,
// both mean that it is logged out.
//
// # Answers
//
// In Cloudreve's style, which is the default, HTTP status is 200 unless the server is at fault, and the outcome in the
// body:
//
//	login    {"code":0,"data":{"user":…,"token":{"access_token":…,"refresh_token":…,"access_expires":…,"refresh_expires":…}},"msg":""}
//	refresh  {"code":0,"data":{"access_token":…,"refresh_token":…,"access_expires":…,"refresh_expires":…},"msg":""}
//	logout   {"code":0,"data":"","msg":""}
//	denied   {"code":40020,"msg":"Failed to issue token pair","correlation_id":…}
//
// In the plain style, a login and a refresh are answered by what is data there, a logout by status 204, and errors by
// application/problem+json with a code. Times are RFC 3339, with nanoseconds.
//
//	error                        Cloudreve's code          plain
//	ErrInvalidCredentials        40080                     401 invalid_credentials
//	ErrBlocked                   40017                     403 blocked
//	ErrNotActivated              40018                     403 not_activated
//	SecondFactorRequiredError    203, session_id as data   401 second_factor_required, with session_id
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
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/denial"
	"github.com/authmw/authmw/issuer"
)

// Handler serves the requests that the package's comment lists. Make one with New; a nil or zero one answers with status
// 503. It is safe for concurrent use.
type Handler struct {
	config
	issuer *issuer.Issuer
	login  LoginFunc
	log    denial.Log // of answers with status 500 and 503, if there is no observer
}

// New returns a Handler. The error reports everything that is wrong with the arguments at once.
func New(i *issuer.Issuer, login LoginFunc, options ...Option) (*Handler, error) {
	c := configure(options)
	if i == nil {
		c.errs.Addf("the issuer is nil")
	}
	if login == nil {
		c.errs.Addf("the login function is nil")
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	return &Handler{config: c, issuer: i, login: login}, nil
}

// ServeHTTP serves the requests that the package's comment lists, and denies all others with 404 and 405.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h == nil || h.issuer == nil {
		http.Error(w, "the session handler was not made by New", http.StatusServiceUnavailable)
		return
	}
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/token/refresh"):
		h.serve(w, r, methods{http.MethodPost: {ActionRefresh, h.serveRefresh}})
	case strings.HasSuffix(path, "/token/2fa") && h.secondFactor != nil:
		h.serve(w, r, methods{http.MethodPost: {ActionSecondFactor, h.serveSecondFactor}})
	case strings.HasSuffix(path, "/token"):
		h.serve(w, r, methods{http.MethodPost: {ActionLogin, h.serveLogin}, http.MethodDelete: {ActionLogout, h.serveLogout}})
	default:
		http.NotFound(w, r)
	}
}

type methods map[string]struct {
	action Action
	do     func(*http.Request) (result, error)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, by methods) {
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
	if h.observe != nil {
		h.observe(Event{Request: r, Action: method.action, Err: err})
	}
	if err == nil {
		h.style.answer(w, method.action, result)
		return
	}
	failure := failureOf(err)
	if h.observe == nil && failure.Status >= http.StatusInternalServerError {
		h.log.Write(r.Context(), "session: requests are denied with status "+strconv.Itoa(failure.Status), err)
	}
	h.style.deny(w, r, method.action, failure, err)
}

func (h *Handler) serveLogin(r *http.Request) (result, error) {
	var email, password string
	err := readBody(r, field{name: "email", label: "Email", value: &email, max: 254, noControls: true}, field{name: "password", label: "Password", value: &password, min: 4, max: 128})
	if err != nil {
		return result{}, err
	}
	user, err := h.login(r.Context(), email, password)
	return h.issue(r, user, err)
}

func (h *Handler) serveSecondFactor(r *http.Request) (result, error) {
	var otp, sessionID string
	err := readBody(r, field{name: "otp", label: "OTP", value: &otp, max: 128, noControls: true}, field{name: "session_id", label: "SessionID", value: &sessionID, max: 128, noControls: true})
	if err != nil {
		return result{}, err
	}
	user, err := h.secondFactor(r.Context(), sessionID, otp)
	return h.issue(r, user, err)
}

func (h *Handler) issue(r *http.Request, user User, err error) (result, error) {
	var second *SecondFactorRequiredError
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
	switch pair, err := h.issuer.Issue(r.Context(), user.Identity); {
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

func (h *Handler) serveRefresh(r *http.Request) (result, error) {
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

func (h *Handler) serveLogout(r *http.Request) (result, error) {
	token, err := readToken(r)
	if err != nil {
		return result{}, err
	}
	return result{}, h.issuer.Revoke(r.Context(), token)
}

func readToken(r *http.Request) (token string, err error) {
	return token, readBody(r, field{name: "refresh_token", label: "RefreshToken", value: &token, max: maxBody})
}
