package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
)

func (p *program) serviceTestCommand() *cobra.Command {
	var output string
	test := &cobra.Command{
		Use:   "test SERVICE",
		Short: "Try how Gatepost speaks to a service against its server, without a user",
		Long: `Try how Gatepost speaks to a service against its server, without a user: whether its
end points are there, whether they refuse what is made up in a form that Gatepost reads,
and whether they are those that the service names itself. The client secret is sent to the
token end point alone. The exit code is 1 when a check fails.`,
		Args:    named(cobra.ExactArgs(1)),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.testService(cmd.Context(), store, c, args[0], output)
			})
		},
	}
	outputFlag(test, &output)
	return test
}

func (p *program) testService(ctx context.Context, store *db.DB, c identityConfig, service, output string) error {
	if _, err := c.known(ctx, store, service); err != nil {
		return err
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	if portal := strings.TrimRight(p.env["GATEPOST_URL"], "/"); portal != "" {
		vault.Callback = config{URL: portal}.callback
	}
	checks, err := vault.TestService(ctx, service)
	if err != nil {
		return err
	}
	if err := p.printChecks(checks, output); err != nil {
		return err
	}
	if slices.ContainsFunc(checks, func(c identity.Check) bool { return c.Result == identity.CheckFailed }) {
		return errors.New("a check failed: see above")
	}
	return nil
}

func (p *program) printChecks(checks []identity.Check, output string) error {
	if output == "json" {
		return p.json(checks)
	}
	return p.table("CHECK\tRESULT\tFOUND", func(w io.Writer) {
		for _, c := range checks {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.Result, plain(c.Found))
			if c.Address != "" {
				_, _ = fmt.Fprintf(w, "\t\tat %s\n", plain(c.Address))
			}
			if c.Mend != "" {
				_, _ = fmt.Fprintf(w, "\t\tto mend it: %s\n", plain(c.Mend))
			}
		}
	})
}
