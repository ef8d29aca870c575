package db

import (
	"errors"
	"testing"
	"time"
)

// What waits to be confirmed beside a tenant's own is over when the own one comes
// or goes, and is revoked; what goes on elsewhere isn't.
func TestWhatIsHeldEndsWithAMove(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	hold := func() {
		t.Helper()
		if err := d.HoldIdentity(t.Context(), Held{Grant: grant(ann, tenant), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	wantRevocations := func(what string, n int) {
		t.Helper()
		if got := count(t, d, `SELECT COUNT(*) FROM revocations`); got != n {
			t.Errorf("%s: %d revocations, want %d", what, got, n)
		}
	}
	hold()
	a := Arrival{Grant: grant(ann, tenant), ConnectedAt: time.Now(), RefreshedAt: time.Now().Add(-10 * 24 * time.Hour), ApprovedBy: "ann@x.example"}
	if r, err := d.ImportIdentities(t.Context(), nil, []Arrival{a}); len(r) != 0 || err != nil {
		t.Fatalf("imported: %v, %v", r, err)
	}
	wantRevocations("imported", 1)
	if due, err := d.KeepAliveDue(t.Context(), 10); len(due) != 1 || err != nil {
		t.Errorf("what was renewed long ago isn't due: %v, %v", due, err)
	}
	if _, err := d.ImportIdentities(t.Context(), nil, []Arrival{a}); !errors.Is(err, ErrLost) {
		t.Errorf("over one that is there: %v", err)
	}
	a.KeyID++
	if _, err := d.ImportIdentities(t.Context(), nil, []Arrival{a}); !errors.Is(err, ErrStaleKey) {
		t.Errorf("sealed with an old key: %v", err)
	}
	hold()
	if gone, err := d.ForgetIdentities(t.Context(), Selector{TenantID: tenant.ID}); len(gone) != 1 || gone[0].Revocation != "" || err != nil {
		t.Errorf("forgotten: %v, %v", gone, err)
	}
	wantRevocations("forgotten", 2)
}
