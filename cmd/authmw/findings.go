package main

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

// finding is one line of what a check found.
type finding struct {
	verdict verdict
	what    string
	text    string
}

type verdict int

const (
	good    verdict = iota
	bad             // which makes the exit status 1
	unknown         // what cannot be told, or need not be cared about
)

// judge prints findings. The error is errNo if there is something bad among them.
func (c *cli) judge(findings []finding) error {
	var no error
	width := 0
	for _, f := range findings {
		width = max(width, len(f.what))
	}
	for _, f := range findings {
		word, colour := "ok ", green
		switch f.verdict {
		case bad:
			word, colour, no = "BAD", red, errNo
		case unknown:
			word, colour = "?  ", yellow
		}
		if err := c.print("%s  %-*s  %s\n", c.paint(colour, word), width, f.what, printable(f.text)); err != nil {
			return err
		}
	}
	return no
}
