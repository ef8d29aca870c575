package delivery

import (
	"context"
	"fmt"
	"testing"
	"time"

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

// receipt is what is left of a subscriber who was removed, and of their record.
type receipt struct {
	db.Removal
	Record db.RecordFate
	Code   string
}

func (h *house) receipt(id string) (r receipt) {
	h.t.Helper()
	o, err := h.db.Overview(h.t.Context(), "a", "", id)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Removal = o.Removal
	if len(r.Records) > 0 {
		r.Record, r.Code = r.Records[0].Record, r.Records[0].Code
	}
	return r
}

func (h *house) unpaused() { h.exec(`DELETE FROM pauses`) }

// dueAgain has a removal that was put off be due.
func (h *house) dueAgain() { h.exec(`UPDATE removal_records SET due_at = 0`) }

func (h *house) number(query string) (n int64) {
	h.t.Helper()
	if err := h.db.Writer().QueryRow(query).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// tries are how many failures of a removal count.
func (h *house) tries() int { return int(h.number(`SELECT tries FROM removal_records`)) }

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
		"busy for a while": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "remove", err: &crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW"}}}
		}, want: db.RecordDeleted},
		"an error while it looks": {happens: func(_ *house, c *fakeCRM) {
			c.faults = []fault{{on: "remove", err: &crm.Failure{Class: crm.Recorded, Code: "ODD", Unknown: true}}}
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
				h.dueAgain()
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

// A record that can't be deleted keeps nobody waiting: it is put off, later and later, one
// at a time, and in the end it stays.
func TestARecordThatIsNeverDeleted(t *testing.T) {
	for name, tt := range map[string]struct {
		failure crm.Failure
		tries   int
	}{
		"busy each time":       {crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW"}, crm.MostTries},
		"an error each time":   {crm.Failure{Class: crm.Passing, Code: "UNKNOWN_EXCEPTION", Tries: 3, Unknown: true}, 3},
		"no answer in time":    {crm.Failure{Class: crm.Pause, Code: crm.TimedOut, Unknown: true}, crm.MostTries},
		"a code nobody knows":  {crm.Failure{Class: crm.Pause, Code: "ODD"}, crm.MostTries},
		"not known if refused": {crm.Failure{Class: crm.Recorded, Code: "ODD", Unknown: true}, crm.MostTries},
		"to be tried later on": {crm.Failure{Class: crm.Pause, Code: "ODD", Wait: time.Hour}, crm.MostTries},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			d, id := h.dispatcher(crms{"a": c}), h.tests("jane@example.com")
			takes(d, "a")
			c.next = func(on string) *fault {
				if on == "remove" {
					return &fault{err: &tt.failure}
				}
				return nil
			}
			h.undo(id)
			for n := 1; n < tt.tries; n++ {
				reader := h.signUp("a/2", fmt.Sprintf("%d@example.com", n))[0]
				takes(d, "a")
				if s := h.subscriber("a", reader); s.State != db.Delivered || h.pause("a").Reason != "" {
					t.Fatalf("try %d keeps others waiting: %+v, %+v", n, s, h.pause("a"))
				}
				if r := h.receipt(id); !r.EndedAt.IsZero() || r.Code != tt.failure.Code || h.tries() != n {
					t.Fatalf("try %d: %+v", n, r)
				}
				if tenants, err := h.db.DueDestinations(t.Context(), "me"); err != nil || len(tenants) != 0 {
					t.Fatalf("try %d: it isn't put off: %v, %v", n, tenants, err)
				}
				h.dueAgain()
			}
			takes(d, "a")
			if r := h.receipt(id); !r.Erased || r.Record != db.RecordRefused || r.Code != tt.failure.Code {
				t.Errorf("receipt %+v", r)
			}
			h.adds("a")
		}))
	}
}

// A deletion whose answer was lost may take effect after somebody was found to be there
// again, who signed up meanwhile: once it has settled, they are looked up anew.
func TestASignUpAfterALostDeletion(t *testing.T) {
	const email = "jane@example.com"
	h, c := newHouse(t, "a"), newCRM()
	d, id := h.dispatcher(crms{"a": c}), h.tests(email)
	takes(d, "a")
	h.undo(id)
	c.faults = []fault{{on: "remove", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}}
	takes(d, "a")
	before := time.Now()
	h.says("a/1", email, "", "")
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered || s.RecordID != c.records[email][0] {
		t.Errorf("got %+v", s)
	}
	if n := h.number(`SELECT due_at FROM removal_records`); n < before.Add(9*time.Second).UnixMilli() {
		t.Errorf("it is due before the deletion has settled: %d", n)
	}
	delete(c.records, email)
	h.dueAgain()
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered || len(c.records[email]) != 1 || s.RecordID != c.records[email][0] {
		t.Errorf("got %+v, records %v", s, c.records)
	}
	if r := h.receipt(id); r.Erased || r.EndedAt.IsZero() {
		t.Errorf("receipt %+v", r)
	}
	h.adds("a")
}

// What the CRM has against everybody holds up everybody, and counts against nobody.
func TestAnOutageWhileATestIsUndone(t *testing.T) {
	for name, faults := range map[string][]fault{
		"the connection":  {{on: "remove", err: &crm.Failure{Class: crm.Connection, Code: crm.Broken}}},
		"nothing answers": {{on: "remove", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}}, {on: "find", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}}},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			d, id := h.dispatcher(crms{"a": c}), h.tests("jane@example.com")
			takes(d, "a")
			h.undo(id)
			reader := h.says("a/2", "joe@example.com", "", "")
			c.faults = faults
			takes(d, "a")
			if p := h.pause("a"); p.Reason != faults[len(faults)-1].err.Code || h.tries() != 0 || h.receipt(id).Code != "" {
				t.Errorf("paused %+v, %d tries, %+v", p, h.tries(), h.receipt(id))
			}
			if s := h.subscriber("a", reader); s.State != db.Waiting || len(c.faults) != 0 {
				t.Errorf("got %+v, faults %v", s, c.faults)
			}
			h.unpaused()
			takes(d, "a")
			if r := h.receipt(id); r.Record != db.RecordDeleted || h.subscriber("a", reader).State != db.Delivered {
				t.Errorf("receipt %+v", r)
			}
		})
	}
}

// One that can't be deleted doesn't keep the others from being deleted.
func TestAnUndoBehindOneThatFails(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	stuck, other := h.tests("jane@example.com"), h.tests("joe@example.com")
	takes(d, "a")
	h.undo(stuck)
	h.undo(other)
	c.faults = []fault{{on: "remove", err: &crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW"}}}
	for range 2 {
		takes(d, "a")
	}
	if r, s := h.receipt(other), h.receipt(stuck); r.Record != db.RecordDeleted || !s.EndedAt.IsZero() {
		t.Errorf("receipts %+v, %+v", r, s)
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
	if s := h.subscriber("a", id); s.Status != db.Left || s.State != db.Ended || s.RecordID != "" {
		t.Errorf("got %+v", s)
	}
	h.comesBack(id)
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("back: %+v", s)
	}
	c.wantName(t, "back again", "jane@example.com", "Jane", "Doe")
	h.adds("a")
}

// What became of a write for somebody who left while its answer was lost is looked up once
// it can't take effect any more, and nothing is written for them.
func TestWhoLeavesWhileTheAnswerIsLost(t *testing.T) {
	const email = "jane@example.com"
	for name, tt := range map[string]struct {
		arrived, other bool // other: they are on another newsletter too
	}{"it arrived": {arrived: true}, "it did not": {}, "it arrived, and they are on another": {true, true}, "it did not, and they are on another": {other: true}} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			c.faults = []fault{{on: "create", after: tt.arrived, err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}}
			d, id := h.dispatcher(crms{"a": c}), h.says("a/1", email, "", "")
			takes(d, "a")
			h.unpaused()
			if done, err := h.db.Leave(t.Context(), "a", id, "ann", ""); !done || err != nil {
				t.Fatal(done, err)
			}
			other := ""
			if tt.other {
				other = h.says("a/2", email, "", "")
			}
			h.exec(`UPDATE deliveries SET settles_at = 1 WHERE subscriber_id = $1`, id)
			due := func(what string, want int) {
				t.Helper()
				if tenants, err := h.db.DueDestinations(t.Context(), "me"); err != nil || len(tenants) != want {
					t.Errorf("%s: %v, %v", what, tenants, err)
				}
			}
			due("before", 1)
			takes(d, "a")
			takes(d, "a") // what leaving owes the record that was found
			due("afterwards", 0)
			if c.optedOut["003000001"] != (tt.arrived && !tt.other) {
				t.Errorf("opted out: %v", c.optedOut)
			}
			s := h.subscriber("a", id)
			if s.Status != db.Left || s.State != map[bool]db.State{true: db.Delivered, false: db.Ended}[tt.arrived] || !s.SentAt.IsZero() || (s.RecordID != "") != tt.arrived || s.Made || tt.arrived && s.RecordID != c.records[email][0] {
				t.Errorf("got %+v", s)
			}
			if want := map[bool]int{true: 1}[tt.arrived || tt.other]; len(c.records[email]) != want {
				t.Errorf("records %v", c.records)
			}
			if other != "" {
				if s := h.subscriber("a", other); s.State != db.Delivered || s.RecordID != c.records[email][0] {
					t.Errorf("on another newsletter: %+v", s)
				}
			}
			h.adds("a")
		})
	}
}

// Who can't be looked up is looked for once: nobody has to wait for them.
func TestWhoLeftAndIsNotLookedUp(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.faults = []fault{{on: "create", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}, {on: "find", err: &crm.Failure{Class: crm.Recorded, Code: "ODD"}}}
	d, id := h.dispatcher(crms{"a": c}), h.says("a/1", "jane@example.com", "", "")
	takes(d, "a")
	if done, err := h.db.Leave(t.Context(), "a", id, "ann", ""); !done || err != nil {
		t.Fatal(done, err)
	}
	h.exec(`UPDATE deliveries SET settles_at = 1`)
	h.unpaused()
	takes(d, "a")
	h.unpaused()
	if tenants, err := h.db.DueDestinations(t.Context(), "me"); err != nil || len(tenants) != 0 || len(c.faults) != 0 {
		t.Errorf("%v, %v, faults %v", tenants, err, c.faults)
	}
	if s := h.subscriber("a", id); s.Status != db.Left || s.State != db.Ended || !s.SentAt.IsZero() {
		t.Errorf("got %+v", s)
	}
}

// lateStore has something happen before outcomes are written down, once.
type lateStore struct {
	*db.DB
	before func()
}

func (s *lateStore) RecordOutcomes(ctx context.Context, l db.Lease, o []db.Outcome) error {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.DB.RecordOutcomes(ctx, l, o)
}

// Who is found to have the record just before it is deleted, or anonymised, gets another one, of another
// tenant of the org too, and whenever that is written down.
func TestWhoIsFoundWhileTheRecordIsRemoved(t *testing.T) {
	const email = "jane@example.com"
	for name, tt := range map[string]struct {
		ask  func(h *house, id string)
		call string
		want db.RecordFate
	}{
		"deleted":    {func(h *house, id string) { h.undo(id) }, "remove", db.RecordDeleted},
		"anonymised": {func(h *house, _ string) { h.erases(email, db.EraseByAnonymise) }, "anonymise", db.RecordAnonymised},
	} {
		for _, late := range []bool{false, true} {
			h, c := newHouse(t, "a", "b"), newCRM()
			d, id := h.dispatcher(crms{"a": c, "b": c}), h.tests(email)
			takes(d, "a")
			tt.ask(h, id)
			other := ""
			if late {
				other = h.says("b/1", email, "Jane", "Doe")
				store := &lateStore{DB: h.db, before: func() { takes(d, "a") }}
				takes(New(Config{Store: store, Connect: crms{"b": c}.connect}), "b")
			} else {
				c.hook = func(on string) {
					if on == tt.call {
						c.hook = nil
						other = h.says("b/1", email, "Jane", "Doe")
						takes(d, "b")
					}
				}
				takes(d, "a")
			}
			if r := h.receipt(id); r.Record != tt.want {
				t.Fatalf("%s, late: %v, receipt %+v", name, late, r)
			}
			takes(d, "b")
			if s := h.subscriber("b", other); s.State != db.Delivered || len(c.records[email]) != 1 || s.RecordID != c.records[email][0] {
				t.Errorf("%s, late: %v, got %+v, records %v", name, late, s, c.records)
			}
			h.adds("a")
			h.adds("b")
		}
	}
}

// dying is a store that isn't told what became of a removal.
type dying struct{ paced }

func (dying) EndRemoval(context.Context, db.Lease, db.RecordRemoval) error { return errDisk }

// Whoever goes on after a process that died waits until what it asked for has taken effect.
func TestARemovalAfterACrash(t *testing.T) {
	const email = "jane@example.com"
	h, c := newHouse(t, "a"), newCRM()
	d, id := h.dispatcher(crms{"a": c}), h.tests(email)
	takes(d, "a")
	h.undo(id)
	asked := 0
	c.hook = func(on string) { asked += map[string]int{"remove": 1}[on] }
	takes(New(Config{Store: dying{paced{h.db, 0}}, Connect: crms{"a": c}.connect}), "a")
	takes(d, "a")
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	h.dueAgain()
	if takes(d, "a"); asked != 2 || h.receipt(id).Record != db.RecordGone {
		t.Errorf("asked %d times, receipt %+v", asked, h.receipt(id))
	}
}
