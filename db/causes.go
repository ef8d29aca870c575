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

// Why all wait for a destination whose connection is missing or dead, as crm's codes say it.
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

// Causes is why those who go to a destination wait or need attention.
type Causes struct {
	Problems []Problem // in no order
	Solved   []Solved  // in the last 30 days, the latest first
}

// Causes returns why those who go to a destination wait or need attention, and why they did.
func (d *Watch) Causes(ctx context.Context, key DestinationKey) (c Causes, err error) {
	err = ask(ctx, d.read, problemsOf(&c.Problems, key), d.solvedOf(&c.Solved, key, `1 = 1`))
	slices.SortFunc(c.Solved, func(a, b Solved) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.State, b.State), cmp.Compare(a.Reason, b.Reason))
	})
	return c, wrap("causes", err)
}

// solvedOf reads a destination's causes that are over, as far as a condition is met. One
// that was dismissed can't come back by itself, so that it is over at once.
func (d *base) solvedOf(all *[]Solved, key DestinationKey, condition string, args ...any) part {
	return listed(all, func(row scanner) (s Solved, err error) {
		var since, at int64
		err = row.Scan(&s.State, &s.Reason, &s.People, &since, &at, &s.Retried, &s.Dismissed, &s.Actor)
		s.Since, s.At = fromMillis(since), fromMillis(at)
		return s, err
	}, `SELECT c.state, c.reason, c.people, c.since, CASE WHEN c.gone_at = 0 OR c.retried = 0 AND c.dismissed > 0 THEN c.decided_at ELSE c.gone_at END AS at,
			c.retried, c.dismissed, COALESCE((SELECT email FROM users WHERE users.id = c.actor), '')
		FROM causes c WHERE c.tenant_id = $1 AND c.destination_id = $2 AND (c.ended_at > $3 OR c.ended_at = 0 AND c.dismissed > 0 AND NOT EXISTS (SELECT 1 FROM reason_counts r
			WHERE r.tenant_id = c.tenant_id AND r.destination_id = c.destination_id AND r.state = c.state AND r.reason = c.reason AND r.n > 0)) AND `+condition+`
		ORDER BY at DESC, c.id LIMIT $4`, append([]any{key.TenantID, key.DestinationID, millis(d.now().Add(-causesSolved)), solvedListed}, args...)...)
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

// CauseDetail is why some of those who go to a destination wait or need attention.
type CauseDetail struct {
	Problem                // of those whose own reason it is; N is 0 when there are none
	People   []CausePerson // a page of them
	Previous bool          // there are newer ones than on the page
	Next     bool          // there are older ones
	Said     []Said        // the most frequent first
	Solved   *Solved       // when it was over last; nil when it wasn't in the last 30 days
}

// Cause returns one of a destination's causes with a page of its people.
func (d *Watch) Cause(ctx context.Context, key DestinationKey, q CauseQuery) (c CauseDetail, err error) {
	var problems []Problem
	var solved []Solved
	parts := []part{problemsWhere(&problems, key, ` AND r.state = $4 AND r.reason = $5`, q.State, q.Reason), peopleOf(&c.People, key, q),
		saidTo(&c.Said, key, q), d.solvedOf(&solved, key, `c.state = $5 AND c.reason = $6`, q.State, q.Reason)}
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
func (d *Watch) Affected(ctx context.Context, key DestinationKey, q CauseQuery) ([]Subscriber, error) {
	all, err := collect(ctx, d.read, scanSubscriber, selectSubscriber+`JOIN deliveries d ON d.tenant_id = s.tenant_id AND d.subscriber_id = s.id
			WHERE d.tenant_id = $1 AND d.destination_id = $2 AND d.state = $3`+q.who()+` AND d.subscriber_id > $5 ORDER BY d.subscriber_id LIMIT $6`,
		key.TenantID, key.DestinationID, q.State, q.Reason, q.After, q.Limit)
	if err == nil {
		err = withDeliveries(ctx, d.read, d.engine, key.TenantID, key.DestinationID, all)
	}
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

// who selects, of the deliveries d in the state of a cause, those that have it: its reason
// is $4.
func (q CauseQuery) who() string {
	if q.All {
		return ` AND CAST($4 AS TEXT) IS NOT NULL`
	}
	return ` AND d.reason = $4 AND d.reason <> ''`
}

// lastEvent is when a delivery d came to be where it is.
const lastEvent = `(SELECT e.at FROM events e WHERE e.tenant_id = d.tenant_id AND e.subscriber_id = d.subscriber_id AND e.destination_id = d.destination_id ORDER BY e.id DESC LIMIT 1)`

func peopleOf(all *[]CausePerson, key DestinationKey, q CauseQuery) part {
	where, order, from := ``, ` DESC`, q.After
	if q.After != "" {
		where = ` AND d.subscriber_id < $6`
	}
	if q.Before != "" {
		where, order, from = ` AND d.subscriber_id > $6`, ``, q.Before
	}
	args := []any{key.TenantID, key.DestinationID, q.State, q.Reason, q.Limit + 1}
	if from != "" {
		args = append(args, from)
	}
	return listed(all, func(row scanner) (p CausePerson, err error) {
		var signedUp, last int64
		err = row.Scan(&p.ID, &p.Email, &p.FirstName, &p.LastName, &p.Newsletter, &signedUp, &last, &p.InstanceURL, &p.MatchID)
		p.SignedUpAt, p.LastAt = fromMillis(signedUp), fromMillis(last)
		return p, err
	}, `SELECT s.id, s.email, s.first_name, s.last_name, n.name, CASE WHEN s.repeated_at > s.created_at THEN s.repeated_at ELSE s.created_at END,
			COALESCE(`+lastEvent+`, 0), d.instance_url, d.match_id
		FROM deliveries d JOIN subscribers s ON s.tenant_id = d.tenant_id AND s.id = d.subscriber_id JOIN newsletters n ON n.id = s.newsletter_id
		WHERE d.tenant_id = $1 AND d.destination_id = $2 AND d.state = $3`+q.who()+where+` ORDER BY d.subscriber_id`+order+` LIMIT $5`, args...)
}

func saidTo(all *[]Said, key DestinationKey, q CauseQuery) part {
	return listed(all, func(row scanner) (s Said, err error) { return s, row.Scan(&s.Text, &s.N) },
		`SELECT detail, count(*) FROM (SELECT d.detail FROM deliveries d WHERE d.tenant_id = $1 AND d.destination_id = $2 AND d.state = $3`+q.who()+` ORDER BY d.subscriber_id DESC LIMIT $5) people
			WHERE detail <> '' GROUP BY detail ORDER BY 2 DESC, 1 LIMIT $6`, key.TenantID, key.DestinationID, q.State, q.Reason, saidRead, saidListed)
}

// causeKey says which cause it is of all destinations'.
type causeKey struct {
	DestinationKey
	state  State
	reason string
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
		return o, row.Scan(&o.id, &o.TenantID, &o.DestinationID, &o.state, &o.reason, &o.people, &o.goneAt)
	}, `SELECT id, tenant_id, destination_id, state, reason, people, gone_at FROM causes WHERE ended_at = 0`)
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
		if err := row.Scan(&key.TenantID, &key.DestinationID, &key.state, &key.reason, &p.people, &p.since); err != nil {
			return err
		}
		if before := there[key]; before.people > p.people {
			p.people = before.people
		}
		there[key] = p
		return nil
	}, `WITH w AS (`+countedIn+` = 'waiting'),
			dead AS (SELECT t.tenant_id, t.id, i.broken_at FROM identities i JOIN destinations t ON t.tenant_id = i.tenant_id AND t.service = i.service AND t.removed_at = 0
				WHERE i.broken_at > 0 AND i.user_name = '' AND i.account = '')
		SELECT r.tenant_id, r.destination_id, r.state, r.reason, r.n, 0 FROM reason_counts r JOIN destinations t ON t.id = r.destination_id AND t.removed_at = 0 WHERE r.n > 0 AND r.`+ofOpenTenants+`
		UNION ALL SELECT p.tenant_id, p.destination_id, 'waiting', p.reason, w.n, p.since FROM pauses p JOIN w ON w.destination_id = p.destination_id
			WHERE p.reason <> '`+reasonBroken+`' AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.id = p.destination_id) AND p.`+ofOpenTenants+`
		UNION ALL SELECT dead.tenant_id, dead.id, 'waiting', '`+reasonBroken+`', COALESCE(w.n, 0), dead.broken_at
			FROM dead LEFT JOIN w ON w.destination_id = dead.id WHERE dead.`+ofOpenTenants)
	return there, err
}

// firstEvent is when the first of those deliveries, up to saidRead of them, came to have
// the cause of the row r.
const firstEvent = `(SELECT min(l.at) FROM (SELECT ` + lastEvent + ` AS at FROM deliveries d
	WHERE d.tenant_id = r.tenant_id AND d.destination_id = r.destination_id AND d.state = r.state AND d.reason = r.reason AND d.reason <> '' ORDER BY d.subscriber_id LIMIT 100) l)`

// causeThere notes a cause that is new, or has more people than before, or is back.
func (d *Watch) causeThere(ctx context.Context, key causeKey, p present, now int64) error {
	_, err := d.exec(ctx, `INSERT INTO causes (id, tenant_id, destination_id, state, reason, since, people)
		SELECT $1, r.tenant_id, r.destination_id, r.state, r.reason, CASE WHEN CAST($6 AS BIGINT) > 0 THEN CAST($6 AS BIGINT) ELSE COALESCE(`+firstEvent+`, CAST($8 AS BIGINT)) END, CAST($7 AS BIGINT)
		FROM (SELECT t.tenant_id, t.id AS destination_id, CAST($4 AS TEXT) AS state, CAST($5 AS TEXT) AS reason FROM destinations t WHERE t.tenant_id = $2 AND t.id = $3) r WHERE 1 = 1
		ON CONFLICT (tenant_id, destination_id, state, reason) WHERE ended_at = 0
			DO UPDATE SET gone_at = 0, people = CASE WHEN causes.people < excluded.people THEN excluded.people ELSE causes.people END`,
		NewID(), key.TenantID, key.DestinationID, key.state, key.reason, p.since, p.people, now)
	return err
}

// causeGone notes that nobody has a cause any more, and after a while that it is over. A
// connection that works again is so at once, and whoever made it has ended it.
func (d *Watch) causeGone(ctx context.Context, o notedCause, now time.Time) error {
	if o.state == Waiting && (o.reason == reasonBroken || o.reason == reasonNotConnected) {
		_, err := d.exec(ctx, `UPDATE causes SET gone_at = $2, ended_at = $2, actor = COALESCE((SELECT i.connected_by FROM identities i
				WHERE i.tenant_id = causes.tenant_id AND i.service = (SELECT t.service FROM destinations t WHERE t.id = causes.destination_id) AND i.user_name = '' AND i.account = '' AND i.connected_at >= causes.since), '')
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
	key := causeKey{from.key(), from.state, from.reason}
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
		_, err := c.tx.ExecContext(ctx, `INSERT INTO causes (id, tenant_id, destination_id, state, reason, since, people, retried, dismissed, actor, decided_at)
			VALUES ($1, $2, $11, $3, $4, COALESCE((SELECT e.at FROM events e WHERE e.tenant_id = $2 AND e.subscriber_id = $5 AND e.destination_id = $11 ORDER BY e.id DESC LIMIT 1), CAST($6 AS BIGINT)), $7, $8, $9, $10, $6)
			ON CONFLICT (tenant_id, destination_id, state, reason) WHERE ended_at = 0 DO UPDATE SET retried = causes.retried + excluded.retried,
				dismissed = causes.dismissed + excluded.dismissed, actor = excluded.actor, decided_at = excluded.decided_at`,
			NewID(), key.TenantID, string(key.state), key.reason, of.first, c.at, n, int64(of.retried), int64(of.dismissed), c.actor, key.DestinationID)
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
