package delivery

import (
	"context"
	"time"

	"gatepost/db"
)

// mostRest is the longest that a destination rests until it is looked at again: more may be due
// by then, and nobody need wait for others any more.
const mostRest = time.Second

// pace is what is remembered of a destination's last batch.
type pace struct {
	begun time.Time
	most  int // people that its CRM takes in one
}

// begins notes that a batch for a destination begins.
func (d *Dispatcher) begins(to db.DestinationKey, most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paces[to] = pace{time.Now(), most}
}

// early is how much too early it is for a destination's next batch, when one is to begin each
// so often, and how many people a full one has, which needn't wait.
func (d *Dispatcher) early(to db.DestinationKey, each time.Duration) (by time.Duration, full int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.paces[to]
	return max(0, each-time.Since(p.begun)), p.most
}

// wait is how long to rest until those who are due may be delivered, of whom first has been
// due for longest. Sign-ups wait for others to travel with when few API calls are left, and
// when a batch was begun just before; the latter not when a full one is due, so that a
// backlog isn't slowed down.
func (t *turn) wait(ctx context.Context, first db.Known) (time.Duration, error) {
	gather, err := t.gather(ctx)
	if err != nil {
		return 0, err
	}
	if few := gather - t.Now().Sub(first.DueAt); few > 0 {
		return min(few, mostRest), nil
	}
	early, full := t.early(t.lease.DestinationKey, t.set.Pace)
	if early == 0 {
		return 0, nil
	}
	t.limit = full
	b, err := t.read(ctx, nil)
	if err != nil || b.full {
		return 0, err
	}
	return min(early, mostRest), nil
}
