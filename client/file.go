package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/authmw/authmw/internal/file"
)

// FileStore is a Store in a file, which programs on one machine can share. Make one with NewFileStore.
//
// The file has mode 0600, and its folder is made with 0700 if it is not there. It refuses a file that others can read or that
// belongs to another user. It also refuses a folder that others can write to, or that belongs to neither the user nor root.
// On Windows, access is the folder's concern.
//
// The file is replaced as a whole: a crash never leaves half of a login. Beside it there is an empty file whose name ends in
// .lock, which stays. The system's lock on it ends with the process that holds it. The folder has to be on a file system with
// such locks, as local ones are.
type FileStore struct {
	path string
}

// NewFileStore returns a FileStore for the file at path. It neither reads nor writes anything yet.
func NewFileStore(path string) *FileStore { return &FileStore{path} }

// String names the file.
func (s *FileStore) String() string { return "client.FileStore(" + s.path + ")" }

// maxFile is far more than a login has.
const maxFile = 64 << 10

var (
	errTooLarge  = errors.New("the login has more than 64 KiB")
	errNotStored = errors.New("client: the file is not a login that was stored here: see what it is, and delete it to log in again")
)

// Ready returns an error if there is no room for a login, see Store. It does not change the login.
func (s *FileStore) Ready(context.Context) error {
	if err := file.Probe(s.path, maxFile); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// Load is part of Store.
func (s *FileStore) Load(context.Context) (*StoredLogin, error) {
	content, info, err := file.Read(s.path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = file.CheckFolder(s.path)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: %w", err)
	case !file.Owned(info):
		return nil, fmt.Errorf("client: %s belongs to %s: use a file of your own", s.path, file.Owner(info))
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("client: others can read %s, which has mode %04o: set mode 0600, and log in again if they may have", s.path, info.Mode().Perm())
	}
	login := new(StoredLogin)
	decoder := json.NewDecoder(bytes.NewReader(content))
	if decoder.Decode(login) != nil || login.Site == "" || login.AccessToken == "" || len(bytes.TrimSpace(content[decoder.InputOffset():])) > 0 {
		return nil, fmt.Errorf("%s: %w", s.path, errNotStored)
	}
	return login, nil
}

// Update is part of Store.
func (s *FileStore) Update(ctx context.Context, change func(*StoredLogin) (*StoredLogin, error)) error {
	locked := false
	load := func(ctx context.Context) (*StoredLogin, error) {
		locked = true
		return s.Load(ctx)
	}
	err := file.Change(ctx, s.path+".lock", load, s.save, change)
	if err != nil && !locked { // all others, such as those of change, say where they come from
		return fmt.Errorf("client: %w", err)
	}
	return err
}

// save replaces the file, or removes it for nil.
func (s *FileStore) save(login *StoredLogin) error {
	if login == nil {
		if err := file.Remove(s.path); err != nil {
			return fmt.Errorf("client: %w", err)
		}
		return nil
	}
	content, err := json.Marshal(login)
	if err == nil && len(content) >= maxFile {
		err = errTooLarge
	}
	if err == nil {
		err = file.Replace(s.path, append(content, '\n'))
	}
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}
