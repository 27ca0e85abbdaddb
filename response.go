package authmw

import (
	"encoding/json"
	"net/http"
	"slices"
)

// Response is the answer to a denied request.
type Response struct {
	Status int
	Header http.Header // Content-Type at the least, if there is a Body
	Body   []byte
}

// A Renderer makes the answer to a request that is denied for err. Headers that it leaves out are added, see
// [Validator.Denial]. A Status that is not from 200 to 599 is replaced by err.Status().
type Renderer func(r *http.Request, err *Error) Response

// ProblemJSON is the default Renderer: application/problem+json (RFC 9457) with the error's code as an extension member.
//
//	{"title":"Unauthorized","status":401,"detail":"The access token has expired.","code":"token_expired"}
func ProblemJSON(_ *http.Request, err *Error) Response {
	return jsonResponse(err.Status(), "application/problem+json", struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
	}{http.StatusText(err.Status()), err.Status(), err.Message(), err.Code()})
}

// CloudreveEnvelope is the Renderer for clients that know Cloudreve's own API: HTTP status 200, Cloudreve's code and
// message in the body, and no challenge.
//
//	{"code":401,"msg":"Login required"}
func CloudreveEnvelope(r *http.Request, err *Error) Response {
	response := CloudreveEnvelopeWithStatus(r, err)
	response.Status = http.StatusOK
	return response
}

// CloudreveEnvelopeWithStatus is CloudreveEnvelope with the HTTP status, and so the challenge, that the failure calls
// for. Proxies, caches and monitoring, which do not read the body, see the denial too.
func CloudreveEnvelopeWithStatus(_ *http.Request, err *Error) Response {
	code, msg := err.CloudreveCode()
	return jsonResponse(err.Status(), "application/json; charset=utf-8", struct {
		Code int    `json:"code"`
		Msg  string `json:"msg"`
	}{code, msg})
}

func jsonResponse(status int, contentType string, body any) Response {
	// Strings and integers alone always marshal.
	encoded, _ := json.Marshal(body)
	return Response{
		Status: status,
		Header: http.Header{"Content-Type": {contentType}},
		Body:   append(encoded, '\n'),
	}
}

// retryAfter is for how many seconds a client should leave a server alone that cannot get at its secrets: long enough
// not to add to the trouble, short enough for a user to wait.
const retryAfter = "5"

// Denial returns the answer to a request that Check or Authenticate denied: what the Renderer makes of err and, where
// it left them out,
//   - Cache-Control: no-store, since Cloudreve's status 200 could be cached;
//   - WWW-Authenticate: the error's challenge, if the answer has the error's status;
//   - Retry-After: 5 seconds, with status 503.
//
// An err that matches no sentinel of this package, nil included, is taken for ErrUnavailable: whatever it is, it says
// nothing about the sender. Adapters for frameworks that write responses themselves use Denial, all others Deny.
func (v *Validator) Denial(r *http.Request, err error) Response {
	e := asError(err)
	render, realm := Renderer(ProblemJSON), defaultRealm
	if v.built() {
		render, realm = v.render, v.realm
	}
	response := render(r, e)
	if response.Status < 200 || response.Status > 599 {
		response.Status = e.Status()
	}
	header := http.Header{"Cache-Control": {"no-store"}}
	if response.Status == e.Status() {
		if challenge := e.Challenge(realm); challenge != "" {
			header.Set("WWW-Authenticate", challenge)
		}
	}
	if response.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retryAfter)
	}
	for name, values := range response.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	header.Del("Content-Length") // the server's to count, after whatever the framework makes of the body
	response.Header = header
	return response
}

// Deny answers a request that Check or Authenticate denied with err. See [Validator.Denial] for what is sent.
func (v *Validator) Deny(w http.ResponseWriter, r *http.Request, err error) {
	response := v.Denial(r, err)
	header := w.Header()
	// Set further out, for the answer that there would have been. Not so Content-Encoding: whoever has set it compresses
	// this answer too.
	for _, name := range []string{"Content-Length", "Etag", "Last-Modified"} {
		header.Del(name)
	}
	for name, values := range response.Header {
		header[name] = values
	}
	w.WriteHeader(response.Status)
	_, _ = w.Write(response.Body) // the client may be gone; there is nothing to do about it
}
