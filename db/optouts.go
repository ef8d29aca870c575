package db

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// OptOutKind says what is owed to a CRM.
type OptOutKind string

// The kinds.
const (
	OptOutAll   OptOutKind = "all"          // the mark that the person wants no e-mail at all
	OptOutOne   OptOutKind = "subscription" // the same for one kind of e-mail
	OptOutField OptOutKind = "field"        // that they left is written into the fields that are mapped to it
	OptOutBack  OptOutKind = "back"         // a mark that we set is taken back
)

// OptOutOutcome is what became of what was owed to a CRM.
type OptOutOutcome string

// The outcomes.
const (
	OptOutSet     OptOutOutcome = "set"
	OptOutWas     OptOutOutcome = "was"      // it was so already
	OptOutGone    OptOutOutcome = "gone"     // the record isn't there any more
	OptOutAway    OptOutOutcome = "away"     // another org is connected now, or the CRM was removed
	OptOutMoot    OptOutOutcome = "moot"     // the person came back, or left again, before it was done
	OptOutNothing OptOutOutcome = "nothing"  // no field says it: the mapping has changed
	OptOutRefused OptOutOutcome = "refused"  // the CRM didn't let us
	OptOutGivenUp OptOutOutcome = "given_up" // whoever erases the person didn't want to wait for it
)

// OptedOut is what a CRM's record says of e-mail.
type OptedOut string

// What it may say; nothing when it is empty.
const (
	OptedOutOfAll OptedOut = "all" // the person wants no e-mail
	OptedOutOfOne OptedOut = "one" // they want none of the newsletter that a delivery is of
)

// OptOut is what somebody's leaving, or coming back, owes a CRM.
type OptOut struct {
	DestinationKey
	ID           string
	SubscriberID string
	What         OptOutKind
	Subscription string // of OptOutOne and OptOutBack: the CRM's id of the kind of e-mail; empty for all
	RecordID     string
	OrgID        string // that has the record; empty where it isn't known
	AskedAt      time.Time
	DueAt        time.Time // not to be tried before
	Tries        int       // how many failed for what this record has alone
	EndedAt      time.Time // zero while it is to be done
	Outcome      OptOutOutcome
	Code         string // the CRM's, why it was not done, or why the last try wasn't
	Detail       string // what the CRM said
	Unsure       bool   // it may be done: it was asked for before, and the outcome isn't known
	Ours         bool   // the CRM said that our write set the mark

	// Where BeginOptOuts returns it.
	EmailKey string
	moot     bool

	// Written is what was last written into the record's own fields: of OptOutField, for EndOptOuts.
	Written Written
}

// optOutColumns are those of opt_outs e.
const optOutColumns = `e.tenant_id, e.destination_id, e.id, e.subscriber_id, e.what, e.subscription, e.record_id, e.org_id, e.asked_at, e.due_at, e.tries, e.ended_at, e.outcome, e.code, e.detail, e.sent_at, e.ours`

func scanOptOut(row scanner) (o OptOut, err error) {
	var asked, due, ended, sent int64
	err = row.Scan(&o.TenantID, &o.DestinationID, &o.ID, &o.SubscriberID, &o.What, &o.Subscription, &o.RecordID, &o.OrgID, &asked, &due, &o.Tries, &ended, &o.Outcome, &o.Code, &o.Detail, &sent, &o.Ours)
	o.AskedAt, o.DueAt, o.EndedAt, o.Unsure = fromMillis(asked), fromMillis(due), fromMillis(ended), sent > 0
	return o, err
}

const (
	// feedsOfS and feedsOfO report whether the newsletter of the subscriber s, or o, feeds the destination t.
	feedsOfS = `(t.all_newsletters = 1 OR EXISTS (SELECT 1 FROM destination_newsletters f WHERE f.tenant_id = t.tenant_id AND f.destination_id = t.id AND f.newsletter_id = s.newsletter_id))`
	feedsOfO = `(t.all_newsletters = 1 OR EXISTS (SELECT 1 FROM destination_newsletters f WHERE f.tenant_id = t.tenant_id AND f.destination_id = t.id AND f.newsletter_id = o.newsletter_id))`

	// addressOfS is addressOf for the subscriber s.
	addressOfS = `replace(s.email_key, ' ' || s.id, '')`

	// staysActive reports whether whoever has the address of the subscriber s is active on a newsletter that feeds the
	// destination t.
	staysActive = `EXISTS (SELECT 1 FROM subscribers o WHERE o.tenant_id = s.tenant_id AND o.email_key = ` + addressOfS + ` AND o.state = 'active' AND ` + feedsOfO + `)`

	// kindOfO is the kind of e-mail that the newsletter of the subscriber o is in the destination t, or nothing.
	kindOfO = `COALESCE((SELECT y.subscription FROM destination_subscriptions y WHERE y.tenant_id = t.tenant_id AND y.destination_id = t.id AND y.newsletter_id = o.newsletter_id), '')`

	// leftPlain reports whether they have left a newsletter that feeds the destination t and is no kind of e-mail of its own there.
	leftPlain = `EXISTS (SELECT 1 FROM subscribers o WHERE o.tenant_id = s.tenant_id AND o.email_key = ` + addressOfS + ` AND o.state = 'left' AND ` + feedsOfO + ` AND ` + kindOfO + ` = '')`

	// tellsLeaving reports whether the mapping that holds for the subscriber s in the destination t fills a
	// field with what leaving changes. A quote inside a text stands behind a backslash, so that nothing else
	// looks like it.
	tellsLeaving = `EXISTS (SELECT 1 FROM mappings m WHERE m.tenant_id = t.tenant_id AND m.destination_id = t.id AND (m.mapping LIKE '%"name":"subscription_status"%' OR m.mapping LIKE '%"name":"left_at"%')
		AND (m.newsletter_id = s.newsletter_id OR m.newsletter_id = '' AND NOT EXISTS (SELECT 1 FROM mappings n WHERE n.tenant_id = t.tenant_id AND n.destination_id = t.id AND n.newsletter_id = s.newsletter_id)))`
)

// staysOnKind reports whether whoever has the address of the subscriber s is active on a newsletter that is a kind of
// e-mail in the destination t, of which a column says which.
func staysOnKind(column string) string {
	return `EXISTS (SELECT 1 FROM subscribers o WHERE o.tenant_id = s.tenant_id AND o.email_key = ` + addressOfS + ` AND o.state = 'active' AND ` + feedsOfO + ` AND ` + kindOfO + ` = ` + column + `)`
}

// owedFor reports whether something of a kind is owed for the subscriber s, or was done, and not taken back.
func owedFor(what OptOutKind, column string) string {
	return `EXISTS (SELECT 1 FROM opt_outs e WHERE e.tenant_id = s.tenant_id AND e.subscriber_id = s.id AND e.destination_id = t.id AND e.what = '` + string(what) + `' AND e.subscription = ` + column + `
		AND e.back_at = 0 AND e.outcome NOT IN ('moot', 'away'))`
}

// owed is where something may be owed for a subscriber who has left.
type owed struct {
	DestinationKey
	subscriberID    string
	recordID, orgID string
	subscription    string // the kind of e-mail that their newsletter is there
	flag            bool   // who left is marked there
	leftAll         bool   // they said that they leave all of the organisation
	plain           bool   // they have left one that is no kind of its own
	stays           bool   // they go on with another newsletter that feeds it
	staysOnKind     bool   // they go on with another one of the same kind
	mapped          bool   // a field tells of leaving
	owesAll         bool   // it was asked already that the mark for all is set
	owesOne         bool   // the same for the kind
}

func scanOwed(row scanner) (o owed, err error) {
	err = row.Scan(&o.TenantID, &o.DestinationID, &o.subscriberID, &o.recordID, &o.orgID, &o.subscription, &o.flag, &o.leftAll, &o.plain, &o.stays, &o.staysOnKind, &o.mapped, &o.owesAll, &o.owesOne)
	return o, err
}

var selectOwed = `SELECT t.tenant_id, t.id, s.id, d.record_id, d.org_id, COALESCE(k.subscription, ''), ` +
	flags(`t.leaving = ''`, `s.left_all = 1`, leftPlain, staysActive, staysOnKind(`k.subscription`), tellsLeaving, owedFor(OptOutAll, `''`), owedFor(OptOutOne, `k.subscription`)) + `
	FROM subscribers i JOIN subscribers s ON s.tenant_id = i.tenant_id AND s.email_key = i.email_key AND s.state = 'left'
	JOIN deliveries d ON d.tenant_id = s.tenant_id AND d.subscriber_id = s.id AND d.record_id <> ''
	JOIN destinations t ON t.tenant_id = d.tenant_id AND t.id = d.destination_id AND t.removed_at = 0
	LEFT JOIN destination_subscriptions k ON k.tenant_id = t.tenant_id AND k.destination_id = t.id AND k.newsletter_id = s.newsletter_id
	WHERE i.tenant_id = $1 AND i.id = $2 ORDER BY t.id, s.id`

// flags are conditions as columns of numbers, which both databases have.
func flags(conditions ...string) string {
	for i, c := range conditions {
		conditions[i] = `CASE WHEN ` + c + ` THEN 1 ELSE 0 END`
	}
	return strings.Join(conditions, ", ")
}

// oweOptOuts writes down what the CRMs owe whoever has the address of a subscriber who left; now says that they left just
// now, or came to have a record. A CRM that has no record of theirs owes nothing. What is owed follows from all that the person
// has left and goes on with, whichever came first, and is done with each record that is theirs, of whichever newsletter. The mark
// for all e-mail is set of who left all of the organisation, and of who goes on with no newsletter that feeds the CRM and left
// one that is no kind of e-mail of its own there. Else a kind is opted out of with which they go on by no newsletter.
func (c *change) oweOptOuts(ctx context.Context, tenantID, subscriberID string, now bool) error {
	at, err := collect(ctx, c.tx, scanOwed, selectOwed, tenantID, subscriberID)
	if err != nil {
		return err
	}
	for _, o := range at {
		now := now && o.subscriberID == subscriberID
		flag := o.flag && (o.leftAll || !o.stays && o.plain)
		one := !flag && o.subscription != "" && !o.staysOnKind
		for _, w := range []struct {
			is           bool
			what         OptOutKind
			subscription string
		}{{flag && (now || !o.owesAll), OptOutAll, ""}, {one && (now || !o.owesOne), OptOutOne, o.subscription}, {now && o.mapped, OptOutField, ""}} {
			if !w.is {
				continue
			}
			if err := c.oweOptOut(ctx, OptOut{DestinationKey: o.DestinationKey, SubscriberID: o.subscriberID, What: w.what, Subscription: w.subscription, RecordID: o.recordID, OrgID: o.orgID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// oweOptOut writes down what is owed, unless it is already.
func (c *change) oweOptOut(ctx context.Context, o OptOut) error {
	_, err := c.tx.ExecContext(ctx, `INSERT INTO opt_outs (tenant_id, subscriber_id, id, destination_id, what, subscription, record_id, org_id, asked_at, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT DO NOTHING`,
		o.TenantID, o.SubscriberID, NewID(), o.DestinationID, o.What, o.Subscription, o.RecordID, o.OrgID, c.at)
	return err
}

// oweTakingBack writes down that marks are to be taken back of a subscriber who has just said that
// they want the newsletter after all: those that Gatepost set, for all e-mail, for this newsletter, or for the kind of
// e-mail that it is, in the CRMs where the tenant wants that.
func (c *change) oweTakingBack(ctx context.Context, tenantID, subscriberID string) error {
	k, err := knownByID(ctx, c.tx, tenantID, subscriberID)
	if err != nil {
		return err
	}
	set, err := collect(ctx, c.tx, scanOptOut, `SELECT `+optOutColumns+` FROM subscribers s JOIN subscribers i ON i.tenant_id = s.tenant_id AND i.email_key >= $3 AND i.email_key < $4
		JOIN opt_outs e ON e.tenant_id = i.tenant_id AND e.subscriber_id = i.id AND e.outcome = 'set' AND e.ours = 1 AND e.back_at = 0
		JOIN destinations t ON t.tenant_id = e.tenant_id AND t.id = e.destination_id AND t.removed_at = 0 AND t.take_back = 1
		LEFT JOIN destination_subscriptions k ON k.tenant_id = t.tenant_id AND k.destination_id = t.id AND k.newsletter_id = s.newsletter_id
		WHERE s.tenant_id = $1 AND s.id = $2 AND s.state = 'active' AND `+feedsOfS+` AND (e.what = 'all' OR e.what = 'subscription' AND (i.id = s.id OR e.subscription = k.subscription)) ORDER BY e.subscriber_id, e.id`,
		tenantID, subscriberID, k.emailKey, k.emailKey+"!") // behind the address there is nothing, or a space and an id: see addressOf
	if err != nil {
		return err
	}
	for _, e := range set {
		if _, err := c.tx.ExecContext(ctx, `UPDATE opt_outs SET back_at = $1 WHERE tenant_id = $2 AND subscriber_id = $3 AND id = $4`, c.at, e.TenantID, e.SubscriberID, e.ID); err != nil {
			return err
		}
		e.SubscriberID, e.What = subscriberID, OptOutBack
		if err := c.oweOptOut(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// takeBackFor takes a mark back of who came back while it was set, perhaps to another newsletter.
func (c *change) takeBackFor(ctx context.Context, o OptOut) error {
	came, err := collect(ctx, c.tx, scanID, `SELECT i.id FROM subscribers s JOIN subscribers i ON i.tenant_id = s.tenant_id AND i.email_key = `+addressOfS+` AND i.state = 'active' AND i.confirmed_at >= $3
		WHERE s.tenant_id = $1 AND s.id = $2 ORDER BY i.id`, o.TenantID, o.SubscriberID, millis(o.AskedAt))
	if err != nil {
		return err
	}
	for _, id := range came {
		if err := c.oweTakingBack(ctx, o.TenantID, id); err != nil {
			return err
		}
	}
	return nil
}

// DueOptOuts returns up to limit of what is owed to a destination's CRM and is due, what has been due for longest
// first.
func (d *OptOuts) DueOptOuts(ctx context.Context, key DestinationKey, limit int) ([]OptOut, error) {
	all, err := collect(ctx, d.read, scanOptOut, `SELECT `+optOutColumns+` FROM opt_outs e
		WHERE e.tenant_id = $1 AND e.destination_id = $2 AND e.ended_at = 0 AND e.due_at <= $3 ORDER BY e.due_at, e.id LIMIT $4`,
		key.TenantID, key.DestinationID, millis(d.now()), limit)
	return all, wrap("due opt-outs", err)
}

// BeginOptOuts is called just before a CRM is asked for what is owed to it, in the org that is connected. It returns
// those of all that it is to be asked for, and notes that it is. Of the others it is known what became of them
// without asking, which is written down. It returns ErrLost when the lease is gone.
func (d *OptOuts) BeginOptOuts(ctx context.Context, l Lease, all []OptOut, orgID string) (begun []OptOut, err error) {
	err = d.underLease(ctx, l, func(tx *sql.Tx) error {
		begun = nil
		stand, err := d.openOptOuts(ctx, tx, l.DestinationKey, all)
		if err != nil {
			return err
		}
		var over []OptOut
		sent := newSet(text("subscriber_id"), text("id"))
		for _, o := range all {
			is, open := stand[o.ID]
			o.EmailKey, o.moot, o.Code, o.Detail = is.EmailKey, is.moot, "", ""
			switch {
			case !open:
			case o.OrgID != "" && o.OrgID != orgID:
				o.Outcome = OptOutAway
				over = append(over, o)
			case o.moot && !o.Unsure: // one that may be done is asked for once more, so that it is known
				o.Outcome = OptOutMoot
				over = append(over, o)
			default:
				begun = append(begun, o)
				sent.add(o.SubscriberID, o.ID)
			}
		}
		if err := d.endOptOuts(ctx, tx, l.DestinationKey, over); err != nil {
			return err
		}
		if err := notTakenBack(ctx, tx, over); err != nil {
			return err
		}
		for part := range sent.in(l.DestinationKey).parts() {
			with, args := part.with(d.engine, millis(d.now()))
			if _, err := tx.ExecContext(ctx, with+`UPDATE opt_outs SET sent_at = $1`+ofOptOuts, args...); err != nil {
				return err
			}
		}
		return nil
	})
	return begun, wrap("begin opt-outs", err)
}

// notTakenBack has the marks count as set again that were to be taken back, of those of which that came to nothing.
func notTakenBack(ctx context.Context, tx *sql.Tx, over []OptOut) error {
	for _, o := range over {
		if o.What != OptOutBack {
			continue
		}
		if _, err := tx.ExecContext(ctx, `UPDATE opt_outs SET back_at = 0 WHERE tenant_id = $1 AND destination_id = $2 AND subscription = $3 AND outcome = 'set' AND ours = 1 AND back_at > 0
			AND subscriber_id IN (SELECT i.id FROM subscribers i WHERE i.tenant_id = $1 AND i.email_key >= $4 AND i.email_key < $5) AND what <> 'back'`,
			o.TenantID, o.DestinationID, o.Subscription, o.EmailKey, o.EmailKey+"!"); err != nil {
			return err
		}
	}
	return nil
}

// ofOptOuts are the open opt-outs of a set.
const ofOptOuts = ` FROM o WHERE opt_outs.tenant_id = o.tenant_id AND opt_outs.subscriber_id = o.subscriber_id AND opt_outs.id = o.id AND opt_outs.destination_id = o.destination_id AND opt_outs.ended_at = 0`

// openOptOuts tells of those opt-outs that are open, by their ids, the address, and whether they are still to be
// done.
func (d *base) openOptOuts(ctx context.Context, tx *sql.Tx, key DestinationKey, all []OptOut) (map[string]OptOut, error) {
	of := newSet(text("subscriber_id"), text("id"))
	for _, o := range all {
		of.add(o.SubscriberID, o.ID)
	}
	stand := map[string]OptOut{}
	for part := range of.in(key).parts() {
		with, args := part.with(d.engine)
		err := each(ctx, tx, func(row scanner) error {
			var o OptOut
			var active, stays, staysOnKind bool
			err := row.Scan(&o.ID, &o.What, &o.EmailKey, &active, &stays, &staysOnKind)
			o.moot = map[OptOutKind]bool{OptOutAll: stays, OptOutOne: active || staysOnKind, OptOutField: active, OptOutBack: !active}[o.What]
			o.EmailKey = addressOf(o.EmailKey)
			stand[o.ID] = o
			return err
		}, with+`SELECT e.id, e.what, s.email_key, `+flags(`s.state = 'active'`, staysActive, staysOnKind(`e.subscription`))+`
			FROM o AS i JOIN opt_outs e ON e.tenant_id = i.tenant_id AND e.subscriber_id = i.subscriber_id AND e.id = i.id AND e.ended_at = 0
			JOIN subscribers s ON s.tenant_id = e.tenant_id AND s.id = e.subscriber_id JOIN destinations t ON t.tenant_id = e.tenant_id AND t.id = e.destination_id`, args...)
		if err != nil {
			return nil, err
		}
	}
	return stand, nil
}

// EndOptOuts stores what became of opt-outs, or of those without an Outcome that they failed: Tries, DueAt, Code and Detail,
// and whether they may be done all the same. It returns ErrLost when the lease is gone.
func (d *OptOuts) EndOptOuts(ctx context.Context, l Lease, all []OptOut) error {
	return wrap("end opt-outs", d.underLease(ctx, l, func(tx *sql.Tx) error {
		return d.endOptOuts(ctx, tx, l.DestinationKey, all)
	}))
}

func (d *base) endOptOuts(ctx context.Context, tx *sql.Tx, key DestinationKey, all []OptOut) error {
	var set []OptOut // by us
	for _, o := range all {
		if o.Outcome == OptOutSet && o.Ours {
			set = append(set, o)
		}
	}
	stand, err := d.openOptOuts(ctx, tx, key, set)
	if err != nil {
		return err
	}
	now := millis(d.now())
	s := newSet(text("subscriber_id"), text("id"), text("outcome"), text("code"), text("detail"), text("record_id"), integer("tries"), integer("due_at"), integer("ended_at"), integer("unsure"), integer("ours"))
	for _, o := range all {
		ended := now
		if o.Outcome == "" {
			ended = 0
		}
		s.add(o.SubscriberID, o.ID, string(o.Outcome), o.Code, o.Detail, o.RecordID, int64(o.Tries), millis(o.DueAt), ended, int64(bit(o.Outcome == "" && o.Unsure)), int64(bit(o.Ours)))
	}
	for part := range s.in(key).parts() {
		with, args := part.with(d.engine)
		_, err := tx.ExecContext(ctx, with+`UPDATE opt_outs SET outcome = o.outcome, code = o.code, detail = o.detail, record_id = o.record_id, tries = o.tries, due_at = o.due_at, ended_at = o.ended_at,
			sent_at = CASE WHEN o.unsure = 1 THEN opt_outs.sent_at ELSE 0 END, ours = o.ours`+ofOptOuts, args...)
		if err != nil {
			return err
		}
	}
	if err := d.noteOptOuts(ctx, tx, key, all); err != nil {
		return err
	}
	return d.change(ctx, tx, func(c *change) error {
		for _, o := range set {
			if stand[o.ID].moot {
				if err := c.takeBackFor(ctx, o); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// noteOptOuts stores with deliveries what their records say by now.
func (d *base) noteOptOuts(ctx context.Context, tx *sql.Tx, key DestinationKey, all []OptOut) error {
	marks := newSet(text("id"), text("record_id"), text("opted_out"))
	fields := newSet(text("id"), text("record_id"), text("written"))
	for _, o := range all {
		if o.Outcome != OptOutSet && o.Outcome != OptOutWas {
			continue
		}
		switch o.What {
		case OptOutAll:
			marks.add(o.SubscriberID, o.RecordID, string(OptedOutOfAll))
		case OptOutOne:
			marks.add(o.SubscriberID, o.RecordID, string(OptedOutOfOne))
		case OptOutBack:
			marks.add(o.SubscriberID, o.RecordID, "")
		case OptOutField:
			fields.add(o.SubscriberID, o.RecordID, o.Written.stored())
		}
	}
	for part := range marks.in(key).parts() {
		with, args := part.with(d.engine, millis(d.now()))
		_, err := tx.ExecContext(ctx, with+`UPDATE deliveries SET opted_out = o.opted_out, opted_out_at = CASE WHEN o.opted_out = '' THEN 0 ELSE CAST($1 AS BIGINT) END`+ofSet+`
			AND deliveries.record_id = o.record_id AND deliveries.opted_out <> o.opted_out AND (o.opted_out <> 'one' OR deliveries.opted_out <> 'all')`, args...)
		if err != nil {
			return err
		}
	}
	for part := range fields.in(key).parts() {
		with, args := part.with(d.engine)
		if _, err := tx.ExecContext(ctx, with+`UPDATE deliveries SET written = o.written`+ofSet+` AND deliveries.record_id = o.record_id AND deliveries.sent_at = 0 AND o.written <> ''`, args...); err != nil {
			return err
		}
	}
	return nil
}

// RefusedOptOuts counts what a destination's CRM refused of what leaving owes it.
func (d *OptOuts) RefusedOptOuts(ctx context.Context, key DestinationKey) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT count(*) FROM opt_outs WHERE tenant_id = $1 AND destination_id = $2 AND outcome = 'refused' AND what <> 'back'`, key.TenantID, key.DestinationID).Scan(&n)
	return n, wrap("refused opt-outs", err)
}

// RetryOptOuts has a destination's CRM asked again for what RefusedOptOuts counts, unless that is asked for anew already, and returns how many
// those are.
func (d *OptOuts) RetryOptOuts(ctx context.Context, key DestinationKey) (n int, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE opt_outs SET outcome = '', ended_at = 0, due_at = $3, tries = 0, code = '', detail = ''
			WHERE tenant_id = $1 AND destination_id = $2 AND outcome = 'refused' AND what <> 'back'
				AND NOT EXISTS (SELECT 1 FROM opt_outs e WHERE e.tenant_id = opt_outs.tenant_id AND e.subscriber_id = opt_outs.subscriber_id AND e.destination_id = opt_outs.destination_id
					AND e.what = opt_outs.what AND e.subscription = opt_outs.subscription AND e.id <> opt_outs.id AND (e.ended_at = 0 OR e.id > opt_outs.id))`,
			key.TenantID, key.DestinationID, millis(d.now()))
		if err != nil {
			return err
		}
		some, err := res.RowsAffected()
		n = int(some)
		if err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{NoticeDue, key.TenantID})
	})
	return n, wrap("retry opt-outs", err)
}
