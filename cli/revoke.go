package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
)

// ending is what became of a connection, and how its line and the sums say it.
type ending struct {
	ending    identity.Ending
	line, sum string
}

// endings are all there are, in the order of the sums.
var endings = []ending{
	{identity.Revoked, "revoked", "revoked at the service"},
	{identity.Pending, "not yet: it is tried again for a week", "not revoked at the service yet"},
	{identity.Shared, "not revoked: another connection has the same access", "not revoked, since another connection has the same access"},
	{identity.NoWay, "not revoked: the service offers no way", "not revoked, since the service offers no way"},
	{"", "failed: it is as it was", "could not be removed"},
}

func (p *program) identityRevokeCommand() *cobra.Command {
	var yes bool
	var output string
	var sel selection
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Revoke and remove all connections of a service, a tenant or a user, now",
		Long: `Revokes all connections that the flags name at their services, and removes them: with
a line for each, which says what became of it. At least one of --service, --tenant,
--user, --account, --tag and --id has to be named; all of them have to match.

It goes through them a hundred at a time, and goes on with the rest when one can't be
removed. What is done stays done when it is stopped; the same command goes on. What is
authorized while it runs is left alone. Where a service can't be reached, a running server
goes on trying for a week. The exit code is 1 when some are not revoked yet.`,
		Example: `  gatepost identity revoke --user eve@example.com
  gatepost identity revoke --service google --tenant contoso --yes --output json`,
		Args:    named(sel.checked(cobra.NoArgs)),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.revokeIdentities(cmd.Context(), store, c, sel, yes, output)
			})
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	sel.allFlags(cmd)
	return cmd
}

func (p *program) revokeIdentities(ctx context.Context, store *db.DB, c identityConfig, sel selection, yes bool, output string) error {
	chosen, err := sel.selector(ctx, store)
	switch {
	case err != nil:
		return err
	case chosen.Empty():
		return usage("say whose: --service, --tenant, --user, --account, --tag or --id")
	}
	n, err := countIdentities(ctx, store, chosen)
	switch {
	case err != nil:
		return err
	case n == 0:
		return errors.New("no connection matches: nothing was revoked")
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	if !yes {
		if err := p.confirm(fmt.Sprintf("Revoke and remove %s?", count(n, "connection"))); err != nil {
			return err
		}
	}
	told := receipts{out: p.out, sums: map[identity.Ending]int{}}
	tell := told.line
	if output == "json" {
		tell = told.json
	}
	err = errors.Join(vault.DeleteEach(ctx, chosen, tell), told.end(output))
	if err != nil {
		return fmt.Errorf("%w. What is listed is done; the same command goes on with the rest", err)
	}
	return told.left()
}

// receipts prints receipts as they come, any number of them, and sums them up.
type receipts struct {
	out  io.Writer
	n    int
	sums map[identity.Ending]int
	err  error // of writing
}

func (r *receipts) printf(format string, args ...any) {
	_, err := fmt.Fprintf(r.out, format, args...)
	r.err = errors.Join(r.err, err)
}

// add counts a receipt.
func (r *receipts) add(one identity.Receipt) {
	r.n++
	r.sums[one.Ending]++
}

// line tells of a receipt in a line.
func (r *receipts) line(one identity.Receipt) {
	r.add(one)
	for _, e := range endings {
		if e.ending == one.Ending {
			r.printf("%s  %s  %s  %s\n", one.ID, one.Service, one.Tenant, e.line)
		}
	}
}

// receiptRow is a receipt as it is told to scripts.
type receiptRow struct {
	ID      string          `json:"id"`
	Service string          `json:"service"`
	Tenant  string          `json:"tenant"` // slug
	User    string          `json:"user"`
	Account string          `json:"account"`
	Ending  identity.Ending `json:"ending"` // empty when it could not be removed
	Error   string          `json:"error,omitempty"`
}

// json tells of a receipt within an array.
func (r *receipts) json(one identity.Receipt) {
	row := receiptRow{ID: one.ID, Service: one.Service, Tenant: one.Tenant, User: one.User, Account: one.Account, Ending: one.Ending}
	if one.Err != nil {
		row.Error = one.Err.Error()
	}
	text, err := json.Marshal(row)
	r.err = errors.Join(r.err, err)
	r.printf("%s    %s", map[bool]string{true: "{\n  \"receipts\": [\n", false: ",\n"}[r.n == 0], text)
	r.add(one)
}

// end prints the sums, and ends the JSON.
func (r *receipts) end(output string) error {
	if output == "json" {
		if r.n == 0 {
			r.printf("{\n  \"receipts\": [")
		}
		r.printf("\n  ],\n  \"removed\": %d, \"revoked\": %d, \"pending\": %d, \"shared\": %d, \"no_way\": %d, \"failed\": %d\n}\n", r.n-r.sums[""],
			r.sums[identity.Revoked], r.sums[identity.Pending], r.sums[identity.Shared], r.sums[identity.NoWay], r.sums[""])
		return r.err
	}
	var sums []string
	for _, e := range endings {
		if n := r.sums[e.ending]; n > 0 {
			sums = append(sums, fmt.Sprintf("%d %s", n, e.sum))
		}
	}
	r.printf("Removed %s: %s.\n", count(r.n-r.sums[""], "connection"), strings.Join(append(sums, map[bool][]string{true: {"none was there any more"}}[r.n == 0]...), "; "))
	return r.err
}

// left is an error for those that are not revoked yet, or not removed.
func (r *receipts) left() error {
	pending, failed := r.sums[identity.Pending], r.sums[""]
	switch {
	case failed > 0:
		return fmt.Errorf("%d could not be removed, and %d are not revoked yet: the same command goes on with the former, a running server with the latter for a week", failed, pending)
	case pending > 0:
		return fmt.Errorf("%d of %d are not revoked at the service yet: a running server goes on with them for a week", pending, r.n)
	}
	return nil
}
