package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
)

// services are those that Gatepost knows, with Salesforce as it is given.
func services(salesforce identity.Service) []identity.Service {
	all := identity.BuiltIn()
	all[0] = salesforce
	return all
}

// services are those that Gatepost knows, with the app that the environment has.
func (c config) services() []identity.Service {
	return services(identity.SalesforceService(c.ClientID, c.ClientSecret, "", c.LoginURL))
}

// callback is where a service sends browsers back to.
func (c config) callback(service string) string {
	return c.URL + "/integrations/" + service + "/callback"
}

// definitions is a vault to look services up in, which opens no secret.
func (c identityConfig) definitions(store *db.DB) (*identity.Vault, error) {
	return identity.New(identity.Config{Store: store, Services: services(c.service()), Now: store.Now, LookupOnly: true})
}

// known returns the service with the id.
func (c identityConfig) known(ctx context.Context, store *db.DB, id string) (identity.Service, error) {
	all, err := c.definitions(store)
	if err != nil {
		return identity.Service{}, err
	}
	s, err := all.Service(ctx, id)
	if errors.Is(err, identity.ErrNoService) {
		return s, fmt.Errorf("there is no service %q; gatepost service ls lists those that there are", id)
	}
	return s, err
}

// listedRow is a service in the list of them.
type listedRow struct {
	Service    string `json:"service"`
	Name       string `json:"name"`
	Defined    bool   `json:"defined"`    // here, by service add
	App        string `json:"app"`        // where its shared app is from: set, environment, or empty
	Identities int    `json:"identities"` // how many there are
	Revokes    bool   `json:"revokes"`    // whether it offers a way to revoke a token
	Callback   string `json:"callback"`   // path of the redirect URL to register
	LoginURL   string `json:"login_url"`  // where users log in
}

func (p *program) serviceListCommand() *cobra.Command {
	var output string
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List all services: which have an app, from where, and how many identities",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.listServices(cmd.Context(), store, c, output)
			})
		},
	}
	outputFlag(ls, &output)
	return ls
}

func (p *program) listServices(ctx context.Context, store *db.DB, c identityConfig, output string) error {
	all, err := c.definitions(store)
	if err != nil {
		return err
	}
	listed, err := all.Services(ctx)
	if err != nil {
		return err
	}
	counts, err := store.IdentityCounts(ctx)
	if err != nil {
		return err
	}
	rows := []listedRow{}
	for _, l := range listed {
		rows = append(rows, listedRow{Service: l.ID, Name: l.Name, Defined: l.Defined, App: l.App, Identities: counts[l.ID],
			Revokes: l.Revoke.URL != "", Callback: "/integrations/" + l.ID + "/callback", LoginURL: l.LoginURL})
	}
	if output == "json" {
		return p.json(rows)
	}
	return p.table("SERVICE\tNAME\tAPP\tIDENTITIES\tDEFINED", func(w io.Writer) {
		for _, r := range rows {
			defined := "built in"
			if r.Defined {
				defined = "here"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", plain(r.Service), plain(r.Name), dash(r.App), r.Identities, defined)
		}
	})
}

func (p *program) serviceAddCommand() *cobra.Command {
	var s identity.Service
	var output string
	add := &cobra.Command{
		Use:   "add ID",
		Short: "Define a further OAuth 2.0 service, also while the server runs",
		Long: `Define a further OAuth 2.0 service. End points are https addresses, or paths below
the login address. A field of an answer is named by its path, as team.id; one that
begins with callback, id_token or userinfo is looked for there; several are
separated by |. Then set its app with gatepost service set.`,
		Example: `  gatepost service add acme --name Acme --login-url https://id.acme.example \
    --authorize-url /oauth/authorize --token-url /oauth/token --revoke-url /oauth/revoke \
    --scope "contacts offline_access" --api-host api.acme.example --rotates`,
		Args:    cobra.ExactArgs(1),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, args []string) error {
			s.ID = args[0]
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.addService(cmd.Context(), store, c, s, output)
			})
		},
	}
	outputFlag(add, &output)
	definitionFlags(add.Flags(), &s, parts)
	return add
}

func (p *program) addService(ctx context.Context, store *db.DB, c identityConfig, s identity.Service, output string) error {
	all, err := c.definitions(store)
	if err != nil {
		return err
	}
	err = all.AddService(ctx, s)
	if errors.Is(err, identity.ErrServiceExists) {
		return fmt.Errorf("there is a service %s already", s.ID)
	}
	if err != nil {
		return err
	}
	if output == "json" {
		return p.json(s)
	}
	secret := " --client-secret-stdin"
	if s.Public {
		secret = ""
	}
	_, _ = fmt.Fprintf(p.out, "Defined. Its redirect URL is GATEPOST_URL/integrations/%s/callback. Now set its app, and try the definition:\n  gatepost service set %s --client-id ID%s\n  gatepost service test %s\n", s.ID, s.ID, secret, s.ID)
	return nil
}

func (p *program) serviceRemoveCommand() *cobra.Command {
	var output string
	rm := &cobra.Command{
		Use:     "rm SERVICE",
		Short:   "Remove a service that was defined by service add, and what is set of it",
		Args:    named(cobra.ExactArgs(1)),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.removeService(cmd.Context(), store, c, args[0], output)
			})
		},
	}
	outputFlag(rm, &output)
	return rm
}

func (p *program) removeService(ctx context.Context, store *db.DB, c identityConfig, id, output string) error {
	all, err := c.definitions(store)
	if err != nil {
		return err
	}
	unrevoked, err := all.RemoveService(ctx, id)
	var left *db.IdentitiesLeftError
	switch {
	case errors.As(err, &left) && left.Waiting > 0:
		return fmt.Errorf("identities of %s are left: %d. %d of them wait to be completed by the applications that began them, which takes ten minutes at most: try again then. Delete others first, with gatepost identity rm", id, left.N, left.Waiting)
	case errors.As(err, &left):
		return fmt.Errorf("identities of %s are left: %d. Delete them first, with gatepost identity rm", id, left.N)
	case errors.Is(err, identity.ErrBuiltIn):
		return fmt.Errorf("%s is built in, and can't be removed", id)
	case errors.Is(err, identity.ErrNoService):
		return fmt.Errorf("there is no service %q", id)
	case err != nil:
		return err
	}
	if output == "json" {
		return p.json(map[string]any{"removed": id, "unrevoked": unrevoked})
	}
	_, _ = fmt.Fprintf(p.out, "Removed %s, with what was set of it.\n", id)
	switch {
	case unrevoked == 1:
		_, _ = fmt.Fprintln(p.out, "1 token was yet to be revoked there: now only its user can end it, in the settings of the account.")
	case unrevoked > 1:
		_, _ = fmt.Fprintf(p.out, "%d tokens were yet to be revoked there: now only their users can end them, in the settings of their accounts.\n", unrevoked)
	}
	return nil
}
