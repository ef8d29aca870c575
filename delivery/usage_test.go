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
		if err := h.db.SetDeliverySettings(t.Context(), "a", db.DeliverySettings{Several: db.SeveralNewest, Share: share}); err != nil {
			t.Fatal(err)
		}
		c.used, c.limit = 100*share, 10000
		d := h.dispatcher(crms{"a": c})
		defer run(t, d)()
		id := h.signUp("a/1", "jane@example.com")[0]
		d.Wake("a")
		time.Sleep(time.Minute)
		p, err := h.db.Pause(t.Context(), "a")
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
		if u, err := h.db.Usage(t.Context(), "a"); err != nil || u.Used != 100 || u.Allowed != 10000 {
			t.Errorf("got %+v, %v", u, err)
		}
	})
}

func TestCheckUpIsKept(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	if err := d.CheckUp(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	kept, err := h.db.CheckUp(t.Context(), "a")
	if err != nil || kept.OrgID != "00D1" || kept.At.IsZero() || !strings.Contains(kept.Checks, "Found.") {
		t.Errorf("%+v, %v", kept, err)
	}
	c.checkFails = &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}
	var f *crm.Failure
	if err := d.CheckUp(t.Context(), "a"); !errors.As(err, &f) || f.Code != crm.Unavailable {
		t.Errorf("during an outage: %v", err)
	}
	if again, err := h.db.CheckUp(t.Context(), "a"); err != nil || again != kept {
		t.Errorf("what was found is gone: %+v, %v", again, err)
	}
	if err := d.CheckUp(t.Context(), "nobody"); !errors.As(err, &f) {
		t.Errorf("not connected: %v", err)
	}
}

// A tenant may have somebody decide when several records have an address.
func TestSeveralMatches(t *testing.T) {
	for _, several := range []string{db.SeveralNewest, db.SeveralAttention} {
		synctest.Test(t, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			if err := h.db.SetDeliverySettings(t.Context(), "a", db.DeliverySettings{Several: several, Share: 50}); err != nil {
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
