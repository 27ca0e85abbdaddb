package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/internal/cloudreve"
)

func (c *cli) loginCommand() *cobra.Command {
	var email, where string
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Log in at a site, for whoami and request",
		Long: `Log in at a site with an e-mail address and a password, and keep the tokens: in
the system's keyring or, if there is none, in a file that only you can read.

The password and, if the site asks for one, the one-time password are asked for
and not shown. If standard input is not a terminal, they are its first two lines.`,
		Example: `  authmw login https://cloud.example.com
  authmw login --email me@example.com --store file http://127.0.0.1:5212 < password.txt`,
		Args: arguments(1, 1, "the URL of a site"),
	}
	flags := cmd.Flags()
	flags.StringVar(&email, "email", "", "the `ADDRESS` to log in with; asked for, unless given")
	flags.StringVar(&where, "store", "", "keep the tokens in the `PLACE` keyring or file, and nowhere else")
	_ = cmd.RegisterFlagCompletionFunc("store", cobra.FixedCompletions([]string{inKeyring, inFile}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.login(cmd.Context(), args[0], email, where) }
	return cmd
}

func (c *cli) login(ctx context.Context, address, email, where string) error {
	site, err := cloudreve.ParseURL(address)
	if err != nil {
		return err
	}
	all, err := c.logins()
	if err != nil {
		return err
	}
	record := loginRecord{Site: address, Store: where}
	switch where {
	case inFile:
	case inKeyring:
		if err := probe(c.keyring); err != nil {
			return fmt.Errorf("the keyring cannot be used: %w", err)
		}
	case "":
		record.Store = inKeyring
		if probe(c.keyring) != nil { // on a machine without a screen there is none
			record.Store = inFile
		}
	default:
		return fmt.Errorf("--store %s is neither keyring nor file", where)
	}
	if site.Scheme == "http" && !loopback(site) {
		c.note("warning: over http, others on the way can read the password and the tokens")
	}
	cl, err := all.client(record)
	if err != nil {
		return err
	}

	ask := c.questions()
	if email == "" {
		if email, err = ask.line("E-mail address: "); err != nil {
			return err
		}
	}
	password, err := ask.secret("Password: ")
	if err != nil {
		return err
	}
	if err := all.ready(ctx); err != nil {
		return err
	}
	err = inTime(ctx, func(ctx context.Context) error { return cl.Login(ctx, email, password) })
	var second *client.SecondFactorRequiredError
	if errors.As(err, &second) {
		err = c.secondFactor(ctx, cl, ask, second.SessionID)
	}
	if err != nil {
		return c.loginRefused(err)
	}
	before, notFound := all.find(address)
	if err := all.put(ctx, record); err != nil {
		if inTime(ctx, cl.Logout) != nil {
			c.note("the login is still there, and its tokens are in the place for them")
		}
		return err
	}
	if notFound == nil && before.Store != record.Store {
		// The tokens of the login before are in another place, where nobody would find them any more.
		store, place := all.store(before)
		if err := inTime(ctx, func(ctx context.Context) error { return store.Update(ctx, nothing) }); err != nil {
			c.note("the tokens of the login before are still in %s: %v", place, err)
		}
	}
	store, place := all.store(record)
	stored, err := store.Load(ctx)
	if err != nil {
		return err
	}
	return c.print("logged in at %s as %s; the tokens are in %s\n", address, printable(stored.Subject()), place)
}

// nothing is what an Update leaves of a login that is forgotten.
func nothing(*client.StoredLogin) (*client.StoredLogin, error) { return nil, nil }

// waitTimeout is how long a command may take for what asks a site or waits for another program.
const waitTimeout = 30 * time.Second

// inTime does something that must not take longer than waitTimeout.
func inTime(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	return do(ctx)
}

// maxOTPs is how often a one-time password is asked for on a terminal.
const maxOTPs = 3

// secondFactor is the second step of a login. A wrong one-time password does not end the first step.
func (c *cli) secondFactor(ctx context.Context, cl *client.Client, ask *questions, sessionID string) error {
	for try := 1; ; try++ {
		otp, err := ask.secret("One-time password: ")
		if err != nil {
			return err
		}
		err = inTime(ctx, func(ctx context.Context) error { return cl.SecondFactor(ctx, sessionID, otp) })
		if !errors.Is(err, client.ErrInvalidOTP) || ask.terminal == nil || try == maxOTPs {
			return err
		}
		c.note("%v: try again", client.ErrInvalidOTP)
	}
}

// loginRefused tells a definite no from a login that could not be tried.
func (c *cli) loginRefused(err error) error {
	var refused *client.Error
	switch {
	case errors.Is(err, client.ErrInvalidCredentials):
		c.note("%v", client.ErrInvalidCredentials)
	case errors.Is(err, client.ErrInvalidOTP):
		c.note("%v", client.ErrInvalidOTP)
	case !errors.As(err, &refused) || refused.Code >= cloudreve.CodeServerError:
		return err
	case refused.Code == cloudreve.CodeCaptcha:
		c.note("the site asks for a CAPTCHA at login, which a command line cannot show: have an administrator turn it off, or use a token (authmw token)")
	case refused.Code == cloudreve.CodeNotFound:
		c.note("the first step of the login was too long ago: log in again")
	default:
		c.note("%v", err)
	}
	return errNo
}

func loopback(site *url.URL) bool {
	ip := net.ParseIP(site.Hostname())
	return site.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *cli) logoutCommand() *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "logout [URL]",
		Short: "Log out at a site, or the last one",
		Long: `Log out at a site or, without a URL, at the one where you logged in last: the
site is told, and the tokens are deleted. If the site cannot be told, they are
kept, unless with --forget.

As Cloudreve has it, an access token that was issued works until it expires.`,
		Args: arguments(0, 1, "no argument but the URL of a site"),
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "delete the tokens without telling the site, where they go on to work")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, record, err := c.chosen(strings.Join(args, ""))
		if err != nil {
			return err
		}
		if forget {
			store, _ := all.store(record)
			err = inTime(cmd.Context(), func(ctx context.Context) error { return store.Update(ctx, nothing) })
		} else {
			var cl *client.Client
			if cl, err = all.client(record); err == nil {
				err = inTime(cmd.Context(), cl.Logout)
			}
			if fromSite(err) {
				err = fmt.Errorf("%w; the tokens are kept (authmw logout --forget deletes them)", err)
			}
		}
		if err != nil {
			return err
		}
		if err := all.drop(cmd.Context(), record); err != nil {
			return fmt.Errorf("you are logged out at %s, but the list of logins still names it: %w", record.Site, err)
		}
		return c.print("logged out at %s\n", record.Site)
	}
	return cmd
}

// fromSite reports whether an error is about a site, and not about a place for tokens.
func fromSite(err error) bool {
	var unreachable *cloudreve.UnreachableError
	var unavailable *cloudreve.UnavailableError
	var other *cloudreve.NotCloudreveError
	var refused *client.Error
	return errors.As(err, &unreachable) || errors.As(err, &unavailable) || errors.As(err, &other) || errors.As(err, &refused)
}

// chosen returns the login that a command is for.
func (c *cli) chosen(site string) (*logins, loginRecord, error) {
	all, err := c.logins()
	if err != nil {
		return nil, loginRecord{}, err
	}
	record, err := all.find(site)
	if errors.Is(err, errNotLoggedIn) {
		c.note("%v", err)
		err = errNo
	}
	return all, record, err
}

// printLoginToken prints the access token of the last login.
func (c *cli) printLoginToken(ctx context.Context) error {
	all, record, err := c.chosen("")
	if err != nil {
		return err
	}
	cl, err := all.client(record)
	if err != nil {
		return err
	}
	token, err := cl.Token(ctx)
	if errors.Is(err, client.ErrLoginRequired) {
		return c.loginRequired(record, err)
	}
	if err != nil {
		return err
	}
	return c.print("%s\n", token.AccessToken)
}

// loginRequired tells the user where to log in again.
func (c *cli) loginRequired(record loginRecord, err error) error {
	c.note("%v; authmw login %s", err, record.Site)
	return errNo
}

func (c *cli) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where you are logged in, and for how long",
		Long: `Show where you are logged in, where the tokens are kept, and for how long they
are valid. The first login is the one that other commands use. No site is asked.

The exit status is 1 if you would have to log in again at the first.`,
		Args: arguments(0, 0, "no arguments"),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context(), *asJSON) }
	return cmd
}

// loginStatus is what is known of a login, and what status --json prints of it.
type loginStatus struct {
	Site         string     `json:"site"`
	KeptIn       string     `json:"kept_in"`
	LoginNeeded  bool       `json:"login_needed"` // to go on at this site
	User         string     `json:"user,omitempty"`
	AccessUntil  *time.Time `json:"access_until,omitempty"`
	RefreshUntil *time.Time `json:"refresh_until,omitempty"` // absent if there is no refresh token
	RefusedAt    *time.Time `json:"refused_at,omitempty"`    // when the site refused to renew the login
	Problem      string     `json:"problem,omitempty"`       // why the tokens cannot be read
}

func (c *cli) status(ctx context.Context, asJSON bool) error {
	all, _, err := c.chosen("")
	if err != nil {
		return err
	}
	var logins []loginStatus
	for _, record := range all.Records {
		logins = append(logins, c.statusOf(ctx, all, record))
	}
	if asJSON {
		err = c.printJSON(struct {
			Logins []loginStatus `json:"logins"`
		}{logins})
	} else {
		for _, l := range logins {
			if err = c.judge(c.describe(l)); err != nil && !errors.Is(err, errNo) {
				break
			}
			err = nil
		}
	}
	if err == nil && logins[0].LoginNeeded {
		return errNo
	}
	return err
}

func (c *cli) statusOf(ctx context.Context, all *logins, record loginRecord) loginStatus {
	store, place := all.store(record)
	s := loginStatus{Site: record.Site, KeptIn: place}
	login, err := store.Load(ctx)
	switch {
	case err != nil:
		s.Problem, s.LoginNeeded = strings.TrimPrefix(err.Error(), "client: "), true
		return s
	case login == nil:
		s.Problem, s.LoginNeeded = "gone: log in again", true
		return s
	}
	known := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	s.User, s.AccessUntil, s.RefusedAt = login.Subject(), known(login.Expiry()), known(login.Refused)
	if login.RefreshToken != "" {
		s.RefreshUntil = known(login.RefreshExpiry())
	}
	renewable := login.RefreshToken != "" && login.Refused.IsZero() && (s.RefreshUntil == nil || c.now().Before(*s.RefreshUntil))
	s.LoginNeeded = !renewable && !c.now().Before(login.Expiry()) || !login.Refused.IsZero()
	return s
}

// describe says the same to people.
func (c *cli) describe(s loginStatus) []finding {
	findings := []finding{{good, "site", s.Site}, {good, "kept in", s.KeptIn}}
	if s.Problem != "" {
		return append(findings, finding{bad, "login", s.Problem})
	}
	past, advice := unknown, "renewed when it is needed"
	if s.LoginNeeded {
		past, advice = bad, "log in again"
	}
	refresh := finding{unknown, "refresh", "none"}
	switch {
	case s.RefusedAt != nil:
		refresh = finding{bad, "refresh", fmt.Sprintf("refused by the site %s ago: log in again", human(c.now().Sub(*s.RefusedAt).Round(time.Second)))}
	case s.RefreshUntil != nil:
		refresh = c.remaining("refresh", *s.RefreshUntil, past, "log in again")
	}
	access := finding{unknown, "access", "not readable"}
	if s.AccessUntil != nil {
		access = c.remaining("access", *s.AccessUntil, past, advice)
	}
	return append(findings, finding{good, "user", s.User}, access, refresh)
}

// remaining says for how long a token is valid, and what becomes of one that is not.
func (c *cli) remaining(name string, expiry time.Time, past verdict, advice string) finding {
	if left := expiry.Sub(c.now()); left > 0 {
		return finding{good, name, "valid for " + human(left.Round(time.Second))}
	}
	return finding{past, name, fmt.Sprintf("expired %s ago: %s", human(c.now().Sub(expiry).Round(time.Second)), advice)}
}
