package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// PeopleLimit bounds how many subscribers of one cause are looked at to count the
// people among them.
const PeopleLimit = 1000

// Problem is a cause for which subscribers wait or need attention.
type Problem struct {
	State  State
	Reason string // a code of crm's
	N      int    // subscribers
	People int    // different addresses among the first PeopleLimit of them
	Since  time.Time
}

// problemsOf reads what those who go to a destination need attention or wait for.
func problemsOf(all *[]Problem, key DestinationKey) part { return problemsWhere(all, key, "") }

// problemsWhere is problemsOf as far as a further condition is met, whose arguments are $4
// and so on.
func problemsWhere(all *[]Problem, key DestinationKey, condition string, args ...any) part {
	return listed(all, func(row scanner) (p Problem, err error) {
		var since int64
		err = row.Scan(&p.State, &p.Reason, &p.N, &p.People, &since)
		p.Since = fromMillis(since)
		return p, err
	}, `SELECT state, reason, n, (SELECT count(DISTINCT email_key) FROM
			(SELECT s.email_key FROM (SELECT d.subscriber_id FROM deliveries d WHERE d.tenant_id = r.tenant_id AND d.destination_id = r.destination_id AND d.state = r.state AND d.reason = r.reason AND d.reason <> '' LIMIT $3) few
				CROSS JOIN subscribers s WHERE s.tenant_id = r.tenant_id AND s.id = few.subscriber_id) people),
			COALESCE((SELECT c.since FROM causes c WHERE c.tenant_id = r.tenant_id AND c.destination_id = r.destination_id AND c.state = r.state AND c.reason = r.reason AND c.ended_at = 0), `+firstEvent+`, 0)
		FROM reason_counts r WHERE r.tenant_id = $1 AND r.destination_id = $2 AND r.n > 0`+condition, append([]any{key.TenantID, key.DestinationID, PeopleLimit}, args...)...)
}

// Retry has a subscriber, whose delivery to a destination needs attention or was
// dismissed, delivered after all, and reports whether there was one. actor is the
// id of the user who wants it.
func (d *Watch) Retry(ctx context.Context, key DestinationKey, subscriberID, actor string) (done bool, err error) {
	done, err = d.decideOne(ctx, key, subscriberID, actor, Waiting, retrying)
	return done, wrap("retry", err)
}

// Dismiss says that a subscriber, whose delivery to a destination needs attention, is
// not to be delivered, and why; it reports whether there was one. actor is the id
// of the user who wants it.
func (d *Watch) Dismiss(ctx context.Context, key DestinationKey, subscriberID, actor, note string) (done bool, err error) {
	done, err = d.decideOne(ctx, key, subscriberID, actor, Dismissed, dismissing(note))
	return done, wrap("dismiss", err)
}

// decideOne has a delivery become what is decided, if that may be decided of the
// state that it is in.
func (d *Watch) decideOne(ctx context.Context, key DestinationKey, subscriberID, actor string, becomes State, how decision) (done bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		var is State
		err := tx.QueryRowContext(ctx, `SELECT state FROM deliveries WHERE tenant_id = $1 AND subscriber_id = $2 AND destination_id = $3`, key.TenantID, subscriberID, key.DestinationID).Scan(&is)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if done = slices.Contains(is.Info().Decisions, becomes); !done {
			return nil
		}
		return d.decide(ctx, tx, key, []string{subscriberID}, actor, how)
	})
	return done, err
}

// Hurry lets a destination's deliveries be tried at once if they are paused for that
// reason. What is known of the failures before stays.
func (d *Watch) Hurry(ctx context.Context, key DestinationKey, reason string) error {
	now := millis(d.now())
	_, err := d.exec(ctx, `UPDATE pauses SET until = $4 WHERE tenant_id = $1 AND destination_id = $2 AND reason = $3 AND until > $4`, key.TenantID, key.DestinationID, reason, now)
	return wrap("hurry", err)
}

// Event is a change of a subscriber's state or of a delivery's, or of the reason why that
// waits.
type Event struct {
	DestinationID string // empty for what is the subscriber's own
	At            time.Time
	State         State  // from then on
	Reason        string // a code of crm's, empty for none
	Detail        string // what the CRM said, or a user
	Actor         string // e-mail of the user who did it, empty for Gatepost itself
}

// Consent is what a reader agreed to with one sign-up.
type Consent struct {
	At       time.Time
	Source   string // form, api, test, import
	Words    string
	Shown    Presentation
	Page     string            // address of the page with the form; empty where nobody knows
	Act      ConsentAct        // given, unless it says otherwise
	How      LeftHow           // of one that was withdrawn; what was confirmed: see Elsewhere
	From     Origin            // from where, as long as the tenant keeps it
	Repeated bool              // the address was there already
	Version  int               // of the form that was shown
	Replaced map[string]string // values of before that the sign-up replaced, by the ids of fields
}

// Elsewhere reports whether somebody confirmed elsewhere, as whoever handed on their sign-up said.
func (c Consent) Elsewhere() bool { return c.Act == ConsentConfirmed && c.How == confirmedElsewhere }

// HistoryLimit bounds how many events, how many sign-ups and how many edits are read of
// one subscriber.
const HistoryLimit = 200

// Correction is what somebody changed of a subscriber by hand.
type Correction struct {
	At      time.Time
	Actor   string // e-mail of the user who did it, empty when there is no such user any more
	Changes []Change
}

// History is what happened to a subscriber, the latest first of each kind.
type History struct {
	Events      []Event
	Consents    []Consent
	Corrections []Correction
	OptOuts     []OptOut // what leaving and coming back owed the CRMs
}

// History returns what happened to one of the tenant's subscribers.
func (d *Watch) History(ctx context.Context, tenantID, subscriberID string) (h History, err error) {
	h.Events, err = collect(ctx, d.read, func(row scanner) (e Event, err error) {
		var at int64
		err = row.Scan(&e.DestinationID, &at, &e.State, &e.Reason, &e.Detail, &e.Actor)
		e.At = fromMillis(at)
		return e, err
	}, `SELECT destination_id, at, state, reason, detail, COALESCE((SELECT email FROM users WHERE users.id = actor), '')
		FROM events WHERE tenant_id = $1 AND subscriber_id = $2 ORDER BY id DESC LIMIT $3`, tenantID, subscriberID, HistoryLimit)
	if err != nil {
		return History{}, wrap("history", err)
	}
	h.Consents, err = collect(ctx, d.read, func(row scanner) (c Consent, err error) {
		var id, replaced, shown string
		var at int64
		err = row.Scan(&id, &at, &c.Source, &c.Words, &replaced, &c.Version, &c.Repeated, &shown, &c.Page, &c.Act, &c.How, &c.From.IP, &c.From.UserAgent)
		c.At = fromMillis(at)
		if err == nil && replaced != "" {
			err = json.Unmarshal([]byte(replaced), &c.Replaced)
		}
		if err == nil && shown != "" {
			err = json.Unmarshal([]byte(shown), &c.Shown)
		}
		return c, err
	}, `SELECT s.id, s.created_at, s.source, w.text, '', s.form_version, 0, w.shown, s.page, 'given', '', COALESCE(a.ip, ''), COALESCE(a.user_agent, '') FROM subscribers s JOIN wordings w ON w.id = s.wording_id
			LEFT JOIN consent_addresses a ON a.tenant_id = s.tenant_id AND a.subscriber_id = s.id AND a.at = s.created_at
			WHERE s.tenant_id = $1 AND s.id = $2
		UNION ALL SELECT c.id, c.at, c.source, w.text, c.replaced, c.form_version, CASE WHEN c.act = 'given' THEN 1 ELSE 0 END, w.shown, c.page, c.act, c.how, COALESCE(a.ip, ''), COALESCE(a.user_agent, '') FROM consents c JOIN wordings w ON w.id = c.wording_id
			LEFT JOIN consent_addresses a ON c.act = 'given' AND a.tenant_id = c.tenant_id AND a.subscriber_id = c.subscriber_id AND a.at = c.at
			WHERE c.tenant_id = $1 AND c.subscriber_id = $2
		ORDER BY 1 DESC LIMIT $3`, tenantID, subscriberID, HistoryLimit)
	if err != nil {
		return History{}, wrap("history", err)
	}
	h.Corrections, err = collect(ctx, d.read, func(row scanner) (c Correction, err error) {
		var at int64
		var changes string
		if err := row.Scan(&at, &c.Actor, &changes); err != nil {
			return c, err
		}
		c.At = fromMillis(at)
		return c, json.Unmarshal([]byte(changes), &c.Changes)
	}, `SELECT at, COALESCE((SELECT email FROM users WHERE users.id = actor), ''), changes
		FROM edits WHERE tenant_id = $1 AND subscriber_id = $2 ORDER BY id DESC LIMIT $3`, tenantID, subscriberID, HistoryLimit)
	if err != nil {
		return History{}, wrap("history", err)
	}
	h.OptOuts, err = collect(ctx, d.read, scanOptOut, `SELECT `+optOutColumns+` FROM opt_outs e WHERE e.tenant_id = $1 AND e.subscriber_id = $2 ORDER BY e.id DESC LIMIT $3`, tenantID, subscriberID, HistoryLimit)
	return h, wrap("history", err)
}

// lastDelivered reads when somebody was delivered last to a destination. It was lately, as a
// rule: PostgreSQL reads all hours that it looks at.
func (d *Watch) lastDelivered(to *time.Time, key DestinationKey) part {
	return one(to, scanTime, `SELECT `+lastDelivered+` FROM destinations t WHERE t.tenant_id = $1 AND t.id = $3`, key.TenantID, d.lately(), key.DestinationID)
}

// lastDelivered is when somebody was delivered last to the destination t, which was since $2
// as a rule; 0 when nobody was.
const lastDelivered = `COALESCE((SELECT max(last_at) FROM activity a WHERE a.tenant_id = t.tenant_id AND a.destination_id = t.id AND a.kind = 'delivered' AND a.hour >= $2),
	(SELECT max(last_at) FROM activity a WHERE a.tenant_id = t.tenant_id AND a.destination_id = t.id AND a.kind = 'delivered'), 0)`

// lately is since when the last delivery was, as a rule, as a parameter.
func (d *Watch) lately() int64 { return hourOf(millis(d.now().Add(-7 * day))) }

func scanTime(row scanner) (time.Time, error) {
	var at int64
	err := row.Scan(&at)
	return fromMillis(at), err
}

// LastDelivered returns when somebody was delivered last to a destination; the zero time
// when nobody was.
func (d *Watch) LastDelivered(ctx context.Context, key DestinationKey) (at time.Time, err error) {
	err = ask(ctx, d.read, d.lastDelivered(&at, key))
	return at, wrap("last delivered", err)
}

// Health is how a destination's deliveries are going: what takes longer to read than an
// Overview, and changes with that alone, or with the hour.
type Health struct {
	LastDelivered time.Time       // zero when nobody was
	OldestWaiting time.Time       // since when the one waits that waits longest; zero when nobody has to wait yet
	SignUps       []map[State]int // how many signed up in each span, by where they are now
	Problems      []Problem       // the greatest first of each state
	Orgs          []OrgCount
	Mapped        bool // a mapping of the CRM's own fields was saved; told by Watch.Health alone
}

// Health returns how a destination's deliveries are going, with the sign-ups of each span.
func (d *Watch) Health(ctx context.Context, key DestinationKey, spans []Span) (h Health, err error) {
	parts, sorted := d.health(&h, key, spans)
	parts = append(parts, one(&h.Mapped, func(row scanner) (is bool, err error) {
		var n int
		err = row.Scan(&n)
		return n > 0, err
	}, `SELECT count(*) FROM mappings WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID))
	if err := ask(ctx, d.read, parts...); err != nil {
		return Health{}, wrap("health", err)
	}
	sorted()
	return h, nil
}

// health reads a destination's health. When all is read, sorted puts it in order.
func (d *Watch) health(h *Health, key DestinationKey, spans []Span) (parts []part, sorted func()) {
	longest := &waiting{}
	parts = append(waitLongest(longest, key), d.lastDelivered(&h.LastDelivered, key), problemsOf(&h.Problems, key), orgsOf(&h.Orgs, key))
	if len(spans) > 0 {
		parts = append(parts, signUpsIn(&h.SignUps, key, spans))
	}
	return parts, func() {
		if !longest.since.After(d.now()) {
			h.OldestWaiting = longest.since
		}
		slices.SortFunc(h.Problems, func(a, b Problem) int {
			return cmp.Or(strings.Compare(string(a.State), string(b.State)), cmp.Compare(b.N, a.N), strings.Compare(a.Reason, b.Reason))
		})
	}
}

// timeZone reads the tenant's time zone, as an IANA name.
func timeZone(to *string, tenantID string) part {
	return one(to, scanID, `SELECT t.time_zone FROM tenants t WHERE t.id = $1`, tenantID)
}

// LastRecount is what the last recount of a tenant's rows found.
type LastRecount struct {
	At    time.Time // zero when there was none
	Took  time.Duration
	Rows  AllSums // as the rows say
	Wrong int     // kept numbers that the rows contradicted
}

// DueRecounts returns the tenants whose last recount began before the given time,
// or that never had one, the one that has waited longest first.
func (d *Watch) DueRecounts(ctx context.Context, before time.Time) ([]string, error) {
	ids, err := collect(ctx, d.read, scanID, `SELECT t.id FROM tenants t LEFT JOIN recounts r ON r.tenant_id = t.id
		WHERE t.closed_at = 0 AND COALESCE(r.tried_at, 0) < $1 ORDER BY COALESCE(r.tried_at, 0), t.id`, millis(before))
	return ids, wrap("due recounts", err)
}

// CheckCounts counts the tenant's rows, compares them with what is kept, and
// keeps what it found. It reads all rows, and keeps nobody from writing
// meanwhile. That it began is written down first, so that one that fails has its
// next turn after all others.
func (d *base) CheckCounts(ctx context.Context, tenantID string) (Recount, error) {
	began := d.now()
	_, err := d.exec(ctx, `INSERT INTO recounts (tenant_id, tried_at, at, took, wrong) VALUES ($1, $2, 0, 0, 0)
		ON CONFLICT (tenant_id) DO UPDATE SET tried_at = excluded.tried_at`, tenantID, millis(began))
	if err != nil {
		return Recount{}, wrap("begin a recount", err)
	}
	r, err := d.Recount(ctx, tenantID)
	if err != nil {
		return r, err
	}
	return r, wrap("keep the recount", d.keepRecount(ctx, tenantID, began, r))
}

// keepRecount keeps what a recount found in the place of the one before.
func (d *base) keepRecount(ctx context.Context, tenantID string, began time.Time, r Recount) error {
	return d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE recounts SET at = $2, took = $3, wrong = $4 WHERE tenant_id = $1`,
			tenantID, millis(began), d.now().Sub(began).Milliseconds(), r.Wrong+r.Kept.differing(r.Rows))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM recount_sums WHERE tenant_id = $1`, tenantID); err != nil {
			return err
		}
		for destination, sums := range r.Rows.all() {
			for counted, n := range sums {
				if _, err := tx.ExecContext(ctx, `INSERT INTO recount_sums (tenant_id, destination_id, kind, n) VALUES ($1, $2, $3, $4)`, tenantID, destination, counted, n); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// lastRecount reads what the last recount found.
func lastRecount(r *LastRecount, tenantID string) part {
	*r = LastRecount{Rows: newAllSums()}
	return part{`SELECT r.at, r.took, r.wrong, COALESCE(s.destination_id, ''), COALESCE(s.kind, ''), COALESCE(s.n, 0)
		FROM recounts r LEFT JOIN recount_sums s ON s.tenant_id = r.tenant_id WHERE r.tenant_id = $1`, []any{tenantID}, func(row scanner) error {
		var at, took int64
		var destination, kind string
		var n, wrong int
		if err := row.Scan(&at, &took, &wrong, &destination, &kind, &n); err != nil {
			return err
		}
		r.At, r.Took, r.Wrong = fromMillis(at), time.Duration(took)*time.Millisecond, wrong
		switch k := Kind(kind); {
		case kind == "": // it found nobody
		case k == New || k == Repeated || k == Entered:
			r.Rows.of(destination).add(k, "", n)
		default:
			r.Rows.of(destination).add("", State(kind), n)
		}
		return nil
	}}
}

// Usage is what a destination's CRM last said of its API calls in 24 hours, of all
// who make some.
type Usage struct {
	Used, Allowed int
	Ours          int       // of them made by us, in whole hours
	At            time.Time // zero when it never said any
}

// SaveUsage keeps what a destination's CRM said of its API calls, and counts those that
// we made since the last time. ErrNotFound: the tenant has no such destination.
func (d *Watch) SaveUsage(ctx context.Context, key DestinationKey, used, allowed, ours int) error {
	return wrap("save API usage", d.tx(ctx, func(tx *sql.Tx) error {
		now := millis(d.now())
		res, err := tx.ExecContext(ctx, `INSERT INTO api_usage (tenant_id, destination_id, used, allowed, at)
			SELECT t.tenant_id, t.id, CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM destinations t WHERE t.tenant_id = $1 AND t.id = $2
			ON CONFLICT (destination_id) DO UPDATE SET used = excluded.used, allowed = excluded.allowed, at = excluded.at`,
			key.TenantID, key.DestinationID, used, allowed, now)
		if err := changed(res, err, ErrNotFound); err != nil || ours == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO api_calls (tenant_id, destination_id, hour, n) VALUES ($1, $2, $3, $4)
			ON CONFLICT (destination_id, hour) DO UPDATE SET n = api_calls.n + excluded.n`, key.TenantID, key.DestinationID, hourOf(now), ours)
		return err
	}))
}

// ForgetUsage forgets what a destination's CRM said of its API calls; how many we made
// stays.
func (d *Watch) ForgetUsage(ctx context.Context, key DestinationKey) error {
	_, err := d.exec(ctx, `DELETE FROM api_usage WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID)
	return wrap("forget API usage", err)
}

// Usage returns what a destination's CRM last said of its API calls.
func (d *Watch) Usage(ctx context.Context, key DestinationKey) (u Usage, err error) {
	err = ask(ctx, d.read, d.usage(&u, key))
	return u, wrap("API usage", err)
}

func (d *Watch) usage(to *Usage, key DestinationKey) part {
	return one(to, scanUsage, `SELECT `+usageColumns+` FROM api_usage u WHERE u.destination_id = $3 AND u.tenant_id = $1`, key.TenantID, d.usageSince(), key.DestinationID)
}

// usageColumns are those of scanUsage, with our own calls since $2.
const usageColumns = `u.used, u.allowed, u.at, COALESCE((SELECT sum(n) FROM api_calls c WHERE c.tenant_id = u.tenant_id AND c.destination_id = u.destination_id AND c.hour > $2), 0)`

// usageSince is since when our own calls are counted, as a parameter.
func (d *Watch) usageSince() int64 { return hourOf(millis(d.now().Add(-day))) }

func scanUsage(row scanner) (u Usage, err error) {
	var at int64
	err = row.Scan(&u.Used, &u.Allowed, &at, &u.Ours)
	u.At = fromMillis(at)
	return u, err
}

// CheckUp is what the last check-up of a destination's CRM found.
type CheckUp struct {
	OrgID  string    // that was checked
	At     time.Time // zero when there was none
	Checks string    // JSON
}

// SaveCheckUp keeps what a check-up found, in place of the one before.
func (d *Watch) SaveCheckUp(ctx context.Context, key DestinationKey, orgID, checks string) error {
	_, err := d.exec(ctx, `INSERT INTO checkups (tenant_id, destination_id, org_id, at, checks)
		SELECT t.tenant_id, t.id, CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS TEXT) FROM destinations t WHERE t.tenant_id = $1 AND t.id = $2
		ON CONFLICT (destination_id) DO UPDATE SET org_id = excluded.org_id, at = excluded.at, checks = excluded.checks`,
		key.TenantID, key.DestinationID, orgID, millis(d.now()), checks)
	return wrap("save check-up", err)
}

// CheckUp returns what the last check-up found.
func (d *Watch) CheckUp(ctx context.Context, key DestinationKey) (CheckUp, error) {
	var c CheckUp
	var at int64
	err := d.read.QueryRowContext(ctx, `SELECT org_id, at, checks FROM checkups WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID).Scan(&c.OrgID, &at, &c.Checks)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	c.At = fromMillis(at)
	return c, wrap("check-up", err)
}
