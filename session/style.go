package session

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/denial"
	"github.com/authmw/authmw/issuer"
)

// style is a way to answer.
type style interface {
	answer(w http.ResponseWriter, action Action, r result)
	deny(w http.ResponseWriter, r *http.Request, action Action, f denial.Failure, err error)
}

// result is what is answered to a request that succeeds.
type result struct {
	user  json.RawMessage // of a login
	token *issuer.Pair    // nil for a logout
}

func write(w http.ResponseWriter, status int, contentType, cacheControl string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cacheControl)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", denial.RetryAfter)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nothing to do about it
}

// login is what both styles answer to one.
type login struct {
	User  json.RawMessage `json:"user,omitempty"`
	Token *issuer.Pair    `json:"token"`
}

// cloudreveStyle answers as Cloudreve does: HTTP status 200, and the outcome in the body. Only what Cloudreve fails at as
// well has a status that says so.
type cloudreveStyle struct{}

// noCache is Cloudreve's Cache-Control header. Answers with tokens need more, see noStore.
const (
	noCache        = "private, no-cache"
	noCacheOrStore = noCache + ", " + noStore
)

func (cloudreveStyle) write(w http.ResponseWriter, status int, cacheControl string, body any) {
	write(w, status, denial.EnvelopeType, cacheControl, denial.JSON(body))
}

func (c cloudreveStyle) answer(w http.ResponseWriter, action Action, r result) {
	switch action {
	case ActionLogout:
		c.write(w, http.StatusOK, noCache, cloudreve.Data{Data: ""})
	case ActionRefresh:
		c.write(w, http.StatusOK, noCacheOrStore, cloudreve.Data{Data: r.token})
	default:
		c.write(w, http.StatusOK, noCacheOrStore, cloudreve.Data{Data: login{r.user, r.token}})
	}
}

func (c cloudreveStyle) deny(w http.ResponseWriter, r *http.Request, action Action, f denial.Failure, err error) {
	envelope := f.Envelope()
	status := http.StatusOK
	var second *SecondFactorRequiredError
	switch {
	case errors.As(err, &second):
		envelope.Data = second.SessionID
	case errors.As(err, new(*requestError)):
		// Cloudreve gives no correlation ID to what it could not read.
	default:
		if action == ActionLogout && errors.Is(err, issuer.ErrInvalidGrant) {
			envelope.Msg = "Failed to parse token"
		}
		if f.Status >= http.StatusInternalServerError {
			status = f.Status
		}
		envelope.CorrelationID = cloudreve.CorrelationID(r)
	}
	cacheControl := noCache
	if envelope.Data != "" { // with which the login can be finished
		cacheControl = noCacheOrStore
	}
	c.write(w, status, cacheControl, envelope)
}

// plainStyle answers with HTTP's own means.
type plainStyle struct{}

// noStore is required of answers with tokens by RFC 6749 section 5.1, and does no harm to the plain style's others.
const noStore = "no-store"

func (plainStyle) answer(w http.ResponseWriter, action Action, r result) {
	switch action {
	case ActionLogout:
		w.Header().Set("Cache-Control", noStore)
		w.WriteHeader(http.StatusNoContent)
	case ActionRefresh:
		write(w, http.StatusOK, "application/json", noStore, denial.JSONLine(r.token))
	default:
		write(w, http.StatusOK, "application/json", noStore, denial.JSONLine(login{r.user, r.token}))
	}
}

func (plainStyle) deny(w http.ResponseWriter, _ *http.Request, _ Action, f denial.Failure, err error) {
	problem := f.Problem()
	var second *SecondFactorRequiredError
	if errors.As(err, &second) {
		problem.SessionID = second.SessionID
	}
	if f.Status == http.StatusUnauthorized {
		// RFC 9110 section 15.5.2: a 401 MUST have a challenge. What the client is short of is a token.
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	write(w, f.Status, denial.ProblemType, noStore, denial.JSONLine(problem))
}
