package delivery

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// The last API calls are left to others, and used again when there are more.
func TestTheLastCallsAreLeftToOthers(t *testing.T) {
	for _, share := range []int{25, db.MaxShare} {
		leavesTheLastCalls(t, share)
	}
}

func leavesTheLastCalls(t *testing.T, share int) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		if err := h.db.SetDeliverySettings(t.Context(), to("a"), db.DeliverySettings{Several: db.SeveralNewest, Share: share}); err != nil {
			t.Fatal(err)
		}
		c.used, c.limit = 100*share, 10000
		d := h.dispatcher(crms{"a": c})
		defer run(t, d)()
		id := h.signUp("a/1", "jane@example.com")[0]
		d.Wake("a")
		time.Sleep(time.Minute)
		p, err := h.db.Pause(t.Context(), to("a"))
		if err != nil || p.Reason != crm.Spared || h.subscriber("a", id).State != db.Waiting || len(c.creates) != 0 {
			t.Errorf("got %+v, %v, %d creates", p, err, len(c.creates))
		}
		c.mu.Lock()
		c.used = 100
		c.mu.Unlock()
		time.Sleep(2 * spareFor)
		if s := h.subscriber("a", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
		if u, err := h.db.Usage(t.Context(), to("a")); err != nil || u.Used != 100 || u.Allowed != 10000 {
			t.Errorf("got %+v, %v", u, err)
		}
	})
}

// Whichever limit is reached keeps sign-ups back, and the first one is what is kept.
func TestAnyLimitKeepsBack(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.used, c.limit = 1, 100
	c.second = crm.LimitState{Used: 94, Allowed: 100, Known: true}
	d := h.dispatcher(crms{"a": c})
	first := h.signUp("a/1", "jane@example.com")[0]
	takes(d, "a")
	if s := h.subscriber("a", first); s.State != db.Delivered {
		t.Fatalf("before: %+v", s)
	}
	c.second.Used = 95
	id := h.signUp("a/1", "joe@example.com")[0]
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Waiting || h.pause("a").Reason != crm.Spared {
		t.Errorf("%+v, %+v", s, h.pause("a"))
	}
	if u, err := h.db.Usage(t.Context(), to("a")); err != nil || u.Used != 1 || u.Allowed != 100 {
		t.Errorf("%+v, %v", u, err)
	}
}

// Another org that was connected has API calls of its own: what the one before had
// used keeps nothing back.
func TestUsageIsForgottenAfterConnecting(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM() // which says nothing of its usage before the first call
	id := h.signUp("a/1", "jane@example.com")[0]
	if err := h.db.SaveUsage(t.Context(), to("a"), 9900, 10000, 7); err != nil {
		t.Fatal(err)
	}
	d := h.dispatcher(crms{"a": c})
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Waiting {
		t.Errorf("before: %+v", s)
	}
	if err := d.Resume(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("got %+v, paused: %+v", s, h.pause("a"))
	}
	if err := h.db.SaveUsage(t.Context(), to("a"), 1, 10000, 0); err != nil {
		t.Fatal(err)
	}
	if u, err := h.db.Usage(t.Context(), to("a")); err != nil || u.Ours != 7 {
		t.Errorf("our own calls are %d, %v", u.Ours, err)
	}
}

func TestCheckUpIsKept(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	if err := d.CheckUp(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	kept, err := h.db.CheckUp(t.Context(), to("a"))
	if err != nil || kept.OrgID != "00D1" || kept.At.IsZero() || !strings.Contains(kept.Checks, "Found.") {
		t.Errorf("%+v, %v", kept, err)
	}
	c.checkFails = &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}
	var f *crm.Failure
	if err := d.CheckUp(t.Context(), to("a")); !errors.As(err, &f) || f.Code != crm.Unavailable {
		t.Errorf("during an outage: %v", err)
	}
	if again, err := h.db.CheckUp(t.Context(), to("a")); err != nil || again != kept {
		t.Errorf("what was found is gone: %+v, %v", again, err)
	}
	if err := d.CheckUp(t.Context(), to("nobody")); !errors.As(err, &f) {
		t.Errorf("not connected: %v", err)
	}
}

// A tenant may have somebody decide when several records have an address.
func TestSeveralMatches(t *testing.T) {
	for _, several := range []string{db.SeveralNewest, db.SeveralAttention} {
		synctest.Test(t, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			if err := h.db.SetDeliverySettings(t.Context(), to("a"), db.DeliverySettings{Several: several, Share: 50}); err != nil {
				t.Fatal(err)
			}
			c.records["jane@example.com"] = []string{"newest", "older"}
			d := h.dispatcher(crms{"a": c})
			defer run(t, d)()
			id, other := h.signUp("a/1", "jane@example.com")[0], h.signUp("a/1", "joe@example.com")[0]
			d.Wake("a")
			time.Sleep(time.Minute)
			s := h.subscriber("a", id)
			if several == db.SeveralNewest && (s.State != db.Delivered || s.RecordID != "newest") || several == db.SeveralAttention && (s.State != db.Attention || s.Reason != crm.Several) {
				t.Errorf("%s: got %+v", several, s)
			}
			if s := h.subscriber("a", other); s.State != db.Delivered {
				t.Errorf("%s: the other one: %+v", several, s)
			}
		})
	}
}

// What is done with somebody who is in the CRM already is the tenant's choice.
func TestOneMatch(t *testing.T) {
	for name, test := range map[string]struct {
		one          string
		there        crm.Fields
		refused      *crm.Failure
		first, last  string // written
		state        db.State
		reason, said string
	}{
		"fill a blank":            {one: db.OneFill, there: crm.Fields{crm.LastName: "Doe"}, first: "Jane", state: db.Delivered},
		"fill both":               {one: db.OneFill, first: "Jane", last: "Roe", state: db.Delivered},
		"nothing is blank":        {one: db.OneFill, there: crm.Fields{crm.FirstName: "J.", crm.LastName: "Doe"}, state: db.Delivered},
		"update":                  {one: db.OneUpdate, there: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Doe"}, last: "Roe", state: db.Delivered},
		"update, all the same":    {one: db.OneUpdate, there: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Roe"}, state: db.Delivered},
		"leave":                   {one: db.OneLeave, state: db.Delivered},
		"a change is refused":     {one: db.OneFill, refused: &crm.Failure{Class: crm.Recorded, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION"}, state: db.Delivered, said: "FIELD_CUSTOM_VALIDATION_EXCEPTION"},
		"it was deleted":          {one: db.OneFill, refused: &crm.Failure{Class: crm.Recorded, Code: crm.Gone}, state: db.Waiting, reason: crm.Gone},
		"it was locked":           {one: db.OneFill, refused: &crm.Failure{Class: crm.Pause, Code: "UNABLE_TO_LOCK_ROW"}, state: db.Waiting, reason: "UNABLE_TO_LOCK_ROW"},
		"the outcome is a riddle": {one: db.OneFill, refused: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}, state: db.Waiting, reason: crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			if err := h.db.SetDeliverySettings(t.Context(), to("a"), db.DeliverySettings{Several: db.SeveralNewest, One: test.one, Share: 50}); err != nil {
				t.Fatal(err)
			}
			c.records["jane@example.com"], c.names["there"] = []string{"there"}, test.there
			if test.refused != nil {
				c.refuses["there"] = test.refused
			}
			id := h.signUp("a/1", "jane@example.com")[0]
			h.exec(`UPDATE subscribers SET first_name = 'Jane', last_name = 'Roe'`)
			takes(h.dispatcher(crms{"a": c}), "a")
			s := h.subscriber("a", id)
			if s.State != test.state || s.Reason != test.reason || test.state == db.Delivered && s.RecordID != "there" || test.said != "" && !strings.Contains(s.Detail, test.said) {
				t.Errorf("got %+v", s)
			}
			var first, last string
			for _, w := range c.changes {
				first, last = w.Fields[crm.FirstName], w.Fields[crm.LastName]
			}
			if first != test.first || last != test.last || len(c.records["jane@example.com"]) != 1 {
				t.Errorf("wrote %q, %q", first, last)
			}
			h.adds("a")
		})
	}
}

// The record that a duplicate rule found is kept, with where it is.
func TestAMatchIsKept(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.refuses["jane@example.com"] = &crm.Failure{Class: crm.Recorded, Code: "DUPLICATES_DETECTED", Match: "003match"}
	id := h.signUp("a/1", "jane@example.com")[0]
	takes(h.dispatcher(crms{"a": c}), "a")
	if s := h.subscriber("a", id); s.State != db.Attention || s.MatchID != "003match" || s.InstanceURL != c.Target().InstanceURL || s.OrgID != "" {
		t.Errorf("got %+v", s)
	}
	delete(c.refuses, "jane@example.com")
	if _, err := h.db.Retry(t.Context(), to("a"), id, ""); err != nil {
		t.Fatal(err)
	}
	takes(h.dispatcher(crms{"a": c}), "a")
	if s := h.subscriber("a", id); s.State != db.Delivered || s.MatchID != "" {
		t.Errorf("got %+v", s)
	}
	h.adds("a")
}

// The fewer API calls are left, the longer sign-ups wait to travel together.
func TestGathering(t *testing.T) {
	for name, test := range map[string]struct {
		used    int
		waits   time.Duration
		usageAt time.Duration // ago
	}{
		"plenty":            {used: 10, waits: 0},
		"half of the share": {used: 40, waits: 0},
		"three quarters":    {used: 60, waits: 30 * time.Second},
		"almost all":        {used: 79, waits: 58 * time.Second},
		"long ago":          {used: 79, waits: 0, usageAt: spareFor},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, c := newHouse(t, "a"), newCRM()
				if err := h.db.SetDeliverySettings(t.Context(), to("a"), db.DeliverySettings{Several: db.SeveralNewest, One: db.OneLeave, Share: 80}); err != nil {
					t.Fatal(err)
				}
				c.used, c.limit = test.used, 100
				if err := h.db.SaveUsage(t.Context(), to("a"), test.used, 100, 0); err != nil {
					t.Fatal(err)
				}
				h.exec(`UPDATE api_usage SET at = at - $1`, test.usageAt.Milliseconds())
				defer run(t, h.dispatcher(crms{"a": c}))()
				id := h.signUp("a/1", "jane@example.com")[0]
				time.Sleep(max(0, test.waits-2*time.Second))
				if s := h.subscriber("a", id); test.waits > 0 && s.State != db.Waiting {
					t.Error("sent at once")
				}
				time.Sleep(4 * time.Second)
				if s := h.subscriber("a", id); s.State != db.Delivered {
					t.Errorf("not sent: %+v", s)
				}
			})
		})
	}
}

func TestOurCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.used, c.limit = 5, 1000
		d := h.dispatcher(crms{"a": c})
		for range 3 {
			h.signUp("a/1", db.NewID()+"@example.com")
			takes(d, "a")
			time.Sleep(usageEvery / 2)
		}
		h.signUp("a/1", "last@example.com")
		time.Sleep(usageEvery)
		takes(d, "a")
		if u, err := h.db.Usage(t.Context(), to("a")); err != nil || u.Ours != 8 {
			t.Errorf("got %+v, %v", u, err)
		}
	})
}
