package db

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// fill stores a row in every table, each of whose texts is the id, but for those
// that have to be something else: lists in JSON, states, and services.
func fill(t *testing.T, d *DB, id string) {
	t.Helper()
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := d.write.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	defer testdb.WithoutReferences(t, d.write)()
	_, columns := testdb.Tables(t, d.read)
	for _, table := range ownTables(t, d) {
		var names, values []string
		for _, c := range columns[table] {
			names = append(names, c.Name)
			switch isJSON := strings.HasPrefix(c.Default, "'[") || strings.HasPrefix(c.Default, "'{"); {
			case c.Name == "state" && table == "subscribers":
				values = append(values, "'left'")
			case c.Name == "state" && table == "deliveries":
				values = append(values, "'attention'")
			case c.Name == "service":
				values = append(values, "'sfdc'")
			case isJSON:
				values = append(values, c.Default)
			case c.Type == "TEXT":
				values = append(values, "$1")
			default:
				values = append(values, "0")
			}
		}
		run(`INSERT INTO `+table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(values, ", ")+`) ON CONFLICT DO NOTHING`, id)
	}
}

// ownTables are all tables but those of the migrations and the job runner, and
// those that have a row for each service or key rather than for somebody.
func ownTables(t *testing.T, d *DB) []string {
	t.Helper()
	all, _ := testdb.Tables(t, d.read)
	return slices.DeleteFunc(all, func(table string) bool {
		return strings.HasPrefix(table, "goose") || strings.HasPrefix(table, "river") || table == "settings" || table == "services" || table == "sealing_keys"
	})
}

// holding returns the tables that have a row with the id in any of its texts.
func holding(t *testing.T, d *DB, id string) (tables []string) {
	t.Helper()
	_, columns := testdb.Tables(t, d.read)
	for _, table := range ownTables(t, d) {
		var texts []string
		for _, c := range columns[table] {
			if c.Type == "TEXT" {
				texts = append(texts, c.Name)
			}
		}
		if number(t, d, `SELECT count(*) FROM `+table+` WHERE $1 IN (`+strings.Join(texts, ", ")+`)`, id) > 0 {
			tables = append(tables, table)
		}
	}
	return tables
}

// Every table is walked: what a new one holds of a tenant has to go with it, or
// be among those that are said to stay.
func TestWipeLeavesNothingOfATenant(t *testing.T) {
	d := open(t)
	_, gone := member(t, d, "gone")
	_, other := member(t, d, "other")
	if _, err := d.CloseTenant(t.Context(), gone.ID, d.now()); err != nil {
		t.Fatal(err)
	}
	fill(t, d, gone.ID)
	fill(t, d, other.ID)
	before := holding(t, d, other.ID)
	if _, err := d.write.Exec(`INSERT INTO leases (name, owner, until) VALUES ($1, 'x', 0)`, Lease{DestinationKey: first(gone.ID)}.name()); err != nil {
		t.Fatal(err)
	}
	var told []int
	wiped, err := d.WipeTenant(t.Context(), gone.ID, func(n int) { told = append(told, n) })
	if err != nil || !wiped.Done || wiped.Subscribers != 1 || wiped.Users != 2 || !slices.Equal(told, []int{1}) {
		t.Errorf("wiped %+v, %v, told %v", wiped, err, told)
	}
	stays := []string{
		"newsletter_slugs", "revocations", // outlive the tenant
		"api_keys",                                                                       // those that name other tenants too
		"leases", "limit_counts", "mails", "recipient_mails", "setup_links", "throttles", "used_proofs", // by hashes and ids, which expire
		"vault_events",                                                                                // ids and codes, which expire; what became of its tokens is told by them
		"org_locks",                                                                                   // of an org, whoever has it
		"database_copies", "mac_keys", "mail_domains", "search_looks", "service_settings", "wordings", "write_probes", // of the operator, or shared
	}
	if left := holding(t, d, gone.ID); !slices.Equal(left, slices.Sorted(slices.Values(stays))) {
		t.Errorf("left in %v, want %v", left, stays)
	}
	if n := number(t, d, `SELECT count(*) FROM leases WHERE name = $1`, Lease{DestinationKey: first(gone.ID)}.name()); n != 0 {
		t.Error("its lease is left")
	}
	if after := holding(t, d, other.ID); !slices.Equal(after, before) {
		t.Errorf("of another tenant: %v, before %v", after, before)
	}
	if _, err := d.WipeTenant(t.Context(), other.ID, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("an open one: %v", err)
	}
}

func TestWipeGoesByBatches(t *testing.T) {
	d := open(t)
	_, gone := member(t, d, "gone")
	fill(t, d, gone.ID)
	if _, err := d.write.Exec(`INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, created_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
		SELECT $1, 's' || i, $1, '', i, '', '', 'active', 0 FROM n`, gone.ID); err != nil {
		t.Fatal(err)
	}
	for _, destination := range []string{gone.ID, "another"} {
		if _, err := d.write.Exec(`INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, due_at)
			SELECT tenant_id, id, $2, 'waiting', 0 FROM subscribers WHERE tenant_id = $1 AND id LIKE 's%'`, gone.ID, destination); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.write.Exec(`UPDATE tenants SET closed_at = 1, wipe_at = 1 WHERE id = $1`, gone.ID); err != nil {
		t.Fatal(err)
	}
	var told []int
	wiped, err := d.WipeTenant(t.Context(), gone.ID, func(n int) { told = append(told, n) })
	if want := []int{1000, 2000, 2501}; err != nil || !wiped.Done || !slices.Equal(told, want) {
		t.Errorf("%+v, %v, told %v, want %v", wiped, err, told, want)
	}
	wantN(t, d, 0, `SELECT count(*) FROM deliveries WHERE tenant_id = $1`, gone.ID)
}

// What a tenant's own app has made can be revoked with that app alone.
func TestOwnAppStaysUntilItsRevocationsAreMade(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	setApp(t, d, tenant.ID, "own")
	g := grant(ann, tenant)
	g.OwnApp = true
	save(t, d, g)
	closing, err := d.CloseTenant(t.Context(), tenant.ID, d.now())
	if err != nil || len(closing.Deleted) != 1 {
		t.Fatalf("%+v, %v", closing, err)
	}
	for range 2 {
		if w, err := d.WipeTenant(t.Context(), tenant.ID, nil); err != nil || w.Done {
			t.Errorf("%+v, %v", w, err)
		}
		if _, err := d.TenantApp(t.Context(), "sfdc", tenant.ID); err != nil {
			t.Errorf("its app: %v", err)
		}
	}
	if err := d.DeleteRevocation(t.Context(), closing.Deleted[0].Revocation); err != nil {
		t.Fatal(err)
	}
	if w, err := d.WipeTenant(t.Context(), tenant.ID, nil); err != nil || !w.Done {
		t.Errorf("%+v, %v", w, err)
	}
	if app, err := d.TenantApp(t.Context(), "sfdc", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("its app: %+v, %v", app, err)
	}
}

func TestAClosedTenantIsNowhere(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	if err := d.AddMember(t.Context(), bob.ID, tenant.ID, noon); err != nil {
		t.Fatal(err)
	}
	g := grant(ann, tenant)
	save(t, d, g)
	held := grant(ann, tenant)
	held.Service = "slack"
	if err := d.HoldIdentity(t.Context(), Held{Grant: held, ExpiresAt: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		u  User
		id string
	}{{ann, "annsession"}, {bob, "bobsession"}} {
		if err := d.CreateSession(t.Context(), s.id+"hash", Session{ID: s.id, UserID: s.u.ID, TenantID: tenant.ID, CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)}, s.u, ""); err != nil {
			t.Fatal(err)
		}
	}
	n, err := d.NewsletterBySlug(t.Context(), "ann-weekly")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddSignUps(t.Context(), []SignUp{{TenantID: tenant.ID, NewsletterID: n.ID, Email: "r@x.example", EmailKey: "r@x.example", Consent: "Yes.", Source: "form", At: noon}}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []APIKey{{ID: "alone", Tenants: []string{tenant.ID}}, {ID: "both", Tenants: []string{tenant.ID, bobs.ID}}, {ID: "all"}} {
		if err := d.AddAPIKey(t.Context(), key, key.ID); err != nil {
			t.Fatal(err)
		}
	}

	closing, err := d.CloseTenant(t.Context(), tenant.ID, noon.Add(time.Hour))
	if err != nil || closing.Sessions != 1 || closing.Members != 2 || closing.APIKeys != 1 || closing.Subscribers != 1 || len(closing.Deleted) != 2 {
		t.Errorf("closing: %+v, %v", closing, err)
	}
	if n := count(t, d, `SELECT count(*) FROM revocations`); n != 2 {
		t.Errorf("%d revocations, want those of the connection and of what was held", n)
	}
	d.isNowhere(t, tenant, "ann-weekly", ann, bob)
	wantLost(t, "a connection", func() error { _, err := d.SaveIdentity(t.Context(), grant(ann, tenant), false, ""); return err }())
	wantLost(t, "what is held", d.HoldIdentity(t.Context(), Held{Grant: held, ExpiresAt: noon.Add(time.Hour)}))
	wantLost(t, "a handshake", d.AddHandshake(t.Context(), Handshake{StateHash: "x", TenantID: tenant.ID, Service: "sfdc", UserID: ann.ID, KeyID: 7, ExpiresAt: noon.Add(time.Hour)}))
	wantLost(t, "an import", func() error {
		_, err := d.ImportIdentities(t.Context(), nil, []Arrival{{Grant: grant(ann, tenant)}})
		return err
	}())
	if err := d.SetTenant(t.Context(), Tenant{ID: tenant.ID, Slug: "new", Name: "New"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("renamed: %v", err)
	}

	if err := d.ReopenTenant(t.Context(), tenant.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Member(t.Context(), ann.ID, tenant.ID); err != nil {
		t.Errorf("open again: %v", err)
	}
	if err := d.ReopenTenant(t.Context(), tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("an open one is opened: %v", err)
	}
	if _, err := d.CloseTenant(t.Context(), tenant.ID, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	d.at(noon.Add(time.Hour))
	if due, err := d.DueWipes(t.Context()); err != nil || len(due) != 1 || due[0].ID != tenant.ID {
		t.Errorf("due: %+v, %v", due, err)
	}
	if err := d.ReopenTenant(t.Context(), tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("one that is being wiped is opened: %v", err)
	}
}

// isNowhere checks that nothing finds a closed tenant with one due subscriber.
func (d *DB) isNowhere(t *testing.T, tenant Tenant, newsletter string, only, alsoElsewhere User) {
	t.Helper()
	wantGone := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := d.TenantBySlug(t.Context(), tenant.Slug)
	wantGone("by slug", err)
	_, err = d.Member(t.Context(), only.ID, tenant.ID)
	wantGone("a member", err)
	_, err = d.NewsletterBySlug(t.Context(), newsletter)
	wantGone("its form", err)
	_, err = d.SignedIn(t.Context(), "annsessionhash", noon, noon.Add(-time.Hour))
	wantGone("a session of somebody who is nowhere else", err)
	if in, err := d.SignedIn(t.Context(), "bobsessionhash", noon, noon.Add(-time.Hour)); err != nil || in.Tenant.ID != "" || in.TenantID != "" {
		t.Errorf("a session of somebody else: %+v, %v", in, err)
	}
	if all, err := d.TenantsOf(t.Context(), alsoElsewhere.ID); err != nil || len(all) != 1 || all[0].ID == tenant.ID {
		t.Errorf("tenants of a member: %+v, %v", all, err)
	}
	if due, err := d.DueDestinations(t.Context(), "me"); err != nil || len(due) != 0 {
		t.Errorf("due to be delivered: %v, %v", due, err)
	}
	if due, err := d.DueRecounts(t.Context(), noon.Add(time.Hour)); err != nil || slices.Contains(due, tenant.ID) {
		t.Errorf("due to be counted: %v, %v", due, err)
	}
	later := noon.Add(48 * time.Hour)
	if all, err := d.LongWaiting(t.Context(), later); err != nil || len(all) != 0 {
		t.Errorf("waits for long: %+v, %v", all, err)
	}
	if all, err := d.PileUps(t.Context(), 0, noon); err != nil || len(all) != 0 {
		t.Errorf("piles up: %+v, %v", all, err)
	}
	if all, err := d.Identities(t.Context(), Selector{TenantID: tenant.ID}, "", 10); err != nil || len(all) != 0 {
		t.Errorf("connections: %+v, %v", all, err)
	}
	if _, err := d.APIKeyBySecret(t.Context(), "alone"); !errors.Is(err, ErrNotFound) {
		t.Errorf("its key: %v", err)
	}
	if _, err := d.APIKeyBySecret(t.Context(), "both"); err != nil {
		t.Errorf("a key of two tenants: %v", err)
	}
}

// A public name belongs to whoever had it first, for good.
func TestANewslettersSlugIsGivenOnce(t *testing.T) {
	d := open(t)
	_, first := member(t, d, "contoso")
	if _, err := d.CloseTenant(t.Context(), first.ID, d.now()); err != nil {
		t.Fatal(err)
	}
	if err := d.CreateTenant(t.Context(), Tenant{ID: NewID(), Slug: "contoso", Name: "x", CreatedAt: noon}, FirstNewsletter{Slug: "x"}); !errors.Is(err, ErrConflict) {
		t.Errorf("the slug of a closed tenant: %v", err)
	}
	if w, err := d.WipeTenant(t.Context(), first.ID, nil); err != nil || !w.Done {
		t.Fatal(w, err)
	}
	_, second := member(t, d, "contoso")
	all, err := d.Newsletters(t.Context(), second.ID)
	if err != nil || len(all) != 1 || all[0].Slug != "contoso-weekly-2" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := d.NewsletterBySlug(t.Context(), "contoso-weekly"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old name: %v", err)
	}
}

func TestDeleteUser(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	if err := d.AddMember(t.Context(), ann.ID, bobs.ID, noon); err != nil {
		t.Fatal(err)
	}
	save(t, d, grant(ann, tenant))
	if err := d.CreateSession(t.Context(), "hash", Session{ID: "s", UserID: ann.ID, CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)}, ann, ""); err != nil {
		t.Fatal(err)
	}
	if err := d.AddHandshake(t.Context(), Handshake{StateHash: "x", TenantID: tenant.ID, Service: "sfdc", UserID: ann.ID, KeyID: 7, ExpiresAt: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	held := grant(ann, tenant)
	held.Service = "slack"
	if err := d.HoldIdentity(t.Context(), Held{Grant: held, ExpiresAt: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	gone, err := d.DeleteUser(t.Context(), ann.ID)
	if err != nil || gone.Sessions != 1 || !slices.Equal(gone.Tenants, []string{"ann", "bob"}) || !slices.Equal(gone.Empty, []string{"ann"}) {
		t.Errorf("%+v, %v", gone, err)
	}
	if left := holding(t, d, ann.ID); !slices.Equal(left, []string{"identities"}) {
		t.Errorf("left in %v: a connection is the tenant's, all else goes", left)
	}
	if n := count(t, d, `SELECT count(*) FROM revocations WHERE service = 'slack'`); n != 1 {
		t.Errorf("%d revocations of what they had not confirmed yet", n)
	}
	if i := find(t, d, tenant.ID); i.ConnectedEmail != "" {
		t.Errorf("connected by %q", i.ConnectedEmail)
	}
	if _, err := d.DeleteUser(t.Context(), ann.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if u, err := d.User(t.Context(), bob.ID); err != nil || u != bob {
		t.Errorf("somebody else: %+v, %v", u, err)
	}
}
