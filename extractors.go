package authmw

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authmw/authmw/internal/denial"
)

// defaultMaxTokenSize is the size limit of a token, in bytes, unless WithMaxTokenSize sets another.
const defaultMaxTokenSize = 8 << 10

// An Extractor finds the token in one place of a request. It returns "" if there is none. An error denies the request:
// one that wraps a sentinel of this package, such as ErrMalformedToken for what cannot be a token, as that one, and any
// other as ErrUnavailable.
type Extractor interface {
	Extract(r *http.Request) (token string, err error)
}

// ExtractorFunc is a function as an Extractor.
type ExtractorFunc func(r *http.Request) (token string, err error)

// Extract calls f.
func (f ExtractorFunc) Extract(r *http.Request) (string, error) { return f(r) }

// AuthorizationHeader returns the Extractor for Bearer credentials (RFC 6750 section 2.1), which is the only one unless
// WithExtractors says otherwise. It takes the scheme in any letter case, one or more spaces, and one token. Another
// scheme, or an empty header, is no credentials. Cloudreve itself also takes a token without the scheme, but no other
// letter case and no second space.
func AuthorizationHeader() Extractor { return ExtractorFunc(authorizationHeader) }

func authorizationHeader(r *http.Request) (string, error) {
	// RFC 9110 section 5.3: a field that is no list MUST NOT be sent twice. Whoever takes the first line and whoever takes
	// the last would see two different senders.
	switch values := r.Header["Authorization"]; len(values) {
	case 0:
		return "", nil
	case 1:
		return bearerToken(values[0])
	default:
		return "", deny(denial.AmbiguousCredentials, errors.New("more than one Authorization header"))
	}
}

// The reasons for which credentials are malformed.
var (
	errNoSpace = errors.New("no space after Bearer")
	errNoToken = errors.New("no token after Bearer")
	errWords   = errors.New("more than a token after Bearer")
)

// bearerToken returns the token in the value of an Authorization header, and "" if its scheme is not Bearer.
func bearerToken(value string) (string, error) {
	// RFC 9110 section 11.4: credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]. Servers strip the white space
	// around a field's value, requests made by hand may have it still.
	value = strings.Trim(value, " \t")
	const scheme = "Bearer"
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", nil
	}
	rest := value[len(scheme):]
	if rest == "" {
		return "", deny(denial.MalformedToken, errNoToken)
	}
	if rest[0] != ' ' {
		if isTokenChar(rest[0]) {
			return "", nil // a scheme that only begins with Bearer
		}
		return "", deny(denial.MalformedToken, errNoSpace)
	}
	token := strings.TrimLeft(rest, " ")
	if strings.HasPrefix(token, "Cr ") {
		return "", deny(denial.NodeSignature, nil)
	}
	if strings.IndexByte(token, ' ') >= 0 {
		return "", deny(denial.MalformedToken, errWords)
	}
	return token, nil
}

// isTokenChar reports whether c may stand in a token in the sense of HTTP, such as a scheme or the name of a header
// (RFC 9110 section 5.6.2).
func isTokenChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// place is an Extractor for the values under a name. All that are not empty are tokens: more than one is too many.
type place struct {
	kind, name string
	values     func(r *http.Request) iter.Seq[string]
}

func (p place) Extract(r *http.Request) (token string, err error) {
	for value := range p.values(r) {
		if value == "" {
			continue
		}
		if token != "" {
			return "", deny(denial.AmbiguousCredentials, fmt.Errorf("more than one token in %s %s", p.kind, p.name))
		}
		token = value
	}
	return token, nil
}

// validate is called by New, since a function that returns an Extractor cannot return an error as well.
func (p place) validate() error {
	for _, c := range []byte(p.name) {
		if !isTokenChar(c) {
			return fmt.Errorf("authmw: %q cannot be the name of a %s", p.name, p.kind)
		}
	}
	if p.name == "" {
		return fmt.Errorf("authmw: a %s needs a name", p.kind)
	}
	return nil
}

// Header returns an Extractor for a header that holds a token and no scheme, such as X-Access-Token.
func Header(name string) Extractor {
	name = http.CanonicalHeaderKey(name)
	return place{"header", name, func(r *http.Request) iter.Seq[string] {
		return slices.Values(r.Header[name])
	}}
}

// Cookie returns an Extractor for a cookie that holds a token. A browser sends cookies with requests that other sites
// make it send: routes that change anything need a defence of their own, such as http.CrossOriginProtection. It also
// sends them where its page sets the header: then there are two tokens, and the answer is 400.
func Cookie(name string) Extractor {
	// net/http drops cookies that it cannot parse; here a bad one must not pass for none.
	return place{"cookie", name, func(r *http.Request) iter.Seq[string] {
		return elements(r.Header["Cookie"], ";", func(cookie string) (string, bool) {
			key, value, _ := strings.Cut(cookie, "=")
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			return value, strings.TrimRight(key, " \t") == name
		})
	}}
}

// InsecureQuery returns an Extractor for a parameter of the URL's query, such as access_token (RFC 6750 section 2.3).
// It is insecure because URLs end up in logs, histories and Referer headers (RFC 9700 section 4.3.2); it is for clients
// that can send nothing else, such as an EventSource or a media element.
func InsecureQuery(name string) Extractor {
	// net/url drops parameters that it cannot parse; here a bad one must not pass for none.
	return place{"query parameter", name, func(r *http.Request) iter.Seq[string] {
		return elements([]string{r.URL.RawQuery}, "&", func(parameter string) (string, bool) {
			key, value, _ := strings.Cut(parameter, "=")
			if len(key) <= 3*len(name) { // or it is another name, however it is escaped
				if unescaped, err := url.QueryUnescape(key); err == nil {
					key = unescaped
				}
			}
			if key != name {
				return "", false
			}
			// No token needs escapes. A long value with some is refused, rather than copied to see how long it is.
			if len(value) <= defaultMaxTokenSize {
				if unescaped, err := url.QueryUnescape(value); err == nil {
					value = unescaped
				}
			}
			return value, true
		})
	}}
}

// WebSocketProtocol returns an Extractor for a token among the subprotocols that a WebSocket handshake over HTTP/1.1
// offers, which is all that a browser lets a page choose: new WebSocket(url, [name, token]). The token is the one
// offered right after name. The server should select name, or another protocol, in its answer, and never the token.
func WebSocketProtocol(name string) Extractor {
	return place{"WebSocket subprotocol", name, func(r *http.Request) iter.Seq[string] {
		webSocket := func(protocol string) (string, bool) { return "", strings.EqualFold(protocol, "websocket") }
		for range elements(r.Header["Upgrade"], ",", webSocket) {
			named := false
			return elements(r.Header["Sec-Websocket-Protocol"], ",", func(protocol string) (string, bool) {
				token := named
				named = !named && protocol == name
				return protocol, token
			})
		}
		return func(func(string) bool) {}
	}}
}

// elements returns the values that pick finds among the elements of lists, which may be many.
func elements(lists []string, separator string, pick func(element string) (value string, ok bool)) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range lists {
			for element := range strings.SplitSeq(list, separator) {
				element = strings.Trim(element, " \t")
				if element == "" {
					continue
				}
				if value, ok := pick(element); ok && !yield(value) {
					return
				}
			}
		}
	}
}
