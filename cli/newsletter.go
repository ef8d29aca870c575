package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"

	"github.com/spf13/cobra"
)

func (p *program) newsletterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "newsletter", Short: "Add and list newsletters, and see what readers reported"}
	var tenant string
	var set newsletter.Settings
	add := &cobra.Command{
		Use:   "add SLUG --tenant TENANT --name NAME",
		Short: "Add a newsletter to a tenant; its form is open at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set.Slug = args[0]
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.addNewsletter(cmd.Context(), store, tenant, set) })
		},
	}
	add.Flags().StringVar(&tenant, "tenant", "", "slug of the tenant (required)")
	add.Flags().StringVar(&set.Name, "name", "", "name for readers (required)")
	add.Flags().StringVar(&set.Page.Sender, "sender", "", "who sends it (default: the tenant's name)")
	add.Flags().StringVar(&set.Page.Language, "language", string(forms.English), "of the public pages: "+languageCodes())
	_ = add.MarkFlagRequired("tenant")
	_ = add.MarkFlagRequired("name")
	var of, output string
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List the newsletters of all open tenants, or of one",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.listNewsletters(cmd.Context(), store, of, output) })
		},
	}
	ls.Flags().StringVar(&of, "tenant", "", "only those of this tenant")
	outputFlag(ls, &output)
	var reportsOutput string
	reports := &cobra.Command{
		Use:     "reports",
		Short:   "List what readers reported of forms, the latest first",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(reportsOutput) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.listReports(cmd.Context(), store, reportsOutput) })
		},
	}
	outputFlag(reports, &reportsOutput)
	cmd.AddCommand(add, ls, reports)
	return cmd
}

// languageCodes are the languages of public pages, as --language takes them.
func languageCodes() string {
	var codes []string
	for _, l := range forms.Languages {
		codes = append(codes, string(l.Code))
	}
	return strings.Join(codes, ", ")
}

func (p *program) addNewsletter(ctx context.Context, store *db.DB, tenant string, set newsletter.Settings) error {
	clean, wrong := set.Check()
	if wrong["language"] != "" {
		wrong["language"] = fmt.Sprintf("There is no language %q: choose one of %s.", set.Page.Language, languageCodes())
	}
	if len(wrong) > 0 {
		var sentences []string
		for _, field := range slices.Sorted(maps.Keys(wrong)) {
			sentences = append(sentences, wrong[field])
		}
		return errors.New(strings.Join(sentences, " "))
	}
	t, err := tenantOf(ctx, store, tenant)
	if err != nil {
		return err
	}
	if _, err := newsletter.New(newsletter.Config{Store: store}).Add(ctx, t.ID, clean); err != nil {
		if errors.Is(err, newsletter.ErrSlugTaken) {
			return fmt.Errorf("%s: %w, or was once: choose another one", clean.Slug, err)
		}
		return err
	}
	_, err = fmt.Fprintf(p.out, "Added newsletter %s (%s) to %s. Its form is at /signup/%s.\n", clean.Slug, plain(clean.Name), t.Slug, clean.Slug)
	return err
}

// tenantOf is the open tenant with a slug.
func tenantOf(ctx context.Context, store *db.DB, slug string) (db.Tenant, error) {
	t, err := store.TenantBySlug(ctx, slug)
	if errors.Is(err, db.ErrNotFound) {
		return t, fmt.Errorf("there is no tenant %q", slug)
	}
	return t, err
}

// newsletterRow is what is shown of a newsletter.
type newsletterRow struct {
	Slug      string    `json:"slug"`
	Tenant    string    `json:"tenant"` // slug
	Name      string    `json:"name"`
	Language  string    `json:"language"`
	State     string    `json:"state"` // open, paused, archived
	CreatedAt time.Time `json:"created_at"`
}

func (p *program) listNewsletters(ctx context.Context, store *db.DB, of, output string) error {
	tenants, err := store.Tenants(ctx)
	if err != nil {
		return err
	}
	if of != "" {
		t, err := tenantOf(ctx, store, of)
		if err != nil {
			return err
		}
		tenants = []db.Tenant{t}
	}
	rows := []newsletterRow{}
	for _, t := range tenants {
		if !t.ClosedAt.IsZero() {
			continue
		}
		all, err := store.Newsletters(ctx, t.ID)
		if err != nil {
			return err
		}
		for _, n := range all {
			rows = append(rows, newsletterRow{n.Slug, t.Slug, n.Name, forms.Language(n.Page.Language).Tag(), string(n.State), n.CreatedAt.UTC()})
		}
	}
	if output == "json" {
		return p.json(rows)
	}
	return p.table("SLUG\tTENANT\tNAME\tLANGUAGE\tSTATE\tADDED", func(w io.Writer) {
		for _, r := range rows {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Slug, r.Tenant, plain(r.Name), r.Language, r.State, r.CreatedAt.Format("2006-01-02"))
		}
	})
}

// mostReports is how many reports of forms are listed.
const mostReports = 1000

// reportRow is what a reader said of a form.
type reportRow struct {
	At         time.Time `json:"at"`
	Tenant     string    `json:"tenant"`     // slug
	Newsletter string    `json:"newsletter"` // slug
	Why        string    `json:"why"`
}

func (p *program) listReports(ctx context.Context, store *db.DB, output string) error {
	all, err := store.FormReports(ctx, mostReports)
	if err != nil {
		return err
	}
	rows := []reportRow{}
	for _, r := range all {
		rows = append(rows, reportRow{r.At.UTC(), r.Tenant, r.Slug, r.Why})
	}
	if output == "json" {
		return p.json(rows)
	}
	return p.table("AT\tTENANT\tNEWSLETTER\tWHY", func(w io.Writer) {
		for _, r := range rows {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.At.Format("2006-01-02 15:04"), r.Tenant, r.Newsletter, plain(r.Why))
		}
	})
}
