package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// checkAll goes through the life of a login, prints a table of what was expected and what came, and returns how often
// they differ.
func checkAll(w io.Writer, base string) (wrong int) {
	const format = "%-46s %-34s %-34s %s\n"
	_, _ = fmt.Fprintf(w, format, "request", "expected", "got", "")
	var last answer
	check := func(name, want, method, path, body, access string) {
		var got string
		last, got = send(base, method, path, body, access)
		verdict := "ok"
		if got != want {
			verdict = "DIFFERS"
			wrong++
		}
		_, _ = fmt.Fprintf(w, format, name, want, got, verdict)
	}
	login := func(password string) string {
		return fmt.Sprintf(`{"email":%q,"password":%q}`, demoEmail, password)
	}
	refresh := func(token string) string { return fmt.Sprintf(`{"refresh_token":%q}`, token) }

	check("None", "200 pong", "GET", "/ping", "", "")
	check("Optional, no token", "200 a share, seen by anyone", "GET", "/share", "", "")
	check("Required, no token", "401 code 401", "GET", "/files", "", "")
	check("log in, wrong password", "200 code 40080", "POST", "/session/token", login("wrong"), "")
	check("log in", "200 a user and a pair", "POST", "/session/token", login(demoPassword), "")
	first := last.Data.Token
	check("Required", "200 the files of wGH0", "GET", "/files", "", first.Access)
	check("Optional", "200 a share, seen by wGH0", "GET", "/share", "", first.Access)
	check("Required, with the refresh token", "401 code 40020", "GET", "/files", "", first.Refresh)
	check("refresh", "200 a pair", "POST", "/session/token/refresh", refresh(first.Refresh), "")
	second := last.Data.pair
	check("refresh, the answer was lost", "200 a pair", "POST", "/session/token/refresh", refresh(first.Refresh), "")
	if last.Data.pair != second {
		_, _ = fmt.Fprintln(w, "the second answer has another pair: DIFFERS")
		wrong++
	}
	check("Required, with the new token", "200 the files of wGH0", "GET", "/files", "", second.Access)
	check("refresh again", "200 a pair", "POST", "/session/token/refresh", refresh(second.Refresh), "")
	third := last.Data.pair
	check("the first token again: a thief", "200 code 40020", "POST", "/session/token/refresh", refresh(first.Refresh), "")
	check("the login is over", "200 code 40020", "POST", "/session/token/refresh", refresh(third.Refresh), "")
	check("log in again", "200 a user and a pair", "POST", "/session/token", login(demoPassword), "")
	again := last.Data.Token
	check("log out", "200 done", "DELETE", "/session/token", refresh(again.Refresh), "")
	check("refresh after that", "200 code 40020", "POST", "/session/token/refresh", refresh(again.Refresh), "")
	check("access tokens work until they expire", "200 the files of wGH0", "GET", "/files", "", again.Access)
	return wrong
}

type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// answer is Cloudreve's envelope.
type answer struct {
	Code int
	Data struct {
		User  *user
		Token pair
		pair
	}
}

// UnmarshalJSON also takes the data of a logout, which is an empty string.
func (a *answer) UnmarshalJSON(text []byte) error {
	var envelope struct {
		Code int
		Data json.RawMessage
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return err
	}
	a.Code = envelope.Code
	if len(envelope.Data) == 0 || envelope.Data[0] != '{' {
		return nil
	}
	if err := json.Unmarshal(envelope.Data, &a.Data); err != nil {
		return err
	}
	return json.Unmarshal(envelope.Data, &a.Data.pair)
}

// send sends a request and returns the answer, and a word on it.
func send(base, method, path, body, access string) (a answer, word string) {
	r, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return a, err.Error()
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if access != "" {
		r.Header.Set("Authorization", "Bearer "+access)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		return a, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return a, err.Error()
	}
	switch err := json.Unmarshal(text, &a); {
	case err != nil:
		word = strings.TrimSpace(string(text))
	case a.Code != 0:
		word = fmt.Sprintf("code %d", a.Code)
	case a.Data.User != nil && a.Data.Token.Refresh != "":
		word = "a user and a pair"
	case a.Data.pair.Refresh != "":
		word = "a pair"
	default:
		word = "done"
	}
	return a, fmt.Sprintf("%d %s", response.StatusCode, word)
}
