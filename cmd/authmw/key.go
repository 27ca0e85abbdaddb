package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/masterkey"
)

func (c *cli) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Check the site's master key, or show it",
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Check the key's length and characters, and whether it is known to be weak",
		Long: `Check the key's length and characters, whether it may be one of the predictable
keys of Cloudreve before 4.10 (CVE-2026-25726), and show for how long the site's
tokens live. The key itself is not shown. The exit status is 1 for a key that
should be replaced.`,
		Example: "  authmw key check --config data/conf.ini",
		Args:    arguments(0, 0, "no arguments"),
	}
	var reveal bool
	show := &cobra.Command{
		Use:     "show",
		Short:   "Tell where the key is; print it with --reveal",
		Example: "  authmw key show --config data/conf.ini\n  (umask 077; authmw key show --config data/conf.ini --reveal > key.txt)",
		Args:    arguments(0, 0, "no arguments"),
	}
	show.Flags().BoolVar(&reveal, "reveal", false, "print the key: whoever sees it can be any user")
	asJSON := jsonFlag(check)
	cmd.AddCommand(c.withSite(check, func(ctx context.Context, s *site, _ []string) error {
		return s.checkKey(ctx, *asJSON)
	}), c.withSite(show, func(ctx context.Context, s *site, _ []string) error {
		key, err := s.key(ctx)
		if err != nil {
			return err
		}
		if reveal {
			return c.print("%s\n", key.Secret)
		}
		return c.print("%d bytes from %s; --reveal prints them\n", len(key.Secret), key.From)
	}))
	return cmd
}

func (s *site) checkKey(ctx context.Context, asJSON bool) error {
	key, err := s.key(ctx)
	if err != nil {
		return err
	}
	findings := []finding{{good, "length", fmt.Sprintf("%d bytes from %s; Cloudreve generates 256", len(key.Secret), key.From)}, characters(string(key.Secret))}
	age, err := s.predictable(ctx, key)
	if err != nil {
		return err
	}
	findings = append(findings, age)
	for _, ttl := range []struct {
		name     string
		fallback time.Duration // Cloudreve's for a setting that is no number
	}{{"access_token_ttl", issuer.DefaultAccessTTL}, {"refresh_token_ttl", 15552000 * time.Second}} {
		if s.db == nil {
			continue
		}
		switch n, err := s.seconds(ctx, ttl.name); {
		case err != nil:
			findings = append(findings, finding{unknown, ttl.name, "not set to a number of seconds, for which Cloudreve takes " + human(ttl.fallback)})
		case n <= 0:
			findings = append(findings, finding{unknown, ttl.name, fmt.Sprintf("%d seconds: tokens expire as they are issued", n)})
		case n > math.MaxInt32:
			findings = append(findings, finding{unknown, ttl.name, fmt.Sprintf("%d seconds", n)})
		default:
			findings = append(findings, finding{good, ttl.name, human(time.Duration(n) * time.Second)})
		}
	}
	return s.cli.judgeAs(asJSON, findings)
}

const (
	alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

	// minDistinct is what a random key of 32 characters has by far: fewer were typed by someone.
	minDistinct = 12
)

func characters(secret string) finding {
	distinct := map[byte]bool{}
	for i := range len(secret) {
		distinct[secret[i]] = true
	}
	switch {
	case len(distinct) < minDistinct:
		return finding{bad, "characters", fmt.Sprintf("so few different ones (%d) that this was not made at random; replace it", len(distinct))}
	case strings.TrimSpace(secret) != secret:
		return finding{bad, "characters", "there is white space at its beginning or end, which belongs to the key: was it pasted?"}
	case strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == utf8.RuneError }):
		return finding{bad, "characters", "what no text has: is this another file than the key's?"}
	case strings.Trim(secret, alphanumeric) != "":
		return finding{good, "characters", "others than 0-9, a-z and A-Z: Cloudreve did not generate it"}
	default:
		return finding{good, "characters", "0-9, a-z and A-Z, as Cloudreve generates"}
	}
}

// predictable tells whether the key may be one that Cloudreve made from the time of its start: it did so before 4.10
// (CVE-2026-25726), and the upgrade to 4.13 replaces the key. Nothing in a key shows it. Cloudreve's database has a mark
// for each version that it was brought up to, those of Cloudreve 3 included, whose keys version 4 never had.
func (s *site) predictable(ctx context.Context, key masterkey.Key) (finding, error) {
	const what = "CVE-2026-25726"
	if !s.inDatabase(key) {
		return finding{unknown, what, "not to be seen from the key: it is predictable if Cloudreve made it before 4.10 and no upgrade to 4.13 replaced it"}, nil
	}
	rows, err := s.db.QueryContext(ctx, `SELECT name FROM settings WHERE name LIKE 'db_version_4.%' AND deleted_at IS NULL`)
	if err != nil {
		return finding{}, s.db.explain(err)
	}
	defer func() { _ = rows.Close() }()
	oldest, newest := -1, -1
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return finding{}, s.db.explain(err)
		}
		var minor int
		if _, err := fmt.Sscanf(name, "db_version_4.%d", &minor); err != nil {
			continue
		}
		if oldest < 0 || minor < oldest {
			oldest = minor
		}
		newest = max(newest, minor)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return finding{}, s.db.explain(err)
	}
	switch {
	case newest < 0:
		return finding{unknown, what, "not to be seen from this database: it is predictable if Cloudreve made it before 4.10 and no upgrade to 4.13 replaced it"}, nil
	case oldest >= 10:
		return finding{good, what, fmt.Sprintf("not affected: this site began with Cloudreve 4.%d", oldest)}, nil
	case newest >= 13:
		return finding{good, what, fmt.Sprintf("not affected: this site began with Cloudreve 4.%d, and the upgrade to 4.13 or later replaced the key", oldest)}, nil
	default:
		return finding{bad, what, fmt.Sprintf("predictable, unless it was replaced by hand: this site began with Cloudreve 4.%d; upgrade to 4.13 or later, which replaces the key", oldest)}, nil
	}
}
