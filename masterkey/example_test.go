package masterkey_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/masterkey"
)

// A server follows the key in a file. With a database, the ReadFunc is masterkey.Database(db).
func Example() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "key")
	write := func(key string) {
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			fmt.Println(err)
		}
	}

	write("the key that this site was set up with")
	source, err := masterkey.Open(context.Background(), masterkey.File(path), masterkey.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = source.Close() }()
	v, err := authmw.NewFromKeySource(source)
	if err != nil {
		fmt.Println(err)
		return
	}

	// A token that is signed with another key has it read again at once, and those of the key before stay good.
	for _, key := range []string{"the key that this site was set up with", "the key that it has from now on, for long"} {
		write(key)
		claims := &authmw.Claims{TokenType: authmw.AccessToken, Subject: "wGH0", ExpiresAt: time.Now().Add(time.Minute)}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = v.Verify(context.Background(), token)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
}

func ExampleFile() {
	_, err := masterkey.File("no/such/file")(context.Background())
	fmt.Println(err)
	// Output: masterkey: the key's file cannot be read: write the value of the setting secret_key into one: open no/such/file: no such file or directory
}
