package delivery

import (
	"testing"

	"gatepost/crm"
	"gatepost/db"
)

// tests signs an address up as a test.
func (h *house) tests(email string) (id string) {
	h.t.Helper()
	id = h.says("a/1", email, "Jane", "Doe")
	h.exec(`UPDATE subscribers SET source = 'test' WHERE id = $1`, id)
	return id
}

func (h *house) undo(id string) {
	h.t.Helper()
	if _, err := h.db.UndoTest(h.t.Context(), "a", id, "ann"); err != nil {
		h.t.Fatal(err)
	}
}

// receipt is what is left of a subscriber who was removed.
func (h *house) receipt(id string) db.Removal {
	h.t.Helper()
	o, err := h.db.Overview(h.t.Context(), "a", "", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return o.Removal
}

func (h *house) unpaused() { h.exec(`DELETE FROM pauses`) }

// A test is undone with the record that was made for it, if that may go.
func TestATestIsUndone(t *testing.T) {
	const email = "jane@example.com"
	for name, tt := range map[string]struct {
		there   bool // the record was there before
		happens func(h *house, c *fakeCRM)
		want    db.RecordFate
		left    int // records
	}{
		"as it was made": {happens: func(*house, *fakeCRM) {}, want: db.RecordDeleted},
		"there before":   {there: true, happens: func(*house, *fakeCRM) {}, want: db.RecordFound, left: 1},
		"changed since":  {happens: func(_ *house, c *fakeCRM) { c.changes = []crm.Write{{ID: c.records[email][0]}} }, want: db.RecordChanged, left: 1},
		"deleted since":  {happens: func(_ *house, c *fakeCRM) { delete(c.records, email) }, want: db.RecordGone},
		"of others too":  {happens: func(h *house, _ *fakeCRM) { h.says("a/2", email, "", "") }, want: db.RecordShared, left: 1},
		"in another org": {happens: func(_ *house, c *fakeCRM) { c.org = "00D2" }, want: db.RecordAway, left: 1},
		"it was refused": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "remove", err: &crm.Failure{Class: crm.Recorded, Code: "NO"}}}
		}, want: db.RecordRefused, left: 1},
		"down for a while": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "remove", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}}}
		}, want: db.RecordDeleted},
		"the answer was lost": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "remove", after: true, err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}}
		}, want: db.RecordGone},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			if tt.there {
				c.records[email], c.names["there"] = []string{"there"}, crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}
			}
			d, id := h.dispatcher(crms{"a": c}), h.tests(email)
			takes(d, "a")
			tt.happens(h, c)
			h.undo(id)
			for range 2 { // the second time after what was in the way
				takes(d, "a")
				h.unpaused()
			}
			r := h.receipt(id)
			if !r.Erased || r.Record != tt.want || (r.Code != "") != (tt.want == db.RecordRefused) {
				t.Errorf("receipt %+v, want %s", r, tt.want)
			}
			if len(c.records[email]) != tt.left {
				t.Errorf("%d records", len(c.records[email]))
			}
			if sums := h.adds("a"); sums[db.Erased] != 1 {
				t.Errorf("sums %v", sums)
			}
		})
	}
}

// Who signs up while a test is undone is in the CRM afterwards, however far it was.
func TestASignUpWhileATestIsUndone(t *testing.T) {
	const email = "jane@example.com"
	for _, during := range []bool{false, true} {
		h, c := newHouse(t, "a"), newCRM()
		d, id := h.dispatcher(crms{"a": c}), h.tests(email)
		takes(d, "a")
		h.undo(id)
		again := func() { h.says("a/1", email, "Janet", "") }
		if !during {
			again()
		} else {
			c.hook = func(on string) {
				if on == "remove" {
					c.hook = nil
					again()
				}
			}
		}
		takes(d, "a")
		s := h.subscriber("a", id)
		if s.State != db.Delivered || s.FirstName != "Janet" || len(c.records[email]) != 1 || s.RecordID != c.records[email][0] {
			t.Errorf("during: %v, got %+v, records %v", during, s, c.records)
		}
		if r := h.receipt(id); r.Erased || r.EndedAt.IsZero() {
			t.Errorf("receipt %+v", r)
		}
		h.adds("a")
	}
}

// Nothing is sent to an address that was corrected meanwhile, and what is newer of one
// person's newsletters counts, by a sign-up or an edit.
func TestEditsReachTheCRM(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	h.set(db.OneUpdate, "")
	d, id := h.dispatcher(crms{"a": c}), h.says("a/1", "jame@example.com", "Jane", "Doe")
	edit := func(e db.Edit) {
		t.Helper()
		if _, err := h.db.EditSubscriber(t.Context(), "a", id, e, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	c.hook = func(on string) { // between look-up and write
		if c.hook = nil; on == "find" {
			edit(db.Edit{Email: "jane@example.com", EmailKey: "jane@example.com", FirstName: "Jane", LastName: "Doe"})
		}
	}
	for range 2 {
		takes(d, "a")
	}
	if s := h.subscriber("a", id); s.State != db.Delivered || len(c.records["jame@example.com"]) != 0 || len(c.records["jane@example.com"]) != 1 {
		t.Errorf("got %+v, records %v", s, c.records)
	}
	h.says("a/2", "jane@example.com", "Janie", "")
	takes(d, "a")
	c.wantName(t, "another newsletter", "jane@example.com", "Janie", "Doe")
	edit(db.Edit{Email: "jane@example.com", EmailKey: "jane@example.com", FirstName: "Jane", LastName: "Roe"})
	h.exec(`UPDATE subscribers SET edited_at = edited_at + 1 WHERE id = $1`, id) // it may be the same millisecond
	takes(d, "a")
	c.wantName(t, "edited", "jane@example.com", "Jane", "Roe")
	h.adds("a")
}

// Who has left isn't sent, and what another newsletter sends doesn't bring them back.
func TestWhoLeftIsNotSent(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d, id := h.dispatcher(crms{"a": c}), h.says("a/1", "jane@example.com", "Jane", "Doe")
	if done, err := h.db.Leave(t.Context(), "a", id, "ann", ""); !done || err != nil {
		t.Fatal(done, err)
	}
	takes(d, "a")
	if len(c.records) != 0 {
		t.Errorf("records %v", c.records)
	}
	h.says("a/2", "jane@example.com", "", "")
	takes(d, "a")
	c.wantName(t, "on another newsletter", "jane@example.com", "", db.DefaultPlaceholder)
	if s := h.subscriber("a", id); s.State != db.Left || s.RecordID != "" {
		t.Errorf("got %+v", s)
	}
	h.says("a/1", "jane@example.com", "", "")
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("signed up again: %+v", s)
	}
	c.wantName(t, "back again", "jane@example.com", "Jane", "Doe")
	h.adds("a")
}
