package db

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// place is where a subscriber stands in the counts.
type place struct {
	id, tenantID, newsletterID string
	createdAt                  int64
	state                      State
	reason                     string
	orgID                      string
}

const hourMillis = int64(time.Hour / time.Millisecond)

// hourOf is the start of the UTC hour of a time.
func hourOf(ms int64) int64 { return ms - ms%hourMillis }

// A change moves subscribers from state to state in one transaction: it writes
// the event of each, and at its end what they change in the counts.
type change struct {
	tx    *sql.Tx
	at    int64
	actor string // id of the user who did it, empty for Gatepost itself
	find  *sql.Stmt
	event *sql.Stmt
	moves moves
}

const insertEvent = `INSERT INTO events (id, tenant_id, subscriber_id, at, state, reason, detail, actor)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// change runs fn, and stores what it changes in the counts.
func (d *DB) change(ctx context.Context, tx *sql.Tx, fn func(*change) error) error {
	find, err := tx.PrepareContext(ctx, `SELECT id, tenant_id, newsletter_id, created_at, state, reason, org_id
		FROM subscribers WHERE id = $1 AND tenant_id = $2`)
	if err != nil {
		return err
	}
	defer func() { _ = find.Close() }()
	event, err := tx.PrepareContext(ctx, insertEvent)
	if err != nil {
		return err
	}
	defer func() { _ = event.Close() }()
	c := &change{tx: tx, at: millis(d.now()), find: find, event: event, moves: newMoves()}
	if err := fn(c); err != nil {
		return err
	}
	return c.moves.store(ctx, tx, d.counting, c.at)
}

// place returns where one of the tenant's subscribers stands, or sql.ErrNoRows.
func (c *change) place(ctx context.Context, tenantID, id string) (p place, err error) {
	err = c.find.QueryRowContext(ctx, id, tenantID).
		Scan(&p.id, &p.tenantID, &p.newsletterID, &p.createdAt, &p.state, &p.reason, &p.orgID)
	return p, err
}

// move counts that a subscriber goes from one place to another. That is an event
// when the state changes, or there is another reason to wait.
func (c *change) move(ctx context.Context, from, to place, detail string) error {
	if to.state != from.state || to.reason != from.reason && to.reason != "" {
		_, err := c.event.ExecContext(ctx, NewID(), to.tenantID, to.id, c.at, to.state, to.reason, detail, c.actor)
		if err != nil {
			return err
		}
	}
	c.moves.add(from, -1)
	c.moves.add(to, 1)
	if kind, ok := activities[to.state]; ok && to.state != from.state {
		c.moves.activity[activityKey{to.tenantID, kind}]++
	}
	return nil
}

// activities are what happens when a subscriber gets into a state.
var activities = map[State]string{Delivered: "delivered", Attention: "attention"}

type hourKey struct {
	tenantID, newsletterID string
	hour                   int64
	state                  State
}

type reasonKey struct {
	tenantID string
	state    State
	reason   string
}

type orgKey struct{ tenantID, orgID string }

type activityKey struct{ tenantID, kind string }

// moves collects what the counts of a transaction change by, so that each is
// written once.
type moves struct {
	states   map[stateKey]int
	hours    map[hourKey]int
	reasons  map[reasonKey]int
	orgs     map[orgKey]int
	activity map[activityKey]int
}

func newMoves() moves {
	return moves{map[stateKey]int{}, map[hourKey]int{}, map[reasonKey]int{}, map[orgKey]int{}, map[activityKey]int{}}
}

// add counts n subscribers more at a place.
func (m moves) add(p place, n int) {
	m.states[stateKey{p.tenantID, p.newsletterID, p.state}] += n
	m.hours[hourKey{p.tenantID, p.newsletterID, hourOf(p.createdAt), p.state}] += n
	switch {
	case p.state == Delivered:
		m.orgs[orgKey{p.tenantID, p.orgID}] += n
	case p.state != Dismissed && p.reason != "":
		m.reasons[reasonKey{p.tenantID, p.state, p.reason}] += n
	}
}

// counting are the statements that bring the counts up to date, prepared once.
type counting struct{ states, hours, reasons, orgs, activity *sql.Stmt }

func (d *DB) prepareCounting(ctx context.Context) error {
	return prepare(ctx, d.write, map[**sql.Stmt]string{
		&d.counting.states: `INSERT INTO state_counts (n, tenant_id, newsletter_id, state) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, newsletter_id, state) DO UPDATE SET n = state_counts.n + excluded.n`,
		&d.counting.hours: `INSERT INTO hour_counts (n, tenant_id, hour, newsletter_id, state) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant_id, hour, newsletter_id, state) DO UPDATE SET n = hour_counts.n + excluded.n`,
		&d.counting.reasons: `INSERT INTO reason_counts (n, tenant_id, state, reason) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, state, reason) DO UPDATE SET n = reason_counts.n + excluded.n`,
		&d.counting.orgs: `INSERT INTO org_counts (n, tenant_id, org_id) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, org_id) DO UPDATE SET n = org_counts.n + excluded.n`,
		&d.counting.activity: `INSERT INTO activity (n, tenant_id, kind, hour, last_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant_id, kind, hour) DO UPDATE SET n = activity.n + excluded.n, last_at = excluded.last_at`,
	})
}

func (m moves) store(ctx context.Context, tx *sql.Tx, c counting, at int64) error {
	err := addTo(ctx, tx, c.states, m.states, func(k stateKey) []any { return []any{k.tenantID, k.newsletterID, k.state} })
	if err != nil {
		return fmt.Errorf("count states: %w", err)
	}
	err = addTo(ctx, tx, c.hours, m.hours, func(k hourKey) []any { return []any{k.tenantID, k.hour, k.newsletterID, k.state} })
	if err != nil {
		return fmt.Errorf("count hours: %w", err)
	}
	err = addTo(ctx, tx, c.reasons, m.reasons, func(k reasonKey) []any { return []any{k.tenantID, k.state, k.reason} })
	if err != nil {
		return fmt.Errorf("count reasons: %w", err)
	}
	err = addTo(ctx, tx, c.orgs, m.orgs, func(k orgKey) []any { return []any{k.tenantID, k.orgID} })
	if err != nil {
		return fmt.Errorf("count orgs: %w", err)
	}
	err = addTo(ctx, tx, c.activity, m.activity, func(k activityKey) []any { return []any{k.tenantID, k.kind, hourOf(at), at} })
	if err != nil {
		return fmt.Errorf("count activity: %w", err)
	}
	return nil
}

// addTo runs an upsert for each count that changed; the number comes first among
// its arguments.
func addTo[K comparable](ctx context.Context, tx *sql.Tx, upsert *sql.Stmt, by map[K]int, args func(K) []any) error {
	if len(by) == 0 {
		return nil
	}
	own := tx.StmtContext(ctx, upsert) // ends with the transaction
	for k, n := range by {
		if n == 0 {
			continue
		}
		if _, err := own.ExecContext(ctx, append([]any{n}, args(k)...)...); err != nil {
			return err
		}
	}
	return nil
}
