package delivery

import (
	"context"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// spareFor is how long nothing is sent, when the share of the org's API calls that
// the tenant allows is used, until somebody is sent to look whether there are more.
const spareFor = 5 * time.Minute

// usageEvery is how often what a CRM says of its API calls is written down.
const usageEvery = 10 * time.Second

// spare reports whether nothing is to be sent now, since as many of the CRM's
// API calls are used as the tenant allows; then the destination is paused.
func (t *turn) spare(ctx context.Context) (bool, error) {
	if spent, err := t.spent(ctx); err != nil || !spent {
		return false, err
	}
	return true, t.hold(ctx, &crm.Failure{Class: crm.Pause, Code: crm.Spared, Wait: spareFor}, t.pause.Batch)
}

// spent reports whether as much of one of the CRM's limits is used as the tenant allows.
func (t *turn) spent(ctx context.Context) (bool, error) {
	limits := t.crm.Limits()
	if reached := slices.ContainsFunc(limits, t.reached); reached || limits[0].Known {
		return reached, nil
	}
	u, err := t.Store.Usage(ctx, t.lease.DestinationKey)
	return t.reached(crm.LimitState{Used: u.Used, Allowed: u.Allowed, Known: t.Now().Sub(u.At) < spareFor}), err
}

// reached reports whether as much of a limit is used as the tenant allows.
func (t *turn) reached(l crm.LimitState) bool {
	return l.Known && l.Allowed > 0 && l.Used*100 >= l.Allowed*t.set.Share
}

// gatherMost is the longest that sign-ups are gathered before they are sent.
const gatherMost = time.Minute

// gather is how long a sign-up waits for others to travel with. That is not at
// all until half of the tenant's share of the API calls is used, and from there on
// grows with it: fewer and fuller calls are made, the fewer are left.
func (t *turn) gather(ctx context.Context) (time.Duration, error) {
	u, err := t.Store.Usage(ctx, t.lease.DestinationKey)
	share := u.Allowed * t.set.Share / 100
	if err != nil || share <= 0 || t.Now().Sub(u.At) >= spareFor {
		return 0, err
	}
	over := time.Duration(min(u.Used, share)*2 - share)
	return max(0, gatherMost*over/time.Duration(share)), nil
}

// usage is what is yet to be written down of a destination's API calls.
type usage struct {
	at    time.Time // when some was
	calls int       // made by us since
}

// keepUsage writes down what the CRM said of its API calls, and how many we made,
// now and then. A process that is killed forgets what it made since.
func (t *turn) keepUsage(ctx context.Context) {
	l := t.crm.Limits()[0]
	calls, due := t.usageDue(t.lease.DestinationKey, t.crm.Calls(), l.Known, t.reached(l))
	if !due {
		return
	}
	if err := t.Store.SaveUsage(context.WithoutCancel(ctx), t.lease.DestinationKey, l.Used, l.Allowed, calls); err != nil {
		t.Log.ErrorContext(ctx, "what the CRM said of its API calls can't be written down", "tenant", t.lease.TenantID, "destination", t.lease.DestinationID, "error", err)
	}
}

// usageDue adds to the calls that we made for a destination, and reports whether what
// is known is to be written down now, and how many calls there are then.
func (d *Dispatcher) usageDue(to db.DestinationKey, made int, known, pressing bool) (calls int, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.usages[to]
	u.calls += made
	if due = known && (pressing || time.Since(u.at) >= usageEvery); due {
		calls, u = u.calls, usage{at: time.Now()}
	}
	d.usages[to] = u
	return calls, due
}
