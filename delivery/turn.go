package delivery

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// errStopped ends a turn because the dispatcher is to end.
var errStopped = errors.New("stopped")

// turn is one destination's time with the dispatcher, under one lease.
type turn struct {
	*Dispatcher
	lease db.Lease
	stop  <-chan struct{} // closed when nothing new is to be begun
	crm   crm.CRM
	set   db.DeliverySettings
	pause db.Pause // the last one, which stays until a delivery succeeds
	limit int      // of the next batch

	batches int           // that may yet be begun
	rest    time.Duration // until the next turn, where one is wanted

	ahead     *batch       // the next one, looked up beside the last one
	unwritten []db.Outcome // that are to be written down
	last      []*person    // whose these are, of the last batch

	removals []db.RecordRemoval // that are due
	owes     bool               // leaving owes the CRM something that is due

	mapped *mapped // nil where nothing is set
	drifts int     // how often the CRM's fields may have changed

	// blamed is how many in a row were refused alone, with nobody delivered in between,
	// by whichever process.
	blamed int
}

// turn delivers what is to be delivered to a destination, and reports whether there is more,
// and how long that is to rest.
func (d *Dispatcher) turn(ctx context.Context, stop <-chan struct{}, to db.DestinationKey) (more bool, rest time.Duration) {
	t := &turn{Dispatcher: d, lease: db.Lease{DestinationKey: to, Owner: d.owner}, stop: stop}
	more, err := t.run(ctx)
	switch {
	case errors.Is(err, db.ErrNotFound):
		d.forget(to)
	case err != nil && !errors.Is(err, errStopped) && !errors.Is(err, db.ErrLost):
		d.Log.ErrorContext(ctx, "delivering was interrupted", "tenant", to.TenantID, "destination", to.DestinationID, "error", err)
	}
	return more, t.rest
}

func (t *turn) run(ctx context.Context) (more bool, err error) {
	if t.pause, err = t.Store.Pause(ctx, t.lease.DestinationKey); err != nil || t.Now().Before(t.pause.Until) {
		return false, err
	}
	due, err := t.Store.Due(ctx, t.lease.DestinationKey, 1)
	if err != nil {
		return false, err
	}
	if t.removals, err = t.Store.DueRemovals(ctx, t.lease.DestinationKey); err != nil {
		return false, err
	}
	optOuts, err := t.Store.DueOptOuts(ctx, t.lease.DestinationKey, 1)
	if t.owes = len(optOuts) > 0; err != nil || len(due)+len(t.removals)+len(optOuts) == 0 {
		return false, err
	}
	if t.set, err = t.Store.DeliverySettings(ctx, t.lease.DestinationKey); err != nil {
		return false, err
	}
	if len(t.removals) == 0 && !t.owes {
		if t.rest, err = t.wait(ctx, due[0]); err != nil || t.rest > 0 {
			return t.rest > 0, err
		}
	}
	if err := t.Store.TakeLease(ctx, t.lease); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, t.Store.ReleaseLease(context.WithoutCancel(ctx), t.lease)) }()

	ctx, cancel := context.WithCancelCause(ctx)
	keeping := make(chan struct{})
	go func() {
		defer close(keeping)
		lose := func() { cancel(db.ErrLost) } // without the lease, calls that are under way are cut off
		defer lose()
		t.keep(ctx, lose)
	}()
	defer func() { cancel(nil); <-keeping }()
	return t.drain(ctx)
}

// keep prolongs the lease until the context ends or the lease is lost. When it wasn't
// prolonged for as long as it lasts, since the database doesn't answer, it counts as lost,
// however long a call for it goes on.
func (t *turn) keep(ctx context.Context, lose func()) {
	tick := time.NewTicker(db.LeaseTime / 4)
	defer tick.Stop()
	lost := time.AfterFunc(db.LeaseTime, lose)
	defer lost.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := time.Now()
		switch err := t.Store.KeepLease(ctx, t.lease); {
		case errors.Is(err, db.ErrLost):
			return
		case err == nil:
			lost.Reset(max(0, db.LeaseTime-time.Since(before)))
		}
	}
}

// sortFound returns those of whom something is to be written, and what became of
// the others: who is in the CRM as they should be is delivered, who may get there by an
// earlier write whose outcome is not known waits for that, and of who has left it is known
// what became of theirs. What has settled since the look-up began may not have been seen by it.
func (t *turn) sortFound(b *batch) (left []*person, outcomes []db.Outcome) {
	for _, p := range b.people {
		records := b.found[p.key]
		p.looked = b.looked
		p.optedOut = t.optedOut(records)
		outcomes = t.lookedUp(outcomes, p, records)
		switch {
		case len(p.due) == 0:
		case len(records) > 1 && t.set.Several == db.SeveralAttention:
			outcomes = p.becomes(outcomes, db.Outcome{State: db.Attention, Reason: crm.Several})
		case len(records) > 0:
			any := p.change(records[0], t.set.One)
			t.apply(p, mapping.Record{Own: records[0].Own, Written: p.writtenIn(records[0])})
			any = any || len(p.write.Own) > 0
			switch {
			case b.looked.Before(p.settlesAt) && (any || p.newer): // or an older change might come after it
				outcomes = p.becomes(outcomes, p.settling())
			case any:
				left = append(left, p)
			default:
				outcomes = p.becomes(outcomes, t.delivered(p, records[0].ID))
			}
		case b.looked.Before(p.settlesAt):
			outcomes = p.becomes(outcomes, p.settling())
		default:
			p.make(t.placeholder())
			if o, held := t.held(p); held {
				outcomes = p.becomes(outcomes, o)
				continue
			}
			t.apply(p, mapping.Record{New: true})
			left = append(left, p)
		}
	}
	return left, outcomes
}

// lookedUp adds what became of the writes that were out for those who left: by now they
// have taken effect, or never will.
func (t *turn) lookedUp(outcomes []db.Outcome, p *person, records []crm.Record) []db.Outcome {
	o := db.Outcome{State: db.Waiting}
	if len(records) > 0 {
		p.placeholders, p.before = p.placeholdersIn(records[0]), p.writtenIn(records[0])
		o = t.delivered(p, records[0].ID)
	}
	return p.outcomeOf(outcomes, p.left, o)
}

// optedOut is what the records of somebody say of e-mail, by newsletters. The first one counts.
func (t *turn) optedOut(records []crm.Record) map[string]db.OptedOut {
	if len(records) == 0 {
		return nil
	}
	of := map[string]db.OptedOut{}
	for newsletter, subscription := range t.set.OnLeaving.Subscriptions {
		if slices.Contains(records[0].OptedOutOf, subscription) {
			of[newsletter] = db.OptedOutOfOne
		}
	}
	if records[0].OptedOut {
		of[""] = db.OptedOutOfAll
	}
	return of
}

func (t *turn) delivered(p *person, recordID string) db.Outcome {
	to := t.crm.Target()
	return db.Outcome{State: db.Delivered, RecordID: recordID, LookedAt: p.looked, OrgID: to.OrgID, InstanceURL: to.InstanceURL, Placeholders: p.placeholders, Written: p.before, Without: p.without, Detail: p.applied.Note()}
}

// sent deals with what the CRM answered to a write, and reports whether to go on.
func (t *turn) sent(ctx context.Context, people []*person, results []crm.Result, settle time.Duration) (goOn bool, err error) {
	everybody, err := t.everybody(ctx, people, results)
	if err != nil {
		return false, err
	}
	again, stop, err := t.changedFor(ctx, results)
	if err != nil {
		return false, err
	}
	outcomes, stopper, shared := t.sortResults(people, results, everybody, settle)
	t.unwritten = append(t.unwritten, outcomes...)
	t.last = people
	if stopper == nil {
		stopper = stop
	}
	if stopper != nil || shared > 0 || again {
		t.ahead = nil
	}
	if t.ahead == nil {
		if err := t.writeDown(ctx); err != nil {
			return false, err
		}
	}
	if err := t.noteBlame(ctx, outcomes); err != nil {
		return false, err
	}
	if stopper != nil {
		return false, t.hold(ctx, stopper, t.pause.Batch)
	}
	if shared > 0 {
		t.limit = max(1, shared/5)
		return true, nil
	}
	return true, t.succeeded(ctx)
}

// find calls the CRM's Find, for a limited time.
func (t *turn) find(ctx context.Context, people []*person) (map[string][]crm.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, t.CallTime)
	defer cancel()
	return t.crm.Find(ctx, addresses(people), t.options())
}

func (t *turn) options() crm.Options {
	return crm.Options{OptOuts: true, Subscriptions: slices.Sorted(maps.Values(t.set.OnLeaving.Subscriptions)), Leads: t.set.Leads, Key: t.set.Key, SaveDuplicates: t.set.SaveDuplicates, Placeholder: t.placeholder(), Read: t.reads()}
}

// reads are the CRM's own fields of which it must be known what they hold.
func (t *turn) reads() map[string]crm.ValueType {
	if t.mapped == nil {
		return nil
	}
	return t.mapped.read
}

// placeholder is the last name of who gave none.
func (t *turn) placeholder() string { return cmp.Or(t.set.Placeholder, db.DefaultPlaceholder) }

// send calls the CRM's Write, for a limited time.
func (t *turn) send(ctx context.Context, people []*person) ([]crm.Result, *crm.Failure) {
	ctx, cancel := context.WithTimeout(ctx, t.CallTime)
	defer cancel()
	results, err := t.crm.Write(ctx, writes(people), t.options())
	switch {
	case err != nil:
		return nil, crm.Failed(err)
	case len(results) != len(people):
		return nil, &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}
	}
	return results, nil
}

// sortResults returns what became of each person, and the failure that stops the
// whole destination, if one does: see stops. shared is how many are refused for what one of them is to blame for:
// they keep their places, and a smaller batch finds out who that is, unless it is
// everybody.
func (t *turn) sortResults(people []*person, results []crm.Result, everybody bool, settle time.Duration) (outcomes []db.Outcome, stopper *crm.Failure, shared int) {
	stopper = stops(results, everybody)
	for i, r := range results {
		if r.Err == nil && r.ID != "" {
			people[i].written()
			o := t.delivered(people[i], r.ID)
			o.Made = r.Made
			outcomes = people[i].becomes(outcomes, o)
			continue
		}
		f := failureOf(r)
		if r.ID != "" {
			outcomes = people[i].becomes(outcomes, t.unfinished(people[i], r, f, settle))
			continue
		}
		if f.Class == tryAgain || f.Shared && !everybody {
			outcomes = people[i].becomes(outcomes, db.Outcome{State: db.Waiting})
			shared += bit(f.Class != tryAgain)
			continue
		}
		own := stopper == nil || f.Class == crm.Passing
		outcomes = people[i].becomes(outcomes, t.refused(people[i], f, settle, own))
	}
	return outcomes, stopper, shared
}

// tryAgain is the class of what is put in the place of a failure when the CRM's fields turned out to
// have changed: who failed is tried again, in the way that they ask for now.
const tryAgain crm.Class = "try again"

// changedFor looks whether the CRM's fields have changed, where results say that they may have, and
// has those tried again then who failed for it. stop is why the fields couldn't be read.
func (t *turn) changedFor(ctx context.Context, results []crm.Result) (again bool, stop *crm.Failure, err error) {
	asked := map[string]bool{}
	for _, r := range results {
		f := failureOf(r)
		if r.Err == nil || !f.Changed || f.Unknown || asked[f.Code+"\n"+f.Field] || stop != nil {
			continue
		}
		asked[f.Code+"\n"+f.Field] = true
		changed, failed, err := t.drifted(ctx, f)
		if err != nil {
			return false, nil, err
		}
		again, stop = again || changed, failed
	}
	for i, r := range results {
		if f := failureOf(r); r.Err != nil && r.ID == "" && f.Changed && !f.Unknown && (again || stop != nil) {
			results[i].Err = &crm.Failure{Class: tryAgain, Code: f.Code}
		}
	}
	return again, stop, nil
}

// stops returns the failure for which the whole destination stops, nil when it needn't: that
// of a connection always, which outranks any other; a pause when nobody got through;
// and what passes of a record alone when several have it, and nobody got through.
// Those of whom one is to blame for all say nothing yet.
func stops(results []crm.Result, everybody bool) (stopper *crm.Failure) {
	passed := false
	for _, r := range results {
		switch f := failureOf(r); {
		case r.Err != nil && f.Shared && !everybody:
		case r.ID != "" || f.Class == crm.Recorded || f.Class == tryAgain:
			passed = true
		case stopper == nil || ranks[f.Class] > ranks[stopper.Class]:
			stopper = f
		}
	}
	switch {
	case stopper == nil || stopper.Class == crm.Connection:
		return stopper
	case passed || stopper.Class == crm.Passing && len(results) == 1:
		return nil
	}
	return stopper
}

// ranks are the classes that can stop a destination, the one that outranks the others last.
var ranks = map[crm.Class]int{crm.Passing: 1, crm.Pause: 2, crm.Connection: 3}

// mostBlamed is how many in a row may be found to be to blame, by smaller and smaller
// batches, until it may be everybody: to look for each would spend all API calls.
const mostBlamed = 3

// everybody reports whether a part of a call was refused for everybody's sake: many
// in a row were to blame, and the last of those who were refused now is as well, when
// asked for alone. What becomes of that one is put in the results.
func (t *turn) everybody(ctx context.Context, people []*person, results []crm.Result) (bool, error) {
	last := len(results) - 1
	for last >= 0 && (results[last].Err == nil || !failureOf(results[last]).Shared) {
		last--
	}
	if last < 0 || t.blamed < mostBlamed {
		return false, nil
	}
	one := people[last : last+1]
	if err := t.Store.MarkSent(ctx, t.lease, sendings(one), t.Now().Add(t.crm.Provider().Settles.Of(1))); err != nil {
		return false, err
	}
	alone, refused := t.send(ctx, one)
	if refused != nil {
		alone = []crm.Result{{Err: refused}}
	}
	results[last] = alone[0]
	return alone[0].Err != nil && failureOf(alone[0]).Class == crm.Recorded, nil
}

// noteBlame counts those who were refused alone.
func (t *turn) noteBlame(ctx context.Context, outcomes []db.Outcome) error {
	before := t.blamed
	t.blamed = blamedAfter(before, outcomes)
	if t.blamed == before {
		return nil
	}
	return t.Store.SetBlamed(ctx, t.lease, t.blamed)
}

// blamedAfter is how many in a row were refused alone, after so many before.
func blamedAfter(before int, outcomes []db.Outcome) int {
	switch {
	case slices.ContainsFunc(outcomes, func(o db.Outcome) bool { return o.State == db.Delivered }):
		return 0
	case len(outcomes) == 1 && outcomes[0].State == db.Attention:
		return before + 1
	}
	return before
}

// failureOf is the failure of one record. One that names neither an id nor an
// error may have been made or not.
func failureOf(r crm.Result) *crm.Failure {
	if r.Err != nil {
		return crm.Failed(r.Err)
	}
	return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}
}

// refused is what a failed write of one record means for its person. Whose record
// is there already is delivered, though a change of it was refused, unless it was
// deleted in the meantime; whose new record is there by now is looked up. own says that the failure is not everybody's.
func (t *turn) refused(p *person, f *crm.Failure, settle time.Duration, own bool) db.Outcome {
	gone, exists := p.write.ID != "" && f.Code == crm.Gone, p.write.ID == "" && f.Code == crm.Exists
	if (gone || exists) && !f.Unknown {
		f, own = &crm.Failure{Class: crm.Passing, Code: f.Code, Match: f.Match}, true
	}
	o := t.notDone(f, p, settle, own)
	if o.State == db.Attention && p.write.ID != "" && f.Code != crm.Gone && !f.Unknown {
		o = t.delivered(p, p.write.ID)
		o.Detail = "The names were not changed (" + f.Code + "). " + f.Detail
		if len(p.write.Own) > 0 {
			o.Detail = "The record was not changed (" + f.Code + "). " + f.Detail
		}
	}
	return o
}

// unfinished is what it means for a person that their record was written, but not all was done with
// it: that is tried again, and in the end left, since the record is there.
func (t *turn) unfinished(p *person, r crm.Result, f *crm.Failure, settle time.Duration) db.Outcome {
	p.written()
	done := t.delivered(p, r.ID)
	done.Made = r.Made
	o := t.notDone(f, p, settle, true)
	if o.State == db.Attention || f.Class == crm.Recorded {
		done.Detail = "Not all was done with the record (" + f.Code + "). " + f.Detail
		return done
	}
	done.Written = p.applied.Unfinished(p.before, f.Field)
	done.State, done.Reason, done.Detail, done.Refusals = o.State, o.Reason, o.Detail, o.Refusals
	done.SettlesAt = t.Now().Add(settle) // until then a look-up may not find it yet
	done.DueAt = o.DueAt
	if done.DueAt.Before(done.SettlesAt) {
		done.DueAt = done.SettlesAt
	}
	return done
}

// notDone is what a failed write means for a person. What passes is tried again, later
// and later where it is the person's own, and at last needs somebody: nobody waits for
// ever in silence.
func (t *turn) notDone(f *crm.Failure, p *person, settle time.Duration, own bool) db.Outcome {
	now := t.Now()
	o := db.Outcome{State: db.Waiting, Reason: f.Code, Detail: f.Detail, DueAt: now.Add(max(backoff(p.attempts), f.Wait))}
	if f.Unknown { // look it up first, soon
		o.DueAt, o.SettlesAt = now.Add(backoff(p.attempts)), now.Add(settle)
	}
	switch most := cmp.Or(f.Tries, crm.MostTries); {
	case f.Class == crm.Recorded && !f.Unknown, own && p.refusals+1 >= most:
		o.State, o.DueAt = db.Attention, time.Time{}
		if f.Match != "" {
			o.MatchID, o.InstanceURL = f.Match, t.crm.Target().InstanceURL
		}
	case own:
		o.Refusals = p.refusals + 1
		o.DueAt = now.Add(max(ownBackoff(p.refusals), f.Wait))
	}
	return o
}

// callNotDone is what a write that failed as a whole means for each of the
// people. The destination's pause decides when they are tried again, except that one
// who was alone may be the cause, and lets the others go first.
func (t *turn) callNotDone(f *crm.Failure, people []*person, settle time.Duration) db.Outcome {
	alone := len(people) == 1
	o := t.notDone(f, people[0], settle, alone && f.Class == crm.Passing)
	if !alone || !f.Unknown && f.Class != crm.Passing {
		o.DueAt = time.Time{}
	}
	return o
}

// failed deals with a call that failed as a whole. outcome is what it means for
// each of the people, nothing when it was no write.
//
// A failure that is a record's own, but of which record nobody knows, is narrowed
// down: the batch shrinks until it is one.
func (t *turn) failed(ctx context.Context, f *crm.Failure, people []*person, outcome db.Outcome) (goOn bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // we cut it off: that says nothing about the CRM
	}
	if f.Changed && !f.Unknown {
		again, stop, err := t.drifted(ctx, f)
		switch {
		case err != nil:
			return false, err
		case again || stop != nil:
			return again, t.fieldsChanged(ctx, stop, people, outcome)
		}
	}
	narrow := f.Class == crm.Recorded && !f.Unknown
	if narrow && len(people) == 1 {
		outcome = db.Outcome{State: db.Attention, Reason: f.Code, Detail: f.Detail}
	} else if narrow && outcome.State != "" {
		outcome = db.Outcome{State: db.Waiting}
	}
	if outcome.State != "" {
		var outcomes []db.Outcome
		for _, p := range people {
			outcomes = p.becomes(outcomes, outcome)
			if outcome.State == db.Attention { // a look-up would fail so for ever
				outcomes = p.outcomeOf(outcomes, p.left, outcome)
			}
		}
		t.unwritten = append(t.unwritten, outcomes...)
	}
	if err := t.writeDown(ctx); err != nil {
		return false, err
	}
	fifth := max(1, len(people)/5)
	if narrow && len(people) > 1 {
		t.limit = fifth
		return true, nil
	}
	if f.Unknown || f.Code == crm.TimedOut {
		return false, t.hold(ctx, f, fifth)
	}
	return false, t.hold(ctx, f, t.pause.Batch)
}

// fieldsChanged has people tried again whose call failed since the CRM's fields have changed: at
// once, or when the fields, which couldn't be read for the failure stop, can be. outcome is that of failed.
func (t *turn) fieldsChanged(ctx context.Context, stop *crm.Failure, people []*person, outcome db.Outcome) error {
	if outcome.State != "" {
		for _, p := range people {
			t.unwritten = p.becomes(t.unwritten, db.Outcome{State: db.Waiting})
		}
	}
	if err := t.writeDown(ctx); err != nil || stop == nil {
		return err
	}
	return t.hold(ctx, stop, t.pause.Batch)
}

// hold pauses the destination.
func (t *turn) hold(ctx context.Context, f *crm.Failure, batch int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.Code != t.pause.Reason { // else it was said when it began
		t.Log.WarnContext(ctx, "delivering pauses", "tenant", t.lease.TenantID, "destination", t.lease.DestinationID, "class", string(f.Class), "code", f.Code)
	}
	tries := t.pause.Tries
	if !f.Uncalled {
		tries++
	}
	return t.Store.SetPause(ctx, t.lease, db.Pause{
		Reason: f.Code, Detail: f.Detail, Tries: tries, Batch: batch,
		Until: t.Now().Add(pauseFor(f, t.pause.Tries)),
	})
}

// succeeded ends the pause that came before, and lets the batches grow again.
func (t *turn) succeeded(ctx context.Context) error {
	t.limit = min(t.limit*5, t.crm.Provider().Batch)
	if t.pause.Reason == "" {
		return nil
	}
	t.Log.InfoContext(ctx, "delivering goes on", "tenant", t.lease.TenantID, "destination", t.lease.DestinationID, "after", t.pause.Reason, "tries", t.pause.Tries)
	t.pause = db.Pause{}
	return t.Store.EndPause(ctx, t.lease.DestinationKey)
}

func (t *turn) stopped() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}
