package redisstore_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/issuer/issuertest"
	"github.com/authmw/authmw/issuer/redisstore"
)

func TestCloudreve(t *testing.T) {
	client := startRedis(t).client(t, nil)
	issuertest.TestRevocations(t, func(*testing.T) issuer.Revocations { return redisstore.NewCloudreveRevocations(client) })
}

// cloudreveValue is what a real Cloudreve 4.14 wrote for a family that was logged out.
const cloudreveValue = "1b7f030101046974656d01ff80000101010556616c756501100000000dff800104626f6f6c0202000100"

// TestCloudreveValue holds what is written against what a real Cloudreve wrote, and against how it reads.
func TestCloudreveValue(t *testing.T) {
	client := startRedis(t).client(t, nil)
	const id, key = "0c9b9247-266d-4c2f-bbcf-1f59ea6b313b", "jwt_revoke_0c9b9247-266d-4c2f-bbcf-1f59ea6b313b"
	store := redisstore.NewCloudreveRevocations(client)
	now := time.Now()
	_, err := store.Revoke(t.Context(), issuer.Revocation{RootTokenID: id, Now: now, Until: now.Add(1209610 * time.Second)})
	require.NoError(t, err)
	value, err := client.Get(t.Context(), key).Bytes()
	require.NoError(t, err)
	require.Equal(t, cloudreveValue, hex.EncodeToString(value))
	var read struct{ Value any }
	require.NoError(t, gob.NewDecoder(bytes.NewReader(value)).Decode(&read))
	require.Equal(t, true, read.Value)
	left, err := client.TTL(t.Context(), key).Result()
	require.NoError(t, err)
	require.InDelta(t, 1209610, left.Seconds(), 60)

	require.NoError(t, client.Set(t.Context(), key, "1", 0).Err())
	revoked, err := store.Revoked(t.Context(), issuer.Renewal{RootTokenID: id})
	require.NoError(t, err)
	require.True(t, revoked, "what Cloudreve would take for no revocation")
}

// TestLogoutOfCloudreve shares a Redis with a Cloudreve: what it wrote ends our refreshing, as what we wrote does.
func TestLogoutOfCloudreve(t *testing.T) {
	client := startRedis(t).client(t, nil)
	i, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), redisstore.NewCloudreveRevocations(client))
	require.NoError(t, err)
	pair, err := i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.NoError(t, err)
	require.NoError(t, i.Revoke(t.Context(), pair.RefreshToken))
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrRevoked)

	pair, err = i.Issue(t.Context(), issuer.Identity{Subject: "wGH0"})
	require.NoError(t, err)
	value, err := hex.DecodeString(cloudreveValue)
	require.NoError(t, err)
	require.NoError(t, client.Set(t.Context(), "jwt_revoke_"+claimsOf(t, pair.RefreshToken).RootTokenID, value, 1209610*time.Second).Err())
	_, err = i.Refresh(t.Context(), pair.RefreshToken)
	require.ErrorIs(t, err, issuer.ErrRevoked)
}
