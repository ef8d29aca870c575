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
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.used, c.limit = 9500, 10000
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
