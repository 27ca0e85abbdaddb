package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/internal/cloudreve"
)

func (c *cli) requestCommand() *cobra.Command {
	var site, data string
	cmd := &cobra.Command{
		Use:   "request METHOD PATH",
		Short: "Send a request as the user who is logged in",
		Long: `Send a request to the site where you logged in last, with an access token, which
is renewed first if need be, and print the body of the answer.

A redirect to another site is followed without the token. The exit status is 1
if the answer is no: an HTTP status of 400 or more, or a code other than 0.`,
		Example: `  authmw request GET /api/v4/user/me
  authmw request POST /api/v4/file/create --data '{"uri":"cloudreve://my/new","type":"folder"}'
  authmw request PATCH /api/v4/user/setting --data - < settings.json`,
		Args: arguments(2, 2, "a method and a path"),
	}
	flags := cmd.Flags()
	flags.StringVar(&data, "data", "", "the `BODY` of the request, or - for standard input")
	flags.StringVar(&site, "site", "", "the `URL` of the site, where you are logged in at several")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, record, err := c.chosen(site)
		if err != nil {
			return err
		}
		body, err := c.readInput(data)
		if err != nil {
			return err
		}
		response, err := all.send(cmd.Context(), record, args[0], args[1], body)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		var beginning bytes.Buffer
		var end last
		if _, err := io.Copy(io.MultiWriter(c.out, &end), io.TeeReader(response.Body, &capped{&beginning, 1 << 20})); err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		if c.terminal && end != 0 && end != '\n' { // or the prompt would follow on the same line
			if err := c.print("\n"); err != nil {
				return err
			}
		}
		if response.StatusCode >= http.StatusBadRequest {
			c.note("the site answers with status %s", response.Status)
			return errNo
		}
		var envelope struct {
			Code *int `json:"code"`
		}
		if json.Unmarshal(beginning.Bytes(), &envelope) == nil && envelope.Code != nil && *envelope.Code != 0 {
			return errNo
		}
		return nil
	}
	return cmd
}

// last is the last byte that was written.
type last byte

func (l *last) Write(p []byte) (int, error) {
	if len(p) > 0 {
		*l = last(p[len(p)-1])
	}
	return len(p), nil
}

// capped keeps what it is given, but not all of what is too much to be an answer of the API's.
type capped struct {
	*bytes.Buffer
	max int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) <= c.max {
		c.Buffer.Write(p)
	} else {
		c.max = -1
		c.Reset()
	}
	return len(p), nil
}

// send sends a request to a path of a site.
func (l *logins) send(ctx context.Context, record loginRecord, method, path, body string) (*http.Response, error) {
	cl, err := l.client(record)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(record.Site)
	if err != nil {
		return nil, err
	}
	reference, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") && !reference.IsAbs() {
		return nil, errors.New("the path has to begin with a slash, as in /api/v4/user/me")
	}
	target := base.ResolveReference(reference)
	if cloudreve.Origin(target) != cloudreve.Origin(base) {
		return nil, fmt.Errorf("%s is not at %s, where the token is for", target.Redacted(), record.Site)
	}
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), target.String(), strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the method is one of GET, POST, PUT, PATCH and DELETE")
	}
	if body == "" {
		r.Body, r.GetBody = http.NoBody, nil
	} else if json.Valid([]byte(body)) {
		r.Header.Set("Content-Type", "application/json")
	} else {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	response, err := (&http.Client{Transport: &client.Transport{Client: cl}}).Do(r)
	if errors.Is(err, client.ErrLoginRequired) {
		return nil, l.cli.loginRequired(record, cause(err))
	}
	return response, l.unreachable(record, cause(err))
}

// unreachable explains an error of the network, unless that was done.
func (l *logins) unreachable(record loginRecord, err error) error {
	var network *net.OpError
	var explained *cloudreve.UnreachableError
	if errors.As(err, &network) && !errors.As(err, &explained) {
		err = &cloudreve.UnreachableError{Err: err}
	}
	switch {
	case errors.As(err, &explained):
		return fmt.Errorf("%s: %w", record.Site, err)
	case err == context.DeadlineExceeded: // and nothing more
		return fmt.Errorf("%s: the site does not answer in time", record.Site)
	}
	return err
}

// cause leaves out what http.Client says of the request, which the user typed.
func cause(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// whoamiJSON is what whoami --json prints.
type whoamiJSON struct {
	Site  string `json:"site"`
	User  string `json:"user"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Group string `json:"group"`
}

func (c *cli) whoamiCommand() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Ask the site who is logged in",
		Args:  arguments(0, 0, "no arguments but --site with the site"),
	}
	cmd.Flags().StringVar(&site, "site", "", "the `URL` of the site, where you are logged in at several")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		all, record, err := c.chosen(site)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), waitTimeout)
		defer cancel()
		response, err := all.send(ctx, record, http.MethodGet, "/api/v4/user/me", "")
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		if err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		var me struct {
			Code *int `json:"code"`
			Data struct {
				ID       string `json:"id"`
				Email    string `json:"email"`
				Nickname string `json:"nickname"`
				Group    struct {
					Name string `json:"name"`
				} `json:"group"`
			} `json:"data"`
			Msg string `json:"msg"`
		}
		switch err := json.Unmarshal(body, &me); {
		case response.StatusCode != http.StatusOK, err != nil, me.Code == nil:
			return fmt.Errorf("%s answers with status %d, but not as Cloudreve v4 does", record.Site, response.StatusCode)
		case *me.Code != 0:
			c.note("the site answers %d: %.200s", *me.Code, me.Msg)
			return errNo
		}
		if *asJSON {
			return c.printJSON(whoamiJSON{record.Site, me.Data.ID, me.Data.Email, me.Data.Nickname, me.Data.Group.Name})
		}
		for _, line := range [][2]string{{"user", me.Data.ID}, {"email", me.Data.Email}, {"name", me.Data.Nickname}, {"group", me.Data.Group.Name}, {"site", record.Site}} {
			if err := c.print("%-5s  %s\n", line[0], printable(line[1])); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}
