// Package cloudreve speaks the API of Cloudreve v4: its codes, the form of its answers, and how to ask a site.
package cloudreve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Site is a site. It is safe for concurrent use.
type Site struct {
	base *url.URL
	http *http.Client
}

// ParseURL returns the URL of a site's first page, or an error that says what it must be.
func ParseURL(siteURL string) (*url.URL, error) {
	u, err := ParsePage(siteURL)
	if err == nil && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return nil, errors.New("the URL of a site must not have a user, a query or a fragment")
	}
	return u, err
}

// ParsePage returns the URL of any page of a site, as people copy it from a browser. Its [Origin] tells the site.
func ParsePage(pageURL string) (*url.URL, error) {
	u, err := url.Parse(pageURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("a site is named by the URL of its first page, such as https://cloud.example.com")
	}
	return u, nil
}

// NewSite returns the site whose first page is at siteURL. Requests are sent by transport. No redirect is followed: what is
// sent is for the site alone.
func NewSite(siteURL string, transport http.RoundTripper) (*Site, error) {
	base, err := ParseURL(siteURL)
	if err != nil {
		return nil, err
	}
	return &Site{base, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// CloseIdleConnections closes the connections to the site that are not in use, if the transport can.
func (s *Site) CloseIdleConnections() { s.http.CloseIdleConnections() }

// Origin returns the site's.
func (s *Site) Origin() string { return Origin(s.base) }

// Origin returns scheme, host and port of a URL (RFC 6454 section 4).
func Origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// Answer is what a site answers.
type Answer struct {
	// Code is nil in the few answers that have no envelope.
	Code *int            `json:"code"`
	Data json.RawMessage `json:"data"`
	Msg  string          `json:"msg"`
	// Body is all of it.
	Body []byte `json:"-"`
	// Date is the site's time, zero if it does not tell.
	Date time.Time `json:"-"`
}

// UnavailableError is the error of a site, or of a proxy before it, that does not do its work at the moment.
type UnavailableError struct {
	Status     int
	RetryAfter time.Duration // as it asks for, 0 if it does not
}

func (u *UnavailableError) Error() string {
	return fmt.Sprintf("the site answers with status %d: it, or the proxy before it, is failing; see its log", u.Status)
}

// Backoff returns for how long a site is left alone after it failed with err, as it did n times before: from half of a time
// to all of it, which is a second at first, doubles with each failure and ends at limit; or, up to limit, as long as it asks for.
func Backoff(n int, limit time.Duration, err error) time.Duration {
	backoff := min(time.Second<<min(n, 10), limit)
	backoff -= rand.N(backoff / 2)
	var u *UnavailableError
	if errors.As(err, &u) {
		backoff = max(backoff, min(u.RetryAfter, limit))
	}
	return backoff
}

// UnreachableError is the error for a site that does not accept a connection.
type UnreachableError struct{ Err error }

func (u *UnreachableError) Error() string {
	return fmt.Sprintf("the site cannot be reached: is it running, and is the URL right? (%v)", u.Err)
}

func (u *UnreachableError) Unwrap() error { return u.Err }

// NotCloudreveError is the error for an answer that is not Cloudreve's.
type NotCloudreveError struct{ Status int }

func (o *NotCloudreveError) Error() string {
	return fmt.Sprintf("the site answers with status %d, but not as Cloudreve v4 does: is the URL that of its first page?", o.Status)
}

// maxAnswer is the most bytes of an answer that are read. Those that are asked for here have a few thousand.
const maxAnswer = 1 << 20

// Do sends a request with an access token, unless that is empty, and with a body as JSON, unless that is nil. An answer
// with a code other than 0 is no error here.
func (s *Site) Do(ctx context.Context, method, path, token string, body any) (Answer, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base.JoinPath(path).String(), content)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.http.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return Answer{}, &UnreachableError{err}
	}
	defer func() { _ = response.Body.Close() }()
	return read(response, path)
}

// read returns the answer to a request for path.
func read(response *http.Response, path string) (answer Answer, err error) {
	switch status := response.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests:
		seconds, _ := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
		return Answer{}, &UnavailableError{status, time.Duration(seconds) * time.Second}
	case status >= 300 && status < 400:
		location, err := response.Location()
		if err != nil {
			return Answer{}, errors.New("the site redirects to nowhere: is the URL right?")
		}
		return Answer{}, fmt.Errorf("the site redirects to %s: give the URL of the site itself", strings.TrimSuffix(location.Redacted(), path))
	}
	if answer.Body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return Answer{}, fmt.Errorf("the site stopped in the middle of an answer: %w", err)
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(answer.Body, &answer) != nil {
		return Answer{}, &NotCloudreveError{response.StatusCode}
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil && date.Year() >= 1970 {
		answer.Date = date
	}
	return answer, nil
}
