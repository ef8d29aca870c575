package db

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// kindsOf are the kinds of events, the oldest first.
func kindsOf(t *testing.T, d *DB, f VaultEventFilter) (kinds []EventKind) {
	t.Helper()
	all, err := d.VaultEvents(t.Context(), f, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// What changes an identity tells of it in the same transaction, and what comes to nothing
// tells nothing.
func TestWhatChangesAnIdentityIsAnEvent(t *testing.T) {
	d := openSealing(t)
	u, tenant := member(t, d, "ann")
	i := save(t, d, grant(u, tenant))
	g := i.Grant
	if err := d.FinishRenewal(t.Context(), g, i.Generation+7); err == nil {
		t.Error("a renewal of another generation")
	}
	if err := d.FinishRenewal(t.Context(), g, i.Generation); err != nil {
		t.Fatal(err)
	}
	g.Handshake = Handshake{StateHash: strings.Repeat("ab", 32)}.Name()
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteIdentity(t.Context(), g.Service, g.TenantID, ""); err != nil {
		t.Fatal(err)
	}
	want := []EventKind{EventConnected, EventRenewed, EventReauthorized, EventDeleted}
	if kinds := kindsOf(t, d, VaultEventFilter{Service: g.Service, TenantID: g.TenantID, Identity: g.ID}); !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
	all, err := d.VaultEvents(t.Context(), VaultEventFilter{}, 10)
	if err != nil || all[2].Handshake != "abababababab" || all[2].Identity != g.ID || all[2].TenantID != g.TenantID {
		t.Errorf("%+v, %v", all, err)
	}
	for name, f := range map[string]VaultEventFilter{"another service": {Service: "zoho"}, "another tenant": {TenantID: "x"}, "another identity": {Identity: "x"},
		"later": {Since: d.Now().Add(time.Hour)}, "after the last": {After: all[3].ID}} {
		if kinds := kindsOf(t, d, f); len(kinds) != 0 {
			t.Errorf("%s: %v", name, kinds)
		}
	}
}

// Events are kept for a month, and a hundred of one kind for each identity.
func TestEventsAreBounded(t *testing.T) {
	d := open(t)
	now := time.Now()
	d.SetClock(func() time.Time { return now })
	add := func(identity string, kind EventKind, n int) {
		t.Helper()
		for k := range n {
			now = now.Add(time.Microsecond)
			if err := d.AddVaultEvent(t.Context(), VaultEvent{Kind: kind, Service: "sfdc", TenantID: "t", Identity: identity, Code: fmt.Sprint(k)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	now = now.Add(-vaultEventLife - time.Minute)
	add("old", EventRenewed, 3)
	now = now.Add(vaultEventLife + time.Minute)
	add("busy", EventCalled, keptVaultEvents+5)
	add("busy", EventRenewed, 2)
	add("quiet", EventCalled, keptVaultEvents)
	if err := d.ExpireVaultEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	for identity, want := range map[string]int{"old": 0, "busy": keptVaultEvents + 2, "quiet": keptVaultEvents} {
		if kinds := kindsOf(t, d, VaultEventFilter{Identity: identity}); len(kinds) != want {
			t.Errorf("%s has %d events, want %d", identity, len(kinds), want)
		}
	}
	all, err := d.VaultEvents(t.Context(), VaultEventFilter{Identity: "busy"}, 1)
	if err != nil || all[0].Code != "5" {
		t.Errorf("not the oldest were deleted: %+v, %v", all, err)
	}
}

// A call counts as one of ours where the service is one that sign-ups go to.
func TestCallsAreCounted(t *testing.T) {
	d := openSealing(t)
	u, of := member(t, d, "ann")
	d.SetCRMs("sfdc")
	g, tenant := save(t, d, grant(u, of)).Grant, of.ID
	for _, service := range []string{g.Service, g.Service, "github"} {
		if err := d.AddCall(t.Context(), VaultEvent{Kind: EventCalled, Service: service, TenantID: tenant, Identity: g.ID, Detail: "GET /services/data/ 200"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, d, `SELECT COALESCE(sum(n), 0) FROM api_calls WHERE tenant_id = $1`, tenant); n != 2 {
		t.Errorf("%d calls were counted", n)
	}
	if kinds := kindsOf(t, d, VaultEventFilter{}); len(kinds) != 4 {
		t.Errorf("events: %v", kinds)
	}
}
