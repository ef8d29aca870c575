package db

import (
	"context"
	"database/sql"
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
	tally tally
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
	c := &change{tx: tx, at: millis(d.now()), find: find, event: event, tally: newTally()}
	if err := fn(c); err != nil {
		return err
	}
	return d.counter.store(ctx, tx, c.tally, c.at)
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
	c.tally.add(from, -1)
	c.tally.add(to, 1)
	if kind, ok := activities[to.state]; ok && to.state != from.state {
		c.tally.activity[activityKey{to.tenantID, kind}]++
	}
	return nil
}

// activities are what happens when a subscriber gets into a state.
var activities = map[State]string{Delivered: "delivered", Attention: "attention"}
