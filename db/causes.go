package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"
)

// Why all of a tenant's wait whose connection is missing or dead, as crm's codes say it.
const (
	reasonBroken       = "broken"
	reasonNotConnected = "not_connected"
)

const (
	// causeCalm is how long nobody must have had a cause until it counts as over: who is
	// sent again may be refused for the same within moments.
	causeCalm = 5 * time.Minute
	// causeKept is for how long one that is over is kept.
	causeKept = 90 * 24 * time.Hour
	// causesSolved and solvedListed bound which of them are listed.
	causesSolved = 30 * 24 * time.Hour
	solvedListed = 20
	// saidListed is how many different answers of the CRM to one cause are told, of those
	// that the first saidRead of its people got.
	saidListed = 3
	saidRead   = 100
)

// Solved is a cause that nobody waits or needs attention for any more.
type Solved struct {
	State              State
	Reason             string // a code of crm's
	People             int    // the most that had it at one time, as far as was seen
	Since, At          time.Time
	Retried, Dismissed int    // how many somebody decided about
	Actor              string // e-mail of who did last, or who connected again when both are 0; empty when nobody did
}

// Causes is why a tenant's subscribers wait or need attention.
type Causes struct {
	Problems []Problem // in no order
	Solved   []Solved  // in the last 30 days, the latest first
}

// Causes returns why the tenant's subscribers wait or need attention, and why they did.
func (d *Watch) Causes(ctx context.Context, tenantID string) (c Causes, err error) {
	err = ask(ctx, d.read, problemsOf(&c.Problems, tenantID), d.solvedOf(&c.Solved, tenantID, `1 = 1`))
	slices.SortFunc(c.Solved, func(a, b Solved) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.State, b.State), cmp.Compare(a.Reason, b.Reason))
	})
	return c, wrap("causes", err)
}

// solvedOf reads the tenant's causes that are over, as far as a condition is met. One
// that was dismissed can't come back by itself, so that it is over at once.
func (d *base) solvedOf(all *[]Solved, tenantID, condition string, args ...any) part {
	return listed(all, func(row scanner) (s Solved, err error) {
		var since, at int64
		err = row.Scan(&s.State, &s.Reason, &s.People, &since, &at, &s.Retried, &s.Dismissed, &s.Actor)
		s.Since, s.At = fromMillis(since), fromMillis(at)
		return s, err
	}, `SELECT c.state, c.reason, c.people, c.since, CASE WHEN c.gone_at = 0 OR c.retried = 0 AND c.dismissed > 0 THEN c.decided_at ELSE c.gone_at END AS at,
			c.retried, c.dismissed, COALESCE((SELECT email FROM users WHERE users.id = c.actor), '')
		FROM causes c WHERE c.tenant_id = $1 AND (c.ended_at > $2 OR c.ended_at = 0 AND c.dismissed > 0 AND NOT EXISTS (SELECT 1 FROM reason_counts r
			WHERE r.tenant_id = c.tenant_id AND r.state = c.state AND r.reason = c.reason AND r.n > 0)) AND `+condition+`
		ORDER BY at DESC, c.id LIMIT $3`, append([]any{tenantID, millis(d.now().Add(-causesSolved)), solvedListed}, args...)...)
}

// Said is what the CRM said to some of those who have a cause.
type Said struct {
	Text string
	N    int // of the first of them that were looked at
}

// CausePerson is somebody who waits or needs attention for a cause.
type CausePerson struct {
	ID, Email, FirstName, LastName, Newsletter string
	SignedUpAt                                 time.Time
	LastAt                                     time.Time // when they came to have the cause; zero when that is not known
	InstanceURL, MatchID                       string    // of another record that is in the way
}

// CauseQuery asks for one cause and a page of its people, the newest sign-up first.
type CauseQuery struct {
	State  State
	Reason string
	All    bool   // all in the state, whatever their own reason: something stops all of them
	After  string // id of the last one on the page before, if any
	Before string // id of the first one on the page after, if any; not with After
	Limit  int
}

// CauseDetail is why some of a tenant's subscribers wait or need attention.
type CauseDetail struct {
	Problem                // of those whose own reason it is; N is 0 when there are none
	People   []CausePerson // a page of them
	Previous bool          // there are newer ones than on the page
	Next     bool          // there are older ones
	Said     []Said        // the most frequent first
	Solved   *Solved       // when it was over last; nil when it wasn't in the last 30 days
}

// Cause returns one of the tenant's causes with a page of its people.
func (d *Watch) Cause(ctx context.Context, tenantID string, q CauseQuery) (c CauseDetail, err error) {
	var problems []Problem
	var solved []Solved
	parts := []part{problemsWhere(&problems, tenantID, ` AND r.state = $3 AND r.reason = $4`, q.State, q.Reason), peopleOf(&c.People, tenantID, q),
		saidTo(&c.Said, tenantID, q), d.solvedOf(&solved, tenantID, `c.state = $4 AND c.reason = $5`, q.State, q.Reason)}
	if err := ask(ctx, d.read, parts...); err != nil {
		return CauseDetail{}, wrap("cause", err)
	}
	if len(problems) > 0 {
		c.Problem = problems[0]
	}
	for _, s := range solved {
		if c.Solved == nil || s.At.After(c.Solved.At) {
			c.Solved = &s
		}
	}
	slices.SortFunc(c.Said, func(a, b Said) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Text, b.Text)) })
	c.page(q)
	return c, nil
}

// Affected returns up to q.Limit of those who have a cause, the earliest sign-up first,
// after the one of the page before.
func (d *Watch) Affected(ctx context.Context, tenantID string, q CauseQuery) ([]Subscriber, error) {
	all, err := collect(ctx, d.read, scanSubscriber, selectSubscriber+`WHERE s.tenant_id = $1 AND s.state = $2`+q.who()+` AND s.id > $4 ORDER BY s.id LIMIT $5`,
		tenantID, q.State, q.Reason, q.After, q.Limit)
	return all, wrap("affected subscribers", err)
}

// page puts the people that were read, of which there may be one more than asked for, in
// order, and says whether there are more on either side.
func (c *CauseDetail) page(q CauseQuery) {
	slices.SortFunc(c.People, func(a, b CausePerson) int { return cmp.Compare(b.ID, a.ID) })
	more := len(c.People) > q.Limit
	c.Previous, c.Next = q.After != "", q.Before != "" || more
	if q.Before != "" {
		c.Previous = more
	}
	switch {
	case more && q.Before != "":
		c.People = c.People[1:]
	case more:
		c.People = c.People[:q.Limit]
	}
}

// who selects, of the tenant's subscribers s in the state of a cause, those who have it:
// its reason is $3.
func (q CauseQuery) who() string {
	if q.All {
		return ` AND CAST($3 AS TEXT) IS NOT NULL`
	}
	return ` AND s.reason = $3 AND s.reason <> ''`
}

// lastEvent is when a subscriber s came to be where it is.
const lastEvent = `(SELECT e.at FROM events e WHERE e.tenant_id = s.tenant_id AND e.subscriber_id = s.id ORDER BY e.id DESC LIMIT 1)`

func peopleOf(all *[]CausePerson, tenantID string, q CauseQuery) part {
	where, order, from := ``, ` DESC`, q.After
	if q.After != "" {
		where = ` AND s.id < $5`
	}
	if q.Before != "" {
		where, order, from = ` AND s.id > $5`, ``, q.Before
	}
	args := []any{tenantID, q.State, q.Reason, q.Limit + 1}
	if from != "" {
		args = append(args, from)
	}
	return listed(all, func(row scanner) (p CausePerson, err error) {
		var signedUp, last int64
		err = row.Scan(&p.ID, &p.Email, &p.FirstName, &p.LastName, &p.Newsletter, &signedUp, &last, &p.InstanceURL, &p.MatchID)
		p.SignedUpAt, p.LastAt = fromMillis(signedUp), fromMillis(last)
		return p, err
	}, `SELECT s.id, s.email, s.first_name, s.last_name, n.name, CASE WHEN s.repeated_at > s.created_at THEN s.repeated_at ELSE s.created_at END,
			COALESCE(`+lastEvent+`, 0), s.instance_url, s.match_id
		FROM subscribers s JOIN newsletters n ON n.id = s.newsletter_id WHERE s.tenant_id = $1 AND s.state = $2`+q.who()+where+` ORDER BY s.id`+order+` LIMIT $4`, args...)
}

func saidTo(all *[]Said, tenantID string, q CauseQuery) part {
	return listed(all, func(row scanner) (s Said, err error) { return s, row.Scan(&s.Text, &s.N) },
		`SELECT detail, count(*) FROM (SELECT s.detail FROM subscribers s WHERE s.tenant_id = $1 AND s.state = $2`+q.who()+` ORDER BY s.id DESC LIMIT $4) people
			WHERE detail <> '' GROUP BY detail ORDER BY 2 DESC, 1 LIMIT $5`, tenantID, q.State, q.Reason, saidRead, saidListed)
}

// causeKey says which cause it is of all tenants'.
type causeKey struct {
	tenantID string
	state    State
	reason   string
}

// present is a cause that somebody has now.
type present struct {
	people int
	since  int64 // 0 when its people tell
}

// notedCause is a cause that isn't over.
type notedCause struct {
	causeKey
	id     string
	people int
	goneAt int64
}

// FollowCauses notes since when there is a cause for which somebody waits or needs
// attention, in all tenants, and which are over. Any number of processes may do it at once.
func (d *Watch) FollowCauses(ctx context.Context) error {
	now := d.now()
	there, err := d.present(ctx)
	if err != nil {
		return wrap("causes that are there", err)
	}
	noted, err := collect(ctx, d.read, func(row scanner) (o notedCause, err error) {
		return o, row.Scan(&o.id, &o.tenantID, &o.state, &o.reason, &o.people, &o.goneAt)
	}, `SELECT id, tenant_id, state, reason, people, gone_at FROM causes WHERE ended_at = 0`)
	if err != nil {
		return wrap("causes that are noted", err)
	}
	var errs []error
	for _, o := range noted {
		switch p, ok := there[o.causeKey]; {
		case !ok:
			errs = append(errs, d.causeGone(ctx, o, now))
		case o.goneAt == 0 && o.people >= p.people:
			delete(there, o.causeKey) // nothing is new
		}
	}
	for key, p := range there {
		errs = append(errs, d.causeThere(ctx, key, p, millis(now)))
	}
	_, err = d.exec(ctx, `DELETE FROM causes WHERE ended_at > 0 AND ended_at < $1`, millis(now.Add(-causeKept)))
	return wrap("follow causes", errors.Join(append(errs, err)...))
}

// present returns the causes that somebody has now. Where a connection is dead, it is
// that which all wait for.
func (d *Watch) present(ctx context.Context) (map[causeKey]present, error) {
	there := map[causeKey]present{}
	err := each(ctx, d.read, func(row scanner) error {
		var key causeKey
		var p present
		if err := row.Scan(&key.tenantID, &key.state, &key.reason, &p.people, &p.since); err != nil {
			return err
		}
		if before := there[key]; before.people > p.people {
			p.people = before.people
		}
		there[key] = p
		return nil
	}, `WITH w AS (SELECT tenant_id, sum(n) AS n FROM state_counts WHERE state = 'waiting' AND n > 0 GROUP BY tenant_id),
			dead AS (SELECT tenant_id, broken_at FROM identities WHERE service = '`+DeliveredTo+`' AND broken_at > 0 AND user_name = '' AND account = '')
		SELECT tenant_id, state, reason, n, 0 FROM reason_counts WHERE n > 0 AND `+ofOpenTenants+`
		UNION ALL SELECT p.tenant_id, 'waiting', p.reason, w.n, p.since FROM pauses p JOIN w ON w.tenant_id = p.tenant_id
			WHERE p.reason <> '`+reasonBroken+`' AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.tenant_id = p.tenant_id) AND p.`+ofOpenTenants+`
		UNION ALL SELECT dead.tenant_id, 'waiting', '`+reasonBroken+`', COALESCE(w.n, 0), dead.broken_at
			FROM dead LEFT JOIN w ON w.tenant_id = dead.tenant_id WHERE dead.`+ofOpenTenants)
	return there, err
}

// firstEvent is when the first of those people s, up to saidRead of them, came to have
// the cause of the row r.
const firstEvent = `(SELECT min(l.at) FROM (SELECT ` + lastEvent + ` AS at FROM subscribers s
	WHERE s.tenant_id = r.tenant_id AND s.state = r.state AND s.reason = r.reason AND s.reason <> '' ORDER BY s.id LIMIT 100) l)`

// causeThere notes a cause that is new, or has more people than before, or is back.
func (d *Watch) causeThere(ctx context.Context, key causeKey, p present, now int64) error {
	_, err := d.exec(ctx, `INSERT INTO causes (id, tenant_id, state, reason, since, people)
		SELECT $1, r.tenant_id, r.state, r.reason, CASE WHEN CAST($5 AS BIGINT) > 0 THEN CAST($5 AS BIGINT) ELSE COALESCE(`+firstEvent+`, CAST($7 AS BIGINT)) END, CAST($6 AS BIGINT)
		FROM (SELECT id AS tenant_id, CAST($3 AS TEXT) AS state, CAST($4 AS TEXT) AS reason FROM tenants WHERE id = $2) r WHERE 1 = 1
		ON CONFLICT (tenant_id, state, reason) WHERE ended_at = 0
			DO UPDATE SET gone_at = 0, people = CASE WHEN causes.people < excluded.people THEN excluded.people ELSE causes.people END`,
		NewID(), key.tenantID, key.state, key.reason, p.since, p.people, now)
	return err
}

// causeGone notes that nobody has a cause any more, and after a while that it is over. A
// connection that works again is so at once, and whoever made it has ended it.
func (d *Watch) causeGone(ctx context.Context, o notedCause, now time.Time) error {
	if o.state == Waiting && (o.reason == reasonBroken || o.reason == reasonNotConnected) {
		_, err := d.exec(ctx, `UPDATE causes SET gone_at = $2, ended_at = $2, actor = COALESCE((SELECT i.connected_by FROM identities i
				WHERE i.tenant_id = causes.tenant_id AND i.service = '`+DeliveredTo+`' AND i.user_name = '' AND i.account = '' AND i.connected_at >= causes.since), '')
			WHERE id = $1 AND ended_at = 0`, o.id, millis(now))
		return err
	}
	if o.goneAt == 0 {
		_, err := d.exec(ctx, `UPDATE causes SET gone_at = $2 WHERE id = $1 AND ended_at = 0 AND gone_at = 0`, o.id, millis(now))
		return err
	}
	_, err := d.exec(ctx, `UPDATE causes SET ended_at = $2 WHERE id = $1 AND ended_at = 0 AND gone_at > 0 AND gone_at <= $3`, o.id, millis(now), millis(now.Add(-causeCalm)))
	return err
}

// decided is how many of a cause's people somebody decided about.
type decided struct {
	first              string // the first of them
	retried, dismissed int
}

// countDecided counts that somebody decided to move a subscriber, if it had a cause.
func countDecided(all map[causeKey]decided, from, to place) {
	if from.state == to.state || from.reason == "" || !from.state.Info().Problem {
		return
	}
	key := causeKey{from.tenantID, from.state, from.reason}
	n := all[key]
	n.first = cmp.Or(n.first, from.id)
	switch to.state {
	case Dismissed:
		n.dismissed++
	case Waiting:
		n.retried++
	default: // it isn't about the cause
		return
	}
	all[key] = n
}

// tellCauses notes what somebody decided about people, with the causes that they had.
func (c *change) tellCauses(ctx context.Context, all map[causeKey]decided) error {
	for _, key := range slices.SortedFunc(maps.Keys(all), func(a, b causeKey) int {
		return cmp.Or(cmp.Compare(a.state, b.state), cmp.Compare(a.reason, b.reason))
	}) {
		of := all[key]
		n := int64(of.retried + of.dismissed)
		_, err := c.tx.ExecContext(ctx, `INSERT INTO causes (id, tenant_id, state, reason, since, people, retried, dismissed, actor, decided_at)
			VALUES ($1, $2, $3, $4, COALESCE((SELECT e.at FROM events e WHERE e.tenant_id = $2 AND e.subscriber_id = $5 ORDER BY e.id DESC LIMIT 1), CAST($6 AS BIGINT)), $7, $8, $9, $10, $6)
			ON CONFLICT (tenant_id, state, reason) WHERE ended_at = 0 DO UPDATE SET retried = causes.retried + excluded.retried,
				dismissed = causes.dismissed + excluded.dismissed, actor = excluded.actor, decided_at = excluded.decided_at`,
			NewID(), key.tenantID, string(key.state), key.reason, of.first, c.at, n, int64(of.retried), int64(of.dismissed), c.actor)
		if err != nil {
			return err
		}
	}
	return nil
}

// noteDisconnected remembers who gave a tenant's own connection up; actor is empty for the
// operator.
func (d *base) noteDisconnected(ctx context.Context, tx *sql.Tx, service, tenantID, actor string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO disconnections (tenant_id, service, at, actor) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, service) DO UPDATE SET at = excluded.at, actor = excluded.actor`, tenantID, service, millis(d.now()), actor)
	return err
}
