package db

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// UndoTime is how long after a test sign-up it can be undone.
const UndoTime = 24 * time.Hour

// ErrNotUndone says that a subscriber is no test that can be undone.
var ErrNotUndone = errors.New("it can't be undone")

// NotUndone is why a test sign-up can't be undone; empty when it can.
type NotUndone string

// Why a test sign-up can't be undone.
const (
	NoTest      NotUndone = "no test" // a test didn't make the subscriber
	SaidAgain   NotUndone = "again"   // it was signed up again since, or edited
	TooOld      NotUndone = "old"     // it was longer ago than UndoTime
	HasLeft     NotUndone = "left"    // the person left since
	OutcomeOpen NotUndone = "sending" // a write is out whose outcome isn't known
)

// UndoRefused is why the sign-up that made a subscriber can't be undone as a test.
func (s Subscriber) UndoRefused(now time.Time) NotUndone {
	switch {
	case s.Source != SourceTest:
		return NoTest
	case s.Status != Active: // that they left must not be forgotten
		return HasLeft
	case !s.RepeatedAt.IsZero() || !s.EditedAt.IsZero():
		return SaidAgain
	case s.CreatedAt.Add(UndoTime).Before(now):
		return TooOld
	case slices.ContainsFunc(s.Deliveries, func(d Delivery) bool { return !d.SentAt.IsZero() }):
		return OutcomeOpen
	}
	return ""
}

// RecordFate is what became of the CRM's record of a subscriber who was removed.
type RecordFate string

// What becomes of a record.
const (
	NoRecord         RecordFate = "none"       // there was none
	RecordFound      RecordFate = "found"      // it was there before, or may have been: it stays
	RecordDeleted    RecordFate = "deleted"    // as we had made it
	RecordAnonymised RecordFate = "anonymised" // it names nobody any more, and was as we had made it
	RecordPartly     RecordFate = "partly"     // likewise, but fields that we filled can't be emptied
	RecordGone       RecordFate = "gone"       // somebody had deleted it
	RecordChanged    RecordFate = "changed"    // somebody changed it since we made it: it stays
	RecordShared     RecordFate = "shared"     // somebody else has the address: it stays
	RecordAway       RecordFate = "away"       // another org is connected now: it stays
	RecordRefused    RecordFate = "refused"    // the CRM didn't let us: it stays
	RecordListed     RecordFate = "listed"     // it is for the CRM's admin, as was asked for: it stays
	RecordGivenUp    RecordFate = "given_up"   // somebody didn't want to wait for the CRM: it stays
)

// RecordFates are all of them.
var RecordFates = []RecordFate{NoRecord, RecordFound, RecordDeleted, RecordAnonymised, RecordPartly, RecordGone, RecordChanged, RecordShared, RecordAway, RecordRefused, RecordListed, RecordGivenUp}

// unmadeFates are those of a record that isn't what it was by our doing: nobody is to be taken to have it. In SQL.
const unmadeFates = `'deleted', 'anonymised', 'partly'`

// Stays reports whether the CRM's admin has to see to the record, if somebody is to be gone from the CRM as well.
func (f RecordFate) Stays() bool {
	switch f {
	case "", NoRecord, RecordDeleted, RecordAnonymised, RecordGone:
		return false
	}
	return true
}

// Removal is a subscriber who is to be removed, or what is left of one who was.
type Removal struct {
	TenantID     string
	SubscriberID string
	NewsletterID string
	AskedAt      time.Time
	EndedAt      time.Time // zero while it is under way
	Erased       bool      // the subscriber is gone; when it has ended and they are not, they signed up again meanwhile
	Records      []RecordRemoval
	Kind         RemovalKind

	hour, repeated, revision int64
	actor                    string
	emailKey, why            string // of somebody who is to be forgotten
}

// RecordRemoval is the part of a Removal that is about one destination: the CRM's record.
type RecordRemoval struct {
	DestinationKey
	SubscriberID string
	RecordID     string // of the record that is to go as well; empty for none
	OrgID        string // that has it
	AskedAt      time.Time
	EndedAt      time.Time // zero while it is under way
	Record       RecordFate
	Code         string    // the CRM's, when it refused to delete the record; or failed to, while it is under way
	Tries        int       // how many failed for what this record has alone
	DueAt        time.Time // not to be tried before
	Way          ErasingWay
	InstanceURL  string // of the org
	Kept         string // the CRM's fields that couldn't be emptied, by what people call them
	Owed         bool   // the CRM is yet to be told that the person left, which is waited for: of Erasures and ErasureOf

	// Where BeginRemoval returns it.
	EmailKey string
	Unsure   bool     // it may be done with the record: it was asked for before, and the outcome isn't known
	Wrote    []string // keys of the CRM's own fields that we have written into a record that is to be anonymised
}

const removalColumns = `r.tenant_id, r.subscriber_id, r.newsletter_id, r.asked_at, r.ended_at, r.erased, r.hour, r.repeated, r.revision, r.actor, r.kind`

func scanRemoval(row scanner) (r Removal, err error) {
	var asked, ended int64
	err = row.Scan(&r.TenantID, &r.SubscriberID, &r.NewsletterID, &asked, &ended, &r.Erased, &r.hour, &r.repeated, &r.revision, &r.actor, &r.Kind)
	r.AskedAt, r.EndedAt = fromMillis(asked), fromMillis(ended)
	return r, err
}

const selectRecordRemoval = `SELECT e.tenant_id, e.subscriber_id, e.destination_id, e.record_id, e.org_id, r.asked_at, e.ended_at, e.record, e.code, e.tries, e.due_at, e.way, e.instance_url, e.kept
	FROM removal_records e JOIN removals r ON r.tenant_id = e.tenant_id AND r.subscriber_id = e.subscriber_id `

func scanRecordRemoval(row scanner) (e RecordRemoval, err error) {
	var asked, ended, due int64
	err = row.Scan(&e.TenantID, &e.SubscriberID, &e.DestinationID, &e.RecordID, &e.OrgID, &asked, &ended, &e.Record, &e.Code, &e.Tries, &due, &e.Way, &e.InstanceURL, &e.Kept)
	e.AskedAt, e.EndedAt, e.DueAt = fromMillis(asked), fromMillis(ended), fromMillis(due)
	return e, err
}

// removalOf reads what is known of the removal of a subscriber.
func removalOf(to *Removal, tenantID, subscriberID string) []part {
	var records []RecordRemoval
	return []part{
		{`SELECT ` + removalColumns + ` FROM removals r WHERE r.tenant_id = $1 AND r.subscriber_id = $2`, []any{tenantID, subscriberID}, func(row scanner) error {
			r, err := scanRemoval(row)
			if err == nil {
				*to = r
				to.Records = records
			}
			return err
		}},
		{selectRecordRemoval + `WHERE e.tenant_id = $1 AND e.subscriber_id = $2`, []any{tenantID, subscriberID}, func(row scanner) error {
			e, err := scanRecordRemoval(row)
			if err == nil {
				records = append(records, e)
				to.Records = records
			}
			return err
		}},
	}
}

// UndoTest removes one of the tenant's subscribers whom a test sign-up made. Where records
// are to be deleted in CRMs, that is written down, and done by whoever delivers;
// else it is done at once. actor is the id of the user who wants it. One who is not there
// gives ErrNotFound, and one that UndoRefused has a reason for, ErrNotUndone.
func (d *Readers) UndoTest(ctx context.Context, tenantID, subscriberID, actor string) (r Removal, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		s, err := d.subscriber(ctx, tx, selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, tenantID, subscriberID)
		if err != nil {
			return err
		}
		if s.UndoRefused(d.now()) != "" {
			return ErrNotUndone
		}
		if r, err = d.askRemoval(ctx, tx, s, actor); err != nil {
			return err
		}
		if !slices.ContainsFunc(r.Records, func(e RecordRemoval) bool { return e.EndedAt.IsZero() }) {
			return d.endRemoval(ctx, tx, &r)
		}
		// Until the last record is gone nothing may make another one, which nobody would delete.
		if err := d.change(ctx, tx, func(c *change) error { return c.endOpen(ctx, tenantID, subscriberID) }); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{NoticeDue, tenantID})
	})
	return r, wrap("undo a test", err)
}

// askRemoval writes down that a subscriber is to be removed, with what is to become of each
// of their records.
func (d *base) askRemoval(ctx context.Context, tx *sql.Tx, s Subscriber, actor string) (r Removal, err error) {
	r = Removal{TenantID: s.TenantID, SubscriberID: s.ID, NewsletterID: s.NewsletterID, AskedAt: d.now(), hour: hourOf(millis(s.CreatedAt)), actor: actor}
	err = tx.QueryRowContext(ctx, `SELECT revision, (SELECT count(*) FROM consents c WHERE c.tenant_id = $1 AND c.subscriber_id = $2 AND c.act = 'given')
		FROM subscribers WHERE tenant_id = $1 AND id = $2`, s.TenantID, s.ID).Scan(&r.revision, &r.repeated)
	if err != nil {
		return r, err
	}
	added, err := tx.ExecContext(ctx, `INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, revision, actor, asked_at, ended_at, erased)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0) ON CONFLICT (tenant_id, subscriber_id) DO UPDATE
		SET repeated = excluded.repeated, revision = excluded.revision, actor = excluded.actor, asked_at = excluded.asked_at, ended_at = 0
		WHERE removals.erased = 0`,
		r.TenantID, r.SubscriberID, r.NewsletterID, r.hour, r.repeated, r.revision, r.actor, millis(r.AskedAt))
	if err := changed(added, err, ErrNotFound); err != nil {
		return r, err
	}
	for _, of := range s.Deliveries {
		e := RecordRemoval{DestinationKey: DestinationKey{s.TenantID, of.DestinationID}, SubscriberID: s.ID, AskedAt: r.AskedAt, EndedAt: r.AskedAt, Record: NoRecord}
		switch {
		case of.RecordID != "" && of.Made:
			e.RecordID, e.OrgID, e.Record, e.EndedAt = of.RecordID, of.OrgID, "", time.Time{}
		case of.RecordID != "":
			e.Record = RecordFound
		}
		r.Records = append(r.Records, e)
		_, err := tx.ExecContext(ctx, `INSERT INTO removal_records (tenant_id, subscriber_id, destination_id, record_id, org_id, ended_at, record, code)
			VALUES ($1, $2, $3, $4, $5, $6, $7, '') ON CONFLICT (tenant_id, subscriber_id, destination_id) DO UPDATE
			SET record_id = excluded.record_id, org_id = excluded.org_id, ended_at = excluded.ended_at, record = excluded.record, code = '', tries = 0, due_at = 0`,
			e.TenantID, e.SubscriberID, e.DestinationID, e.RecordID, e.OrgID, millis(e.EndedAt), e.Record)
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// unmade reports whether the record isn't what it was by our doing, deleted or anonymised, or may not be.
func (r RecordRemoval) unmade() bool {
	switch r.Record {
	case RecordDeleted, RecordAnonymised, RecordPartly:
		return true
	case NoRecord, RecordFound, RecordChanged, RecordAway, RecordListed:
		return false
	}
	return r.Unsure
}

// writeOut says of the part e of a removal r that a write is out, to the same destination, whose outcome isn't known: for any
// newsletter of somebody who is to be forgotten, since their record is one.
const writeOut = `EXISTS (SELECT 1 FROM removals w CROSS JOIN deliveries d WHERE r.kind = 'erased' AND w.tenant_id = r.tenant_id AND w.email_key = r.email_key AND w.email_key <> '' AND w.kind = 'erased'
	AND d.tenant_id = w.tenant_id AND d.subscriber_id = w.subscriber_id AND d.destination_id = e.destination_id AND d.sent_at > 0)`

// DueRemovals returns those who are to be removed with a record of a destination's CRM, the
// one that was asked for first first. Of somebody who is to be forgotten, what became of their last writes is known.
func (d *Outbox) DueRemovals(ctx context.Context, key DestinationKey) ([]RecordRemoval, error) {
	all, err := collect(ctx, d.read, scanRecordRemoval, selectRecordRemoval+`WHERE e.tenant_id = $1 AND e.destination_id = $2 AND e.ended_at = 0 AND e.due_at <= $3
			AND NOT `+writeOut+`
		ORDER BY r.asked_at, e.subscriber_id LIMIT 100`,
		key.TenantID, key.DestinationID, millis(d.now()))
	return all, wrap("due removals", err)
}

// besideOf are the destinations that may have the records of an org ($2), and the one with
// the id $1: those of tenants that are connected to it, or whose readers were delivered there.
const besideOf = `SELECT CAST($1 AS TEXT) AS id
	UNION SELECT t.id FROM identities i JOIN destinations t ON t.tenant_id = i.tenant_id AND t.service = i.service AND t.removed_at = 0
		WHERE i.org_id = $2 AND i.user_name = '' AND i.account = '' AND i.org_id <> ''
	UNION SELECT destination_id FROM org_counts WHERE org_id = $2 AND n > 0`

// BeginRemoval is called just before a CRM is asked to delete a record or to anonymise it, and reports
// whether to ask it, in the org that is connected. That it is asked is written down, and that nobody asks again before r.DueAt,
// should this process die over it. Else
// the removal is to be ended: Record says what is known of the record, and nothing where
// the subscriber isn't as they were when the removal was asked for. It returns ErrLost when
// the lease is gone, or the removal isn't due any more.
func (d *Outbox) BeginRemoval(ctx context.Context, l Lease, r RecordRemoval, orgID string) (begun RecordRemoval, ask bool, err error) {
	err = d.underLease(ctx, l, func(tx *sql.Tx) error {
		begun, ask = r, false
		begun.DestinationKey, begun.Code, begun.DueAt = l.DestinationKey, "", time.Time{} // the code is of an earlier try
		kind, same, err := beginRecord(ctx, tx, &begun)
		if err != nil {
			return err
		}
		if kind == RemovalErased {
			err = d.recordOfErased(ctx, tx, &begun)
		}
		if err != nil || !same || begun.Record != "" {
			return err
		}
		shared, err := sharedRecord(ctx, tx, begun)
		switch {
		case err != nil:
			return err
		case shared:
			begun.Record = RecordShared
			return nil
		case begun.OrgID != orgID:
			begun.Record = RecordAway
			return nil
		}
		if begun.Wrote, err = wroteInto(ctx, tx, begun); err != nil {
			return err
		}
		ask = true
		_, err = tx.ExecContext(ctx, `UPDATE removal_records SET sent_at = $1, due_at = $5 WHERE tenant_id = $2 AND subscriber_id = $3 AND destination_id = $4`,
			millis(d.now()), l.TenantID, r.SubscriberID, l.DestinationID, millis(r.DueAt))
		return err
	})
	if err != nil {
		return RecordRemoval{}, false, wrap("begin a removal", err)
	}
	return begun, ask, nil
}

// beginRecord reads of a removal what BeginRemoval returns, and reports whether the subscriber is as they were
// when it was asked for. ErrLost: it has ended, or waits for a write.
func beginRecord(ctx context.Context, tx *sql.Tx, r *RecordRemoval) (kind RemovalKind, same bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT r.kind, COALESCE(s.email_key, ''), e.sent_at > 0, CASE WHEN s.revision = r.revision THEN 1 ELSE 0 END
		FROM removal_records e JOIN removals r ON r.tenant_id = e.tenant_id AND r.subscriber_id = e.subscriber_id
		LEFT JOIN subscribers s ON s.tenant_id = e.tenant_id AND s.id = e.subscriber_id
		WHERE e.tenant_id = $1 AND e.destination_id = $2 AND e.subscriber_id = $3 AND e.ended_at = 0 AND NOT `+writeOut, r.TenantID, r.DestinationID, r.SubscriberID).
		Scan(&kind, &r.EmailKey, &r.Unsure, &same)
	if errors.Is(err, sql.ErrNoRows) {
		return kind, false, ErrLost
	}
	r.EmailKey = addressOf(r.EmailKey)
	return kind, same, err
}

// sharedRecord reports whether somebody else with the address has a delivery to where the record of a removal is.
func sharedRecord(ctx context.Context, tx *sql.Tx, r RecordRemoval) (shared bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM (`+besideOf+`) beside CROSS JOIN destinations t CROSS JOIN subscribers o
		WHERE t.id = beside.id AND o.tenant_id = t.tenant_id AND o.email_key = $3 AND o.id <> $4
			AND EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id = t.id))`,
		r.DestinationID, r.OrgID, r.EmailKey, r.SubscriberID).Scan(&shared)
	return shared, err
}

// wroteInto are the keys of the CRM's own fields that we have written for a person into a record that is to be anonymised, on any of
// their newsletters.
func wroteInto(ctx context.Context, tx *sql.Tx, r RecordRemoval) (keys []string, err error) {
	if r.Way != EraseByAnonymise {
		return nil, nil
	}
	seen := map[string]bool{}
	err = each(ctx, tx, func(row scanner) error {
		var stored string
		if err := row.Scan(&stored); err != nil {
			return err
		}
		written, err := parseWritten(stored)
		for key := range written {
			seen[key] = true
		}
		return err
	}, `SELECT d.written FROM removals a JOIN removals b ON b.tenant_id = a.tenant_id AND b.mac = a.mac AND b.kind = 'erased' CROSS JOIN deliveries d
		WHERE a.tenant_id = $1 AND a.subscriber_id = $2 AND d.tenant_id = b.tenant_id AND d.subscriber_id = b.subscriber_id AND d.destination_id = $3 AND d.written <> ''`,
		r.TenantID, r.SubscriberID, r.DestinationID)
	return slices.Sorted(maps.Keys(seen)), err
}

// PutOffRemoval stores of a removal that it failed: Tries, DueAt and Code, and whether the
// record may be deleted or anonymised all the same. It returns ErrLost when the lease is gone, or the
// removal has ended.
func (d *Outbox) PutOffRemoval(ctx context.Context, l Lease, r RecordRemoval) error {
	return wrap("put a removal off", d.underLease(ctx, l, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE removal_records SET tries = $1, due_at = $2, code = $3, sent_at = CASE WHEN CAST($4 AS BIGINT) = 1 THEN sent_at ELSE 0 END
			WHERE tenant_id = $5 AND subscriber_id = $6 AND destination_id = $7 AND ended_at = 0`, r.Tries, millis(r.DueAt), r.Code, bit(r.Unsure), l.TenantID, r.SubscriberID, l.DestinationID)
		return changed(res, err, ErrLost)
	}))
}

// EndRemoval ends a destination's part of a removal; the last one removes the subscriber, and
// keeps a receipt that tells what became of their records. One who has signed up again
// meanwhile stays, and is told of as not erased. Whoever else has the record that was deleted or anonymised
// is due again. It returns ErrLost when the lease is gone.
func (d *Outbox) EndRemoval(ctx context.Context, l Lease, r RecordRemoval) error {
	r.DestinationKey = l.DestinationKey
	return wrap("end a removal", d.underLease(ctx, l, func(tx *sql.Tx) error {
		if err := d.endRecord(ctx, tx, r); err != nil || !r.unmade() {
			return err
		}
		return d.replaceRecord(ctx, tx, r)
	}))
}

// endRecord ends a destination's part of a removal, and the removal with the last one.
func (d *base) endRecord(ctx context.Context, tx *sql.Tx, r RecordRemoval) error {
	res, err := tx.ExecContext(ctx, `UPDATE removal_records SET ended_at = $1, record = $2, code = $3, sent_at = CASE WHEN CAST($4 AS BIGINT) = 1 THEN sent_at ELSE 0 END, kept = $8
		WHERE tenant_id = $5 AND subscriber_id = $6 AND destination_id = $7 AND ended_at = 0`,
		millis(d.now()), r.Record, r.Code, bit(r.unmade()), r.TenantID, r.SubscriberID, r.DestinationID, r.Kept)
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	var open int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM removal_records WHERE tenant_id = $1 AND subscriber_id = $2 AND ended_at = 0`, r.TenantID, r.SubscriberID).Scan(&open); err != nil || open > 0 {
		return err
	}
	whole, err := scanRemoval(tx.QueryRowContext(ctx, `SELECT `+removalColumns+` FROM removals r WHERE r.tenant_id = $1 AND r.subscriber_id = $2`, r.TenantID, r.SubscriberID))
	if err != nil {
		return err
	}
	return d.endRemoval(ctx, tx, &whole)
}

// endRecords ends a destination's parts of all removals: its records stay.
func (d *base) endRecords(ctx context.Context, tx *sql.Tx, key DestinationKey) error {
	all, err := collect(ctx, tx, scanRecordRemoval, selectRecordRemoval+`WHERE e.tenant_id = $1 AND e.destination_id = $2 AND e.ended_at = 0`, key.TenantID, key.DestinationID)
	for _, e := range all {
		e.Record, e.Code = RecordAway, ""
		if err := d.endRecord(ctx, tx, e); err != nil {
			return err
		}
	}
	return err
}

// replaceRecord has those delivered anew who have the record of a removal: whoever signed
// up between BeginRemoval and the deletion was found to be there already. Those whose
// delivery is yet to be written down find the receipt.
func (d *base) replaceRecord(ctx context.Context, tx *sql.Tx, r RecordRemoval) error {
	of := map[DestinationKey][]string{}
	err := each(ctx, tx, func(row scanner) error {
		var key DestinationKey
		var id string
		err := row.Scan(&key.TenantID, &key.DestinationID, &id)
		of[key] = append(of[key], id)
		return err
	}, `SELECT d.tenant_id, d.destination_id, d.subscriber_id FROM (`+besideOf+`) beside CROSS JOIN destinations t CROSS JOIN subscribers o CROSS JOIN deliveries d
		WHERE t.id = beside.id AND o.tenant_id = t.tenant_id AND o.email_key = $3 AND d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id = t.id
			AND d.record_id = $4 AND d.org_id = $2 AND d.state = 'delivered' AND `+wanted, r.DestinationID, r.OrgID, r.EmailKey, r.RecordID)
	for _, key := range slices.SortedFunc(maps.Keys(of), func(a, b DestinationKey) int { return strings.Compare(a.DestinationID, b.DestinationID) }) {
		err = errors.Join(err, d.decide(ctx, tx, key, of[key], "", anew))
	}
	return err
}

// endRemoval removes a subscriber who is still as when that was asked for, and counts
// them as erased.
func (d *base) endRemoval(ctx context.Context, tx *sql.Tx, r *Removal) error {
	if r.Kind == RemovalErased {
		return nil // FinishErasing goes through all texts first
	}
	r.EndedAt, r.Erased = d.now(), true
	err := d.change(ctx, tx, func(c *change) error { return c.erase(ctx, *r) })
	if errors.Is(err, ErrLost) {
		r.Erased = false
	} else if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE removals SET ended_at = $1, erased = $2 WHERE tenant_id = $3 AND subscriber_id = $4 AND ended_at = 0`,
		millis(r.EndedAt), bit(r.Erased), r.TenantID, r.SubscriberID)
	return changed(res, err, ErrLost)
}

// erase deletes a subscriber with all that is known of them, and counts them as erased, in
// each destination too. It returns ErrLost for one who is not as they were when that was
// asked for.
func (c *change) erase(ctx context.Context, r Removal) error {
	places, err := placesOf(ctx, c.tx, r.TenantID, r.SubscriberID)
	if err != nil {
		return err
	}
	own := place{id: r.SubscriberID, tenantID: r.TenantID}
	err = c.tx.QueryRowContext(ctx, `DELETE FROM subscribers WHERE tenant_id = $1 AND id = $2 AND revision = $3
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant_id = $1 AND d.subscriber_id = $2 AND d.sent_at > 0) RETURNING newsletter_id, created_at, state`,
		r.TenantID, r.SubscriberID, r.revision).Scan(&own.newsletterID, &own.createdAt, &own.state)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLost
	}
	if err != nil {
		return err
	}
	c.deleted = true
	for _, from := range append(places, own) {
		to := from
		to.state, to.reason, to.orgID = Erased, "", ""
		if from.destinationID == "" && r.Kind == RemovalExpired {
			to.state = Expired
		}
		c.shift(from, to)
	}
	return nil
}
