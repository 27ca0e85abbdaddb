package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/internal/cloudreve"
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
a minute; the key is not sent. The exit status is 1 if something is wrong. A
warning about the version that the site reports does not change it.`,
		Example: `  authmw doctor --config data/conf.ini --url http://127.0.0.1:5212
  authmw doctor --key-file key.txt --user wGH0 --url https://cloud.example.com`,
		Args: arguments(0, 0, "no arguments but --url with the site"),
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "url", "", "the site, a `URL` such as http://127.0.0.1:5212")
	flags.StringVar(&id, "user", "", "the `ID` of the user that the token is for; any, unless given")
	flags.StringVar(&email, "email", "", "that user's e-mail `ADDRESS`")
	asJSON := jsonFlag(cmd)
	return c.withSite(cmd, func(ctx context.Context, s *site, _ []string) error {
		if id != "" && email != "" {
			return errBothUsers
		}
		asked, err := cloudreve.NewSite(address, http.DefaultTransport)
		if err != nil {
			return fmt.Errorf("--url: %w", err)
		}
		return s.diagnose(ctx, api{asked, address}, id, email, *asJSON)
	})
}

// anyone is a subject for which Cloudreve finds no user, so that the token lets in nobody, whatever becomes of it. The
// answer tells all the same whether the signature was right.
const anyone = "authmw-doctor"

// maxSkew is a difference between clocks that no one has to care about, since HTTP's Date is in seconds.
const maxSkew = 2 * time.Second

// maxLeeway is the most that authmw.WithLeeway takes.
const maxLeeway = 5 * time.Minute

func (s *site) diagnose(ctx context.Context, at api, id, email string, asJSON bool) error {
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

	ping, err := at.get(ctx, "/api/v4/site/ping", "")
	if err != nil {
		return err
	}
	var version string
	if *ping.Code != 0 || json.Unmarshal(ping.Data, &version) != nil {
		return at.other()
	}
	findings := []finding{{good, "site", fmt.Sprintf("Cloudreve %.40s at %s", version, at.url)}}
	if text := oauthDefect(version); text != "" {
		findings = append(findings, finding{unknown, "scopes", text})
	}

	if f, ok, err := s.sameSite(ctx, at); err != nil {
		return err
	} else if ok {
		findings = append(findings, f)
		if f.verdict == bad {
			return s.cli.judgeAs(asJSON, findings) // a token is for its own site
		}
	}

	now := s.cli.now()
	clock, skew := judgeClock(ping.Date, now)
	findings = append(findings, clock)
	if skew.Abs() > maxLeeway { // a site must not choose at what time it is shown a token
		return s.cli.judgeAs(asJSON, findings)
	}
	token, err := shortToken(ctx, key.Secret, subject, now.Add(skew))
	if err != nil {
		return err
	}
	me, err := at.get(ctx, "/api/v4/user/me", token)
	if err != nil {
		return err
	}
	findings = append(findings, judgeMe(me, subject, u, key.From))
	return s.cli.judgeAs(asJSON, findings)
}

// judgeClock compares a site's time, which is zero if the site does not tell it, with the time here. It returns by how much
// the site's is ahead, as far as that is known.
func judgeClock(site, now time.Time) (f finding, skew time.Duration) {
	skew = site.Sub(now).Round(time.Second)
	switch {
	case site.IsZero():
		return finding{unknown, "clock", "the site does not tell its time"}, 0
	case skew.Abs() <= maxSkew:
		return finding{good, "clock", "the site's and this one agree to 2s"}, skew
	case skew.Abs() > maxLeeway:
		return finding{bad, "clock", fmt.Sprintf("the site's and this one are %s apart: set one of them right", human(skew.Abs()))}, skew
	case skew > 0:
		return finding{bad, "clock", fmt.Sprintf("the site's is %s ahead: a server here needs authmw.WithLeeway, or refuses its tokens at first", human(skew))}, skew
	default:
		return finding{bad, "clock", fmt.Sprintf("the site's is %s behind: it refuses tokens from here for as long", human(-skew))}, skew
	}
}

// shortToken returns an access token that is valid for a minute by the site's own clock, so that nothing but the key
// decides.
func shortToken(ctx context.Context, secret []byte, subject string, siteTime time.Time) (string, error) {
	began := siteTime.Add(-30 * time.Second)
	i, err := issuer.NewCloudreveCompatible(secret, issuer.NewMemoryStore(),
		issuer.WithTTL(90*time.Second, 90*time.Second), issuer.WithClock(func() time.Time { return began }))
	if err != nil {
		return "", err
	}
	pair, err := i.Issue(ctx, issuer.Identity{Subject: subject})
	return pair.AccessToken, err
}

var versionPattern = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})\b`)

// oauthDefect returns a warning about the tokens of OAuth clients for the version of Cloudreve that a site reports, or "".
func oauthDefect(version string) string {
	match := versionPattern.FindStringSubmatch(version)
	if match == nil {
		return ""
	}
	var v [3]int
	for i := range v {
		v[i], _ = strconv.Atoi(match[i+1]) // of four digits at most
	}
	major, minor, patch := v[0], v[1], v[2]
	switch {
	case major == 4 && minor == 16 && patch == 1:
		return "4.16.1 demands Admin.Read of OAuth clients at /user/me: update Cloudreve, if clients are refused"
	case major == 4 && (12 <= minor && minor < 16 || minor == 16 && patch == 0):
		return "4.12.0 to 4.16.0 issue OAuth clients tokens that may do everything at the site (CVE-2026-54560): update Cloudreve, unless this is a newer build that reports an old version"
	}
	return ""
}

func judgeMe(me cloudreve.Answer, subject string, u *user, from string) finding {
	switch *me.Code {
	case 0:
		if subject == anyone {
			return finding{bad, "key", "the site knows a user that there is not: it does not check tokens"}
		}
		return finding{good, "key", "the site accepts tokens made with the key from " + from}
	case cloudreve.CodeNotFound, cloudreve.CodeDBError:
		switch {
		case subject == anyone:
			return finding{good, "key", "the site accepts tokens made with the key from " + from}
		case u != nil && u.status != "active":
			return finding{bad, "user", fmt.Sprintf("the key is the site's, but this user is %s", u.status)}
		default:
			return finding{bad, "user", fmt.Sprintf("the key is the site's, but it has no active user %s: see the users in its admin panel", subject)}
		}
	case cloudreve.CodeLoginRequired:
		return finding{bad, "key", fmt.Sprintf("the site refuses tokens made with the key from %s: it has another key, or has to be restarted since its key was replaced, or has a CR_SETTING_secret_key that is not set here", from)}
	default:
		return finding{bad, "key", fmt.Sprintf("the site answers %d: %s", *me.Code, me.Msg)}
	}
}

// sameSite tells whether the database is that of the site. It is not ok if that cannot be told.
func (s *site) sameSite(ctx context.Context, at api) (f finding, ok bool, err error) {
	if s.db == nil {
		return finding{}, false, nil
	}
	siteID, err := s.setting(ctx, "siteID")
	if err != nil {
		return finding{}, false, err
	}
	basic, err := at.get(ctx, "/api/v4/site/config/basic", "")
	if err != nil {
		return finding{}, false, err
	}
	var data struct {
		InstanceID string `json:"instance_id"`
	}
	if *basic.Code != 0 || json.Unmarshal(basic.Data, &data) != nil || data.InstanceID == "" {
		return finding{}, false, nil
	}
	if data.InstanceID != siteID {
		return finding{bad, "database", "it belongs to another site: the one at the URL has another siteID"}, true, nil
	}
	return finding{good, "database", "it belongs to this site"}, true, nil
}

// api is a site that is asked.
type api struct {
	*cloudreve.Site
	url string
}

// get asks for something, and returns the answer with a code.
func (a api) get(ctx context.Context, path, token string) (cloudreve.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	answer, err := a.Do(ctx, http.MethodGet, path, token, nil)
	switch {
	case err != nil:
		return cloudreve.Answer{}, fmt.Errorf("%s: %w", a.url, err)
	case answer.Code == nil:
		return cloudreve.Answer{}, a.other()
	}
	return answer, nil
}

func (a api) other() error {
	return fmt.Errorf("%s: %w", a.url, &cloudreve.NotCloudreveError{Status: http.StatusOK})
}
