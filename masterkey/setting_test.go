package masterkey_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/masterkey"
)

func TestReadSetting(t *testing.T) {
	connector := &table{value: "the salt"}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	value, err := masterkey.ReadSetting(t.Context(), db, "hash_id_salt")
	require.NoError(t, err)
	require.Equal(t, "the salt", value)
	require.Equal(t, "SELECT value FROM settings WHERE name = 'hash_id_salt' AND deleted_at IS NULL", connector.query)
	for _, name := range []string{"", "a b", "x' OR '1'='1", "x\x00", "sälz", `x\`} {
		connector.query = ""
		_, err := masterkey.ReadSetting(t.Context(), db, name)
		require.ErrorContains(t, err, "is not the name of a setting", name)
		require.Empty(t, connector.query)
	}
}
