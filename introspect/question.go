package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/cloudreve"
)

// question is something that the site answers only to those it knows.
type question struct {
	path   string
	answer func(cloudreve.Answer) (id string)
}

var errNoScope = fmt.Errorf("%w: it has neither the scope openid nor UserInfo.Read, without which the site does not tell whose it is", authmw.ErrTokenRejected)

// questionFor returns what can be asked with a token that claims so.
func questionFor(claims *authmw.Claims) (question, error) {
	switch {
	case claims.ClientID == "":
		// Cloudreve takes it for a user's own login, which needs no scope there, even if it has scopes (CVE-2026-54560).
		return question{"/api/v4/user/me", me}, nil
	case claims.HasScope("openid"):
		return question{"/api/v4/session/oauth/userinfo", userinfo}, nil
	case claims.HasScope("UserInfo.Read"):
		return question{"/api/v4/user/me", me}, nil
	default:
		return question{}, errNoScope
	}
}

func me(answer cloudreve.Answer) string {
	var data struct {
		ID string `json:"id"`
	}
	if answer.Code == nil || json.Unmarshal(answer.Data, &data) != nil {
		return ""
	}
	return data.ID
}

// userinfo reads the one answer that has no envelope (OpenID Connect Core section 5.3.2).
func userinfo(answer cloudreve.Answer) string {
	var data struct {
		Sub string `json:"sub"`
	}
	if answer.Code != nil || json.Unmarshal(answer.Body, &data) != nil {
		return ""
	}
	return data.Sub
}

// outcome is what became of a question.
type outcome struct {
	err        error
	answered   bool // with yes or no
	limited    bool // with status 429
	retryAfter time.Duration
	down       bool // it could have been answered, and was not
	asked      time.Time
}

// ask shows a site a token of a subject, and returns what that says.
func (q question) ask(ctx context.Context, site *cloudreve.Site, token, subject string) outcome {
	answer, err := site.Do(ctx, http.MethodGet, q.path, token, nil)
	var unavailable *cloudreve.UnavailableError
	if errors.As(err, &unavailable) && unavailable.Status == http.StatusTooManyRequests {
		return outcome{err: fmt.Errorf("introspect: %w", err), limited: true, retryAfter: unavailable.RetryAfter}
	}
	if err != nil {
		// An answer that is not Cloudreve's may be to this token alone, such as a proxy's to a long one: the sender who
		// made that token up must not cause others to be denied.
		return outcome{err: fmt.Errorf("introspect: %w", err), down: !errors.As(err, new(*cloudreve.NotCloudreveError))}
	}
	no := func(sentinel error, reason string) outcome {
		return outcome{err: fmt.Errorf("%w: %s", sentinel, reason), answered: true}
	}
	code := 0
	if answer.Code != nil {
		code = *answer.Code
	}
	switch code {
	case 0:
		switch id := q.answer(answer); id {
		case subject:
			return outcome{answered: true}
		case "":
			return outcome{err: fmt.Errorf("introspect: %w", &cloudreve.NotCloudreveError{Status: http.StatusOK}), down: true}
		default:
			return no(authmw.ErrTokenRejected, "the site says that it is another user's")
		}
	case cloudreve.CodeLoginRequired:
		return no(authmw.ErrInvalidSignature, "the site does not accept it, by its key or by its clock")
	case cloudreve.CodeCredentialInvalid:
		return no(authmw.ErrWrongTokenType, "the site says so")
	case cloudreve.CodeNotFound, cloudreve.CodeDBError:
		return no(authmw.ErrTokenRejected, "the site has no such user, or not an active one")
	case cloudreve.CodeForbidden, cloudreve.CodeInsufficientScope:
		return no(authmw.ErrTokenRejected, "the site does not tell its holder who they are")
	default:
		return outcome{err: fmt.Errorf("introspect: the site answers with code %d", code), down: true}
	}
}
