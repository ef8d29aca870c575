package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReaderMail is a mail to a reader that a process sends: it asks them to confirm.
type ReaderMail struct {
	TenantID, ID, SubscriberID string
	Address, AddressKey        string
	Newsletter                 string // its name
	Sender                     string // who sends that
	Language                   string // of the newsletter's public pages; empty for English
	ConfirmFor                 time.Duration
	Attempts                   int // to send it, before this one

	lease int64 // until when this process has it
}

// What becomes of mails to readers, beside what MailState says of all mails.
const (
	readerMailLife = 24 * time.Hour // after which nobody expects it any more
	longestDelay   = time.Hour      // for which a mail waits since its address got others; one that had to wait longer is dropped
	pausedDelay    = time.Hour      // after which mails of a tenant that the operator paused are looked at again, or up to a quarter later
)

// LeaseReaderMails gives up to limit mails that are due to this process, which others
// leave alone for the given time. It returns them, the longest due first.
func (d *Letters) LeaseReaderMails(ctx context.Context, limit int, lease time.Duration) (mails []ReaderMail, err error) {
	now := d.now()
	until := millis(now.Add(lease))
	err = d.txCommitted(ctx, func(tx *sql.Tx) error {
		mails = nil
		leased := newSet(text("tenant_id"), text("id"))
		err := each(ctx, tx, func(row scanner) error {
			var tenantID, id string
			err := row.Scan(&tenantID, &id)
			leased.add(tenantID, id)
			return err
		}, `UPDATE reader_mails SET lease_until = $1 WHERE state = 'queued' AND due_at <= $2 AND lease_until <= $2
			AND (tenant_id, id) IN (SELECT tenant_id, id FROM reader_mails WHERE state = 'queued' AND due_at <= $2 AND lease_until <= $2 ORDER BY due_at LIMIT $3)
			RETURNING tenant_id, id`, until, millis(now), limit)
		if err != nil {
			return err
		}
		for part := range leased.parts() {
			with, args := part.with(d.engine)
			more, err := collect(ctx, tx, scanReaderMail, with+`SELECT m.tenant_id, m.id, m.subscriber_id, s.email, s.email_key, n.name, n.page, t.name, n.readers, m.attempts, m.lease_until
				FROM o JOIN reader_mails m ON m.tenant_id = o.tenant_id AND m.id = o.id
				JOIN subscribers s ON s.tenant_id = m.tenant_id AND s.id = m.subscriber_id JOIN newsletters n ON n.id = s.newsletter_id JOIN tenants t ON t.id = m.tenant_id
				ORDER BY m.due_at, m.id`, args...)
			if err != nil {
				return err
			}
			mails = append(mails, more...)
		}
		return nil
	})
	return mails, wrap("lease mails to readers", err)
}

// ReaderMailsDue reports whether there is a mail for LeaseReaderMails.
func (d *Letters) ReaderMailsDue(ctx context.Context) (due bool, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM reader_mails WHERE state = 'queued' AND due_at <= $1 AND lease_until <= $1)`, millis(d.now())).Scan(&due)
	return due, wrap("mails to readers", err)
}

func scanReaderMail(row scanner) (m ReaderMail, err error) {
	var page, tenant, rules string
	if err := row.Scan(&m.TenantID, &m.ID, &m.SubscriberID, &m.Address, &m.AddressKey, &m.Newsletter, &page, &tenant, &rules, &m.Attempts, &m.lease); err != nil {
		return m, err
	}
	var p PublicPage
	if page != "" {
		if err := json.Unmarshal([]byte(page), &p); err != nil {
			return m, err
		}
	}
	r, err := scanRules(rules)
	m.Sender, m.Language, m.ConfirmFor = cmp.Or(p.Sender, tenant), p.Language, r.ConfirmFor()
	return m, err
}

// ReaderMailStart is what is stored of a mail before it is sent.
type ReaderMailStart struct {
	ReaderMail
	TokenHash  string // of the link in it
	AddressMAC string // of the address, for all tenants
	TenantMAC  string // of tenant and address
}

// StartReaderMails stores the links of mails that this process has leased and is about to
// send, and returns the ids of those that it may send. The others are dropped, as nobody is to
// get them any more, or wait for their turn: one address gets no more than the limits say, of
// whatever tenants and by whichever process, and so does one tenant of what it may send in an hour. A mail is
// counted when it is sent first, and by its tenant's limit once it has its turn.
func (d *Letters) StartReaderMails(ctx context.Context, starts []ReaderMailStart) (may map[string]bool, err error) {
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // what is relied on is a condition of each statement
		s := &starting{d: d, tx: tx, now: millis(d.now()), may: map[string]bool{}}
		may = s.may
		if err := s.read(ctx, starts); err != nil {
			return err
		}
		for _, m := range starts {
			s.decide(m)
		}
		return s.write(ctx, starts)
	})
	return may, wrap("start mails to readers", err)
}

// starting decides about mails that are to be sent.
type starting struct {
	d   *Letters
	tx  *sql.Tx
	now int64

	waits   map[string]readerMailRow // by the mail's id: those that are still to be sent
	sent    map[string]sentTimes     // by the subscriber: of the last day
	counted map[string]sentTimes     // by the MAC, as they are stored
	counts  map[string]sentTimes     // as they are to be
	perHour map[string]int64         // by the tenant: how many of its mails leave in an hour
	turned  map[string]tenantMails   // what is counted of those, as it is stored
	turns   map[string]tenantMails   // as it is to be
	relied  map[string]bool          // by the tenant: some of its mails wait as what is stored says
	may     map[string]bool
	ends    []readerMailEnd
}

// readerMailRow is a mail as it is when it is about to be sent.
type readerMailRow struct {
	createdAt int64
	wanted    bool  // somebody is still to confirm
	paused    bool  // the operator has paused the tenant
	turn      int64 // see tenantMails; 0 when it has none yet
}

// readerMailEnd is what becomes of a mail that isn't sent now.
type readerMailEnd struct {
	ReaderMail
	state MailState
	due   int64
	turn  int64 // see tenantMails; 0 for none, keepTurn for the one that it has
	why   string
}

const keepTurn = -1

// Why a mail to a reader was dropped.
const (
	notWaiting     = "not_waiting" // they confirmed, left or are gone
	addressLimit   = "address_limit"
	recipientLimit = "recipient_limit" // of all tenants
)

func (s *starting) read(ctx context.Context, starts []ReaderMailStart) error {
	mails, subscribers, macs, tenants := newSet(text("tenant_id"), text("id"), integer("lease")), newSet(text("tenant_id"), text("id")), newSet(text("mac")), newSet(text("tenant_id"))
	s.perHour, s.turned, s.turns, s.relied = map[string]int64{}, map[string]tenantMails{}, map[string]tenantMails{}, map[string]bool{}
	for _, m := range starts {
		s.turns[m.TenantID] = tenantMails{}
		mails.add(m.TenantID, m.ID, m.lease)
		subscribers.add(m.TenantID, m.SubscriberID)
		macs.add(m.AddressMAC)
		macs.add(m.TenantMAC)
	}
	for _, id := range slices.Sorted(maps.Keys(s.turns)) {
		tenants.add(id)
	}
	if err := s.holdTurns(ctx, tenants); err != nil {
		return err
	}
	s.waits, s.sent, s.counted, s.counts = map[string]readerMailRow{}, map[string]sentTimes{}, map[string]sentTimes{}, map[string]sentTimes{}
	err := s.each(ctx, tenants, func(row scanner) error {
		var id string
		var perHour int64
		var c tenantMails
		err := row.Scan(&id, &perHour, &c.since, &c.n, &c.spread)
		s.perHour[id], s.turned[id], s.turns[id] = cmp.Or(perHour, MailsPerHour), c, c
		return err
	}, `SELECT t.id, t.mails_per_hour, COALESCE(c.since, 0), COALESCE(c.n, 0), COALESCE(c.spread, 0)
		FROM o JOIN tenants t ON t.id = o.tenant_id LEFT JOIN tenant_mails c ON c.tenant_id = t.id`) // the limit with what was counted by it; before the mails, since countAnew changes it first
	if err != nil {
		return err
	}
	err = s.each(ctx, mails, func(row scanner) error {
		var id string
		var r readerMailRow
		err := row.Scan(&id, &r.createdAt, &r.wanted, &r.paused, &r.turn)
		s.waits[id] = r
		return err
	}, `SELECT m.id, m.created_at, CASE WHEN t.closed_at = 0 AND (s.state = 'unconfirmed' OR s.state = 'left' AND s.left_at < m.created_at) THEN 1 ELSE 0 END,
			CASE WHEN t.paused_at > 0 THEN 1 ELSE 0 END, m.turn_at
		FROM o JOIN reader_mails m ON m.tenant_id = o.tenant_id AND m.id = o.id AND m.state = 'queued' AND m.lease_until = o.lease
		JOIN subscribers s ON s.tenant_id = m.tenant_id AND s.id = m.subscriber_id JOIN tenants t ON t.id = m.tenant_id`)
	if err != nil {
		return err
	}
	err = s.each(ctx, subscribers, func(row scanner) error {
		var id string
		var at int64
		err := row.Scan(&id, &at)
		s.sent[id] = append(s.sent[id], at)
		return err
	}, `SELECT m.subscriber_id, m.ended_at FROM o JOIN reader_mails m ON m.tenant_id = o.tenant_id AND m.subscriber_id = o.id
		WHERE m.state = 'sent' AND m.ended_at > $1 ORDER BY m.ended_at`, s.now-day.Milliseconds())
	if err != nil {
		return err
	}
	return s.each(ctx, macs, func(row scanner) error {
		var mac string
		var times sentTimes
		err := row.Scan(&mac, &times)
		s.counted[mac], s.counts[mac] = times, times
		return err
	}, `SELECT r.mac, r.times FROM o JOIN recipient_mails r ON r.mac = o.mac`)
}

// holdTurns keeps what is counted of tenants as it is until the transaction ends. So processes that start mails of the
// same tenant wait for each other, in the order of the tenants, where otherwise all but one would decide in vain.
func (s *starting) holdTurns(ctx context.Context, tenants *set) error {
	if _, file := s.d.engine.(*sqliteFile); file {
		return nil // has one writer
	}
	return s.each(ctx, tenants, func(row scanner) error { return row.Scan(new(string)) },
		`SELECT c.tenant_id FROM o JOIN tenant_mails c ON c.tenant_id = o.tenant_id ORDER BY c.tenant_id FOR UPDATE OF c`)
}

// each runs a query on a set, which may be larger than what one statement takes.
func (s *starting) each(ctx context.Context, of *set, scan func(scanner) error, query string, args ...any) error {
	for part := range of.parts() {
		with, all := part.with(s.d.engine, args...)
		if err := each(ctx, s.tx, scan, with+query, all...); err != nil {
			return err
		}
	}
	return nil
}

// decide says what is to become of a mail.
func (s *starting) decide(m ReaderMailStart) {
	row, ok := s.waits[m.ID]
	if !ok {
		return // another process has it by now, or it is gone
	}
	end := func(state MailState, why string) {
		s.ends = append(s.ends, readerMailEnd{m.ReaderMail, state, 0, keepTurn, why})
	}
	wait := func(until int64) {
		s.ends = append(s.ends, readerMailEnd{m.ReaderMail, MailQueued, until, keepTurn, ""})
	}
	own := max(nextToSubscriber(s.sent[m.SubscriberID]), s.counts[m.TenantMAC].next(addressPerDay))
	all := max(s.counts[m.AddressMAC].next(recipientPerHour), s.counts[m.AddressMAC].next(recipientPerDay))
	longest := s.now + longestDelay.Milliseconds()
	switch {
	case !row.wanted:
		end(MailDropped, notWaiting)
	case s.now >= row.ends():
		end(MailExpired, "")
	case row.paused:
		s.relied[m.TenantID] = true
		wait(min(s.now+(pausedDelay+rand.N(pausedDelay/4)).Milliseconds(), row.ends())) // so that not all of a queue comes at once
	case m.Attempts > 0: // it was counted at the first
		s.may[m.ID] = true
	case own > longest:
		end(MailDropped, addressLimit)
	case all > longest:
		end(MailDropped, recipientLimit)
	case max(own, all) > s.now:
		wait(max(own, all))
	default:
		s.give(m, row)
	}
}

// ends is when nobody expects the mail any more.
func (r readerMailRow) ends() int64 { return r.createdAt + readerMailLife.Milliseconds() }

// give starts a mail, or has it wait until it is its turn among its tenant's. One whose turn would come too late isn't
// counted, so that others get through when it has expired.
func (s *starting) give(m ReaderMailStart, row readerMailRow) {
	turn, count := row.turn, s.turns[m.TenantID]
	if turn < s.now-hourMillis { // it has none, or the hour is over that it was counted in
		turn, count = count.next(s.now, s.perHour[m.TenantID])
	}
	switch {
	case turn >= row.ends():
		s.relied[m.TenantID] = true
		s.ends = append(s.ends, readerMailEnd{m.ReaderMail, MailQueued, row.ends(), 0, ""})
	case turn > s.now:
		s.turns[m.TenantID], s.relied[m.TenantID] = count, true
		s.ends = append(s.ends, readerMailEnd{m.ReaderMail, MailQueued, turn, turn, ""})
	default:
		s.turns[m.TenantID] = count
		s.may[m.ID] = true
		s.sent[m.SubscriberID] = append(s.sent[m.SubscriberID], s.now)
		for _, mac := range []string{m.AddressMAC, m.TenantMAC} {
			s.counts[mac] = s.counts[mac].and(s.now)
		}
	}
}

// writeTurns stores how many of each tenant's mails are counted now. Where mails are to wait it is written though no
// more are: so whoever has the tenant's mails counted anew finds those, or is seen here, and all is decided anew.
func (s *starting) writeTurns(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.turns)) { // in their order, so that no two processes wait for each other
		is, was := s.turns[id], s.turned[id]
		if is == was && !s.relied[id] {
			continue
		}
		res, err := s.tx.ExecContext(ctx, `INSERT INTO tenant_mails (tenant_id, since, n, spread) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id) DO UPDATE SET since = excluded.since, n = excluded.n, spread = excluded.spread WHERE tenant_mails.since = $5 AND tenant_mails.n = $6`,
			id, is.since, is.n, bit(is.spread), was.since, was.n)
		if err := changed(res, err, errAgain); err != nil {
			return err
		}
	}
	return nil
}

// write stores what was decided. Where another process has counted a mail to the same address, or of the same
// tenant, meanwhile, all is decided anew.
func (s *starting) write(ctx context.Context, starts []ReaderMailStart) error {
	if err := s.writeTurns(ctx); err != nil {
		return err
	}
	var macs []string // in their order, so that no two processes wait for each other
	for mac := range s.counts {
		macs = append(macs, mac)
	}
	slices.Sort(macs)
	for _, mac := range macs {
		if s.counts[mac].stored() == s.counted[mac].stored() {
			continue
		}
		res, err := s.tx.ExecContext(ctx, `INSERT INTO recipient_mails (mac, times, last_at) VALUES ($1, $2, $3)
			ON CONFLICT (mac) DO UPDATE SET times = excluded.times, last_at = excluded.last_at WHERE recipient_mails.times = $4`,
			mac, s.counts[mac].stored(), s.now, s.counted[mac].stored())
		if err := changed(res, err, errAgain); err != nil {
			return err
		}
	}
	if err := s.d.endReaderMails(ctx, s.tx, s.ends); err != nil {
		return err
	}
	for _, m := range starts {
		if !s.may[m.ID] {
			continue
		}
		if _, err := s.tx.ExecContext(ctx, `INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			m.TokenHash, m.TenantID, m.SubscriberID, m.ID, s.now, s.now+m.ConfirmFor.Milliseconds()); err != nil {
			return err
		}
	}
	begun := newSet(text("tenant_id"), text("id"))
	for _, m := range starts {
		if s.may[m.ID] {
			begun.add(m.TenantID, m.ID)
		}
	}
	return s.d.onReaderMails(ctx, s.tx, begun, `UPDATE reader_mails SET attempts = attempts + 1 FROM o WHERE reader_mails.tenant_id = o.tenant_id AND reader_mails.id = o.id`)
}

// endReaderMails stores what became of mails that aren't sent now.
func (d *base) endReaderMails(ctx context.Context, tx *sql.Tx, ends []readerMailEnd) error {
	of := newSet(text("tenant_id"), text("id"), text("state"), integer("due"), integer("turn"), integer("ended"), text("why"))
	for _, e := range ends {
		ended := int64(0)
		if e.state != MailQueued {
			ended = millis(d.now())
		}
		of.add(e.TenantID, e.ID, string(e.state), e.due, e.turn, ended, e.why)
	}
	// One that was asked for again meanwhile (see askToConfirm) doesn't expire.
	return d.onReaderMails(ctx, tx, of, `UPDATE reader_mails SET state = o.state, due_at = CASE WHEN o.due > 0 THEN o.due ELSE reader_mails.due_at END,
			turn_at = CASE WHEN o.turn < 0 THEN reader_mails.turn_at ELSE o.turn END, ended_at = o.ended, detail = o.why, lease_until = 0
		FROM o WHERE reader_mails.tenant_id = o.tenant_id AND reader_mails.id = o.id AND reader_mails.state = 'queued'
			AND NOT (o.state = 'expired' AND reader_mails.created_at > o.ended - 86400000)`)
}

// onReaderMails runs a statement on a set of mails.
func (d *base) onReaderMails(ctx context.Context, tx *sql.Tx, of *set, query string) error {
	for part := range of.parts() {
		with, args := part.with(d.engine)
		if _, err := tx.ExecContext(ctx, with+query, args...); err != nil {
			return err
		}
	}
	return nil
}

// ReaderMailOutcome is what the mail server made of a mail.
type ReaderMailOutcome struct {
	ReaderMail
	State  MailState // sent, refused, or queued: to be tried again
	Due    time.Time // when, of one that is queued
	Code   int       // what the mail server answered; 0 when it didn't
	Detail string    // and its words
}

// RecordReaderMails stores what the mail server made of mails. What ended meanwhile stays as
// it is.
func (d *Letters) RecordReaderMails(ctx context.Context, outcomes []ReaderMailOutcome) error {
	of, now := newSet(text("tenant_id"), text("id"), text("state"), integer("due"), integer("ended"), integer("code"), text("detail")), millis(d.now())
	for _, o := range outcomes {
		ended := now
		if o.State == MailQueued {
			ended = 0
		}
		of.add(o.TenantID, o.ID, string(o.State), millis(o.Due), ended, int64(o.Code), o.Detail)
	}
	slices.SortFunc(of.rows, func(a, b []any) int { return cmp.Compare(a[1].(string), b[1].(string)) })
	return wrap("record mails to readers", d.txCommitted(ctx, func(tx *sql.Tx) error {
		return d.onReaderMails(ctx, tx, of, `UPDATE reader_mails SET state = o.state, due_at = CASE WHEN o.due > 0 THEN o.due ELSE reader_mails.due_at END, ended_at = o.ended, code = o.code, detail = o.detail, lease_until = 0
			FROM o WHERE reader_mails.tenant_id = o.tenant_id AND reader_mails.id = o.id AND reader_mails.state = 'queued'`)
	}))
}

// readerMailsKept is how long what became of a mail is kept that nobody confirmed by.
const readerMailsKept = 30 * day

// ExpireReaderMails forgets mails of long ago, links by which nobody confirmed, and when
// mails went to an address, once that counts for no limit.
func (d *Letters) ExpireReaderMails(ctx context.Context) error {
	now := d.now()
	before := millis(now.Add(-readerMailsKept))
	return wrap("expire mails to readers", d.txCommitted(ctx, func(tx *sql.Tx) error {
		for _, statement := range []struct {
			query string
			arg   int64
		}{
			{`DELETE FROM confirmations WHERE token_hash IN (SELECT token_hash FROM confirmations WHERE expires_at < $1 AND pressed_at = 0 LIMIT $2)`, before},
			{`DELETE FROM reader_mails WHERE (tenant_id, id) IN (SELECT m.tenant_id, m.id FROM reader_mails m WHERE m.state <> 'queued' AND m.ended_at < $1 LIMIT $2)`, before},
			{`DELETE FROM recipient_mails WHERE mac IN (SELECT mac FROM recipient_mails WHERE last_at < $1 LIMIT $2)`, millis(now.Add(-day))},
			{`DELETE FROM tenant_mails WHERE since < $1 AND tenant_id IN (SELECT c.tenant_id FROM tenant_mails c WHERE c.since < $1 LIMIT $2)`, millis(now.Add(-day))},
		} {
			if _, err := tx.ExecContext(ctx, statement.query, statement.arg, sweptAtOnce); err != nil {
				return err
			}
		}
		return nil
	}))
}

// sentTimes are when mails were sent, in milliseconds, the latest last.
type sentTimes []int64

// mailLimit is how many mails may go to somebody in a time.
type mailLimit struct {
	n   int
	per time.Duration
}

// The limits. One address gets so many from the whole installation, and from one tenant.
var (
	recipientPerHour = mailLimit{3, time.Hour}
	recipientPerDay  = mailLimit{6, day}
	addressPerDay    = mailLimit{3, day}
)

// pauses are how long the second and third mail of a day to the same subscriber wait after the
// one before.
var pauses = []time.Duration{5 * time.Minute, time.Hour}

// next is from when on one more is within a limit.
func (t sentTimes) next(l mailLimit) int64 {
	if len(t) < l.n {
		return 0
	}
	return t[len(t)-l.n] + l.per.Milliseconds()
}

// nextToSubscriber is from when on a subscriber may get one more, who got those of a day.
func nextToSubscriber(sent sentTimes) int64 {
	if n := len(sent); n > 0 && n <= len(pauses) {
		return sent[n-1] + pauses[n-1].Milliseconds()
	}
	return sent.next(addressPerDay)
}

// and is the times with one more; those that count for no limit any more are forgotten.
func (t sentTimes) and(at int64) sentTimes {
	if most := recipientPerDay.n; len(t) >= most {
		t = t[len(t)-most+1:]
	}
	return append(slices.Clone(t), at)
}

// stored is the times as they are stored.
func (t sentTimes) stored() string {
	texts := make([]string, len(t))
	for i, at := range t {
		texts[i] = strconv.FormatInt(at, 10)
	}
	return strings.Join(texts, ",")
}

// Scan reads times as they are stored.
func (t *sentTimes) Scan(stored any) error {
	s, ok := stored.(string)
	if !ok {
		return fmt.Errorf("times of mails are no %T", stored)
	}
	*t = nil
	for _, text := range strings.Split(s, ",") {
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		*t = append(*t, at)
	}
	return nil
}
