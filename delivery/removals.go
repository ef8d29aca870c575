package delivery

import (
	"context"

	"gatepost/crm"
	"gatepost/db"
)

// remove removes the subscribers who are to be removed, each with the record that we made
// of them, and reports whether to go on with deliveries. Nobody else delivers meanwhile:
// we hold the tenant's lease. That it is asked for was written down before; what was
// interrupted is done again, and finds the record deleted.
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
		r, ask, err := t.Store.BeginRemoval(ctx, t.lease, r, t.crm.Target().OrgID)
		if err != nil {
			return false, err
		}
		if ask {
			if err := t.removeRecord(ctx, &r); err != nil {
				return false, t.hold(ctx, crm.Failed(err), t.pause.Batch)
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

// removeRecord deletes the CRM's record of a removal, if it may, and notes in r what
// became of it. An error is about everybody: it is to be done again later.
func (t *turn) removeRecord(ctx context.Context, r *db.Removal) error {
	ctx, cancel := context.WithTimeout(ctx, t.CallTime)
	defer cancel()
	removed, err := t.crm.Remove(ctx, r.RecordID)
	if err != nil {
		f := crm.Failed(err)
		if f.Unknown || f.Class != crm.Recorded && f.Class != crm.Passing {
			return f
		}
		r.Record, r.Code = db.RecordRefused, f.Code
		return nil
	}
	r.Record = recordFates[removed]
	return nil
}

// recordFates are what the CRM says, in the words of the receipt.
var recordFates = map[crm.Removed]db.RecordFate{
	crm.Deleted: db.RecordDeleted, crm.Missing: db.RecordGone, crm.Changed: db.RecordChanged,
}
