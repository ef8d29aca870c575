package db

import (
	"context"
	"time"
)

// ErasureReceipt says that a person was erased, by a keyed digest of the address alone.
type ErasureReceipt struct {
	TenantID string
	MAC      string
	At       time.Time
}

// Suppression says that an address left which is kept no more, by a keyed digest alone.
type Suppression struct {
	TenantID     string
	NewsletterID string // empty for all of the tenant's
	MAC          string
	Since        time.Time
	How          LeftHow
}

// ErasureReceipts returns the receipts of all who were erased, of all tenants, and of those who are being erased.
func (d *Privacy) ErasureReceipts(ctx context.Context) ([]ErasureReceipt, error) {
	all, err := collect(ctx, d.read, func(row scanner) (r ErasureReceipt, err error) {
		var at int64
		err = row.Scan(&r.TenantID, &r.MAC, &at)
		r.At = fromMillis(at)
		return r, err
	}, `SELECT tenant_id, mac, max(asked_at) FROM removals WHERE kind = 'erased' AND mac <> '' GROUP BY tenant_id, mac ORDER BY 3, 1, 2`)
	return all, wrap("receipts", err)
}

// Suppressions returns who has left and is kept no more, of all tenants.
func (d *Privacy) Suppressions(ctx context.Context) ([]Suppression, error) {
	all, err := collect(ctx, d.read, func(row scanner) (s Suppression, err error) {
		var since int64
		err = row.Scan(&s.TenantID, &s.NewsletterID, &s.MAC, &since, &s.How)
		s.Since = fromMillis(since)
		return s, err
	}, `SELECT tenant_id, newsletter_id, mac, since, how FROM suppressions ORDER BY tenant_id, mac, newsletter_id`)
	return all, wrap("suppressions", err)
}

// RestoreSuppression remembers that an address left which is kept no more, unless that is known.
func (d *Privacy) RestoreSuppression(ctx context.Context, s Suppression) error {
	_, err := d.exec(ctx, `INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how) SELECT id, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS TEXT)
		FROM tenants WHERE id = $1 ON CONFLICT (tenant_id, mac, newsletter_id) DO NOTHING`, s.TenantID, s.MAC, s.NewsletterID, millis(s.Since), s.How)
	return wrap("restore a suppression", err)
}

// Address is an address of a tenant, with when it was first signed up for one of its newsletters.
type Address struct {
	SubscriberID, EmailKey string
	CreatedAt              time.Time
}

// Addresses returns up to limit of a tenant's addresses, in the order of the subscribers' ids, from behind one on: those of all who
// aren't being erased.
func (d *Privacy) Addresses(ctx context.Context, tenantID, after string, limit int) ([]Address, error) {
	all, err := collect(ctx, d.read, func(row scanner) (a Address, err error) {
		var at int64
		err = row.Scan(&a.SubscriberID, &a.EmailKey, &at)
		a.CreatedAt = fromMillis(at)
		return a, err
	}, `SELECT id, email_key, created_at FROM subscribers WHERE tenant_id = $1 AND id > $2 AND state <> 'erasing' ORDER BY id LIMIT $3`, tenantID, after, limit)
	return all, wrap("addresses", err)
}
