package hashid

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// siteSalt is the hash_id_salt of the throwaway Cloudreve in testdata.
const siteSalt = "ZEx2mW5HFJ3xS2PzCa8vt08X8sAdE6I4DXzCkLGOQWMuG6J3F0cXatEpkchhVLfv"

func newEncoder(t testing.TB, salt string) *Encoder {
	t.Helper()
	ids, err := New(salt)
	require.NoError(t, err)
	return ids
}

// TestCloudreveIDs has IDs that a real Cloudreve 4.14 gave.
func TestCloudreveIDs(t *testing.T) {
	ids := newEncoder(t, siteSalt)
	for _, row := range []struct {
		number int64
		kind   Type
		id     string
	}{
		{0, User, "d6s6"}, {1, User, "wGH0"}, {2, User, "ogUy"}, {99999, User, "DqJNrIe"}, {123456789, User, "wwRK4DH0"}, {1, Group, "bQHy"},
	} {
		t.Run(row.id, func(t *testing.T) {
			id, err := ids.Encode(row.number, row.kind)
			require.NoError(t, err)
			require.Equal(t, row.id, id)
			number, err := ids.Decode(row.id, row.kind)
			require.NoError(t, err)
			require.Equal(t, row.number, number)
			_, err = ids.Decode(row.id, Folder)
			require.ErrorIs(t, err, ErrWrongType)
			require.ErrorContains(t, err, row.kind.String()+", not folder")
			_, err = newEncoder(t, "another salt").Decode(row.id, row.kind)
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
}

// TestHashids has the vectors that hashids.org publishes for its algorithm.
func TestHashids(t *testing.T) {
	ids := newEncoder(t, "this is my salt")
	for id, numbers := range map[string][]int64{
		"NkK9": {12345}, "laHquq": {1, 2, 3}, "aBMswoO2UB3Sj": {683, 94108, 123, 5}, "1Wc8cwcE": {5, 5, 5, 5},
		"kRHnurhptKcjIDTWC3sx": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, "NV": {1}, "6m": {2}, "yD": {3}, "2l": {4}, "rD": {5},
	} {
		require.Equal(t, id, ids.encode(numbers...))
		decoded, ok := ids.decode(id)
		require.True(t, ok, id)
		require.Equal(t, numbers, decoded)
	}
}

// TestRoundTrip has numbers of every size under salts of every length.
func TestRoundTrip(t *testing.T) {
	for salt := range 100 {
		ids := newEncoder(t, string([]rune(strings.Repeat("pepper and sälz 塩", 7))[:salt+1]))
		for kind := Share; kind <= Payment; kind++ {
			for _, number := range []int64{0, 1, 43, 44, 45, math.MaxInt32, math.MaxInt64 - 1, math.MaxInt64, rand.Int64() >> rand.IntN(63)} {
				id, err := ids.Encode(number, kind)
				require.NoError(t, err)
				require.LessOrEqual(t, len(id), maxLen)
				decoded, err := ids.Decode(id, kind)
				require.NoError(t, err, "%d as %s", number, id)
				require.Equal(t, number, decoded)
			}
		}
	}
}

func TestNoIDs(t *testing.T) {
	ids := newEncoder(t, siteSalt)
	for _, id := range []string{"", "w", "wGH", "wGH0 ", "WGH0", "wgh0", "1", "wGH0wGH0", "admin@example.com", "é", "wGH\x00", strings.Repeat("w", 1<<20),
		ids.encode(1), ids.encode(1, 1, 1), ids.encode(1, math.MaxInt64), ids.encode(1, math.MaxInt32+1)} {
		_, err := ids.Decode(id, User)
		require.ErrorIs(t, err, ErrInvalid, "%.20q", id)
	}
	for _, digit := range ids.alphabet { // numbers beyond 64 bits
		_, err := ids.Decode("w"+strings.Repeat(string(digit), 20)+ids.separators[:1]+string(digit), User)
		require.ErrorIs(t, err, ErrInvalid)
	}
	alphabet := ids.next(ids.alphabet, 'w')
	for n := range uint64(len(alphabet)) { // and just beyond 63
		digits := ""
		for number := uint64(1<<63) + n; number > 0; number /= uint64(len(alphabet)) {
			digits = string(alphabet[number%uint64(len(alphabet))]) + digits
		}
		_, err := ids.Decode("w"+digits+ids.separators[:1]+digits[:1], User)
		require.ErrorIs(t, err, ErrInvalid)
	}
	_, err := ids.Encode(1, math.MaxInt32+1)
	require.Error(t, err)
	_, err = ids.Encode(-1, User)
	require.Error(t, err)
	_, err = ids.Encode(1, -1)
	require.Error(t, err)
	_, err = New("")
	require.ErrorContains(t, err, "hash_id_salt")
	for kind := Share; kind <= Payment; kind++ {
		require.NotContains(t, kind.String(), "Type(")
	}
	require.Equal(t, "Type(14)", Type(14).String())
	require.Equal(t, "Type(-1)", Type(-1).String())
}

// FuzzDecode shows that an ID has one spelling: what is decoded encodes to the same.
func FuzzDecode(f *testing.F) {
	for _, id := range []string{"wGH0", "bQHy", "wwRK4DH0", "", "w"} {
		f.Add(id)
	}
	ids := newEncoder(f, siteSalt)
	f.Fuzz(func(t *testing.T, id string) {
		number, err := ids.Decode(id, User)
		if err != nil {
			return
		}
		encoded, err := ids.Encode(number, User)
		require.NoError(t, err)
		require.Equal(t, id, encoded)
	})
}
