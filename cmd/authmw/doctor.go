package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/issuer"
)

func (c *cli) doctorCommand() *cobra.Command {
	var address, id, email string
	cmd := &cobra.Command{
		Use:   "doctor --url URL",
		Short: "Find out whether a site accepts tokens made with this key",
		Long: `Find out whether a site accepts a token made with this key, whether it is the
site that the database belongs to, and how far apart its clock is from this one.

It sends the site three GET requests, one of them with a token that is valid for
a minute; the key is not sent. The exit status is 1 if something is wrong.`,
		Example: `  authmw doctor --config data/conf.ini --url http://127.0.0.1:5212
  authmw doctor --key-file key.txt --user wGH0 --url https://cloud.example.com`,
		Args: arguments(0, 0, "no arguments but --url with the site"),
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "url", "", "the site, a `URL` such as http://127.0.0.1:5212")
	flags.StringVar(&id, "user", "", "the `ID` of the user that the token is for; any, unless given")
	flags.StringVar(&email, "email", "", "that user's e-mail `ADDRESS`")
	return c.withSite(cmd, func(ctx context.Context, s *site, _ []string) error {
		if id != "" && email != "" {
			return errBothUsers
		}
		base, err := url.Parse(address)
		if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
			return errors.New("--url has to be the site's URL, such as http://127.0.0.1:5212")
		}
		return s.diagnose(ctx, base, id, email)
	})
}

// anyone is a subject for which Cloudreve finds no user, so that the token lets in nobody, whatever becomes of it. The
// answer tells all the same whether the signature was right.
const anyone = "authmw-doctor"

// maxSkew is a difference between clocks that no one has to care about, since HTTP's Date is in seconds.
const maxSkew = 2 * time.Second

// maxLeeway is the most that authmw.WithLeeway takes.
const maxLeeway = 5 * time.Minute

func (s *site) diagnose(ctx context.Context, base *url.URL, id, email string) error {
	key, err := s.key(ctx)
	if err != nil {
		return err
	}
	subject := anyone
	var u *user
	if id != "" || email != "" {
		if subject, u, err = s.subject(ctx, id, email); err != nil {
			return err
		}
	}

	ping, err := s.get(ctx, base, "/api/v4/site/ping", "")
	if err != nil {
		return err
	}
	var version string
	if ping.Code != 0 || json.Unmarshal(ping.Data, &version) != nil {
		return fmt.Errorf("%s answers, but not as Cloudreve v4 does: is the URL that of the site's first page?", base.Redacted())
	}
	findings := []finding{{good, "site", "Cloudreve " + version + " at " + base.Redacted()}}

	if f, ok, err := s.sameSite(ctx, base); err != nil {
		return err
	} else if ok {
		findings = append(findings, f)
		if f.verdict == bad {
			return s.cli.judge(findings) // a token is for its own site
		}
	}

	now := s.cli.now()
	skew := ping.date.Sub(now).Round(time.Second)
	switch {
	case ping.date.IsZero():
		findings = append(findings, finding{unknown, "clock", "the site does not tell its time"})
		skew = 0
	case skew.Abs() <= maxSkew:
		findings = append(findings, finding{good, "clock", "the site's and this one agree to 2s"})
	case skew.Abs() > maxLeeway:
		// A site must not choose at what time it is shown a token.
		findings = append(findings, finding{bad, "clock", fmt.Sprintf("the site's and this one are %s apart: set one of them right", human(skew.Abs()))})
		return s.cli.judge(findings)
	case skew > 0:
		findings = append(findings, finding{bad, "clock", fmt.Sprintf("the site's is %s ahead: a server here needs authmw.WithLeeway, or refuses its tokens at first", human(skew))})
	default:
		findings = append(findings, finding{bad, "clock", fmt.Sprintf("the site's is %s behind: it refuses tokens from here for as long", human(-skew))})
	}

	// A token by the site's own clock, so that nothing but the key decides.
	began := now.Add(skew).Add(-30 * time.Second)
	i, err := issuer.NewCloudreveCompatible(key.Secret, issuer.NewMemoryStore(),
		issuer.WithTTL(90*time.Second, 90*time.Second), issuer.WithClock(func() time.Time { return began }))
	if err != nil {
		return err
	}
	pair, err := i.Issue(ctx, issuer.Grant{Subject: subject})
	if err != nil {
		return err
	}
	me, err := s.get(ctx, base, "/api/v4/user/me", pair.AccessToken)
	if err != nil {
		return err
	}
	findings = append(findings, judgeMe(me, subject, u, key.From))
	return s.cli.judge(findings)
}

// The codes of Cloudreve's API for GET /api/v4/user/me.
const (
	codeNotLoggedIn  = 401   // the token counts for nothing
	codeUserNotFound = 404   // sub is no user's ID
	codeDBError      = 50001 // there is no such user, or not an active one
)

func judgeMe(me answer, subject string, u *user, from string) finding {
	switch me.Code {
	case 0:
		if subject == anyone {
			return finding{bad, "key", "the site knows a user that there is not: it does not check tokens"}
		}
		return finding{good, "key", "the site accepts tokens made with the key from " + from}
	case codeUserNotFound, codeDBError:
		switch {
		case subject == anyone:
			return finding{good, "key", "the site accepts tokens made with the key from " + from}
		case u != nil && u.status != "active":
			return finding{bad, "user", fmt.Sprintf("the key is the site's, but this user is %s", u.status)}
		default:
			return finding{bad, "user", fmt.Sprintf("the key is the site's, but it has no active user %s: see the users in its admin panel", subject)}
		}
	case codeNotLoggedIn:
		return finding{bad, "key", fmt.Sprintf("the site refuses tokens made with the key from %s: it has another key, or has to be restarted since its key was replaced, or has a CR_SETTING_secret_key that is not set here", from)}
	default:
		return finding{bad, "key", fmt.Sprintf("the site answers %d: %s", me.Code, me.Msg)}
	}
}

// sameSite tells whether the database is that of the site. It is not ok if that cannot be told.
func (s *site) sameSite(ctx context.Context, base *url.URL) (f finding, ok bool, err error) {
	if s.db == nil {
		return finding{}, false, nil
	}
	siteID, err := s.setting(ctx, "siteID")
	if err != nil {
		return finding{}, false, err
	}
	basic, err := s.get(ctx, base, "/api/v4/site/config/basic", "")
	if err != nil {
		return finding{}, false, err
	}
	var data struct {
		InstanceID string `json:"instance_id"`
	}
	if basic.Code != 0 || json.Unmarshal(basic.Data, &data) != nil || data.InstanceID == "" {
		return finding{}, false, nil
	}
	if data.InstanceID != siteID {
		return finding{bad, "database", "it belongs to another site: the one at the URL has another siteID"}, true, nil
	}
	return finding{good, "database", "it belongs to this site"}, true, nil
}

// answer is Cloudreve's answer to a request.
type answer struct {
	Code int             `json:"code"`
	Data json.RawMessage `json:"data"`
	Msg  string          `json:"msg"`
	date time.Time       // of the site's clock, zero if unknown
}

// get asks the site something. It follows no redirect: a token is for the site that it was made for.
func (s *site) get(ctx context.Context, base *url.URL, path, token string) (a answer, err error) {
	client := &http.Client{
		Timeout:       connectTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
	if err != nil {
		return a, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return a, fmt.Errorf("%s cannot be reached: is the site running, and is the URL right? (%w)", base.Redacted(), err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	switch {
	case err != nil:
		return a, fmt.Errorf("%s stopped in the middle of an answer: %w", base.Redacted(), err)
	case response.StatusCode >= 300 && response.StatusCode < 400:
		location, err := response.Location()
		if err != nil {
			return a, fmt.Errorf("%s redirects to nowhere: is the URL right?", base.Redacted())
		}
		return a, fmt.Errorf("%s redirects to %s: give the URL of the site itself", base.Redacted(), strings.TrimSuffix(location.Redacted(), path))
	case response.StatusCode >= 500:
		return a, fmt.Errorf("%s answers with status %d: the site, or the proxy before it, is failing; see its log", base.Redacted(), response.StatusCode)
	case json.Unmarshal(body, &a) != nil:
		return a, fmt.Errorf("%s answers with status %d, but not as Cloudreve v4 does: is the URL that of the site's first page?", base.Redacted(), response.StatusCode)
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil && date.Year() >= 1970 {
		a.date = date
	}
	return a, nil
}
