package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// IncidentKind says what kind of trouble an incident is.
type IncidentKind string

// The kinds of incidents.
const (
	IncidentBroken     IncidentKind = "broken"     // the connection died
	IncidentFailing    IncidentKind = "failing"    // its renewal is refused, and somebody has to do something
	IncidentWaiting    IncidentKind = "waiting"    // sign-ups have been waiting for long
	IncidentAttention  IncidentKind = "attention"  // many came to need attention
	IncidentSilent     IncidentKind = "silent"     // a busy form got no sign-up
	IncidentSpike      IncidentKind = "spike"      // a form got far more sign-ups than is usual
	IncidentAttack     IncidentKind = "attack"     // most sign-ups of a form are held
	IncidentConfirming IncidentKind = "confirming" // few people press the button of their confirmation mails
	IncidentMails      IncidentKind = "mails"      // confirmation mails wait for the tenant's limit
	IncidentField      IncidentKind = "field"      // fields of the CRM that are to be filled in are gone, or locked
)

// OfNewsletter reports whether incidents of the kind are about a newsletter, and not about a CRM.
func (k IncidentKind) OfNewsletter() bool {
	return k == IncidentSilent || k == IncidentSpike || k == IncidentAttack || k == IncidentConfirming
}

// Trouble is something that is not as it should be.
type Trouble struct {
	TenantID string
	Slug     string // the tenant's; of IncidentMails alone
	Kind     IncidentKind
	About    string // the newsletter's id, where the kind is OfNewsletter; empty for IncidentMails; else the destination's, or the service's of a connection that is none
	Service  string // that the destination or the connection is of
	Delivers bool   // it is about a destination
	Cause    string // a code, when there is one
	N        int    // how many people it is about; of IncidentConfirming, how many of 100 press the button; of IncidentMails, how many leave in an hour
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
	Fields     string    // of IncidentField: what they are called, with commas between them
	Recent     int       // how many of its kind were closed in the 24 hours before it opened
}

// Member is a user of a tenant, who may be told of its incidents.
type Member struct {
	UserID string
	Mails  MailChoice
}

// day is how long a closed incident counts as recent.
const day = 24 * time.Hour

const selectIncident = `SELECT i.id, i.tenant_id, i.kind, i.about, i.cause, i.n, i.since, i.opened_at, i.mended_at, i.closed_at,
	t.name, t.time_zone, COALESCE((SELECT name FROM newsletters l WHERE l.id = i.about), ''),
	(SELECT count(*) FROM incidents e WHERE e.tenant_id = i.tenant_id AND e.kind = i.kind AND e.about = i.about
		AND e.closed_at > i.opened_at - 86400000 AND e.closed_at <= i.opened_at),
	COALESCE(d.service, CASE WHEN i.kind IN ('broken', 'failing') THEN i.about ELSE '' END), CASE WHEN d.id IS NULL THEN 0 ELSE 1 END,
	COALESCE((SELECT sum(n) FROM state_counts c WHERE c.tenant_id = i.tenant_id AND c.destination_id = d.id
		AND c.state = CASE i.kind WHEN 'attention' THEN 'attention' ELSE 'waiting' END), 0),
	COALESCE(CASE i.kind WHEN 'waiting' THEN (SELECT reason FROM pauses p WHERE p.tenant_id = i.tenant_id AND p.destination_id = d.id) END,
		(SELECT reason FROM reason_counts r WHERE r.tenant_id = i.tenant_id AND r.destination_id = d.id AND r.state = i.kind AND r.n > 0 ORDER BY r.n DESC, r.reason LIMIT 1), ''),
	CASE i.kind WHEN 'waiting' THEN COALESCE((SELECT s.created_at FROM subscribers s WHERE s.tenant_id = i.tenant_id AND s.id =
		(SELECT w.subscriber_id FROM deliveries w WHERE w.tenant_id = i.tenant_id AND w.destination_id = d.id AND w.state = 'waiting' ORDER BY w.subscriber_id LIMIT 1)), 0) ELSE 0 END,
	CASE i.kind WHEN 'field' THEN COALESCE((SELECT string_agg(f.label, ', ') FROM paused_fields f WHERE f.tenant_id = i.tenant_id AND f.destination_id = i.about), '') ELSE '' END
	FROM incidents i JOIN tenants t ON t.id = i.tenant_id LEFT JOIN destinations d ON d.id = i.about AND d.tenant_id = i.tenant_id `

// scanIncident reads selectIncident.
func scanIncident(row scanner) (Incident, error) {
	var i Incident
	var since, opened, mended, closed int64
	var n int
	var cause string
	var oldest int64
	err := row.Scan(&i.ID, &i.TenantID, &i.Kind, &i.About, &i.Cause, &i.N, &since, &opened, &mended, &closed,
		&i.Tenant, &i.TimeZone, &i.Newsletter, &i.Recent, &i.Service, &i.Delivers, &n, &cause, &oldest, &i.Fields)
	switch {
	case i.Kind == IncidentWaiting, i.Kind == IncidentAttention:
		i.N, i.Cause, since = n, cause, max(since, oldest)
	case i.Kind == IncidentBroken && i.Delivers:
		i.N = n
	}
	i.Since, i.OpenedAt, i.MendedAt, i.ClosedAt = fromMillis(since), fromMillis(opened), fromMillis(mended), fromMillis(closed)
	return i, err
}

// OpenIncidents returns the incidents of all tenants that are not closed.
func (d *Watch) OpenIncidents(ctx context.Context) ([]Incident, error) {
	all, err := collect(ctx, d.read, scanIncident, selectIncident+`WHERE i.closed_at = 0 ORDER BY i.id`)
	return all, wrap("open incidents", err)
}

// Incidents returns the tenant's incidents whose trouble is there, as far as that was
// noted, the latest first.
func (d *Watch) Incidents(ctx context.Context, tenantID string) (all []Incident, err error) {
	err = ask(ctx, d.read, incidentsOf(&all, tenantID))
	return all, wrap("incidents", err)
}

// incidentsOf reads what Incidents returns.
func incidentsOf(all *[]Incident, tenantID string) part {
	return listed(all, scanIncident, selectIncident+`WHERE i.tenant_id = $1 AND i.closed_at = 0 AND i.mended_at = 0 ORDER BY i.id DESC`, tenantID)
}

// IncidentFor returns an incident and a member of its tenant, or ErrNotFound when the user
// doesn't belong to it.
func (d *Watch) IncidentFor(ctx context.Context, id, userID string) (Incident, Member, error) {
	i, err := scanIncident(d.read.QueryRowContext(ctx, selectIncident+`JOIN memberships m ON m.tenant_id = i.tenant_id WHERE i.id = $1 AND m.user_id = $2`, id, userID))
	if err != nil {
		return Incident{}, Member{}, wrap("incident", err)
	}
	m := Member{UserID: userID}
	err = d.read.QueryRowContext(ctx, selectMailChoice, i.TenantID, userID).Scan(&m.Mails)
	return i, m, wrap("incident", err)
}

// OpenIncident opens an incident, unless one is open for the same trouble, and queues a
// mail to each user whom tell returns of the tenant's members.
func (d *Watch) OpenIncident(ctx context.Context, t Trouble, now time.Time, tell func([]Member) []string) error {
	return wrap("open an incident", d.tx(ctx, func(tx *sql.Tx) error {
		id := NewID()
		res, err := tx.ExecContext(ctx,
			`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			id, t.TenantID, t.Kind, t.About, t.Cause, t.N, millis(t.Since), millis(now))
		if err := changed(res, err, ErrLost); err != nil {
			return ignore(err, ErrLost)
		}
		return d.mailMembers(ctx, tx, MailIncidentOpened, id, t.TenantID, tell)
	}))
}

// MendIncident notes when the trouble of an incident ended, or with the zero time
// that it is back. One that was closed meanwhile stays closed.
func (d *Watch) MendIncident(ctx context.Context, id string, at time.Time) error {
	_, err := d.exec(ctx, `UPDATE incidents SET mended_at = $2 WHERE id = $1 AND closed_at = 0`, id, millis(at))
	return wrap("mend an incident", err)
}

// CloseIncident closes an incident whose trouble ended, unless it is back or
// somebody else did, and queues mails as OpenIncident does.
func (d *Watch) CloseIncident(ctx context.Context, i Incident, now time.Time, tell func([]Member) []string) error {
	return wrap("close an incident", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE incidents SET closed_at = $2 WHERE id = $1 AND closed_at = 0 AND mended_at = $3`, i.ID, millis(now), millis(i.MendedAt))
		if err := changed(res, err, ErrLost); err != nil {
			return ignore(err, ErrLost)
		}
		return d.mailMembers(ctx, tx, MailIncidentClosed, i.ID, i.TenantID, tell)
	}))
}

// ignore is nil in place of one error.
func ignore(err, one error) error {
	if errors.Is(err, one) {
		return nil
	}
	return err
}

// mailMembers queues a mail to each user whom tell returns of the tenant's members.
func (d *base) mailMembers(ctx context.Context, tx *sql.Tx, kind MailKind, about, tenantID string, tell func([]Member) []string) error {
	members, err := collect(ctx, tx, func(row scanner) (m Member, err error) { return m, row.Scan(&m.UserID, &m.Mails) },
		`SELECT u.id, `+chosenMails+` FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1`, tenantID)
	if err != nil {
		return err
	}
	for _, user := range tell(members) {
		if err := d.queueMail(ctx, tx, kind, user, about); err != nil {
			return err
		}
	}
	return nil
}

// ExpireIncidents forgets incidents that were closed long ago.
func (d *Watch) ExpireIncidents(ctx context.Context) error {
	_, err := d.exec(ctx, `DELETE FROM incidents WHERE closed_at > 0 AND closed_at < $1`, millis(d.now().Add(-mailKept)))
	return wrap("expire incidents", err)
}

// BrokenConnections returns the connections of tenants' own that died. Those that are
// destinations tell how many wait there.
func (d *Watch) BrokenConnections(ctx context.Context) ([]Trouble, error) {
	return d.troubles(ctx, IncidentBroken, `SELECT i.tenant_id, COALESCE(t.id, i.service), i.service, CASE WHEN t.id IS NULL THEN 0 ELSE 1 END, i.broken_code, `+waitingThere+`, i.broken_at
		FROM identities i `+itsDestination+` WHERE i.broken_at > 0 AND i.user_name = '' AND i.account = ''`)
}

// FailingConnections returns the connections of tenants' own whose renewal has failed so
// often that it is tried again after so long a time at least, with the code of the last
// refusal; otherwise as BrokenConnections.
func (d *Watch) FailingConnections(ctx context.Context, apart time.Duration) ([]Trouble, error) {
	return d.troubles(ctx, IncidentFailing, `SELECT i.tenant_id, COALESCE(t.id, i.service), i.service, CASE WHEN t.id IS NULL THEN 0 ELSE 1 END, i.failed_code, `+waitingThere+`, i.failed_at
		FROM identities i `+itsDestination+` WHERE (i.broken_at > 0 OR i.failed_at > 0) AND i.broken_at = 0 AND i.retry_at - i.failed_at >= $1 AND i.user_name = '' AND i.account = ''`,
		apart.Milliseconds())
}

const (
	// itsDestination is that t of a tenant's own connection i, if it is one.
	itsDestination = `LEFT JOIN destinations t ON t.tenant_id = i.tenant_id AND t.service = i.service AND t.removed_at = 0`
	// waitingThere is how many wait in the destination t.
	waitingThere = `COALESCE((SELECT sum(n) FROM state_counts c WHERE c.tenant_id = t.tenant_id AND c.destination_id = t.id AND c.state = 'waiting'), 0)`
)

// ofOpenTenants selects rows of tenants that are not closed.
const ofOpenTenants = `tenant_id IN (SELECT t.id FROM tenants t WHERE t.closed_at = 0)`

// LongWait is a destination with sign-ups that wait. Its Cause is why nothing of its is sent,
// empty when nothing stops it.
type LongWait struct {
	Trouble
	LongestSince time.Time // since when the one waits that waits longest; zero when none does any more
	LongestCause string    // and why
}

// LongWaiting returns the destinations whose first sign-up that waits came before a time: it
// may have been sent back to wait since.
func (d *Watch) LongWaiting(ctx context.Context, before time.Time) ([]LongWait, error) {
	some, err := d.troubles(ctx, IncidentWaiting, `SELECT c.tenant_id, c.destination_id, c.service, 1, COALESCE((SELECT reason FROM pauses p WHERE p.tenant_id = c.tenant_id AND p.destination_id = c.destination_id), ''), c.n, s.created_at
		FROM (`+countedIn+` = 'waiting') c
		JOIN subscribers s ON s.tenant_id = c.tenant_id AND s.id = (SELECT w.subscriber_id FROM deliveries w
			WHERE w.tenant_id = c.tenant_id AND w.destination_id = c.destination_id AND w.state = 'waiting' ORDER BY w.subscriber_id LIMIT 1)
		WHERE s.created_at < $1`, millis(before))
	if err != nil {
		return nil, err
	}
	all := make([]LongWait, len(some))
	for i, t := range some {
		longest, err := d.longestWaiting(ctx, DestinationKey{t.TenantID, t.About})
		if err != nil {
			return nil, wrap("long waiting", err)
		}
		all[i] = LongWait{Trouble: t, LongestSince: longest.since, LongestCause: longest.reason}
	}
	return all, nil
}

// PileUp is how many need attention in a destination.
type PileUp struct {
	Trouble
	Lately int // of those who need it, or needed it, since a time
}

// PileUps returns the destinations in which at least min need attention, with the most frequent cause. Lately counts from the hour of since on.
func (d *Watch) PileUps(ctx context.Context, min int, since time.Time) ([]PileUp, error) {
	all, err := collect(ctx, d.read, func(row scanner) (PileUp, error) {
		p := PileUp{Trouble: Trouble{Kind: IncidentAttention, Delivers: true}}
		var at int64
		err := row.Scan(&p.TenantID, &p.About, &p.Service, &p.Cause, &p.N, &p.Lately, &at)
		p.Since = fromMillis(at)
		return p, err
	}, `SELECT c.tenant_id, c.destination_id, c.service,
			COALESCE((SELECT reason FROM reason_counts r WHERE r.tenant_id = c.tenant_id AND r.destination_id = c.destination_id AND r.state = 'attention' AND r.n > 0 ORDER BY r.n DESC, reason LIMIT 1), ''),
			c.n, COALESCE((SELECT sum(n) FROM activity a WHERE a.tenant_id = c.tenant_id AND a.destination_id = c.destination_id AND a.kind = 'attention' AND a.hour >= $2), 0), $2
		FROM (`+countedIn+` = 'attention') c WHERE c.n >= $1`,
		min, hourOf(millis(since)))
	return all, wrap("pile-ups", err)
}

// countedIn counts those of each destination of open tenants whose state is what follows.
const countedIn = `SELECT s.tenant_id, s.destination_id, t.service, sum(s.n) AS n FROM destinations t JOIN state_counts s ON s.tenant_id = t.tenant_id AND s.destination_id = t.id
	WHERE t.removed_at = 0 AND s.n > 0 AND s.` + ofOpenTenants + ` GROUP BY s.tenant_id, s.destination_id, t.service, s.state HAVING s.state`

// Silence is a form that got no sign-up for some whole hours.
type Silence struct {
	Trouble           // Since is the end of the last hour with a sign-up
	First   time.Time // the hour of the first sign-up ever
	Weeks   [4]int    // how many came in the same hours of each of the four weeks before
}

const (
	week = 7 * day
	// sameHours counts what a form got in the hours of its silence, of an earlier week.
	sameHours = `(SELECT COALESCE(sum(l.n), 0) FROM ledger l WHERE l.tenant_id = q.tenant_id AND l.newsletter_id = q.id AND l.hour > q.last`
)

// Silences returns the forms without a sign-up in the last whole hour, or in more
// of them, up to a week.
func (d *Watch) Silences(ctx context.Context, now time.Time) ([]Silence, error) {
	end := hourOf(millis(now))
	all, err := collect(ctx, d.read, func(row scanner) (Silence, error) {
		s := Silence{Trouble: Trouble{Kind: IncidentSilent}}
		var last, first int64
		err := row.Scan(&s.TenantID, &s.About, &last, &first, &s.Weeks[0], &s.Weeks[1], &s.Weeks[2], &s.Weeks[3])
		s.Since, s.First = fromMillis(last+hourMillis), fromMillis(first)
		return s, err
	}, `SELECT tenant_id, id, last, first,
			`+sameHours+` - $3 AND l.hour < CAST($4 AS BIGINT) - $3), `+sameHours+` - 2 * $3 AND l.hour < CAST($4 AS BIGINT) - 2 * $3),
			`+sameHours+` - 3 * $3 AND l.hour < CAST($4 AS BIGINT) - 3 * $3), `+sameHours+` - 4 * $3 AND l.hour < CAST($4 AS BIGINT) - 4 * $3)
		FROM (SELECT n.tenant_id, n.id,
			(SELECT max(hour) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id) AS last,
			(SELECT min(hour) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id) AS first
		FROM newsletters n WHERE `+ofOpenTenants+`) q WHERE last < $1 AND last >= $2`, end-hourMillis, end-week.Milliseconds(), week.Milliseconds(), end)
	return all, wrap("silences", err)
}

// SignedUpSince reports whether a newsletter got a sign-up in an hour that begins
// at or after a time.
func (d *Watch) SignedUpSince(ctx context.Context, tenantID, newsletterID string, since time.Time) (yes bool, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM ledger WHERE tenant_id = $1 AND newsletter_id = $2 AND hour >= $3)`,
		tenantID, newsletterID, hourOf(millis(since))).Scan(&yes)
	return yes, wrap("signed up since", err)
}

func (d *Watch) troubles(ctx context.Context, kind IncidentKind, query string, args ...any) ([]Trouble, error) {
	all, err := collect(ctx, d.read, func(row scanner) (Trouble, error) {
		t := Trouble{Kind: kind}
		var since int64
		err := row.Scan(&t.TenantID, &t.About, &t.Service, &t.Delivers, &t.Cause, &t.N, &since)
		t.Since = fromMillis(since)
		return t, err
	}, query, args...)
	return all, wrap("troubles", err)
}
