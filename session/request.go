package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBody is the most bytes of a request's body: a refresh token has 8 KiB at the most, and the rest is less.
const maxBody = 16 << 10

// requestError is what is wrong with the form of a request. It says nothing of the values.
type requestError struct {
	status  int
	message string
}

func (e *requestError) Error() string { return "session: " + e.message }

func badRequest(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// errNoObject is in Cloudreve's words.
var errNoObject = &requestError{http.StatusBadRequest, "Parameter error"}

// field is a member of a request's JSON. All are required strings.
type field struct {
	name        string
	label       string // what Cloudreve calls it
	value       *string
	least, most int  // characters
	noControls  bool // see isControl
}

// readBody reads fields from the JSON object that is r's body, whose size is limited already. It is stricter than
// encoding/json alone: nothing unknown, nothing twice, no other letter case, nothing after it, and no text that would have
// to be mended.
//
// It takes application/json and nothing else, which no page of another site can make a browser send unasked. The type is
// checked before the body is read.
func readBody(r *http.Request, fields ...field) error {
	if r.ContentLength == 0 {
		return errNoObject
	}
	if !isJSON(r.Header["Content-Type"]) {
		return &requestError{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is larger than %d bytes", maxBody)}
		}
		return badRequest("The body could not be read")
	}
	if len(body) == 0 {
		return errNoObject
	}
	if !utf8.Valid(body) {
		return badRequest("The body is not UTF-8")
	}
	if err := readObject(body, fields); err != nil {
		return err
	}
	for _, f := range fields {
		switch length := utf8.RuneCountInString(*f.value); {
		case length == 0:
			return badRequest("%s cannot be empty", f.label)
		case length < f.least:
			return badRequest("%s too short", f.label)
		case length > f.most:
			return badRequest("%s too long", f.label)
		case f.noControls && strings.ContainsFunc(*f.value, isControl):
			return badRequest("%s must not have control characters", f.label)
		}
	}
	return nil
}

// isControl reports whether r could break a line, or turn the direction of text, in a log or a mail header.
func isControl(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// isJSON reports whether there is one Content-Type header, with application/json in UTF-8. Of two headers, a proxy may
// look at the other one (RFC 9110 section 8.3).
func isJSON(contentType []string) bool {
	if len(contentType) != 1 || strings.Contains(contentType[0], "*") { // charset* (RFC 2231), which mime may drop
		return false
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType[0])
	charset, found := parameters["charset"]
	return err == nil && mediaType == "application/json" && (!found || strings.EqualFold(charset, "utf-8"))
}

func readObject(body []byte, fields []field) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errNoObject
	}
	seen := map[string]bool{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return errNoObject
		}
		f := find(fields, name)
		if f == nil {
			return badRequest("Unknown field %.40q", name)
		}
		if seen[f.name] {
			return badRequest("%s is given twice", f.label)
		}
		seen[f.name] = true
		value, err := decoder.Token()
		if err != nil {
			return errNoObject
		}
		text, ok := value.(string)
		if !ok || strings.ContainsRune(text, utf8.RuneError) { // which encoding/json puts for half of a surrogate pair
			return badRequest("%s must be a string of Unicode characters", f.label)
		}
		*f.value = text
	}
	if _, err := decoder.Token(); err != nil {
		return errNoObject
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errNoObject
	}
	return nil
}

func find(fields []field, name json.Token) *field {
	for i := range fields {
		if name == json.Token(fields[i].name) {
			return &fields[i]
		}
	}
	return nil
}
