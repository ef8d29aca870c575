package db

import (
	"cmp"
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
	Since  time.Time // when its reason began; zero when that is not known
}

// Outcome is what an attempt to deliver means for a subscriber. When the address
// was signed up again since Revision was read, newer values are to be delivered,
// and it is due again instead of being done with.
type Outcome struct {
	SubscriberID string
	EmailKey     string // that was looked for and written; it counts only where it is still the subscriber's. Any when empty
	Revision     int64  // as Due returned it
	State        State
	Reason       string
	Detail       string
	Refusals     int       // in a row, of what passes, when it stays waiting
	DueAt        time.Time // when it stays waiting, and is to lose its place in the queue
	SettlesAt    time.Time // when a write is out whose outcome is not known
	RecordID     string    // when delivered, as what follows
	LookedAt     time.Time // when the CRM was asked whether it has the record
	Made         bool      // the record: the CRM said that this write made it
	Placeholders Placeholders
	MatchID      string // when another record is in the way, and the CRM tells which
	OrgID        string
	InstanceURL  string
}

// DueTenants returns the tenants that have subscribers to deliver, to look up or to remove
// now, except those that are closed or paused or that somebody other than owner delivers.
func (d *Outbox) DueTenants(ctx context.Context, owner string) ([]string, error) {
	// The recursion hops from tenant to tenant on the index of what waits, so that
	// a long queue costs no more than a short one.
	ids, err := collect(ctx, d.read, scanID, `WITH RECURSIVE waiting (tenant_id) AS (
			SELECT min(tenant_id) FROM subscribers WHERE state = 'waiting'
			UNION ALL
			SELECT (SELECT min(s.tenant_id) FROM subscribers s WHERE s.state = 'waiting' AND s.tenant_id > w.tenant_id)
			FROM waiting w WHERE w.tenant_id IS NOT NULL
		)
		SELECT o.tenant_id FROM (SELECT tenant_id FROM waiting UNION SELECT tenant_id FROM removals WHERE ended_at = 0
			UNION SELECT tenant_id FROM subscribers WHERE state = 'left' AND sent_at > 0) o
		WHERE o.tenant_id IS NOT NULL AND `+ofDueTenants+` ORDER BY o.tenant_id`, millis(d.now()), owner)
	return ids, wrap("due tenants", err)
}

// DueAmong is DueTenants for some tenants alone.
func (d *Outbox) DueAmong(ctx context.Context, owner string, tenants []string) (due []string, err error) {
	for part := range tenantSet(tenants).parts() {
		with, args := part.with(d.engine, millis(d.now()), owner)
		ids, err := collect(ctx, d.read, scanID, with+`SELECT o.tenant_id FROM o WHERE `+ofDueTenants, args...)
		if err != nil {
			return nil, wrap("due tenants", err)
		}
		due = append(due, ids...)
	}
	return due, nil
}

func tenantSet(of []string) *set {
	s := newSet(text("tenant_id"))
	for _, id := range of {
		s.add(id)
	}
	return s
}

// ofDueTenants are those tenants of o with subscribers to deliver at $1, to look up or to
// remove, and whom nobody but $2 delivers.
const ofDueTenants = `(EXISTS (SELECT 1 FROM subscribers s WHERE s.state = 'waiting' AND s.tenant_id = o.tenant_id AND s.due_at <= $1)
		OR EXISTS (SELECT 1 FROM subscribers s WHERE s.state = 'left' AND s.sent_at > 0 AND s.tenant_id = o.tenant_id AND s.settles_at <= $1)
		OR EXISTS (SELECT 1 FROM removals r WHERE r.tenant_id = o.tenant_id AND r.ended_at = 0 AND r.due_at <= $1))
	AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = o.tenant_id AND t.closed_at > 0)
	AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.tenant_id = o.tenant_id AND p.until > $1)
	AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.name = 'deliver:' || o.tenant_id AND l.until > $1 AND l.owner <> $2)`

func scanID(row scanner) (id string, err error) {
	err = row.Scan(&id)
	return id, err
}

// Known is what there is to know of a subscriber whose address is to be delivered.
type Known struct {
	Subscriber
	Due          bool  // it is to be delivered itself, now; or looked up, where it has left
	Revision     int64 // goes up with each repeated sign-up and each edit
	Newer        bool  // something else was said since the write that is out
	Placeholders Placeholders
}

// Due returns up to limit of the tenant's subscribers that are to be delivered now, or
// that left while a write was out for them which has settled, the one that has been due
// for longest first, each followed by the tenant's others with the same address: they
// share a record.
func (d *Outbox) Due(ctx context.Context, tenantID string, limit int) ([]Known, error) {
	now, seen := millis(d.now()), map[string]bool{}
	var due []Known
	err := each(ctx, d.read, func(row scanner) error {
		k, err := scanKnown(row)
		if err != nil || seen[k.ID] {
			return err
		}
		if k.State == Left {
			k.DueAt = k.SettlesAt
		}
		k.TenantID, k.Due = tenantID, millis(k.DueAt) <= now && (k.State == Waiting || k.State == Left && !k.SentAt.IsZero())
		seen[k.ID], due = true, append(due, k)
		return nil
	}, `SELECT o.id, o.newsletter_id, o.email, o.email_key, o.first_name, o.last_name, o.state, o.detail, o.attempts, o.refusals, o.due_at, o.sent_at, o.settles_at,
			o.record_id, o.created_at, o.repeated_at, o.edited_at, o.revision, o.again_at, o.placeholders
		FROM (SELECT id, email_key, due_at FROM (SELECT id, email_key, due_at FROM subscribers WHERE tenant_id = $1 AND state = 'waiting' AND due_at <= $2 ORDER BY due_at, id LIMIT $3) w
			UNION ALL SELECT id, email_key, due_at FROM (SELECT id, email_key, settles_at AS due_at FROM subscribers
				WHERE tenant_id = $1 AND state = 'left' AND sent_at > 0 AND settles_at <= $2 ORDER BY settles_at, id LIMIT $3) l
			ORDER BY due_at, id LIMIT $3) s
		CROSS JOIN subscribers o WHERE o.tenant_id = $1 AND o.email_key = s.email_key
		ORDER BY s.due_at, s.id, CASE WHEN o.id = s.id THEN 0 ELSE 1 END, o.id`,
		tenantID, now, limit)
	return due, wrap("due subscribers", err)
}

func scanKnown(row scanner) (k Known, err error) {
	var due, sent, settles, created, repeated, edited, again int64
	var placeholders sql.NullString
	err = row.Scan(&k.ID, &k.NewsletterID, &k.Email, &k.EmailKey, &k.FirstName, &k.LastName, &k.State, &k.Detail, &k.Attempts, &k.Refusals, &due, &sent, &settles,
		&k.RecordID, &created, &repeated, &edited, &k.Revision, &again, &placeholders)
	if err != nil {
		return k, err
	}
	k.DueAt, k.SentAt, k.SettlesAt = fromMillis(due), fromMillis(sent), fromMillis(settles)
	k.CreatedAt, k.RepeatedAt, k.EditedAt = fromMillis(created), fromMillis(repeated), fromMillis(edited)
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
	if k.State == Delivered || k.State == Left {
		return k.RecordID != "" && k.Attempts > 0 && k.Detail == ""
	}
	return k.RecordID == "" && !k.SentAt.IsZero()
}

// Sending is a write that is about to be sent for a subscriber.
type Sending struct {
	SubscriberID string
	EmailKey     string       // that is written; any when empty
	Revision     int64        // as Due returned it
	New          bool         // it makes a record
	Placeholders Placeholders // in a new record
}

// MarkSent notes, before a write is sent, that it may have happened from now on,
// until when it may still take effect, and what it writes for want of a name. It
// returns ErrLost, and nothing must be sent, when the lease is gone, or somebody of them
// doesn't wait any more or has another address by now.
func (d *Outbox) MarkSent(ctx context.Context, l Lease, sendings []Sending, settlesAt time.Time) error {
	sent := newSet(text("id"), text("email_key"), integer("revision"), integer("new"), text("placeholders"))
	for _, s := range sendings {
		sent.add(s.SubscriberID, s.EmailKey, s.Revision, int64(bit(s.New)), s.Placeholders.stored())
	}
	return wrap("mark as sent", d.underLease(ctx, l, func(tx *sql.Tx) error {
		for part := range sent.of(l.TenantID).parts() {
			// In a record that is there, what we wrote before stays what it is.
			with, args := part.with(d.engine, millis(d.now()), millis(settlesAt))
			res, err := tx.ExecContext(ctx, with+`UPDATE subscribers SET sent_at = $1, settles_at = $2, attempts = attempts + 1,
				again_at = CASE WHEN subscribers.revision = o.revision THEN 0 ELSE again_at END,
				record_id = CASE WHEN o.new = 1 THEN '' ELSE record_id END,
				placeholders = CASE WHEN o.new = 1 THEN o.placeholders ELSE COALESCE(subscribers.placeholders, o.placeholders) END
				`+waitingOfSet+` AND (o.email_key = '' OR o.email_key = subscribers.email_key)`, args...)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || int(n) != len(part.rows) {
				return cmp.Or(err, ErrLost)
			}
		}
		return nil
	}))
}

// RecordOutcomes stores what became of subscribers that were waiting, together
// with the events that tell of it and the counts of their states. It returns ErrLost when the lease is gone.
func (d *Outbox) RecordOutcomes(ctx context.Context, l Lease, outcomes []Outcome) error {
	return wrap("record outcomes", d.underLease(ctx, l, func(tx *sql.Tx) error {
		return d.change(ctx, tx, func(c *change) error { return c.record(ctx, l.TenantID, outcomes) })
	}))
}

// waitingOfSet are those of ofSet who wait. Their state is compared in a way that no index
// serves, for the reason that set.of tells: those who wait may be taken for few, too.
const waitingOfSet = ofSet + ` AND subscribers.state || '' = 'waiting'`

// leftOfSet are those of ofSet who left while a write was out for them.
const leftOfSet = ofSet + ` AND subscribers.state || '' = 'left' AND subscribers.sent_at > 0`

// attempt is an outcome with the place where its subscriber waits.
type attempt struct {
	Outcome
	from place
}

// record stores what became of subscribers, except those who don't wait any more, or
// have another address than was tried. What became of a write for somebody who left
// meanwhile is noted.
func (c *change) record(ctx context.Context, tenantID string, outcomes []Outcome) error {
	of := make([]string, len(outcomes))
	for i, o := range outcomes {
		of[i] = o.SubscriberID
	}
	stand, err := c.places(ctx, tenantID, of)
	if err != nil {
		return err
	}
	var delivered, other, left []attempt
	for _, o := range outcomes {
		from, ok := stand[o.SubscriberID]
		delete(stand, o.SubscriberID) // each has one outcome
		switch {
		case !ok || o.EmailKey != "" && o.EmailKey != from.emailKey:
		case from.state == Left:
			left = append(left, attempt{o, from})
		case from.state != Waiting:
		case o.State == Delivered:
			delivered = append(delivered, attempt{o, from})
		default:
			other = append(other, attempt{o, from})
		}
	}
	if err := c.delivered(ctx, tenantID, delivered); err != nil {
		return err
	}
	if err := c.afterLeaving(ctx, tenantID, left); err != nil {
		return err
	}
	newer, err := c.other(ctx, tenantID, other)
	if err != nil {
		return err
	}
	for i, a := range newer { // newer values may be what it needs
		if a.State != Attention {
			return ErrLost
		}
		newer[i].Outcome = Outcome{SubscriberID: a.SubscriberID, State: Waiting, DueAt: fromMillis(c.at), SettlesAt: a.SettlesAt}
	}
	if newer, err = c.other(ctx, tenantID, newer); err == nil && len(newer) > 0 {
		err = ErrLost
	}
	return err
}

// delivered stores that subscribers were delivered; one that was signed up again
// meanwhile is due again, and so is one with a record that was deleted since it was found.
func (c *change) delivered(ctx context.Context, tenantID string, all []attempt) error {
	s := newSet(text("id"), integer("revision"), text("reason"), text("detail"), text("record_id"), text("org_id"), text("instance_url"), text("placeholders"), integer("made"), integer("looked_at"))
	again := newSet(s.columns...)
	rows := map[string][]any{}
	for _, a := range all {
		rows[a.SubscriberID] = []any{a.SubscriberID, a.Revision, a.Reason, a.Detail, a.RecordID, a.OrgID, a.InstanceURL, a.Placeholders.stored(), int64(bit(a.Made)), millis(a.LookedAt)}
		s.add(rows[a.SubscriberID]...)
	}
	done, err := c.update(ctx, tenantID, s, `UPDATE subscribers SET state = 'delivered', reason = o.reason, detail = o.detail, refusals = 0,
		sent_at = 0, settles_at = 0, match_id = '', again_at = 0,
		`+arrived+waitingOfSet+` AND subscribers.revision = o.revision
		AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.record_id = o.record_id AND r.org_id = o.org_id AND r.sent_at > 0 AND r.ended_at > 0 AND r.ended_at >= o.looked_at) RETURNING subscribers.id`, c.at)
	if err != nil {
		return err
	}
	for _, a := range all {
		to := a.from
		to.state, to.reason, to.orgID = Delivered, a.Reason, a.OrgID
		c.move(a.from, to, a.Detail)
		if !done[a.SubscriberID] {
			a.from.reason = ""
			c.move(to, a.from, "")
			again.add(rows[a.SubscriberID]...)
		}
	}
	// What was said meanwhile is due as the first repeated sign-up of it is.
	_, err = c.update(ctx, tenantID, again, `UPDATE subscribers SET reason = '', detail = '', attempts = 0, refusals = 0,
		sent_at = 0, settles_at = 0, match_id = '', again_at = 0,
		due_at = CASE WHEN again_at > $1 THEN again_at ELSE $1 END, waits_since = CASE WHEN again_at > $1 THEN again_at ELSE $1 END,
		`+arrived+waitingOfSet+` RETURNING subscribers.id`, c.at)
	return err
}

// arrived sets what is known of the record in the CRM. One that we made stays ours.
const arrived = `made_id = CASE WHEN o.made = 1 OR subscribers.made_id = o.record_id THEN o.record_id ELSE '' END,
	record_id = o.record_id, org_id = o.org_id, instance_url = o.instance_url, delivered_at = $1, placeholders = o.placeholders`

// afterLeaving notes what became of writes for subscribers who left after they were sent:
// they don't come back by that, but what arrived is in the CRM, and is told.
func (c *change) afterLeaving(ctx context.Context, tenantID string, all []attempt) error {
	in := newSet(text("id"), text("record_id"), text("org_id"), text("instance_url"), text("placeholders"), integer("made"))
	out := newSet(text("id"), integer("settles_at"))
	for _, a := range all {
		if a.State == Delivered {
			in.add(a.SubscriberID, a.RecordID, a.OrgID, a.InstanceURL, a.Placeholders.stored(), int64(bit(a.Made)))
			continue
		}
		out.add(a.SubscriberID, millis(a.SettlesAt))
	}
	done, err := c.update(ctx, tenantID, in, `UPDATE subscribers SET sent_at = 0, settles_at = 0, again_at = 0, `+arrived+leftOfSet+` RETURNING subscribers.id`, c.at)
	if err != nil {
		return err
	}
	for _, a := range all {
		if done[a.SubscriberID] {
			c.arrivedAfterLeaving(a.from, a.Detail)
		}
	}
	_, err = c.update(ctx, tenantID, out, `UPDATE subscribers SET sent_at = CASE WHEN o.settles_at = 0 THEN 0 ELSE sent_at END, settles_at = o.settles_at,
		placeholders = CASE WHEN o.settles_at = 0 AND record_id = '' THEN '' ELSE placeholders END`+leftOfSet+` RETURNING subscribers.id`)
	return err
}

// other stores that subscribers were not delivered, and returns those that have newer
// values, which are to be tried before they need attention.
func (c *change) other(ctx context.Context, tenantID string, all []attempt) (newer []attempt, err error) {
	s := newSet(text("id"), integer("revision"), text("state"), text("reason"), text("detail"), integer("due_at"), integer("settles_at"),
		text("match_id"), text("instance_url"), integer("refusals"))
	for _, a := range all {
		s.add(a.SubscriberID, a.Revision, string(a.State), a.Reason, a.Detail, millis(a.DueAt), millis(a.SettlesAt), a.MatchID, a.InstanceURL, int64(a.Refusals))
	}
	// What is known of a record stays known. What a write that didn't happen was to
	// put into a new one is forgotten.
	done, err := c.update(ctx, tenantID, s, `UPDATE subscribers SET state = o.state, reason = o.reason, detail = o.detail,
		due_at = CASE WHEN o.due_at = 0 THEN subscribers.due_at ELSE o.due_at END,
		sent_at = CASE WHEN o.settles_at = 0 THEN 0 ELSE sent_at END, settles_at = o.settles_at,
		placeholders = CASE WHEN o.settles_at = 0 AND record_id = '' THEN '' ELSE placeholders END,
		match_id = o.match_id, instance_url = CASE WHEN o.instance_url = '' THEN subscribers.instance_url ELSE o.instance_url END, refusals = o.refusals
		`+waitingOfSet+` AND (subscribers.revision = o.revision OR o.state = 'waiting') RETURNING subscribers.id`)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if !done[a.SubscriberID] {
			newer = append(newer, a)
			continue
		}
		to := a.from
		to.state, to.reason = a.State, a.Reason
		c.move(a.from, to, a.Detail)
	}
	return newer, nil
}

const selectPause = `SELECT reason, detail, tries, batch, until, since FROM pauses WHERE tenant_id = $1`

// Pause returns why nothing of the tenant's is sent for now; the zero Pause when
// there is no reason.
func (d *Outbox) Pause(ctx context.Context, tenantID string) (Pause, error) {
	p, err := scanPause(d.read.QueryRowContext(ctx, selectPause, tenantID))
	if errors.Is(err, sql.ErrNoRows) {
		return Pause{}, nil
	}
	return p, wrap("pause", err)
}

func scanPause(row scanner) (p Pause, err error) {
	var until, since int64
	err = row.Scan(&p.Reason, &p.Detail, &p.Tries, &p.Batch, &until, &since)
	p.Until, p.Since = fromMillis(until), fromMillis(since)
	return p, err
}

// SetPause stops a tenant's deliveries until p.Until, since now when that is for another
// reason than before. It returns ErrLost when the lease is gone.
func (d *Outbox) SetPause(ctx context.Context, l Lease, p Pause) error {
	return wrap("pause", d.underLease(ctx, l, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pauses (tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant_id) DO UPDATE SET since = CASE WHEN pauses.reason = excluded.reason THEN pauses.since ELSE excluded.since END, reason = excluded.reason, detail = excluded.detail,
				tries = excluded.tries, batch = excluded.batch, until = excluded.until`,
			l.TenantID, p.Reason, p.Detail, p.Tries, p.Batch, millis(p.Until), millis(d.now()))
		return err
	}))
}

// Blamed returns how many of the tenant's in a row were refused alone, as SetBlamed
// stored it.
func (d *Outbox) Blamed(ctx context.Context, tenantID string) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT n FROM blames WHERE tenant_id = $1`, tenantID).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return n, wrap("blamed", err)
}

// SetBlamed stores how many of the tenant's in a row were refused alone. It returns
// ErrLost when the lease is gone.
func (d *Outbox) SetBlamed(ctx context.Context, l Lease, n int) error {
	return wrap("count the blamed", d.underLease(ctx, l, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO blames (tenant_id, n) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET n = excluded.n`, l.TenantID, n)
		return err
	}))
}

// EndPause lets a tenant's deliveries go on.
func (d *Outbox) EndPause(ctx context.Context, tenantID string) error {
	_, err := d.execNotify(ctx, Notice{NoticeDue, tenantID}, `DELETE FROM pauses WHERE tenant_id = $1`, tenantID)
	return wrap("end the pause", err)
}
