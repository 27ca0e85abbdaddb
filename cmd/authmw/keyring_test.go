package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"

	"github.com/authmw/authmw/client"
)

// keyringVariable has the folder of a keyring for tests, or how it fails.
const keyringVariable = "AUTHMW_TEST_KEYRING"

// testKeyring is a keyring in a folder. One named broken has an error for everything, one named locked never answers.
type testKeyring string

func (k testKeyring) Get(_, user string) (string, error) {
	if err := k.fail(); err != nil {
		return "", err
	}
	content, err := os.ReadFile(k.file(user))
	if errors.Is(err, os.ErrNotExist) {
		return "", keyring.ErrNotFound
	}
	return string(content), err
}

func (k testKeyring) Set(_, user, secret string) error {
	if err := k.fail(); err != nil {
		return err
	}
	return os.WriteFile(k.file(user), []byte(secret), 0o600)
}

func (k testKeyring) Delete(_, user string) error {
	if err := k.fail(); err != nil {
		return err
	}
	return os.Remove(k.file(user))
}

func (k testKeyring) file(user string) string {
	return filepath.Join(string(k), filepath.Base(user)+".secret")
}

func (k testKeyring) fail() error {
	switch k {
	case "", "broken":
		return errors.New("no such interface")
	case "locked":
		time.Sleep(time.Hour)
	}
	return nil
}

// TestKeyringThatHangs shows that a keyring is waited for only so long, and at login and later alike.
func TestKeyringThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.ErrorIs(t, probe(testKeyring("locked")), errKeyringHangs)
		store := &keyringStore{testKeyring("locked"), "account", filepath.Join(t.TempDir(), "lock")}
		_, err := store.Load(t.Context())
		require.ErrorIs(t, err, errKeyringHangs)
		require.Equal(t, 2*keyringTimeout, time.Since(began))
		time.Sleep(2 * time.Hour) // for what it still does
	})
}

func TestKeyringStore(t *testing.T) {
	folder := t.TempDir()
	store := &keyringStore{testKeyring(folder), "account", filepath.Join(t.TempDir(), "a", "lock")}
	login, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Nil(t, login)
	want := &client.StoredLogin{Site: "https://cloud.example.com:443", AccessToken: "a", RefreshToken: "r"}
	put := func(next *client.StoredLogin, err error) error {
		return store.Update(t.Context(), func(*client.StoredLogin) (*client.StoredLogin, error) { return next, err })
	}
	require.NoError(t, put(want, nil))
	login, err = store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, login)
	require.ErrorIs(t, put(nil, errNo), errNo)
	login, err = store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, login, "an error changes nothing")
	require.NoError(t, put(nil, nil))
	require.NoError(t, put(nil, nil))
	login, err = store.Load(t.Context())
	require.NoError(t, err)
	require.Nil(t, login)
	require.NoError(t, testKeyring(folder).Set("", "account", "SECRET"))
	_, err = store.Load(t.Context())
	require.ErrorContains(t, err, "is no login")
	require.NotContains(t, err.Error(), "SECRET")
}
