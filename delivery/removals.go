package delivery

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// remove removes the subscribers who are to be removed, each with the record that we made
// of them, which is deleted or anonymised, and reports whether to go on with deliveries. Nobody else delivers meanwhile:
// we hold the destination's lease. That it is asked for was written down before; what was
// interrupted is done again, and finds the record deleted, or naming nobody. Behind one that fails, the
// others have their turn later: each may take as long as a call does.
func (t *turn) remove(ctx context.Context) (goOn bool, err error) {
	if len(t.removals) == 0 {
		return true, nil
	}
	if spare, err := t.spare(ctx); spare || err != nil {
		return false, err
	}
	asked := false // the CRM, and it answered
	for _, r := range t.removals {
		if t.stopped() {
			return false, errStopped
		}
		r.DueAt = t.Now().Add(t.crm.Provider().Settles.Of(1))
		r, ask, err := t.Store.BeginRemoval(ctx, t.lease, r, t.crm.Target().OrgID)
		if err != nil {
			return false, err
		}
		if ask {
			if f := t.removeRecord(ctx, &r); f != nil {
				return t.notRemoved(ctx, r, f)
			}
			asked = true
		}
		if err := t.Store.EndRemoval(ctx, t.lease, r); err != nil {
			return false, err
		}
	}
	if asked {
		err = t.succeeded(ctx)
	}
	return true, err
}

// removeRecord deletes the CRM's record of a removal, or anonymises it, and notes in r what became of it. A
// failure leaves that open.
func (t *turn) removeRecord(ctx context.Context, r *db.RecordRemoval) *crm.Failure {
	ctx, cancel := context.WithTimeout(ctx, t.CallTime)
	defer cancel()
	removed, err := t.askRemoval(ctx, r)
	if err == nil {
		r.Record = recordFates[removed]
		if removed == crm.Anonymised && r.Kept != "" {
			r.Record = db.RecordPartly
		}
		return nil
	}
	f := crm.Failed(err)
	if f.Class == crm.Recorded && !f.Unknown {
		r.Record, r.Code = db.RecordRefused, f.Code
		return nil
	}
	return f
}

// askRemoval asks the CRM for what is to become of the record of a removal.
func (t *turn) askRemoval(ctx context.Context, r *db.RecordRemoval) (crm.Removed, error) {
	if r.Way != db.EraseByAnonymise {
		return t.crm.Remove(ctx, r.RecordID)
	}
	became, kept, err := t.crm.Anonymise(ctx, r.RecordID, t.mapped.filled(r.Wrote), t.options())
	for i, name := range kept {
		kept[i] = t.mapped.nameOf(name)
	}
	r.Kept = strings.Join(kept, ", ")
	return became, err
}

// filled are the CRM's fields that we fill: those of any mapping, and others that we have written into a record. What is
// known of one that the CRM doesn't show any more is its key, which is its name as well where we have written into it: it
// holds something, for all that we know.
func (m *mapped) filled(wrote []string) (all []crm.SchemaField) {
	keys := map[string]bool{}
	for _, key := range wrote {
		keys[key] = true
	}
	var shown mapping.Fields
	if m != nil {
		shown = m.all
		for _, r := range m.rows() {
			keys[r.Target] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		f, ok := shown[key]
		if !ok {
			f = crm.SchemaField{Key: key, Update: true}
			if slices.Contains(wrote, key) {
				f.Label = key
			}
		}
		all = append(all, f)
	}
	return all
}

// nameOf is what people call a field.
func (m *mapped) nameOf(key string) string {
	if m == nil {
		return key
	}
	return cmp.Or(m.all[key].Label, key)
}

// notRemoved deals with a record that couldn't be deleted or anonymised, and reports whether to go on
// with deliveries. What is everybody's holds the destination, and is waited for. What is this
// record's alone puts it off, later and later, so that it keeps nobody waiting, and after
// many tries the record stays.
func (t *turn) notRemoved(ctx context.Context, r db.RecordRemoval, f *crm.Failure) (goOn bool, err error) {
	if f.Unknown { // nobody is to be looked up for good before it has taken effect
		r.Unsure, r.DueAt = true, t.Now().Add(t.crm.Provider().Settles.Of(1))
	}
	outage := t.outage(ctx, r.EmailKey, f)
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // we cut it off: that says nothing about the CRM
	}
	if outage != nil {
		if err := t.Store.PutOffRemoval(ctx, t.lease, r); err != nil {
			return false, err
		}
		return false, t.hold(ctx, outage, t.pause.Batch)
	}
	if due := t.Now().Add(max(ownBackoff(r.Tries), f.Wait)); due.After(r.DueAt) {
		r.DueAt = due
	}
	r.Code = f.Code
	if r.Tries++; r.Tries < cmp.Or(f.Tries, crm.MostTries) {
		return true, t.Store.PutOffRemoval(ctx, t.lease, r)
	}
	r.Record = db.RecordRefused
	return true, t.Store.EndRemoval(ctx, t.lease, r)
}

// outage is why the CRM does nothing for anybody now, nil when something couldn't be done with a record
// for what it has alone. Some failures say it; where one doesn't, a look-up of the address tells, which
// works unless it is everybody's.
func (t *turn) outage(ctx context.Context, emailKey string, f *crm.Failure) *crm.Failure {
	switch f.Class {
	case crm.Connection:
		return f
	case crm.Pause:
		if _, err := t.find(ctx, []*person{{key: emailKey}}); err != nil && crm.Failed(err).Class != crm.Recorded {
			return crm.Failed(err)
		}
	}
	return nil
}

// recordFates are what the CRM says, in the words of the receipt.
var recordFates = map[crm.Removed]db.RecordFate{
	crm.Deleted: db.RecordDeleted, crm.Anonymised: db.RecordAnonymised, crm.Missing: db.RecordGone, crm.Changed: db.RecordChanged,
}
