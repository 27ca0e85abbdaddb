package authmw_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestSecretSize(t *testing.T) {
	for _, size := range []int{0, 1, 31} {
		_, err := authmw.New(make([]byte, size))
		require.ErrorContains(t, err, fmt.Sprintf("the secret has %d bytes, HS256 needs 32 or more", size))
	}
	for _, size := range []int{32, 64, 65, 256} {
		_, err := authmw.New(make([]byte, size))
		require.NoError(t, err)
	}
}

func TestSecretIsCopied(t *testing.T) {
	secret := []byte(testSecret)
	v, err := authmw.New(secret, authmw.WithClock(clock))
	require.NoError(t, err)
	clear(secret)
	_, err = v.Verify(t.Context(), sign(usualHeader, usualPayload))
	require.NoError(t, err)
}

func TestPreviousSecrets(t *testing.T) {
	oldest := strings.Repeat("x", 32)
	v, err := authmw.New([]byte(otherSecret), authmw.WithPreviousSecrets([]byte(testSecret)),
		authmw.WithPreviousSecrets([]byte(oldest)), authmw.WithClock(clock))
	require.NoError(t, err)
	for _, token := range []string{
		signWithOther(usualPayload), sign(usualHeader, usualPayload), signWith(sha256.New, oldest, usualHeader, usualPayload),
	} {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	require.Empty(t, authmw.PreviousSecrets(v), "a Validator keeps no secret as it is")
}

func TestKeysTellTheirNumber(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret), []byte(otherSecret))
	require.NoError(t, err)
	require.Equal(t, "authmw.Keys(2)", keys.String())
}

func TestKeySource(t *testing.T) {
	first, err := authmw.NewKeys([]byte(testSecret))
	require.NoError(t, err)
	second, err := authmw.NewKeys([]byte(otherSecret), []byte(testSecret))
	require.NoError(t, err)
	third, err := authmw.NewKeys([]byte(otherSecret))
	require.NoError(t, err)
	type contextKey struct{}

	var keys *authmw.Keys
	var failure error
	v, err := authmw.NewFromKeySource(authmw.KeySourceFunc(func(ctx context.Context) (*authmw.Keys, error) {
		require.Equal(t, "the request's", ctx.Value(contextKey{}))
		return keys, failure
	}), authmw.WithClock(clock))
	require.NoError(t, err)
	check := func(token string, mode authmw.Mode) error {
		r := newRequest("Bearer " + token)
		_, err := v.Check(r.WithContext(context.WithValue(t.Context(), contextKey{}, "the request's")), mode)
		return err
	}
	oldToken, newToken := sign(usualHeader, usualPayload), signWithOther(usualPayload)

	for _, row := range []struct {
		name     string
		keys     *authmw.Keys
		old, new error
	}{
		{"before the rotation", first, nil, authmw.ErrInvalidSignature},
		{"during", second, nil, nil},
		{"after", third, authmw.ErrInvalidSignature, nil},
		{"no keys", nil, authmw.ErrUnavailable, authmw.ErrUnavailable},
		{"keys that NewKeys did not make", new(authmw.Keys), authmw.ErrUnavailable, authmw.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys = row.keys
			require.ErrorIs(t, check(oldToken, authmw.Required), row.old)
			require.ErrorIs(t, check(newToken, authmw.Required), row.new)
		})
	}

	keys, failure = first, errors.New("the database is gone")
	for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
		err := check(oldToken, mode)
		require.ErrorIs(t, err, authmw.ErrUnavailable)
		require.ErrorIs(t, err, failure, "the cause is there for the log")
	}
}

// TestKeySourceIsAskedOnce shows that no token makes a server look for its secret more than once, and that nothing does
// without a token.
func TestKeySourceIsAskedOnce(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret), []byte(otherSecret))
	require.NoError(t, err)
	asked := 0
	v, err := authmw.NewFromKeySource(authmw.KeySourceFunc(func(context.Context) (*authmw.Keys, error) {
		asked++
		return keys, nil
	}), authmw.WithClock(clock))
	require.NoError(t, err)
	for _, row := range []struct {
		name  string
		token string
		times int
	}{
		{"none", "", 0},
		{"too long", strings.Repeat("x", 8193), 0},
		{"valid", sign(usualHeader, usualPayload), 1},
		{"forged", signWith(sha256.New, strings.Repeat("x", 32), usualHeader, usualPayload), 1},
		{"garbage", "garbage", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked = 0
			r := newRequest()
			if row.token != "" {
				r = newRequest("Bearer " + row.token)
			}
			_, _ = v.Check(r, authmw.Required)
			require.Equal(t, row.times, asked)
		})
	}
}

// reloader is a KeySource that has newer Keys if it is asked for them.
type reloader struct {
	authmw.KeySource
	newer *authmw.Keys
	asked []*authmw.Keys
}

func (r *reloader) Reload(_ context.Context, failed *authmw.Keys) *authmw.Keys {
	r.asked = append(r.asked, failed)
	return r.newer
}

// TestKeyReloader shows that secrets are looked for once, and only for a token that they would be of use to.
func TestKeyReloader(t *testing.T) {
	keys, err := authmw.NewKeys([]byte(testSecret))
	require.NoError(t, err)
	other, err := authmw.NewKeys([]byte(otherSecret))
	require.NoError(t, err)
	forged := signWith(sha256.New, strings.Repeat("x", 32), usualHeader, usualPayload)
	for _, row := range []struct {
		name  string
		newer *authmw.Keys
		token string
		want  error
		asked bool
	}{
		{"valid", other, sign(usualHeader, usualPayload), nil, false},
		{"expired", other, sign(usualHeader, `{"token_type":"access","sub":"wGH0","exp":1}`), authmw.ErrTokenExpired, false},
		{"malformed", other, "garbage", authmw.ErrMalformedToken, false},
		{"too long", other, strings.Repeat("x", 8193), authmw.ErrMalformedToken, false},
		{"signed with a newer secret", other, signWithOther(usualPayload), nil, true},
		{"of a newer secret and expired", other, signWithOther(`{"token_type":"access","sub":"wGH0","exp":1}`), authmw.ErrTokenExpired, true},
		{"forged", other, forged, authmw.ErrInvalidSignature, true},
		{"nothing newer", nil, forged, authmw.ErrInvalidSignature, true},
		{"the same", keys, forged, authmw.ErrInvalidSignature, true},
		{"keys that NewKeys did not make", new(authmw.Keys), forged, authmw.ErrInvalidSignature, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			source := &reloader{KeySource: keys, newer: row.newer}
			v, err := authmw.NewFromKeySource(source, authmw.WithClock(clock))
			require.NoError(t, err)
			claims, err := v.Check(newRequest("Bearer "+row.token), authmw.Required)
			if row.asked {
				require.Equal(t, []*authmw.Keys{keys}, source.asked)
			} else {
				require.Empty(t, source.asked)
			}
			if row.want == nil {
				require.NoError(t, err)
				require.Equal(t, "wGH0", claims.Subject)
			} else {
				requireOutcome(t, row.want, claims, err)
			}
		})
	}
}
