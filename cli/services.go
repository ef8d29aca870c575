package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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
func (c identityConfig) definitions(store *db.DB) *identity.Vault {
	return identity.New(identity.Config{Store: store, Services: services(c.service()), Now: store.Now})
}

// known returns the service with the id.
func (c identityConfig) known(ctx context.Context, store *db.DB, id string) (identity.Service, error) {
	s, err := c.definitions(store).Service(ctx, id)
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
	listed, err := c.definitions(store).Services(ctx)
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
	var params, askParams []string
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
			s.Scopes, s.NeedScopes = words(s.Scopes), words(s.NeedScopes)
			var err error
			if s.Params, err = namedValues("--param", params); err != nil {
				return err
			}
			if s.AskParams, err = namedValues("--ask-param", askParams); err != nil {
				return err
			}
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.addService(cmd.Context(), store, c, s, output)
			})
		},
	}
	outputFlag(add, &output)
	definitionFlags(add, &s, &params, &askParams)
	return add
}

// namedValues takes a flag's pairs of a name and a value apart.
func namedValues(flag string, pairs []string) (map[string]string, error) {
	var values map[string]string
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%s %s: it has to be NAME=VALUE", flag, plain(pair))
		}
		if values == nil {
			values = map[string]string{}
		}
		values[name] = value
	}
	return values, nil
}

// words are lists of words, taken apart at spaces.
func words(lists []string) []string { return strings.Fields(strings.Join(lists, " ")) }

// definitionFlags are the parts of a definition as flags.
func definitionFlags(cmd *cobra.Command, s *identity.Service, params, askParams *[]string) {
	f := cmd.Flags()
	f.StringVar(&s.Name, "name", "", "its name for people")
	f.StringVar(&s.LoginURL, "login-url", "", "where users log in: scheme and host")
	f.StringVar(&s.AuthorizeURL, "authorize-url", "", "authorize end point")
	f.StringVar(&s.TokenURL, "token-url", "", "token end point")
	f.StringVar(&s.IntrospectURL, "introspect-url", "", "introspection end point (RFC 7662), if there is one")
	f.StringVar(&s.UserinfoURL, "userinfo-url", "", "end point that tells whose a token is, if there is one")
	f.StringVar(&s.Revoke.URL, "revoke-url", "", "revocation end point (RFC 7009), if there is one; {client_id} and {token} are filled in")
	f.StringVar(&s.Revoke.Method, "revoke-method", "", "POST, DELETE or GET; POST when left out")
	f.StringVar(&s.Revoke.Field, "revoke-field", "", "field with the token; token when left out")
	f.BoolVar(&s.Revoke.JSON, "revoke-json", false, "send an object rather than a form")
	f.StringVar(&s.Revoke.Auth, "revoke-auth", "", "client (as at the token end point), basic, or token (the token in a header); when left out, the client only if it is asked for")
	f.BoolVar(&s.Revoke.ByAccess, "revoke-by-access-token", false, "only an access token can be revoked")
	f.StringArrayVar(&s.Revoke.Gone, "revoke-gone", nil, "code or status that says that a token is no more; may be given several times")
	f.StringVar(&s.Revoke.Ends, "revoke-ends", "", "user or org: whose other authorizations end with a token's")
	f.StringArrayVar(&s.Scopes, "scope", nil, "scopes to ask for, separated by spaces; may be given several times")
	f.StringArrayVar(&s.NeedScopes, "need-scope", nil, "scopes without which a connection is refused")
	f.StringVar(&s.RefreshScope, "refresh-scope", "", "scope that has to be asked for to get a refresh token, as offline_access")
	f.StringVar(&s.Separator, "separator", "", "between scopes, when it is a comma")
	f.StringArrayVar(params, "param", nil, "further parameter of the authorize end point, NAME=VALUE; may be given several times")
	f.StringArrayVar(askParams, "ask-param", nil, "parameter that has the service ask who is meant, NAME=VALUE; may be given several times")
	f.BoolVar(&s.BasicAuth, "basic-auth", false, "the client authenticates in a header rather than in the form")
	f.StringSliceVar(&s.HostSuffixes, "host", nil, "further hosts to log in at; with a dot before it, all below")
	f.StringSliceVar(&s.APIHosts, "api-host", nil, "hosts that may see a token; any when left out")
	f.StringVar(&s.LoginParam, "login-param", "", "parameter of the callback that names the login address to go on at")
	f.StringVar(&s.InstanceField, "instance-field", "", "field that names the address of the API")
	f.StringVar(&s.TokenScheme, "token-scheme", "", "how the API wants the token presented; Bearer when left out")
	f.StringVar(&s.OrgField, "org-field", "", "field with the id of the organisation")
	f.StringVar(&s.UserField, "user-field", "", "field with the id of the user")
	f.StringVar(&s.NameField, "name-field", "", "field with a name for people")
	f.BoolVar(&s.NoPKCE, "no-pkce", false, "it takes no code challenge (PKCE)")
	f.BoolVar(&s.RefreshOptional, "no-refresh-token", false, "a connection may come without a refresh token")
	f.BoolVar(&s.Rotates, "rotates", false, "a refresh token works once")
	f.BoolVar(&s.ErrorsWith200, "errors-with-200", false, "a refusal may come with HTTP 200")
	f.StringArrayVar(&s.ErrorFields, "error-field", nil, "field with the code of a refusal; error when left out")
	f.StringArrayVar(&s.Permanent, "permanent-error", nil, "code after which only connecting anew helps, beside those of RFC 6749")
}

func (p *program) addService(ctx context.Context, store *db.DB, c identityConfig, s identity.Service, output string) error {
	err := c.definitions(store).AddService(ctx, s)
	if errors.Is(err, identity.ErrServiceExists) {
		return fmt.Errorf("there is a service %s already", s.ID)
	}
	if err != nil {
		return err
	}
	if output == "json" {
		return p.json(s)
	}
	_, _ = fmt.Fprintf(p.out, "Defined. Its redirect URL is GATEPOST_URL/integrations/%s/callback. Now set its app:\n  gatepost service set %s --client-id ID --client-secret-stdin\n", s.ID, s.ID)
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
	unrevoked, err := c.definitions(store).RemoveService(ctx, id)
	var left *db.IdentitiesLeftError
	switch {
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
