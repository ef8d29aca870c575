package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"gatepost/forms"
	"gatepost/screening"
)

// HoldDecision is what became of a sign-up that was held.
type HoldDecision string

// The decisions.
const (
	HoldAccepted HoldDecision = "accepted" // by somebody
	HoldRejected HoldDecision = "rejected" // by somebody
	HoldReleased HoldDecision = "released" // the person signed up again, and nothing spoke against it
	HoldExpired  HoldDecision = "expired"  // nobody decided for as long as it is kept
)

// Hold is a sign-up that may be a robot's, until somebody decides.
type Hold struct {
	ID      string
	Reasons []string // names of checks
	Repeat  bool     // of somebody who was there already, and stays what they are until it is accepted
	N       int      // how many sign-ups of the person it stands for
	At      time.Time
	Network string  // MAC of where it came from; empty where nobody knows
	Sent    Answers // by the sign-up; a repeat's is apart from what the subscriber has
	Subscriber
}

// Answers are the names and fields that a sign-up gives.
type Answers struct {
	FirstName, LastName string
	Fields              forms.Values
}

// findLeft reads which of the sign-ups are of people who left, and aren't there any more.
func (b *book) findLeft(ctx context.Context, signUps []SignUp) error {
	macs := newSet(text("tenant_id"), text("mac"))
	seen := map[leftKey]bool{}
	for _, s := range signUps {
		key := leftKey{s.TenantID, "", s.MAC}
		if s.MAC != "" && !seen[key] {
			seen[key] = true
			macs.add(s.TenantID, s.MAC)
		}
	}
	b.left = map[leftKey]bool{}
	for part := range macs.parts() {
		with, args := part.with(b.change.engine)
		err := each(ctx, b.tx, func(row scanner) error {
			var k leftKey
			err := row.Scan(&k.tenantID, &k.mac, &k.newsletterID)
			b.left[k] = true
			return err
		}, with+`SELECT s.tenant_id, s.mac, s.newsletter_id FROM o JOIN suppressions s ON s.tenant_id = o.tenant_id AND s.mac = o.mac`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// hasLeft reports whether a sign-up is of somebody who left, and isn't there any more.
func (b *book) hasLeft(s SignUp) bool {
	return len(b.left) > 0 && (b.left[leftKey{s.TenantID, s.NewsletterID, s.MAC}] || b.left[leftKey{s.TenantID, "", s.MAC}])
}

// askToConfirm has a mail go out with a link to confirm. One that waits already stands for it, and counts as asked for
// now, so that it doesn't expire while the person waits for it.
func (b *book) askToConfirm(ctx context.Context, s SignUp, id string) error {
	_, err := b.tx.ExecContext(ctx, `UPDATE reader_mails SET created_at = $3, due_at = $3
		WHERE tenant_id = $1 AND subscriber_id = $2 AND state = 'queued' AND attempts = 0 AND created_at < $3 AND (due_at > $4 OR created_at <= $5)
			AND (slot_at = 0 OR EXISTS (SELECT 1 FROM tenants t WHERE t.id = $1 AND t.paused_at > 0))`,
		s.TenantID, id, millis(s.At), b.change.at, b.change.at-readerMailLife.Milliseconds())
	if err != nil {
		return err
	}
	return b.queueMail(ctx, s, id)
}

// queueMail queues a mail with a link to confirm, where none is queued yet.
func (b *book) queueMail(ctx context.Context, s SignUp, id string) error {
	_, err := b.tx.ExecContext(ctx, `INSERT INTO reader_mails (tenant_id, id, subscriber_id, kind, created_at, due_at)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), 'confirm', CAST($4 AS BIGINT), CAST($4 AS BIGINT)
		WHERE NOT EXISTS (SELECT 1 FROM reader_mails m WHERE m.tenant_id = $1 AND m.subscriber_id = $3 AND m.state = 'queued')`, s.TenantID, NewID(), id, millis(s.At))
	return err
}

// hold has a sign-up of a subscriber wait for somebody's decision; signUp is as it is stored, of
// somebody who was there already. One that waits already stands for this one too.
func (b *book) hold(ctx context.Context, s SignUp, k known, wording, signUp string) error {
	reasons := s.heldFor(k.state, b.hasLeft(s))
	_, err := b.tx.ExecContext(ctx, `INSERT INTO holds (tenant_id, id, subscriber_id, newsletter_id, sign_up, wording_id, reasons, network, n, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
		ON CONFLICT (tenant_id, subscriber_id) WHERE decided_at = 0 DO UPDATE SET n = holds.n + 1, at = excluded.at, reasons = excluded.reasons, network = excluded.network,
			sign_up = CASE WHEN holds.sign_up = '' THEN '' ELSE excluded.sign_up END, wording_id = CASE WHEN holds.sign_up = '' THEN holds.wording_id ELSE excluded.wording_id END`,
		s.TenantID, NewID(), k.id, s.NewsletterID, signUp, wording, strings.Join(reasons, ","), s.Network, millis(s.At))
	if err != nil {
		return err
	}
	b.held = reasons
	return b.awaitDomain(ctx, s, k.id)
}

// holdAside has a sign-up wait of somebody who is there, and stays what they are.
func (b *book) holdAside(ctx context.Context, s SignUp, k known, wording string) error {
	return b.hold(ctx, s, k, wording, mustJSON(s))
}

// decideHold writes down what became of a subscriber's sign-up that is held. Of what was sent, and from where, nothing stays with that.
func (c *change) decideHold(ctx context.Context, of place, decision HoldDecision) error {
	_, err := c.tx.ExecContext(ctx, `UPDATE holds SET decided_at = $1, decision = $2, decided_by = $3, sign_up = '', network = '' WHERE tenant_id = $4 AND subscriber_id = $5 AND decided_at = 0`,
		c.at, decision, c.actor, of.tenantID, of.id)
	return err
}

// HoldQuery asks for a page of what is held.
type HoldQuery struct {
	After string // id of the last one of the page before; empty for the first page
	Limit int
}

// Holds returns what is held of the tenant's sign-ups and not decided, the latest first, and
// how many there are in all.
func (d *Screening) Holds(ctx context.Context, tenantID string, q HoldQuery) (list []Hold, total int, err error) {
	after := q.After
	if after == "" {
		after = "g" // after all ids
	}
	err = ask(ctx, d.read,
		listed(&list, scanHold, selectHold+`WHERE h.tenant_id = $1 AND h.decided_at = 0 AND h.id < $2 ORDER BY h.id DESC LIMIT $3`, tenantID, after, q.Limit),
		one(&total, scanCount, `SELECT count(*) FROM holds WHERE tenant_id = $1 AND decided_at = 0`, tenantID))
	slices.SortFunc(list, func(a, b Hold) int { return strings.Compare(b.ID, a.ID) })
	return list, total, wrap("holds", err)
}

// HoldOf returns the sign-up of one of the tenant's subscribers that is held, or ErrNotFound.
func (d *Screening) HoldOf(ctx context.Context, tenantID, subscriberID string) (Hold, error) {
	h, err := scanHold(d.read.QueryRowContext(ctx, selectHold+`WHERE h.tenant_id = $1 AND h.subscriber_id = $2 AND h.decided_at = 0`, tenantID, subscriberID))
	return h, wrap("hold", err)
}

const selectHold = `SELECT h.id, h.reasons, h.sign_up, h.n, h.at, h.network,
	s.id, s.tenant_id, s.newsletter_id, n.name, s.email, s.email_key, s.first_name, s.last_name, ` + subscriberColumns + `
	FROM holds h JOIN subscribers s ON s.tenant_id = h.tenant_id AND s.id = h.subscriber_id JOIN newsletters n ON n.id = s.newsletter_id `

func scanHold(row scanner) (h Hold, err error) {
	var at int64
	var reasons, signUp string
	h.Subscriber, err = scanSubscriberAfter(row, &h.ID, &reasons, &signUp, &h.N, &at, &h.Network)
	h.Reasons, h.At, h.Repeat = strings.Split(reasons, ","), fromMillis(at), signUp != ""
	h.Sent = Answers{h.FirstName, h.LastName, h.Fields}
	if err == nil && h.Repeat {
		h.Sent, err = saidBy(signUp)
	}
	return h, err
}

// saidBy is what a sign-up says that is stored as hold does it.
func saidBy(signUp string) (Answers, error) {
	var s SignUp
	if err := json.Unmarshal([]byte(signUp), &s); err != nil {
		return Answers{}, err
	}
	fields, err := scanFields(s.Fields)
	return Answers{s.FirstName, s.LastName, fields}, err
}

// AcceptHolds says that those of the tenant's sign-ups with the given ids that are held are
// people's: what they would have done happens. It returns of how many that could be said. actor is
// the id of the user who says it; canMail says whether mails can be sent, to those who have to confirm.
func (d *Screening) AcceptHolds(ctx context.Context, tenantID string, ids []string, actor string, canMail bool) (done int, err error) {
	done, err = d.decideHolds(ctx, tenantID, heldWithIDs(ids), actor, HoldAccepted, acceptOne(canMail))
	return done, wrap("accept", err)
}

// AcceptWait accepts a sign-up that waited for a domain, unless it is held for something else by now than when
// SetDomain returned it: another one of the person's came, of which the look-up says nothing. canMail is as in AcceptHolds.
func (d *Screening) AcceptWait(ctx context.Context, w DomainWait, canMail bool) (accepted bool, err error) {
	done, err := d.decideHolds(ctx, w.TenantID, []heldID{{w.HoldID, strings.Join(w.Reasons, ",")}}, "", HoldAccepted, acceptOne(canMail))
	return done > 0, wrap("accept after a look-up", err)
}

// acceptOne does what a sign-up would have done.
func acceptOne(canMail bool) func(context.Context, *book, heldRow) error {
	return func(ctx context.Context, b *book, h heldRow) error {
		if h.signUp == "" {
			return b.accept(ctx, h, canMail)
		}
		return b.acceptAside(ctx, h, canMail)
	}
}

// RejectHolds says that they are robots'. Who was there already stays what they are.
func (d *Screening) RejectHolds(ctx context.Context, tenantID string, ids []string, actor string) (done int, err error) {
	done, err = d.decideHolds(ctx, tenantID, heldWithIDs(ids), actor, HoldRejected, func(ctx context.Context, b *book, h heldRow) error {
		if h.signUp != "" || h.state != OnHold {
			return nil
		}
		return b.change.setState(ctx, h.known, Rejected, "")
	})
	return done, wrap("reject", err)
}

// heldRow is a sign-up that is held, and whose it is.
type heldRow struct {
	known
	signUp, wording, reasons string
	rules                    ReaderRules
}

// heldID is a sign-up that is to be decided. Where reasons aren't empty, it is so only while it is held for exactly those.
type heldID struct{ id, reasons string }

// heldWithIDs are those with some ids, each once, whatever they are held for.
func heldWithIDs(ids []string) (all []heldID) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		all = append(all, heldID{id: id})
	}
	return all
}

// decideHolds does what is decided of sign-ups that are held.
func (d *Screening) decideHolds(ctx context.Context, tenantID string, ids []heldID, actor string, decision HoldDecision, do func(context.Context, *book, heldRow) error) (done int, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		done = 0
		c := d.newChange(tx)
		c.actor = actor
		b := newBook(tx, c)
		for _, id := range ids {
			h, err := heldByID(ctx, tx, tenantID, id)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if err := c.decideHold(ctx, h.place, decision); err != nil {
				return err
			}
			if err := do(ctx, b, h); err != nil {
				return err
			}
			done++
		}
		if err := c.finish(ctx); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{NoticeDue, tenantID})
	})
	return done, err
}

// heldByID is the tenant's sign-up with the id that is held, or sql.ErrNoRows.
func heldByID(ctx context.Context, tx *sql.Tx, tenantID string, of heldID) (h heldRow, err error) {
	var subscriberID, rules string
	err = tx.QueryRowContext(ctx, `SELECT h.subscriber_id, h.sign_up, h.wording_id, h.reasons, n.readers FROM holds h JOIN newsletters n ON n.id = h.newsletter_id
		WHERE h.tenant_id = $1 AND h.id = $2 AND h.decided_at = 0 AND (CAST($3 AS TEXT) = '' OR h.reasons = $3)`, tenantID, of.id, of.reasons).Scan(&subscriberID, &h.signUp, &h.wording, &h.reasons, &rules)
	if err != nil {
		return h, err
	}
	if h.rules, err = scanRules(rules); err != nil {
		return h, err
	}
	h.known, err = knownByID(ctx, tx, tenantID, subscriberID)
	return h, err
}

// asksByMail reports whether the person is to confirm by mail whatever their newsletter says: they had left, or
// the mail stands in for a proof of work.
func (h heldRow) asksByMail() bool {
	return slices.ContainsFunc(strings.Split(h.reasons, ","), screening.AsksByMail)
}

// accept takes a new subscriber for a person. Who is to confirm by mail gets one.
func (b *book) accept(ctx context.Context, h heldRow, canMail bool) error {
	if h.state != OnHold {
		return nil
	}
	if !canMail || !h.rules.Confirm && !h.asksByMail() {
		return b.activate(ctx, h.known)
	}
	if err := b.change.setState(ctx, h.known, Unconfirmed, ""); err != nil {
		return err
	}
	return b.askToConfirm(ctx, SignUp{TenantID: h.tenantID, At: fromMillis(b.change.at)}, h.known.id)
}

// acceptAside has a further sign-up do what it would have done. Where a person would have to confirm and no
// mail can be sent, the decision is enough.
func (b *book) acceptAside(ctx context.Context, h heldRow, canMail bool) error {
	var s SignUp
	if err := json.Unmarshal([]byte(h.signUp), &s); err != nil {
		return err
	}
	s.Held, s.CanMail, s.Confirm = nil, canMail, h.rules.Confirm || h.asksByMail()
	k, err := b.known(ctx, s)
	if errors.Is(err, sql.ErrNoRows) || err == nil && k.id != h.known.id {
		return nil // the person has another address by now: what was sent isn't about that
	}
	if err != nil {
		return err
	}
	if err := b.findLeft(ctx, []SignUp{s}); err != nil {
		return err
	}
	left := b.hasLeft(s) && k.state != Active // who is active came back
	becomes := s.again(k.state, left)
	for _, left := range []bool{left, false} { // false: nobody can ask them, so that the decision is enough
		if becomes == OnHold {
			becomes = s.becomes(left)
		}
	}
	return b.repeatOnce(ctx, s, k, becomes, h.wording)
}

// activate has a subscriber be active, and delivers them. What they had left besides, and all e-mail stood for, is owed by itself from
// then on.
func (b *book) activate(ctx context.Context, k known) error {
	if err := b.change.setState(ctx, k, Active, ""); err != nil {
		return err
	}
	// Who comes back to one newsletter hasn't left all any more.
	if _, err := b.tx.ExecContext(ctx, `UPDATE subscribers SET left_all = 0 WHERE tenant_id = $1 AND left_all = 1 AND email_key = (SELECT s.email_key FROM subscribers s WHERE s.tenant_id = $1 AND s.id = $2)`,
		k.tenantID, k.id); err != nil {
		return err
	}
	if err := b.change.oweOptOuts(ctx, k.tenantID, k.id, false); err != nil {
		return err
	}
	return b.deliverAgain(ctx, k, b.change.at)
}

// setState has a subscriber who is as they were read be in another state, for a reason that
// is told. Who is active from then on is another one for a removal that is under way. ErrLost: they aren't as they
// were read.
func (c *change) setState(ctx context.Context, k known, state State, why string) error {
	res, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET state = $1, revision = revision + $6 WHERE tenant_id = $2 AND id = $3 AND revision = $4 AND state = $5`,
		state, k.tenantID, k.id, k.revision, k.state, bit(state == Active))
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	c.become(k.place, state, why)
	return nil
}

func scanCount(row scanner) (n int, err error) { return n, row.Scan(&n) }
