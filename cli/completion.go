package cli

import (
	"context"
	"strings"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
)

// completeWithin bounds how long somebody who pressed the tab key waits.
const completeWithin = 2 * time.Second

// completions has the shell complete services, tenants, formats and what keys allow in the
// flags and arguments of a command and those below it.
func (p *program) completions(cmd *cobra.Command) {
	lists := map[string]cobra.CompletionFunc{"allow": actions, "service": p.serviceIDs, "tenant": p.tenants,
		"output": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp
		}}
	for flag, list := range lists {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, list) // fails for one that isn't there
		}
	}
	words := strings.Fields(cmd.Use)[1:]
	if cmd.Runnable() && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) >= len(words) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			word := words[len(args)]
			if list := lists[strings.ToLower(word)]; list != nil {
				return list(cmd, args, begun)
			}
			if word == "FILE" {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	for _, below := range cmd.Commands() {
		p.completions(below)
	}
}

// actions completes what an API key may do.
func actions(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	for _, a := range auth.Actions {
		names = append(names, a.Name+"\t"+a.What)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// serviceIDs completes the id of a service: of one that is built in, or of one that
// the operator has defined, where the database tells.
func (p *program) serviceIDs(cmd *cobra.Command, _ []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
	for _, s := range identity.BuiltIn() {
		ids = append(ids, s.ID+"\t"+s.Name)
	}
	defined, _ := p.peek(cmd, db.DefinedServices)
	return append(ids, defined...), cobra.ShellCompDirectiveNoFileComp
}

// tenants completes the slug of a tenant.
func (p *program) tenants(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	slugs, err := p.peek(cmd, db.TenantSlugs)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slugs, cobra.ShellCompDirectiveNoFileComp
}

// peek reads names from the configured database, which it neither makes nor changes.
func (p *program) peek(cmd *cobra.Command, names func(ctx context.Context, path string) ([]string, error)) ([]string, error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	c, err := readStorage(p.env)
	if err != nil {
		return nil, err
	}
	return names(ctx, c.Database)
}
