package db

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Newsletter is what readers sign up for.
type Newsletter struct {
	ID         string
	TenantID   string
	TenantName string
	Slug       string // names it in public addresses
	Name       string
	Consent    string // the words that a reader agrees to
	CreatedAt  time.Time
}

const selectNewsletter = `SELECT n.id, n.tenant_id, t.name, n.slug, n.name, n.consent, n.created_at
	FROM newsletters n JOIN tenants t ON t.id = n.tenant_id `

const selectNewsletterBySlug = selectNewsletter + `WHERE n.slug = $1 AND t.closed_at = 0`

// NewsletterBySlug returns the newsletter of an open tenant with the given public
// name, or ErrNotFound.
func (d *Readers) NewsletterBySlug(ctx context.Context, slug string) (Newsletter, error) {
	n, err := scanNewsletter(d.read.QueryRowContext(ctx, selectNewsletterBySlug, slug))
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
	err := row.Scan(&n.ID, &n.TenantID, &n.TenantName, &n.Slug, &n.Name, &n.Consent, &created)
	n.CreatedAt = fromMillis(created)
	return n, err
}
