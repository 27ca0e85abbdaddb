package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/authmw/authmw/client"
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
	site, err := parseSite(address)
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
		if err := probe(c.keyring); err != nil {
			record.Store = inFile
			_, path := all.store(record)
			c.note("the keyring cannot be used (%v): the tokens will be in %s", err, path)
		}
	default:
		return fmt.Errorf("--store %s is neither keyring nor file", where)
	}
	if site.Scheme == "http" && !loopback(site) {
		c.note("warning: over http, whoever is on the way can read the password and the tokens")
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
	err = cl.Login(ctx, email, password)
	var second *client.SecondFactorRequired
	if errors.As(err, &second) {
		var otp string
		if otp, err = ask.secret("One-time password: "); err == nil {
			err = cl.SecondFactor(ctx, second.SessionID, otp)
		}
	}
	for _, no := range []error{client.ErrInvalidCredentials, client.ErrInvalidOTP} {
		if errors.Is(err, no) {
			c.note("%v", no)
			return errNo
		}
	}
	if err != nil {
		return err
	}
	if before, err := all.find(address); err == nil && before.Store != record.Store {
		// The tokens of the login before are in another place, where nobody would find them any more.
		store, place := all.store(before)
		if err := store.Update(ctx, func(*client.Login) (*client.Login, error) { return nil, nil }); err != nil {
			c.note("the tokens of the login before are still in %s: %v", place, err)
		}
	}
	if err := all.put(ctx, record); err != nil {
		return err
	}
	store, place := all.store(record)
	stored, err := store.Load(ctx)
	if err != nil {
		return err
	}
	return c.print("logged in at %s as %s; the tokens are in %s\n", address, printable(stored.Subject()), place)
}

func loopback(site *url.URL) bool {
	ip := net.ParseIP(site.Hostname())
	return site.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// questions are asked on a terminal or, without one, answered line by line.
type questions struct {
	fd       int
	terminal *term.Terminal // nil if there is none
	lines    *bufio.Reader
}

func (c *cli) questions() *questions {
	if file, ok := c.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &questions{fd: int(file.Fd()), terminal: term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{file, c.err}, "")}
	}
	return &questions{lines: bufio.NewReader(c.in)}
}

// line asks for something that may be seen.
func (q *questions) line(question string) (string, error) {
	if q.terminal == nil {
		return "", errors.New("without a terminal, the address has to be given with --email")
	}
	return q.ask(question, func() (string, error) {
		q.terminal.SetPrompt(question)
		return q.terminal.ReadLine()
	})
}

// secret asks for something that must not be seen.
func (q *questions) secret(question string) (string, error) {
	return q.ask(question, func() (string, error) {
		if q.terminal != nil {
			return q.terminal.ReadPassword(question)
		}
		line, err := q.lines.ReadString('\n')
		if err == io.EOF && line != "" {
			err = nil
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
	})
}

// ask reads an answer. The terminal shows nothing by itself from before the question on.
func (q *questions) ask(question string, read func() (string, error)) (string, error) {
	if q.terminal != nil {
		state, err := term.MakeRaw(q.fd)
		if err != nil {
			return "", err
		}
		defer func() { _ = term.Restore(q.fd, state) }()
	}
	answer, err := read()
	if err == nil && answer == "" {
		err = errors.New("the line is empty")
	}
	if err != nil { // io.EOF for Ctrl-C too
		return "", fmt.Errorf("no answer to %q: %w", strings.TrimSuffix(question, ": "), err)
	}
	return answer, nil
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
		Args: arguments(0, 1, "at the most the URL of a site"),
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "delete the tokens without telling the site, where they go on to work")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, record, err := c.chosen(strings.Join(args, ""))
		if err != nil {
			return err
		}
		if forget {
			store, _ := all.store(record)
			err = store.Update(cmd.Context(), func(*client.Login) (*client.Login, error) { return nil, nil })
		} else {
			var cl *client.Client
			if cl, err = all.client(record); err == nil {
				err = cl.SignOut(cmd.Context())
			}
			if err != nil {
				err = fmt.Errorf("%w; the tokens are kept (authmw logout --forget deletes them)", err)
			}
		}
		if err != nil {
			return err
		}
		if err := all.drop(cmd.Context(), record); err != nil {
			return err
		}
		return c.print("logged out at %s\n", record.Site)
	}
	return cmd
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
	return &cobra.Command{
		Use:   "status",
		Short: "Show where you are logged in, and for how long",
		Long: `Show where you are logged in, where the tokens are kept, and for how long they
are valid. The first login is the one that other commands use. No site is asked.

The exit status is 1 if you would have to log in again at the first.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	}
}

func (c *cli) status(ctx context.Context) error {
	all, first, err := c.chosen("")
	if err != nil {
		return err
	}
	over := false
	for _, record := range all.Records {
		store, place := all.store(record)
		findings := []finding{{good, "site", record.Site}, {good, "kept in", place}}
		login, err := store.Load(ctx)
		switch {
		case err != nil:
			findings = append(findings, finding{bad, "login", printable(err.Error())})
		case login == nil:
			findings = append(findings, finding{bad, "login", "gone: log in again"})
		default:
			findings = append(findings, finding{good, "user", printable(login.Subject())},
				c.remaining("access", login.Expiry(), unknown, "renewed when it is needed"))
			switch {
			case !login.Refused.IsZero():
				findings = append(findings, finding{bad, "refresh", fmt.Sprintf("refused by the site %s ago: log in again", human(c.now().Sub(login.Refused).Round(time.Second)))})
			case login.RefreshToken == "":
				findings = append(findings, finding{unknown, "refresh", "none"})
			default:
				findings = append(findings, c.remaining("refresh", login.RefreshExpiry(), bad, "log in again"))
			}
		}
		if err := c.judge(findings); err != nil {
			if !errors.Is(err, errNo) {
				return err
			}
			over = over || record == first
		}
	}
	if over {
		return errNo
	}
	return nil
}

// remaining says for how long a token is valid, and what becomes of one that is not.
func (c *cli) remaining(name string, expiry time.Time, past verdict, advice string) finding {
	if left := expiry.Sub(c.now()); left > 0 {
		return finding{good, name, "valid for " + human(left.Round(time.Second))}
	}
	return finding{past, name, fmt.Sprintf("expired %s ago: %s", human(c.now().Sub(expiry).Round(time.Second)), advice)}
}
