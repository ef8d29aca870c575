package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const tenantColumns = `t.id, t.slug, t.name, t.created_at, t.closed_at, t.wipe_at, t.paused_at, t.mails_per_hour, t.sign_ups_per_minute`

func scanTenant(r scanner) (Tenant, error) {
	var t Tenant
	var created, closed, wipe, paused int64
	err := r.Scan(&t.ID, &t.Slug, &t.Name, &created, &closed, &wipe, &paused, &t.Limits.MailsPerHour, &t.Limits.SignUpsPerMinute)
	t.CreatedAt, t.ClosedAt, t.WipeAt, t.PausedAt = fromMillis(created), fromMillis(closed), fromMillis(wipe), fromMillis(paused)
	return t, err
}

// Tenants returns all tenants, closed ones too, by slug.
func (d *People) Tenants(ctx context.Context) ([]Tenant, error) {
	return d.tenants(ctx, `SELECT `+tenantColumns+` FROM tenants t ORDER BY t.slug`)
}

// TenantsAfter returns up to limit tenants, closed ones too, the oldest first: those after the
// one with the given id, which may be gone. Going on after the last one meets each once.
func (d *People) TenantsAfter(ctx context.Context, after string, limit int) ([]Tenant, error) {
	return d.tenants(ctx, `SELECT `+tenantColumns+` FROM tenants t WHERE t.id > $1 ORDER BY t.id LIMIT $2`, after, limit)
}

// TenantsOf returns the open tenants that the user belongs to, by name.
func (d *People) TenantsOf(ctx context.Context, userID string) ([]Tenant, error) {
	return d.tenants(ctx,
		`SELECT `+tenantColumns+` FROM tenants t JOIN memberships m ON m.tenant_id = t.id
		WHERE m.user_id = $1 AND t.closed_at = 0 ORDER BY t.name, t.slug`, userID)
}

func (d *base) tenants(ctx context.Context, query string, args ...any) ([]Tenant, error) {
	tenants, err := collect(ctx, d.read, scanTenant, query, args...)
	return tenants, wrap("tenants", err)
}

// TenantBySlug returns the open tenant with the given slug, or ErrNotFound.
func (d *People) TenantBySlug(ctx context.Context, slug string) (Tenant, error) {
	t, err := scanTenant(d.read.QueryRowContext(ctx,
		`SELECT `+tenantColumns+` FROM tenants t WHERE t.slug = $1 AND t.closed_at = 0`, slug))
	return t, wrap("tenant by slug", err)
}

// Member returns the open tenant when the user belongs to it, or ErrNotFound.
func (d *People) Member(ctx context.Context, userID, tenantID string) (Tenant, error) {
	t, err := scanTenant(d.read.QueryRowContext(ctx,
		`SELECT `+tenantColumns+` FROM tenants t JOIN memberships m ON m.tenant_id = t.id
		WHERE t.id = $2 AND m.user_id = $1 AND t.closed_at = 0`, userID, tenantID))
	return t, wrap("member", err)
}

// CreateTenant stores a new tenant with a destination that waits for a CRM, whose id is its
// own, and its first newsletter, whose slug gets a
// number at its end when it was given before. A tenant's slug that is taken gives
// ErrConflict.
func (d *People) CreateTenant(ctx context.Context, t Tenant, n FirstNewsletter) error {
	return wrap("create tenant", d.tx(ctx, func(tx *sql.Tx) error {
		return insertTenant(ctx, tx, t, n)
	}))
}

func insertTenant(ctx context.Context, tx *sql.Tx, t Tenant, n FirstNewsletter) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, $2, $3, $4)`,
		t.ID, t.Slug, t.Name, millis(t.CreatedAt))
	if err != nil {
		return err
	}
	if err := insertDestination(ctx, tx, t.ID, t.ID, "", millis(t.CreatedAt)); err != nil {
		return err
	}
	id := NewID()
	slug, err := claimSlug(ctx, tx, n.Slug, t.ID, id)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, t.ID, slug, n.Name, n.Consent, millis(t.CreatedAt))
	return err
}

// slugNumbers is how many numbers are tried for a slug before it is taken.
const slugNumbers = 100

// claimSlug takes a public name for a newsletter of the tenant's for good: the
// wanted one, or when that was ever given, the first of wanted-2, wanted-3, … that
// wasn't.
func claimSlug(ctx context.Context, tx *sql.Tx, wanted, tenantID, newsletterID string) (string, error) {
	slug := wanted
	for n := 2; n <= slugNumbers; n++ {
		res, err := tx.ExecContext(ctx, `INSERT INTO newsletter_slugs (slug, tenant_id, newsletter_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, slug, tenantID, newsletterID)
		if err := changed(res, err, ErrConflict); !errors.Is(err, ErrConflict) {
			return slug, err
		}
		slug = fmt.Sprintf("%s-%d", wanted, n)
	}
	return "", ErrConflict
}

// AddMember makes the user a member of the tenant. Who is one already gives
// ErrConflict.
func (d *People) AddMember(ctx context.Context, userID, tenantID string, now time.Time) error {
	return wrap("add member", d.tx(ctx, func(tx *sql.Tx) error {
		return insertMembership(ctx, tx, userID, tenantID, now)
	}))
}

// insertMembership makes a user a member, who is mailed to at once if they have chosen for
// other tenants already, and else as processes of the release before do.
func insertMembership(ctx context.Context, tx *sql.Tx, userID, tenantID string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO memberships (user_id, tenant_id, created_at, mails) VALUES ($1, $2, $3,
		CASE WHEN EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = $1 AND m.mails <> '') THEN 'at_once' ELSE '' END)`,
		userID, tenantID, millis(now))
	if err != nil {
		return err
	}
	return mailsOfUser(ctx, tx, userID)
}

// RemoveMember ends the user's membership in the tenant. Who isn't a member
// gives ErrNotFound.
func (d *People) RemoveMember(ctx context.Context, userID, tenantID string) error {
	return wrap("remove member", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM memberships WHERE user_id = $1 AND tenant_id = $2`, userID, tenantID)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		return mailsOfUser(ctx, tx, userID)
	}))
}

// OfferSetup replaces all set-up links by the one whose token has the given
// hash. When there is a user already it gives ErrConflict.
func (d *People) OfferSetup(ctx context.Context, hash string, expires time.Time) error {
	return wrap("offer set-up", d.tx(ctx, func(tx *sql.Tx) error {
		if err := noUser(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM setup_links`); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO setup_links (secret_hash, expires_at) VALUES ($1, $2)`, hash, millis(expires))
		return err
	}))
}

// SetupOffered reports whether the set-up link works: otherwise ErrNotFound.
func (d *People) SetupOffered(ctx context.Context, hash string, now time.Time) error {
	var one int
	return wrap("set-up link", d.read.QueryRowContext(ctx,
		`SELECT 1 FROM setup_links WHERE secret_hash = $1 AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM users)`,
		hash, millis(now)).Scan(&one))
}

// Setup uses up the set-up link and stores the first tenant, its newsletter and
// its user, or nothing at all. A link that is unknown, used or expired, and one
// that is left when there is a user already, gives ErrNotFound; a slug that is
// taken gives ErrConflict.
func (d *People) Setup(ctx context.Context, hash string, t Tenant, n FirstNewsletter, u User) error {
	return wrap("set up", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx,
			`DELETE FROM setup_links WHERE secret_hash = $1 AND expires_at > $2`, hash, millis(u.CreatedAt))
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if err := noUser(ctx, tx); errors.Is(err, ErrConflict) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		if err := insertTenant(ctx, tx, t, n); err != nil {
			return err
		}
		return insertUser(ctx, tx, u, t.ID)
	}))
}

// noUser gives ErrConflict when there is a user.
func noUser(ctx context.Context, tx *sql.Tx) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM users`).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return ErrConflict
	}
	return nil
}
