package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/client"
)

// A program logs in with a one-time password, and asks the site who it is.
func Example() {
	site := exampleSite()
	defer site.Close()
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()

	ctx := context.Background()
	c, err := client.New(site.URL, client.NewFileStore(filepath.Join(folder, "authmw", "login.json")))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Login(ctx, "bob@example.com", "Passw0rd!")
	var second *client.SecondFactorRequiredError
	if errors.As(err, &second) {
		err = c.SecondFactor(ctx, second.SessionID, "123456") // as the user types it
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	httpClient := &http.Client{Transport: &client.Transport{Client: c}}
	response, err := httpClient.Get(site.URL + "/api/v4/greeting")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	fmt.Println(string(body), err)
	// Output: hello, ogUy <nil>
}

// A program without a login is told so, once, and can guide its user.
func ExampleWithLoginRequired() {
	told := make(chan error)
	c, err := client.New("https://cloud.example.com", client.NewMemoryStore(), client.WithLoginRequired(func(err error) { told <- err }))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Token(context.Background())
	fmt.Println(errors.Is(err, client.ErrLoginRequired))
	fmt.Println(<-told)
	// Output:
	// true
	// client: log in: nobody is logged in
}

func exampleSite() *httptest.Server {
	site, err := cloudrevetest.New(cloudrevetest.Config{Users: []cloudrevetest.User{
		{ID: "ogUy", Email: "bob@example.com", Password: "Passw0rd!", OTP: "123456"},
	}})
	if err != nil {
		panic(err)
	}
	site.Handle("GET /api/v4/greeting", authmw.Required, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := authmw.FromContext(r.Context())
		_, _ = fmt.Fprint(w, "hello, ", claims.Subject)
	}))
	return httptest.NewServer(site)
}
