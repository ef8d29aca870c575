package delivery

import (
	"context"
	"slices"
	"sync"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// turnBatches is how many batches are delivered to a destination until the others had
// their turn.
const turnBatches = 10

// batch is some people who are delivered together.
type batch struct {
	people []*person
	held   []*person // who wait for want of a required field, as they did before
	full   bool      // as many are due as a batch may have, so that more may be
	looked time.Time // when the look-up began
	found  map[string][]crm.Record
	err    error // of the look-up
}

// drain delivers batch after batch.
func (t *turn) drain(ctx context.Context) (more bool, err error) {
	t.crm, err = t.Connect(ctx, t.lease.DestinationKey)
	if err != nil {
		return false, t.hold(ctx, crm.Failed(err), t.pause.Batch)
	}
	t.limit = t.crm.Provider().Batch
	if t.pause.Batch > 0 {
		t.limit = min(t.limit, t.pause.Batch)
	}
	if stop, err := t.loadMapping(ctx); err != nil || stop != nil {
		return false, t.stopFor(ctx, stop, err)
	}
	if t.blamed, err = t.Store.Blamed(ctx, t.lease.DestinationKey); err != nil {
		return false, err
	}
	defer t.keepUsage(ctx)
	if goOn, err := t.remove(ctx); err != nil || !goOn {
		return false, err
	}
	if goOn, err := t.payOptOuts(ctx); err != nil || !goOn {
		return false, err
	}
	defer func() { // what is known is written down, however the turn ends
		if unwritten := t.writeDown(ctx); err == nil {
			err = unwritten
		}
	}()
	for t.batches = turnBatches; t.batches > 0; t.batches-- {
		b, err := t.next(ctx)
		if err != nil || b == nil {
			return t.rest > 0, err
		}
		if goOn, err := t.deliver(ctx, b); err != nil || !goOn {
			return false, err
		}
	}
	return true, nil
}

// next returns the next batch with what was found of it; nil when there is none now.
func (t *turn) next(ctx context.Context) (*batch, error) {
	if spare, err := t.spare(ctx); spare || err != nil {
		return nil, err
	}
	if b := t.ahead; b != nil {
		t.ahead = nil
		return b, nil
	}
	if err := t.writeDown(ctx); err != nil { // or they would still be due
		return nil, err
	}
	b, err := t.read(ctx, nil)
	if err != nil || len(b.people)+len(b.held) == 0 {
		return nil, err
	}
	if early, _ := t.early(t.lease.DestinationKey, t.set.Pace); early > 0 && !b.full {
		t.rest = min(early, mostRest)
		return nil, nil
	}
	if t.stopped() {
		return nil, errStopped
	}
	t.lookUp(ctx, b)
	return b, nil
}

// read returns those whose turn it is, except people who are busy: what becomes of them is
// not written down yet, so that they are still due, and whoever shares their address waits.
func (t *turn) read(ctx context.Context, busy []*person) (*batch, error) {
	out, limit := map[string]bool{}, t.limit
	for _, p := range busy {
		out[p.key] = true
		limit += len(p.due) + len(p.left)
	}
	known, err := t.Store.Due(ctx, t.lease.DestinationKey, limit)
	if err != nil {
		return nil, err
	}
	known = slices.DeleteFunc(known, func(k db.Known) bool { return out[k.EmailKey] })
	due := 0
	for _, k := range known {
		if k.Due {
			due++
		}
	}
	b := &batch{full: due >= t.limit}
	for _, p := range group(known) {
		switch {
		case t.waitsForField(p):
			b.held = append(b.held, p)
		case len(b.people) < t.limit:
			b.people = append(b.people, p)
		}
	}
	return b, nil
}

// lookUp asks the CRM for the records of a batch, which begins with that.
func (t *turn) lookUp(ctx context.Context, b *batch) {
	if len(b.people) == 0 {
		return
	}
	t.begins(t.lease.DestinationKey, t.crm.Provider().Batch)
	b.looked = t.Now()
	b.found, b.err = t.find(ctx, b.people)
}

// deliver tries one batch, and reports whether to go on with the next.
func (t *turn) deliver(ctx context.Context, b *batch) (goOn bool, err error) {
	if t.stopped() {
		return false, errStopped
	}
	if b.err != nil {
		return t.failed(ctx, crm.Failed(b.err), b.people, db.Outcome{})
	}
	left, outcomes := t.sortFound(b)
	for _, p := range b.held {
		if o, held := t.held(p); held {
			outcomes = p.becomes(outcomes, o)
		}
	}
	settle := t.crm.Provider().Settles.Of(len(left))
	t.unwritten = append(t.unwritten, outcomes...)
	results, refused, err := t.step(ctx, b, left, settle)
	switch {
	case err != nil:
		return false, err
	case refused != nil:
		return t.failed(ctx, refused, left, t.callNotDone(refused, left, settle))
	case len(left) > 0:
		return t.sent(ctx, left, results, settle)
	case slices.ContainsFunc(outcomes, func(o db.Outcome) bool { return o.State == db.Delivered }):
		return true, t.succeeded(ctx)
	}
	return true, nil // they only wait
}

// step does side by side what needn't wait for each other: it sends what is left to write of
// a batch, writes down what became of the one before, and looks up the next one. That a write
// is sent is written down first, under the lease. refused is why the CRM did nothing, or may
// not have; then, and after an error, the next batch was looked up in vain.
func (t *turn) step(ctx context.Context, b *batch, left []*person, settle time.Duration) (results []crm.Result, refused *crm.Failure, err error) {
	calls, cut := context.WithCancel(ctx)
	defer cut()
	var beside sync.WaitGroup
	defer beside.Wait()
	var ahead *batch
	if t.looksAhead(b) {
		busy := slices.Concat(t.last, b.people, b.held)
		beside.Go(func() { ahead = t.lookAhead(calls, busy) })
	}
	if len(left) > 0 {
		if err := t.Store.MarkSent(ctx, t.lease, sendings(left), t.Now().Add(settle)); err != nil {
			cut()
			return nil, nil, err
		}
	}
	beside.Go(func() {
		if err = t.writeDown(ctx); err != nil { // it may be the lease that is lost
			cut()
		}
	})
	if len(left) > 0 {
		if results, refused = t.send(calls, left); refused != nil {
			cut()
		}
	}
	beside.Wait()
	if err == nil && refused == nil {
		t.ahead = ahead
	}
	return results, refused, err
}

// looksAhead reports whether the next batch may be looked up while b is written: more are
// due, and nothing is wrong, so that the next one doesn't depend on what becomes of b.
func (t *turn) looksAhead(b *batch) bool {
	return b.full && t.batches > 1 && t.pause.Reason == "" && t.blamed == 0 && t.limit == t.crm.Provider().Batch
}

// lookAhead looks up a full batch of people who aren't busy; nil when there is none, or it
// is not to be looked up now.
func (t *turn) lookAhead(ctx context.Context, busy []*person) *batch {
	if spare, err := t.spent(ctx); spare || err != nil {
		return nil
	}
	b, err := t.read(ctx, busy)
	if err != nil || !b.full { // whoever reads next is told
		return nil
	}
	t.lookUp(ctx, b)
	return b
}

// writeDown stores what is known of the last batch and isn't yet stored.
func (t *turn) writeDown(ctx context.Context) error {
	if len(t.unwritten) == 0 {
		return nil
	}
	outcomes := t.unwritten
	t.unwritten, t.last = nil, nil
	err := t.Store.RecordOutcomes(ctx, t.lease, outcomes)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // we cut it off
	}
	return err
}
