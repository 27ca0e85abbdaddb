package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/authmw/authmw/client"
	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/file"
)

// The places where tokens are kept.
const (
	inFile    = "file"
	inKeyring = "keyring"
)

// loginRecord says where the tokens of a login are. It has none itself.
type loginRecord struct {
	Site  string `json:"site"`  // the URL of its first page
	Store string `json:"store"` // inFile or inKeyring, as found at login: a keyring that fails later is no reason to look elsewhere
}

// logins are those that there are, the last one first. They are kept in a folder, together with the tokens of those that
// are kept in files.
type logins struct {
	cli     *cli
	folder  string
	Records []loginRecord `json:"logins"`
}

func (c *cli) logins() (*logins, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("there is no place to keep a login in: %w", err)
	}
	l := &logins{cli: c, folder: filepath.Join(config, "authmw")}
	return l, l.read()
}

func (l *logins) read() error {
	l.Records = nil
	content, _, err := file.Read(l.index(), maxIndex)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	err = json.Unmarshal(content, l)
	for _, r := range l.Records {
		if _, invalid := cloudreve.ParseURL(r.Site); invalid != nil {
			err = invalid
		}
	}
	if err != nil {
		return fmt.Errorf("%s is not a list of logins: delete it, and log in again", l.index())
	}
	return nil
}

var errNotLoggedIn = errors.New("you are not logged in")

// maxIndex is far more than the logins of one user have.
const maxIndex = 1 << 20

func (l *logins) index() string { return filepath.Join(l.folder, "logins.json") }

// find returns the login at a site or, for "", the last one.
func (l *logins) find(site string) (loginRecord, error) {
	if site == "" {
		if len(l.Records) == 0 {
			return loginRecord{}, fmt.Errorf("%w: see authmw login --help", errNotLoggedIn)
		}
		return l.Records[0], nil
	}
	wanted, err := cloudreve.ParseURL(site)
	if err != nil {
		return loginRecord{}, err
	}
	for _, r := range l.Records {
		if u, err := url.Parse(r.Site); err == nil && cloudreve.Origin(u) == cloudreve.Origin(wanted) {
			return r, nil
		}
	}
	return loginRecord{}, fmt.Errorf("%w at %s: authmw login %s", errNotLoggedIn, site, site)
}

// put makes a login the last one; drop takes it out.
func (l *logins) put(ctx context.Context, r loginRecord) error {
	return l.change(ctx, func() { l.Records = append([]loginRecord{r}, l.without(r)...) })
}

func (l *logins) drop(ctx context.Context, r loginRecord) error {
	return l.change(ctx, func() { l.Records = l.without(r) })
}

func (l *logins) without(r loginRecord) []loginRecord {
	return slices.DeleteFunc(l.Records, func(other loginRecord) bool { return l.name(other) == l.name(r) })
}

// change changes the list, as it is by then.
func (l *logins) change(ctx context.Context, change func()) error {
	return l.locked(ctx, func() error {
		if err := l.read(); err != nil {
			return err
		}
		change()
		content, err := json.MarshalIndent(l, "", "  ")
		if err != nil {
			return err
		}
		return file.Replace(l.index(), append(content, '\n'))
	})
}

// ready finds out whether the list can be changed, before there is something to add to it.
func (l *logins) ready(ctx context.Context) error {
	return l.locked(ctx, func() error {
		if err := l.read(); err != nil {
			return err
		}
		return file.Probe(l.index(), 4<<10)
	})
}

// locked does something while no other program changes the list.
func (l *logins) locked(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	arrived := l.cli.waitingFor(l.index() + ".lock")
	defer arrived()
	unlock, err := file.Lock(ctx, l.index()+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	arrived()
	return do()
}

// name is a file name for a site: https-cloud.example.com-443.
func (l *logins) name(r loginRecord) string {
	u, err := url.Parse(r.Site)
	if err != nil {
		return "none"
	}
	return strings.NewReplacer("://", "-", ":", "-").Replace(cloudreve.Origin(u))
}

// store returns where the tokens of a login are kept, and what to call that place.
func (l *logins) store(r loginRecord) (client.Store, string) {
	path := filepath.Join(l.folder, l.name(r))
	if r.Store == inKeyring {
		u, _ := url.Parse(r.Site)
		return &announced{&keyringStore{l.cli.keyring, cloudreve.Origin(u), path + ".lock"}, l.cli, path + ".lock"}, "the keyring"
	}
	return &announced{client.NewFileStore(path + ".json"), l.cli, path + ".json.lock"}, path + ".json"
}

// announced is a store that says so if it has to wait for another program.
type announced struct {
	client.Store
	cli  *cli
	lock string
}

// Ready is the store's own.
func (a *announced) Ready(ctx context.Context) error {
	if store, ok := a.Store.(interface{ Ready(context.Context) error }); ok {
		return store.Ready(ctx)
	}
	return nil
}

func (a *announced) Update(ctx context.Context, change func(*client.StoredLogin) (*client.StoredLogin, error)) error {
	arrived := a.cli.waitingFor(a.lock)
	defer arrived()
	return a.Store.Update(ctx, func(current *client.StoredLogin) (*client.StoredLogin, error) {
		arrived()
		return change(current)
	})
}

// waitingFor tells the user what a command waits for if it is not called off within a second.
func (c *cli) waitingFor(lock string) (arrived func()) {
	timer := time.AfterFunc(time.Second, func() { c.note("waiting for another program, which holds %s", lock) })
	return func() { timer.Stop() }
}

// client returns a client for a login.
func (l *logins) client(r loginRecord) (*client.Client, error) {
	store, _ := l.store(r)
	return client.New(r.Site, store)
}
