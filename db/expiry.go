package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// RemovalKind is why a subscriber was removed.
type RemovalKind string

// Why subscribers are removed.
const (
	RemovalUndone  RemovalKind = ""        // a test was undone
	RemovalExpired RemovalKind = "expired" // they never confirmed, nobody decided, or they were rejected
	RemovalErased  RemovalKind = "erased"  // they are to be forgotten
)

// expireBatch is how many are removed in a transaction.
const expireBatch = 200

// TenantsWithUndecided returns the tenants that have subscribers who are to confirm, are held or were rejected, or of
// whom a further sign-up is held.
func (d *Readers) TenantsWithUndecided(ctx context.Context) (tenantIDs []string, err error) {
	tenantIDs, err = collect(ctx, d.read, scanID, `SELECT tenant_id FROM state_counts WHERE state IN ('unconfirmed', 'held', 'rejected') GROUP BY tenant_id HAVING sum(n) > 0
		UNION SELECT tenant_id FROM holds WHERE decided_at = 0 ORDER BY 1`)
	return tenantIDs, wrap("undecided subscribers", err)
}

// ExpireReaders removes those of the tenant's subscribers who haven't confirmed, are held, or were rejected, and signed up last before their
// newsletter's term, up to some hundred of them, and reports whether there may be more. They are counted as
// expired, and nothing else of them stays: that they were rejected isn't known any more either. A sign-up that is held of
// somebody who stays ends as nobody's decision when it is as old.
func (d *Readers) ExpireReaders(ctx context.Context, tenantID string) (more bool, err error) {
	newsletters, err := d.Newsletters(ctx, tenantID)
	if err != nil {
		return false, err
	}
	for _, n := range newsletters {
		before := d.now().Add(-n.Readers.KeepFor())
		for _, some := range []func(context.Context, Newsletter, time.Time) (bool, error){d.expireOf, d.expireHoldsOf} {
			left, err := some(ctx, n, before)
			if err != nil {
				return false, wrap("expire subscribers", err)
			}
			more = more || left
		}
	}
	return more, nil
}

// mayConfirm says of the subscriber s that a link of theirs works at the time $3, or a mail with one is on its way, asked for
// since $2.
const mayConfirm = `(EXISTS (SELECT 1 FROM confirmations c WHERE c.tenant_id = s.tenant_id AND c.subscriber_id = s.id AND c.expires_at > $3)
	OR EXISTS (SELECT 1 FROM reader_mails m WHERE m.tenant_id = s.tenant_id AND m.subscriber_id = s.id AND m.state = 'queued' AND m.created_at >= $2))`

// expireOf removes those of a newsletter who signed up, or got another address, last before a time, and of whom no link works and no mail is
// on its way. Of who was rejected, that is the last sign-up that was held, whenever it was decided.
func (d *Readers) expireOf(ctx context.Context, n Newsletter, before time.Time) (more bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, scanID, `SELECT s.id FROM subscribers s WHERE s.tenant_id = $1 AND s.state IN ('unconfirmed', 'held', 'rejected') AND s.state <> 'active' AND s.newsletter_id = $4
			AND s.created_at < $2 AND s.repeated_at < $2 AND s.edited_at < $2 AND NOT `+mayConfirm+`
			AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant_id = s.tenant_id AND h.subscriber_id = s.id AND (h.decided_at = 0 OR s.state = 'rejected') AND h.at >= $2)
			ORDER BY s.id LIMIT $5`, n.TenantID, millis(before), millis(d.now()), n.ID, expireBatch)
		if err != nil {
			return err
		}
		more = len(ids) == expireBatch
		return d.change(ctx, tx, func(c *change) error {
			for _, id := range ids {
				if err := c.expire(ctx, n.TenantID, id); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return more, err
}

// expireHoldsOf ends those held sign-ups to a newsletter that came before a time, of people who stay what they are.
func (d *Readers) expireHoldsOf(ctx context.Context, n Newsletter, before time.Time) (more bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, scanID, `SELECT h.subscriber_id FROM holds h JOIN subscribers s ON s.tenant_id = h.tenant_id AND s.id = h.subscriber_id
			WHERE h.tenant_id = $1 AND h.decided_at = 0 AND h.newsletter_id = $2 AND h.at < $3 AND s.state <> 'held' ORDER BY h.id LIMIT $4`, n.TenantID, n.ID, millis(before), expireBatch)
		if err != nil {
			return err
		}
		more = len(ids) == expireBatch
		return d.change(ctx, tx, func(c *change) error {
			for _, id := range ids {
				c.deleted = true // what they had sent
				if err := c.decideHold(ctx, place{tenantID: n.TenantID, id: id}, HoldExpired); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return more, err
}

// expire removes a subscriber, and keeps a receipt that counts them as expired.
func (c *change) expire(ctx context.Context, tenantID, subscriberID string) error {
	k, err := knownByID(ctx, c.tx, tenantID, subscriberID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	r := Removal{TenantID: tenantID, SubscriberID: subscriberID, NewsletterID: k.newsletterID, Kind: RemovalExpired, hour: hourOf(k.createdAt), revision: k.revision}
	if err := c.receipt(ctx, &r); err != nil {
		return err
	}
	// Who was active, and is to confirm another address, has deliveries, which ended before they arrived.
	_, err = c.tx.ExecContext(ctx, `INSERT INTO removal_records (tenant_id, subscriber_id, destination_id, record_id, org_id, ended_at, record, code)
		SELECT tenant_id, subscriber_id, destination_id, '', '', CAST($3 AS BIGINT), 'none', '' FROM deliveries WHERE tenant_id = $1 AND subscriber_id = $2`, tenantID, subscriberID, c.at)
	if err != nil {
		return err
	}
	return c.erase(ctx, r)
}

// receipt stores that a subscriber is removed: it counts them, and has no name.
func (c *change) receipt(ctx context.Context, r *Removal) error {
	var imported, told int64
	err := c.tx.QueryRowContext(ctx, `SELECT CASE WHEN source = 'import' THEN 1 ELSE 0 END, CASE WHEN edited_at > 0 THEN 1 ELSE 0 END, (SELECT count(*) FROM consents c WHERE c.tenant_id = $1 AND c.subscriber_id = $2 AND c.act = 'given')
		FROM subscribers WHERE tenant_id = $1 AND id = $2`, r.TenantID, r.SubscriberID).Scan(&imported, &told, &r.repeated)
	if err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(ctx, `DELETE FROM removals WHERE tenant_id = $1 AND subscriber_id = $2 AND erased = 0`, r.TenantID, r.SubscriberID); err != nil { // of a test that wasn't undone after all
		return err
	}
	_, err = c.tx.ExecContext(ctx, `INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, revision, actor, asked_at, ended_at, erased, kind, imported, told)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 1, $9, $10, $11)`, r.TenantID, r.SubscriberID, r.NewsletterID, r.hour, r.repeated, r.revision, c.actor, c.at, r.Kind, imported, told)
	return err
}
