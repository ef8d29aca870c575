package db

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"math/rand/v2"
	"slices"
)

// ReaderMailStart is what is stored of a mail before it is sent.
type ReaderMailStart struct {
	ReaderMail
	TokenHash  string // of the link in it
	AddressMAC string // of the address, for all tenants
	TenantMAC  string // of tenant and address
}

// StartReaderMails stores the links of mails that this process has leased and is about to
// send, and returns the ids of those that it may send. The others are dropped, as nobody is to
// get them any more, or wait: one address gets no more than the limits say, of whatever tenants
// and by whichever process, and so does one tenant of what it may send in an hour. A mail is
// counted when it is sent first, and by its tenant's limit once it has a slot.
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

	waits     map[string]readerMailRow // by the mail's id: those that are still to be sent
	sent      map[string]sentTimes     // by the subscriber: of the last day
	addresses addressCounts
	tenants   tenantCounts

	may  map[string]bool
	ends []readerMailEnd
}

// readerMailRow is a mail as it is when it is about to be sent.
type readerMailRow struct {
	createdAt int64
	wanted    bool  // somebody is still to confirm
	paused    bool  // the operator has paused the tenant
	slot      int64 // see tenantMails; 0 when it has none yet
}

// ends is when nobody expects the mail any more.
func (r readerMailRow) ends() int64 { return r.createdAt + readerMailLife.Milliseconds() }

// readerMailEnd is what becomes of a mail that isn't sent now.
type readerMailEnd struct {
	ReaderMail
	state MailState
	due   int64
	slot  int64 // see tenantMails; 0 for none, keepSlot for the one that it has
	why   string
}

const keepSlot = -1

// Why a mail to a reader was dropped.
const (
	notWaiting     = "not_waiting" // they confirmed, left or are gone
	addressLimit   = "address_limit"
	recipientLimit = "recipient_limit" // of all tenants
)

// read reads what is decided by. What is counted of tenants comes before their mails, since countAnew changes it first.
func (s *starting) read(ctx context.Context, starts []ReaderMailStart) error {
	mails, subscribers := newSet(text("tenant_id"), text("id"), integer("lease")), newSet(text("tenant_id"), text("id"))
	for _, m := range starts {
		mails.add(m.TenantID, m.ID, m.lease)
		subscribers.add(m.TenantID, m.SubscriberID)
	}
	if err := s.tenants.read(ctx, s, starts); err != nil {
		return err
	}
	s.waits, s.sent = map[string]readerMailRow{}, map[string]sentTimes{}
	err := s.each(ctx, mails, func(row scanner) error {
		var id string
		var r readerMailRow
		err := row.Scan(&id, &r.createdAt, &r.wanted, &r.paused, &r.slot)
		s.waits[id] = r
		return err
	}, `SELECT m.id, m.created_at, CASE WHEN t.closed_at = 0 AND (s.state = 'unconfirmed' OR s.state = 'left' AND s.left_at < m.created_at) THEN 1 ELSE 0 END,
			CASE WHEN t.paused_at > 0 THEN 1 ELSE 0 END, m.slot_at
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
		WHERE m.state = 'sent' AND m.ended_at > $1 ORDER BY m.ended_at`, s.now-dayMillis)
	if err != nil {
		return err
	}
	return s.addresses.read(ctx, s, starts)
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
	own, all := s.addresses.next(m)
	own = max(own, nextToSubscriber(s.sent[m.SubscriberID]))
	longest := s.now + longestDelay.Milliseconds()
	switch {
	case !row.wanted:
		s.end(m, MailDropped, notWaiting)
	case s.now >= row.ends():
		s.end(m, MailExpired, "")
	case row.paused:
		s.tenants.relied[m.TenantID] = true
		s.wait(m, min(s.now+(pausedDelay+rand.N(pausedDelay/4)).Milliseconds(), row.ends()), keepSlot) // so that not all of a queue comes at once
	case m.Attempts > 0: // it was counted at the first
		s.may[m.ID] = true
	case own > longest:
		s.end(m, MailDropped, addressLimit)
	case all > longest:
		s.end(m, MailDropped, recipientLimit)
	case max(own, all) > s.now:
		s.wait(m, max(own, all), keepSlot)
	default:
		s.give(m, row)
	}
}

func (s *starting) end(m ReaderMailStart, state MailState, why string) {
	s.ends = append(s.ends, readerMailEnd{m.ReaderMail, state, 0, keepSlot, why})
}

func (s *starting) wait(m ReaderMailStart, until, slot int64) {
	s.ends = append(s.ends, readerMailEnd{m.ReaderMail, MailQueued, until, slot, ""})
}

// give starts a mail, or has it wait for its slot among its tenant's. One whose slot would come too late isn't
// counted, so that others get through when it has expired.
func (s *starting) give(m ReaderMailStart, row readerMailRow) {
	slot, count := s.tenants.slot(m.TenantID, row.slot, s.now)
	switch {
	case slot >= row.ends():
		s.tenants.relied[m.TenantID] = true
		s.wait(m, row.ends(), 0)
	case slot > s.now:
		s.tenants.count(m.TenantID, count)
		s.tenants.relied[m.TenantID] = true
		s.wait(m, slot, slot)
	default:
		s.tenants.count(m.TenantID, count)
		s.addresses.count(m, s.now)
		s.sent[m.SubscriberID] = append(s.sent[m.SubscriberID], s.now)
		s.may[m.ID] = true
	}
}

// write stores what was decided. Where another process has counted a mail to the same address, or of the same
// tenant, meanwhile, all is decided anew.
func (s *starting) write(ctx context.Context, starts []ReaderMailStart) error {
	if err := s.tenants.write(ctx, s.tx); err != nil {
		return err
	}
	if err := s.addresses.write(ctx, s.tx, s.now); err != nil {
		return err
	}
	if err := s.d.endReaderMails(ctx, s.tx, s.ends); err != nil {
		return err
	}
	begun := newSet(text("tenant_id"), text("id"))
	for _, m := range starts {
		if !s.may[m.ID] {
			continue
		}
		if _, err := s.tx.ExecContext(ctx, `INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			m.TokenHash, m.TenantID, m.SubscriberID, m.ID, s.now, s.now+m.ConfirmFor.Milliseconds()); err != nil {
			return err
		}
		begun.add(m.TenantID, m.ID)
	}
	return s.d.onReaderMails(ctx, s.tx, begun, `UPDATE reader_mails SET attempts = attempts + 1 FROM o WHERE reader_mails.tenant_id = o.tenant_id AND reader_mails.id = o.id`)
}

// addressCounts are when mails went to addresses lately, by the MAC of an address, and by that of a tenant and an address.
type addressCounts struct{ stored, now map[string]sentTimes }

func (c *addressCounts) read(ctx context.Context, s *starting, starts []ReaderMailStart) error {
	c.stored, c.now = map[string]sentTimes{}, map[string]sentTimes{}
	macs := newSet(text("mac"))
	for _, m := range starts {
		macs.add(m.AddressMAC)
		macs.add(m.TenantMAC)
	}
	return s.each(ctx, macs, func(row scanner) error {
		var mac string
		var times sentTimes
		err := row.Scan(&mac, &times)
		c.stored[mac], c.now[mac] = times, times
		return err
	}, `SELECT r.mac, r.times FROM o JOIN recipient_mails r ON r.mac = o.mac`)
}

// next are from when on the address may get one more from its tenant, and from all.
func (c *addressCounts) next(m ReaderMailStart) (own, all int64) {
	of := c.now[m.AddressMAC]
	return c.now[m.TenantMAC].next(addressPerDay), max(of.next(recipientPerHour), of.next(recipientPerDay))
}

func (c *addressCounts) count(m ReaderMailStart, at int64) {
	for _, mac := range []string{m.AddressMAC, m.TenantMAC} {
		c.now[mac] = c.now[mac].and(at)
	}
}

// write stores the counts, in the order of the MACs, so that no two processes wait for each other. errAgain: another one has counted.
func (c *addressCounts) write(ctx context.Context, tx *sql.Tx, now int64) error {
	for _, mac := range slices.Sorted(maps.Keys(c.now)) {
		is, was := c.now[mac].stored(), c.stored[mac].stored()
		if is == was {
			continue
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO recipient_mails (mac, times, last_at) VALUES ($1, $2, $3)
			ON CONFLICT (mac) DO UPDATE SET times = excluded.times, last_at = excluded.last_at WHERE recipient_mails.times = $4`, mac, is, now, was)
		if err := changed(res, err, errAgain); err != nil {
			return err
		}
	}
	return nil
}

// tenantCounts are what is counted of tenants' mails, and how many of them may leave in an hour, by the tenant.
type tenantCounts struct {
	most        map[string]int64
	stored, now map[string]tenantMails
	relied      map[string]bool // some mails wait as what is stored says
}

// read holds what is counted until the transaction ends. So processes that start mails of the same tenant wait for each
// other, in the order of the tenants, where otherwise all but one would decide in vain.
func (c *tenantCounts) read(ctx context.Context, s *starting, starts []ReaderMailStart) error {
	c.most, c.stored, c.now, c.relied = map[string]int64{}, map[string]tenantMails{}, map[string]tenantMails{}, map[string]bool{}
	for _, m := range starts {
		c.now[m.TenantID] = tenantMails{}
	}
	tenants := newSet(text("tenant_id"))
	for _, id := range slices.Sorted(maps.Keys(c.now)) {
		tenants.add(id)
	}
	if !s.d.engine.oneWriter() {
		if err := s.each(ctx, tenants, func(row scanner) error { return row.Scan(new(string)) },
			`SELECT c.tenant_id FROM o JOIN tenant_mails c ON c.tenant_id = o.tenant_id ORDER BY c.tenant_id FOR UPDATE OF c`); err != nil {
			return err
		}
	}
	return s.each(ctx, tenants, func(row scanner) error {
		var id string
		var most int64
		var is tenantMails
		err := row.Scan(&id, &most, &is.since, &is.n, &is.spread)
		c.most[id], c.stored[id], c.now[id] = cmp.Or(most, MailsPerHour), is, is
		return err
	}, `SELECT t.id, t.mails_per_hour, COALESCE(c.since, 0), COALESCE(c.n, 0), COALESCE(c.spread, 0)
		FROM o JOIN tenants t ON t.id = o.tenant_id LEFT JOIN tenant_mails c ON c.tenant_id = t.id`) // the limit with what was counted by it
}

// slot is that of a mail which has one already, or none, and the count with it.
func (c *tenantCounts) slot(tenantID string, has, now int64) (slot int64, then tenantMails) {
	if has >= now-hourMillis {
		return has, c.now[tenantID]
	}
	return c.now[tenantID].next(now, c.most[tenantID]) // it has none, or the hour is over that it was counted in
}

func (c *tenantCounts) count(tenantID string, then tenantMails) { c.now[tenantID] = then }

// write stores the counts, in the order of the tenants. Where mails are to wait that is done though no more are counted: so
// whoever has the tenant's mails counted anew finds those, or is seen here. errAgain: another process has counted.
func (c *tenantCounts) write(ctx context.Context, tx *sql.Tx) error {
	for _, id := range slices.Sorted(maps.Keys(c.now)) {
		is, was := c.now[id], c.stored[id]
		if is == was && !c.relied[id] {
			continue
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO tenant_mails (tenant_id, since, n, spread) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id) DO UPDATE SET since = excluded.since, n = excluded.n, spread = excluded.spread WHERE tenant_mails.since = $5 AND tenant_mails.n = $6`,
			id, is.since, is.n, bit(is.spread), was.since, was.n)
		if err := changed(res, err, errAgain); err != nil {
			return err
		}
	}
	return nil
}
