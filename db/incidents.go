package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// IncidentKind says what kind of trouble an incident is.
type IncidentKind string

// The kinds of incidents.
const (
	IncidentBroken    IncidentKind = "broken"    // the connection died
	IncidentFailing   IncidentKind = "failing"   // its renewal is refused, and somebody has to do something
	IncidentWaiting   IncidentKind = "waiting"   // sign-ups have been waiting for long
	IncidentAttention IncidentKind = "attention" // many came to need attention
	IncidentSilent    IncidentKind = "silent"    // a busy form got no sign-up
)

// Trouble is something that is not as it should be.
type Trouble struct {
	TenantID string
	Kind     IncidentKind
	About    string // the newsletter's id, of IncidentSilent; the service's, of IncidentBroken and IncidentFailing, where no sign-ups go to it
	Cause    string // a code, when there is one
	N        int    // how many people it is about
	Since    time.Time
}

// Incident is a trouble that a tenant's admins are told of. Of sign-ups that wait or
// need attention, its number, its cause and its time are those of now, not of when it
// was opened.
type Incident struct {
	ID string
	Trouble
	OpenedAt   time.Time
	MendedAt   time.Time // zero while the trouble is there
	ClosedAt   time.Time // zero while it may come back
	Tenant     string    // its name
	TimeZone   string    // and its time zone
	Newsletter string    // name of the newsletter that it is about
	Recent     int       // how many of its kind were closed in the 24 hours before it opened
}

// day is how long a closed incident counts as recent.
const day = 24 * time.Hour

const selectIncident = `SELECT i.id, i.tenant_id, i.kind, i.about, i.cause, i.n, i.since, i.opened_at, i.mended_at, i.closed_at,
	t.name, t.time_zone, COALESCE((SELECT name FROM newsletters l WHERE l.id = i.about), ''),
	(SELECT count(*) FROM incidents e WHERE e.tenant_id = i.tenant_id AND e.kind = i.kind AND e.about = i.about
		AND e.closed_at > i.opened_at - 86400000 AND e.closed_at <= i.opened_at),
	COALESCE((SELECT sum(n) FROM state_counts c WHERE c.tenant_id = i.tenant_id
		AND c.state = CASE i.kind WHEN 'attention' THEN 'attention' ELSE 'waiting' END), 0),
	COALESCE(CASE i.kind WHEN 'waiting' THEN (SELECT reason FROM pauses p WHERE p.tenant_id = i.tenant_id) END,
		(SELECT reason FROM reason_counts r WHERE r.tenant_id = i.tenant_id AND r.state = i.kind AND r.n > 0 ORDER BY r.n DESC, r.reason LIMIT 1), ''),
	CASE i.kind WHEN 'waiting' THEN COALESCE((SELECT s.created_at FROM subscribers s WHERE s.tenant_id = i.tenant_id AND s.state = 'waiting' ORDER BY s.id LIMIT 1), 0) ELSE 0 END
	FROM incidents i JOIN tenants t ON t.id = i.tenant_id `

func scanIncident(row scanner) (Incident, error) {
	var i Incident
	var since, opened, mended, closed int64
	var n int
	var cause string
	var oldest int64
	err := row.Scan(&i.ID, &i.TenantID, &i.Kind, &i.About, &i.Cause, &i.N, &since, &opened, &mended, &closed,
		&i.Tenant, &i.TimeZone, &i.Newsletter, &i.Recent, &n, &cause, &oldest)
	switch {
	case i.Kind == IncidentWaiting, i.Kind == IncidentAttention:
		i.N, i.Cause, since = n, cause, max(since, oldest)
	case i.Kind == IncidentBroken && i.About == "":
		i.N = n
	}
	i.Since, i.OpenedAt, i.MendedAt, i.ClosedAt = fromMillis(since), fromMillis(opened), fromMillis(mended), fromMillis(closed)
	return i, err
}

// OpenIncidents returns the incidents of all tenants that are not closed.
func (d *DB) OpenIncidents(ctx context.Context) ([]Incident, error) {
	all, err := collect(ctx, d.read, scanIncident, selectIncident+`WHERE i.closed_at = 0 ORDER BY i.id`)
	return all, wrap("open incidents", err)
}

// Incidents returns the tenant's troubles that are there now, the latest first. One that
// is about sign-ups is gone with the last of them, though nobody noted it yet.
func (d *DB) Incidents(ctx context.Context, tenantID string) ([]Incident, error) {
	all, err := collect(ctx, d.read, scanIncident, selectIncident+`WHERE i.tenant_id = $1 AND i.closed_at = 0 AND i.mended_at = 0 ORDER BY i.id DESC`, tenantID)
	all = slices.DeleteFunc(all, func(i Incident) bool {
		return (i.Kind == IncidentWaiting || i.Kind == IncidentAttention) && i.N == 0
	})
	return all, wrap("incidents", err)
}

// IncidentFor returns an incident for a user who is to be told of it by mail, or
// ErrNotFound when the user doesn't belong to its tenant, or wants no such mails.
func (d *DB) IncidentFor(ctx context.Context, id, userID string) (Incident, error) {
	i, err := scanIncident(d.read.QueryRowContext(ctx, selectIncident+`JOIN memberships m ON m.tenant_id = i.tenant_id
		JOIN users u ON u.id = m.user_id WHERE i.id = $1 AND u.id = $2 AND u.incident_mails = 1`, id, userID))
	return i, wrap("incident", err)
}

// OpenIncident opens an incident, unless one is open for the same trouble. If tell
// is set, mails to those who want to be told are queued.
func (d *DB) OpenIncident(ctx context.Context, t Trouble, now time.Time, tell bool) error {
	return wrap("open an incident", d.tx(ctx, func(tx *sql.Tx) error {
		id := NewID()
		res, err := tx.ExecContext(ctx,
			`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			id, t.TenantID, t.Kind, t.About, t.Cause, t.N, millis(t.Since), millis(now))
		if err := changed(res, err, ErrLost); err != nil {
			return ignore(err, ErrLost)
		}
		return d.tellOf(ctx, tx, MailIncidentOpened, id, t.TenantID, tell)
	}))
}

// MendIncident notes when the trouble of an incident ended, or with the zero time
// that it is back. One that was closed meanwhile stays closed.
func (d *DB) MendIncident(ctx context.Context, id string, at time.Time) error {
	_, err := d.exec(ctx, `UPDATE incidents SET mended_at = $2 WHERE id = $1 AND closed_at = 0`, id, millis(at))
	return wrap("mend an incident", err)
}

// CloseIncident closes an incident whose trouble ended, unless it is back or
// somebody else did. If tell is set, mails to those who want to be told are queued.
func (d *DB) CloseIncident(ctx context.Context, i Incident, now time.Time, tell bool) error {
	return wrap("close an incident", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE incidents SET closed_at = $2 WHERE id = $1 AND closed_at = 0 AND mended_at = $3`, i.ID, millis(now), millis(i.MendedAt))
		if err := changed(res, err, ErrLost); err != nil {
			return ignore(err, ErrLost)
		}
		return d.tellOf(ctx, tx, MailIncidentClosed, i.ID, i.TenantID, tell)
	}))
}

// ignore is nil in place of one error.
func ignore(err, one error) error {
	if errors.Is(err, one) {
		return nil
	}
	return err
}

// tellOf queues a mail of an incident to each of the tenant's users who wants it.
func (d *DB) tellOf(ctx context.Context, tx *sql.Tx, kind MailKind, incidentID, tenantID string, tell bool) error {
	if !tell {
		return nil
	}
	users, err := collect(ctx, tx, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
		`SELECT u.id FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 AND u.incident_mails = 1`, tenantID)
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := d.queueMail(ctx, tx, kind, user, incidentID); err != nil {
			return err
		}
	}
	return nil
}

// ExpireIncidents forgets incidents that were closed long ago.
func (d *DB) ExpireIncidents(ctx context.Context) error {
	_, err := d.exec(ctx, `DELETE FROM incidents WHERE closed_at > 0 AND closed_at < $1`, millis(d.now().Add(-mailKept)))
	return wrap("expire incidents", err)
}

// BrokenConnections returns the connections of tenants' own that died. Sign-ups are
// delivered by those to one service: they tell how many wait.
func (d *DB) BrokenConnections(ctx context.Context, delivers string) ([]Trouble, error) {
	return d.troubles(ctx, IncidentBroken, `SELECT i.tenant_id, CASE i.service WHEN $1 THEN '' ELSE i.service END, i.broken_code,
			CASE i.service WHEN $1 THEN COALESCE((SELECT sum(n) FROM state_counts c WHERE c.tenant_id = i.tenant_id AND c.state = 'waiting'), 0) ELSE 0 END, i.broken_at
		FROM identities i WHERE i.broken_at > 0 AND i.user_name = '' AND i.account = ''`, delivers)
}

// failsFor is how far apart the tries of a renewal are once it has failed several
// times, for more than a minute in all.
const failsFor = time.Minute

// FailingConnections returns the connections of tenants' own whose renewal has failed
// again and again, with the code of the last refusal; otherwise as BrokenConnections.
func (d *DB) FailingConnections(ctx context.Context, delivers string) ([]Trouble, error) {
	return d.troubles(ctx, IncidentFailing, `SELECT i.tenant_id, CASE i.service WHEN $1 THEN '' ELSE i.service END, i.failed_code,
			CASE i.service WHEN $1 THEN COALESCE((SELECT sum(n) FROM state_counts c WHERE c.tenant_id = i.tenant_id AND c.state = 'waiting'), 0) ELSE 0 END, i.failed_at
		FROM identities i WHERE (i.broken_at > 0 OR i.failed_at > 0) AND i.broken_at = 0 AND i.retry_at - i.failed_at >= $2 AND i.user_name = '' AND i.account = ''`,
		delivers, failsFor.Milliseconds())
}

// ofOpenTenants selects rows of tenants that are not closed.
const ofOpenTenants = `tenant_id IN (SELECT t.id FROM tenants t WHERE t.closed_at = 0)`

// LongWaiting returns the tenants with a sign-up that has waited since before a
// time, with the reason why nothing of theirs is sent, or else why the one waits that
// waits longest.
func (d *DB) LongWaiting(ctx context.Context, before time.Time) ([]Trouble, error) {
	some, err := d.troubles(ctx, IncidentWaiting, `SELECT c.tenant_id, '', COALESCE((SELECT reason FROM pauses p WHERE p.tenant_id = c.tenant_id), ''), c.n, s.created_at
		FROM (SELECT tenant_id, sum(n) AS n FROM state_counts WHERE state = 'waiting' AND n > 0 AND `+ofOpenTenants+` GROUP BY tenant_id) c
		JOIN subscribers s ON s.tenant_id = c.tenant_id AND s.id = (SELECT id FROM subscribers w WHERE w.tenant_id = c.tenant_id AND w.state = 'waiting' ORDER BY w.id LIMIT 1)
		WHERE s.created_at < $1`, millis(before))
	if err != nil {
		return nil, err
	}
	var all []Trouble
	for _, t := range some {
		longest, err := d.longestWaiting(ctx, t.TenantID)
		if err != nil {
			return nil, wrap("long waiting", err)
		}
		if !longest.since.IsZero() && longest.since.Before(before) {
			t.Cause, t.Since = cmp.Or(t.Cause, longest.reason), longest.since
			all = append(all, t)
		}
	}
	return all, nil
}

// PileUp is how many of a tenant's subscribers need attention.
type PileUp struct {
	Trouble
	Lately int // of those who need it, or needed it, since a time
}

// PileUps returns the tenants of whose subscribers at least min need attention,
// with the most frequent cause. Lately counts from the hour of since on.
func (d *DB) PileUps(ctx context.Context, min int, since time.Time) ([]PileUp, error) {
	all, err := collect(ctx, d.read, func(row scanner) (PileUp, error) {
		p := PileUp{Trouble: Trouble{Kind: IncidentAttention}}
		var at int64
		err := row.Scan(&p.TenantID, &p.Cause, &p.N, &p.Lately, &at)
		p.Since = fromMillis(at)
		return p, err
	}, `SELECT c.tenant_id,
			COALESCE((SELECT reason FROM reason_counts r WHERE r.tenant_id = c.tenant_id AND r.state = 'attention' AND r.n > 0 ORDER BY r.n DESC, reason LIMIT 1), ''),
			c.n, COALESCE((SELECT sum(n) FROM activity a WHERE a.tenant_id = c.tenant_id AND a.kind = 'attention' AND a.hour >= $2), 0), $2
		FROM (SELECT tenant_id, sum(n) AS n FROM state_counts WHERE state = 'attention' AND n > 0 AND `+ofOpenTenants+` GROUP BY tenant_id) c WHERE c.n >= $1`,
		min, hourOf(millis(since)))
	return all, wrap("pile-ups", err)
}

// Silence is a form that got no sign-up for some whole hours.
type Silence struct {
	Trouble        // Since is the end of the last hour with a sign-up
	Weeks   [4]int // how many came in the same hours of each of the four weeks before
}

// week is a week.
const week = 7 * day

// Silences returns the forms without a sign-up in the last whole hour, or in more
// of them, up to a week. One whose first sign-up isn't four weeks older than the
// silence is not among them: nobody knows yet what is usual for it.
func (d *DB) Silences(ctx context.Context, now time.Time) ([]Silence, error) {
	end := hourOf(millis(now))
	quiet, err := collect(ctx, d.read, func(row scanner) (Silence, error) {
		s := Silence{Trouble: Trouble{Kind: IncidentSilent}}
		var last, first int64
		err := row.Scan(&s.TenantID, &s.About, &last, &first)
		s.Since = fromMillis(last + hourMillis)
		if first > last-4*week.Milliseconds() {
			s.TenantID = "" // too young
		}
		return s, err
	}, `SELECT tenant_id, id, last, first FROM (SELECT n.tenant_id, n.id,
			(SELECT max(hour) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id) AS last,
			(SELECT min(hour) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id) AS first
		FROM newsletters n WHERE `+ofOpenTenants+`) q WHERE last < $1 AND last >= $2`, end-hourMillis, end-week.Milliseconds())
	if err != nil {
		return nil, wrap("silences", err)
	}
	var all []Silence
	for _, s := range quiet {
		if s.TenantID == "" {
			continue
		}
		for w := range s.Weeks {
			shift := int64(w+1) * week.Milliseconds()
			err := d.read.QueryRowContext(ctx, `SELECT COALESCE(sum(n), 0) FROM ledger WHERE tenant_id = $1 AND newsletter_id = $2 AND hour >= $3 AND hour < $4`,
				s.TenantID, s.About, millis(s.Since)-shift, end-shift).Scan(&s.Weeks[w])
			if err != nil {
				return nil, wrap("silences", err)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// SignedUpSince reports whether a newsletter got a sign-up in an hour that begins
// at or after a time.
func (d *DB) SignedUpSince(ctx context.Context, tenantID, newsletterID string, since time.Time) (yes bool, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM ledger WHERE tenant_id = $1 AND newsletter_id = $2 AND hour >= $3)`,
		tenantID, newsletterID, hourOf(millis(since))).Scan(&yes)
	return yes, wrap("signed up since", err)
}

func (d *DB) troubles(ctx context.Context, kind IncidentKind, query string, args ...any) ([]Trouble, error) {
	all, err := collect(ctx, d.read, func(row scanner) (Trouble, error) {
		t := Trouble{Kind: kind}
		var since int64
		err := row.Scan(&t.TenantID, &t.About, &t.Cause, &t.N, &since)
		t.Since = fromMillis(since)
		return t, err
	}, query, args...)
	return all, wrap("troubles", err)
}

// IncidentMails reports whether the user is told of incidents by mail.
func (d *DB) IncidentMails(ctx context.Context, userID string) (yes bool, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT incident_mails = 1 FROM users WHERE id = $1`, userID).Scan(&yes)
	return yes, wrap("incident mails", err)
}

// SetIncidentMails sets whether the user is told of incidents by mail.
func (d *DB) SetIncidentMails(ctx context.Context, userID string, yes bool) error {
	res, err := d.exec(ctx, `UPDATE users SET incident_mails = $2 WHERE id = $1`, userID, bit(yes))
	return wrap("set incident mails", changed(res, err, ErrNotFound))
}
