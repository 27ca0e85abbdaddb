package main

import (
	"encoding/json"

	"github.com/spf13/cobra"
)

// jsonFlag adds --json to a command. What the commands print with it is one JSON object in one line: names in snake_case,
// times in RFC 3339 and UTC, nothing that is not known. docs/cli.md lists the members. They stay; others may be added.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print it as JSON, in one line (see docs/cli.md)")
}

// printJSON prints a value as one line that is safe to show on a terminal.
func (c *cli) printJSON(value any) error {
	encoded, err := json.Marshal(value) // not indented, which makes much of little where there is much nesting
	if err != nil {
		return err
	}
	return c.print("%s\n", printable(string(encoded)))
}
