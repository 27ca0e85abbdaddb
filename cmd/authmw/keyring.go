package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/internal/file"
)

// keyringService is what the program's entries in a keyring are filed under.
const keyringService = "authmw"

// keyringTimeout is how long a keyring may take. On a machine without a screen, it may wait for a password for ever.
const keyringTimeout = 3 * time.Second

// secrets is the keyring of an operating system.
type secrets interface {
	Get(service, user string) (string, error)
	Set(service, user, password string) error
	Delete(service, user string) error
}

// osKeyring is that of the one this runs on.
type osKeyring struct{}

func (osKeyring) Get(service, user string) (string, error) { return keyring.Get(service, user) }
func (osKeyring) Set(service, user, secret string) error   { return keyring.Set(service, user, secret) }
func (osKeyring) Delete(service, user string) error        { return keyring.Delete(service, user) }

// keyringStore is a client.Store in a keyring. What is in there does not say by itself who changes it: a lock file does.
type keyringStore struct {
	secrets
	account, lock string
}

var errKeyringHangs = errors.New("the keyring does not answer: is it locked?")

// within does something with the keyring, but does not wait for ever.
func within(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	timer := time.NewTimer(keyringTimeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errKeyringHangs
	}
}

func (k *keyringStore) Load(context.Context) (*client.StoredLogin, error) {
	var secret string
	err := within(func() (err error) {
		secret, err = k.Get(keyringService, k.account)
		return err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the keyring cannot be read: %w", err)
	}
	login := new(client.StoredLogin)
	if json.Unmarshal([]byte(secret), login) != nil || login.Site == "" {
		return nil, fmt.Errorf("what is in the keyring for %s is no login: delete it there", k.account)
	}
	return login, nil
}

func (k *keyringStore) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	return file.Change(ctx, k.lock, k.Load, k.save, change)
}

// save replaces the entry, or removes it for nil.
func (k *keyringStore) save(login *client.StoredLogin) error {
	if login == nil {
		return within(func() error { return k.Delete(keyringService, k.account) })
	}
	encoded, err := json.Marshal(login)
	if err != nil {
		return err
	}
	if err := within(func() error { return k.Set(keyringService, k.account, string(encoded)) }); err != nil {
		return fmt.Errorf("the keyring does not take the login: %w", err)
	}
	return nil
}

// probe finds out whether a keyring works, by an entry that it takes out again.
func probe(s secrets) error {
	account, secret := "probe "+rand.Text(), rand.Text()
	return within(func() error {
		if err := s.Set(keyringService, account, secret); err != nil {
			return err
		}
		got, err := s.Get(keyringService, account)
		if deleted := s.Delete(keyringService, account); err == nil {
			err = deleted
		}
		if err == nil && got != secret {
			err = errors.New("it does not keep what it is given")
		}
		return err
	})
}
