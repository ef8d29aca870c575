package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gatepost/crm/connect"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/outbound"

	"github.com/spf13/cobra"
)

// errNoApp says how to name the shared app of a CRM.
var errNoApp = errors.New(`the configuration is not complete: there is no app of any CRM.
  Set GATEPOST_SFDC_CLIENT_ID and GATEPOST_SFDC_CLIENT_SECRET (consumer key and secret of the app in Salesforce), or store them here:
  gatepost service set sfdc --client-id KEY --client-secret-stdin`)

// trustedLogins are the addresses of the operator's own choice: of the
// environment, what is set, and those of services that were defined here.
func trustedLogins(store *db.DB, fromEnvironment string) outbound.Trusted {
	return func(ctx context.Context) ([]string, error) {
		all, err := identity.OperatorAddresses(ctx, store)
		return append(all, fromEnvironment), err
	}
}

// openVault is a vault for commands that end connections or set services.
func openVault(ctx context.Context, store *db.DB, c identityConfig) (*identity.Vault, error) {
	keys, err := openKeys(ctx, c.Keyset, store)
	if err != nil {
		return nil, err
	}
	store.SetCRMs(connect.New(connect.Config{}).Providers().Services()...)
	return identity.New(identity.Config{Store: store, Keys: keys, Now: store.Now, HTTP: outbound.Client(trustedLogins(store, c.LoginURL)), TenantHTTP: outbound.Client(outbound.Trust()),
		Services: services(c.service())})
}

// service is Salesforce as the environment has it.
func (c identityConfig) service() identity.Service {
	return identity.SalesforceService(c.ClientID, c.ClientSecret, "", c.LoginURL)
}

func (p *program) serviceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "service", Short: "Show and set how Gatepost speaks to a service"}
	cmd.AddCommand(p.serviceListCommand(), p.serviceGetCommand(), p.serviceSetCommand(), p.serviceAddCommand(), p.serviceRemoveCommand(), p.serviceTestCommand(), p.serviceLogCommand())
	return cmd
}

func (p *program) serviceGetCommand() *cobra.Command {
	var output, tenant string
	get := &cobra.Command{
		Use:   "get SERVICE",
		Short: "Show the settings of a service and where each comes from; never the secret",
		Long: `Show the settings of a service and where each comes from: what was set wins over
the environment that this command runs in, and that over the default. With
--tenant those of a tenant's own app.`,
		Args:    named(cobra.ExactArgs(1)),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				if tenant != "" {
					return p.showTenantApp(cmd.Context(), store, c, args[0], tenant, output)
				}
				return p.showService(cmd.Context(), store, c, args[0], output)
			})
		},
	}
	outputFlag(get, &output)
	get.Flags().StringVar(&tenant, "tenant", "", "the own app of this tenant")
	return get
}

// setting is a value of a service and where it comes from.
type setting struct {
	Value string `json:"value,omitempty"` // never a secret
	From  string `json:"from"`            // set, environment, default or missing; of a tenant's app also installation
}

// newSetting takes the first of the values that is there.
func newSetting(set, environment, standard string) setting {
	switch {
	case set != "":
		return setting{set, "set"}
	case environment != "":
		return setting{environment, "environment"}
	case standard != "":
		return setting{standard, "default"}
	}
	return setting{From: "missing"}
}

// serviceRow is what is shown of a service.
type serviceRow struct {
	Service      string     `json:"service"`
	Tenant       string     `json:"tenant,omitempty"` // whose own app it is
	ClientID     setting    `json:"client_id"`
	ClientSecret setting    `json:"client_secret"`
	Scopes       setting    `json:"scopes"`
	LoginURL     setting    `json:"login_url"`
	SetAt        *time.Time `json:"set_at,omitempty"`

	Defined    bool              `json:"defined"`              // here, by service add
	Definition *identity.Service `json:"definition,omitempty"` // how it is spoken to; it has no secret
}

func (p *program) showService(ctx context.Context, store *db.DB, c identityConfig, service, output string) error {
	r, err := installationRow(ctx, store, c, service)
	if err != nil {
		return err
	}
	return p.printService(r, output)
}

// installationRow is what is to be shown of a service of the installation.
func installationRow(ctx context.Context, store *db.DB, c identityConfig, service string) (serviceRow, error) {
	s, err := c.known(ctx, store, service)
	if err != nil {
		return serviceRow{}, err
	}
	set, err := store.ServiceSettings(ctx, service)
	if err != nil {
		return serviceRow{}, err
	}
	environment := identity.Service{} // it is Salesforce's alone
	if service == identity.Salesforce {
		environment = identity.Service{ClientID: c.ClientID, ClientSecret: c.ClientSecret, LoginURL: c.LoginURL}
	}
	return serviceRow{
		Service: service, SetAt: optional(set.SetAt), ClientID: newSetting(set.ClientID, environment.ClientID, ""),
		ClientSecret: setting{From: newSetting(set.SealedSecret, environment.ClientSecret, "").From},
		Scopes:       newSetting(set.Scopes, "", strings.Join(s.Scopes, " ")),
		LoginURL:     newSetting(set.LoginURL, environment.LoginURL, s.LoginURL),
		Defined:      !slices.ContainsFunc(identity.BuiltIn(), func(b identity.Service) bool { return b.ID == service }), Definition: &s,
	}, nil
}

func (p *program) printService(r serviceRow, output string) error {
	if output == "json" {
		return p.json(r)
	}
	from := func(s setting) string {
		if s.From == "set" {
			return "set (" + age(r.SetAt) + " ago)"
		}
		return s.From
	}
	name := r.Service
	if r.Tenant != "" {
		name += " of " + r.Tenant
	}
	err := p.table("SERVICE\t"+name+"\tFROM", func(w io.Writer) {
		for _, line := range []struct {
			name string
			setting
		}{{"CLIENT ID", r.ClientID}, {"CLIENT SECRET", r.ClientSecret}, {"SCOPES", r.Scopes}, {"LOGIN", r.LoginURL}} {
			if line.name == "CLIENT SECRET" && line.From != "missing" {
				line.Value = "(not shown)"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", line.name, dash(plain(line.Value)), from(line.setting))
		}
	})
	if err != nil || r.Definition == nil {
		return err
	}
	_, _ = fmt.Fprintln(p.out)
	where := "built in"
	if r.Defined {
		where = "defined here"
	}
	return p.printDefinition(*r.Definition, where)
}

// serviceFlags are what service set was told.
type serviceFlags struct {
	tenant             string // whose own app is meant; empty for the installation's
	clientID, loginURL string
	secretFromStdin    bool
	scopes, unset      []string
}

// The names of the settings, as --unset has them.
var serviceSettings = []string{"client-id", "client-secret", "scope", "login-url"}

func (p *program) serviceSetCommand() *cobra.Command {
	var f serviceFlags
	var given identity.Service
	set := &cobra.Command{
		Use:   "set SERVICE",
		Short: "Set how Gatepost speaks to a service, also while the server runs",
		Long: `Set how Gatepost speaks to a service. What is set is stored in the database, the
secret sealed, and wins over the environment. A running server uses it from its
next call on. Connections whose app was refused are tried again. Those that were made
with another client id break, and go on when that is set again or they are reconnected.
With --tenant it sets the tenant's own app, which takes precedence over the shared
one for what that tenant authorizes.

The other flags change the definition of a service that was defined by service add;
--rotates=false and the like take a switch back, and --unset a part. What would send
tokens or the secret elsewhere is refused while there are any.`,
		Example: `  gatepost service set sfdc --client-id 3MVG9... --client-secret-stdin < secret.txt
  gatepost service set sfdc --scope "api refresh_token id"
  gatepost service set sfdc --unset login-url
  gatepost service set hubspot --client-id 1c3f... --client-secret-stdin < secret.txt
  gatepost service set sfdc --tenant contoso --client-id 3MVG9... --client-secret-stdin < secret.txt
  gatepost service set sfdc --tenant contoso --unset app
  gatepost service set acme --separator , --no-pkce --native team --native region
  gatepost service set acme --unset native,no-pkce`,
		Args: named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var definition definitionChange
			definition, f.unset = newDefinitionChange(given, cmd.Flags().Changed, f.unset)
			if f.tenant != "" && len(definition.parts) > 0 {
				return fmt.Errorf("--%s is a part of the definition, which all tenants share", definition.parts[0].flag)
			}
			if f.tenant != "" {
				return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
					return p.setTenantApp(cmd.Context(), store, c, args[0], f, cmd.Flags().Changed)
				})
			}
			change, err := p.serviceChange(f, cmd.Flags().Changed)
			if errors.Is(err, errNothingToSet) && len(definition.parts) > 0 {
				err = nil
			}
			if err != nil {
				return err
			}
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				if len(definition.parts) > 0 {
					if err := p.changeDefinition(cmd.Context(), store, c, args[0], definition); err != nil {
						return err
					}
				}
				return p.setService(cmd.Context(), store, c, args[0], change)
			})
		},
	}
	set.Flags().StringVar(&f.clientID, "client-id", "", "client id of the app; Salesforce calls it consumer key")
	set.Flags().BoolVar(&f.secretFromStdin, "client-secret-stdin", false, "read the app's client secret from standard input")
	set.Flags().StringArrayVar(&f.scopes, "scope", nil, "scopes to ask for, separated by spaces; may be given several times")
	set.Flags().StringVar(&f.loginURL, "login-url", "", "one further login address, as https://sso.example; of a tenant, its own host of the service")
	set.Flags().StringSliceVar(&f.unset, "unset", nil, "take a setting back: "+tenantSettings)
	set.Flags().StringVar(&f.tenant, "tenant", "", "set the own app of this tenant")
	withFlags(set, &given)
	return set
}

func (p *program) setService(ctx context.Context, store *db.DB, c identityConfig, service string, change identity.ServiceChange) error {
	if _, err := c.known(ctx, store, service); err != nil {
		return err
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	if change != (identity.ServiceChange{}) {
		err = vault.SetService(ctx, service, change)
	}
	if errors.Is(err, identity.ErrPublic) {
		return fmt.Errorf("--client-secret-stdin: %s is defined as a public client, which has no secret. Change that first: gatepost service set %s --public=false", service, service)
	}
	if errors.Is(err, identity.ErrNoLoginURL) {
		return fmt.Errorf("--login-url: %s is authorized at fixed addresses", service)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(p.out, "Done. A running server uses it from its next call on.")
	if change.ClientID != nil {
		n, err := vault.MadeWithOtherApp(ctx, service, "")
		if err != nil {
			return err
		}
		p.tellOfOthers(n)
	}
	return p.showService(ctx, store, c, service, "table")
}

// serviceChange checks what is to be set, and reads the secret.
func (p *program) serviceChange(f serviceFlags, given func(flag string) bool) (c identity.ServiceChange, err error) {
	if given("client-id") {
		c.ClientID = &f.clientID
	}
	if f.secretFromStdin {
		secret, err := p.password(true)
		if err != nil {
			return c, err
		}
		c.ClientSecret = &secret
	}
	if given("scope") {
		scopes := strings.Fields(strings.Join(f.scopes, " "))
		c.Scopes = &scopes
	}
	if given("login-url") {
		c.LoginURL = &f.loginURL
	}
	if err := checkChange(c); err != nil {
		return c, err
	}
	err = takeBack(&c, f.unset)
	return c, err
}

// checkChange returns an error for a value that can't be meant.
func checkChange(c identity.ServiceChange) error {
	for _, v := range []struct {
		name  string
		value *string
	}{{"client-id", c.ClientID}, {"client-secret", c.ClientSecret}, {"login-url", c.LoginURL}} {
		switch {
		case v.value == nil:
		case *v.value == "":
			return fmt.Errorf("the %s is empty: use --unset %s to take it back", v.name, v.name)
		case !identity.PlainValue(*v.value):
			return fmt.Errorf("the %s is too long, or has spaces or control characters in it", v.name)
		}
	}
	if c.Scopes != nil && len(*c.Scopes) == 0 {
		return errors.New("the scope is empty: use --unset scope to take it back")
	}
	if c.LoginURL != nil {
		if problem := checkURL(*c.LoginURL, ""); problem != "" {
			return fmt.Errorf("--login-url: %s", problem)
		}
	}
	return nil
}

var errNothingToSet = errors.New("there is nothing to set: see gatepost service set --help")

// takeBack adds to the change what is to be taken back.
func takeBack(c *identity.ServiceChange, names []string) error {
	for _, name := range names {
		if !slices.Contains(serviceSettings, name) {
			return fmt.Errorf("--unset %s: there is %s, and the parts of a definition", name, strings.Join(serviceSettings, ", "))
		}
		nothing := ""
		switch name {
		case "client-id":
			c.ClientID = &nothing
		case "client-secret":
			c.ClientSecret = &nothing
		case "login-url":
			c.LoginURL = &nothing
		case "scope":
			c.Scopes = &[]string{}
		}
	}
	if *c == (identity.ServiceChange{}) {
		return errNothingToSet
	}
	return nil
}
