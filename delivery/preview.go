package delivery

import (
	"context"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// Preview is what would be written of somebody now.
type Preview struct {
	Record      string     // id of the record that is theirs; empty when a new one would be made
	InstanceURL string     // of the org that has it
	Several     int        // how many records have the address, where that is more than one
	Fields      crm.Fields // the address and the names that would be written
	Held        string     // why no new record would be made; empty when it would
	SignUps     []db.Known // the newest first
	mapping.Applied
}

// PreviewOf asks a destination's CRM for somebody's record, and returns what would be written of them
// with the given mappings; nothing is. known are all who have the address. It fails with a *crm.Failure
// when the CRM can't be asked.
func (d *Dispatcher) PreviewOf(ctx context.Context, to db.DestinationKey, m db.Mappings, known []db.Known) (v Preview, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	t := &turn{Dispatcher: d, lease: db.Lease{DestinationKey: to}}
	if t.set, err = d.Store.DeliverySettings(ctx, to); err != nil {
		return v, err
	}
	if t.mapped, err = d.parseMapped(m); err != nil {
		return v, err
	}
	if t.crm, err = d.Connect(ctx, to); err != nil {
		return v, crm.Failed(err)
	}
	p := group(known)[0]
	found, err := t.find(ctx, []*person{p})
	if err != nil {
		return v, crm.Failed(err)
	}
	for _, s := range p.known {
		if counts(s) {
			v.SignUps = append(v.SignUps, s)
		}
	}
	records := found[p.key]
	if v.Several = len(records); v.Several < 2 {
		v.Several = 0
	}
	if len(records) > 0 {
		p.change(records[0], t.set.One)
		t.apply(p, mapping.Record{Own: records[0].Own, Written: p.writtenIn(records[0])})
		v.Record, v.InstanceURL = records[0].ID, t.crm.Target().InstanceURL
	} else {
		p.make(t.placeholder())
		t.apply(p, mapping.Record{New: true})
		if o, held := t.held(p); held {
			v.Held = o.Detail
		}
	}
	v.Fields, v.Applied = p.write.Fields, p.applied
	return v, nil
}
