package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/authmw/authmw/internal/cloudreve"
)

// Transport is an http.RoundTripper that puts the access token on requests to the client's site. What it sends them by is
// the client's, see WithTransport.
//
// A request to another origin, that is, another scheme, host or port, goes out as it is, and so does one that was redirected
// by another: Cloudreve redirects downloads to wherever the files are stored. A request that has an Authorization header
// keeps it.
//
// If the site answers that the token does not count, with status 401 or, as Cloudreve does, with status 200 and a JSON
// body with the code 401, the request is sent once more with a newer token, provided that its body can be had again: it has
// none, or GetBody. The site did nothing for the first one. An answer is handed on whole in any case; to look at it, the
// first few bytes of a JSON body are waited for, and no more than 4 KiB are kept back.
type Transport struct {
	Client *Client
	// NoRetry has the transport hand on every first answer, and look into none.
	NoRetry bool
}

// RoundTrip is part of http.RoundTripper. Its error is that of Client.Token if there is no token to be had, and nothing is
// sent then.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.Client == nil {
		closeBody(r)
		return nil, errNoClient
	}
	if hasAuthorization(r) || !t.Client.isFor(r) {
		return t.Client.transport.RoundTrip(r)
	}
	token, err := t.Client.Token(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	response, err := t.send(r, r.Body, token)
	if err != nil || t.NoRetry || !rejected(response) {
		return response, err
	}
	body, ok := bodyAgain(r)
	if !ok {
		return response, nil
	}
	newer, err := t.Client.token(r.Context(), token.AccessToken, false)
	if err != nil || newer.AccessToken == token.AccessToken {
		if body != nil {
			_ = body.Close()
		}
		return response, nil
	}
	if 0 <= response.ContentLength && response.ContentLength <= maxEnvelope {
		_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	}
	_ = response.Body.Close()
	return t.send(r, body, newer)
}

// bodyAgain returns the body of r once more. ok is false if it cannot be read twice.
func bodyAgain(r *http.Request) (body io.ReadCloser, ok bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	return body, err == nil
}

var errNoClient = errors.New("client: the Transport has no Client")

// closeBody does for a request that is not sent what a RoundTripper must for every one.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// CloseIdleConnections closes those of what the client's requests are sent by.
func (t *Transport) CloseIdleConnections() {
	if t.Client == nil {
		return
	}
	if base, ok := t.Client.transport.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// send sends r with a body and a token. The answer's Request is r: the one with the token is seen by nobody.
func (t *Transport) send(r *http.Request, body io.ReadCloser, token Token) (*http.Response, error) {
	sent := r.Clone(r.Context())
	sent.Body, sent.Trailer = body, r.Trailer // whose values come while the body is read
	if sent.Header == nil {
		sent.Header = http.Header{}
	}
	sent.Header.Set("Authorization", "Bearer "+token.AccessToken)
	response, err := t.Client.transport.RoundTrip(sent)
	if response != nil {
		response.Request = r
	}
	return response, err
}

// isFor reports whether r may have the token: it goes to the site, and so did all that it was redirected by. Like
// http.Client with a header of the caller's, a request that was once elsewhere is not trusted again.
func (c *Client) isFor(r *http.Request) bool {
	for r != nil && r.URL != nil && r.URL.Opaque == "" && cloudreve.Origin(r.URL) == c.site.origin {
		// What a proxy goes by.
		if r.Host != "" && cloudreve.Origin(&url.URL{Scheme: r.URL.Scheme, Host: r.Host}) != c.site.origin {
			return false
		}
		if r.Response == nil {
			return true
		}
		r = r.Response.Request
	}
	return false
}

// hasAuthorization reports whether r has credentials of the caller's, however its map spells the name.
func hasAuthorization(r *http.Request) bool {
	for name := range r.Header {
		if strings.EqualFold(name, "Authorization") {
			return true
		}
	}
	return false
}

// maxEnvelope is the most bytes of an answer that can be a denial of Cloudreve's, which has under 200.
const maxEnvelope = 4 << 10

// denial is how a denial of Cloudreve's begins.
const denial = `{"code":401`

// rejected reports whether the site took r's sender for anonymous. It leaves the answer as it was.
func rejected(response *http.Response) bool {
	if response.StatusCode != http.StatusOK || response.Body == nil {
		return response.StatusCode == http.StatusUnauthorized
	}
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || response.ContentLength > maxEnvelope {
		return false
	}
	body := response.Body
	var seen []byte
	for {
		chunk := make([]byte, 512)
		n, err := body.Read(chunk)
		seen = append(seen, chunk[:n]...)
		promising := bytes.HasPrefix(seen, []byte(denial)) || bytes.HasPrefix([]byte(denial), seen)
		if err == nil && promising && len(seen) <= maxEnvelope {
			continue
		}
		rest := io.Reader(body)
		if err != nil {
			rest = failing{err}
		}
		response.Body = &peeked{io.MultiReader(bytes.NewReader(seen), rest), body}
		var envelope struct {
			Code int `json:"code"`
		}
		return err == io.EOF && promising && json.Unmarshal(seen, &envelope) == nil && envelope.Code == cloudreve.CodeLoginRequired
	}
}

// peeked is a body of which the beginning was read before.
type peeked struct {
	io.Reader
	io.Closer
}

// failing is the rest of a body that came to an end, good or bad.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
