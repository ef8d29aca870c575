package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"gatepost/forms"
)

// Newsletter is what readers sign up for.
type Newsletter struct {
	ID          string
	TenantID    string
	TenantName  string
	Slug        string // names it in public addresses
	Name        string
	Consent     string // the words that a reader agrees to
	CreatedAt   time.Time
	State       NewsletterState
	AddressDays int  // for how many days it is kept from where people agreed; 0 for not at all
	Stopped     bool // the operator has paused the tenant's forms
	PerMinute   int  // how many sign-ups all forms of the tenant take in a minute
	Page        PublicPage
	Readers     ReaderRules
	LogoID      string           // of its Logo; empty for none
	Form        forms.Definition // the version that it shows now
	Revision    int64            // goes up with each change
}

// Open reports whether the newsletter takes sign-ups.
func (n Newsletter) Open() bool { return n.State == NewsletterOpen && !n.Stopped }

// NewsletterState says whether a newsletter takes sign-ups.
type NewsletterState string

// The states of a newsletter.
const (
	NewsletterOpen     NewsletterState = "open"
	NewsletterPaused   NewsletterState = "paused"
	NewsletterArchived NewsletterState = "archived"
)

// PublicPage is how a newsletter presents itself to readers, beside its form. Its texts are
// texts, never HTML.
type PublicPage struct {
	Description string   `json:"description,omitempty"`
	Sender      string   `json:"sender,omitempty"`   // who sends it; empty for the tenant's name
	Privacy     string   `json:"privacy,omitempty"`  // https address of the privacy policy
	Language    string   `json:"language,omitempty"` // of the public pages, by its two letters; empty for English
	Accent      string   `json:"accent,omitempty"`   // colour, as #rrggbb in lower case; empty for Gatepost's own
	Device      bool     `json:"device,omitempty"`   // light or dark as the reader's device says; otherwise always light
	Thanks      string   `json:"thanks,omitempty"`   // the words of the thank-you page; empty for the language's own
	Redirect    string   `json:"redirect,omitempty"` // address to which readers go instead of the thank-you page
	Sites       []string `json:"sites,omitempty"`    // origins at which the form stands, as the tenant says
}

const selectNewsletter = `SELECT n.id, n.tenant_id, t.name, CASE WHEN t.paused_at > 0 THEN 1 ELSE 0 END, t.sign_ups_per_minute, t.address_days, n.slug, n.name, n.consent, n.created_at, n.state, n.page, n.readers, n.logo_id, n.form_version, n.revision,
	COALESCE((SELECT f.definition FROM form_versions f WHERE f.newsletter_id = n.id AND f.version = n.form_version), '')
	FROM newsletters n JOIN tenants t ON t.id = n.tenant_id `

const (
	selectNewsletterBySlug    = selectNewsletter + `WHERE n.slug = $1 AND t.closed_at = 0`
	selectNewsletterByOldSlug = selectNewsletter + `JOIN newsletter_slugs g ON g.newsletter_id = n.id WHERE g.slug = $1 AND t.closed_at = 0`
)

// NewsletterBySlug returns the newsletter of an open tenant that has the given public
// name, or had it before, or ErrNotFound.
func (d *Readers) NewsletterBySlug(ctx context.Context, slug string) (Newsletter, error) {
	n, err := scanNewsletter(d.read.QueryRowContext(ctx, selectNewsletterBySlug, slug))
	if errors.Is(err, sql.ErrNoRows) {
		n, err = scanNewsletter(d.read.QueryRowContext(ctx, selectNewsletterByOldSlug, slug))
	}
	return n, wrap("newsletter", err)
}

// NewsletterOf returns the newsletter with the given id, of a tenant who may be closed, or
// ErrNotFound.
func (d *Readers) NewsletterOf(ctx context.Context, tenantID, id string) (Newsletter, error) {
	n, err := scanNewsletter(d.read.QueryRowContext(ctx, selectNewsletter+`WHERE n.tenant_id = $1 AND n.id = $2`, tenantID, id))
	return n, wrap("newsletter", err)
}

// Newsletters returns the tenant's newsletters by name.
func (d *Readers) Newsletters(ctx context.Context, tenantID string) ([]Newsletter, error) {
	list, err := collect(ctx, d.read, scanNewsletter, selectNewsletter+`WHERE n.tenant_id = $1 ORDER BY n.name, n.id`, tenantID)
	return list, wrap("newsletters", err)
}

// NewsletterStanding is a newsletter with how it is going.
type NewsletterStanding struct {
	Newsletter
	States   map[State]int // of those who ever signed up for it, and of their deliveries, how many are in each
	LastHour time.Time     // the UTC hour of its last sign-up; zero when there was none
	Silent   bool          // its form is busy, and yet got no sign-up for long
}

// Subscribers is how many have signed up and are there, and not those who left.
func (n NewsletterStanding) Subscribers() int { return n.States[Active] }

// Attention is how many of their deliveries go no further without somebody.
func (n NewsletterStanding) Attention() (sum int) {
	for state, of := range n.States {
		if state.Info().Attention {
			sum += of
		}
	}
	return sum
}

// NewsletterStandings returns the tenant's newsletters by name, with how each is going.
func (d *Readers) NewsletterStandings(ctx context.Context, tenantID string) ([]NewsletterStanding, error) {
	var list []NewsletterStanding
	counts, hours, silent := map[string]map[State]int{}, map[string]int64{}, map[string]bool{}
	err := ask(ctx, d.read,
		listed(&list, func(row scanner) (n NewsletterStanding, err error) {
			n.Newsletter, err = scanNewsletter(row)
			return n, err
		}, selectNewsletter+`WHERE n.tenant_id = $1`, tenantID),
		part{`SELECT newsletter_id, state, sum(n) FROM state_counts` + ofDestinations + ` AND (destination_id = '' OR state <> 'erased') GROUP BY newsletter_id, state`, []any{tenantID}, func(row scanner) error {
			var id string
			var state State
			var n int
			if err := row.Scan(&id, &state, &n); err != nil {
				return err
			}
			if counts[id] == nil {
				counts[id] = map[State]int{}
			}
			counts[id][state] = n
			return nil
		}},
		part{`SELECT n.id, COALESCE((SELECT max(hour) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id), 0) FROM newsletters n WHERE n.tenant_id = $1`,
			[]any{tenantID}, func(row scanner) error {
				var id string
				var hour int64
				if err := row.Scan(&id, &hour); err != nil {
					return err
				}
				hours[id] = hour
				return nil
			}},
		part{`SELECT about FROM incidents WHERE tenant_id = $1 AND kind = 'silent' AND closed_at = 0 AND mended_at = 0`, []any{tenantID}, func(row scanner) error {
			id, err := scanID(row)
			if err == nil {
				silent[id] = true
			}
			return err
		}})
	if err != nil {
		return nil, wrap("newsletters", err)
	}
	for i := range list {
		n := &list[i]
		n.States, n.LastHour, n.Silent = counts[n.ID], fromMillis(hours[n.ID]), silent[n.ID]
	}
	slices.SortFunc(list, func(a, b NewsletterStanding) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return list, nil
}

func scanNewsletter(row scanner) (Newsletter, error) {
	var n Newsletter
	var created int64
	var page, rules, form string
	if err := row.Scan(&n.ID, &n.TenantID, &n.TenantName, &n.Stopped, &n.PerMinute, &n.AddressDays, &n.Slug, &n.Name, &n.Consent, &created, &n.State, &page, &rules, &n.LogoID, &n.Form.Version, &n.Revision, &form); err != nil {
		return n, err
	}
	n.CreatedAt, n.PerMinute = fromMillis(created), cmp.Or(n.PerMinute, SignUpsPerMinute)
	if page != "" {
		if err := json.Unmarshal([]byte(page), &n.Page); err != nil {
			return n, err
		}
	}
	var err error
	if n.Readers, err = scanRules(rules); err != nil {
		return n, err
	}
	if form == "" {
		n.Form = forms.First(n.Consent)
		return n, nil
	}
	return n, json.Unmarshal([]byte(form), &n.Form)
}
