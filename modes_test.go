package authmw_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
)

func TestModeText(t *testing.T) {
	for text, mode := range map[string]authmw.Mode{
		"required": authmw.Required, "optional": authmw.Optional, "none": authmw.None,
	} {
		var table map[string]authmw.Mode
		require.NoError(t, json.Unmarshal([]byte(`{"GET /files":"`+text+`"}`), &table))
		require.Equal(t, mode, table["GET /files"])
		marshaled, err := json.Marshal(table)
		require.NoError(t, err)
		require.JSONEq(t, `{"GET /files":"`+text+`"}`, string(marshaled))
		require.Equal(t, text, mode.String())
	}

	for _, text := range []string{"", "Required", "none ", "Mode(3)", "jwt"} {
		mode := authmw.Optional
		require.ErrorContains(t, mode.UnmarshalText([]byte(text)), "is not required, optional or none")
		require.Equal(t, authmw.Optional, mode, "left as it was")
	}
	_, err := authmw.Mode(3).MarshalText()
	require.EqualError(t, err, "authmw: Mode(3) is none of the modes")
}

func TestForgottenAndUnknownModesRequire(t *testing.T) {
	var forgotten authmw.Mode
	for _, mode := range []authmw.Mode{forgotten, 3, 255} {
		claims, err := newValidator(t).Check(newRequest(), mode)
		requireOutcome(t, authmw.ErrMissingToken, claims, err)
	}
}
