package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// Pause says why nothing is sent to a destination for now. It stays, past Until,
// until a delivery succeeds.
type Pause struct {
	Reason string // a code of crm's; empty when there is no pause
	Detail string // what the CRM said
	Tries  int    // failures in a row
	Batch  int    // how many to try next, 0 for as many as the CRM takes
	Until  time.Time
	Since  time.Time // when its reason began; zero when that is not known
}

// Outcome is what an attempt to deliver means for a subscriber's delivery. When the address
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
	Written      Written  // into the record, now and before
	Without      []string // keys of the paused fields that it went without
	OptedOut     OptedOut // what the record says of e-mail
	MatchID      string   // when another record is in the way, and the CRM tells which
	OrgID        string
	InstanceURL  string
}

// DueDestinations returns the destinations to which something is to be delivered, or where
// something is to be looked up or removed now, except those of tenants that are closed, and
// those that are paused or that somebody other than owner delivers to.
func (d *Outbox) DueDestinations(ctx context.Context, owner string) ([]DestinationKey, error) {
	// The recursion hops from destination to destination on the index of what waits, so
	// that a long queue costs no more than a short one.
	keys, err := collect(ctx, d.read, scanDestinationKey, `WITH RECURSIVE waiting (id) AS (
			SELECT min(destination_id) FROM deliveries WHERE state = 'waiting'
			UNION ALL
			SELECT (SELECT min(s.destination_id) FROM deliveries s WHERE s.state = 'waiting' AND s.destination_id > w.id)
			FROM waiting w WHERE w.id IS NOT NULL
		), leaving (id) AS (
			SELECT min(destination_id) FROM opt_outs WHERE ended_at = 0
			UNION ALL
			SELECT (SELECT min(s.destination_id) FROM opt_outs s WHERE s.ended_at = 0 AND s.destination_id > w.id)
			FROM leaving w WHERE w.id IS NOT NULL
		)
		SELECT o.tenant_id, o.id FROM (SELECT id FROM waiting UNION SELECT id FROM leaving UNION SELECT destination_id FROM removal_records WHERE ended_at = 0
			UNION SELECT destination_id FROM deliveries WHERE state = 'ended' AND sent_at > 0) i
		CROSS JOIN destinations o WHERE o.id = i.id AND `+ofDue+` ORDER BY o.id`, millis(d.now()), owner)
	return keys, wrap("due destinations", err)
}

// DueAmong is DueDestinations for those of some tenants alone.
func (d *Outbox) DueAmong(ctx context.Context, owner string, tenants []string) (due []DestinationKey, err error) {
	for part := range tenantSet(tenants).parts() {
		with, args := part.with(d.engine, millis(d.now()), owner)
		keys, err := collect(ctx, d.read, scanDestinationKey, with+`SELECT o.tenant_id, o.id FROM o AS t JOIN destinations o ON o.tenant_id = t.tenant_id WHERE `+ofDue, args...)
		if err != nil {
			return nil, wrap("due destinations", err)
		}
		due = append(due, keys...)
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

// ofDue are those destinations o with something to deliver at $1, to look up or to remove,
// and to which nobody but $2 delivers.
const ofDue = `o.removed_at = 0 AND (EXISTS (SELECT 1 FROM deliveries s WHERE s.tenant_id = o.tenant_id AND s.state = 'waiting' AND s.destination_id = o.id AND s.due_at <= $1)
		OR EXISTS (SELECT 1 FROM deliveries s WHERE s.tenant_id = o.tenant_id AND s.state = 'ended' AND s.sent_at > 0 AND s.destination_id = o.id AND s.settles_at <= $1)
		OR EXISTS (SELECT 1 FROM removal_records r WHERE r.tenant_id = o.tenant_id AND r.destination_id = o.id AND r.ended_at = 0 AND r.due_at <= $1)
		OR EXISTS (SELECT 1 FROM opt_outs r WHERE r.tenant_id = o.tenant_id AND r.destination_id = o.id AND r.ended_at = 0 AND r.due_at <= $1))
	AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = o.tenant_id AND t.closed_at > 0)
	AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.tenant_id = o.tenant_id AND p.destination_id = o.id AND p.until > $1)
	AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.name = 'deliver:' || o.id AND l.until > $1 AND l.owner <> $2)`

func scanDestinationKey(row scanner) (k DestinationKey, err error) {
	err = row.Scan(&k.TenantID, &k.DestinationID)
	return k, err
}

func scanID(row scanner) (id string, err error) {
	err = row.Scan(&id)
	return id, err
}

// Known is what there is to know of a subscriber whose address is to be delivered: its
// delivery is the one to the destination.
type Known struct {
	Subscriber
	Due          bool  // it is to be delivered itself, now; or looked up, where it has ended
	Revision     int64 // goes up with each repeated sign-up and each edit
	Newer        bool  // something else was said since the write that is out
	Placeholders Placeholders
	Written      Written // into the record
	Agreed       int     // version of the form by which they signed up last
}

// Due returns up to limit of those who are to be delivered to a destination now, or whose
// delivery ended while a write was out for them which has settled, the one that has been due
// for longest first, each followed by the tenant's others with the same address there: they
// share a record. Whoever signed up with the address of somebody who is being erased waits until it is known
// what became of that one's write.
//
// Each table is to be reached from the one before it: to a comparison with a text to which
// nothing is added PostgreSQL has no other way, whatever it takes a new crowd for.
func (d *Outbox) Due(ctx context.Context, key DestinationKey, limit int) ([]Known, error) {
	now, seen := millis(d.now()), map[string]bool{}
	var due []Known
	err := each(ctx, d.read, func(row scanner) error {
		k, err := scanKnown(row)
		if err != nil || seen[k.ID] {
			return err
		}
		if k.State == Ended {
			k.DueAt = k.SettlesAt
		}
		k.TenantID, k.DestinationID, k.Due = key.TenantID, key.DestinationID, millis(k.DueAt) <= now && (k.State == Waiting || k.State == Ended && !k.SentAt.IsZero())
		seen[k.ID], due = true, append(due, k)
		return nil
	}, `SELECT o.id, o.newsletter_id, o.email, o.email_key, o.first_name, o.last_name, o.state, o.created_at, o.repeated_at, o.edited_at,
			d.state, d.reason, d.detail, d.attempts, d.refusals, d.due_at, d.sent_at, d.settles_at, d.record_id, d.revision, d.again_at, d.placeholders, `+knownForm+`, d.written
		FROM (SELECT * FROM (SELECT tenant_id, destination_id, subscriber_id AS id, due_at FROM deliveries
				WHERE tenant_id = $1 AND destination_id = $2 AND state = 'waiting' AND due_at <= $3 ORDER BY due_at, subscriber_id LIMIT $4) w
			UNION ALL SELECT * FROM (SELECT tenant_id, destination_id, subscriber_id AS id, settles_at AS due_at FROM deliveries
				WHERE tenant_id = $1 AND destination_id = $2 AND state = 'ended' AND sent_at > 0 AND settles_at <= $3 ORDER BY settles_at, subscriber_id LIMIT $4) l
			ORDER BY due_at, id LIMIT $4) w
		CROSS JOIN subscribers s CROSS JOIN subscribers o CROSS JOIN deliveries d
		WHERE s.tenant_id = w.tenant_id AND s.id = w.id AND o.tenant_id = s.tenant_id || '' AND o.email_key = s.email_key
			AND d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id || '' = w.destination_id
			AND NOT EXISTS (SELECT 1 FROM removals r CROSS JOIN deliveries e WHERE r.tenant_id = o.tenant_id AND r.email_key <> '' AND r.email_key = o.email_key
				AND e.tenant_id = r.tenant_id AND e.subscriber_id = r.subscriber_id AND e.destination_id || '' = d.destination_id AND e.sent_at > 0)
		ORDER BY w.due_at, w.id, CASE WHEN o.id = w.id THEN 0 ELSE 1 END, o.id`,
		key.TenantID, key.DestinationID, now, limit)
	return due, wrap("due deliveries", err)
}

// knownForm is what a subscriber o filled in, what is kept as evidence of it, and the version of the form by which they signed up last.
const knownForm = `o.source, o.fields, o.page, o.confirmed_at, o.left_at, CASE WHEN o.repeated_at = 0 THEN o.form_version
	ELSE COALESCE((SELECT c.form_version FROM consents c WHERE c.tenant_id = o.tenant_id AND c.subscriber_id = o.id ORDER BY c.id DESC LIMIT 1), o.form_version) END`

func scanKnown(row scanner) (k Known, err error) {
	var due, sent, settles, created, repeated, edited, again, confirmed, left int64
	var placeholders sql.NullString
	var fields, written string
	err = row.Scan(&k.ID, &k.NewsletterID, &k.Email, &k.EmailKey, &k.FirstName, &k.LastName, &k.Status, &created, &repeated, &edited,
		&k.State, &k.Reason, &k.Detail, &k.Attempts, &k.Refusals, &due, &sent, &settles, &k.RecordID, &k.Revision, &again, &placeholders, &k.Source, &fields, &k.Page, &confirmed, &left, &k.Agreed, &written)
	if err != nil {
		return k, err
	}
	k.EmailKey = addressOf(k.EmailKey)
	if k.Written, err = parseWritten(written); err != nil {
		return k, err
	}
	if k.Fields, err = scanFields(fields); err != nil {
		return k, err
	}
	k.DueAt, k.SentAt, k.SettlesAt = fromMillis(due), fromMillis(sent), fromMillis(settles)
	k.ConfirmedAt, k.Leaving.At = fromMillis(confirmed), fromMillis(left)
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
	if k.State == Delivered || k.State == Ended {
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
	Written      Written      // into a new record; into one that is there what was written before, with what is out now, if anything
}

// MarkSent notes, before a write is sent, that it may have happened from now on,
// until when it may still take effect, and what it writes for want of a name. It
// returns ErrLost, and nothing must be sent, when the lease is gone, or somebody of them
// doesn't wait any more or has another address by now.
func (d *Outbox) MarkSent(ctx context.Context, l Lease, sendings []Sending, settlesAt time.Time) error {
	sent := newSet(text("id"), text("email_key"), integer("revision"), integer("new"), text("placeholders"), text("written"))
	for _, s := range sendings {
		sent.add(s.SubscriberID, s.EmailKey, s.Revision, int64(bit(s.New)), s.Placeholders.stored(), s.Written.stored())
	}
	return wrap("mark as sent", d.underLease(ctx, l, func(tx *sql.Tx) error {
		for part := range sent.in(l.DestinationKey).parts() {
			// In a record that is there, what we wrote before stays what it is.
			with, args := part.with(d.engine, millis(d.now()), millis(settlesAt))
			res, err := tx.ExecContext(ctx, with+`UPDATE deliveries SET sent_at = $1, settles_at = $2, attempts = attempts + 1,
				again_at = CASE WHEN deliveries.revision = o.revision THEN 0 ELSE again_at END,
				record_id = CASE WHEN o.new = 1 THEN '' ELSE record_id END, written = CASE WHEN o.new = 1 OR o.written <> '' THEN o.written ELSE deliveries.written END,
				placeholders = CASE WHEN o.new = 1 THEN o.placeholders ELSE COALESCE(deliveries.placeholders, o.placeholders) END
				`+waitingOfSet+` AND (o.email_key = '' OR EXISTS (SELECT 1 FROM subscribers s WHERE s.tenant_id = o.tenant_id AND s.id = o.id AND s.email_key = o.email_key))`, args...)
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
		return d.change(ctx, tx, func(c *change) error { return c.record(ctx, l.DestinationKey, outcomes) })
	}))
}

// waitingOfSet are those of ofSet who wait. Their state is compared in a way that no index
// serves, for the reason that set.of tells: those who wait may be taken for few, too.
const waitingOfSet = ofSet + ` AND deliveries.state || '' = 'waiting'`

// endedOfSet are those of ofSet that ended while a write was out for them.
const endedOfSet = ofSet + ` AND deliveries.state || '' = 'ended' AND deliveries.sent_at > 0`

// attempt is an outcome with the place where its subscriber waits.
type attempt struct {
	Outcome
	from place
}

// record stores what became of deliveries, except those that don't wait any more, or whose
// subscriber has another address than was tried. What became of a write for one that ended
// meanwhile is noted.
func (c *change) record(ctx context.Context, key DestinationKey, outcomes []Outcome) error {
	of := make([]string, len(outcomes))
	for i, o := range outcomes {
		of[i] = o.SubscriberID
	}
	stand, err := c.places(ctx, key, of)
	if err != nil {
		return err
	}
	var delivered, other, ended []attempt
	for _, o := range outcomes {
		from, ok := stand[o.SubscriberID]
		delete(stand, o.SubscriberID) // each has one outcome
		switch {
		case !ok || o.EmailKey != "" && o.EmailKey != from.emailKey:
		case from.state == Ended:
			ended = append(ended, attempt{o, from})
		case from.state != Waiting:
		case o.State == Delivered:
			delivered = append(delivered, attempt{o, from})
		default:
			other = append(other, attempt{o, from})
		}
	}
	if err := c.sendResumed(ctx, key, delivered); err != nil {
		return err
	}
	if err := c.delivered(ctx, key, delivered); err != nil {
		return err
	}
	if err := c.afterEnd(ctx, key, ended); err != nil {
		return err
	}
	newer, err := c.other(ctx, key, other)
	if err != nil {
		return err
	}
	for i, a := range newer { // newer values may be what it needs
		if a.State != Attention {
			return ErrLost
		}
		newer[i].Outcome = Outcome{SubscriberID: a.SubscriberID, State: Waiting, DueAt: fromMillis(c.at), SettlesAt: a.SettlesAt}
	}
	if newer, err = c.other(ctx, key, newer); err == nil && len(newer) > 0 {
		err = ErrLost
	}
	return err
}

// sendResumed has those sent again who went without a field whose pause has ended meanwhile: who ended it
// didn't see them among those who had arrived without.
func (c *change) sendResumed(ctx context.Context, key DestinationKey, all []attempt) error {
	if !slices.ContainsFunc(all, func(a attempt) bool { return len(a.Without) > 0 }) {
		return nil
	}
	paused, err := collect(ctx, c.tx, scanID, `SELECT field FROM paused_fields WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID)
	for i, a := range all {
		if slices.ContainsFunc(a.Without, func(field string) bool { return !slices.Contains(paused, field) }) {
			all[i].Revision = noRevision
		}
	}
	return err
}

// noRevision is one that nothing has.
const noRevision = -1

// delivered stores that subscribers were delivered; one that was signed up again
// meanwhile is due again, and so is one with a record that was deleted since it was found.
func (c *change) delivered(ctx context.Context, key DestinationKey, all []attempt) error {
	s := newSet(text("id"), integer("revision"), text("reason"), text("detail"), text("record_id"), text("org_id"), text("instance_url"), text("placeholders"), text("written"), integer("made"), integer("looked_at"), text("opted_out"))
	again := newSet(s.columns...)
	rows := map[string][]any{}
	for _, a := range all {
		rows[a.SubscriberID] = []any{a.SubscriberID, a.Revision, a.Reason, a.Detail, a.RecordID, a.OrgID, a.InstanceURL, a.Placeholders.stored(), a.Written.stored(), int64(bit(a.Made)), millis(a.LookedAt), string(a.OptedOut)}
		s.add(rows[a.SubscriberID]...)
	}
	done, err := c.update(ctx, key, s, `UPDATE deliveries SET state = 'delivered', reason = o.reason, detail = o.detail, refusals = 0,
		sent_at = 0, settles_at = 0, match_id = '', again_at = 0,
		`+arrived+waitingOfSet+` AND deliveries.revision = o.revision
		AND NOT EXISTS (SELECT 1 FROM removal_records r WHERE r.record_id = o.record_id AND r.org_id = o.org_id AND r.sent_at > 0 AND r.ended_at > 0 AND r.ended_at >= o.looked_at) RETURNING deliveries.subscriber_id`, c.at)
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
	_, err = c.update(ctx, key, again, `UPDATE deliveries SET reason = '', detail = '', attempts = 0, refusals = 0,
		sent_at = 0, settles_at = 0, match_id = '', again_at = 0,
		due_at = CASE WHEN again_at > $1 THEN again_at ELSE $1 END, waits_since = CASE WHEN again_at > $1 THEN again_at ELSE $1 END,
		`+arrived+waitingOfSet+` RETURNING deliveries.subscriber_id`, c.at)
	return err
}

// arrived sets what is known of the record in the CRM. One that we made stays ours.
const arrived = `made_id = CASE WHEN o.made = 1 OR deliveries.made_id = o.record_id THEN o.record_id ELSE '' END,
	record_id = o.record_id, org_id = o.org_id, instance_url = o.instance_url, delivered_at = $1, placeholders = o.placeholders, written = o.written,
	opted_out = o.opted_out, opted_out_at = CASE WHEN o.opted_out = '' THEN 0 WHEN deliveries.opted_out = o.opted_out THEN deliveries.opted_out_at ELSE CAST($1 AS BIGINT) END`

// afterEnd notes what became of writes for deliveries that ended after they were sent: what
// arrived is in the CRM, and nothing else goes on by that.
func (c *change) afterEnd(ctx context.Context, key DestinationKey, all []attempt) error {
	in := newSet(text("id"), text("record_id"), text("org_id"), text("instance_url"), text("placeholders"), text("written"), integer("made"), text("opted_out"))
	out := newSet(text("id"), integer("settles_at"))
	for _, a := range all {
		if a.State == Delivered {
			in.add(a.SubscriberID, a.RecordID, a.OrgID, a.InstanceURL, a.Placeholders.stored(), a.Written.stored(), int64(bit(a.Made)), string(a.OptedOut))
			continue
		}
		out.add(a.SubscriberID, millis(a.SettlesAt))
	}
	done, err := c.update(ctx, key, in, `UPDATE deliveries SET state = 'delivered', sent_at = 0, settles_at = 0, again_at = 0, `+arrived+endedOfSet+` RETURNING deliveries.subscriber_id`, c.at)
	if err != nil {
		return err
	}
	for _, a := range all {
		if done[a.SubscriberID] {
			to := a.from
			to.state, to.reason, to.orgID = Delivered, "", a.OrgID
			c.move(a.from, to, a.Detail)
			if err := c.oweOptOuts(ctx, key.TenantID, a.SubscriberID, true); err != nil { // there was no record when they left
				return err
			}
		}
	}
	_, err = c.update(ctx, key, out, `UPDATE deliveries SET sent_at = CASE WHEN o.settles_at = 0 THEN 0 ELSE sent_at END, settles_at = o.settles_at,
		placeholders = CASE WHEN o.settles_at = 0 AND record_id = '' THEN '' ELSE placeholders END, written = CASE WHEN o.settles_at = 0 AND record_id = '' THEN '' ELSE written END`+endedOfSet+` RETURNING deliveries.subscriber_id`)
	return err
}

// other stores that subscribers were not delivered, and returns those that have newer
// values, which are to be tried before they need attention.
func (c *change) other(ctx context.Context, key DestinationKey, all []attempt) (newer []attempt, err error) {
	s := newSet(text("id"), integer("revision"), text("state"), text("reason"), text("detail"), integer("due_at"), integer("settles_at"),
		text("match_id"), text("instance_url"), integer("refusals"), text("record_id"), text("org_id"), text("placeholders"), text("written"), integer("made"))
	for _, a := range all {
		s.add(a.SubscriberID, a.Revision, string(a.State), a.Reason, a.Detail, millis(a.DueAt), millis(a.SettlesAt), a.MatchID, a.InstanceURL, int64(a.Refusals), a.RecordID, a.OrgID, a.Placeholders.stored(), a.Written.stored(), int64(bit(a.Made)))
	}
	// What is known of a record stays known, and what is new of it is known from now on. What a
	// write that didn't happen was to put into a new one is forgotten.
	done, err := c.update(ctx, key, s, `UPDATE deliveries SET state = o.state, reason = o.reason, detail = o.detail,
		due_at = CASE WHEN o.due_at = 0 THEN deliveries.due_at ELSE o.due_at END,
		sent_at = CASE WHEN o.settles_at = 0 THEN 0 ELSE sent_at END, settles_at = o.settles_at,
		placeholders = CASE WHEN o.record_id <> '' THEN o.placeholders WHEN o.settles_at = 0 AND deliveries.record_id = '' THEN '' ELSE deliveries.placeholders END,
		written = CASE WHEN o.record_id <> '' THEN o.written WHEN o.settles_at = 0 AND deliveries.record_id = '' THEN '' ELSE deliveries.written END,
		made_id = CASE WHEN o.record_id = '' OR deliveries.made_id = o.record_id THEN deliveries.made_id WHEN o.made = 1 THEN o.record_id ELSE '' END,
		org_id = CASE WHEN o.record_id = '' THEN deliveries.org_id ELSE o.org_id END,
		record_id = CASE WHEN o.record_id = '' THEN deliveries.record_id ELSE o.record_id END,
		match_id = o.match_id, instance_url = CASE WHEN o.instance_url = '' THEN deliveries.instance_url ELSE o.instance_url END, refusals = o.refusals
		`+waitingOfSet+` AND (deliveries.revision = o.revision OR o.state = 'waiting') RETURNING deliveries.subscriber_id`)
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

const pauseColumns = `reason, detail, tries, batch, until, since`

const selectPause = `SELECT ` + pauseColumns + ` FROM pauses WHERE tenant_id = $1 AND destination_id = $2`

// Pause returns why nothing is sent to a destination for now; the zero Pause when there is
// no reason.
func (d *Outbox) Pause(ctx context.Context, key DestinationKey) (Pause, error) {
	p, err := scanPause(d.read.QueryRowContext(ctx, selectPause, key.TenantID, key.DestinationID))
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

// SetPause stops a destination's deliveries until p.Until, since now when that is for another
// reason than before. It returns ErrLost when the lease is gone.
func (d *Outbox) SetPause(ctx context.Context, l Lease, p Pause) error {
	return wrap("pause", d.underLease(ctx, l, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pauses (tenant_id, destination_id, reason, detail, tries, batch, until, since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (destination_id) DO UPDATE SET since = CASE WHEN pauses.reason = excluded.reason THEN pauses.since ELSE excluded.since END, reason = excluded.reason, detail = excluded.detail,
				tries = excluded.tries, batch = excluded.batch, until = excluded.until`,
			l.TenantID, l.DestinationID, p.Reason, p.Detail, p.Tries, p.Batch, millis(p.Until), millis(d.now()))
		return err
	}))
}

// Blamed returns how many in a row a destination refused alone, as SetBlamed stored it.
func (d *Outbox) Blamed(ctx context.Context, key DestinationKey) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT n FROM blames WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return n, wrap("blamed", err)
}

// SetBlamed stores how many in a row a destination refused alone. It returns ErrLost when
// the lease is gone.
func (d *Outbox) SetBlamed(ctx context.Context, l Lease, n int) error {
	return wrap("count the blamed", d.underLease(ctx, l, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO blames (tenant_id, destination_id, n) VALUES ($1, $2, $3) ON CONFLICT (destination_id) DO UPDATE SET n = excluded.n`,
			l.TenantID, l.DestinationID, n)
		return err
	}))
}

// EndPause lets a destination's deliveries go on.
func (d *Outbox) EndPause(ctx context.Context, key DestinationKey) error {
	_, err := d.execNotify(ctx, Notice{NoticeDue, key.TenantID}, `DELETE FROM pauses WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID)
	return wrap("end the pause", err)
}
