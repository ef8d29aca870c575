package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// identityPage is how many connections are read at once.
const identityPage = 500

// identityConfig is what the commands about connections read.
type identityConfig struct {
	Database     string `env:"GATEPOST_DATABASE" envDefault:"gatepost.db"`
	Keyset       string `env:"GATEPOST_KEYSET" envDefault:"keyset.json"`
	ClientID     string `env:"GATEPOST_SFDC_CLIENT_ID"`
	ClientSecret string `env:"GATEPOST_SFDC_CLIENT_SECRET"`
	LoginURL     string `env:"GATEPOST_SFDC_LOGIN_URL"`
}

// withIdentities runs fn on the connections in the configured database.
func (p *program) withIdentities(ctx context.Context, fn func(*db.DB, identityConfig) error) error {
	var c identityConfig
	if err := together(read(&c, p.env)); err != nil {
		return err
	}
	store, err := p.openStore(ctx, c.Database)
	if err != nil {
		return err
	}
	return errors.Join(fn(store, c), store.Close())
}

func (p *program) identityCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "identity", Short: "List, show, remove, export and import tenants' connections to services"}
	cmd.AddCommand(p.identityListCommand(), p.identityGetCommand(), p.identityRemoveCommand(), p.identityRevokeCommand(), p.identityExportCommand(), p.identityImportCommand())
	return cmd
}

func (p *program) identityListCommand() *cobra.Command {
	var output string
	var sel selection
	ls := &cobra.Command{
		Use:   "ls",
		Short: "List the connections and their state",
		Args:  named(sel.checked(cobra.NoArgs)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				chosen, err := sel.selector(cmd.Context(), store)
				if err != nil {
					return err
				}
				all, err := c.definitions(store)
				if err != nil {
					return err
				}
				return p.listIdentities(cmd.Context(), all, chosen, output)
			})
		},
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
	}
	outputFlag(ls, &output)
	sel.allFlags(ls)
	return ls
}

func (p *program) identityGetCommand() *cobra.Command {
	var output string
	var sel selection
	get := &cobra.Command{
		Use:   "get SERVICE TENANT",
		Short: "Show what is known of a connection; never a credential",
		Long: "Shows the one connection of a tenant to a service, or the one that the flags name of several:\n" +
			"the tenant's own with --no-user --no-account. Or, without arguments, that with an --id.",
		Args:    named(sel.serviceAndTenant()),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				i, err := findIdentity(cmd.Context(), store, sel)
				if err != nil {
					return err
				}
				all, err := c.definitions(store)
				if err != nil {
					return err
				}
				described, err := all.Describe(cmd.Context(), i)
				if err != nil {
					return err
				}
				return p.showIdentity(identityRow{described[0]}, output)
			})
		},
	}
	outputFlag(get, &output)
	sel.userFlags(get)
	return get
}

func (p *program) identityRemoveCommand() *cobra.Command {
	var yes, keepGrant bool
	var sel selection
	rm := &cobra.Command{
		Use:   "rm SERVICE TENANT",
		Short: "Remove connections and revoke them at the service",
		Long: "Removes the one connection of a tenant to a service, or of several all that the flags name, at once:\n" +
			"the tenant's own with --no-user --no-account. Or, without arguments, that with an --id. Where several match and no flag says which, none is removed:\n" +
			"see gatepost identity revoke for all of a service, a tenant or a user.\n" +
			"With --keep-grant they are forgotten here and not revoked: for those that were exported and go on elsewhere.",
		Args: named(sel.serviceAndTenant()),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.removeIdentities(cmd.Context(), store, c, sel, yes, keepGrant)
			})
		},
	}
	rm.Flags().BoolVar(&yes, "yes", false, "don't ask")
	rm.Flags().BoolVar(&keepGrant, "keep-grant", false, "forget them without revoking them at the service")
	sel.userFlags(rm)
	return rm
}

// selecting are the flags that say what a command is for.
var selecting = []string{"id", "service", "tenant", "user", "account", "tag"}

// named refuses what is named by nothing, as by a script's variable that isn't
// set: it would mean more than was meant, or all.
func named(count cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for _, name := range selecting {
			if f := cmd.Flags().Lookup(name); f != nil && f.Changed && emptyFlag(cmd, name) {
				return fmt.Errorf("--%s is empty: leave it out, or say which", name)
			}
		}
		if slices.Contains(args, "") {
			return errors.New("an argument is empty")
		}
		return count(cmd, args)
	}
}

// emptyFlag reports whether a flag, or any of its values, is empty.
func emptyFlag(cmd *cobra.Command, name string) bool {
	if list, ok := cmd.Flags().Lookup(name).Value.(interface{ GetSlice() []string }); ok {
		return len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
	}
	return cmd.Flags().Lookup(name).Value.String() == ""
}

func knownOutput(output string) error {
	if output != "table" && output != "json" {
		return usage("--output is table or json, not %q", output)
	}
	return nil
}

// mendedBy are the names of those who mend a connection.
var mendedBy = map[identity.Who]string{
	identity.Nobody: "nobody: it passes", identity.TenantAdmin: "the tenant", identity.ServiceAdmin: "the tenant's admin at the service", identity.Operator: "you, the operator",
}

// identityRow is what is shown of a connection.
type identityRow struct{ identity.Description }

func (p *program) listIdentities(ctx context.Context, vault *identity.Vault, sel db.Selector, output string) error {
	rows := identityRows(ctx, vault, sel)
	if output == "json" {
		return printArray(p.out, rows)
	}
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SERVICE\tTENANT\tUSER\tSTATE\tORG\tCONNECTED BY\tUSED\tREFRESHED\tFAILURE\tMENDED BY\tMISSING SCOPES")
	n := 0
	for r, err := range rows {
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Service, r.Tenant, dash(plain(r.user())), r.State, plain(r.org()),
			dash(r.ConnectedBy), ago(r.UsedAt), ago(r.RefreshedAt), dash(r.FailedCode), dash(mendedBy[r.MendedBy]), dash(strings.Join(r.MissingScopes, " ")))
		if n++; n%identityPage == 0 { // so that any number of rows fits into memory
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// identityRows are the selected connections, read a page at a time.
func identityRows(ctx context.Context, vault *identity.Vault, sel db.Selector) iter.Seq2[identityRow, error] {
	return func(yield func(identityRow, error) bool) {
		for after := ""; ; {
			page, err := vault.List(ctx, sel, after, identityPage)
			var described []identity.Description
			if err == nil {
				described, err = vault.Describe(ctx, page.Identities...)
			}
			if err != nil {
				yield(identityRow{}, err)
				return
			}
			for _, d := range described {
				if !yield(identityRow{d}, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
				return
			}
		}
	}
}

func (p *program) showIdentity(r identityRow, output string) error {
	if output == "json" {
		return p.json(r)
	}
	return p.table("SERVICE\t"+r.Service, func(w io.Writer) {
		for _, line := range [][2]string{
			{"ID", r.ID}, {"TENANT", r.Tenant}, {"USER", dash(r.user())}, {"TAGS", dash(strings.Join(r.Tags, ", "))}, {"STATE", r.State}, {"ORG", r.org()}, {"INSTANCE", r.InstanceURL}, {"LOGIN", r.LoginURL},
			{"SCOPES", strings.Join(r.Scopes, " ")}, {"MISSING SCOPES", dash(strings.Join(r.MissingScopes, " "))}, {"CONNECTED BY", dash(r.ConnectedBy)}, {"CONNECTED", moment(r.ConnectedAt)},
			{"GENERATION", fmt.Sprint(r.Generation)}, {"KEY", fmt.Sprint(r.KeyID)}, {"LAST USED", moment(r.UsedAt)},
			{"LAST REFRESHED", moment(r.RefreshedAt)}, {"TOKEN EXPIRES", moment(r.ExpiresAt)}, {"NEXT KEEP-ALIVE", moment(r.KeepAliveAt)},
			{"LAST FAILURE", moment(r.FailedAt)}, {"FAILURE", dash(strings.TrimSpace(r.FailedCode + " " + r.class()))}, {"WHY", dash(r.Reason)}, {"MENDED BY", dash(mendedBy[r.MendedBy])}, {"MEND", dash(r.Mend)}, {"NEXT TRY", moment(r.RetryAt)},
			{"CLIENT ID", dash(r.ClientID)},
		} {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", line[0], plain(line[1]))
		}
	})
}

func (p *program) removeIdentities(ctx context.Context, store *db.DB, c identityConfig, sel selection, yes, keepGrant bool) error {
	chosen, what, err := toRemove(ctx, store, sel)
	if err != nil {
		return err
	}
	if !yes {
		if err := p.confirm("Remove " + what + "?"); err != nil {
			return err
		}
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	if keepGrant {
		if _, err := vault.Forget(ctx, chosen); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "Removed %s.\nNothing is revoked: it goes on where it was imported.\n", what)
		return err
	}
	receipts, err := vault.Delete(ctx, chosen)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Removed %s.\n%s\n", what, told(receipts))
	return err
}

// told tells what became of tokens at their services.
func told(receipts []identity.Receipt) string {
	n := map[identity.Ending]int{}
	for _, r := range receipts {
		n[r.Ending]++
	}
	pending := n[identity.Pending]
	var all []string
	switch {
	case pending > 0 && len(receipts) == 1:
		all = append(all, "The service could not revoke it yet: a running server tries again for a week.")
	case pending > 0:
		all = append(all, fmt.Sprintf("%d are revoked at the service, %d are not yet: a running server goes on with them for a week.", n[identity.Revoked], pending))
	case n[identity.Revoked] == len(receipts) && len(receipts) > 1:
		all = append(all, "All are revoked at the service.")
	case n[identity.Revoked] == len(receipts):
		all = append(all, "It is revoked at the service.")
	case n[identity.Revoked] > 0:
		all = append(all, fmt.Sprintf("Revoked at the service: %d.", n[identity.Revoked]))
	}
	if n := n[identity.Shared]; n > 0 {
		all = append(all, fmt.Sprintf("Not revoked, since another connection goes on with the same access: %d.", n))
	}
	if n := n[identity.NoWay]; n > 0 {
		all = append(all, fmt.Sprintf("Not revoked, since the service offers no way to: %d. Only the settings of the account there end it.", n))
	}
	return strings.Join(all, "\n")
}

// toRemove returns what is to be removed, and how it is called: one connection, or
// all that a user, account or tag names.
func toRemove(ctx context.Context, store *db.DB, sel selection) (chosen db.Selector, what string, err error) {
	if !sel.ofUsers() {
		i, err := findIdentity(ctx, store, sel)
		r := identityRow{identity.Description{OrgID: i.OrgID, OrgName: i.OrgName, Sandbox: i.Sandbox}}
		return db.Selector{ID: i.ID}, fmt.Sprintf("the connection of %s to %s (%s, connected by %s)", i.Tenant, i.Service, plain(r.org()), i.ConnectedEmail), err
	}
	if chosen, err = sel.selector(ctx, store); err != nil {
		return chosen, "", err
	}
	n, err := countIdentities(ctx, store, chosen)
	if err == nil && n == 0 {
		err = fmt.Errorf("no connection of %s to %q matches", sel.tenant, sel.service)
	}
	return chosen, fmt.Sprintf("%s of %s to %q", count(n, "connection"), sel.tenant, sel.service), err
}

// countIdentities counts the selected connections.
func countIdentities(ctx context.Context, store *db.DB, sel db.Selector) (n int, err error) {
	for after := ""; ; {
		page, err := store.Identities(ctx, sel, after, identityPage)
		if n += len(page); err != nil || len(page) < identityPage {
			return n, err
		}
		after = page[len(page)-1].ID
	}
}

// confirm asks on the terminal, and fails unless the answer is yes.
func (p *program) confirm(question string) error {
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return errors.New("there is no terminal to ask on: use --yes")
	}
	_, _ = fmt.Fprint(p.errOut, question+" [y/N] ")
	line, err := bufio.NewReader(io.LimitReader(f, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// selection is which connections a command is for. What isn't given is any.
type selection struct {
	id                string
	service, tenant   string // id, slug
	user, account     string
	noUser, noAccount bool
	tags              []string
}

// allFlags are the flags of commands that any connections can be named to.
func (s *selection) allFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.service, "service", "", "only those to this service, as sfdc")
	cmd.Flags().StringVar(&s.tenant, "tenant", "", "only those of this tenant")
	s.userFlags(cmd)
}

func (s *selection) userFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.id, "id", "", "the one with this id, and nothing else")
	cmd.Flags().StringVar(&s.user, "user", "", "of this user of the application's")
	cmd.Flags().BoolVar(&s.noUser, "no-user", false, "of no user, as a tenant's own")
	cmd.Flags().StringVar(&s.account, "account", "", "with this account label")
	cmd.Flags().BoolVar(&s.noAccount, "no-account", false, "without an account label")
	cmd.Flags().StringArrayVar(&s.tags, "tag", nil, "with this tag (may be repeated: with all of them)")
}

// ofUsers reports whether more is named than a tenant, a service or an id.
func (s selection) ofUsers() bool {
	return s.user != "" || s.account != "" || s.noUser || s.noAccount || len(s.tags) > 0
}

// named reports whether anything is named.
func (s selection) named() bool {
	return s.id != "" || s.ofUsers() || s.service != "" || s.tenant != ""
}

var errBesideID = errors.New("--id names one connection: leave out what else is named")

// checked refuses what contradicts itself.
func (s *selection) checked(count cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case s.id != "" && (s.ofUsers() || s.service != "" || s.tenant != ""):
			return errBesideID
		case s.user != "" && s.noUser:
			return errors.New("say --user or --no-user, not both")
		case s.account != "" && s.noAccount:
			return errors.New("say --account or --no-account, not both")
		}
		return count(cmd, args)
	}
}

// serviceAndTenant takes the arguments SERVICE and TENANT, or none beside --id.
func (s *selection) serviceAndTenant() cobra.PositionalArgs {
	return s.checked(func(cmd *cobra.Command, args []string) error {
		switch {
		case s.id != "" && len(args) > 0:
			return errBesideID
		case s.id != "":
			return nil
		}
		if err := cobra.ExactArgs(2)(cmd, args); err != nil {
			return err
		}
		s.service, s.tenant = args[0], args[1]
		return nil
	})
}

func (s selection) selector(ctx context.Context, store *db.DB) (db.Selector, error) {
	sel := db.Selector{ID: s.id, Service: s.service, User: s.user, NoUser: s.noUser, Account: s.account, NoAccount: s.noAccount, Tags: s.tags}
	if s.tenant == "" {
		return sel, nil
	}
	t, err := store.TenantBySlug(ctx, s.tenant)
	if errors.Is(err, db.ErrNotFound) {
		return sel, fmt.Errorf("there is no tenant %q", s.tenant)
	}
	sel.TenantID = t.ID
	return sel, err
}

// findIdentity returns the one connection that is selected.
func findIdentity(ctx context.Context, store *db.DB, s selection) (db.NamedIdentity, error) {
	sel, err := s.selector(ctx, store)
	if err != nil {
		return db.NamedIdentity{}, err
	}
	found, err := store.Identities(ctx, sel, "", 2)
	switch {
	case err != nil:
		return db.NamedIdentity{}, err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return db.NamedIdentity{}, fmt.Errorf("several connections of %s to %q match: name one by --id (gatepost identity ls --output json), --user or --account; the tenant's own by --no-user --no-account", s.tenant, s.service)
	case s.id != "":
		return db.NamedIdentity{}, fmt.Errorf("there is no connection with the id %q", s.id)
	case s.ofUsers():
		return db.NamedIdentity{}, fmt.Errorf("no connection of %s to %q matches", s.tenant, s.service)
	}
	return db.NamedIdentity{}, fmt.Errorf("%s is not connected to %q", s.tenant, s.service)
}

// user is the application's user with the account's label.
func (r identityRow) user() string {
	if r.Account == "" {
		return r.User
	}
	return strings.TrimSpace(r.User + " (" + r.Account + ")")
}

func (r identityRow) org() string {
	org := strings.TrimSpace(r.OrgName + " " + r.OrgID)
	if r.Sandbox {
		org += " (sandbox)"
	}
	return org
}

func (r identityRow) class() string {
	if r.FailedClass == "" {
		return ""
	}
	return "(" + r.FailedClass + ")"
}

// plain is text from outside without what would move a terminal's cursor.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format("2006-01-02 15:04 UTC")
}

func ago(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return age(t) + " ago"
}
