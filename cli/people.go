package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"gatepost/auth"
	"gatepost/db"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// withPeople runs fn on the people in the configured database.
func (p *program) withPeople(ctx context.Context, fn func(*auth.People) error) error {
	return p.withStore(ctx, func(store *db.DB) error { return fn(auth.NewPeople(store, store.Now)) })
}

func (p *program) tenantCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tenant", Short: "Add, list, rename and remove tenants"}
	var name string
	add := &cobra.Command{
		Use:   "add SLUG",
		Short: "Add a tenant with its first newsletter",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withPeople(cmd.Context(), func(people *auth.People) error {
				t, err := people.AddTenant(cmd.Context(), args[0], name)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.out, "Added tenant %s (%s).\n", t.Slug, t.Name)
				return err
			})
		},
	}
	add.Flags().StringVar(&name, "name", "", "name for people (default: made from the slug)")
	var output string
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List the tenants",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withPeople(cmd.Context(), p.listTenants(cmd.Context(), output))
		},
	}
	outputFlag(ls, &output)
	cmd.AddCommand(add, ls, p.tenantSetCommand(), p.tenantRemoveCommand())
	return cmd
}

// tenantRow is what is shown of a tenant.
type tenantRow struct {
	Slug      string     `json:"slug"`
	Name      string     `json:"name"`
	CreatedAt time.Time  `json:"created_at"`
	ClosedAt  *time.Time `json:"closed_at,omitempty"` // when it was removed
	WipeAt    *time.Time `json:"wipe_at,omitempty"`   // when its data is deleted
	PausedAt  *time.Time `json:"paused_at,omitempty"` // since when its forms take no sign-ups

	MailsPerHour     int `json:"mails_per_hour"` // its limits
	SignUpsPerMinute int `json:"sign_ups_per_minute"`
}

// state tells whether the tenant is open.
func (r tenantRow) state() string {
	switch {
	case r.ClosedAt == nil && r.PausedAt != nil:
		return "paused"
	case r.ClosedAt == nil:
		return "open"
	}
	return "closed, deleted on " + r.WipeAt.Format("2006-01-02")
}

func (p *program) listTenants(ctx context.Context, output string) func(*auth.People) error {
	return func(people *auth.People) error {
		all, err := people.Tenants(ctx)
		if err != nil {
			return err
		}
		rows := []tenantRow{}
		for _, t := range all {
			rows = append(rows, tenantRow{t.Slug, t.Name, t.CreatedAt.UTC(), optional(t.ClosedAt), optional(t.WipeAt), optional(t.PausedAt),
				cmp.Or(t.Limits.MailsPerHour, db.MailsPerHour), cmp.Or(t.Limits.SignUpsPerMinute, db.SignUpsPerMinute)})
		}
		if output == "json" {
			return p.json(rows)
		}
		return p.table("SLUG\tNAME\tADDED\tSTATE", func(w io.Writer) {
			for _, r := range rows {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Slug, plain(r.Name), r.CreatedAt.Format("2006-01-02"), r.state())
			}
		})
	}
}

func (p *program) userCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Add, list and remove users, set passwords"}
	var tenant string
	var fromStdin bool
	add := &cobra.Command{
		Use:   "add EMAIL --tenant SLUG",
		Short: "Add a user to a tenant; one who exists keeps their password",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withPeople(cmd.Context(), func(people *auth.People) error {
				return p.addUser(cmd.Context(), people, args[0], tenant, fromStdin)
			})
		},
	}
	add.Flags().StringVar(&tenant, "tenant", "", "slug of the tenant (required)")
	add.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	_ = add.MarkFlagRequired("tenant")
	passwd := &cobra.Command{
		Use:   "passwd EMAIL",
		Short: "Set a user's password and log them out everywhere",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withPeople(cmd.Context(), func(people *auth.People) error {
				return p.setPassword(cmd.Context(), people, args[0], fromStdin)
			})
		},
	}
	passwd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	var output string
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List the users",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withPeople(cmd.Context(), p.listUsers(cmd.Context(), output))
		},
	}
	outputFlag(ls, &output)
	cmd.AddCommand(add, ls, passwd, p.userRemoveCommand())
	return cmd
}

func (p *program) addUser(ctx context.Context, people *auth.People, email, tenant string, fromStdin bool) error {
	needed, err := people.CheckNewUser(ctx, email, tenant)
	if err != nil {
		return err
	}
	password := ""
	if needed {
		if password, err = p.password(fromStdin); err != nil {
			return err
		}
	}
	u, err := people.AddUser(ctx, email, tenant, password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Added %s to %s.\n", u.Email, tenant)
	return err
}

func (p *program) setPassword(ctx context.Context, people *auth.People, email string, fromStdin bool) error {
	_, err := people.UserByEmail(ctx, email)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no user %s", email)
	}
	if err != nil {
		return err
	}
	password, err := p.password(fromStdin)
	if err != nil {
		return err
	}
	if err := people.SetPassword(ctx, email, password); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, "The password is set. All sessions of this user are ended.")
	return err
}

// userRow is what is shown of a user.
type userRow struct {
	Email     string    `json:"email"`
	Tenants   []string  `json:"tenants"` // slugs
	CreatedAt time.Time `json:"created_at"`
}

func (p *program) listUsers(ctx context.Context, output string) func(*auth.People) error {
	return func(people *auth.People) error {
		all, err := people.Users(ctx)
		if err != nil {
			return err
		}
		rows := []userRow{}
		for _, u := range all {
			rows = append(rows, userRow{u.Email, append([]string{}, u.Tenants...), u.CreatedAt.UTC()})
		}
		if output == "json" {
			return p.json(rows)
		}
		return p.table("EMAIL\tTENANTS\tADDED", func(w io.Writer) {
			for _, r := range rows {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", r.Email, strings.Join(r.Tenants, ", "), r.CreatedAt.Format("2006-01-02"))
			}
		})
	}
}

// table prints rows under a header, in columns that are separated by tabs.
func (p *program) table(header string, rows func(io.Writer)) error {
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, header)
	rows(w)
	return w.Flush()
}

// password reads a new password: a line of standard input, or what somebody types
// twice without seeing it, once they were told what it needs.
func (p *program) password(fromStdin bool) (string, error) {
	if !fromStdin {
		_, _ = fmt.Fprintf(p.errOut, "A new password needs %s.\n", auth.PasswordRule)
	}
	return p.secret("password", fromStdin, true)
}

// secret reads a password or passphrase, which somebody types once or twice.
func (p *program) secret(what string, fromStdin, twice bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(p.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", fmt.Errorf("there is no terminal to ask for the %s on: use --%s-stdin", what, what)
	}
	first, err := p.ask(f, strings.ToUpper(what[:1])+what[1:]+": ")
	if err != nil || !twice {
		return first, err
	}
	second, err := p.ask(f, strings.ToUpper(what[:1])+what[1:]+" again: ")
	if err == nil && first != second {
		err = fmt.Errorf("the %ss are not the same", what)
	}
	return first, err
}

func (p *program) ask(f *os.File, prompt string) (string, error) {
	_, _ = fmt.Fprint(p.errOut, prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(p.errOut)
	return string(b), err
}
