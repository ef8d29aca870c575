package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// tenantChange is what is to be changed of a tenant.
type tenantChange struct {
	name, slug     string
	reopen         bool
	pauses, paused bool // pauses says that paused was given
	limits         db.TenantLimits
}

// keepsLimits are limits of which none is to be changed.
var keepsLimits = db.TenantLimits{MailsPerHour: db.KeepLimit, SignUpsPerMinute: db.KeepLimit}

func (p *program) tenantSetCommand() *cobra.Command {
	var t tenantChange
	set := &cobra.Command{
		Use:   "set SLUG",
		Short: "Rename a tenant, pause its forms, limit what it takes up, or take its removal back",
		Long: "Changes a tenant's name or slug. Addresses of its sign-up forms stay as they are.\n" +
			"With --reopen a tenant that was removed less than seven days ago is there again, with its people and subscribers.\n" +
			"Its connections were revoked and have to be made anew.\n" +
			"With --paused all of its forms take no sign-ups and no confirmation mails leave, until --paused=false. What was taken goes on to its CRMs.\n" +
			fmt.Sprintf("--mails-per-hour and --sign-ups-per-minute say how much it may take up, of its newsletters together: %d and %d unless set.\n", db.MailsPerHour, db.SignUpsPerMinute) +
			"Mails over the limit wait for their turn, sign-ups over it are refused. 0 sets the usual number again.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.pauses = cmd.Flags().Changed("paused")
			if err := t.check(cmd); err != nil {
				return err
			}
			return p.withPeople(cmd.Context(), func(people *auth.People) error { return p.changeTenant(cmd.Context(), people, args[0], t) })
		},
	}
	set.Flags().StringVar(&t.name, "name", "", "new name for people")
	set.Flags().StringVar(&t.slug, "slug", "", "new slug")
	set.Flags().BoolVar(&t.paused, "paused", false, "have its forms take no sign-ups; --paused=false has them take sign-ups again")
	set.Flags().IntVar(&t.limits.MailsPerHour, mailsPerHour, db.KeepLimit, "how many confirmation mails leave in an hour; 0 for the usual number")
	set.Flags().IntVar(&t.limits.SignUpsPerMinute, signUpsPerMinute, db.KeepLimit, "how many sign-ups its forms take in a minute; 0 for the usual number")
	set.Flags().BoolVar(&t.reopen, "reopen", false, "take back the removal of a tenant whose data is not deleted yet")
	for _, name := range []string{mailsPerHour, signUpsPerMinute} {
		set.Flags().Lookup(name).DefValue = "0" // nothing is to be shown of what stands for none
	}
	return set
}

// The flags for limits.
const (
	mailsPerHour     = "mails-per-hour"
	signUpsPerMinute = "sign-ups-per-minute"
)

// check refuses what makes no sense.
func (t tenantChange) check(cmd *cobra.Command) error {
	for name, n := range map[string]int{mailsPerHour: t.limits.MailsPerHour, signUpsPerMinute: t.limits.SignUpsPerMinute} {
		if n < 0 && cmd.Flags().Changed(name) {
			return usage("--%s takes a number from 1 on, or 0 for the usual one", name)
		}
	}
	switch {
	case t == tenantChange{limits: keepsLimits}:
		return usage("say what to change: --name, --slug, --paused, --%s, --%s or --reopen", mailsPerHour, signUpsPerMinute)
	case t.reopen && t.pauses:
		return usage("--paused and --reopen are two steps: reopen first")
	case t.reopen && t.limits != keepsLimits:
		return usage("limits and --reopen are two steps: reopen first")
	}
	return nil
}

// changeTenant does one after the other, the name and the slug last.
func (p *program) changeTenant(ctx context.Context, people *auth.People, slug string, t tenantChange) error {
	if t.pauses {
		if err := p.pauseTenant(ctx, people, slug, t.paused); err != nil {
			return err
		}
	}
	if t.limits != keepsLimits {
		if err := p.limitTenant(ctx, people, slug, t.limits); err != nil {
			return err
		}
	}
	if t.name == "" && t.slug == "" && !t.reopen {
		return nil
	}
	return p.setTenant(ctx, people, slug, t.slug, t.name, t.reopen)
}

// limitTenant sets limits, and says what they are from now on.
func (p *program) limitTenant(ctx context.Context, people *auth.People, slug string, l db.TenantLimits) error {
	t, err := people.SetTenantLimits(ctx, slug, l)
	if err != nil {
		return err
	}
	anew := ""
	if l.MailsPerHour != db.KeepLimit {
		anew = " Mails that wait are counted anew."
	}
	_, err = fmt.Fprintf(p.out, "Tenant %s: %s an hour, %s a minute.%s\n", t.Slug,
		count(cmp.Or(t.Limits.MailsPerHour, db.MailsPerHour), "confirmation mail"), count(cmp.Or(t.Limits.SignUpsPerMinute, db.SignUpsPerMinute), "sign-up"), anew)
	return err
}

func (p *program) pauseTenant(ctx context.Context, people *auth.People, slug string, paused bool) error {
	t, err := people.PauseTenant(ctx, slug, paused)
	if err != nil {
		return err
	}
	says := "Tenant %s takes sign-ups again.\n"
	if paused {
		says = "The forms of tenant %s take no sign-ups, from within a second on, and no confirmation mails leave. What came before goes on to its CRMs.\n"
	}
	_, err = fmt.Fprintf(p.out, says, t.Slug)
	return err
}

func (p *program) setTenant(ctx context.Context, people *auth.People, old, slug, name string, reopen bool) error {
	if reopen {
		if _, err := people.ReopenTenant(ctx, old); err != nil {
			return err
		}
	}
	if name == "" && slug == "" {
		_, err := fmt.Fprintf(p.out, "Tenant %s is open again. Its connections were revoked: its admins connect anew in the portal.\n", old)
		return err
	}
	t, err := people.SetTenant(ctx, old, slug, name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Tenant %s is now %s (%s).\n", old, t.Slug, plain(t.Name))
	return err
}

func (p *program) tenantRemoveCommand() *cobra.Command {
	var now bool
	rm := &cobra.Command{
		Use:   "rm SLUG",
		Short: "Remove a tenant: close it at once, delete its data after seven days",
		Long: "Closes a tenant: nobody logs in to it, its forms take nothing, nothing of it is delivered, and its connections are revoked.\n" +
			"A running server deletes its data after seven days. Until then gatepost tenant set SLUG --reopen takes it back, without the connections.\n" +
			"It asks for the slug to be typed once more, on standard input. The public names of its newsletters are never given to another tenant.",
		Args: named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.removeTenant(cmd.Context(), store, c, args[0], now)
			})
		},
	}
	rm.Flags().BoolVar(&now, "now", false, "delete its data at once")
	return rm
}

func (p *program) removeTenant(ctx context.Context, store *db.DB, c identityConfig, slug string, now bool) error {
	t, err := store.AnyTenantBySlug(ctx, slug)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return fmt.Errorf("there is no tenant %q", slug)
	case err != nil:
		return err
	}
	if err := identity.MustBeOpen(t); err != nil && !now {
		return fmt.Errorf("%w, or at once with --now", err)
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	if err := p.typedAgain(t); err != nil {
		return err
	}
	removal, err := vault.RemoveTenant(ctx, t, now)
	if err != nil {
		return err
	}
	p.tellClosed(t, removal.Closing, removal.Receipts)
	if !now {
		_, err = fmt.Fprintf(p.out, "Its data is deleted on %s by a running server. Until then: gatepost tenant set %s --reopen.\n",
			removal.WipeAt.UTC().Format("2006-01-02 15:04 UTC"), slug)
		return err
	}
	return p.wipeTenant(ctx, store, t)
}

// typedAgain has the slug typed, so that the wrong tenant isn't removed.
func (p *program) typedAgain(t db.Tenant) error {
	_, _ = fmt.Fprintf(p.errOut, "This removes %s (%s) with all its data. Type its slug to go on: ", t.Slug, plain(t.Name))
	line, err := bufio.NewReader(io.LimitReader(p.in, 200)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != t.Slug {
		return errors.New("that is not its slug: nothing was removed")
	}
	return nil
}

// tellClosed prints what closing a tenant ended.
func (p *program) tellClosed(t db.Tenant, c db.Closing, receipts []identity.Receipt) {
	_, _ = fmt.Fprintf(p.out, "Closed %s (%s): %s, %s, %s ended, %s removed.\n", t.Slug, plain(t.Name),
		count(c.Members, "member"), count(c.Subscribers, "subscriber"), count(c.Sessions, "session"), count(c.APIKeys, "API key"))
	if len(receipts) > 0 {
		_, _ = fmt.Fprintf(p.out, "Removed %s.\n%s\n", count(len(receipts), "connection"), told(receipts))
	}
}

// wipeTenant deletes a closed tenant's data, and tells how far it is.
func (p *program) wipeTenant(ctx context.Context, store *db.DB, t db.Tenant) error {
	last := time.Now()
	wiped, err := store.WipeTenant(ctx, t.ID, func(subscribers int) {
		if time.Since(last) > time.Second {
			_, _ = fmt.Fprintf(p.errOut, "%d subscribers deleted …\n", subscribers)
			last = time.Now()
		}
	})
	if err != nil {
		return fmt.Errorf("%w (what is left is deleted by a running server, or by the same command)", err)
	}
	_, err = fmt.Fprintf(p.out, "Deleted its data: %s, %s who belonged to no other tenant.\n", count(wiped.Subscribers, "subscriber"), count(wiped.Users, "user"))
	if err == nil && !wiped.Done {
		_, err = fmt.Fprintln(p.out, "Its slug and its own app stay until the connections are revoked that were made with it: a running server sees to it.")
	}
	return err
}

// count is a number with what is counted: 1 user, 3,000 users.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return message.NewPrinter(language.English).Sprintf("%d %ss", n, what)
}

func (p *program) userRemoveCommand() *cobra.Command {
	var tenant string
	var yes bool
	rm := &cobra.Command{
		Use:   "rm EMAIL",
		Short: "Remove a user, or with --tenant only from that tenant",
		Long:  "Removes a user and ends their sessions. What they connected for a tenant stays connected.",
		Args:  named(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withPeople(cmd.Context(), func(people *auth.People) error {
				return p.removeUser(cmd.Context(), people, args[0], tenant, yes)
			})
		},
	}
	rm.Flags().StringVar(&tenant, "tenant", "", "remove them from this tenant alone")
	rm.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return rm
}

func (p *program) removeUser(ctx context.Context, people *auth.People, email, tenant string, yes bool) error {
	u, err := people.UserByEmail(ctx, email)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no user %s", email)
	}
	if err != nil {
		return err
	}
	question := "Remove " + u.Email + " and end their sessions?"
	if tenant != "" {
		question = fmt.Sprintf("Remove %s from %s?", u.Email, tenant)
	}
	if !yes {
		if err := p.confirm(question); err != nil {
			return err
		}
	}
	if tenant != "" {
		if err := people.RemoveMember(ctx, email, tenant); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "Removed %s from %s.\n", u.Email, tenant)
		return err
	}
	gone, err := people.RemoveUser(ctx, email)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Removed %s: %s ended, belonged to %s.\n", u.Email, count(gone.Sessions, "session"), allOr(gone.Tenants, "no tenant"))
	if len(gone.Empty) > 0 {
		_, _ = fmt.Fprintf(p.errOut, "Nobody can log in to %s any more: gatepost user add EMAIL --tenant SLUG.\n", strings.Join(gone.Empty, ", "))
	}
	return err
}
