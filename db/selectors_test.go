package db

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// saveAll stores grants of the tenant's that differ in what change makes of them.
func saveAll(t *testing.T, d *DB, u User, tenant Tenant, change ...func(*Grant)) []Grant {
	t.Helper()
	var all []Grant
	for _, c := range change {
		g := grant(u, tenant)
		c(&g)
		if _, err := d.SaveIdentity(t.Context(), g, true, ""); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	return all
}

func ids(t *testing.T, d *DB, sel Selector) (ids []string) {
	t.Helper()
	all, err := d.Identities(t.Context(), sel, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	return ids
}

func TestSelectors(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	of := func(service, user, account string, tags ...string) func(*Grant) {
		return func(g *Grant) { g.Service, g.User, g.Account, g.Tags = service, user, account, tags }
	}
	g := saveAll(t, d, ann, tenant, of("sfdc", "", ""), of("sfdc", "eve@x.example", ""), of("sfdc", "eve@x.example", "work", "team:a b", "€"),
		of("hubspot", "eve@x.example", "", "€"), of("sfdc", "' OR 1=1 --", ""), of("hubspot", "", "team"))
	theirs := saveAll(t, d, bob, bobs, of("sfdc", "eve@x.example", "", "€"), func(g *Grant) { g.OrgID = "two" })
	own, eve, work, hub, quote, label, other, bobsOwn := g[0].ID, g[1].ID, g[2].ID, g[3].ID, g[4].ID, g[5].ID, theirs[0].ID, theirs[1].ID
	for _, c := range []struct {
		name string
		sel  Selector
		want []string
	}{
		{"all", Selector{}, []string{own, eve, work, hub, quote, label, other, bobsOwn}},
		{"id", Selector{ID: hub}, []string{hub}},
		{"service", Selector{Service: "hubspot"}, []string{hub, label}},
		{"tenant", Selector{TenantID: bobs.ID}, []string{other, bobsOwn}},
		{"user of all tenants", Selector{User: "eve@x.example"}, []string{eve, work, hub, other}},
		{"user and tenant", Selector{TenantID: tenant.ID, User: "eve@x.example"}, []string{eve, work, hub}},
		{"account", Selector{Account: "work"}, []string{work}},
		{"no user", Selector{NoUser: true}, []string{own, label, bobsOwn}},
		{"no account", Selector{NoAccount: true}, []string{own, eve, hub, quote, other, bobsOwn}},
		{"neither: tenants' own", Selector{NoUser: true, NoAccount: true}, []string{own, bobsOwn}},
		{"a tenant's own, beside others", Selector{Service: "sfdc", TenantID: tenant.ID, NoUser: true, NoAccount: true}, []string{own}},
		{"a user's unlabelled, beside others", Selector{Service: "sfdc", TenantID: tenant.ID, User: "eve@x.example", NoAccount: true}, []string{eve}},
		{"a label of nobody's", Selector{Account: "work", NoUser: true}, nil},
		{"a user and none", Selector{User: "eve@x.example", NoUser: true}, nil},
		{"an account and none", Selector{Account: "work", NoAccount: true}, nil},
		{"tag", Selector{Tags: []string{"€"}}, []string{work, hub, other}},
		{"both tags", Selector{Tags: []string{"€", "team:a b"}}, []string{work}},
		{"tag that nobody has", Selector{Tags: []string{"€", "team"}}, nil},
		{"all together", Selector{Service: "sfdc", TenantID: tenant.ID, User: "eve@x.example", Account: "work", Tags: []string{"€"}}, []string{work}},
		{"quote", Selector{User: "' OR 1=1 --"}, []string{quote}},
		{"like is no wildcard", Selector{User: "%"}, nil},
		{"bounded to a tenant", Selector{User: "eve@x.example", Tenants: []string{bobs.ID}}, []string{other}},
		{"another tenant than the bound", Selector{TenantID: tenant.ID, Tenants: []string{bobs.ID}}, nil},
		{"bounded to services", Selector{Services: []string{"hubspot", "zoho"}}, []string{hub, label}},
	} {
		if got := ids(t, d, c.sel); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if i := find(t, d, tenant.ID); i.ID != own {
		t.Errorf("the tenant's own is %s", i.ID)
	}
	if i, err := d.IdentityOf(t.Context(), "sfdc", tenant.ID, "eve@x.example", "work"); i.ID != work || !slices.Equal(i.Tags, []string{"team:a b", "€"}) || err != nil {
		t.Errorf("the user's: %+v, %v", i, err)
	}
	// Saved anew with other tags, it is found by them alone.
	again := g[2]
	again.Tags = []string{"new"}
	if _, err := d.SaveIdentity(t.Context(), again, true, ""); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, d, Selector{Tags: []string{"€"}}); !slices.Equal(got, []string{hub, other}) {
		t.Errorf("by the old tag: %v", got)
	}
	if got := ids(t, d, Selector{Tags: []string{"new"}}); !slices.Equal(got, []string{work}) {
		t.Errorf("by the new tag: %v", got)
	}
}

// What was saved for a user leaves alone what is held for the tenant.
func TestUsersLeaveHeldAlone(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	held := grant(ann, tenant)
	if err := d.HoldIdentity(t.Context(), Held{Grant: held, ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	g := saveAll(t, d, ann, tenant, func(g *Grant) { g.User = "eve" })[0]
	if h, err := d.Held(t.Context(), "sfdc", tenant.ID); h.ID != held.ID || err != nil {
		t.Errorf("held: %+v, %v", h.ID, err)
	}
	if deleted, err := d.DeleteSomeIdentities(t.Context(), Selector{ID: g.ID}, "", "", 0); len(deleted) != 1 || err != nil {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if _, err := d.Held(t.Context(), "sfdc", tenant.ID); err != nil {
		t.Errorf("held: %v", err)
	}
}

func TestDeleteIdentities(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	all := saveAll(t, d, ann, tenant, func(*Grant) {}, func(g *Grant) { g.User, g.Tags = "eve", []string{"x"} }, func(g *Grant) { g.User = "joe" })
	saveAll(t, d, bob, bobs, func(g *Grant) { g.User = "eve" })
	if err := d.HoldIdentity(t.Context(), Held{Grant: grant(ann, tenant), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if none, err := d.DeleteSomeIdentities(t.Context(), Selector{User: "nobody"}, "", "", 0); len(none) != 0 || err != nil {
		t.Errorf("deleted %v, %v", none, err)
	}
	// It is atomic: when one can't be, none is.
	over := testdb.Refuse(t, d.write, "DELETE ON identities", "old.id = '"+all[2].ID+"'")
	if some, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: tenant.ID}, "", "", 0); len(some) != 0 || err == nil {
		t.Errorf("deleted %v, %v", some, err)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM revocations`); n != 0 || len(ids(t, d, Selector{TenantID: tenant.ID})) != 3 {
		t.Errorf("%d revocations of what was not deleted", n)
	}
	over()
	deleted, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: tenant.ID}, "", "", 0)
	if err != nil || len(deleted) != 3 {
		t.Fatalf("deleted %v, %v", deleted, err)
	}
	for n, r := range deleted {
		if r.ID != all[n].ID || r.User != all[n].User {
			t.Errorf("receipt %+v", r)
		}
		if rev, err := d.Revocation(t.Context(), r.Revocation); err != nil || rev.IdentityID != r.ID || rev.RemoteUserID != "user" || rev.OrgID != "one" {
			t.Errorf("revocation %+v, %v", rev, err)
		}
	}
	if _, err := d.Held(t.Context(), "sfdc", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("still held: %v", err)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM identity_tags`); n != 0 {
		t.Errorf("%d tags are left", n)
	}
	if left := ids(t, d, Selector{}); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// What is deleted by parts is deleted each once, in the order of the ids, and each
// part at once or not at all.
func TestDeleteSomeIdentities(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	var changes []func(*Grant)
	for _, user := range []string{"a", "b", "c", "d", "e"} {
		changes = append(changes, func(g *Grant) { g.User = user })
	}
	all := saveAll(t, d, ann, tenant, changes...)
	own := saveAll(t, d, ann, tenant, func(*Grant) {})[0]
	over := testdb.Refuse(t, d.write, "DELETE ON identities", "old.id = '"+all[1].ID+"'")
	if some, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: tenant.ID}, "", "z", 2); len(some) != 0 || err == nil {
		t.Errorf("deleted %v, %v", some, err)
	}
	if n := len(ids(t, d, Selector{})); n != 6 {
		t.Errorf("%d are left of a part that could not be deleted", n)
	}
	over()
	var got []string
	for after := ""; ; {
		some, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: tenant.ID, Service: "sfdc"}, after, all[4].ID, 2)
		if err != nil || len(some) > 2 {
			t.Fatalf("deleted %v, %v", some, err)
		}
		if len(some) == 0 {
			break
		}
		for _, r := range some {
			if r.Tenant != tenant.Slug || r.Revocation == "" {
				t.Errorf("receipt %+v", r)
			}
			got, after = append(got, r.ID), r.ID
		}
	}
	if left := ids(t, d, Selector{}); len(got) != 5 || got[0] != all[0].ID || got[4] != all[4].ID || !slices.Equal(left, []string{own.ID}) {
		t.Errorf("deleted %v, left %v", got, left)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM revocations`); n != 5 {
		t.Errorf("%d revocations", n)
	}
}

// selectors are one of each shape that a listing is asked for by.
var selectors = []Selector{{ID: "i"}, {Service: "sfdc"}, {TenantID: "t"}, {User: "u"}, {TenantID: "t", User: "u"}, {Tags: []string{"x"}}, {Tags: []string{"x", "y"}, Service: "s"},
	{TenantID: "t", NoUser: true}, {Service: "s", NoUser: true, NoAccount: true}, {TenantID: "t", Service: "s", NoUser: true, NoAccount: true}, {User: "u", NoAccount: true}}

// A listing that begins with a tag, a user or a service reads by an index.
func TestSelectorPlans(t *testing.T) {
	testdb.SQLiteOnly(t, "its way of telling a plan")
	d := open(t)
	for _, sel := range selectors {
		where, args := whereSelected(sel)
		plan, err := collect(t.Context(), d.read, func(s scanner) (detail string, err error) {
			var a, b, c int
			return detail, s.Scan(&a, &b, &c, &detail)
		}, `EXPLAIN QUERY PLAN SELECT `+identityColumns+` FROM identities WHERE `+where+` AND id > '' ORDER BY id LIMIT 10`, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			if step == "SCAN identities" || strings.Contains(step, "identities USING INDEX sqlite_autoindex_identities_1 (id>?)") {
				t.Errorf("%+v: %v", sel, plan)
			}
		}
	}
}

// TestSelectorPlansOnPostgres is the same for PostgreSQL, which is told not to read
// tables whole where it can help it.
func TestSelectorPlansOnPostgres(t *testing.T) {
	if testdb.Either(t, "sqlite", "") != "" {
		t.Skip("these are plans of PostgreSQL's")
	}
	d := open(t)
	conn, err := d.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), `SET enable_seqscan = off`); err != nil {
		t.Fatal(err)
	}
	for _, sel := range selectors {
		where, args := whereSelected(sel)
		lines, err := collect(t.Context(), conn, func(row scanner) (line string, err error) { return line, row.Scan(&line) },
			`EXPLAIN SELECT `+identityColumns+` FROM identities WHERE `+where+` AND id > '' ORDER BY id LIMIT 10`, args...)
		if err != nil {
			t.Fatal(err)
		}
		if plan := strings.Join(lines, "\n"); strings.Contains(plan, "Seq Scan on identities") {
			t.Errorf("%+v:\n%s", sel, plan)
		}
	}
}
