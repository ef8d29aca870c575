package identity

import (
	"errors"
	"testing"
	"time"
)

// A connection whose own app was removed and set again is in order, on every page.
func TestAnAppThatComesBackLeavesNoFailure(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.ownApp(v)
	w.connect(v)
	v.Wait()
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	w.setApp(v, w.tenant, ownID, ownSecret)
	w.fresh(v, 0)
	if c := w.connection(v); c.Code != "" || c.Dead {
		t.Errorf("told as %q, dead %t", c.Code, c.Dead)
	}
}

// The removal of an app is not the end of a call that wasn't answered: the token isn't
// sent again before the call can't be under way any more.
func TestAnAppThatComesBackShortensNoWait(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	v.Patience = 100 * time.Millisecond // for which the get waits
	w.ownApp(v)
	i := w.connect(v)
	v.Wait()
	w.srv.fail("token", 1, json503)
	if _, err := w.get(v, i.Generation); err == nil {
		t.Fatal("renewed")
	}
	v.Wait() // on a busy machine the renewal goes on for longer than the get
	calls := w.srv.count("token")
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	w.setApp(v, w.tenant, ownID, ownSecret)
	var unavailable *UnavailableError
	if _, err := w.get(v, i.Generation); !errors.As(err, &unavailable) || w.srv.count("token") != calls {
		t.Errorf("%v, %d calls more", err, w.srv.count("token")-calls)
	}
}
