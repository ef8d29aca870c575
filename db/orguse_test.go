package db

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// A tenant's own connection to an org that another one has is stored only when
// somebody has confirmed it, which is remembered for this tenant and this org.
func TestOrgOfAnotherTenant(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	d.at(noon)
	ann, anns := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	store := func(name string, g Grant, want error) {
		t.Helper()
		if _, err := d.SaveIdentity(ctx, g, true, ""); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	first, second := grant(ann, anns), grant(bob, bobs)
	store("the first", first, nil)
	store("the first in place", first, nil)
	store("the second", second, ErrOrgInUse)
	if n := count(t, d, `SELECT count(*) FROM identities`) + count(t, d, `SELECT count(*) FROM revocations`); n != 2 {
		t.Errorf("%d rows: the refused one left something", n)
	}
	none, user, elsewhere, other := second, second, second, second
	none.OrgID, user.User, elsewhere.OrgID, other.Service = "", "eve", "two", "hubspot"
	none.Account = "" // the tenant's own
	for name, g := range map[string]Grant{"a service without orgs": none, "a user's": user, "another org": elsewhere, "another service": other} {
		g.ID = NewID()
		if name == "a service without orgs" {
			g.Service = "discord"
		}
		store(name, g, nil)
		if _, err := d.DeleteSomeIdentities(ctx, Selector{ID: g.ID}, "", "", 0); err != nil {
			t.Fatal(err)
		}
	}
	confirmed := second
	confirmed.OrgConfirmedBy = bob.ID
	store("confirmed", confirmed, nil)
	if n := count(t, d, `SELECT count(*) FROM org_confirmations WHERE confirmed_by <> '' AND confirmed_at > 0 AND org_id = 'one' AND service = 'sfdc'`); n != 1 {
		t.Errorf("%d confirmations", n)
	}
	if _, err := d.DeleteIdentity(ctx, "sfdc", bobs.ID, ""); err != nil {
		t.Fatal(err)
	}
	second.ID = NewID()
	store("remembered", second, nil)
	if _, err := d.DeleteIdentity(ctx, "sfdc", anns.ID, ""); err != nil {
		t.Fatal(err)
	}
	first.ID = NewID()
	store("the first comes back", first, ErrOrgInUse)
	if needs, err := d.OrgNeedsConfirmation(ctx, "sfdc", "one", bobs.ID); needs || err != nil {
		t.Errorf("needs %v, %v", needs, err)
	}
}

// Who is delivered in an org counts as long as they are there, for Salesforce.
func TestOrgWithReadersOfAnotherTenant(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	_, anns := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	d.another(t, anns.ID, "sfdc")
	for n, want := range map[int]error{0: nil, 1: ErrOrgInUse} {
		d.writeCounts(t, `INSERT INTO org_counts (tenant_id, destination_id, org_id, n) VALUES ($1, $1, 'one', $2) ON CONFLICT (tenant_id, destination_id, org_id) DO UPDATE SET n = excluded.n`, anns.ID, n)
		for service, want := range map[string]error{"sfdc": want, "hubspot": nil} {
			g := grant(bob, bobs)
			g.Service = service
			if _, err := d.SaveIdentity(ctx, g, false, ""); !errors.Is(err, want) {
				t.Errorf("%d readers, %s: %v", n, service, err)
			}
			if _, err := d.DeleteIdentity(ctx, service, bobs.ID, ""); err != nil && want == nil {
				t.Fatal(err)
			}
		}
	}
}

// Only who is a member of another tenant learns which one it is.
func TestOrgUseNamesNobodyElse(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	ann, anns := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	_, carls := member(t, d, "carl")
	save(t, d, grant(ann, anns))
	save(t, d, grant(bob, bobs))
	d.writeCounts(t, `INSERT INTO org_counts (tenant_id, destination_id, org_id, n) VALUES ($1, $1, 'one', 1)`, anns.ID)
	for _, tt := range []struct {
		org, tenant, user string
		want              OrgUse
	}{
		{"one", carls.ID, ann.ID, OrgUse{Others: 2, Names: []string{anns.Name}}},
		{"one", carls.ID, "", OrgUse{Others: 2}},
		{"one", bobs.ID, bob.ID, OrgUse{Others: 1}},
		{"two", carls.ID, ann.ID, OrgUse{}},
		{"", carls.ID, ann.ID, OrgUse{}},
	} {
		h := Held{Grant: grant(ann, Tenant{ID: tt.tenant}), ExpiresAt: noon}
		h.OrgID = tt.org
		if err := d.HoldIdentity(ctx, h); err != nil {
			t.Fatal(err)
		}
		o, err := d.Overview(ctx, tt.tenant, tt.user, "")
		if got := o.Connections.OrgUse["sfdc"]; err != nil || !reflect.DeepEqual(got, tt.want) || o.Connections.Held["sfdc"].OrgID != tt.org {
			t.Errorf("%q for %s: %+v, %v", tt.org, tt.user, got, err)
		}
	}
}

// What became of a handshake stays, for the session that began it.
func TestHandshakeOutcomes(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	h := Handshake{StateHash: "hash", SessionID: "session", UserID: ann.ID, TenantID: tenant.ID, Service: "sfdc", LoginURL: "https://login.example",
		FinishedURL: "/done", SealedVerifier: "sealed", KeyID: 7, ExpiresAt: noon.Add(time.Minute)}
	if err := d.AddHandshake(ctx, h); err != nil {
		t.Fatal(err)
	}
	last := func(name string, want HandshakeOutcome) {
		t.Helper()
		got, of, err := d.LastOutcome(ctx, "sfdc", "session")
		if want == (HandshakeOutcome{}) {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			return
		}
		if err != nil || got != want || of != tenant.ID {
			t.Errorf("%s: %+v of %s, %v", name, got, of, err)
		}
	}
	refused := HandshakeOutcome{Kind: "refused", Code: "access_denied", Said: "no"}
	last("begun", HandshakeOutcome{})
	wantLost(t, "ended before it was taken", d.EndHandshake(ctx, h, refused))
	if err := d.RefuseHandshake(ctx, h, refused); err != nil {
		t.Fatal(err)
	}
	last("refused", refused)
	if _, _, err := d.LastOutcome(ctx, "sfdc", "another"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another session: %v", err)
	}
	if _, _, err := d.LastOutcome(ctx, "hubspot", "session"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another service: %v", err)
	}
	if got, err := d.TakeHandshake(ctx, "sfdc", "hash", "session"); err != nil || got.Outcome != (HandshakeOutcome{}) || !got.TakenAt.Equal(noon) {
		t.Errorf("taken after a refusal: %+v, %v", got, err)
	}
	last("taken", HandshakeOutcome{})
	if _, err := d.TakeHandshake(ctx, "sfdc", "hash", "session"); !errors.Is(err, ErrNotFound) {
		t.Errorf("taken twice: %v", err)
	}
	wantLost(t, "refused after it was taken", d.RefuseHandshake(ctx, h, refused))
	foreign := h
	foreign.TenantID = "another"
	wantLost(t, "another tenant's", d.EndHandshake(ctx, foreign, refused))
	done := HandshakeOutcome{Kind: "connected"}
	if err := d.EndHandshake(ctx, h, done); err != nil {
		t.Fatal(err)
	}
	last("ended", done)
	if got, err := d.Handshake(ctx, "sfdc", "hash", "session"); err != nil || got.Outcome != done {
		t.Errorf("found %+v, %v", got, err)
	}
	d.at(noon.Add(outcomeLife - time.Millisecond)) // after the handshake's own time
	last("kept", done)
	d.at(noon.Add(outcomeLife))
	last("forgotten", HandshakeOutcome{})
	if err := d.ExpireHandshakes(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, d, `SELECT count(*) FROM handshakes`); n != 0 {
		t.Errorf("%d handshakes left", n)
	}
}
