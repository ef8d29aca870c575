package delivery

import (
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
