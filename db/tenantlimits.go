package db

import (
	"context"
	"database/sql"
	"time"

	"gatepost/identity/stored"
)

// What a tenant may take up of the installation, unless the operator sets something else. A tenant that
// is flooded, or runs wild, is held back long before others notice; the largest that behave stay below.
const (
	// MailsPerHour is how many confirmation mails of a tenant leave in an hour: 72,000 a day. A process
	// sends as many in five seconds. To no more strangers does whoever floods a form have mails sent
	// before somebody is told.
	MailsPerHour = 3000
	// SignUpsPerMinute is how many sign-ups all public forms of a tenant take in a minute: 100 a second,
	// of thousands that a process stores, and as many as 200 networks may send.
	SignUpsPerMinute = 6000
)

// KeepLimit stands for a limit that isn't to be changed.
const KeepLimit = stored.KeepLimit

// SetTenantLimits sets how much an open tenant may take up; what is KeepLimit stays as it is. Where it may
// send another number of mails, those that wait for a slot are given a new one. A tenant that is closed
// gives ErrNotFound.
func (d *Work) SetTenantLimits(ctx context.Context, tenantID string, l TenantLimits) error {
	return wrap("set a tenant's limits", d.txCommitted(ctx, func(tx *sql.Tx) error { // what is relied on is a condition of each statement
		res, err := tx.ExecContext(ctx, `UPDATE tenants SET mails_per_hour = CASE WHEN CAST($2 AS BIGINT) = -1 THEN mails_per_hour ELSE $2 END,
			sign_ups_per_minute = CASE WHEN CAST($3 AS BIGINT) = -1 THEN sign_ups_per_minute ELSE $3 END WHERE id = $1 AND closed_at = 0`, tenantID, l.MailsPerHour, l.SignUpsPerMinute)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if l.MailsPerHour != KeepLimit {
			if err := d.countAnew(ctx, tx, tenantID); err != nil {
				return err
			}
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters})
	}))
}

// countAnew has the mails of a tenant that wait for a slot be due now. Whoever starts some, or puts them off, meanwhile
// finds another count than they read, since no hour begins at the same time as before, and decides anew.
func (d *Work) countAnew(ctx context.Context, tx *sql.Tx, tenantID string) error {
	now := millis(d.now())
	if _, err := tx.ExecContext(ctx, `INSERT INTO tenant_mails (tenant_id, since, n, spread) VALUES ($1, $2, 0, 0)
		ON CONFLICT (tenant_id) DO UPDATE SET since = excluded.since, n = 0, spread = 0`, tenantID, now-hourMillis); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE reader_mails SET due_at = $2, slot_at = 0 WHERE tenant_id = $1 AND state = 'queued' AND attempts = 0 AND due_at > $2`, tenantID, now)
	return err
}

// tenantMails is what is counted of a tenant's confirmation mails: n in the hour that begins at since. That
// is an hour to come while those before it are full, so that mails get their slots in the order in which
// they are asked for.
type tenantMails struct {
	since, n int64
	spread   bool // over the hour, since the mails had to wait for it
}

// next is the slot of one more mail, from when on it may leave, and the count with it, where most leave in an hour. An hour begins with
// its first mail, which may leave at once with all others of it; in one to come they are spread evenly. An hour that
// begins a little later than now has been begun by another process.
func (c tenantMails) next(now, most int64) (slot int64, then tenantMails) {
	switch {
	case now >= c.since+hourMillis:
		c = tenantMails{since: now}
	case c.n >= most:
		c = tenantMails{since: c.since + hourMillis, spread: true}
	}
	slot = now
	if c.spread && c.since > now {
		slot = c.since + c.n*hourMillis/most
	}
	c.n++
	return slot, c
}

// MailsOverLimit returns the tenants of whose confirmation mails some wait for a slot, since there are more
// than may leave in an hour. N is how many may.
func (d *Letters) MailsOverLimit(ctx context.Context, now time.Time) ([]Trouble, error) {
	all, err := collect(ctx, d.read, func(row scanner) (Trouble, error) {
		t := Trouble{Kind: IncidentMails, Since: now}
		return t, row.Scan(&t.TenantID, &t.Slug, &t.N)
	}, `SELECT id, slug, most FROM (SELECT t.id, t.slug, c.since, c.n, CASE WHEN t.mails_per_hour > 0 THEN t.mails_per_hour ELSE CAST($2 AS BIGINT) END AS most
			FROM tenants t JOIN tenant_mails c ON c.tenant_id = t.id WHERE t.closed_at = 0 AND c.spread = 1) q
		WHERE since + (n - 1) * 3600000 / most > $1 ORDER BY id`, millis(now), MailsPerHour)
	return all, wrap("mails over a limit", err)
}
