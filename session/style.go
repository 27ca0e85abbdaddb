package session

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/authmw/authmw/internal/uuid"
	"github.com/authmw/authmw/issuer"
)

// style is a way to answer.
type style interface {
	answer(w http.ResponseWriter, action Action, r result)
	deny(w http.ResponseWriter, r *http.Request, action Action, f failure, err error)
}

// retryAfter is for how many seconds a client should leave a server alone that cannot get at its store.
const retryAfter = "5"

func write(w http.ResponseWriter, status int, contentType, cacheControl string, body any) {
	encoded, _ := json.Marshal(body) // of strings, numbers, times and JSON alone, which always marshal
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cacheControl)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the client may be gone; there is nothing to do about it
}

// login is what both styles answer to one.
type login struct {
	User  json.RawMessage `json:"user,omitempty"`
	Token *issuer.Pair    `json:"token"`
}

// cloudreve answers as Cloudreve does: HTTP status 200, and the outcome in the body. Only what Cloudreve fails at as
// well has a status that says so.
type cloudreve struct{}

// noCache is Cloudreve's Cache-Control header. Answers with tokens need more, see noStore.
const (
	noCache        = "private, no-cache"
	noCacheOrStore = noCache + ", " + noStore
)

func (cloudreve) write(w http.ResponseWriter, status int, cacheControl string, body any) {
	write(w, status, "application/json; charset=utf-8", cacheControl, body)
}

func (c cloudreve) answer(w http.ResponseWriter, action Action, r result) {
	type envelope struct {
		Code int    `json:"code"`
		Data any    `json:"data"`
		Msg  string `json:"msg"`
	}
	switch action {
	case ActionSignOut:
		c.write(w, http.StatusOK, noCache, envelope{Data: ""})
	case ActionRefresh:
		c.write(w, http.StatusOK, noCacheOrStore, envelope{Data: r.token})
	default:
		c.write(w, http.StatusOK, noCacheOrStore, envelope{Data: login{r.user, r.token}})
	}
}

func (c cloudreve) deny(w http.ResponseWriter, r *http.Request, action Action, f failure, err error) {
	envelope := struct {
		Code          int    `json:"code"`
		Data          string `json:"data,omitempty"`
		Msg           string `json:"msg"`
		CorrelationID string `json:"correlation_id,omitempty"`
	}{Code: f.cloudreve, Msg: f.cloudreveMsg}
	status := http.StatusOK
	var second *SecondFactorRequired
	switch {
	case errors.As(err, &second):
		envelope.Data = second.SessionID
	case errors.As(err, new(*requestError)):
		// Cloudreve gives no correlation ID to what it could not read.
	default:
		if action == ActionSignOut && errors.Is(err, issuer.ErrInvalidGrant) {
			envelope.Msg = "Failed to parse token"
		}
		if f.status >= http.StatusInternalServerError {
			status = f.status
		}
		var ok bool
		if envelope.CorrelationID, ok = uuid.Canonical(r.Header.Get("X-Cr-Correlation-Id")); !ok {
			envelope.CorrelationID = uuid.New()
		}
	}
	cacheControl := noCache
	if envelope.Data != "" { // with which the login can be finished
		cacheControl = noCacheOrStore
	}
	c.write(w, status, cacheControl, envelope)
}

// plain answers with HTTP's own means.
type plain struct{}

// noStore is required of answers with tokens by RFC 6749 section 5.1, and does no harm to the plain style's others.
const noStore = "no-store"

func (plain) answer(w http.ResponseWriter, action Action, r result) {
	switch action {
	case ActionSignOut:
		w.Header().Set("Cache-Control", noStore)
		w.WriteHeader(http.StatusNoContent)
	case ActionRefresh:
		write(w, http.StatusOK, "application/json", noStore, r.token)
	default:
		write(w, http.StatusOK, "application/json", noStore, login{r.user, r.token})
	}
}

func (plain) deny(w http.ResponseWriter, _ *http.Request, _ Action, f failure, err error) {
	problem := struct {
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		SessionID string `json:"session_id,omitempty"`
	}{Title: http.StatusText(f.status), Status: f.status, Detail: f.message, Code: f.code}
	var second *SecondFactorRequired
	if errors.As(err, &second) {
		problem.SessionID = second.SessionID
	}
	if f.status == http.StatusUnauthorized {
		// RFC 9110 section 15.5.2: a 401 MUST have a challenge. What the client is short of is a token.
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	write(w, f.status, "application/problem+json", noStore, problem)
}
