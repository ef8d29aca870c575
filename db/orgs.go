package db

import (
	"context"
	"database/sql"
)

// OrgCount is how many of a tenant's subscribers are delivered in an org.
type OrgCount struct {
	OrgID string
	N     int
}

// Orgs returns where the tenant's delivered subscribers are, by org.
func (d *Outbox) Orgs(ctx context.Context, tenantID string) (all []OrgCount, err error) {
	err = ask(ctx, d.read, orgsOf(&all, tenantID))
	return all, wrap("orgs", err)
}

// orgsOf reads where the tenant's delivered subscribers are.
func orgsOf(all *[]OrgCount, tenantID string) part {
	return listed(all, func(row scanner) (o OrgCount, err error) {
		return o, row.Scan(&o.OrgID, &o.N)
	}, `SELECT org_id, n FROM org_counts WHERE tenant_id = $1 AND n > 0 ORDER BY org_id`, tenantID)
}

// elsewhere are up to limit of those whom a move sends to its org, but for those who are to
// be removed; ErrLost when that one is not connected any more: they would come back for ever.
func elsewhere(ctx context.Context, tx *sql.Tx, a *Action, limit int) ([]string, error) {
	var connected int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM identities WHERE service = $1 AND tenant_id = $2 AND org_id = $3`,
		a.Service, a.TenantID, a.OrgID).Scan(&connected)
	if err != nil {
		return nil, err
	}
	if connected == 0 {
		return nil, ErrLost
	}
	// From org to org on the index of what is delivered, so that those who are in
	// the right one are never looked at.
	return collect(ctx, tx, scanID, `SELECT s.id FROM org_counts o CROSS JOIN subscribers s
		WHERE o.tenant_id = $1 AND o.org_id <> $2 AND o.n > 0
			AND s.tenant_id = o.tenant_id AND s.org_id = o.org_id AND s.state = 'delivered' AND s.id < $3
			AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.tenant_id = s.tenant_id AND r.subscriber_id = s.id AND r.ended_at = 0)
		LIMIT $4`, a.TenantID, a.OrgID, a.ID, limit)
}

// anew has a delivered subscriber delivered anew, to another org, or since the record is
// gone. What another org has stays there.
var anew = decision{`UPDATE subscribers SET state = 'waiting', reason = '', detail = '', attempts = 0, refusals = 0, due_at = $1, waits_since = $1,
	record_id = '', made_id = '', placeholders = '', org_id = '', instance_url = '', delivered_at = 0, sent_at = 0, settles_at = 0` + ofSet,
	func(to place) (place, string) { to.state, to.reason, to.orgID = Waiting, "", ""; return to, "" }}
