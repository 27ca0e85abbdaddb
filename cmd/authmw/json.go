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

// findingsJSON is what --json prints of findings.
type findingsJSON struct {
	OK       bool          `json:"ok"`
	Findings []findingJSON `json:"findings"`
}

type findingJSON struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // ok, bad or unknown
	Detail  string `json:"detail"`
}

// judgeAs prints findings, as JSON or for people. The error is errNo if there is something bad among them.
func (c *cli) judgeAs(asJSON bool, findings []finding) error {
	if !asJSON {
		return c.judge(findings)
	}
	printed := findingsJSON{OK: true, Findings: []findingJSON{}}
	for _, f := range findings {
		verdict := map[verdict]string{good: "ok", bad: "bad", unknown: "unknown"}[f.verdict]
		printed.OK = printed.OK && f.verdict != bad
		printed.Findings = append(printed.Findings, findingJSON{f.what, verdict, f.text})
	}
	if err := c.printJSON(printed); err != nil || printed.OK {
		return err
	}
	return errNo
}
