package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authmw/authmw/hashid"
)

func (c *cli) hashidCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hashid",
		Short: "Turn the numbers in Cloudreve's database into IDs, and back",
		Long: `Turn the numbers in Cloudreve's database into the IDs that its API and the sub
of its tokens have, and back. That takes the setting hash_id_salt, from the
database or from --salt. It is no secret.`,
	}
	encode := &cobra.Command{
		Use:     "encode NUMBER",
		Short:   "Print the ID of a number",
		Example: "  authmw hashid encode --config data/conf.ini 1\n  authmw hashid encode --config data/conf.ini --type folder 42",
		Args:    arguments(1, 1, "a number"),
	}
	decode := &cobra.Command{
		Use:     "decode ID",
		Short:   "Print the number of an ID",
		Example: "  authmw hashid decode --config data/conf.ini wGH0",
		Args:    arguments(1, 1, "an ID"),
	}
	encodeJSON, decodeJSON := jsonFlag(encode), jsonFlag(decode)
	show := func(asJSON bool, text any, n int64, id string, t hashid.Type) error {
		if asJSON {
			return c.printJSON(hashidJSON{n, id, typeName(t)})
		}
		return c.print("%v\n", text)
	}
	cmd.AddCommand(
		c.withIDs(encode, func(ids *hashid.Encoder, t hashid.Type, argument string) error {
			n, err := strconv.ParseInt(argument, 10, 64)
			if err != nil || n < 0 {
				return fmt.Errorf("%s is not a whole number: give the number that the database has", argument)
			}
			id, err := ids.Encode(n, t)
			if err != nil {
				return err
			}
			return show(*encodeJSON, id, n, id, t)
		}),
		c.withIDs(decode, func(ids *hashid.Encoder, t hashid.Type, argument string) error {
			n, err := ids.Decode(argument, t)
			if err != nil {
				return fmt.Errorf("%s is %s: is this the database of its site?", argument, strings.TrimPrefix(err.Error(), "hashid: "))
			}
			return show(*decodeJSON, n, n, argument, t)
		}),
	)
	return cmd
}

// hashidJSON is what hashid --json prints.
type hashidJSON struct {
	Number int64  `json:"number"`
	ID     string `json:"id"`
	Type   string `json:"type"`
}

// typeName is a type as --type takes it.
func typeName(t hashid.Type) string { return strings.ReplaceAll(strings.ToLower(t.String()), " ", "-") }

// withIDs adds to cmd the flags for a salt and a type, and has it run with them.
func (c *cli) withIDs(cmd *cobra.Command, run func(ids *hashid.Encoder, t hashid.Type, argument string) error) *cobra.Command {
	var names []string
	for t := hashid.Share; t <= hashid.Payment; t++ {
		names = append(names, typeName(t))
	}
	var salt, wanted string
	cmd.Flags().StringVar(&salt, "salt", "", "the setting hash_id_salt")
	cmd.Flags().StringVar(&wanted, "type", "user", "what it is the ID of, a `TYPE`: "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	cmd = c.withSite(cmd, func(ctx context.Context, s *site, args []string) error {
		if cmd.Flags().Changed("salt") && salt == "" {
			return errors.New("--salt is empty: give the setting hash_id_salt")
		}
		t := hashid.Type(-1)
		for n, name := range names {
			if name == strings.ToLower(wanted) {
				t = hashid.Type(n)
			}
		}
		if t < 0 {
			return fmt.Errorf("there is no type %s: it is one of %s", wanted, strings.Join(names, ", "))
		}
		ids, err := hashid.New(salt)
		if salt == "" {
			ids, err = s.ids(ctx)
		}
		if err != nil {
			return err
		}
		return run(ids, t, args[0])
	})
	_ = cmd.Flags().MarkHidden("key-file") // which has no salt
	return cmd
}
