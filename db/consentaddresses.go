package db

import (
	"context"
	"database/sql"
	"time"
)

// Origin is from where somebody agreed: what the tenant keeps of it, and for how long, it chooses.
type Origin struct {
	IP        string
	UserAgent string
}

// keepAddress stores from where a subscriber agreed at a time, where the tenant keeps that.
func (b *book) keepAddress(ctx context.Context, s SignUp, id string) error {
	if s.From == (Origin{}) {
		return nil
	}
	_, err := b.tx.ExecContext(ctx, `INSERT INTO consent_addresses (tenant_id, subscriber_id, at, ip, user_agent) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		s.TenantID, id, millis(s.At), s.From.IP, s.From.UserAgent)
	return err
}

// ForgetAddresses deletes some of what is kept of from where people agreed, where that is longer ago than their tenant keeps it.
func (d *Privacy) ForgetAddresses(ctx context.Context) error {
	now := millis(d.now())
	return wrap("forget addresses", d.txCommitted(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM consent_addresses WHERE (tenant_id, subscriber_id, at) IN (SELECT a.tenant_id, a.subscriber_id, a.at FROM tenants t CROSS JOIN consent_addresses a
			WHERE a.tenant_id = t.id AND a.at < CAST($1 AS BIGINT) - t.address_days * CAST($2 AS BIGINT) LIMIT $3)`, now, (24 * time.Hour).Milliseconds(), sweptAtOnce)
		if err := changed(res, err, ErrNotFound); err != nil {
			return ignore(err, ErrNotFound)
		}
		return noteCompaction(ctx, tx, notedErased, now)
	}))
}
