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

// logins are the user's, the last one first. They are kept in a folder, together with the tokens of those that are kept in
// files.
type logins struct {
	cli     *cli
	folder  string
	Records []loginRecord
}

// loginList is the content of the file with the list of logins.
type loginList struct {
	Records []loginRecord `json:"logins"`
}

func (c *cli) logins() (*logins, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("there is no place to keep a login in: %w", err)
	}
	l := &logins{cli: c, folder: filepath.Join(config, "authmw")}
	list, err := l.read()
	if list != nil {
		l.Records = list.Records
	}
	return l, err
}

// read returns the list as it is stored, or nil if there is none.
func (l *logins) read() (*loginList, error) {
	content, _, err := file.Read(l.index(), maxIndex)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	list := new(loginList)
	err = json.Unmarshal(content, list)
	for _, r := range list.Records {
		if _, invalid := cloudreve.ParsePage(r.Site); invalid != nil {
			err = invalid
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not a list of logins: delete it, and log in again", l.index())
	}
	return list, nil
}

func (l *logins) save(list *loginList) error {
	content, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return file.Replace(l.index(), append(content, '\n'))
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
	wanted, err := cloudreve.ParsePage(site)
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

// put makes a login the last one.
func (l *logins) put(ctx context.Context, r loginRecord) error {
	return l.change(ctx, func(records []loginRecord) ([]loginRecord, error) {
		return append([]loginRecord{r}, l.without(records, r)...), nil
	})
}

// drop takes a login out.
func (l *logins) drop(ctx context.Context, r loginRecord) error {
	return l.change(ctx, func(records []loginRecord) ([]loginRecord, error) { return l.without(records, r), nil })
}

// ready finds out whether the list can be changed, before there is something to add to it.
func (l *logins) ready(ctx context.Context) error {
	return l.change(ctx, func(records []loginRecord) ([]loginRecord, error) { return records, file.Probe(l.index(), 4<<10) })
}

// without returns the records of all other sites.
func (l *logins) without(records []loginRecord, r loginRecord) []loginRecord {
	return slices.DeleteFunc(slices.Clone(records), func(other loginRecord) bool { return l.name(other) == l.name(r) })
}

// change changes the list, as it is by then, while no other program does.
func (l *logins) change(ctx context.Context, change func([]loginRecord) ([]loginRecord, error)) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	arrived := l.cli.waitingFor(l.index() + ".lock")
	defer arrived()
	load := func(context.Context) (*loginList, error) {
		arrived()
		return l.read()
	}
	return file.Change(ctx, l.index()+".lock", load, l.save, func(current *loginList) (*loginList, error) {
		var records []loginRecord
		if current != nil {
			records = current.Records
		}
		records, err := change(records)
		if err != nil {
			return nil, err
		}
		l.Records = records
		if current == nil && records == nil { // there is no list, and nothing to put into one
			return nil, nil
		}
		return &loginList{records}, nil
	})
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

// waitTimeout is how long a command may take for what asks a site or waits for another program.
const waitTimeout = 30 * time.Second

// inTime does something that must not take longer than waitTimeout.
func inTime(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	return do(ctx)
}

// chosen returns the login that a command is for.
func (c *cli) chosen(site string) (*logins, loginRecord, error) {
	all, err := c.logins()
	if err != nil {
		return nil, loginRecord{}, err
	}
	record, err := all.find(site)
	if errors.Is(err, errNotLoggedIn) {
		c.note("%v", err)
		err = errNo
	}
	return all, record, err
}

// loginRequired tells the user where to log in again.
func (c *cli) loginRequired(record loginRecord, err error) error {
	c.note("%v; authmw login %s", err, record.Site)
	return errNo
}

// nothing is what an Update leaves of a login that is forgotten.
func nothing(*client.StoredLogin) (*client.StoredLogin, error) { return nil, nil }
