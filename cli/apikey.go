package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
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
	cmd := &cobra.Command{Use: "apikey", Short: "Add, list, change and remove keys for the HTTP API"}
	cmd.AddCommand(p.apiKeyAddCommand(), p.apiKeyListCommand(), p.apiKeySetCommand(), p.apiKeyRemoveCommand())
	return cmd
}

// apiKeyFlags is what the flags say of a key.
type apiKeyFlags struct {
	services, tenants, allow []string
	name, expires            string
	returnTo, noReturnTo     []string
}

const expiresHelp = "when it runs out: in 90d or 24h, or after 2026-12-31 (UTC); never"

func (p *program) apiKeyAddCommand() *cobra.Command {
	var f apiKeyFlags
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key and print it, once",
		Long: `Makes a key for the HTTP API and prints it. It is stored as a hash alone, so it can't be shown again.
Without --service and --tenant it is for all of them. It may allow:
` + actionsHelp(),
		Args: named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.addAPIKey(cmd.Context(), store, args[0], f) })
		},
	}
	add.Flags().StringSliceVar(&f.services, "service", nil, "only for this service, as sfdc (may be repeated)")
	add.Flags().StringSliceVar(&f.tenants, "tenant", nil, "only for this tenant, by its slug (may be repeated)")
	add.Flags().StringSliceVar(&f.allow, "allow", []string{auth.Read}, "what it may do: "+strings.Join(auth.ActionNames(), ", "))
	add.Flags().StringVar(&f.expires, "expires", "never", expiresHelp)
	add.Flags().StringArrayVar(&f.returnTo, "return-to", nil, "address that authorizations may return to, exactly as the application names it (may be repeated)")
	return add
}

// actionsHelp has a line for each action.
func actionsHelp() string {
	var lines strings.Builder
	for _, a := range auth.Actions {
		fmt.Fprintf(&lines, "  %-10s %s", a.Name, a.What)
		switch {
		case a.Returns:
			lines.WriteString("; needs --return-to")
		case a.Unbound:
			lines.WriteString("; without --service and --tenant")
		}
		lines.WriteString("\n")
	}
	return lines.String()
}

func (p *program) addAPIKey(ctx context.Context, store *db.DB, name string, f apiKeyFlags) error {
	ids, err := tenantIDs(ctx, store, f.tenants)
	if err != nil {
		return err
	}
	for _, id := range f.services {
		if _, err := (identityConfig{}).known(ctx, store, id); err != nil {
			return err
		}
	}
	until, err := expiry(f.expires, store.Now())
	if err != nil {
		return err
	}
	_, secret, err := auth.NewAPIKey(ctx, store, auth.APIKeyOptions{Name: name, Services: f.services, Tenants: ids, Actions: f.allow, ExpiresAt: until, ReturnTo: f.returnTo})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.errOut, "This is the only time that the key is shown. It is for %s of %s, to %s. %s\n",
		allOr(f.services, "all services"), allOr(f.tenants, "all tenants"), strings.Join(f.allow, " and "), runsOut(until))
	_, err = fmt.Fprintln(p.out, secret)
	return err
}

func (p *program) apiKeySetCommand() *cobra.Command {
	var f apiKeyFlags
	set := &cobra.Command{
		Use:   "set ID",
		Short: "Change a key's name, expiry and return addresses; its secret stays",
		Long: `Changes what is said, within a second for all processes. What a key is for and what it allows stays: make another key for that.
A key that has run out works again when it is given a later expiry.`,
		Args: named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			if !given("name") && !given("expires") && !given("return-to") && !given("remove-return-to") {
				return usage("say what to change: --name, --expires, --return-to or --remove-return-to")
			}
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.setAPIKey(cmd.Context(), store, args[0], f, given) })
		},
	}
	set.Flags().StringVar(&f.name, "name", "", "new name")
	set.Flags().StringVar(&f.expires, "expires", "", expiresHelp)
	set.Flags().StringArrayVar(&f.returnTo, "return-to", nil, "one more address that authorizations may return to (may be repeated)")
	set.Flags().StringArrayVar(&f.noReturnTo, "remove-return-to", nil, "address that they may not return to any more (may be repeated)")
	return set
}

func (p *program) setAPIKey(ctx context.Context, store *db.DB, id string, f apiKeyFlags, given func(flag string) bool) error {
	change := auth.APIKeyChange{Add: f.returnTo, Remove: f.noReturnTo}
	if given("name") {
		change.Name = &f.name
	}
	if given("expires") {
		until, err := expiry(f.expires, store.Now())
		if err != nil {
			return err
		}
		change.ExpiresAt = &until
	}
	k, err := auth.SetAPIKey(ctx, store, id, change)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return noAPIKey(id)
	case errors.Is(err, db.ErrLost):
		return errors.New("the key was changed or removed just now by somebody else, and not by this command: look at apikey ls, and say it again")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(p.out, "Set %s. %s\n", plain(k.Name), runsOut(k.ExpiresAt))
	if err == nil && len(k.ReturnTo) > 0 {
		_, err = fmt.Fprintf(p.out, "Authorizations may return to: %s\n", strings.Join(k.ReturnTo, " "))
	}
	return err
}

func noAPIKey(id string) error {
	return fmt.Errorf("there is no key with the id %q: see apikey ls", id)
}

// runsOut says when a key runs out.
func runsOut(at time.Time) string {
	if at.IsZero() {
		return "It doesn't run out."
	}
	return "It runs out on " + at.UTC().Format("2006-01-02 15:04 UTC") + "."
}

// maxExpiryDays is how far away a key may run out: what is further is a typing error.
const maxExpiryDays = 36_500

// expiry reads when a key is to run out: after a number of days or hours, or at the end of a
// day in UTC. It is zero for never.
func expiry(text string, now time.Time) (time.Time, error) {
	last := now.AddDate(0, 0, maxExpiryDays)
	at, err := parseExpiry(text, now)
	switch {
	case text == "never":
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("--expires %q: say a number of days or hours, as 90d or 24h, a day, as 2026-12-31, or never", text)
	case !at.After(now):
		return time.Time{}, fmt.Errorf("--expires %s is over already: it is %s", text, now.UTC().Format("2006-01-02 15:04 UTC"))
	case at.After(last):
		return time.Time{}, fmt.Errorf("--expires %s is more than a hundred years away: say never", text)
	}
	return at.Truncate(time.Millisecond), nil
}

func parseExpiry(text string, now time.Time) (time.Time, error) {
	number, unit := strings.TrimRight(text, "dh"), strings.TrimLeft(text, "0123456789")
	n, err := strconv.ParseUint(number, 10, 20)
	switch {
	case err == nil && unit == "d":
		return now.Add(time.Duration(n) * 24 * time.Hour), nil
	case err == nil && unit == "h":
		return now.Add(time.Duration(n) * time.Hour), nil
	}
	day, err := time.Parse(time.DateOnly, text)
	return day.AddDate(0, 0, 1), err
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
	ReturnTo  []string   `json:"return_to"`
	CreatedAt *time.Time `json:"created_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // missing: never
	Expired   bool       `json:"expired"`
}

// expiresSoon is how long before the end of a key the listing says what to do about it.
const expiresSoon = 14 * 24 * time.Hour

// expires tells when the key runs out.
func (r apiKeyRow) expires(now time.Time) string {
	if r.ExpiresAt == nil {
		return "never"
	}
	if r.Expired {
		return "expired"
	}
	return "in " + remaining(r.ExpiresAt.Sub(now))
}

// remaining is how long something lasts yet, for people.
func remaining(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min", max(1, int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

func (p *program) apiKeyListCommand() *cobra.Command {
	var output string
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List the keys: when each was last used, and when it runs out",
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
	now, soon := store.Now(), 0
	rows := []apiKeyRow{}
	for _, k := range keys {
		r := apiKeyRow{ID: k.ID, Name: k.Name, Services: append([]string{}, k.Services...), Tenants: []string{}, Allow: k.Actions,
			ReturnTo: append([]string{}, k.ReturnTo...), CreatedAt: optional(k.CreatedAt), UsedAt: optional(k.UsedAt), ExpiresAt: optional(k.ExpiresAt), Expired: k.Expired(now)}
		if !k.ExpiresAt.IsZero() && !r.Expired && k.ExpiresAt.Sub(now) <= expiresSoon {
			soon++
		}
		for _, id := range k.Tenants {
			r.Tenants = append(r.Tenants, cmp.Or(slugs[id], "(removed)"))
		}
		rows = append(rows, r)
	}
	if output == "json" {
		return p.json(rows)
	}
	if soon > 0 {
		_, _ = fmt.Fprintf(p.errOut, "Keys that run out within two weeks: %d. One goes on with gatepost apikey set ID --expires 90d.\n", soon)
	}
	return p.table("ID\tNAME\tSERVICES\tTENANTS\tALLOWS\tADDED\tUSED\tEXPIRES\tRETURNS TO", func(w io.Writer) {
		for _, r := range rows {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, plain(r.Name), allOr(r.Services, "all"), allOr(r.Tenants, "all"),
				strings.Join(r.Allow, ", "), moment(r.CreatedAt), ago(r.UsedAt), r.expires(now), allOr(r.ReturnTo, "-"))
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
					return noAPIKey(args[0])
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
