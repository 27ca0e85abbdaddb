package session

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/authmw/authmw/internal/strictjson"
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
	name       string
	label      string // what Cloudreve calls it
	value      *string
	min, max   int  // characters
	noControls bool // see isControl
}

// readBody reads fields from the JSON object that is r's body, whose size is limited already. It is stricter than
// encoding/json: see package strictjson, and it refuses unknown members.
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
	if err := readObject(body, fields); err != nil {
		return err
	}
	for _, f := range fields {
		switch length := utf8.RuneCountInString(*f.value); {
		case length == 0:
			return badRequest("%s cannot be empty", f.label)
		case length < f.min:
			return badRequest("%s too short", f.label)
		case length > f.max:
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

// readObject reads the values of fields. Some may be missing.
func readObject(body []byte, fields []field) error {
	s := strictjson.New(string(body), len(fields)+1, nil)
	if s.Reason == strictjson.ReasonUTF8 {
		return badRequest("The body is not UTF-8")
	}
	for name, ok := s.FirstMember(); ok; name, ok = s.NextMember() {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			return badRequest("Unknown field %.40q", name)
		}
		f := fields[i]
		if s.Unique(name, 0); s.Reason != "" {
			return badRequest("%s is given twice", f.label)
		}
		*f.value = strings.Clone(s.Text()) // a part of the body would keep all of it, with the password, in memory
		switch s.Reason {
		case "":
		case strictjson.ReasonNotString, strictjson.ReasonUTF8:
			return badRequest("%s must be a string of Unicode characters", f.label)
		default:
			return errNoObject
		}
	}
	if s.End(); s.Reason != "" {
		return errNoObject
	}
	return nil
}
