package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

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
