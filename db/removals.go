package db

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
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
	OutcomeOpen NotUndone = "sending" // a write is out whose outcome isn't known
)

// UndoRefused is why the sign-up that made a subscriber can't be undone as a test.
func (s Subscriber) UndoRefused(now time.Time) NotUndone {
	switch {
	case s.Source != "test":
		return NoTest
	case !s.RepeatedAt.IsZero() || !s.EditedAt.IsZero():
		return SaidAgain
	case s.CreatedAt.Add(UndoTime).Before(now):
		return TooOld
	case !s.SentAt.IsZero():
		return OutcomeOpen
	}
	return ""
}

// RecordFate is what became of the CRM's record of a subscriber who was removed.
type RecordFate string

// What becomes of a record.
const (
	NoRecord      RecordFate = "none"    // there was none
	RecordFound   RecordFate = "found"   // it was there before, or may have been: it stays
	RecordDeleted RecordFate = "deleted" // as we had made it
	RecordGone    RecordFate = "gone"    // somebody had deleted it
	RecordChanged RecordFate = "changed" // somebody changed it since we made it: it stays
	RecordShared  RecordFate = "shared"  // somebody else has the address: it stays
	RecordAway    RecordFate = "away"    // another org is connected now: it stays
	RecordRefused RecordFate = "refused" // the CRM didn't let us: it stays
)

// Removal is a subscriber who is to be removed, or what is left of one who was.
type Removal struct {
	TenantID     string
	SubscriberID string
	NewsletterID string
	RecordID     string // of the CRM's record that is to go as well; empty for none
	OrgID        string // that has it
	AskedAt      time.Time
	EndedAt      time.Time // zero while it is under way
	Erased       bool      // the subscriber is gone; when it has ended and they are not, they signed up again meanwhile
	Record       RecordFate
	Code         string    // the CRM's, when it refused to delete the record; or failed to, while it is under way
	Tries        int       // how many failed for what this record has alone
	DueAt        time.Time // not to be tried before

	// Where BeginRemoval returns it.
	EmailKey string
	Unsure   bool // the record may be deleted: it was asked for before, and the outcome isn't known

	hour, repeated, revision int64
	actor                    string
}

const removalColumns = `r.tenant_id, r.subscriber_id, r.newsletter_id, r.record_id, r.org_id, r.asked_at, r.ended_at, r.erased, r.record, r.code, r.tries, r.due_at, r.hour, r.repeated, r.revision, r.actor`

func scanRemoval(row scanner) (r Removal, err error) {
	var asked, ended, due int64
	err = row.Scan(&r.TenantID, &r.SubscriberID, &r.NewsletterID, &r.RecordID, &r.OrgID, &asked, &ended, &r.Erased, &r.Record, &r.Code,
		&r.Tries, &due, &r.hour, &r.repeated, &r.revision, &r.actor)
	r.AskedAt, r.EndedAt, r.DueAt = fromMillis(asked), fromMillis(ended), fromMillis(due)
	return r, err
}

// removalOf reads what is known of the removal of a subscriber.
func removalOf(to *Removal, tenantID, subscriberID string) part {
	return one(to, scanRemoval,
		`SELECT `+removalColumns+` FROM removals r WHERE r.tenant_id = $1 AND r.subscriber_id = $2`, tenantID, subscriberID)
}

// UndoTest removes one of the tenant's subscribers whom a test sign-up made. Where a
// record is to be deleted in the CRM, that is written down, and done by whoever delivers;
// else it is done at once. actor is the id of the user who wants it. One who is not there
// gives ErrNotFound, and one that UndoRefused has a reason for, ErrNotUndone.
func (d *Readers) UndoTest(ctx context.Context, tenantID, subscriberID, actor string) (r Removal, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		r = Removal{}
		var revision, repeated int64
		s, err := scanSubscriber(tx.QueryRowContext(ctx, selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, tenantID, subscriberID))
		if err != nil {
			return err
		}
		if s.UndoRefused(d.now()) != "" {
			return ErrNotUndone
		}
		err = tx.QueryRowContext(ctx, `SELECT revision, (SELECT count(*) FROM consents c WHERE c.tenant_id = $1 AND c.subscriber_id = $2)
			FROM subscribers WHERE tenant_id = $1 AND id = $2`, tenantID, subscriberID).Scan(&revision, &repeated)
		if err != nil {
			return err
		}
		r = Removal{TenantID: tenantID, SubscriberID: s.ID, NewsletterID: s.NewsletterID, AskedAt: d.now(), Record: NoRecord,
			hour: hourOf(millis(s.CreatedAt)), repeated: repeated, revision: revision, actor: actor}
		switch {
		case s.RecordID != "" && s.Made:
			r.RecordID, r.OrgID, r.Record = s.RecordID, s.OrgID, ""
		case s.RecordID != "":
			r.Record = RecordFound
		}
		added, err := tx.ExecContext(ctx, `INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, record_id, org_id, revision, actor, asked_at, ended_at, erased, record, code)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, '', '') ON CONFLICT (tenant_id, subscriber_id) DO UPDATE
			SET record_id = excluded.record_id, org_id = excluded.org_id, revision = excluded.revision, actor = excluded.actor, asked_at = excluded.asked_at, ended_at = 0, code = '', tries = 0, due_at = 0
			WHERE removals.erased = 0`,
			r.TenantID, r.SubscriberID, r.NewsletterID, r.hour, r.repeated, r.RecordID, r.OrgID, r.revision, r.actor, millis(r.AskedAt))
		if err := changed(added, err, ErrNotFound); err != nil {
			return err
		}
		if r.Record == "" {
			return d.notify(ctx, tx, Notice{NoticeDue, tenantID})
		}
		return d.endRemoval(ctx, tx, &r)
	})
	return r, wrap("undo a test", err)
}

// deleted reports whether the record is deleted by us, or may be.
func (r Removal) deleted() bool {
	switch r.Record {
	case RecordDeleted:
		return true
	case NoRecord, RecordFound, RecordChanged, RecordAway:
		return false
	}
	return r.Unsure
}

// DueRemovals returns the tenant's subscribers who are to be removed with a record of the
// CRM, the one that was asked for first first.
func (d *Outbox) DueRemovals(ctx context.Context, tenantID string) ([]Removal, error) {
	all, err := collect(ctx, d.read, scanRemoval,
		`SELECT `+removalColumns+` FROM removals r WHERE r.tenant_id = $1 AND r.ended_at = 0 AND r.due_at <= $2 ORDER BY r.asked_at, r.subscriber_id LIMIT 100`,
		tenantID, millis(d.now()))
	return all, wrap("due removals", err)
}

// besideOf are the tenants that may have the records of an org ($2), and the tenant $1:
// they are connected to it, or readers of theirs were delivered there.
const besideOf = `SELECT CAST($1 AS TEXT) AS id
	UNION SELECT tenant_id FROM identities WHERE org_id = $2 AND service = '` + deliveredTo + `' AND user_name = '' AND account = '' AND org_id <> ''
	UNION SELECT tenant_id FROM org_counts WHERE org_id = $2 AND n > 0`

// BeginRemoval is called just before the CRM is asked to delete a record, and reports
// whether to ask it, in the org that is connected. That it is asked is written down. Else
// the removal is to be ended: Record says what is known of the record, and nothing where
// the subscriber isn't as they were when the removal was asked for. It returns ErrLost when
// the lease is gone, or the removal has ended.
func (d *Outbox) BeginRemoval(ctx context.Context, l Lease, r Removal, orgID string) (begun Removal, ask bool, err error) {
	err = d.underLease(ctx, l, func(tx *sql.Tx) error {
		begun, ask = Removal{}, false
		var emailKey string
		var unsure, same, shared bool
		err := tx.QueryRowContext(ctx, `SELECT COALESCE(s.email_key, ''), r.sent_at > 0, CASE WHEN s.revision = r.revision THEN 1 ELSE 0 END,
				EXISTS (SELECT 1 FROM (`+besideOf+`) beside CROSS JOIN subscribers o WHERE o.tenant_id = beside.id AND o.email_key = s.email_key AND o.id <> s.id)
			FROM removals r LEFT JOIN subscribers s ON s.tenant_id = r.tenant_id AND s.id = r.subscriber_id
			WHERE r.tenant_id = $1 AND r.subscriber_id = $3 AND r.ended_at = 0`, l.TenantID, r.OrgID, r.SubscriberID).
			Scan(&emailKey, &unsure, &same, &shared)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		begun = r
		begun.EmailKey, begun.Unsure, begun.Code = emailKey, unsure, "" // the code is of an earlier try
		switch {
		case !same:
			return nil
		case shared:
			begun.Record = RecordShared
			return nil
		case r.OrgID != orgID:
			begun.Record = RecordAway
			return nil
		}
		ask = true
		_, err = tx.ExecContext(ctx, `UPDATE removals SET sent_at = $1 WHERE tenant_id = $2 AND subscriber_id = $3`, millis(d.now()), l.TenantID, r.SubscriberID)
		return err
	})
	return begun, ask, wrap("begin a removal", err)
}

// PutOffRemoval stores of a removal that it failed: Tries, DueAt and Code, and whether the
// record may be deleted all the same. It returns ErrLost when the lease is gone, or the
// removal has ended.
func (d *Outbox) PutOffRemoval(ctx context.Context, l Lease, r Removal) error {
	return wrap("put a removal off", d.underLease(ctx, l, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE removals SET tries = $1, due_at = $2, code = $3, sent_at = CASE WHEN CAST($4 AS BIGINT) = 1 THEN sent_at ELSE 0 END
			WHERE tenant_id = $5 AND subscriber_id = $6 AND ended_at = 0`, r.Tries, millis(r.DueAt), r.Code, bit(r.Unsure), l.TenantID, r.SubscriberID)
		return changed(res, err, ErrLost)
	}))
}

// EndRemoval removes a subscriber, and keeps a receipt that tells what became of their
// record in the CRM. One who has signed up again meanwhile stays, and is told of as not
// erased. Whoever else has the record that was deleted is due again. It returns ErrLost
// when the lease is gone.
func (d *Outbox) EndRemoval(ctx context.Context, l Lease, r Removal) error {
	r.TenantID = l.TenantID
	return wrap("end a removal", d.underLease(ctx, l, func(tx *sql.Tx) error {
		if err := d.endRemoval(ctx, tx, &r); err != nil || !r.deleted() {
			return err
		}
		return d.replaceRecord(ctx, tx, r)
	}))
}

// replaceRecord has those delivered anew who have the record of a removal: whoever signed
// up between BeginRemoval and the deletion was found to be there already. Those whose
// delivery is yet to be written down find the receipt.
func (d *base) replaceRecord(ctx context.Context, tx *sql.Tx, r Removal) error {
	of := map[string][]string{}
	err := each(ctx, tx, func(row scanner) error {
		var tenantID, id string
		err := row.Scan(&tenantID, &id)
		of[tenantID] = append(of[tenantID], id)
		return err
	}, `SELECT o.tenant_id, o.id FROM (`+besideOf+`) beside CROSS JOIN subscribers o
		WHERE o.tenant_id = beside.id AND o.email_key = $3 AND o.record_id = $4 AND o.org_id = $2 AND o.state = 'delivered'`, r.TenantID, r.OrgID, r.EmailKey, r.RecordID)
	for _, tenantID := range slices.Sorted(maps.Keys(of)) {
		err = errors.Join(err, d.decide(ctx, tx, tenantID, of[tenantID], "", anew))
	}
	return err
}

// endRemoval removes a subscriber who is still as when that was asked for, and counts
// them as erased.
func (d *base) endRemoval(ctx context.Context, tx *sql.Tx, r *Removal) error {
	r.EndedAt, r.Erased = d.now(), true
	err := d.change(ctx, tx, func(c *change) error { return c.erase(ctx, *r) })
	if errors.Is(err, ErrLost) {
		r.Erased = false
	} else if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE removals SET ended_at = $1, erased = $2, record = $3, code = $4, sent_at = CASE WHEN CAST($5 AS BIGINT) = 1 THEN sent_at ELSE 0 END
		WHERE tenant_id = $6 AND subscriber_id = $7 AND ended_at = 0`,
		millis(r.EndedAt), bit(r.Erased), r.Record, r.Code, bit(r.deleted()), r.TenantID, r.SubscriberID)
	return changed(res, err, ErrLost)
}

// erase deletes a subscriber with all that is known of them, and counts them as erased.
// It returns ErrLost for one who is not as they were when that was asked for.
func (c *change) erase(ctx context.Context, r Removal) error {
	stand, err := c.places(ctx, r.TenantID, []string{r.SubscriberID})
	if err != nil {
		return err
	}
	res, err := c.tx.ExecContext(ctx, `DELETE FROM subscribers WHERE tenant_id = $1 AND id = $2 AND revision = $3 AND sent_at = 0`, r.TenantID, r.SubscriberID, r.revision)
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	from := stand[r.SubscriberID]
	c.tally.add(from, -1)
	c.tally.add(place{tenantID: from.tenantID, newsletterID: from.newsletterID, createdAt: from.createdAt, state: Erased}, 1)
	return nil
}
