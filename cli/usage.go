package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes of the command.
const (
	exitDone   = 0 // what was asked for is done
	exitFailed = 1
	exitUsage  = 2 // the command line makes no sense; nothing was begun
)

// usageError says what is wrong with a command line.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode is what a command that ended with err exits with.
func exitCode(err error) int {
	var wrong usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong):
		return exitUsage
	}
	return exitFailed
}

// checkUsage makes usage errors of what cobra finds wrong with the flags and
// arguments of cmd and the commands below it, and refuses a subcommand that
// isn't there: cobra prints its help instead, as if that had been asked for.
func checkUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w (see %s --help)", err, cmd.CommandPath())
	})
	switch check := cmd.Args; {
	case cmd.Name() == "help":
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if found, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 && found.HasSubCommands() {
				return usage("there is no command %q", "gatepost "+strings.Join(args, " "))
			}
			return nil
		}
	case cmd.HasSubCommands() && !cmd.Runnable():
		cmd.Args = knownSubcommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	case check != nil:
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(check(cmd, args), cmd.ValidateRequiredFlags()); err != nil {
				return usage("%w\nusage: %s", err, cmd.UseLine())
			}
			return nil
		}
	}
	for _, below := range cmd.Commands() {
		checkUsage(below)
	}
}

// knownSubcommand refuses arguments of a command that only has others below it.
func knownSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	for _, guess := range cmd.SuggestionsFor(args[0]) {
		return usage("there is no command %q, did you mean %q?", cmd.CommandPath()+" "+args[0], guess)
	}
	return usage("there is no command %q (see %s --help)", cmd.CommandPath()+" "+args[0], cmd.CommandPath())
}
