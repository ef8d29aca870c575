package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatepost/db"
)

// users connects so many users, with the tag all.
func (w *world) users(v *Vault, n int) (ids []string) {
	for i := range n {
		ids = append(ids, w.connectAs(v, fmt.Sprint("user", i), "", "all").ID)
	}
	return ids
}

func idsOf(receipts []Receipt) (ids []string) {
	for _, r := range receipts {
		ids = append(ids, r.ID)
	}
	return ids
}

// Any number is deleted a part at a time, each with a receipt, in order; what is
// authorized meanwhile stays.
func TestDeleteEach(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	v.deleteAtOnce = 3
	own := w.connect(v)
	ids := w.users(v, 7)
	fail := func(Receipt) { t.Error("something was deleted") }
	wantError(t, "empty", v.DeleteEach(t.Context(), Selector{NoUser: true, NoAccount: true}, fail), ErrEmptySelector)
	wantError(t, "contrary", v.DeleteEach(t.Context(), Selector{User: "eve", NoUser: true}, fail), ErrContrarySelector)
	if err := v.DeleteEach(t.Context(), Selector{User: "nobody"}, fail); err != nil {
		t.Errorf("nobody's: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "over before it began", v.DeleteEach(over, Selector{Tags: []string{"all"}}, fail), context.Canceled)
	w.wantLive(8)
	var receipts []Receipt
	var late string
	err := v.DeleteEach(t.Context(), Selector{TenantID: w.tenant, Tags: []string{"all"}}, func(r Receipt) {
		if receipts = append(receipts, r); len(receipts) == 1 {
			late = w.connectAs(v, "late", "", "all").ID
		}
	})
	if err != nil || !slices.Equal(idsOf(receipts), ids) {
		t.Fatalf("deleted %v, %v", receipts, err)
	}
	for _, r := range receipts {
		if r.Ending != Revoked || !r.Revoked || r.Err != nil || r.Tenant != "contoso" || r.User == "" {
			t.Errorf("receipt %+v", r)
		}
	}
	w.wantLive(2)
	page, err := v.List(t.Context(), Selector{}, "", 9)
	if err != nil || len(page.Identities) != 2 || page.Identities[0].ID != own.ID || page.Identities[1].ID != late {
		t.Errorf("left: %+v, %v", page, err)
	}
}

// One that can't be deleted keeps no other from it.
func TestDeleteEachGoesOnAfterAFailure(t *testing.T) {
	w := newWorld(t)
	var store *sickStore
	v := w.process(sick(&store, "", 0))
	v.deleteAtOnce = 3
	ids := w.users(v, 7)
	store.left = map[string]int{"DeleteSomeIdentities": 2}
	var receipts []Receipt
	err := v.DeleteEach(t.Context(), Selector{TenantID: w.tenant}, func(r Receipt) { receipts = append(receipts, r) })
	if err != nil || !slices.Equal(idsOf(receipts), ids) {
		t.Fatalf("deleted %v, %v", receipts, err)
	}
	for i, r := range receipts {
		want := []Ending{"", Pending, Pending, Revoked, Revoked, Revoked, Revoked}[i]
		if r.Ending != want || errors.Is(r.Err, errDisk) != (i == 0) {
			t.Errorf("receipt %d: %+v", i, r)
		}
	}
	if page, err := v.List(t.Context(), Selector{}, "", 9); err != nil || len(page.Identities) != 1 || page.Identities[0].ID != ids[0] {
		t.Errorf("left: %+v, %v", page, err)
	}
	w.runRevocations(v)
	w.wantLive(1)
	// A store that fails altogether ends it.
	store.left = map[string]int{"DeleteSomeIdentities": 1}
	v.setStore(noListing{store})
	err = v.DeleteEach(t.Context(), Selector{TenantID: w.tenant}, func(r Receipt) { t.Errorf("receipt %+v", r) })
	wantError(t, "no store", err, errDisk)
}

type noListing struct{ Store }

func (noListing) Identities(context.Context, db.Selector, string, int) ([]db.NamedIdentity, error) {
	return nil, errDisk
}

// A service that ends nothing is left to the jobs, so that 100,000 needn't wait for it.
func TestDeleteEachLeavesASilentServiceToTheJobs(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	v.deleteAtOnce = revokeParallel
	w.users(v, 2*revokeParallel+1)
	w.srv.fail("revoke", 999, html503)
	n := 0
	err := v.DeleteEach(t.Context(), Selector{TenantID: w.tenant}, func(r Receipt) {
		if n++; r.Ending != Pending {
			t.Errorf("receipt %+v", r)
		}
	})
	if asked := w.srv.count("revoke"); err != nil || n != 2*revokeParallel+1 || asked > 2*revokeParallel { // each may be asked for twice
		t.Errorf("%d deleted, %v; the service was asked %d times", n, err, asked)
	}
	w.srv.heal()
	w.runRevocations(v)
	w.wantLive(0)
}

// A part is deleted at once, and tells whether there is more.
func TestDeleteSome(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	ids := w.users(v, 4)
	_, _, err := v.DeleteSome(t.Context(), Selector{NoAccount: true}, 2)
	wantError(t, "empty", err, ErrEmptySelector)
	for _, c := range []struct {
		want []string
		more bool
	}{{ids[:2], true}, {ids[2:], false}, {nil, false}} {
		receipts, more, err := v.DeleteSome(t.Context(), Selector{TenantID: w.tenant}, 2)
		if err != nil || more != c.more || !slices.Equal(idsOf(receipts), c.want) {
			t.Errorf("deleted %v, %v, %v", receipts, more, err)
		}
	}
	w.wantLive(0)
}
