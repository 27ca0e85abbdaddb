package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/hashid"
)

func (c *cli) inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect TOKEN|-",
		Short: "Show what is in a token, and what is wrong with it",
		Long: `Show a token's header and claims, and what is wrong with it and by how much.

The first word says whether the signature was checked: that takes the key. What
a token says that is not VERIFIED, anyone may have written.

The token is an argument or, for -, comes on standard input. It may be bare, in
an Authorization header, or in a command line of curl. The exit status is 0
whatever is wrong with it; see authmw verify for a verdict.`,
		Example: `  authmw inspect eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2…
  authmw inspect --config data/conf.ini 'Authorization: Bearer eyJhbG…'
  authmw inspect --json - < token.txt | jq .claims.sub`,
		Args: arguments(1, math.MaxInt, "a token, or - for standard input"),
	}
	asJSON := jsonFlag(cmd)
	return c.withSite(cmd, func(ctx context.Context, s *site, args []string) error {
		r, err := s.examine(ctx, args)
		if err != nil {
			return err
		}
		if *asJSON {
			return c.printJSON(r)
		}
		return c.print("%s", r.text(c.paint, c.now()))
	})
}

func (c *cli) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify TOKEN|-",
		Short: "Tell whether a server with this key accepts an access token",
		Long: `Tell whether a server that uses this library with this key accepts an access
token: exit status 0 and "valid", or 1 and the error's code, such as
token_expired. Status 2 means that it cannot be told.

The token is an argument or, for -, comes on standard input. It may be bare, in
an Authorization header, or in a command line of curl.`,
		Example: `  authmw verify --config data/conf.ini eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2…
  authmw verify --key-file key.txt - < token.txt`,
		Args: arguments(1, math.MaxInt, "a token, or - for standard input"),
	}
	asJSON := jsonFlag(cmd)
	return c.withSite(cmd, func(ctx context.Context, s *site, args []string) error {
		if s.read == nil {
			return errNoKey
		}
		r, err := s.examine(ctx, args)
		if err != nil {
			return err
		}
		if *asJSON {
			verdict := verifyJSON{Valid: len(r.Problems) == 0, Sub: r.subject}
			if !verdict.Valid {
				verdict.Problem = &r.Problems[0]
			} else {
				verdict.ValidUntil = r.Until
			}
			if err := c.printJSON(verdict); err != nil || verdict.Valid {
				return err
			}
			return errNo
		}
		if len(r.Problems) > 0 {
			if err := c.print("%s\n", printable(r.Problems[0].String())); err != nil {
				return err
			}
			return errNo
		}
		return c.print("valid: access token of %s, expires %s\n", printable(r.subject), relative(*r.Until, c.now()))
	})
}

// verifyJSON is what verify --json prints.
type verifyJSON struct {
	Valid      bool       `json:"valid"`
	Problem    *problem   `json:"problem,omitempty"` // the first one
	Sub        string     `json:"sub,omitempty"`     // not to be relied on unless valid
	ValidUntil *time.Time `json:"valid_until,omitempty"`
}

// report is what there is to say about a token.
type report struct {
	Verified *bool           `json:"verified"` // whether the signature is right; nil if there was no key to tell
	Problems []problem       `json:"problems"`
	Type     string          `json:"type,omitempty"` // token_type
	User     *int64          `json:"user,omitempty"` // the number that sub stands for, if there is a database to tell
	From     *time.Time      `json:"valid_from,omitempty"`
	Until    *time.Time      `json:"valid_until,omitempty"`
	Header   json.RawMessage `json:"header,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"`

	subject string
	keyFrom string
}

// problem is a reason for which the token is refused.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (p problem) String() string { return p.Code + ": " + p.Detail }

// examine says all about a token that can be said with what there is.
func (s *site) examine(ctx context.Context, args []string) (*report, error) {
	input, err := s.cli.readInput(strings.Join(args, " "))
	if err != nil {
		return nil, err
	}
	token, err := findToken(input)
	if err != nil {
		return nil, err
	}
	r := &report{Problems: []problem{}}
	r.decode(token)

	secret := make([]byte, authmw.MinSecretSize) // without a key, any will do to find all else that is wrong
	if s.read != nil {
		key, err := s.key(ctx)
		if err != nil {
			return nil, err
		}
		secret, r.keyFrom = key.Secret, key.From
	}
	v, err := authmw.New(secret, authmw.WithClock(s.cli.now))
	if err != nil {
		return nil, err
	}
	signed, verified := sign(token, secret)
	claims, err := v.Verify(ctx, token)
	if errors.Is(err, authmw.ErrInvalidSignature) {
		if s.read != nil {
			r.add(err)
		}
		claims, err = v.Verify(ctx, signed)
	}
	r.add(err)
	if claims != nil { // whose times are those that count, where there are fractions
		r.Until = &claims.ExpiresAt
		if !claims.NotBefore.IsZero() {
			r.From = &claims.NotBefore
		}
	}
	if s.read != nil {
		r.Verified = &verified
	}

	if s.db != nil && r.subject != "" {
		if ids, err := s.ids(ctx); err == nil {
			if n, err := ids.Decode(r.subject, hashid.User); err == nil {
				r.User = &n
			}
		}
	}
	return r, nil
}

// add adds what the library says of a token.
func (r *report) add(err error) {
	var e *authmw.Error
	if !errors.As(err, &e) {
		return
	}
	detail := strings.TrimPrefix(e.Error(), "authmw: "+e.Code()+": ")
	if detail == e.Error() { // the code alone
		detail = e.Message()
	}
	if errors.Is(err, authmw.ErrInvalidSignature) {
		detail = "signed with another key than the one from " + r.keyFrom + ": an old one, or another site's"
	}
	if errors.Is(err, authmw.ErrWrongTokenType) && r.Type == "refresh" {
		detail = "a refresh token, which is sent in the body of a request for a new pair, not in a header"
	}
	r.Problems = append(r.Problems, problem{e.Code(), detail})
}

// sign returns token with the signature that secret gives it, and whether that is the one it has.
func sign(token string, secret []byte) (signed string, same bool) {
	input := token[:max(0, strings.LastIndexByte(token, '.'))]
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	signed = input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return signed, hmac.Equal([]byte(signed), []byte(token))
}

// decode takes from a token what can be read of it, good or not.
func (r *report) decode(token string) {
	segments := strings.Split(token, ".")
	r.Header = object(segments[0])
	if len(segments) < 2 {
		return
	}
	r.Claims = object(segments[1])
	for _, m := range members(r.Claims) {
		switch m.name {
		case "token_type":
			_ = json.Unmarshal(m.value, &r.Type) // which stays empty for what is no text, as does
		case "sub":
			_ = json.Unmarshal(m.value, &r.subject)
		case "nbf":
			r.From = numericDate(m.value)
		case "exp":
			r.Until = numericDate(m.value)
		}
	}
}

// object returns the JSON object that a segment of a token has, or nil.
func object(segment string) json.RawMessage {
	decoded, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil || !json.Valid(decoded) || !bytes.HasPrefix(bytes.TrimSpace(decoded), []byte("{")) {
		return nil
	}
	return decoded
}

type member struct {
	name  string
	value json.RawMessage
}

// members returns what is in a JSON object, in its order.
func members(object json.RawMessage) (found []member) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil { // the brace
		return nil
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return found
		}
		m := member{name: name.(string)} // in an object, a name has to be
		if err := decoder.Decode(&m.value); err != nil {
			return found
		}
		found = append(found, m)
	}
	return found
}

// numericDate returns the time that a number of seconds stands for (RFC 7519 section 2), or nil for any other value.
func numericDate(value json.RawMessage) *time.Time {
	var seconds float64
	if err := json.Unmarshal(value, &seconds); err != nil || seconds < 0 || seconds >= maxNumericDate+1 {
		return nil
	}
	t := time.Unix(int64(seconds), 0).UTC()
	return &t
}

// text is the report for people.
func (r *report) text(paint func(colour, text string) string, now time.Time) string {
	var b strings.Builder
	switch {
	case r.Verified == nil:
		b.WriteString(paint(yellow, "NOT VERIFIED") + ": there is no key to check the signature with, so anyone may have written this\n")
	case !*r.Verified:
		b.WriteString(paint(red, "NOT VERIFIED") + ": there is no signature by the key from " + r.keyFrom + "\n")
	case len(r.Problems) > 0:
		b.WriteString(paint(yellow, "VERIFIED") + ": signed with the key from " + r.keyFrom + ", but refused\n")
	default:
		b.WriteString(paint(green, "VERIFIED") + ": signed with the key from " + r.keyFrom + ", and accepted\n")
	}
	for _, p := range r.Problems {
		b.WriteString(paint(red, p.Code) + ": " + printable(p.Detail) + "\n")
	}
	if r.Header != nil {
		fmt.Fprintf(&b, "\nheader\n")
		r.list(&b, r.Header, now)
	}
	if r.Claims != nil {
		fmt.Fprintf(&b, "\nclaims\n")
		r.list(&b, r.Claims, now)
	}
	return b.String()
}

// maxWidth keeps one long name from padding every line.
const maxWidth = 20

func (r *report) list(b *strings.Builder, object json.RawMessage, now time.Time) {
	width := 0
	for _, m := range members(object) {
		width = max(width, len(printable(m.name)))
	}
	width = min(width, maxWidth)
	for _, m := range members(object) {
		fmt.Fprintf(b, "  %-*s  %s", width, printable(m.name), printable(string(m.value)))
		switch m.name {
		case "exp", "nbf", "iat":
			if t := numericDate(m.value); t != nil {
				fmt.Fprintf(b, "  %s, %s", t.Format(timeFormat), relative(*t, now))
			}
		case "sub":
			if r.User != nil {
				fmt.Fprintf(b, "  user %d", *r.User)
			}
		}
		b.WriteByte('\n')
	}
}

var (
	inHeader   = regexp.MustCompile(`(?i)(?:^|[^\w-])authorization["']?\s*:\s*\[?\s*["']?([^"'\r\n]*)`)
	withScheme = regexp.MustCompile(`(?i)^bearer(\s+|$)`)
)

// findToken returns the one token in what a user pastes: bare, after "Bearer", in an Authorization header, or in a command
// line with one.
func findToken(input string) (string, error) {
	found := inHeader.FindAllStringSubmatch(input, -1)
	if len(found) > 1 {
		return "", errors.New("there is more than one Authorization header: give one token")
	}
	token := input
	if len(found) == 1 {
		token = found[0][1]
	}
	token = strings.TrimSpace(token)
	token = withScheme.ReplaceAllString(token, "")
	token = strings.Trim(token, `"'^`)
	switch {
	case token == "":
		return "", errors.New("there is no token: give one, or - and write it to standard input")
	case token == "Cr" || strings.HasPrefix(token, "Cr "):
		return "", errors.New("this is the signature of a Cloudreve node (Bearer Cr …), not a token")
	case strings.ContainsAny(token, "\r\n"):
		return "", errors.New("there is a line break in the token: give it in one line")
	case strings.ContainsFunc(token, unicode.IsSpace):
		return "", errors.New("there is a space in the token: give one token, an Authorization header, or a command line with one in quotes")
	}
	return token, nil
}
