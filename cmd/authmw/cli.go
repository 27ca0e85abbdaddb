package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// cli is a run of the program, with all of the world that it sees but files, databases and sites.
type cli struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // out is one
	color    bool
	environ  []string
	keyring  secrets
	now      func() time.Time
}

// The exit statuses. Scripts tell by them whether the answer is no, or there is none.
const (
	exitNo       = 1
	exitNoAnswer = 2
	exitSignal   = 128 // plus the signal's number
)

// errNo is the error of a command that has printed its answer, which is no.
var errNo = errors.New("no")

// checked keeps the error of a Write, for those who do not look at it.
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// note says something to the user in one line that is not the command's output.
func (c *cli) note(format string, args ...any) {
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
		for _, library := range []string{"authmw: ", "masterkey: ", "issuer: ", "hashid: ", "client: "} {
			lines[i] = strings.TrimPrefix(lines[i], library)
		}
	}
	_, _ = fmt.Fprintf(c.err, "authmw: %s\n", printable(strings.Join(lines, "; ")))
}

func (c *cli) print(format string, args ...any) error {
	_, err := fmt.Fprintf(c.out, format, args...)
	return err
}

// The colours of a verdict.
const green, yellow, red = "32", "33", "31"

// paint returns text in a colour, where there are colours.
func (c *cli) paint(colour, text string) string {
	if !c.color {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// env returns an environment variable, "" for one that is not set.
func (c *cli) env(name string) string {
	value, _ := c.lookupEnv(name)
	return value
}

func (c *cli) lookupEnv(name string) (string, bool) {
	for _, variable := range c.environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// arguments checks how many a command is given, and says in one line what it wants.
func arguments(lowest, highest int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < lowest || len(args) > highest {
			return fmt.Errorf("%s takes %s: see %s --help", cmd.Name(), want, cmd.CommandPath())
		}
		return nil
	}
}

// readInput returns what an argument stands for: itself or, for -, standard input.
func (c *cli) readInput(argument string) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	const limit = 1 << 20
	input, err := io.ReadAll(io.LimitReader(c.in, limit+1))
	if err != nil {
		return "", fmt.Errorf("standard input cannot be read: %w", err)
	}
	if len(input) > limit {
		return "", errors.New("standard input has more than 1 MiB: that is too much")
	}
	return string(input), nil
}
