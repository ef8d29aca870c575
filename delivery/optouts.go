package delivery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// payOptOuts does in the CRM what leaving and coming back owe it, and reports whether to go on with
// deliveries. Nobody else writes to the CRM for the destination meanwhile: we hold its lease. What was
// interrupted is done again, which changes nothing where it was done. One that fails for what it has alone is put off and
// keeps nobody waiting.
func (t *turn) payOptOuts(ctx context.Context) (goOn bool, err error) {
	if !t.owes {
		return true, nil
	}
	for range turnBatches {
		if t.stopped() {
			return false, errStopped
		}
		if spare, err := t.spare(ctx); spare || err != nil {
			return false, err
		}
		due, err := t.Store.DueOptOuts(ctx, t.lease.DestinationKey, t.crm.Provider().Batch)
		if err != nil || len(due) == 0 {
			return err == nil, err
		}
		if goOn, err := t.payBatch(ctx, due); err != nil || !goOn {
			return false, err
		}
	}
	return true, nil
}

// payBatch does some of what is owed.
func (t *turn) payBatch(ctx context.Context, due []db.OptOut) (goOn bool, err error) {
	begun, err := t.Store.BeginOptOuts(ctx, t.lease, oneWay(due), t.crm.Target().OrgID)
	if err != nil {
		return false, err
	}
	p := &payment{turn: t}
	for i := range begun {
		p.all = append(p.all, &begun[i])
	}
	p.setMarks(ctx)
	p.fillFields(ctx)
	if p.err != nil {
		return false, p.err
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // we cut it off: that says nothing about the CRM
	}
	if err := t.Store.EndOptOuts(ctx, t.lease, begun); err != nil {
		return false, err
	}
	switch {
	case p.stop != nil:
		return false, t.hold(ctx, p.stop, t.pause.Batch)
	case p.answered:
		return true, t.succeeded(ctx)
	}
	return true, nil
}

// oneWay leaves those out that take back what others of them set: they have their turn after that.
func oneWay(due []db.OptOut) []db.OptOut {
	set := map[mark]bool{}
	for _, o := range due {
		if o.What == db.OptOutAll || o.What == db.OptOutOne {
			set[mark{o.RecordID, o.Subscription}] = true
		}
	}
	return slices.DeleteFunc(due, func(o db.OptOut) bool {
		return o.What == db.OptOutBack && set[mark{o.RecordID, o.Subscription}]
	})
}

// mark is one of a record's.
type mark struct{ record, subscription string }

// payment is what is done of a batch of what is owed.
type payment struct {
	*turn
	all      []*db.OptOut
	stop     *crm.Failure // why nothing can be done for anybody now
	answered bool         // the CRM did something
	err      error        // of ours
}

// of are those that are yet to be done, of some kinds.
func (p *payment) of(kinds ...db.OptOutKind) (all []*db.OptOut) {
	for _, o := range p.all {
		if slices.Contains(kinds, o.What) && o.Outcome == "" {
			all = append(all, o)
		}
	}
	return all
}

// setMarks sets the marks of records, and takes them back. One whose record isn't there is
// looked for by the address: it may have become another one, as a lead becomes a contact.
func (p *payment) setMarks(ctx context.Context) {
	keeps := p.crm.Provider().OptOuts
	for _, o := range p.of(db.OptOutAll, db.OptOutOne, db.OptOutBack) {
		switch {
		case keeps == nil:
			o.Outcome = db.OptOutNothing
		case keeps.Lasting && o.What == db.OptOutBack && o.Subscription == "":
			o.Outcome, o.Code = db.OptOutRefused, crm.NoOptOut
		}
	}
	gone := p.askFor(ctx, p.of(db.OptOutAll, db.OptOutOne, db.OptOutBack))
	if len(gone) == 0 || p.stop != nil {
		return
	}
	found, err := p.findOf(ctx, gone)
	if err != nil {
		p.failed(ctx, gone, crm.Failed(err))
		return
	}
	var moved []*db.OptOut
	for _, o := range gone {
		if records := found[o.EmailKey]; len(records) > 0 {
			o.RecordID, moved = records[0].ID, append(moved, o)
		} else {
			o.Outcome = db.OptOutGone
		}
	}
	for _, o := range p.askFor(ctx, moved) {
		o.Outcome = db.OptOutGone
	}
}

// findOf looks the addresses up of those who are owed something.
func (p *payment) findOf(ctx context.Context, all []*db.OptOut) (map[string][]crm.Record, error) {
	var people []*person
	for _, o := range all {
		if !slices.ContainsFunc(people, func(one *person) bool { return one.key == o.EmailKey }) {
			people = append(people, &person{key: o.EmailKey})
		}
	}
	return p.find(ctx, people)
}

// mostSplits is how often a call that was refused for somebody's sake is halved to find out for whose.
const mostSplits = 20

// askFor has the CRM set the marks of some, or take them back, each mark once, and returns those whose record it
// hasn't got.
func (p *payment) askFor(ctx context.Context, due []*db.OptOut) (gone []*db.OptOut) {
	byMark, marks := map[mark][]*db.OptOut{}, []mark{}
	for _, o := range due {
		m := mark{o.RecordID, o.Subscription}
		if byMark[m] == nil {
			marks = append(marks, m)
		}
		byMark[m] = append(byMark[m], o)
	}
	work := slices.Collect(slices.Chunk(marks, p.crm.Provider().Batch))
	for splits := 0; len(work) > 0 && p.stop == nil; {
		some := work[0]
		work = work[1:]
		var of []*db.OptOut
		wishes := make([]crm.OptOut, len(some))
		for i, m := range some {
			of = append(of, byMark[m]...)
			wishes[i] = crm.OptOut{ID: m.record, Subscription: m.subscription, Back: byMark[m][0].What == db.OptOutBack}
		}
		results, f := p.setOptOuts(ctx, wishes)
		switch {
		case f != nil && f.Class == crm.Recorded && !f.Unknown && len(some) > 1 && splits < mostSplits:
			work = append(work, some[:len(some)/2], some[len(some)/2:])
			splits++
		case f != nil:
			p.failed(ctx, of, f)
		default:
			for i, m := range some {
				gone = append(gone, p.told(ctx, byMark[m], results[i])...)
			}
		}
	}
	return gone
}

// setOptOuts calls the CRM's SetOptOuts, for a limited time.
func (p *payment) setOptOuts(ctx context.Context, wishes []crm.OptOut) ([]crm.OptOutResult, *crm.Failure) {
	ctx, cancel := context.WithTimeout(ctx, p.CallTime)
	defer cancel()
	results, err := p.crm.SetOptOuts(ctx, wishes)
	switch {
	case err != nil:
		return nil, crm.Failed(err)
	case len(results) != len(wishes):
		return nil, &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}
	}
	return results, nil
}

// told notes what the CRM said of those with one mark, and returns them where it hasn't got their record.
func (p *payment) told(ctx context.Context, of []*db.OptOut, r crm.OptOutResult) (gone []*db.OptOut) {
	f, _ := errors.AsType[*crm.Failure](r.Err)
	switch {
	case f != nil && f.Code == crm.Gone && !f.Unknown:
		return of
	case r.Err != nil:
		p.failed(ctx, of, crm.Failed(r.Err))
		return nil
	}
	p.answered = true
	for _, o := range of {
		o.Outcome, o.Ours = db.OptOutSet, !r.Was
		if r.Was && !o.Unsure { // else it may have been us
			o.Outcome = db.OptOutWas
		}
	}
	return nil
}

// failed deals with those that couldn't be done. What is everybody's holds the destination, and doesn't count
// for them. What is a record's own puts it off, later and later, and after many tries it is given up.
// What somebody has to mend in the CRM is tried again likewise: a mark that can't be set today may
// be set tomorrow, and somebody's wish to get no e-mail isn't dropped for that.
func (p *payment) failed(ctx context.Context, of []*db.OptOut, f *crm.Failure) {
	if p.stop = p.outage(ctx, of[0].EmailKey, f); ctx.Err() != nil {
		return
	}
	for _, o := range of {
		o.Code, o.Detail = f.Code, f.Detail
		o.Unsure = f.Unknown
		if p.stop != nil {
			o.DueAt = p.Now()
			continue
		}
		o.DueAt = p.Now().Add(max(ownBackoff(o.Tries), f.Wait))
		final := f.Class == crm.Recorded && !f.Unknown && f.Code != crm.NoOptOut
		if o.Tries++; final || o.Tries >= cmp.Or(f.Tries, crm.MostTries) {
			o.Outcome = db.OptOutRefused
		}
	}
}

// leaver is somebody into whose record it is written that they left.
type leaver struct {
	*person
	owed *db.OptOut
}

// fillFields writes into the fields that are mapped to it that people left. Where a write is out
// whose outcome isn't known, that is waited for, or it might come after.
func (p *payment) fillFields(ctx context.Context) {
	due := p.of(db.OptOutField)
	if len(due) == 0 || p.stop != nil {
		return
	}
	if p.mapped == nil {
		for _, o := range due {
			o.Outcome = db.OptOutNothing
		}
		return
	}
	found, err := p.findOf(ctx, due)
	if err != nil {
		p.failed(ctx, due, crm.Failed(err))
		return
	}
	var leavers []leaver
	for _, o := range due {
		known, err := p.Store.Somebody(ctx, p.lease.DestinationKey, o.EmailKey)
		if errors.Is(err, db.ErrNotFound) { // they are being erased: nobody is there to tell of
			o.Outcome = db.OptOutNothing
			continue
		}
		if err != nil {
			p.err = err
			return
		}
		l := leaver{group(known)[0], o}
		if l.settlesAt.After(p.Now()) {
			o.DueAt, o.Code, o.Unsure = l.settlesAt, crm.Settling, false
			continue
		}
		if p.plan(l, found[o.EmailKey]) {
			leavers = append(leavers, l)
		}
	}
	for some := range slices.Chunk(leavers, p.crm.Provider().Batch) {
		p.write(ctx, some)
	}
}

// plan says what is written of somebody who left, and reports whether that is anything.
func (p *payment) plan(l leaver, records []crm.Record) bool {
	if len(records) == 0 {
		l.owed.Outcome = db.OptOutGone
		return false
	}
	r := records[max(0, slices.IndexFunc(records, func(r crm.Record) bool { return r.ID == l.owed.RecordID }))]
	l.owed.RecordID = r.ID
	says := p.mapped.leaving(l.known)
	l.before = l.writtenIn(r)
	l.applied = p.mapped.fields.Apply(says, mapping.Record{Own: r.Own, Written: l.before})
	if l.person.write = (crm.Write{ID: r.ID, Fields: crm.Fields{}, Own: l.applied.Own()}); len(l.person.write.Own) > 0 {
		return true
	}
	if l.owed.Outcome = db.OptOutWas; len(says) == 0 || len(l.applied.Left) > 0 {
		l.owed.Outcome, l.owed.Detail = db.OptOutNothing, l.applied.Note()
	}
	return false
}

// write has the CRM change the records of some who left.
func (p *payment) write(ctx context.Context, some []leaver) {
	if p.stop != nil {
		return
	}
	var people []*person
	var of []*db.OptOut
	for _, l := range some {
		people, of = append(people, l.person), append(of, l.owed)
	}
	results, f := p.send(ctx, people)
	if f != nil {
		p.failed(ctx, of, f)
		return
	}
	for i, l := range some {
		r := results[i]
		switch f := failureOf(r); {
		case r.ID != "":
			l.written()
			l.owed.Outcome, l.owed.Written, p.answered = db.OptOutSet, l.before, true
		case f.Code == crm.Gone && !f.Unknown:
			l.owed.Outcome = db.OptOutGone
		case f.Changed && !f.Unknown && l.owed.Tries == 0: // the fields are read anew by the next delivery, or within a day
			p.failed(ctx, of[i:i+1], &crm.Failure{Class: crm.Passing, Code: f.Code, Detail: f.Detail, Wait: time.Minute})
		default:
			p.failed(ctx, of[i:i+1], f)
		}
	}
}

// leaving is what is said of leaving by those with one address who have left, the newest first: by the rows of their mappings
// that tell of it, but for the fields of those who go on.
func (m *mapped) leaving(known []db.Known) (all []mapping.Says) {
	goOn := map[string]bool{}
	for _, s := range known {
		if counts(s) {
			for _, r := range m.of(s.NewsletterID).Rows {
				goOn[r.Target] = true
			}
		}
	}
	for _, s := range known {
		if s.Status != db.Left {
			continue
		}
		says := mapping.Says{SignUp: m.signUp(s)}
		for _, r := range m.of(s.NewsletterID).Rows {
			if r.TellsLeaving() && !goOn[r.Target] {
				says.Rows = append(says.Rows, r)
			}
		}
		if len(says.Rows) > 0 {
			all = append(all, says)
		}
	}
	return all
}

// ReadSubscriptions asks a destination's CRM which kinds of e-mail people opt out of by themselves, and keeps them. It
// fails with a *crm.Failure when they couldn't be asked for; that is kept too, with those that were read
// before.
func (d *Dispatcher) ReadSubscriptions(ctx context.Context, to db.DestinationKey) error {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	c, err := d.Connect(ctx, to)
	if err != nil {
		return crm.Failed(err)
	}
	all, err := c.Subscriptions(ctx)
	stored := db.SubscriptionTypes{OrgID: c.Target().OrgID, ReadAt: d.Now()}
	if err != nil {
		before, failed := d.Store.SubscriptionTypes(ctx, to)
		if failed != nil {
			return failed
		}
		stored.Code, stored.All = crm.Failed(err).Code, before.All
	}
	for _, s := range all {
		stored.All = append(stored.All, db.Choice{ID: s.ID, Name: s.Name})
	}
	if failed := d.Store.SaveSubscriptionTypes(ctx, to, stored); failed != nil {
		return failed
	}
	if err != nil {
		return crm.Failed(err)
	}
	return nil
}
