package db

import (
	"context"
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

func scanNewsletter(row scanner) (Newsletter, error) {
	var n Newsletter
	var created int64
	err := row.Scan(&n.ID, &n.TenantID, &n.TenantName, &n.Slug, &n.Name, &n.Consent, &created)
	n.CreatedAt = fromMillis(created)
	return n, err
}
