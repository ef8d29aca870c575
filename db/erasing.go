package db

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErasingWay is what is to become of the CRM's record of somebody who is erased.
type ErasingWay string

// What is to become of a record. Only one that we made, that nobody else has and that nobody has changed
// since is deleted or anonymised; any other is for the CRM's admin, as with EraseByList.
const (
	EraseByDelete    ErasingWay = "delete"
	EraseByAnonymise ErasingWay = "anonymise" // it stays, and names nobody any more
	EraseByList      ErasingWay = "list"
)

// ErasingWays are all of them.
var ErasingWays = []ErasingWay{EraseByDelete, EraseByAnonymise, EraseByList}

// Erasure asks to forget a person.
type Erasure struct {
	TenantID    string
	EmailKey    string                // whom, on all newsletters of the tenant
	MAC         string                // keyed digest of the address, for the receipt
	Suppression string                // the MAC by which the tenant's suppressions know the address
	Why         string                // as somebody gives it; the address in it isn't stored
	Actor       string                // id of the user who asks for it; empty for the operator
	Ways        map[string]ErasingWay // by the destination's id; EraseByList where there is none
	Before      time.Time             // only those who signed up first before it; everybody when zero
}

// addressOf is the address of an email_key. That of somebody who is being erased has something
// behind it, so that the address is free for whoever signs up with it: an address has no space in it.
func addressOf(emailKey string) string {
	address, _, _ := strings.Cut(emailKey, " ")
	return address
}

// Erase has a person be forgotten: from now on nobody is shown them, nothing is sent to them, and whoever signs up with the address is
// somebody else. The rows go once each destination's part has ended, which whoever delivers sees to, and FinishErasing was called. It returns the
// ids of the subscribers that they were. Who isn't there gives ErrNotFound.
func (d *Privacy) Erase(ctx context.Context, e Erasure) (ids []string, err error) {
	e.Why = newAddresses([]string{e.EmailKey}).erase(e.Why)
	err = d.tx(ctx, func(tx *sql.Tx) error {
		before := e.Before
		if before.IsZero() {
			before = d.now().Add(clocksDiffer)
		}
		if ids, err = collect(ctx, tx, scanID, `SELECT id FROM subscribers WHERE tenant_id = $1 AND email_key = $2 AND created_at < $3 ORDER BY id`, e.TenantID, e.EmailKey, millis(before)); err != nil {
			return err
		}
		if len(ids) == 0 {
			return ErrNotFound
		}
		err := d.change(ctx, tx, func(c *change) error {
			c.actor = e.Actor
			for _, id := range ids {
				if err := c.beginErasing(ctx, e, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := d.askErasing(ctx, tx, e, ids); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{NoticeDue, e.TenantID})
	})
	return ids, wrap("erase a person", err)
}

// beginErasing takes a subscriber away from everybody's eyes, with all that nothing is left to do with.
func (c *change) beginErasing(ctx context.Context, e Erasure, id string) error {
	k, err := knownByID(ctx, c.tx, e.TenantID, id)
	if err != nil {
		return err
	}
	if k.state == Left && e.Suppression != "" {
		if err := c.suppress(ctx, e.TenantID, id, e.Suppression); err != nil {
			return err
		}
	}
	if err := c.setState(ctx, k, Erasing, ""); err != nil {
		return err
	}
	if err := c.endOpen(ctx, e.TenantID, id); err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET email_key = email_key || ' ' || id, first_name = '', last_name = '', fields = '', page = '', left_why = ''
		WHERE tenant_id = $1 AND id = $2`, e.TenantID, id); err != nil {
		return err
	}
	for _, table := range []string{"holds", "confirmations", "reader_mails"} { // nobody is to decide, to press or to be written to any more
		if _, err := c.tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1 AND subscriber_id = $2`, e.TenantID, id); err != nil {
			return err
		}
	}
	return nil
}

// suppress remembers that a subscriber left, by a keyed digest of the address alone.
func (c *change) suppress(ctx context.Context, tenantID, subscriberID, mac string) error {
	_, err := c.tx.ExecContext(ctx, `INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how)
		SELECT tenant_id, CAST($3 AS TEXT), newsletter_id, left_at, left_how FROM subscribers WHERE tenant_id = $1 AND id = $2
		ON CONFLICT (tenant_id, mac, newsletter_id) DO NOTHING`, tenantID, subscriberID, mac)
	return err
}

// askErasing writes down that subscribers are to be erased, and what is to become of each of their records.
func (d *base) askErasing(ctx context.Context, tx *sql.Tx, e Erasure, ids []string) error {
	of := map[string]Subscriber{}
	for _, id := range ids {
		s, err := d.subscriber(ctx, tx, selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, e.TenantID, id)
		if err != nil {
			return err
		}
		of[id] = s
		if err := d.askReceipt(ctx, tx, e, s); err != nil {
			return err
		}
	}
	for _, id := range ids {
		for _, delivery := range of[id].Deliveries {
			if err := d.askRecord(ctx, tx, e, id, delivery, madeByAny(of, delivery)); err != nil {
				return err
			}
		}
	}
	return nil
}

// madeByAny reports whether a delivery's record is one that our write made, for any of a person's newsletters.
func madeByAny(of map[string]Subscriber, d Delivery) bool {
	for _, s := range of {
		if o := s.In(d.DestinationID); o.RecordID == d.RecordID && o.OrgID == d.OrgID && o.Made {
			return true
		}
	}
	return false
}

// askReceipt writes down that a subscriber is to be erased.
func (d *base) askReceipt(ctx context.Context, tx *sql.Tx, e Erasure, s Subscriber) error {
	var revision, repeated, imported int64
	err := tx.QueryRowContext(ctx, `SELECT revision, CASE WHEN source = 'import' THEN 1 ELSE 0 END, (SELECT count(*) FROM consents c WHERE c.tenant_id = $1 AND c.subscriber_id = $2 AND c.act = 'given')
		FROM subscribers WHERE tenant_id = $1 AND id = $2`, e.TenantID, s.ID).Scan(&revision, &imported, &repeated)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, revision, actor, asked_at, ended_at, erased, kind, imported, email_key, mac, why)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, $10, $11, $12, $13) ON CONFLICT (tenant_id, subscriber_id) DO UPDATE
		SET repeated = excluded.repeated, revision = excluded.revision, actor = excluded.actor, asked_at = excluded.asked_at, ended_at = 0,
			kind = excluded.kind, imported = excluded.imported, email_key = excluded.email_key, mac = excluded.mac, why = excluded.why`,
		e.TenantID, s.ID, s.NewsletterID, hourOf(millis(s.CreatedAt)), repeated, revision, e.Actor, millis(d.now()), RemovalErased, imported, e.EmailKey, e.MAC, e.Why)
	return err
}

// askRecord writes down what is to become of the record of one delivery. One whose write is out is decided about
// when it is known what became of that. What is known of a record that went with a test stays, unless they have another one by now, or
// may have.
func (d *base) askRecord(ctx context.Context, tx *sql.Tx, e Erasure, id string, of Delivery, made bool) error {
	r := RecordRemoval{DestinationKey: DestinationKey{e.TenantID, of.DestinationID}, SubscriberID: id, RecordID: of.RecordID, OrgID: of.OrgID, InstanceURL: of.InstanceURL,
		Way: e.Ways[of.DestinationID], DueAt: of.SettlesAt}
	if !slices.Contains(ErasingWays, r.Way) {
		r.Way = EraseByList
	}
	if of.SentAt.IsZero() {
		r.DueAt = time.Time{}
		r.Record = fateOf(r, made)
	}
	if r.Record != "" {
		r.EndedAt = d.now()
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO removal_records (tenant_id, subscriber_id, destination_id, record_id, org_id, instance_url, way, due_at, ended_at, record, code, ours)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', $11) ON CONFLICT (tenant_id, subscriber_id, destination_id) DO UPDATE
		SET record_id = excluded.record_id, org_id = excluded.org_id, instance_url = excluded.instance_url, way = excluded.way, due_at = excluded.due_at,
			ended_at = excluded.ended_at, record = excluded.record, ours = excluded.ours, code = '', tries = 0, sent_at = 0, kept = ''
		WHERE removal_records.record NOT IN (`+unmadeFates+`) OR excluded.record <> 'none' AND (excluded.record_id <> removal_records.record_id OR excluded.due_at > 0)`,
		e.TenantID, id, of.DestinationID, r.RecordID, r.OrgID, r.InstanceURL, r.Way, millis(r.DueAt), millis(r.EndedAt), r.Record, bit(made))
	return err
}

// fateOf is what becomes of a record without asking the CRM; empty where that is to be asked.
func fateOf(r RecordRemoval, made bool) RecordFate {
	switch {
	case r.RecordID == "":
		return NoRecord
	case r.Way == EraseByList:
		return RecordListed
	case !made:
		return RecordFound
	}
	return ""
}

// recordOfErased reads anew which record somebody has who is to be forgotten, now that it is known what became of the last
// write, and decides what becomes of it where the CRM isn't to be asked. Ours is one that a write of ours made for any of the
// person's newsletters. That is kept with the record's id, since of another newsletter it may be forgotten by then; and only
// with it: an id alone may be of a record that was found.
func (d *base) recordOfErased(ctx context.Context, tx *sql.Tx, r *RecordRemoval) error {
	var made bool
	err := tx.QueryRowContext(ctx, `SELECT d.record_id, d.org_id, d.instance_url,
			e.ours = 1 AND e.record_id <> '' AND e.record_id = d.record_id AND e.org_id = d.org_id OR EXISTS (SELECT 1 FROM removals a JOIN removals b ON b.tenant_id = a.tenant_id AND b.mac = a.mac AND b.kind = 'erased' CROSS JOIN deliveries m
				WHERE a.tenant_id = d.tenant_id AND a.subscriber_id = d.subscriber_id AND m.tenant_id = b.tenant_id AND m.subscriber_id = b.subscriber_id
					AND m.destination_id = d.destination_id AND m.org_id = d.org_id AND m.made_id = d.record_id AND d.record_id <> '')
		FROM deliveries d JOIN removal_records e ON e.tenant_id = d.tenant_id AND e.subscriber_id = d.subscriber_id AND e.destination_id = d.destination_id
		WHERE d.tenant_id = $1 AND d.subscriber_id = $2 AND d.destination_id = $3`, r.TenantID, r.SubscriberID, r.DestinationID).
		Scan(&r.RecordID, &r.OrgID, &r.InstanceURL, &made)
	if err != nil {
		return err
	}
	if r.Record = fateOf(*r, made); r.Record == "" {
		if err := goneBefore(ctx, tx, r); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE removal_records SET record_id = $1, org_id = $2, instance_url = $3, ours = $7 WHERE tenant_id = $4 AND subscriber_id = $5 AND destination_id = $6`,
		r.RecordID, r.OrgID, r.InstanceURL, r.TenantID, r.SubscriberID, r.DestinationID, bit(made))
	return err
}

// goneBefore reads what became of a record with another of the person's newsletters, where that is known.
func goneBefore(ctx context.Context, tx *sql.Tx, r *RecordRemoval) error {
	err := tx.QueryRowContext(ctx, `SELECT record, kept FROM removal_records
		WHERE tenant_id = $1 AND destination_id = $2 AND record_id = $3 AND org_id = $4 AND record IN (`+unmadeFates+`) ORDER BY record DESC LIMIT 1`,
		r.TenantID, r.DestinationID, r.RecordID, r.OrgID).Scan(&r.Record, &r.Kept)
	return ignore(err, sql.ErrNoRows)
}

// GiveUpErasing says that nobody wants to wait any longer for what a CRM does with the record of somebody who
// is being erased, or for telling it that they left: the record stays there, for the CRM's admin. It reports whether something was waited for. A write to that CRM whose outcome
// isn't known is waited for until it can't take effect any more: done is false until then. The CRM may have done it all the same, so
// whoever else has the record is due again.
func (d *Privacy) GiveUpErasing(ctx context.Context, key DestinationKey, subscriberID, actor string) (done bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		done = false
		var out int // writes
		now := millis(d.now())
		err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM deliveries d WHERE d.tenant_id = r.tenant_id AND d.destination_id = $3 AND d.subscriber_id = r.subscriber_id AND d.sent_at > 0 AND d.settles_at > $4)
			FROM removals r WHERE r.tenant_id = $1 AND r.subscriber_id = $2 AND r.kind = 'erased' AND r.email_key <> ''`, key.TenantID, subscriberID, key.DestinationID, now).Scan(&out)
		if err != nil || out > 0 {
			return ignore(err, sql.ErrNoRows)
		}
		record, err := d.giveUpRecord(ctx, tx, key, subscriberID)
		if err != nil {
			return err
		}
		owed, err := d.giveUpOptOuts(ctx, tx, key, subscriberID)
		done = record || owed
		return err
	})
	return done, wrap("give up on a record", err)
}

// giveUpRecord ends the part of an erasing that is about a record, where it hasn't ended.
func (d *base) giveUpRecord(ctx context.Context, tx *sql.Tx, key DestinationKey, subscriberID string) (done bool, err error) {
	r := RecordRemoval{DestinationKey: key, SubscriberID: subscriberID, Record: RecordGivenUp}
	err = tx.QueryRowContext(ctx, `UPDATE removal_records SET ended_at = $1, record = $2, code = ''
		WHERE tenant_id = $3 AND destination_id = $4 AND subscriber_id = $5 AND ended_at = 0
		RETURNING record_id, org_id, sent_at > 0, (SELECT r.email_key FROM removals r WHERE r.tenant_id = $3 AND r.subscriber_id = $5)`,
		millis(d.now()), RecordGivenUp, key.TenantID, key.DestinationID, subscriberID).Scan(&r.RecordID, &r.OrgID, &r.Unsure, &r.EmailKey)
	if err != nil {
		return false, ignore(err, sql.ErrNoRows)
	}
	_, err = tx.ExecContext(ctx, `UPDATE deliveries SET sent_at = 0, settles_at = 0 WHERE tenant_id = $1 AND destination_id = $2 AND subscriber_id = $3 AND state = 'ended'`,
		key.TenantID, key.DestinationID, subscriberID)
	if err != nil || !r.unmade() {
		return true, err
	}
	return true, d.replaceRecord(ctx, tx, r)
}

// giveUpOptOuts ends what is owed to a CRM of somebody who is being erased. A record that is listed is told of as one that nobody wanted to wait for.
func (d *base) giveUpOptOuts(ctx context.Context, tx *sql.Tx, key DestinationKey, subscriberID string) (done bool, err error) {
	res, err := tx.ExecContext(ctx, `UPDATE opt_outs SET ended_at = $4, outcome = $5 WHERE tenant_id = $1 AND destination_id = $2 AND subscriber_id = $3 AND ended_at = 0`,
		key.TenantID, key.DestinationID, subscriberID, millis(d.now()), OptOutGivenUp)
	if err := changed(res, err, ErrNotFound); err != nil {
		return false, ignore(err, ErrNotFound)
	}
	_, err = tx.ExecContext(ctx, `UPDATE removal_records SET record = $4 WHERE tenant_id = $1 AND destination_id = $2 AND subscriber_id = $3 AND record = $5`,
		key.TenantID, key.DestinationID, subscriberID, RecordGivenUp, RecordListed)
	return true, err
}

// nothingOwed says of the removal r that no CRM is yet to be told that the person left.
const nothingOwed = ` AND NOT EXISTS (SELECT 1 FROM opt_outs u WHERE u.tenant_id = r.tenant_id AND u.subscriber_id = r.subscriber_id AND u.ended_at = 0)`

// erasingBatch is how many erasings are finished in a transaction.
const erasingBatch = 200

// FinishErasing deletes those who are being erased and of whom no destination has anything left to do, with what
// texts of others say of their address, and reports whether there may be more. That they were erased is counted, and a receipt stays that
// has no address.
func (d *Privacy) FinishErasing(ctx context.Context) (more bool, err error) {
	open, err := collect(ctx, d.read, func(row scanner) (r Removal, err error) {
		return r, row.Scan(&r.TenantID, &r.SubscriberID, &r.emailKey)
	}, `SELECT r.tenant_id, r.subscriber_id, r.email_key FROM removals r WHERE r.email_key <> ''
		AND NOT EXISTS (SELECT 1 FROM removal_records e WHERE e.tenant_id = r.tenant_id AND e.subscriber_id = r.subscriber_id AND e.ended_at = 0)`+nothingOwed+`
		ORDER BY r.tenant_id, r.subscriber_id LIMIT $1`, erasingBatch)
	if err != nil {
		return false, wrap("look for whom to erase", err)
	}
	for len(open) > 0 {
		tenant := open[0].TenantID
		n := slices.IndexFunc(open, func(r Removal) bool { return r.TenantID != tenant })
		if n < 0 {
			n = len(open)
		}
		if err := d.finishErasing(ctx, tenant, open[:n]); err != nil {
			return false, wrap("finish erasing", err)
		}
		more, open = more || n == erasingBatch, open[n:]
	}
	return more, nil
}

// finishErasing finishes some of a tenant's. What mentions them is looked for before, since that takes a while.
func (d *Privacy) finishErasing(ctx context.Context, tenantID string, all []Removal) error {
	keys := make([]string, len(all))
	for i, r := range all {
		keys[i] = r.emailKey
	}
	has, err := whoHas(ctx, d.read, d.engine, tenantID, keys)
	if err != nil {
		return err
	}
	mentions, err := findMentions(ctx, d.read, tenantID, keys, has)
	if err != nil {
		return err
	}
	return d.tx(ctx, func(tx *sql.Tx) error {
		if err := eraseMentions(ctx, tx, tenantID, mentions); err != nil {
			return err
		}
		return d.change(ctx, tx, func(c *change) error {
			for _, r := range all {
				if err := c.finishErasing(ctx, tenantID, r.SubscriberID); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// finishErasing deletes a subscriber, and ends the receipt. One that somebody else has finished meanwhile, or that
// isn't finished after all, stays.
func (c *change) finishErasing(ctx context.Context, tenantID, subscriberID string) error {
	r, err := scanRemoval(c.tx.QueryRowContext(ctx, `SELECT `+removalColumns+` FROM removals r WHERE r.tenant_id = $1 AND r.subscriber_id = $2 AND r.email_key <> ''
		AND NOT EXISTS (SELECT 1 FROM removal_records e WHERE e.tenant_id = r.tenant_id AND e.subscriber_id = r.subscriber_id AND e.ended_at = 0)`+nothingOwed, tenantID, subscriberID))
	if err != nil {
		return ignore(err, sql.ErrNoRows)
	}
	if err := c.erase(ctx, r); err != nil {
		return ignore(err, ErrLost)
	}
	_, err = c.tx.ExecContext(ctx, `UPDATE removals SET ended_at = $1, erased = 1, email_key = '' WHERE tenant_id = $2 AND subscriber_id = $3`, c.at, tenantID, subscriberID)
	return err
}

// Why is why somebody was erased, as whoever asked for it gave it.
func (r Removal) Why() string { return r.why }

// ErasureQuery asks for a page of receipts.
type ErasureQuery struct {
	After string // Place of the last one of the page before; empty for the first page
	Limit int
}

// Place is where a receipt stands in the list of them: those under way first, and of each the latest first.
func (r Removal) Place() string {
	return strings.Join([]string{strconv.Itoa(bit(!r.EndedAt.IsZero())), strconv.FormatInt(millis(r.AskedAt), 10), r.SubscriberID}, ".")
}

// parsePlace reads a Place; one that can't be read is before all others.
func parsePlace(place string) (ended bool, askedAt int64, id string) {
	state, rest, _ := strings.Cut(place, ".")
	at, id, _ := strings.Cut(rest, ".")
	askedAt, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return false, math.MaxInt64, ""
	}
	return state == "1", askedAt, id
}

// Erasures returns a page of the receipts of the tenant's erasings, those under way first and of each the latest first: of who was asked
// to be forgotten, and of who was kept for as long as the terms say.
func (d *Privacy) Erasures(ctx context.Context, tenantID string, q ErasureQuery) (all []Removal, err error) {
	ended, at, id := parsePlace(q.After)
	if !ended {
		all, err = d.erasures(ctx, tenantID, `r.kind IN ('erased', 'lapsed') AND r.ended_at = 0 AND r.email_key <> ''`+erasuresAfter, at, id, q.Limit)
		at, id = math.MaxInt64, "" // the others from the first
	}
	if err == nil && len(all) < q.Limit {
		var more []Removal
		more, err = d.erasures(ctx, tenantID, `r.kind IN ('erased', 'lapsed') AND r.ended_at > 0`+erasuresAfter, at, id, q.Limit-len(all))
		all = append(all, more...)
	}
	return all, wrap("erasings", err)
}

const erasuresAfter = ` AND (r.asked_at, r.subscriber_id) < ($2, $3) ORDER BY r.asked_at DESC, r.subscriber_id DESC LIMIT $4`

// ErasureOf returns the receipts of the erasing that one of the tenant's subscribers was or is part of, one for each of the
// person's newsletters, or ErrNotFound.
func (d *Privacy) ErasureOf(ctx context.Context, tenantID, subscriberID string) ([]Removal, error) {
	all, err := d.erasures(ctx, tenantID, `r.kind = 'erased'
		AND EXISTS (SELECT 1 FROM removals o WHERE o.tenant_id = $1 AND o.subscriber_id = $2 AND o.kind = 'erased' AND o.mac = r.mac AND o.asked_at = r.asked_at) ORDER BY r.subscriber_id`, subscriberID)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	return all, wrap("erasing", err)
}

// erasures reads the tenant's receipts that fit a condition, which may name args as $2 and on.
func (d *Privacy) erasures(ctx context.Context, tenantID, which string, args ...any) ([]Removal, error) {
	all, err := collect(ctx, d.read, func(row scanner) (r Removal, err error) {
		var why string
		r, err = scanRemoval(scanBefore{row, []any{&why}})
		r.why = why
		return r, err
	}, `SELECT r.why, `+removalColumns+` FROM removals r WHERE r.tenant_id = $1 AND `+which, append([]any{tenantID}, args...)...)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	of := map[string]int{}
	for i, r := range all {
		ids[i], of[r.SubscriberID] = r.SubscriberID, i
	}
	for part := range idSet(ids).of(tenantID).parts() {
		with, args := part.with(d.engine)
		records, err := collect(ctx, d.read, scanRecordRemoval, with+selectRecordRemoval+`JOIN o ON o.tenant_id = e.tenant_id AND o.id = e.subscriber_id ORDER BY e.destination_id`, args...)
		if err != nil {
			return nil, err
		}
		for _, e := range records {
			r := &all[of[e.SubscriberID]]
			r.Records = append(r.Records, e)
		}
		err = each(ctx, d.read, func(row scanner) error {
			var id, destination string
			err := row.Scan(&id, &destination)
			records := all[of[id]].Records
			if i := slices.IndexFunc(records, func(e RecordRemoval) bool { return e.DestinationID == destination }); i >= 0 {
				records[i].Owed = true
			}
			return err
		}, with+`SELECT u.subscriber_id, u.destination_id FROM o JOIN opt_outs u ON u.tenant_id = o.tenant_id AND u.subscriber_id = o.id AND u.ended_at = 0`, args...)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// scanBefore scans some columns before those that it is given.
type scanBefore struct {
	row    scanner
	before []any
}

// Scan scans a row.
func (s scanBefore) Scan(to ...any) error { return s.row.Scan(append(s.before, to...)...) }
