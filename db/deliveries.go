package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// deliveredTo is the service that subscribers are delivered to, as identity names it.
const deliveredTo = "sfdc"

// Pause says why nothing of a tenant's is sent for now. It stays, past Until,
// until a delivery succeeds.
type Pause struct {
	Reason string // a code of crm's; empty when there is no pause
	Detail string // what the CRM said
	Tries  int    // failures in a row
	Batch  int    // how many to try next, 0 for as many as the CRM takes
	Until  time.Time
}

// Outcome is what an attempt to deliver means for a subscriber.
type Outcome struct {
	SubscriberID string
	State        State
	Reason       string
	Detail       string
	Refusals     int       // in a row, of what passes, when it stays waiting
	DueAt        time.Time // when it stays waiting, and is to lose its place in the queue
	SettlesAt    time.Time // when a write is out whose outcome is not known
	RecordID     string    // when delivered
	MatchID      string    // when another record is in the way, and the CRM tells which
	OrgID        string
	InstanceURL  string
}

// DueTenants returns the tenants that have subscribers to deliver now, except
// those that are closed or paused or that somebody other than owner delivers.
func (d *DB) DueTenants(ctx context.Context, owner string) ([]string, error) {
	// The recursion hops from tenant to tenant on the index of what waits, so that
	// a long queue costs no more than a short one.
	ids, err := collect(ctx, d.read, scanID, `WITH RECURSIVE waiting (tenant_id) AS (
			SELECT min(tenant_id) FROM subscribers WHERE state = 'waiting'
			UNION ALL
			SELECT (SELECT min(s.tenant_id) FROM subscribers s WHERE s.state = 'waiting' AND s.tenant_id > w.tenant_id)
			FROM waiting w WHERE w.tenant_id IS NOT NULL
		)
		SELECT w.tenant_id FROM waiting w WHERE w.tenant_id IS NOT NULL
			AND EXISTS (SELECT 1 FROM subscribers s WHERE s.state = 'waiting' AND s.tenant_id = w.tenant_id AND s.due_at <= $1)
			AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = w.tenant_id AND t.closed_at > 0)
			AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.tenant_id = w.tenant_id AND p.until > $1)
			AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.name = 'deliver:' || w.tenant_id AND l.until > $1 AND l.owner <> $2)`,
		millis(d.now()), owner)
	return ids, wrap("due tenants", err)
}

func scanID(row scanner) (id string, err error) {
	err = row.Scan(&id)
	return id, err
}

// Due returns up to limit of the tenant's subscribers that are to be delivered
// now, the one that has been due for longest first. SettlesAt is the latest of
// any waiting subscriber of the tenant with the same address: they share a record.
func (d *DB) Due(ctx context.Context, tenantID string, limit int) ([]Subscriber, error) {
	// The address finds few; the state, which is hidden from the indexes, would find
	// all that waits, for each of them.
	due, err := collect(ctx, d.read, scanDue, `SELECT s.id, s.newsletter_id, s.email, s.email_key, s.first_name, s.last_name, s.attempts, s.refusals, s.due_at,
			coalesce((SELECT max(o.settles_at) FROM subscribers o
				WHERE o.tenant_id = s.tenant_id AND o.email_key = s.email_key AND o.state || '' = 'waiting'), 0)
		FROM subscribers s WHERE s.tenant_id = $1 AND s.state = 'waiting' AND s.due_at <= $2
		ORDER BY s.due_at, s.id LIMIT $3`,
		tenantID, millis(d.now()), limit)
	for i := range due {
		due[i].TenantID = tenantID
	}
	return due, wrap("due subscribers", err)
}

func scanDue(row scanner) (Subscriber, error) {
	s := Subscriber{State: Waiting}
	var due, settles int64
	err := row.Scan(&s.ID, &s.NewsletterID, &s.Email, &s.EmailKey, &s.FirstName, &s.LastName, &s.Attempts, &s.Refusals, &due, &settles)
	s.DueAt, s.SettlesAt = fromMillis(due), fromMillis(settles)
	return s, err
}

// MarkSent notes, before a write is sent, that it may have happened from now on,
// and until when it may still take effect. It returns ErrLost, and nothing must
// be sent, when the lease is gone.
func (d *DB) MarkSent(ctx context.Context, l Lease, subscriberIDs []string, settlesAt time.Time) error {
	return wrap("mark as sent", d.underLease(ctx, l, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `UPDATE subscribers SET sent_at = $1, settles_at = $2, attempts = attempts + 1
			WHERE id = $3 AND tenant_id = $4 AND state = 'waiting'`)
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }()
		for _, id := range subscriberIDs {
			res, err := stmt.ExecContext(ctx, millis(d.now()), millis(settlesAt), id, l.TenantID)
			if err := changed(res, err, ErrLost); err != nil {
				return err
			}
		}
		return nil
	}))
}

// RecordOutcomes stores what became of subscribers that were waiting, together
// with the events that tell of it and the counts of their states. It returns ErrLost when the lease is gone.
func (d *DB) RecordOutcomes(ctx context.Context, l Lease, outcomes []Outcome) error {
	return wrap("record outcomes", d.underLease(ctx, l, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `UPDATE subscribers SET state = $1, reason = $2, detail = $3, due_at = CASE WHEN $4 = 0 THEN due_at ELSE $4 END,
			sent_at = CASE WHEN $5 = 0 THEN 0 ELSE sent_at END, settles_at = $5,
			record_id = $6, org_id = $7, instance_url = $8, delivered_at = $9, match_id = $10, refusals = $11
			WHERE id = $12 AND tenant_id = $13`)
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }()
		return d.change(ctx, tx, func(c *change) error {
			for _, o := range outcomes {
				if err := c.record(ctx, stmt, l.TenantID, o); err != nil {
					return err
				}
			}
			return nil
		})
	}))
}

// record stores what became of a subscriber, unless it doesn't wait any more.
func (c *change) record(ctx context.Context, stmt *sql.Stmt, tenantID string, o Outcome) error {
	from, err := c.place(ctx, tenantID, o.SubscriberID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && from.state != Waiting {
		return nil
	}
	if err != nil {
		return err
	}
	var delivered int64
	if o.State == Delivered {
		delivered = c.at
	}
	_, err = stmt.ExecContext(ctx, o.State, o.Reason, o.Detail, millis(o.DueAt), millis(o.SettlesAt),
		o.RecordID, o.OrgID, o.InstanceURL, delivered, o.MatchID, o.Refusals, o.SubscriberID, tenantID)
	if err != nil {
		return err
	}
	to := from
	to.state, to.reason, to.orgID = o.State, o.Reason, o.OrgID
	return c.move(ctx, from, to, o.Detail)
}

const selectPause = `SELECT reason, detail, tries, batch, until FROM pauses WHERE tenant_id = $1`

// Pause returns why nothing of the tenant's is sent for now; the zero Pause when
// there is no reason.
func (d *DB) Pause(ctx context.Context, tenantID string) (Pause, error) {
	var p Pause
	var until int64
	err := d.pause.QueryRowContext(ctx, tenantID).Scan(&p.Reason, &p.Detail, &p.Tries, &p.Batch, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return Pause{}, nil
	}
	p.Until = fromMillis(until)
	return p, wrap("pause", err)
}

// SetPause stops a tenant's deliveries until p.Until. It returns ErrLost when
// the lease is gone.
func (d *DB) SetPause(ctx context.Context, l Lease, p Pause) error {
	return wrap("pause", d.underLease(ctx, l, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pauses (tenant_id, reason, detail, tries, batch, until) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id) DO UPDATE SET reason = excluded.reason, detail = excluded.detail,
				tries = excluded.tries, batch = excluded.batch, until = excluded.until`,
			l.TenantID, p.Reason, p.Detail, p.Tries, p.Batch, millis(p.Until))
		return err
	}))
}

// EndPause lets a tenant's deliveries go on.
func (d *DB) EndPause(ctx context.Context, tenantID string) error {
	_, err := d.write.ExecContext(ctx, `DELETE FROM pauses WHERE tenant_id = $1`, tenantID)
	return wrap("end the pause", err)
}
