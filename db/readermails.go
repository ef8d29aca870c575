package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
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

// endReaderMails stores what became of mails that aren't sent now.
func (d *base) endReaderMails(ctx context.Context, tx *sql.Tx, ends []readerMailEnd) error {
	of := newSet(text("tenant_id"), text("id"), text("state"), integer("due"), integer("slot"), integer("ended"), text("why"))
	for _, e := range ends {
		ended := int64(0)
		if e.state != MailQueued {
			ended = millis(d.now())
		}
		of.add(e.TenantID, e.ID, string(e.state), e.due, e.slot, ended, e.why)
	}
	// One that was asked for again meanwhile (see askToConfirm) doesn't expire.
	return d.onReaderMails(ctx, tx, of, `UPDATE reader_mails SET state = o.state, due_at = CASE WHEN o.due > 0 THEN o.due ELSE reader_mails.due_at END,
			slot_at = CASE WHEN o.slot < 0 THEN reader_mails.slot_at ELSE o.slot END, ended_at = o.ended, detail = o.why, lease_until = 0
		FROM o WHERE reader_mails.tenant_id = o.tenant_id AND reader_mails.id = o.id AND reader_mails.state = 'queued'
			AND NOT (o.state = 'expired' AND reader_mails.created_at > o.ended - $1)`, readerMailLife.Milliseconds())
}

// onReaderMails runs a statement on a set of mails.
func (d *base) onReaderMails(ctx context.Context, tx *sql.Tx, of *set, query string, args ...any) error {
	for part := range of.parts() {
		with, all := part.with(d.engine, args...)
		if _, err := tx.ExecContext(ctx, with+query, all...); err != nil {
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
