package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/authmw/authmw/internal/cloudreve"
)

// site is the site that a client is logged in at.
type site struct {
	*cloudreve.Site
	origin string
}

// requestTimeout is what a request of the client's own may take.
const requestTimeout = 20 * time.Second

// call sends a request without an access token, which Cloudreve would check first, and returns the answer's data. The error
// is an *Error or a *SecondFactorRequiredError if the site answered no.
func (s site) call(ctx context.Context, method, path string, body map[string]string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := s.Do(ctx, method, path, "", body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if answer.Code == nil {
		return nil, errNotCloudreve
	}
	switch *answer.Code {
	case 0:
		return answer.Data, nil
	case cloudreve.CodeSecondFactor:
		second := new(SecondFactorRequiredError)
		if json.Unmarshal(answer.Data, &second.SessionID) == nil {
			return nil, second
		}
	}
	msg := answer.Msg
	for _, sent := range body { // which a site may repeat
		msg = strings.ReplaceAll(msg, sent, "[…]")
	}
	return nil, &Error{*answer.Code, msg}
}

// tokens is Cloudreve's token object. Its times are not read: the tokens have their own.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// accept returns the login that tokens are of, which were asked for at a time.
func (s site) accept(t tokens, asked time.Time) (*StoredLogin, error) {
	if _, err := read(t.AccessToken); err != nil {
		return nil, errNotCloudreve
	}
	// Without its monotonic reading, which stands still while a laptop sleeps.
	return &StoredLogin{Site: s.origin, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Obtained: asked.Round(0)}, nil
}

// owns returns an error if a stored login is for another site. Tokens for another must neither be sent here nor get lost.
func (s site) owns(l *StoredLogin) error {
	if l != nil && l.Site != s.origin {
		return fmt.Errorf("client: the store has a login at %s, not at %s: give each site a store of its own", l.Site, s.origin)
	}
	return nil
}

// logout tells the site that a login is over.
func (s site) logout(ctx context.Context, l *StoredLogin) error {
	_, err := s.call(ctx, http.MethodDelete, "/api/v4/session/token", map[string]string{"refresh_token": l.RefreshToken})
	if refusal(err) {
		return nil // it was over before
	}
	return err
}
