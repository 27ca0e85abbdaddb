package masterkey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ReadSetting returns a setting from the table settings of Cloudreve's database, such as hash_id_salt, which package hashid
// takes. The error wraps sql.ErrNoRows if the site has no such setting, or has deleted it. A name has only the characters
// a-z, A-Z, 0-9 and _, as all of Cloudreve's do.
func ReadSetting(ctx context.Context, db *sql.DB, name string) (string, error) {
	if db == nil {
		return "", errNoDatabase
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return "", fmt.Errorf("masterkey: %q is not the name of a setting", name)
	}
	return query(ctx, db, name)
}

var errNoDatabase = errors.New("masterkey: the database is nil")

func query(ctx context.Context, db *sql.DB, name string) (string, error) {
	// Written like this, it is the same statement for every database: nothing in it needs quoting by dialect, and without
	// an argument it has no placeholder, on whose form they differ.
	row := db.QueryRowContext(ctx, "SELECT value FROM settings WHERE name = '"+name+"' AND deleted_at IS NULL")
	var value sql.NullString
	switch err := row.Scan(&value); {
	case errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("masterkey: there is no setting %s in this database: start Cloudreve on it once, or name the right one: %w", name, err)
	case err != nil:
		return "", fmt.Errorf("masterkey: the setting %s cannot be read: is this Cloudreve's database, and is it up? %w", name, err)
	default:
		return value.String, nil
	}
}
