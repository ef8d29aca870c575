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
func (d *DB) Orgs(ctx context.Context, tenantID string) ([]OrgCount, error) {
	all, err := collect(ctx, d.read, func(row scanner) (o OrgCount, err error) {
		return o, row.Scan(&o.OrgID, &o.N)
	}, `SELECT org_id, n FROM org_counts WHERE tenant_id = $1 AND n > 0 ORDER BY org_id`, tenantID)
	return all, wrap("orgs", err)
}

// Move is what MoveToOrg did in one transaction.
type Move struct {
	N    int    // subscribers that are to be delivered anew
	Last string // id of the last one looked at; empty when there are no more
}

// MoveToOrg looks at up to limit of the tenant's delivered subscribers, after the
// one with the given id, and has those that another org than orgID has delivered
// anew. actor is the id of the user who wants it. What the other org has stays
// there.
func (d *DB) MoveToOrg(ctx context.Context, tenantID, orgID, after, actor string, limit int) (m Move, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT id FROM subscribers WHERE tenant_id = $1 AND state = 'delivered' AND id > $2 ORDER BY id LIMIT $3`, tenantID, after, limit)
		if err != nil {
			return err
		}
		if len(ids) == limit {
			m.Last = ids[limit-1]
		}
		return d.change(ctx, tx, func(c *change) error {
			c.actor = actor
			for _, id := range ids {
				from, err := c.place(ctx, tenantID, id)
				if err != nil {
					return err
				}
				if from.orgID == orgID {
					continue
				}
				m.N++
				if err := c.again(ctx, from); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return m, wrap("move to an org", err)
}

// again has a delivered subscriber delivered anew.
func (c *change) again(ctx context.Context, from place) error {
	if _, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET state = 'waiting', reason = '', detail = '', attempts = 0, due_at = $2,
		record_id = '', org_id = '', instance_url = '', delivered_at = 0, sent_at = 0, settles_at = 0 WHERE id = $1`, from.id, c.at); err != nil {
		return err
	}
	to := from
	to.state, to.reason, to.orgID = Waiting, "", ""
	return c.move(ctx, from, to, "")
}
