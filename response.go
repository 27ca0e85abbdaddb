package authmw

import (
	"net/http"
	"slices"

	"github.com/authmw/authmw/internal/denial"
)

// Response is the answer to a denied request.
type Response struct {
	Status int
	Header http.Header // with a Content-Type, if there is a Body
	Body   []byte
}

// A Renderer makes the answer to a request that is denied for err. Headers that it leaves out are added, see
// [Validator.Denial]. A Status that is not from 200 to 599 is replaced by err.Status().
type Renderer func(r *http.Request, err *Error) Response

// ProblemJSON is the default Renderer: application/problem+json (RFC 9457) with the error's code as an extension member.
//
//	{"title":"Unauthorized","status":401,"detail":"The access token has expired.","code":"token_expired"}
func ProblemJSON(_ *http.Request, err *Error) Response {
	return newResponse(err.Status(), denial.ProblemType, denial.JSONLine(err.kind().Problem()))
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
	envelope := err.kind().Envelope()
	_, envelope.Msg = err.CloudreveCode()
	return newResponse(err.Status(), denial.EnvelopeType, denial.JSON(envelope))
}

func newResponse(status int, contentType string, body []byte) Response {
	return Response{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

// responseTo returns what [Validator.Denial] does.
func responseTo(r *http.Request, e *Error, render Renderer, realm string) Response {
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
		header.Set("Retry-After", denial.RetryAfter)
	}
	for name, values := range response.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	header.Del("Content-Length") // the server's to count, after whatever the framework makes of the body
	response.Header = header
	return response
}

// write sends the response.
func (response Response) write(w http.ResponseWriter) {
	header := w.Header()
	// Set further out, for the answer that there would have been. Not so Content-Encoding: the middleware that has set it
	// compresses this answer too.
	for _, name := range []string{"Content-Length", "Etag", "Last-Modified"} {
		header.Del(name)
	}
	for name, values := range response.Header {
		header[name] = values
	}
	w.WriteHeader(response.Status)
	_, _ = w.Write(response.Body) // the client may be gone; there is nothing to do about it
}
