package masterkey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/masterkey"
)

func TestNothingPrintsTheKey(t *testing.T) {
	var log bytes.Buffer
	key := masterkey.Key{Secret: []byte(keyA), From: "a safe place"}
	source, err := masterkey.Open(t.Context(), func(context.Context) (masterkey.Key, error) { return key, nil })
	require.NoError(t, err)
	defer func() { require.NoError(t, source.Close()) }()
	keys, err := source.Keys(t.Context())
	require.NoError(t, err)
	for _, value := range []any{key, &key, source, keys, []any{key}} {
		slog.New(slog.NewJSONHandler(&log, nil)).Info("", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "value", value)
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		log.Write(encoded)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			_, _ = fmt.Fprintf(&log, verb+"\n", value)
		}
	}
	require.Contains(t, log.String(), "masterkey.Key(from a safe place)")
	for _, encoding := range []string{"%s", "%x", "%X", "%d"} {
		require.NotContains(t, log.String(), strings.Trim(fmt.Sprintf(encoding, keyA[:8]), "[]"))
		require.NotContains(t, log.String(), strings.Trim(fmt.Sprintf(encoding, []byte(keyA[:8])), "[]"))
	}
	require.NotContains(t, log.String(), "a2V5IEEs", "in base64")
}
