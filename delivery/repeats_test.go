package delivery

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// set sets how a tenant handles a record that is there.
func (h *house) set(one, placeholder string) {
	h.t.Helper()
	h.must(true, h.db.SetDeliverySettings(h.t.Context(), to("a"), db.DeliverySettings{Several: db.SeveralNewest, One: one, Share: 95, Placeholder: placeholder}))
}

func (c *fakeCRM) wantName(t *testing.T, what, email, first, last string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := c.records[email]
	if len(ids) != 1 || c.names[ids[0]][crm.FirstName] != first || c.names[ids[0]][crm.LastName] != last {
		t.Errorf("%s: %d records, %+v, want %q %q", what, len(ids), c.names[slices.Concat(ids, []string{""})[0]], first, last)
	}
}

// Whoever signs up without names and then with them has them in the CRM, by the
// tenant's rule; a name that was there before is a name, whatever it looks like.
func TestARepeatedSignUpReachesTheCRM(t *testing.T) {
	na := crm.Fields{crm.FirstName: "NA", crm.LastName: "NA"}
	for name, tt := range map[string]struct {
		one, placeholder string
		there            crm.Fields // in the CRM before
		edit             crm.Fields // what somebody makes of the record between
		before           bool       // the record is of before, as it was made then
		first            crm.Fields // what the first sign-up gave
		want             crm.Fields
	}{
		"filled":                               {one: db.OneFill, want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}},
		"the last name alone was missing":      {one: db.OneFill, first: crm.Fields{crm.FirstName: "J."}, want: crm.Fields{crm.FirstName: "J.", crm.LastName: "Doe"}},
		"updated":                              {one: db.OneUpdate, first: crm.Fields{crm.FirstName: "J.", crm.LastName: "D."}, want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}},
		"nothing was missing":                  {one: db.OneFill, first: crm.Fields{crm.FirstName: "J.", crm.LastName: "D."}, want: crm.Fields{crm.FirstName: "J.", crm.LastName: "D."}},
		"left":                                 {one: db.OneLeave, want: crm.Fields{crm.LastName: "NA"}},
		"another placeholder":                  {one: db.OneFill, placeholder: "(none)", want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}},
		"somebody gave a name":                 {one: db.OneFill, edit: crm.Fields{crm.LastName: "Roe"}, want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Roe"}},
		"somebody gave a first name":           {one: db.OneFill, edit: crm.Fields{crm.FirstName: "J.", crm.LastName: "NA"}, want: crm.Fields{crm.FirstName: "J.", crm.LastName: "Doe"}},
		"it was there":                         {one: db.OneFill, there: na, want: na},
		"it was there, with a last name alone": {one: db.OneFill, there: crm.Fields{crm.LastName: "NA"}, want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "NA"}},
		"it was there, and is updated":         {one: db.OneUpdate, there: na, want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}},
		"of before":                            {one: db.OneFill, before: true, edit: na, want: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}},
		"of before, and a name by now":         {one: db.OneFill, before: true, edit: crm.Fields{crm.FirstName: "J.", crm.LastName: "NA"}, want: crm.Fields{crm.FirstName: "J.", crm.LastName: "NA"}},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			h.set(tt.one, tt.placeholder)
			const email = "jane@example.com"
			if tt.there != nil {
				c.records[email], c.names["there"] = []string{"there"}, tt.there
			}
			d := h.dispatcher(crms{"a": c})
			id := h.says("a/1", email, tt.first[crm.FirstName], tt.first[crm.LastName])
			takes(d, "a")
			if s := h.subscriber("a", id); s.State != db.Delivered {
				t.Fatalf("got %+v", s)
			}
			if tt.edit != nil {
				c.names[c.records[email][0]] = tt.edit
			}
			if tt.before {
				h.exec(`UPDATE deliveries SET placeholders = NULL`)
			}
			h.says("a/1", email, "Jane", "Doe")
			takes(d, "a")
			c.wantName(t, "signed up with names", email, tt.want[crm.FirstName], tt.want[crm.LastName])
			if s := h.subscriber("a", id); s.State != db.Delivered || s.RecordID != c.records[email][0] {
				t.Errorf("got %+v", s)
			}
			h.adds("a")
		})
	}
}

// The rest of a placeholder gives way later, also from another newsletter of the
// tenant, which never wrote it.
func TestAPlaceholderGivesWayToAnyNewsletter(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	h.says("a/1", "jane@example.com", "", "")
	takes(d, "a")
	h.says("a/1", "jane@example.com", "Jane", "") // a first name alone
	takes(d, "a")
	c.wantName(t, "a first name", "jane@example.com", "Jane", "NA")
	h.says("a/2", "jane@example.com", "", "Doe")
	takes(d, "a")
	c.wantName(t, "a last name on another newsletter", "jane@example.com", "Jane", "Doe")
	h.adds("a")
}

// The record may be gone since: then it is made anew, with all that is known.
func TestARepeatedSignUpOfWhoWasDeletedInTheCRM(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	id := h.says("a/1", "jane@example.com", "Jane", "Doe")
	takes(d, "a")
	delete(c.records, "jane@example.com")
	h.says("a/1", "jane@example.com", "", "Roe")
	takes(d, "a")
	c.wantName(t, "made anew", "jane@example.com", "Jane", "Roe")
	if s := h.subscriber("a", id); s.State != db.Delivered || s.RecordID != c.records["jane@example.com"][0] {
		t.Errorf("got %+v", s)
	}
	h.adds("a")
}

// A record that took the place of ours has a name, though it looks like a placeholder.
func TestANameInAnotherRecordIsAName(t *testing.T) {
	for _, lost := range []bool{false, true} { // our record is gone, or only not the newest any more
		h, c := newHouse(t, "a"), newCRM()
		d := h.dispatcher(crms{"a": c})
		h.says("a/1", "jane@example.com", "", "")
		takes(d, "a")
		ours := c.records["jane@example.com"][0]
		c.records["jane@example.com"] = []string{"another", ours}
		if lost {
			c.records["jane@example.com"] = []string{"another"}
		}
		c.names["another"] = crm.Fields{crm.FirstName: "NA", crm.LastName: "NA"}
		h.says("a/1", "jane@example.com", "Jane", "Doe")
		takes(d, "a")
		if got := c.names["another"]; got[crm.LastName] != "NA" || got[crm.FirstName] != "NA" || c.names[ours][crm.LastName] != "NA" || len(c.changes) != 0 {
			t.Errorf("got %+v, %+v", got, c.names[ours])
		}
		h.adds("a")
	}
}

// Deliveries of one address are one write: the newest sign-up's values first, the
// others where it has none; and one outcome for each.
func TestTwoNewslettersAreOneWrite(t *testing.T) {
	for _, batch := range []int{1, 1000} {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = batch
		a := h.says("a/1", "Jane@example.com", "Jane", "Doe")
		time.Sleep(2 * time.Millisecond)
		b := h.says("a/2", "jane@EXAMPLE.com", "Janet", "")
		takes(h.dispatcher(crms{"a": c}), "a")
		c.wantName(t, fmt.Sprint("by ", batch), "jane@example.com", "Janet", "Doe")
		one, two := h.subscriber("a", a), h.subscriber("a", b)
		if !slices.Equal(c.creates, []int{1}) || one.State != db.Delivered || two.State != db.Delivered || one.RecordID != two.RecordID {
			t.Errorf("by %d: creates %v, %+v, %+v", batch, c.creates, one, two)
		}
		h.adds("a")
	}
}

// An older sign-up that is delivered later takes no newer value back.
func TestTheNewestSignUpHasTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		h.set(db.OneUpdate, "")
		d := h.dispatcher(crms{"a": c})
		for _, first := range []string{"", "Jane", "Janet"} { // the last one waits until the hour is over
			h.says("a/1", "jane@example.com", first, "Doe")
			takes(d, "a")
			time.Sleep(time.Minute)
		}
		c.wantName(t, "a further one waits", "jane@example.com", "Jane", "Doe")
		h.says("a/2", "jane@example.com", "Ann", "")
		takes(d, "a")
		time.Sleep(time.Hour)
		takes(d, "a")
		c.wantName(t, "after the hour", "jane@example.com", "Ann", "Doe")
		if s := h.adds("a"); s[db.Delivered] != 2 {
			t.Errorf("sums %+v", s)
		}
	})
}

// What is said while a write is under way reaches the CRM after it: whenever it is
// said, whatever becomes of the write, and though it takes effect late.
func TestNewerValuesComeAfterOlderOnes(t *testing.T) {
	for name, tt := range map[string]struct {
		on     string // when it is said: find, create
		repeat bool   // the first write changes a record
		fault  *fault
	}{
		"between look-up and write":          {on: "find"},
		"during the write":                   {on: "create"},
		"during a change":                    {on: "create", repeat: true},
		"the answer is lost":                 {on: "create", fault: &fault{on: "create", err: lost(crm.TimedOut), after: true}},
		"the answer to a change is lost":     {on: "create", repeat: true, fault: &fault{on: "create", err: lost(crm.TimedOut), after: true}},
		"a change may or may not have been":  {on: "create", repeat: true, fault: &fault{on: "create", err: lost(crm.Unavailable)}},
		"it was refused for the old values":  {on: "create", fault: &fault{on: "create", err: &crm.Failure{Class: crm.Recorded, Code: "ODD"}}},
		"a change was refused":               {on: "create", repeat: true, fault: &fault{on: "create", err: &crm.Failure{Class: crm.Recorded, Code: "ODD"}}},
		"the CRM is away":                    {on: "find", fault: &fault{on: "find", err: &crm.Failure{Class: crm.Pause, Code: "SERVER_UNAVAILABLE"}}},
		"the connection broke in the middle": {on: "create", fault: &fault{on: "create", err: &crm.Failure{Class: crm.Connection, Code: crm.Broken}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, c := newHouse(t, "a"), newCRM()
				h.set(db.OneUpdate, "")
				d := h.dispatcher(crms{"a": c})
				id := h.says("a/1", "jane@example.com", "Jane", "Doe")
				if tt.repeat {
					takes(d, "a")
					h.says("a/1", "jane@example.com", "Janet", "Doe")
				}
				var late []crm.Write // takes effect before it has settled
				c.hook = func(on string) {
					if on != tt.on {
						return
					}
					c.hook = nil
					h.says("a/1", "jane@example.com", "Ann", "Lee")
					if tt.fault != nil {
						c.mu.Lock()
						c.faults = append(c.faults, *tt.fault)
						c.mu.Unlock()
					}
					if tt.fault != nil && tt.fault.err.Code == crm.Unavailable {
						late = []crm.Write{{ID: c.records["jane@example.com"][0], Fields: crm.Fields{crm.FirstName: "Janet"}}}
					}
				}
				takes(d, "a")
				stop := run(t, d)
				time.Sleep(5 * time.Second)
				if late != nil {
					c.make(late, crm.Options{})
				}
				time.Sleep(30 * time.Second)
				stop()
				time.Sleep(time.Hour) // nobody looks meanwhile, which costs the test nothing
				stop = run(t, d)
				time.Sleep(30 * time.Second)
				stop()
				c.wantName(t, "in the end", "jane@example.com", "Ann", "Lee")
				if s := h.subscriber("a", id); s.State != db.Delivered {
					t.Errorf("got %+v", s)
				}
				h.adds("a")
			})
		})
	}
}

// None of the states is an end for a person either: refused, dismissed, or delivered
// to an org that isn't the one any more.
func TestWhoWasDismissedSignsUpAgain(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	c.refuses["jane@example.com"] = &crm.Failure{Class: crm.Recorded, Code: "ODD"}
	id := h.says("a/1", "jane@example.com", "", "")
	takes(d, "a")
	h.must(h.db.Dismiss(t.Context(), to("a"), id, "", "No."))
	delete(c.refuses, "jane@example.com")
	h.says("a/1", "jane@example.com", "Jane", "Doe")
	takes(d, "a")
	c.wantName(t, "signed up again", "jane@example.com", "Jane", "Doe")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("got %+v", s)
	}
	h.adds("a")
}
