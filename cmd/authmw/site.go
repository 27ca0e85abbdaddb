package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/hashid"
	"github.com/authmw/authmw/masterkey"
)

// site is where the key and the users of a Cloudreve site are found.
type site struct {
	cli        *cli
	read       masterkey.ReadFunc // nil if nothing names a key
	db         *database          // nil if there is only a key
	overridden bool               // the environment goes before the settings in db, as in Cloudreve
}

// dsnVariable has the URL of the database, which an argument must not have if there is a password in it.
const dsnVariable = "AUTHMW_DSN"

// timeout is for all that a command asks of a database.
const timeout = 15 * time.Second

var errNoKey = errors.New("there is no key to work with: name Cloudreve's conf.ini with --config, or see authmw --help for other ways")

// withSite adds to cmd the flags that say where the key is, and has it run with the site that they name.
func (c *cli) withSite(cmd *cobra.Command, run func(ctx context.Context, s *site, args []string) error) *cobra.Command {
	var conf, dsn, keyFile string
	flags := cmd.Flags()
	flags.StringVar(&conf, "config", "", "find the key as Cloudreve does, by its conf.ini `FILE`")
	flags.StringVar(&dsn, "dsn", "", "find the key in the database at `URL`: sqlite:PATH, mysql://user@host/name, postgres://… (with a password: only in "+dsnVariable+")")
	flags.StringVar(&keyFile, "key-file", "", "read the key from a `FILE`, or from standard input: -")
	for _, name := range []string{"config", "key-file"} {
		_ = cmd.MarkFlagFilename(name) // which fails for flags that are not there
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if keyFile == "-" && slices.Contains(args, "-") {
			return errors.New("standard input is either the key or the token: give one of them otherwise")
		}
		s, err := c.site(conf, dsn, keyFile)
		if err != nil {
			return err
		}
		defer s.close()
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		return run(ctx, s, args)
	}
	return cmd
}

// site returns the site that the flags name or, without one, the environment.
func (c *cli) site(conf, dsn, keyFile string) (*site, error) {
	named := 0
	for _, flag := range []string{conf, dsn, keyFile} {
		if flag != "" {
			named++
		}
	}
	switch {
	case named > 1:
		return nil, errors.New("--config, --dsn and --key-file each say where the key is: give one")
	case conf != "":
		return c.siteOfConfig(conf)
	case dsn != "":
		if hasPassword(dsn) {
			return nil, fmt.Errorf("--dsn has a place for a password, which others on this machine can read: take out the colon and what follows, or set %s in its place", dsnVariable)
		}
		db, err := openURL(dsn)
		if err != nil {
			return nil, err
		}
		return &site{cli: c, db: db, read: masterkey.Database(db.DB)}, nil
	case keyFile == "-":
		return &site{cli: c, read: c.keyFromInput}, nil
	case keyFile != "":
		return &site{cli: c, read: masterkey.File(keyFile)}, nil
	default:
		return c.siteOfEnvironment()
	}
}

// siteOfConfig returns the site of a conf.ini.
func (c *cli) siteOfConfig(conf string) (*site, error) {
	cfg, err := readConfig(conf, c.environ)
	if err != nil {
		return nil, err
	}
	if cfg.TablePrefix != "" {
		c.note("TablePrefix in %s is ignored: Cloudreve v4 does so too", conf)
	}
	db, err := cfg.open(conf)
	if err != nil {
		return nil, err
	}
	return &site{cli: c, db: db, read: masterkey.EnvOrDatabase(db.DB), overridden: true}, nil
}

// siteOfEnvironment returns the site that environment variables name, or one without a key and a database.
func (c *cli) siteOfEnvironment() (*site, error) {
	if dsn := c.env(dsnVariable); dsn != "" {
		db, err := openURL(dsn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dsnVariable, err)
		}
		return &site{cli: c, db: db, read: masterkey.EnvOrDatabase(db.DB), overridden: true}, nil
	}
	if _, found := c.lookupEnv(masterkey.EnvVar); found {
		return &site{cli: c, read: masterkey.Env(masterkey.EnvVar), overridden: true}, nil
	}
	return &site{cli: c}, nil
}

func (s *site) close() {
	if s.db != nil {
		_ = s.db.Close() // it was only read
	}
}

// key returns the site's key.
func (s *site) key(ctx context.Context) (masterkey.Key, error) {
	if s.read == nil {
		return masterkey.Key{}, errNoKey
	}
	key, err := s.read(ctx)
	if s.inDatabase(key) {
		key.From += " " + s.db.name
	}
	if err == nil && key.Warning != "" {
		s.cli.note("warning: %s", key.Warning)
	}
	return key, s.db.explain(err)
}

// inDatabase reports whether a key is the database's, and not from a variable that goes before it.
func (s *site) inDatabase(key masterkey.Key) bool {
	_, overridden := s.cli.lookupEnv(masterkey.EnvVar)
	return s.db != nil && !(s.overridden && overridden) && key.From != ""
}

func (c *cli) keyFromInput(context.Context) (masterkey.Key, error) {
	input, err := c.readInput("-")
	if err != nil {
		return masterkey.Key{}, err
	}
	if line, ok := strings.CutSuffix(input, "\n"); ok {
		input = strings.TrimSuffix(line, "\r")
	}
	if len(input) < authmw.MinSecretSize {
		return masterkey.Key{}, fmt.Errorf("the key on standard input has %d bytes, and %d or more are needed: write the value of the setting secret_key to it",
			len(input), authmw.MinSecretSize)
	}
	return masterkey.Key{Secret: []byte(input), From: "standard input"}, nil
}

// setting returns one of the site's settings, as it is in force.
func (s *site) setting(ctx context.Context, name string) (string, error) {
	if s.overridden {
		if value, ok := s.cli.lookupEnv("CR_SETTING_" + name); ok {
			return value, nil
		}
	}
	if s.db == nil {
		return "", fmt.Errorf("the setting %s is in Cloudreve's database: name that with --config or --dsn", name)
	}
	value, err := masterkey.ReadSetting(ctx, s.db.DB, name)
	return value, s.db.explain(err)
}

// ids returns the encoding of the site's IDs.
func (s *site) ids(ctx context.Context) (*hashid.Encoder, error) {
	salt, err := s.setting(ctx, "hash_id_salt")
	if err != nil {
		return nil, err
	}
	return hashid.New(salt)
}

// user is a row of the table users.
type user struct {
	id       int64
	email    string
	password string // as it is stored, which is not what the user types
	status   string
}

// userByEmail finds a user as Cloudreve does, in any letter case.
func (s *site) userByEmail(ctx context.Context, email string) (user, error) {
	if s.db == nil {
		return user{}, errors.New("users are found by e-mail address in Cloudreve's database: name that with --config or --dsn")
	}
	u, err := s.user(ctx, "LOWER(email) = LOWER("+s.db.placeholder+")", email)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, fmt.Errorf("no user of this site has the e-mail address %s: see the users in its admin panel", email)
	}
	return u, err
}

// userByID finds a user by the ID that the API has.
func (s *site) userByID(ctx context.Context, id string) (user, error) {
	ids, err := s.ids(ctx)
	if err != nil {
		return user{}, err
	}
	n, err := ids.Decode(id, hashid.User)
	if err != nil {
		return user{}, fmt.Errorf("%s is not the ID of a user of this site (%w): find one with --email", id, err)
	}
	u, err := s.user(ctx, "id = "+s.db.placeholder, n)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, fmt.Errorf("no user of this site has the ID %s, number %d: find one with --email", id, n)
	}
	return u, err
}

func (s *site) user(ctx context.Context, where string, argument any) (u user, err error) {
	var password sql.NullString
	row := s.db.QueryRowContext(ctx, "SELECT id, email, password, status FROM users WHERE "+where+" AND deleted_at IS NULL", argument)
	err = row.Scan(&u.id, &u.email, &password, &u.status)
	u.password = password.String
	if errors.Is(err, sql.ErrNoRows) {
		return u, err
	}
	return u, s.db.explain(err)
}

var errBothUsers = errors.New("--user and --email each say who the token is for: give one")

// subject returns the sub of a user and, where there is a database, the user's row.
func (s *site) subject(ctx context.Context, id, email string) (string, *user, error) {
	if email == "" {
		if s.db == nil {
			return id, nil, nil
		}
		u, err := s.userByID(ctx, id)
		return id, &u, err
	}
	u, err := s.userByEmail(ctx, email)
	if err != nil {
		return "", nil, err
	}
	ids, err := s.ids(ctx)
	if err != nil {
		return "", nil, err
	}
	id, err = ids.Encode(u.id, hashid.User)
	return id, &u, err
}

// seconds returns a setting that is a number of seconds, as Cloudreve reads one.
func (s *site) seconds(ctx context.Context, name string) (int64, error) {
	value, err := s.setting(ctx, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(value, 10, 64)
}

// ttl returns a setting that is a lifetime, or the fallback if it is none that a token can have.
func (s *site) ttl(ctx context.Context, name string, fallback time.Duration) time.Duration {
	n, err := s.seconds(ctx, name)
	if err != nil || n < 1 || n > int64(maxTTL/time.Second) {
		return fallback
	}
	return time.Duration(n) * time.Second
}

// maxTTL is the most that package issuer takes.
const maxTTL = 10 * 365 * 24 * time.Hour
