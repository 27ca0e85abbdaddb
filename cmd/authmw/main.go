// Authmw makes, explains and checks the access tokens of a Cloudreve v4 site, for those who develop against a site of
// their own. Run "authmw help" for what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func main() {
	os.Exit(start(time.Now, osKeyring{}))
}

// start runs the program for the process that it is, and returns its exit status.
func start(now func() time.Time, keyring secrets) int {
	environ := os.Environ()
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: environ, keyring: keyring, now: now}
	c.terminal = term.IsTerminal(int(os.Stdout.Fd()))
	c.color = c.terminal && c.env("NO_COLOR") == "" && c.env("TERM") != "dumb"
	status := c.run(context.Background(), os.Args[1:])
	if status > exitSignal {
		die(syscall.Signal(status - exitSignal))
	}
	return status
}

func (c *cli) run(ctx context.Context, args []string) int {
	written := &checked{Writer: c.out}
	c.out = written
	root := c.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = written.err // of what is printed by cobra, such as --help
	}
	var signal interrupted
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNo):
		return exitNo
	case errors.As(err, &signal):
		return exitSignal + int(signal.by)
	default:
		c.note("%v", err)
		return exitNoAnswer
	}
}

// command returns the root command. It is long because of its help.
func (c *cli) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "authmw",
		Short: "Access tokens of a Cloudreve site, for local debugging",
		Long: `Authmw makes, explains and checks the access tokens of a Cloudreve v4 site, and
sends requests with one.

Some commands act as a user: login, logout, status, whoami, request and
token --login. They need the user's password, once, and no key.

The others need the site's master key, the setting secret_key. They find it
  --config FILE     as Cloudreve does, by its conf.ini: CR_SETTING_secret_key,
                    else the database that the file names. Where Cloudreve is
                    given CR_CONF_… variables, as under Docker, set those here
                    too; CR_CONF_Database__Host is CR_CONF_Database.Host
  --dsn URL         in a database: sqlite:PATH, mysql://user@host/name or
                    postgres://user@host/name
  --key-file FILE   in a file, or on standard input with -
  otherwise         in the environment: CR_SETTING_secret_key has the key,
                    AUTHMW_DSN a database's URL, with its password. If both
                    are set, the database has the users and the key is
                    that of the variable
No secret is ever an argument: others on the machine can read those.

The exit status is 0 for yes, 1 for no, and 2 if there is no answer, such as for
a wrong path or a database that is down.`,
		Example: `  curl -H "Authorization: Bearer $(authmw token --config data/conf.ini --email admin@example.com)" \
    http://127.0.0.1:5212/api/v4/user/me
  authmw inspect eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2…
  authmw doctor --config data/conf.ini --url http://127.0.0.1:5212
  authmw login http://127.0.0.1:5212
  authmw request GET /api/v4/user/me`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	})
	group(root)
	root.AddCommand(c.tokenCommand(), c.inspectCommand(), c.verifyCommand(), c.hashidCommand(), c.keyCommand(), c.doctorCommand(),
		c.loginCommand(), c.logoutCommand(), c.statusCommand(), c.whoamiCommand(), c.requestCommand())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() {
			group(cmd)
		}
	}
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noCommand(cmd, rest[0])
			}
			return cmd.Help()
		},
	})
	return root
}

// group makes cmd one that does nothing but hold others.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return noCommand(cmd, args[0])
	}
}

// noCommand is the error for a name that is not of one of cmd's commands.
func noCommand(cmd *cobra.Command, name string) error {
	meant := ""
	if suggestions := cmd.SuggestionsFor(name); len(suggestions) > 0 {
		meant = " (did you mean " + strings.Join(suggestions, " or ") + "?)"
	}
	return fmt.Errorf("there is no command %s %s%s: see %s --help", cmd.CommandPath(), name, meant, cmd.CommandPath())
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
