package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/internal/cloudreve"
)

func (c *cli) loginCommand() *cobra.Command {
	var email, where string
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Log in at a site, for whoami, request and token --login",
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
	record := loginRecord{Site: address}
	if record.Store, err = c.placeFor(where); err != nil {
		return err
	}
	if site.Scheme == "http" && !loopback(site) {
		c.note("warning: over http, others on the way can read the password and the tokens")
	}
	cl, err := all.client(record)
	if err != nil {
		return err
	}
	if err := c.authenticate(ctx, all, cl, email); err != nil {
		return err
	}
	if err := c.enter(ctx, all, record, cl); err != nil {
		return err
	}
	store, place := all.store(record)
	stored, err := store.Load(ctx)
	if err != nil {
		return err
	}
	return c.print("logged in at %s as %s; the tokens are in %s\n", address, printable(stored.Subject()), place)
}

// placeFor returns the place for tokens that --store names or, without one, the keyring if it works and else a file.
func (c *cli) placeFor(where string) (string, error) {
	switch where {
	case inFile:
		return inFile, nil
	case inKeyring:
		if err := probe(c.keyring); err != nil {
			return "", fmt.Errorf("the keyring cannot be used: %w", err)
		}
		return inKeyring, nil
	case "":
		if probe(c.keyring) != nil { // on a machine without a screen there is none
			return inFile, nil
		}
		return inKeyring, nil
	default:
		return "", fmt.Errorf("--store %s is neither keyring nor file", where)
	}
}

// authenticate logs a client in with what the user types.
func (c *cli) authenticate(ctx context.Context, all *logins, cl *client.Client, email string) (err error) {
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
	return nil
}

// enter makes a new login the last one of the list, and deletes the tokens of the one before at the same site if they are in
// another place.
func (c *cli) enter(ctx context.Context, all *logins, record loginRecord, cl *client.Client) error {
	before, notFound := all.find(record.Site)
	if err := all.put(ctx, record); err != nil {
		if inTime(ctx, cl.Logout) != nil {
			c.note("the login is still there, and its tokens are in the place for them")
		}
		return err
	}
	store, place := all.store(before)
	if _, newPlace := all.store(record); notFound == nil && place != newPlace {
		if err := inTime(ctx, func(ctx context.Context) error { return store.Update(ctx, nothing) }); err != nil {
			c.note("the tokens of the login before are still in %s: %v", place, err)
		}
	}
	return nil
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
