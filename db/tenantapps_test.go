package db

import (
	"errors"
	"testing"
	"time"
)

// setApp stores an app of the tenant's own.
func setApp(t *testing.T, d *DB, tenantID, clientID string) {
	t.Helper()
	_, err := d.ChangeTenantApp(t.Context(), "sfdc", tenantID, func(a *TenantApp) error {
		a.ClientID, a.SealedSecret, a.KeyID = clientID, "sealed "+clientID, 7
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTenantApps(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	_, tenant := member(t, d, "ann")
	_, other := member(t, d, "bob")
	if _, err := d.TenantApp(ctx, "sfdc", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	errNo := errors.New("no")
	if _, err := d.ChangeTenantApp(ctx, "sfdc", tenant.ID, func(*TenantApp) error { return errNo }); !errors.Is(err, errNo) {
		t.Errorf("refused: %v", err)
	}
	stale := func(a *TenantApp) error { a.SealedSecret, a.KeyID = "x", 6; return nil }
	if _, err := d.ChangeTenantApp(ctx, "sfdc", tenant.ID, stale); !errors.Is(err, ErrStaleKey) {
		t.Errorf("sealed with another key: %v", err)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM tenant_apps`); n != 0 {
		t.Errorf("%d stored", n)
	}
	at := time.UnixMilli(1_700_000_000_000)
	d.at(at)
	setApp(t, d, tenant.ID, "ann")
	setApp(t, d, other.ID, "bob")
	_, err := d.ChangeTenantApp(ctx, "sfdc", tenant.ID, func(a *TenantApp) error {
		a.Scopes, a.LoginURL = "api id", "https://own.example"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := TenantApp{TenantID: tenant.ID, Service: "sfdc", ClientID: "ann", SealedSecret: "sealed ann", KeyID: 7, Scopes: "api id",
		LoginURL: "https://own.example", SetAt: at}
	if a, err := d.TenantApp(ctx, "sfdc", tenant.ID); err != nil || a.SetAt.UnixMilli() != at.UnixMilli() {
		t.Errorf("%+v, %v", a, err)
	} else if a.SetAt = at; a != want {
		t.Errorf("%+v", a)
	}
	if a, err := d.TenantApp(ctx, "sfdc", other.ID); err != nil || a.ClientID != "bob" || a.LoginURL != "" {
		t.Errorf("the other tenant's: %+v, %v", a, err)
	}
	if _, err := d.DeleteTenantApp(ctx, "hubspot", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another service: %v", err)
	}
	if n, err := d.DeleteTenantApp(ctx, "sfdc", tenant.ID); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM tenant_apps`); n != 1 {
		t.Errorf("%d are left", n)
	}
}

// A row of two tenants' apps is sealed anew each by itself.
func TestTenantAppsAreResealed(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	_, tenant := member(t, d, "ann")
	_, other := member(t, d, "bob")
	setApp(t, d, tenant.ID, "same")
	setApp(t, d, other.ID, "same")
	if err := d.SwitchSealingKey(ctx, 7, 8); err != nil {
		t.Fatal(err)
	}
	before, err := d.Outdated(ctx, []SealedTable{SealedTenantApps.Holding("client_secret")}, 9)
	if err != nil || len(before) != 2 {
		t.Fatal(before, err)
	}
	after := make([]SealedRow, len(before))
	for i, row := range before {
		after[i] = row
		after[i].Sealed = []Sealed{{Value: "anew " + row.Sealed[0].TenantID}}
	}
	if err := d.Reseal(ctx, 8, before, after); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{tenant.ID, other.ID} {
		if a, err := d.TenantApp(ctx, "sfdc", id); err != nil || a.SealedSecret != "anew "+id || a.KeyID != 8 {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

// What a tenant's app made breaks with its removal, and nothing else does.
func TestRemovedAppBreaksItsConnections(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	setApp(t, d, tenant.ID, "ann")
	setApp(t, d, bobs.ID, "bob")
	own, shared, theirs := grant(ann, tenant), grant(ann, tenant), grant(bob, bobs)
	own.OwnApp, theirs.OwnApp = true, true
	shared.User = "somebody"
	i, other := save(t, d, own), save(t, d, theirs)
	save(t, d, shared)
	dead, refused := own, own
	dead.ID, dead.User, refused.ID, refused.User = NewID(), "dead", NewID(), "refused"
	save(t, d, dead)
	save(t, d, refused)
	breakNow := func(id, code string) {
		t.Helper()
		i, err := d.IdentityByID(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.BreakIdentity(ctx, id, i.Generation, code, ""); err != nil {
			t.Fatal(err)
		}
	}
	breakNow(dead.ID, "invalid_grant")
	breakNow(refused.ID, AppRefused)
	held := own
	held.ID, held.OrgID = NewID(), "two"
	if err := d.HoldIdentity(ctx, Held{Grant: held, ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if n, err := d.OwnAppUses(ctx, "sfdc", tenant.ID); n != 1 || err != nil {
		t.Errorf("%d uses, %v", n, err)
	}
	if _, err := d.StartRenewal(ctx, i.ID, i.Generation, "me", time.Minute, false); err != nil {
		t.Fatal(err)
	}
	if n, err := d.DeleteTenantApp(ctx, "sfdc", tenant.ID); n != 1 || err != nil {
		t.Errorf("%d broke, %v", n, err)
	}
	codes := map[string]string{i.ID: AppRemoved, shared.ID: "", other.ID: "", dead.ID: "invalid_grant", refused.ID: AppRemoved}
	check := func() {
		t.Helper()
		for id, code := range codes {
			got, err := d.IdentityByID(ctx, id)
			if err != nil || got.BrokenCode != code || got.BrokenAt.IsZero() != (code == "") || got.OwnApp != (id != shared.ID) {
				t.Errorf("want %q: %+v, %v", code, got, err)
			}
		}
	}
	check()
	if _, err := d.Held(ctx, "sfdc", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("held: %v", err)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM revocations WHERE own_app = 1`); n != 1 {
		t.Errorf("%d revocations", n)
	}
	// The renewal that was under way is stored, and mends nothing.
	late := i.Grant
	late.SealedAccess = "late"
	if err := d.FinishRenewal(ctx, late, i.Generation); err != nil {
		t.Fatal(err)
	}
	check()
	if got := find(t, d, tenant.ID); got.SealedAccess != "late" || got.Generation == i.Generation {
		t.Errorf("%+v", got)
	}
	// Nor can anything be stored that the app made.
	_, err := d.SaveIdentity(ctx, own, true, "")
	wantLost(t, "save", err)
	wantLost(t, "hold", d.HoldIdentity(ctx, Held{Grant: held}))
	// With the app they are tried again, in the same transaction.
	n, err := d.ChangeTenantApp(ctx, "sfdc", tenant.ID, func(a *TenantApp) error { a.ClientID, a.SealedSecret, a.KeyID = "ann", "x", 7; return nil })
	if n != 2 || err != nil {
		t.Errorf("%d mended, %v", n, err)
	}
	codes[i.ID], codes[refused.ID] = "", ""
	check()
}

// Connections of the shared app and of each tenant's own are mended apart.
func TestMendBrokenOfOneApp(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	ids := map[string]string{}
	tenants := map[string]string{"": ""}
	for _, name := range []string{"shared", "ann", "bob"} {
		user, tenant := member(t, d, name)
		g := grant(user, tenant)
		if g.OwnApp = name != "shared"; g.OwnApp {
			setApp(t, d, tenant.ID, name)
		}
		ids[name], tenants[name] = save(t, d, g).ID, tenant.ID
	}
	for _, c := range []struct{ of, mends string }{{"", "shared"}, {"ann", "ann"}, {"bob", "bob"}, {"shared", ""}} {
		for _, id := range ids {
			i, err := d.IdentityByID(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if i.BrokenAt.IsZero() {
				if err := d.BreakIdentity(ctx, id, i.Generation, "invalid_client", ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := d.MendBroken(ctx, "sfdc", tenants[c.of], []string{"invalid_client"}); err != nil {
			t.Fatal(err)
		}
		for name, id := range ids {
			if i, err := d.IdentityByID(ctx, id); err != nil || i.BrokenAt.IsZero() != (name == c.mends) {
				t.Errorf("mended of %q: %s broken %v, %v", c.of, name, i.BrokenAt, err)
			}
		}
	}
}

// The limit of approvals is one for each app.
func TestApprovalsOfOneApp(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	var all []Grant
	for _, name := range []string{"shared", "too", "own", "another"} {
		user, tenant := member(t, d, name)
		g := grant(user, tenant)
		if g.OwnApp = name == "own" || name == "another"; g.OwnApp {
			setApp(t, d, tenant.ID, name)
		}
		save(t, d, g)
		all = append(all, g)
	}
	for i, want := range []int{2, 2, 1, 1} {
		o, err := d.Overview(ctx, all[i].TenantID, "", "")
		if n := o.Connections.Approvals["sfdc"]; n != want || err != nil {
			t.Errorf("%d: %d, want %d, %v", i, n, want, err)
		}
	}
}
