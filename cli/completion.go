package cli

import (
	"context"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
)

// completeWithin bounds how long somebody who pressed the tab key waits.
const completeWithin = 2 * time.Second

// completions has the shell complete services, tenants and formats in the flags and
// arguments of a command and those below it.
func (p *program) completions(cmd *cobra.Command) {
	lists := map[string]cobra.CompletionFunc{"service": p.serviceIDs, "tenant": p.tenants,
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

// serviceIDs completes the id of a service.
func (p *program) serviceIDs(*cobra.Command, []string, string) (ids []string, _ cobra.ShellCompDirective) {
	for _, s := range identity.BuiltIn() {
		ids = append(ids, s.ID+"\t"+s.Name)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// tenants completes the slug of a tenant. It makes no database and changes none.
func (p *program) tenants(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	c, err := readStorage(p.env)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	slugs, err := db.TenantSlugs(ctx, c.Database)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slugs, cobra.ShellCompDirectiveNoFileComp
}
