package db

import (
	"context"
	"database/sql"
)

// othersOfOrg are the tenants beside $3 that have an org: they are connected to it,
// in order or not, or readers of theirs were delivered there. Those that are removed
// don't count.
const othersOfOrg = `SELECT tenant_id FROM identities
		WHERE org_id = $2 AND service = $1 AND tenant_id <> $3 AND user_name = '' AND account = '' AND org_id <> ''
	UNION SELECT c.tenant_id FROM org_counts c JOIN destinations t ON t.id = c.destination_id AND t.service = $1 AND t.removed_at = 0
		WHERE c.org_id = $2 AND c.tenant_id <> $3 AND c.n > 0 AND c.` + ofOpenTenants

// orgNeedsConfirmation reports whether another tenant has the org, which nobody of
// this one has confirmed yet.
func orgNeedsConfirmation(ctx context.Context, q queryer, service, orgID, tenantID string) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx, `SELECT CASE WHEN EXISTS (`+othersOfOrg+`)
		AND NOT EXISTS (SELECT 1 FROM org_confirmations WHERE tenant_id = $3 AND service = $1 AND org_id = $2) THEN 1 ELSE 0 END`,
		service, orgID, tenantID).Scan(&n)
	return n == 1, err
}

// OrgNeedsConfirmation reports whether another tenant has the org, which nobody of
// this one has confirmed yet.
func (d *Vault) OrgNeedsConfirmation(ctx context.Context, service, orgID, tenantID string) (bool, error) {
	needs, err := orgNeedsConfirmation(ctx, d.read, service, orgID, tenantID)
	return needs, wrap("whether an org needs to be confirmed", err)
}

// enterOrg is called before a tenant's own connection is stored. Unless the tenant
// is connected to the same org already, or g says who confirmed it, it returns
// ErrOrgInUse for an org that needs to be confirmed.
func (d *base) enterOrg(ctx context.Context, tx *sql.Tx, g Grant, connectedTo string) error {
	if !g.Own() || g.OrgID == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO org_locks (service, org_id, used_at) VALUES ($1, $2, $3)
		ON CONFLICT (service, org_id) DO UPDATE SET used_at = excluded.used_at`, g.Service, g.OrgID, millis(d.now()))
	if err != nil || g.OrgID == connectedTo {
		return err
	}
	needs, err := orgNeedsConfirmation(ctx, tx, g.Service, g.OrgID, g.TenantID)
	if err != nil || !needs {
		return err
	}
	if g.OrgConfirmedBy == "" {
		return ErrOrgInUse
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO org_confirmations (tenant_id, service, org_id, confirmed_by, confirmed_at) VALUES ($1, $2, $3, $4, $5)`,
		g.TenantID, g.Service, g.OrgID, g.OrgConfirmedBy, millis(d.now()))
	return err
}
