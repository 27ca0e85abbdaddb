package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
)

// test logs both users in, sends requests with each kind of token, and prints what came of it.
func test(w io.Writer, site *cloudrevetest.Site, base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	user, granted, err := tokens(site)
	if err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"admin logs in, and asks who that is", func() error {
			c, err := logIn(ctx, base, users[0])
			if err != nil {
				return err
			}
			token, err := c.Token(ctx)
			if err != nil {
				return err
			}
			return ask(ctx, base+"/api/v4/user/me", token.AccessToken)
		}},
		{"bob logs in with a second factor, and out", func() error {
			c, err := logIn(ctx, base, users[1])
			if err != nil {
				return err
			}
			return c.Logout(ctx)
		}},
		{"the user's token to paste", func() error { return ask(ctx, base+"/api/v4/user/me", user) }},
		{"the OAuth client's token to paste", func() error { return ask(ctx, base+"/api/v4/session/oauth/userinfo", granted) }},
	}
	var failed error
	for _, step := range steps {
		if err := step.do(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", step.name, err))
			_, _ = fmt.Fprintf(w, "%-45s FAILS\n", step.name)
			continue
		}
		_, _ = fmt.Fprintf(w, "%-45s ok\n", step.name)
	}
	return failed
}

// logIn returns a client that is logged in as a user.
func logIn(ctx context.Context, base string, user cloudrevetest.User) (*client.Client, error) {
	c, err := client.New(base, client.NewMemoryStore())
	if err != nil {
		return nil, err
	}
	err = c.Login(ctx, user.Email, user.Password)
	var second *client.SecondFactorRequiredError
	if errors.As(err, &second) {
		err = c.SecondFactor(ctx, second.SessionID, user.OTP)
	}
	return c, err
}

// ask sends a request with a token, and returns an error unless the answer names the user wGH0.
func ask(ctx context.Context, url, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && !names(body, users[0].ID) {
		err = fmt.Errorf("status %d without the user", response.StatusCode)
	}
	return err
}

// names reports whether an answer is about the user with this ID.
func names(body []byte, id string) bool {
	var answer struct {
		Data struct{ ID string }
		Sub  string
	}
	return json.Unmarshal(body, &answer) == nil && (answer.Data.ID == id || answer.Sub == id)
}
