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
	emailKey                   string // where it is read with the rest
}

const hourMillis = int64(time.Hour / time.Millisecond)

// hourOf is the start of the UTC hour of a time.
func hourOf(ms int64) int64 { return ms - ms%hourMillis }

const dayMillis = 24 * hourMillis

// dayOf is the start of the UTC day of a time.
func dayOf(ms int64) int64 { return ms - ms%dayMillis }

// A change moves subscribers from state to state in one transaction. What they change
// in the counts, and the event of each, are stored at its end.
type change struct {
	tx      *sql.Tx
	engine  engine
	counter counter
	at      int64
	actor   string // id of the user who did it, empty for Gatepost itself
	events  *set
	tally   tally
}

func (d *base) newChange(tx *sql.Tx) *change {
	return &change{tx: tx, engine: d.engine, counter: d.counter, at: millis(d.now()), events: newEvents(), tally: newTally()}
}

func newEvents() *set {
	return newSet(text("id"), text("tenant_id"), text("subscriber_id"), integer("at"), text("state"), text("reason"), text("detail"), text("actor"))
}

// change runs fn, and stores the events and what changes in the counts.
func (d *base) change(ctx context.Context, tx *sql.Tx, fn func(*change) error) error {
	c := d.newChange(tx)
	if err := fn(c); err != nil {
		return err
	}
	return c.finish(ctx)
}

// finish stores the events, and what changed in the counts.
func (c *change) finish(ctx context.Context) error {
	if err := c.tell(ctx); err != nil {
		return err
	}
	return c.counter.store(ctx, c.tx, c.tally, c.at)
}

// tell stores the events.
func (c *change) tell(ctx context.Context) error {
	for part := range c.events.parts() {
		with, args := part.with(c.engine)
		_, err := c.tx.ExecContext(ctx, with+`INSERT INTO events (id, tenant_id, subscriber_id, at, state, reason, detail, actor)
			SELECT o.id, o.tenant_id, o.subscriber_id, o.at, o.state, o.reason, o.detail, o.actor FROM o`, args...)
		if err != nil {
			return err
		}
	}
	c.events = newEvents()
	return nil
}

// places returns where those of the tenant's subscribers stand that are there.
func (c *change) places(ctx context.Context, tenantID string, of []string) (map[string]place, error) {
	found := make(map[string]place, len(of))
	for part := range idSet(of).of(tenantID).parts() {
		with, args := part.with(c.engine)
		err := each(ctx, c.tx, func(row scanner) error {
			var p place
			err := row.Scan(&p.id, &p.tenantID, &p.newsletterID, &p.createdAt, &p.state, &p.reason, &p.orgID, &p.emailKey)
			found[p.id] = p
			return err
		}, with+`SELECT s.id, s.tenant_id, s.newsletter_id, s.created_at, s.state, s.reason, s.org_id, s.email_key
			FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.id = o.id`, args...)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// update runs a statement on a tenant's set, which returns the ids of the rows that it
// changed. It returns which these were.
func (c *change) update(ctx context.Context, tenantID string, s *set, statement string, args ...any) (map[string]bool, error) {
	done := map[string]bool{}
	for part := range s.of(tenantID).parts() {
		with, args := part.with(c.engine, args...)
		changed, err := collect(ctx, c.tx, scanID, with+statement, args...)
		if err != nil {
			return nil, err
		}
		for _, id := range changed {
			done[id] = true
		}
	}
	return done, nil
}

// move counts that a subscriber goes from one place to another. That is an event
// when the state changes, or there is another reason to wait.
func (c *change) move(from, to place, detail string) {
	if to.state != from.state || to.reason != from.reason && to.reason != "" {
		c.events.add(NewID(), to.tenantID, to.id, c.at, string(to.state), to.reason, detail, c.actor)
	}
	c.tally.add(from, -1)
	c.tally.add(to, 1)
	if to.state != from.state {
		c.happened(to.tenantID, to.state)
	}
}

// arrivedAfterLeaving tells that a subscriber's write got into the CRM after they had
// left: it happened, and their state is what it was.
func (c *change) arrivedAfterLeaving(of place, detail string) {
	c.events.add(NewID(), of.tenantID, of.id, c.at, string(Delivered), "", detail, "")
	c.happened(of.tenantID, Delivered)
}

// happened counts what happens when somebody gets into a state.
func (c *change) happened(tenantID string, state State) {
	if kind := state.Info().Activity; kind != "" {
		c.tally.activity[activityKey{tenantID, kind}]++
	}
}
