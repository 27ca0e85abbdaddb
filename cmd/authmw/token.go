package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/issuer"
)

func (c *cli) tokenCommand() *cobra.Command {
	var order order
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an access token for a user",
		Long: `Print an access token for a user, ready for $(…), as Cloudreve itself signs it.

It is for debugging on your own machine: it lets in whoever has it until it
expires, and nothing revokes it.

With --login, it is the token of the user who is logged in (see authmw login),
renewed if need be, which takes no key.

With --refresh, print Cloudreve's token object with a refresh token as well,
as JSON. That needs the database.`,
		Example: `  authmw token --config data/conf.ini --email admin@example.com
  authmw token --key-file key.txt --user wGH0 --ttl 10m
  authmw token --config data/conf.ini --user wGH0 --client-id my-app --scopes Files.Read,Shares.Read
  authmw token --config data/conf.ini --email admin@example.com --refresh | jq -r .refresh_token
  curl -H "Authorization: Bearer $(authmw token --key-file key.txt --user wGH0)" http://127.0.0.1:5212/api/v4/user/me
  curl -H "Authorization: Bearer $(authmw token --login)" http://127.0.0.1:8080/notes`,
		Args: arguments(0, 0, "no arguments but --user or --email with a user"),
	}
	flags := cmd.Flags()
	flags.StringVar(&order.user, "user", "", "the user's `ID` in the API, such as wGH0, which becomes sub")
	flags.StringVar(&order.email, "email", "", "the user's e-mail `ADDRESS`, to be found in the database")
	flags.DurationVar(&order.ttl, "ttl", 0, "for how long the token is valid, a `DURATION` such as 90s or 24h (default what the site has, else 1h)")
	flags.StringVar(&order.notBefore, "nbf", "", "from when it is valid: a `TIME` such as 2026-11-24T10:00:00Z, Unix seconds, or from now such as -5m (default now)")
	flags.StringSliceVar(&order.scopes, "scopes", nil, "what an OAuth client may do, `SCOPES` such as Files.Read,Shares.Write")
	flags.StringVar(&order.clientID, "client-id", "", "the OAuth client's `ID`, which --scopes need; without both, the token may do all that the user may")
	var login bool
	flags.BoolVar(&login, "login", false, "the token of whoever is logged in, in place of a new one")
	flags.BoolVar(&order.refresh, "refresh", false, "a pair with a refresh token, as JSON")
	return c.withSite(cmd, func(ctx context.Context, s *site, _ []string) error {
		if login {
			if flags.NFlag() > 1 {
				return errors.New("--login stands alone: the site has issued that token already")
			}
			return c.printLoginToken(ctx)
		}
		switch changed := cmd.Flags().Changed("ttl"); {
		case changed && order.ttl < time.Second:
			return fmt.Errorf("--ttl %v is too short for a token: write it as 90s, 10m or 24h", order.ttl)
		case changed && order.ttl > maxTTL:
			return fmt.Errorf("--ttl %v is too long for a token: the most is ten years, 87600h", order.ttl)
		}
		return s.token(ctx, order)
	})
}

// order is a token as ordered.
type order struct {
	user, email, notBefore, clientID string
	ttl                              time.Duration
	scopes                           []string
	refresh                          bool
}

// check returns what is wrong with an order, and puts its scopes one to an element.
func (o *order) check() error {
	switch {
	case o.user == "" && o.email == "":
		return errors.New("say who the token is for, with --user or with --email")
	case o.user != "" && o.email != "":
		return errBothUsers
	}
	var scopes []string // separated by commas or by white space, as in Cloudreve's own requests
	for _, part := range o.scopes {
		scopes = append(scopes, strings.Fields(part)...)
	}
	o.scopes = scopes
	if len(o.scopes) > 0 && o.clientID == "" {
		return errors.New("--scopes without --client-id: Cloudreve would let such a token do everything; add --client-id")
	}
	return nil
}

func (s *site) token(ctx context.Context, o order) error {
	if err := o.check(); err != nil {
		return err
	}
	from, err := parseTime(o.notBefore, s.cli.now())
	if err != nil {
		return err
	}
	if s.db == nil && o.user != "" && strings.Trim(o.user, "0123456789") == "" {
		s.cli.note("warning: %s looks like a number in the database; a token has the ID in the API, such as wGH0 (authmw hashid encode %s)", o.user, o.user)
	}
	key, err := s.key(ctx)
	if err != nil {
		return err
	}
	subject, u, err := s.subject(ctx, o.user, o.email)
	if err != nil {
		return err
	}
	if u != nil && u.status != "active" {
		s.cli.note("warning: this user is %s, and Cloudreve will not accept the token", u.status)
	}
	options, err := s.issuing(ctx, o, from, u)
	if err != nil {
		return err
	}
	i, err := issuer.NewCloudreveCompatible(key.Secret, issuer.NewMemoryStore(), options...)
	if err != nil {
		return err
	}
	pair, err := i.Issue(ctx, issuer.Identity{Subject: subject, ClientID: o.clientID, Scopes: o.scopes})
	if err != nil {
		return err
	}
	s.cli.note("for local debugging: until %s, whoever has this is user %s; the key is from %s",
		pair.AccessExpires.Format(timeFormat), subject, key.From)
	if !o.refresh {
		return s.cli.print("%s\n", pair.AccessToken)
	}
	if o.clientID != "" {
		s.cli.note("warning: Cloudreve refuses this refresh token unless the user has granted the client access, with these scopes")
	}
	return json.NewEncoder(s.cli.out).Encode(pair)
}

// issuing returns the options of an Issuer for an order of a user, who is nil without a database.
func (s *site) issuing(ctx context.Context, o order, from time.Time, u *user) ([]issuer.Option, error) {
	if o.ttl == 0 {
		o.ttl = s.ttl(ctx, "access_token_ttl", issuer.DefaultAccessTTL)
	}
	refreshTTL := s.ttl(ctx, "refresh_token_ttl", issuer.DefaultRefreshTTL)
	if from.Unix() < 0 || from.Unix() > maxNumericDate-int64(max(o.ttl, refreshTTL)/time.Second) {
		return nil, fmt.Errorf("--nbf %s is too far off: a token is valid between the years 1970 and 9999", o.notBefore)
	}
	options := []issuer.Option{issuer.WithClock(func() time.Time { return from }), issuer.WithTTL(o.ttl, refreshTTL)}
	if !o.refresh {
		return options, nil
	}
	if u == nil {
		return nil, errors.New("a refresh token has a hash of the user's password, which is in the database: name that with --config or --dsn")
	}
	siteID, err := s.setting(ctx, "siteID")
	if err != nil {
		return nil, err
	}
	return append(options, issuer.WithStateHash(func(context.Context, issuer.Identity) ([]byte, error) {
		return issuer.CloudreveStateHash(u.email, u.password, siteID), nil
	})), nil
}

// parseTime reads a time that the user gives: none for now, a duration from now, Unix seconds, or RFC 3339.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("--nbf %s is no time: write it as 2026-11-24T10:00:00Z, as Unix seconds, or as -5m from now", text)
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
