package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gatepost/auth"
	"gatepost/db"

	"github.com/spf13/cobra"
)

// withStore runs fn on the configured database.
func (p *program) withStore(ctx context.Context, fn func(*db.DB) error) error {
	c, err := readStorage(p.env)
	if err != nil {
		return err
	}
	store, err := p.openStore(ctx, c.Database)
	if err != nil {
		return err
	}
	return errors.Join(fn(store), store.Close())
}

func (p *program) apiKeyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "apikey", Short: "Add, list and remove keys for the HTTP API"}
	cmd.AddCommand(p.apiKeyAddCommand(), p.apiKeyListCommand(), p.apiKeyRemoveCommand())
	return cmd
}

func (p *program) apiKeyAddCommand() *cobra.Command {
	var services, tenants, allow []string
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key and print it, once",
		Long: `Makes a key for the HTTP API and prints it. It is stored as a hash alone, so it can't be shown again.
Without --service and --tenant it is for all of them.`,
		Args: named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error {
				ids, err := tenantIDs(cmd.Context(), store, tenants)
				if err != nil {
					return err
				}
				for _, id := range services {
					if _, err := (identityConfig{}).known(cmd.Context(), store, id); err != nil {
						return err
					}
				}
				_, secret, err := auth.NewAPIKey(cmd.Context(), store, args[0], services, ids, allow)
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintf(p.errOut, "This is the only time that the key is shown. It is for %s of %s, to %s.\n",
					allOr(services, "all services"), allOr(tenants, "all tenants"), strings.Join(allow, " and "))
				_, err = fmt.Fprintln(p.out, secret)
				return err
			})
		},
	}
	add.Flags().StringSliceVar(&services, "service", nil, "only for this service, as sfdc (may be repeated)")
	add.Flags().StringSliceVar(&tenants, "tenant", nil, "only for this tenant, by its slug (may be repeated)")
	add.Flags().StringSliceVar(&allow, "allow", []string{auth.Read}, "what it may do: read (list, and get credentials), delete, call (a service's API, without its token)")
	return add
}

func tenantIDs(ctx context.Context, store *db.DB, slugs []string) (ids []string, err error) {
	for _, slug := range slugs {
		t, err := store.TenantBySlug(ctx, slug)
		if errors.Is(err, db.ErrNotFound) {
			return nil, fmt.Errorf("there is no tenant %q", slug)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, t.ID)
	}
	return ids, nil
}

func allOr(list []string, all string) string {
	if len(list) == 0 {
		return all
	}
	return strings.Join(list, ", ")
}

// apiKeyRow is what is shown of a key.
type apiKeyRow struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Services  []string   `json:"services"` // none: all
	Tenants   []string   `json:"tenants"`  // slugs; none: all
	Allow     []string   `json:"allow"`
	CreatedAt *time.Time `json:"created_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
}

func (p *program) apiKeyListCommand() *cobra.Command {
	var output string
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List the keys, and when each was last used",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.listAPIKeys(cmd.Context(), store, output) })
		},
	}
	outputFlag(ls, &output)
	return ls
}

func (p *program) listAPIKeys(ctx context.Context, store *db.DB, output string) error {
	keys, err := store.APIKeys(ctx)
	if err != nil {
		return err
	}
	tenants, err := store.Tenants(ctx)
	if err != nil {
		return err
	}
	slugs := map[string]string{}
	for _, t := range tenants {
		slugs[t.ID] = t.Slug
	}
	rows := []apiKeyRow{}
	for _, k := range keys {
		r := apiKeyRow{ID: k.ID, Name: k.Name, Services: append([]string{}, k.Services...), Tenants: []string{}, Allow: k.Actions,
			CreatedAt: optional(k.CreatedAt), UsedAt: optional(k.UsedAt)}
		for _, id := range k.Tenants {
			r.Tenants = append(r.Tenants, cmp.Or(slugs[id], "(removed)"))
		}
		rows = append(rows, r)
	}
	if output == "json" {
		return p.json(rows)
	}
	return p.table("ID\tNAME\tSERVICES\tTENANTS\tALLOWS\tADDED\tUSED", func(w io.Writer) {
		for _, r := range rows {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, plain(r.Name), allOr(r.Services, "all"), allOr(r.Tenants, "all"),
				strings.Join(r.Allow, ", "), moment(r.CreatedAt), ago(r.UsedAt))
		}
	})
}

func (p *program) apiKeyRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm ID",
		Short: "Remove a key; it is refused from then on",
		Args:  named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error {
				err := store.DeleteAPIKey(cmd.Context(), args[0])
				if errors.Is(err, db.ErrNotFound) {
					return fmt.Errorf("there is no key with the id %q: see apikey ls", args[0])
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(p.out, "Removed. It is refused from now on.")
				return err
			})
		},
	}
}
