package db

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Authorizations that have ended are kept for a while, and not without a limit.
func TestEndedAuthorizationsAreBounded(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	n := 0
	for ; n < 1000; n++ {
		h := Handshake{StateHash: fmt.Sprint(n), SessionID: "s", TenantID: tenant.ID, Service: "sfdc", UserID: ann.ID, KeyID: 7, ExpiresAt: noon.Add(time.Hour)}
		if err := d.AddHandshake(t.Context(), h); errors.Is(err, ErrTooMany) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if _, err := d.TakeHandshake(t.Context(), "sfdc", h.StateHash, "s"); err != nil {
			t.Fatal(err)
		}
	}
	if want := keptHandshakes * maxSessionHandshakes; n != want {
		t.Errorf("%d ended ones are kept of a session, want %d", n, want)
	}
}
