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

// Outcome is what an attempt to deliver means for a subscriber. When the address
// was signed up again since Revision was read, newer values are to be delivered,
// and it is due again instead of being done with.
type Outcome struct {
	SubscriberID string
	Revision     int64 // as Due returned it
	State        State
	Reason       string
	Detail       string
	Refusals     int       // in a row, of what passes, when it stays waiting
	DueAt        time.Time // when it stays waiting, and is to lose its place in the queue
	SettlesAt    time.Time // when a write is out whose outcome is not known
	RecordID     string    // when delivered, as what follows
	Placeholders Placeholders
	MatchID      string // when another record is in the way, and the CRM tells which
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

// Known is what there is to know of a subscriber whose address is to be delivered.
type Known struct {
	Subscriber
	Due          bool  // it is to be delivered itself, now
	Revision     int64 // goes up with each repeated sign-up
	Newer        bool  // the address was signed up again since the write that is out
	Placeholders Placeholders
}

// Due returns up to limit of the tenant's subscribers that are to be delivered
// now, the one that has been due for longest first, each followed by the tenant's
// others with the same address: they share a record.
func (d *DB) Due(ctx context.Context, tenantID string, limit int) ([]Known, error) {
	now, seen := millis(d.now()), map[string]bool{}
	var due []Known
	err := each(ctx, d.read, func(row scanner) error {
		k, err := scanKnown(row)
		if err != nil || seen[k.ID] {
			return err
		}
		k.TenantID, k.Due = tenantID, k.State == Waiting && millis(k.DueAt) <= now
		seen[k.ID], due = true, append(due, k)
		return nil
	}, `SELECT o.id, o.newsletter_id, o.email, o.email_key, o.first_name, o.last_name, o.state, o.detail, o.attempts, o.refusals, o.due_at, o.sent_at, o.settles_at,
			o.record_id, o.created_at, o.repeated_at, o.revision, o.again_at, o.placeholders
		FROM (SELECT id, email_key, due_at FROM subscribers WHERE tenant_id = $1 AND state = 'waiting' AND due_at <= $2 ORDER BY due_at, id LIMIT $3) s
		CROSS JOIN subscribers o WHERE o.tenant_id = $1 AND o.email_key = s.email_key
		ORDER BY s.due_at, s.id, CASE WHEN o.id = s.id THEN 0 ELSE 1 END, o.id`,
		tenantID, now, limit)
	return due, wrap("due subscribers", err)
}

func scanKnown(row scanner) (k Known, err error) {
	var due, sent, settles, created, repeated, again int64
	var placeholders sql.NullString
	err = row.Scan(&k.ID, &k.NewsletterID, &k.Email, &k.EmailKey, &k.FirstName, &k.LastName, &k.State, &k.Detail, &k.Attempts, &k.Refusals, &due, &sent, &settles,
		&k.RecordID, &created, &repeated, &k.Revision, &again, &placeholders)
	if err != nil {
		return k, err
	}
	k.DueAt, k.SentAt, k.SettlesAt = fromMillis(due), fromMillis(sent), fromMillis(settles)
	k.CreatedAt, k.RepeatedAt = fromMillis(created), fromMillis(repeated)
	k.Newer = sent > 0 && again > 0
	if !placeholders.Valid && k.madeBefore() {
		k.Placeholders = placeholdersBefore
		return k, nil
	}
	k.Placeholders, err = parsePlaceholders(placeholders.String)
	return k, err
}

// madeBefore reports whether a row from before placeholders were written down is of
// a record that we made: a write was sent for it, and not refused. When its outcome
// isn't known, the record that is found is the one.
func (k Known) madeBefore() bool {
	if k.State == Delivered {
		return k.RecordID != "" && k.Attempts > 0 && k.Detail == ""
	}
	return k.RecordID == "" && !k.SentAt.IsZero()
}

// Sending is a write that is about to be sent for a subscriber.
type Sending struct {
	SubscriberID string
	Revision     int64        // as Due returned it
	New          bool         // it makes a record
	Placeholders Placeholders // in a new record
}

// MarkSent notes, before a write is sent, that it may have happened from now on,
// until when it may still take effect, and what it writes for want of a name. It
// returns ErrLost, and nothing must be sent, when the lease is gone.
func (d *DB) MarkSent(ctx context.Context, l Lease, sendings []Sending, settlesAt time.Time) error {
	return wrap("mark as sent", d.underLease(ctx, l, func(tx *sql.Tx) error {
		create, err := tx.PrepareContext(ctx, `UPDATE subscribers SET sent_at = $1, settles_at = $2, attempts = attempts + 1,
			again_at = CASE WHEN revision = $3 THEN 0 ELSE again_at END, record_id = '', placeholders = $6
			WHERE id = $4 AND tenant_id = $5 AND state = 'waiting'`)
		if err != nil {
			return err
		}
		defer func() { _ = create.Close() }()
		// In a record that is there, what we wrote before stays what it is.
		change, err := tx.PrepareContext(ctx, `UPDATE subscribers SET sent_at = $1, settles_at = $2, attempts = attempts + 1,
			again_at = CASE WHEN revision = $3 THEN 0 ELSE again_at END, placeholders = COALESCE(placeholders, $6)
			WHERE id = $4 AND tenant_id = $5 AND state = 'waiting'`)
		if err != nil {
			return err
		}
		defer func() { _ = change.Close() }()
		for _, s := range sendings {
			stmt := change
			if s.New {
				stmt = create
			}
			res, err := stmt.ExecContext(ctx, millis(d.now()), millis(settlesAt), s.Revision, s.SubscriberID, l.TenantID, s.Placeholders.stored())
			if err := changed(res, err, ErrLost); err != nil {
				return err
			}
		}
		return nil
	}))
}

// recording are the statements that store outcomes.
type recording struct{ delivered, due, other *sql.Stmt }

func prepareRecording(ctx context.Context, tx *sql.Tx) (r recording, err error) {
	for to, query := range map[**sql.Stmt]string{
		&r.delivered: `UPDATE subscribers SET state = 'delivered', reason = $1, detail = $2, refusals = 0, sent_at = 0, settles_at = 0, match_id = '', again_at = 0,
			record_id = $3, org_id = $4, instance_url = $5, delivered_at = $6, placeholders = $7
			WHERE id = $8 AND tenant_id = $9 AND state = 'waiting' AND revision = $10`,
		// What was said meanwhile is due as the first repeated sign-up of it is.
		&r.due: `UPDATE subscribers SET reason = '', detail = '', attempts = 0, refusals = 0, sent_at = 0, settles_at = 0, match_id = '', again_at = 0,
			due_at = CASE WHEN again_at > $6 THEN again_at ELSE $6 END, waits_since = CASE WHEN again_at > $6 THEN again_at ELSE $6 END,
			record_id = $3, org_id = $4, instance_url = $5, delivered_at = $6, placeholders = $7
			WHERE id = $1 AND tenant_id = $2 AND state = 'waiting'`,
		// What is known of a record stays known. What a write that didn't happen was to
		// put into a new one is forgotten.
		&r.other: `UPDATE subscribers SET state = $1, reason = $2, detail = $3, due_at = CASE WHEN CAST($4 AS BIGINT) = 0 THEN due_at ELSE $4 END,
			sent_at = CASE WHEN CAST($5 AS BIGINT) = 0 THEN 0 ELSE sent_at END, settles_at = $5,
			placeholders = CASE WHEN CAST($5 AS BIGINT) = 0 AND record_id = '' THEN '' ELSE placeholders END,
			match_id = $6, instance_url = CASE WHEN $7 = '' THEN instance_url ELSE $7 END, refusals = $11
			WHERE id = $8 AND tenant_id = $9 AND state = 'waiting' AND (revision = $10 OR $1 = 'waiting')`,
	} {
		if *to, err = tx.PrepareContext(ctx, query); err != nil { // ends with the transaction
			return r, err
		}
	}
	return r, nil
}

// RecordOutcomes stores what became of subscribers that were waiting, together
// with the events that tell of it and the counts of their states. It returns ErrLost when the lease is gone.
func (d *DB) RecordOutcomes(ctx context.Context, l Lease, outcomes []Outcome) error {
	return wrap("record outcomes", d.underLease(ctx, l, func(tx *sql.Tx) error {
		r, err := prepareRecording(ctx, tx)
		if err != nil {
			return err
		}
		return d.change(ctx, tx, func(c *change) error {
			for _, o := range outcomes {
				if err := c.record(ctx, r, l.TenantID, o); err != nil {
					return err
				}
			}
			return nil
		})
	}))
}

// record stores what became of a subscriber, unless it doesn't wait any more.
func (c *change) record(ctx context.Context, r recording, tenantID string, o Outcome) error {
	from, err := c.place(ctx, tenantID, o.SubscriberID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && from.state != Waiting {
		return nil
	}
	if err != nil {
		return err
	}
	if o.State == Delivered {
		return c.delivered(ctx, r, from, o)
	}
	err = c.other(ctx, r, from, o)
	if errors.Is(err, ErrLost) && o.State == Attention { // newer values may be what it needs
		return c.other(ctx, r, from, Outcome{State: Waiting, DueAt: fromMillis(c.at), SettlesAt: o.SettlesAt})
	}
	return err
}

// delivered stores that a subscriber was delivered; one that was signed up again
// meanwhile is due again.
func (c *change) delivered(ctx context.Context, r recording, from place, o Outcome) error {
	res, err := r.delivered.ExecContext(ctx, o.Reason, o.Detail, o.RecordID, o.OrgID, o.InstanceURL, c.at, o.Placeholders.stored(),
		from.id, from.tenantID, o.Revision)
	err = changed(res, err, ErrLost)
	again := errors.Is(err, ErrLost)
	if again {
		_, err = r.due.ExecContext(ctx, from.id, from.tenantID, o.RecordID, o.OrgID, o.InstanceURL, c.at, o.Placeholders.stored())
	}
	if err != nil {
		return err
	}
	to := from
	to.state, to.reason, to.orgID = Delivered, o.Reason, o.OrgID
	if err := c.move(ctx, from, to, o.Detail); err != nil || !again {
		return err
	}
	from.reason = ""
	return c.move(ctx, to, from, "")
}

// other stores that a subscriber was not delivered. It returns ErrLost when newer
// values are to be tried before it needs attention.
func (c *change) other(ctx context.Context, r recording, from place, o Outcome) error {
	res, err := r.other.ExecContext(ctx, o.State, o.Reason, o.Detail, millis(o.DueAt), millis(o.SettlesAt), o.MatchID, o.InstanceURL,
		from.id, from.tenantID, o.Revision, o.Refusals)
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	to := from
	to.state, to.reason = o.State, o.Reason
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
	_, err := d.exec(ctx, `DELETE FROM pauses WHERE tenant_id = $1`, tenantID)
	return wrap("end the pause", err)
}
