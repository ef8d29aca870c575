package delivery

import (
	"maps"
	"slices"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/crm/mapping"
	"gatepost/db"
	"gatepost/forms"
)

// erases has somebody be erased of a, and says what is to become of the record.
func (h *house) erases(email string, way db.ErasingWay) {
	h.t.Helper()
	_, err := h.db.Erase(h.t.Context(), db.Erasure{TenantID: "a", EmailKey: email, MAC: "mac", Why: "asked", Actor: "ann", Ways: map[string]db.ErasingWay{"a": way}})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) finishErasing() {
	h.t.Helper()
	if _, err := h.db.FinishErasing(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// A record is anonymised if it may go, by the rules by which it would be deleted. It is asked for until it is known
// what became of it, and the receipt says that.
func TestARecordIsAnonymised(t *testing.T) {
	const email = "jane@example.com"
	for name, tt := range map[string]struct {
		there   bool // the record was there before
		happens func(h *house, c *fakeCRM)
		want    db.RecordFate
		found   int // records with the address
	}{
		"there before":   {there: true, want: db.RecordFound, found: 1},
		"changed since":  {happens: func(_ *house, c *fakeCRM) { c.changes = []crm.Write{{ID: c.records[email][0]}} }, want: db.RecordChanged, found: 1},
		"deleted since":  {happens: func(_ *house, c *fakeCRM) { delete(c.records, email) }, want: db.RecordGone},
		"of others too":  {happens: func(h *house, _ *fakeCRM) { h.says("a/2", email, "", "") }, want: db.RecordShared, found: 1},
		"in another org": {happens: func(_ *house, c *fakeCRM) { c.org = "00D2" }, want: db.RecordAway, found: 1},
		"it was refused": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "anonymise", err: &crm.Failure{Class: crm.Recorded, Code: "NO"}}}
		}, want: db.RecordRefused, found: 1},
		"down for a while": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "anonymise", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}}, {on: "find", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}}}
		}, want: db.RecordAnonymised},
		"busy for a while": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "anonymise", err: &crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW"}}}
		}, want: db.RecordAnonymised},
		"the answer was lost": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "anonymise", after: true, err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}}
		}, want: db.RecordAnonymised},
		"but not all of it": {happens: func(_ *house, c *fakeCRM) { c.keeps = []string{"Region"} }, want: db.RecordPartly},
		"as it was made":    {want: db.RecordAnonymised},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			if tt.there {
				c.records[email], c.names["there"] = []string{"there"}, crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}
			}
			d, id := h.dispatcher(crms{"a": c}), h.says("a/1", email, "Jane", "Doe")
			takes(d, "a")
			h.erases(email, db.EraseByAnonymise)
			if tt.happens != nil {
				tt.happens(h, c)
			}
			for range 2 { // the second time after what was in the way
				takes(d, "a")
				h.unpaused()
				h.dueAgain()
			}
			h.finishErasing()
			r := h.receipt(id)
			if !r.Erased || r.Record != tt.want || (r.Code != "") != (tt.want == db.RecordRefused) || r.Records[0].Kept != map[bool]string{true: "Region"}[tt.want == db.RecordPartly] {
				t.Errorf("receipt %+v, want %s", r, tt.want)
			}
			done := tt.want == db.RecordAnonymised || tt.want == db.RecordPartly
			if len(c.records[email]) != tt.found || (len(c.anonymised) > 0) != done || r.Record.Stays() == (tt.want == db.RecordAnonymised || tt.want == db.RecordGone) {
				t.Errorf("%d records with the address, anonymised %v, stays %t", len(c.records[email]), c.anonymised, r.Record.Stays())
			}
			h.adds("a")
		})
	}
}

// Whoever signs up once the answer of an anonymising got lost has a record of their own in the end.
func TestASignUpAfterALostAnonymising(t *testing.T) {
	const email = "jane@example.com"
	h, c := newHouse(t, "a"), newCRM()
	d, id := h.dispatcher(crms{"a": c}), h.says("a/1", email, "Jane", "Doe")
	takes(d, "a")
	h.erases(email, db.EraseByAnonymise)
	c.faults = []fault{{on: "anonymise", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}}
	takes(d, "a")
	next := h.says("a/1", email, "Janet", "")
	takes(d, "a")
	if s := h.subscriber("a", next); s.State != db.Delivered || s.RecordID != c.records[email][0] {
		t.Fatalf("got %+v", s)
	}
	delete(c.records, email) // it takes effect by now
	h.dueAgain()
	takes(d, "a")
	if s := h.subscriber("a", next); s.State != db.Delivered || len(c.records[email]) != 1 || s.RecordID != c.records[email][0] {
		t.Errorf("got %+v, records %v", s, c.records)
	}
	h.finishErasing()
	if r := h.receipt(id); !r.Erased || r.Record != db.RecordShared {
		t.Errorf("receipt %+v", r)
	}
	h.adds("a")
}

// Emptied is what the mappings fill, and what was written before they were changed; what isn't anybody's values stays. A field that
// can't be emptied is told by its name.
func TestAnonymisedIsWhatWasFilledIn(t *testing.T) {
	h := newHouse(t, "a")
	locked := text("locked", func(f *crm.SchemaField) { f.Update = false })
	c := newToy(text("company"), text("note"), text("older"), text("theirs"), locked)
	h.asks("a/1", "company", "note", "older", "locked")
	h.maps("", row("company", mapping.RuleEmpty), row("older", mapping.RuleEmpty), row("locked", mapping.RuleCreate))
	h.maps("a/2", row("note", mapping.RuleEmpty))
	d := h.over(c)
	id := h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso", "older": "Jane's", "locked": "Doe"})
	takes(d, "a")
	h.maps("", row("company", mapping.RuleEmpty), row("locked", mapping.RuleCreate))
	before := c.Holds("card-1")
	if before["company"] != "Contoso" || before["older"] != "Jane's" || before["locked"] != "Doe" {
		t.Fatalf("it holds %v", before)
	}
	h.exec(`UPDATE deliveries SET written = '{"older":"of the mapping before"}'`) // what else was written isn't known, as of old
	h.erases("jane@example.com", db.EraseByAnonymise)
	takes(d, "a")
	want := map[string]any{"email": "", "first_name": "", "last_name": crm.ErasedName, "company": "", "older": "", "locked": "Doe"}
	if is := c.Holds("card-1"); !maps.Equal(is, want) {
		t.Errorf("it holds %v", is)
	}
	h.finishErasing()
	if r := h.receipt(id); !r.Erased || r.Record != db.RecordPartly || r.Records[0].Kept != "The locked" {
		t.Errorf("receipt %+v", r)
	}
}

// Which fields are to be emptied is told with what the CRM shows of them.
func TestFieldsToBeEmptied(t *testing.T) {
	var none *mapped
	if got := none.filled([]string{"b", "a"}); !slices.EqualFunc(got, []string{"a", "b"}, func(f crm.SchemaField, key string) bool { return f.Key == key && f.Label == key && f.Update }) {
		t.Errorf("without a mapping %+v", got)
	}
	m := &mapped{all: mapping.Index(crm.Schema{Fields: []crm.SchemaField{text("a", required), text("c")}}), general: mapping.Mapping{Rows: []mapping.Row{row("a", mapping.RuleEmpty), row("unseen", mapping.RuleEmpty)}}}
	got := m.filled([]string{"b", toy.ClubKey})
	if len(got) != 4 || got[3].Key != "unseen" || got[3].Label != "" || got[2].Label != "b" || got[0].Key != toy.ClubKey || !got[1].Required || got[2].Key != "b" || m.nameOf("a") != "The a" || m.nameOf("b") != "b" {
		t.Errorf("%+v", got)
	}
}
