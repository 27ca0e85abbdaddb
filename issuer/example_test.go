package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/issuer"
)

var secret = []byte("a secret of at least thirty-two bytes")

func Example() {
	i, err := issuer.New(secret, issuer.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	// At login, once the password was found right.
	first, err := i.Issue(ctx, issuer.Identity{Subject: "wGH0"})
	fmt.Println(err)

	// When the access token has expired.
	second, err := i.Refresh(ctx, first.RefreshToken)
	fmt.Println(err)

	// At logout.
	fmt.Println(i.Revoke(ctx, second.RefreshToken))

	switch _, err = i.Refresh(ctx, second.RefreshToken); {
	case errors.Is(err, issuer.ErrInvalidGrant):
		fmt.Println("log in again:", err)
	case errors.Is(err, authmw.ErrUnavailable):
		fmt.Println("try again later:", err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// log in again: issuer: the refresh token is not accepted: its login was ended
}

// A second use of a refresh token, after the grace window for a client that lost the answer, ends the login.
func ExampleNew_reuse() {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	i, err := issuer.New(secret, issuer.NewMemoryStore(),
		issuer.WithClock(func() time.Time { return now }),
		issuer.WithObserver(func(_ context.Context, event issuer.Event) {
			if errors.Is(event.Err, issuer.ErrReused) {
				fmt.Println("stolen, perhaps from", event.Identity.Subject)
			}
		}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	stolen, _ := i.Issue(ctx, issuer.Identity{Subject: "wGH0"})
	second, _ := i.Refresh(ctx, stolen.RefreshToken)

	again, err := i.Refresh(ctx, stolen.RefreshToken)
	fmt.Println(again == second, err)

	now = now.Add(issuer.DefaultGrace)
	_, err = i.Refresh(ctx, stolen.RefreshToken)
	fmt.Println(err)
	_, err = i.Refresh(ctx, second.RefreshToken)
	fmt.Println(err)
	// Output:
	// true <nil>
	// stolen, perhaps from wGH0
	// issuer: the refresh token is not accepted: it was used before
	// issuer: the refresh token is not accepted: its login was ended
}

// With the state of a user in its refresh tokens, a changed password ends all refreshing.
func ExampleWithStateHash() {
	password := "the column password of the table users"
	i, err := issuer.NewCloudreveCompatible(secret, issuer.NewMemoryStore(),
		issuer.WithStateHash(func(context.Context, issuer.Identity) ([]byte, error) {
			return issuer.CloudreveStateHash("admin@example.com", password, "the setting siteID"), nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	pair, err := i.Issue(ctx, issuer.Identity{Subject: "wGH0"})
	fmt.Println(err)

	password = "another"
	_, err = i.Refresh(ctx, pair.RefreshToken)
	fmt.Println(err)
	// Output:
	// <nil>
	// issuer: the refresh token is not accepted: the state of its user changed
}
