package db

import (
	"context"
	"database/sql"
	"time"
)

// place is where a subscriber stands in the counts, or one of their deliveries does.
type place struct {
	id, tenantID, newsletterID string
	destinationID              string // empty for what is the subscriber's own
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

// A change moves subscribers and deliveries from state to state in one transaction. What they change
// in the counts, and the event of each, are stored at its end.
type change struct {
	tx      *sql.Tx
	engine  engine
	counter counter
	at      int64
	actor   string // id of the user who did it, empty for Gatepost itself
	events  *set
	tally   tally
	deleted bool // the rows of somebody
}

func (d *base) newChange(tx *sql.Tx) *change {
	return &change{tx: tx, engine: d.engine, counter: d.counter, at: millis(d.now()), events: newEvents(), tally: newTally()}
}

func newEvents() *set {
	return newSet(text("id"), text("tenant_id"), text("subscriber_id"), text("destination_id"), integer("at"), text("state"), text("reason"), text("detail"), text("actor"))
}

// change runs fn, and stores the events and what changes in the counts.
func (d *base) change(ctx context.Context, tx *sql.Tx, fn func(*change) error) error {
	c := d.newChange(tx)
	if err := fn(c); err != nil {
		return err
	}
	return c.finish(ctx)
}

// finish stores the events, what changed in the counts, and that somebody's rows were deleted.
func (c *change) finish(ctx context.Context) error {
	if err := c.tell(ctx); err != nil {
		return err
	}
	if err := c.counter.store(ctx, c.tx, c.tally, c.at); err != nil || !c.deleted {
		return err
	}
	return noteCompaction(ctx, c.tx, notedErased, c.at)
}

// tell stores the events.
func (c *change) tell(ctx context.Context) error {
	for part := range c.events.parts() {
		with, args := part.with(c.engine)
		_, err := c.tx.ExecContext(ctx, with+`INSERT INTO events (id, tenant_id, subscriber_id, destination_id, at, state, reason, detail, actor)
			SELECT o.id, o.tenant_id, o.subscriber_id, o.destination_id, o.at, o.state, o.reason, o.detail, o.actor FROM o`, args...)
		if err != nil {
			return err
		}
	}
	c.events = newEvents()
	return nil
}

// places returns where those deliveries of some subscribers to a destination stand that are
// there.
func (c *change) places(ctx context.Context, key DestinationKey, of []string) (map[string]place, error) {
	found := make(map[string]place, len(of))
	for part := range idSet(of).in(key).parts() {
		with, args := part.with(c.engine)
		err := each(ctx, c.tx, func(row scanner) error {
			p, err := scanPlace(row)
			found[p.id] = p
			return err
		}, with+selectPlace+` FROM o JOIN deliveries d ON d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id = o.destination_id
			JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.id = o.id`, args...)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// selectPlace selects where a delivery d of the subscriber s stands.
const selectPlace = `SELECT s.id, s.tenant_id, d.destination_id, s.newsletter_id, s.created_at, d.state, d.reason, d.org_id, s.email_key`

func scanPlace(row scanner) (p place, err error) {
	err = row.Scan(&p.id, &p.tenantID, &p.destinationID, &p.newsletterID, &p.createdAt, &p.state, &p.reason, &p.orgID, &p.emailKey)
	p.emailKey = addressOf(p.emailKey)
	return p, err
}

// placesOf returns where all deliveries of a subscriber stand.
func placesOf(ctx context.Context, q rowsQueryer, tenantID, subscriberID string) ([]place, error) {
	return collect(ctx, q, scanPlace, selectPlace+` FROM subscribers s JOIN deliveries d ON d.tenant_id = s.tenant_id AND d.subscriber_id = s.id
		WHERE s.tenant_id = $1 AND s.id = $2 ORDER BY d.destination_id`, tenantID, subscriberID)
}

// update runs a statement on a set of a destination's, which returns the subscribers' ids of
// the deliveries that it changed. It returns which these were.
func (c *change) update(ctx context.Context, key DestinationKey, s *set, statement string, args ...any) (map[string]bool, error) {
	done := map[string]bool{}
	for part := range s.in(key).parts() {
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

// move counts that a subscriber or a delivery goes from one place to another. That is an
// event when the state changes, or there is another reason to wait.
func (c *change) move(from, to place, detail string) {
	if to.state != from.state || to.reason != from.reason && to.reason != "" {
		c.events.add(NewID(), to.tenantID, to.id, to.destinationID, c.at, string(to.state), to.reason, detail, c.actor)
	}
	c.shift(from, to)
}

// shift is move for what is told by an event of something else.
func (c *change) shift(from, to place) {
	c.tally.add(from, -1)
	c.tally.add(to, 1)
	if to.state != from.state {
		c.happened(to, to.state)
	}
}

// enter counts that a subscriber enters a destination.
func (c *change) enter(to place) {
	c.tally.add(to, 1)
	c.tally.entered[to.key()]++
}

func (p place) key() DestinationKey { return DestinationKey{p.tenantID, p.destinationID} }

// happened counts what happens when somebody gets into a state.
func (c *change) happened(of place, state State) {
	if kind := state.Info().Activity; kind != "" {
		c.tally.activity[activityKey{of.key(), kind}]++
	}
}
