package db

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// at sets the database's clock.
func (d *DB) at(t time.Time) { d.now = func() time.Time { return t } }

// openSealing returns a new database in which key 7 seals.
func openSealing(t *testing.T) *DB {
	t.Helper()
	d := open(t)
	if err := d.SwitchSealingKey(t.Context(), 0, 7); err != nil {
		t.Fatal(err)
	}
	return d
}

// grant is a grant of the tenant's that holds nothing real.
func grant(u User, tenant Tenant) Grant {
	return Grant{ID: NewID(), Service: "sfdc", TenantID: tenant.ID, Native: "{}", SealedAccess: "access", SealedRefresh: "refresh", KeyID: 7,
		LoginURL: "https://login.example", InstanceURL: "https://one.example", OrgID: "one", OrgName: "One", Sandbox: true,
		RemoteUserID: "user", Scopes: "api id", ConnectedBy: u.ID}
}

func save(t *testing.T, d *DB, g Grant) Identity {
	t.Helper()
	g.OrgConfirmedBy = ByOperator // others may have it: most of these tests are about something else
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	return find(t, d, g.TenantID)
}

func find(t *testing.T, d *DB, tenant string) Identity {
	t.Helper()
	i, err := d.Identity(t.Context(), "sfdc", tenant)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func count(t *testing.T, d *DB, query string) (n int) {
	t.Helper()
	if err := d.read.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantLost(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrLost) {
		t.Errorf("%s: %v, want ErrLost", what, err)
	}
}

func TestSaveIdentity(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	if _, err := d.Identity(t.Context(), "sfdc", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Fatalf("nothing stored: %v", err)
	}
	g := grant(ann, tenant)
	first := save(t, d, g)
	want := Identity{Grant: g, ConnectedEmail: ann.Email, Generation: noon.UnixMilli(), ConnectedAt: noon, RefreshedAt: noon,
		KeepAliveAt: first.KeepAliveAt}
	wantKeepAlive(t, first, noon)
	if !reflect.DeepEqual(first, want) {
		t.Errorf("stored %+v\nwant %+v", first, want)
	}
	for _, other := range []string{bobs.ID, ""} {
		if _, err := d.Identity(t.Context(), "sfdc", other); !errors.Is(err, ErrNotFound) {
			t.Errorf("tenant %q sees it: %v", other, err)
		}
	}
	if _, err := d.Identity(t.Context(), "hubspot", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another service: %v", err)
	}
	foreign := g
	foreign.ID = NewID()
	_, err := d.SaveIdentity(t.Context(), foreign, false, "")
	wantLost(t, "another row", err)
	foreign = g
	foreign.OrgID = "two"
	_, err = d.SaveIdentity(t.Context(), foreign, false, "")
	wantLost(t, "another org", err)
	_, err = d.SaveIdentity(t.Context(), foreign, true, NewID())
	wantLost(t, "confirmed what is not held", err)
	if n := count(t, d, `SELECT COUNT(*) FROM revocations`); n != 0 {
		t.Errorf("%d revocations of what was not stored", n)
	}
	if now := find(t, d, tenant.ID); !reflect.DeepEqual(now, first) {
		t.Errorf("changed to %+v", now)
	}
	g.ConnectedBy, g.SealedRefresh = bob.ID, "newer"
	replaced, err := d.SaveIdentity(t.Context(), g, false, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Revocation(t.Context(), replaced)
	if err != nil || r.SealedRefresh != "refresh" || r.IdentityID != g.ID || r.TenantID != tenant.ID || r.LoginURL != g.LoginURL || !r.ExpiresAt.Equal(noon.Add(revocationLife)) {
		t.Errorf("replaced %+v, %v", r, err)
	}
	if now := find(t, d, tenant.ID); now.Generation != first.Generation+1 || now.ConnectedEmail != bob.Email || now.SealedRefresh != "newer" {
		t.Errorf("now %+v", now)
	}
}

// A late answer to a connection that was ended never meets a newer one of the
// same id, as an authorization that began before stores it.
func TestGenerationsAreNeverUsedAgain(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	g := grant(ann, tenant)
	first := save(t, d, g)
	if _, err := d.DeleteIdentity(t.Context(), "sfdc", tenant.ID, ""); err != nil {
		t.Fatal(err)
	}
	d.at(noon.Add(time.Second))
	g.SealedRefresh = "newer"
	second := save(t, d, g)
	late := g
	late.SealedRefresh = "late"
	wantLost(t, "a late answer", d.FinishRenewal(t.Context(), late, first.Generation))
	if now := find(t, d, tenant.ID); !reflect.DeepEqual(now, second) {
		t.Errorf("now %+v", now)
	}
}

func TestRenewalLease(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	i := save(t, d, grant(ann, tenant))
	ctx, gen := t.Context(), i.Generation
	start := func(generation int64, owner string) (time.Time, error) {
		return d.StartRenewal(ctx, i.ID, generation, owner, time.Minute, true)
	}
	if earlier, err := start(gen, "a"); err != nil || !earlier.IsZero() {
		t.Fatalf("%v, %v", earlier, err)
	}
	if now := find(t, d, tenant.ID); !now.Stale || !now.LeaseUntil.Equal(noon.Add(time.Minute)) || !now.CallStartedAt.Equal(noon) {
		t.Errorf("started %+v", now)
	}
	_, err := start(gen, "b")
	wantLost(t, "held by another", err)
	_, err = start(gen, "a")
	wantLost(t, "held already", err)
	_, err = start(gen+1, "b")
	wantLost(t, "another generation", err)
	wantLost(t, "extended by another", d.ExtendRenewal(ctx, i.ID, "b", time.Minute))
	wantLost(t, "restarted by another", d.RestartCall(ctx, i.ID, gen, "b"))
	wantLost(t, "failed by another", d.FailRenewal(ctx, i.ID, gen, "b", "x", noon, false))

	d.at(noon.Add(59 * time.Second))
	if err := d.ExtendRenewal(ctx, i.ID, "a", time.Minute); err != nil {
		t.Fatal(err)
	}
	d.at(noon.Add(118 * time.Second))
	_, err = start(gen, "b")
	wantLost(t, "held by another still", err)
	d.at(noon.Add(119 * time.Second))
	wantLost(t, "extended too late", d.ExtendRenewal(ctx, i.ID, "a", time.Minute))
	wantLost(t, "restarted too late", d.RestartCall(ctx, i.ID, gen, "a"))
	if earlier, err := start(gen, "b"); err != nil || !earlier.Equal(noon) {
		t.Fatalf("taken over: %v, %v", earlier, err)
	}
	wantLost(t, "extended after it", d.ExtendRenewal(ctx, i.ID, "a", time.Minute))
	wantLost(t, "failed after it", d.FailRenewal(ctx, i.ID, gen, "a", "x", noon, false))
	if now := find(t, d, tenant.ID); !now.CallStartedAt.Equal(noon) {
		t.Errorf("the mark of the first call is gone: %v", now.CallStartedAt)
	}
	if err := d.RestartCall(ctx, i.ID, gen, "b"); err != nil {
		t.Fatal(err)
	}
	retry := noon.Add(time.Hour)
	if err := d.FailRenewal(ctx, i.ID, gen, "b", "busy", retry, true); err != nil {
		t.Fatal(err)
	}
	now := find(t, d, tenant.ID)
	if now.FailedCode != "busy" || !now.RetryAt.Equal(retry) || !now.LeaseUntil.IsZero() || !now.CallStartedAt.Equal(noon.Add(119*time.Second)) || !now.Stale {
		t.Errorf("unknown: %+v", now)
	}
	if _, err := start(gen, "b"); err != nil {
		t.Fatal(err)
	}
	if err := d.FailRenewal(ctx, i.ID, gen, "b", "busy", retry, false); err != nil {
		t.Fatal(err)
	}
	if now := find(t, d, tenant.ID); !now.CallStartedAt.IsZero() {
		t.Errorf("known: %+v", now)
	}
}

func TestFinishAndBreak(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	i, other := save(t, d, grant(ann, tenant)), save(t, d, grant(bob, bobs))
	ctx, gen := t.Context(), i.Generation
	wantLost(t, "broken in another generation", d.BreakIdentity(ctx, i.ID, gen-1, "x", ""))
	if err := d.BreakIdentity(ctx, i.ID, gen, "invalid_grant", ""); err != nil {
		t.Fatal(err)
	}
	wantLost(t, "broken twice", d.BreakIdentity(ctx, i.ID, gen, "x", ""))
	if now := find(t, d, tenant.ID); !now.BrokenAt.Equal(noon) || now.BrokenCode != "invalid_grant" || now.FailedCode != "invalid_grant" {
		t.Errorf("broken %+v", now)
	}
	_, err := d.StartRenewal(ctx, i.ID, gen, "a", time.Minute, true)
	wantLost(t, "renewed when broken", err)

	g := i.Grant
	g.SealedAccess, g.SealedRefresh, g.KeyID, g.InstanceURL, g.Scopes = "access 2", "refresh 2", 8, "https://two.example", "api"
	d.at(noon.Add(time.Hour))
	if err := d.FinishRenewal(ctx, g, gen); !errors.Is(err, ErrStaleKey) {
		t.Errorf("sealed with a key that doesn't seal: %v", err)
	}
	if err := d.SwitchSealingKey(ctx, 7, 8); err != nil {
		t.Fatal(err)
	}
	wantLost(t, "finished in another generation", d.FinishRenewal(ctx, g, gen+1))
	if err := d.FinishRenewal(ctx, g, gen); err != nil {
		t.Fatal(err)
	}
	want := Identity{Grant: g, ConnectedEmail: ann.Email, Generation: gen + 1, ConnectedAt: noon, RefreshedAt: noon.Add(time.Hour)}
	now := find(t, d, tenant.ID)
	wantKeepAlive(t, now, noon.Add(time.Hour))
	want.KeepAliveAt = now.KeepAliveAt
	if !reflect.DeepEqual(now, want) {
		t.Errorf("finished %+v\nwant %+v", now, want)
	}
	wantLost(t, "finished twice", d.FinishRenewal(ctx, g, gen))
	if now := find(t, d, bobs.ID); !reflect.DeepEqual(now, other) {
		t.Errorf("another tenant's changed: %+v", now)
	}
}

func TestHold(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	save(t, d, grant(ann, tenant))
	hold := func(u User, tn Tenant, until time.Time) Held {
		h := Held{Grant: grant(u, tn), ConnectedEmail: u.Email, HeldAt: noon, ExpiresAt: until}
		if err := d.HoldIdentity(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	hold(ann, tenant, noon.Add(time.Hour))
	second := hold(ann, tenant, noon.Add(time.Hour))
	theirs := hold(bob, bobs, noon.Add(2*time.Hour))
	if n := count(t, d, `SELECT COUNT(*) FROM revocations`); n != 1 {
		t.Errorf("%d revocations of what was held before", n)
	}
	if h, err := d.Held(t.Context(), "sfdc", tenant.ID); err != nil || !reflect.DeepEqual(h, second) {
		t.Errorf("held %+v, %v", h, err)
	}
	d.at(noon.Add(time.Hour - time.Millisecond))
	if err := d.ExpireHeld(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Held(t.Context(), "sfdc", tenant.ID); err != nil {
		t.Errorf("expired too early: %v", err)
	}
	d.at(noon.Add(time.Hour))
	if err := d.ExpireHeld(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Held(t.Context(), "sfdc", tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("not expired: %v", err)
	}
	if h, err := d.Held(t.Context(), "sfdc", bobs.ID); err != nil || !reflect.DeepEqual(h, theirs) {
		t.Errorf("another tenant's: %+v, %v", h, err)
	}
	if n := count(t, d, `SELECT COUNT(*) FROM revocations`); n != 2 {
		t.Errorf("%d revocations", n)
	}
	for _, other := range []string{tenant.ID, bobs.ID} {
		if id, err := d.DropHeld(t.Context(), "sfdc", other, "another"); id != "" || !errors.Is(err, ErrLost) {
			t.Errorf("nothing to drop: %q, %v", id, err)
		}
	}
	id, err := d.DropHeld(t.Context(), "sfdc", bobs.ID, theirs.ID)
	if r, err2 := d.Revocation(t.Context(), id); err != nil || err2 != nil || r.TenantID != bobs.ID {
		t.Errorf("dropped: %v, %v", err, err2)
	}
}

func TestDeleteIdentity(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	save(t, d, grant(bob, bobs))
	if ids, err := d.DeleteIdentity(t.Context(), "sfdc", tenant.ID, ""); !errors.Is(err, ErrNotFound) || len(ids) != 0 {
		t.Errorf("nothing there: %v, %v", ids, err)
	}
	save(t, d, grant(ann, tenant))
	if err := d.HoldIdentity(t.Context(), Held{Grant: grant(ann, tenant), ExpiresAt: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	ids, err := d.DeleteIdentity(t.Context(), "sfdc", tenant.ID, "")
	if err != nil || len(ids) != 2 {
		t.Errorf("deleted: %v, %v", ids, err)
	}
	if n, err := d.PendingRevocations(t.Context(), "sfdc", tenant.ID); n != 2 || err != nil {
		t.Errorf("%d pending, %v", n, err)
	}
	if n, err := d.PendingRevocations(t.Context(), "sfdc", bobs.ID); n != 0 || err != nil {
		t.Errorf("%d of another tenant pending, %v", n, err)
	}
	for _, id := range ids {
		for range 2 {
			if err := d.DeleteRevocation(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		if _, err := d.Revocation(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	find(t, d, bobs.ID)
}

// Every revocation has its job, made in the same transaction, which holds
// nothing but its id.
func TestRevocationsHaveJobs(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	id, err := d.AddRevocation(t.Context(), grant(ann, tenant))
	if err != nil {
		t.Fatal(err)
	}
	var kind, args string
	if err := d.read.QueryRow(`SELECT kind, `+testdb.Either(t, `json(args)`, `replace(CAST(args AS TEXT), ' ', '')`)+` FROM river_job`).Scan(&kind, &args); err != nil {
		t.Fatal(err)
	}
	if kind != "revoke" || args != fmt.Sprintf(`{"revocation_id":%q}`, id) {
		t.Errorf("%s %s", kind, args)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.AddRevocation(ctx, grant(ann, tenant)); err == nil {
		t.Error("added after the end")
	}
	if n, m := count(t, d, `SELECT COUNT(*) FROM revocations`), count(t, d, `SELECT COUNT(*) FROM river_job`); n != 1 || m != 1 {
		t.Errorf("%d revocations with %d jobs", n, m)
	}
}

func TestHandshakes(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	ann, tenant := member(t, d, "ann")
	h := Handshake{StateHash: "hash", SessionID: "session", UserID: ann.ID, TenantID: tenant.ID, Service: "sfdc", LoginURL: "https://login.example",
		FinishedURL: "/done", SealedVerifier: "sealed", KeyID: 7, ExpiresAt: noon.Add(time.Minute)}
	if err := d.AddHandshake(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if err := d.AddHandshake(t.Context(), h); !errors.Is(err, ErrConflict) {
		t.Errorf("a state twice: %v", err)
	}
	take := func(service, state, session string) (Handshake, error) {
		return d.TakeHandshake(t.Context(), service, state, session)
	}
	for _, wrong := range [][3]string{{"sfdc", "other", "session"}, {"sfdc", "hash", "other"}, {"other", "hash", "session"}, {"sfdc", "hash", ""}, {"", "", ""}} {
		if _, err := take(wrong[0], wrong[1], wrong[2]); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	d.at(h.ExpiresAt)
	if _, err := take("sfdc", "hash", "session"); !errors.Is(err, ErrNotFound) {
		t.Errorf("expired: %v", err)
	}
	d.at(h.ExpiresAt.Add(-time.Millisecond))
	if err := d.ExpireHandshakes(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := take("sfdc", "hash", "session")
	want := h
	want.ExpiresAt, want.TakenAt = time.Time{}, h.ExpiresAt.Add(-time.Millisecond)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("took %+v, %v", got, err)
	}
	if _, err := take("sfdc", "hash", "session"); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
}

// The key that seals is needed, and each one that a row of any table has.
func TestNeededKeys(t *testing.T) {
	d, ctx := open(t), t.Context()
	want := func(what string, want ...uint32) {
		t.Helper()
		if ids, err := d.NeededKeys(ctx); !slices.Equal(ids, want) || err != nil {
			t.Errorf("%s: %v, %v, want %v", what, ids, err, want)
		}
	}
	change := func(query string, args ...any) {
		t.Helper()
		if _, err := d.write.ExecContext(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	want("none was used")
	for id := range uint32(3) {
		if err := d.SwitchSealingKey(ctx, id, id+1); err != nil {
			t.Fatal(err)
		}
	}
	want("without rows", 3)
	testdb.WithoutReferences(t, d.write)
	for _, table := range sealedTables {
		columns, values := table.required(t, d)
		change(`INSERT INTO ` + table.Name + ` (` + columns + `) VALUES (` + values + `)`)
		want("a row of "+table.Name, 3, 1)
		change(`UPDATE ` + table.Name + ` SET key_id = 3`)
		want("sealed anew", 3)
	}
	if _, err := d.RetireKeys(ctx); err != nil {
		t.Fatal(err)
	}
	want("the others retired", 3)
}

// required returns the columns that a row must have, with some values; the key
// is 1.
func (s SealedTable) required(t *testing.T, d *DB) (columns, values string) {
	t.Helper()
	_, tables := testdb.Tables(t, d.read)
	var names []string
	for _, c := range tables[s.Name] {
		if c.Default == "" {
			names = append(names, c.Name)
		}
	}
	if !slices.Contains(names, "key_id") {
		t.Fatal(names)
	}
	return strings.Join(names, ", "), strings.TrimSuffix(strings.Repeat("1, ", len(names)), ", ")
}

func TestSealingKey(t *testing.T) {
	d, ctx := open(t), t.Context()
	if id, err := d.SealingKey(ctx); id != 0 || err != nil {
		t.Errorf("at first: %d, %v", id, err)
	}
	for _, step := range []struct {
		name     string
		from, to uint32
		want     error
		current  uint32
	}{
		{"the first", 0, 1<<32 - 1, nil, 1<<32 - 1},
		{"another process was first", 0, 5, ErrLost, 1<<32 - 1},
		{"from a key that doesn't seal", 4, 5, ErrLost, 1<<32 - 1},
		{"the next", 1<<32 - 1, 5, nil, 5},
		{"back to an earlier one", 5, 1<<32 - 1, ErrConflict, 5},
	} {
		if err := d.SwitchSealingKey(ctx, step.from, step.to); !errors.Is(err, step.want) {
			t.Errorf("%s: %v", step.name, err)
		}
		if id, err := d.SealingKey(ctx); id != step.current || err != nil {
			t.Errorf("%s: %d seals, %v", step.name, id, err)
		}
	}
	if retired, err := d.RetireKeys(ctx); err != nil || len(retired) != 1 || retired[0] != 1<<32-1 {
		t.Fatalf("retired %v, %v", retired, err)
	}
	if err := d.SwitchSealingKey(ctx, 5, 1<<32-1); !errors.Is(err, ErrConflict) {
		t.Errorf("a retired key: %v", err)
	}
	if id, err := d.SealingKey(ctx); id != 5 || err != nil {
		t.Errorf("after a refusal %d seals, %v", id, err)
	}
}

// A store that is gone says so from every method, and never "not found" or "lost".
func TestIdentityStoreGone(t *testing.T) {
	d := open(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Identity":         func() error { _, err := d.Identity(ctx, "sfdc", "x"); return err },
		"SaveIdentity":     func() error { _, err := d.SaveIdentity(ctx, Grant{}, false, ""); return err },
		"DeleteIdentity":   func() error { _, err := d.DeleteIdentity(ctx, "sfdc", "x", ""); return err },
		"StartRenewal":     func() error { _, err := d.StartRenewal(ctx, "x", 1, "a", time.Second, true); return err },
		"RestartCall":      func() error { return d.RestartCall(ctx, "x", 1, "a") },
		"ExtendRenewal":    func() error { return d.ExtendRenewal(ctx, "x", "a", time.Second) },
		"FinishRenewal":    func() error { return d.FinishRenewal(ctx, Grant{}, 1) },
		"FailRenewal":      func() error { return d.FailRenewal(ctx, "x", 1, "a", "c", noon, true) },
		"BreakIdentity":    func() error { return d.BreakIdentity(ctx, "x", 1, "c", "") },
		"Held":             func() error { _, err := d.Held(ctx, "sfdc", "x"); return err },
		"HoldIdentity":     func() error { return d.HoldIdentity(ctx, Held{}) },
		"DropHeld":         func() error { _, err := d.DropHeld(ctx, "sfdc", "x", "y"); return err },
		"ExpireHeld":       func() error { return d.ExpireHeld(ctx) },
		"AddHandshake":     func() error { return d.AddHandshake(ctx, Handshake{}) },
		"TakeHandshake":    func() error { _, err := d.TakeHandshake(ctx, "sfdc", "x", "y"); return err },
		"ExpireHandshakes": func() error { return d.ExpireHandshakes(ctx) },
		"AddRevocation":    func() error { _, err := d.AddRevocation(ctx, Grant{}); return err },
		"Revocation":       func() error { _, err := d.Revocation(ctx, "x"); return err },
		"DeleteRevocation": func() error { return d.DeleteRevocation(ctx, "x") },
		"Pending":          func() error { _, err := d.PendingRevocations(ctx, "sfdc", "x"); return err },
		"SealingKey":       func() error { _, err := d.SealingKey(ctx); return err },
		"NeededKeys":       func() error { _, err := d.NeededKeys(ctx); return err },
		"SwitchSealingKey": func() error { return d.SwitchSealingKey(ctx, 1, 2) },
		"SealingKeys":      func() error { _, err := d.SealingKeys(ctx); return err },
		"Outdated":         func() error { _, err := d.Outdated(ctx, sealedTables, 1); return err },
		"Reseal":           func() error { return d.Reseal(ctx, 1, nil, nil) },
		"RetireKeys":       func() error { _, err := d.RetireKeys(ctx); return err },
		"TenantApp":        func() error { _, err := d.TenantApp(ctx, "sfdc", "x"); return err },
		"ChangeTenantApp": func() error {
			_, err := d.ChangeTenantApp(ctx, "sfdc", "x", func(*TenantApp) error { return nil })
			return err
		},
		"DeleteTenantApp": func() error { _, err := d.DeleteTenantApp(ctx, "sfdc", "x"); return err },
		"OwnAppUses":      func() error { _, err := d.OwnAppUses(ctx, "sfdc", "x"); return err },
		"WithKeyLock":     func() error { return d.WithKeyLock(ctx, func() error { return nil }) },
	} {
		if err := call(); err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who was paused because the app was refused goes on at once when it is mended;
// others stay as they are.
// Mending the app of another service lets no delivery go on before its time.
func TestMendBrokenElsewhere(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	g := grant(ann, tenant)
	g.Service = "hubspot"
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	i, err := d.Identity(t.Context(), "hubspot", tenant.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.BreakIdentity(t.Context(), i.ID, i.Generation, "invalid_client", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(`INSERT INTO pauses (tenant_id, destination_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'limit', '', 3, 0, 9, 0)`, tenant.ID); err != nil {
		t.Fatal(err)
	}
	if n, err := d.MendBroken(t.Context(), "hubspot", "", []string{"invalid_client"}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if p, err := d.Pause(t.Context(), first(tenant.ID)); err != nil || p.Tries != 3 {
		t.Errorf("pause %+v, %v", p, err)
	}
}

func TestMendBroken(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	bob, bobs := member(t, d, "bob")
	save(t, d, grant(ann, tenant))
	save(t, d, grant(bob, bobs))
	for id, code := range map[string]string{tenant.ID: "invalid_client", bobs.ID: "invalid_grant"} {
		i, err := d.Identity(t.Context(), "sfdc", id)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.BreakIdentity(t.Context(), i.ID, i.Generation, code, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := d.write.Exec(`INSERT INTO pauses (tenant_id, destination_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'broken', '', 1, 0, 9, 0)`, id); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.MendBroken(t.Context(), "other", "", []string{"invalid_client"}); n != 0 || err != nil {
		t.Errorf("another service: %d, %v", n, err)
	}
	if n, err := d.MendBroken(t.Context(), "sfdc", "", []string{"invalid_client_id", "invalid_client"}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for id, broken := range map[string]bool{tenant.ID: false, bobs.ID: true} {
		i, err := d.Identity(t.Context(), "sfdc", id)
		if err != nil || i.BrokenAt.IsZero() == broken {
			t.Errorf("broken %v, %v", i.BrokenAt, err)
		}
		if p, err := d.Pause(t.Context(), first(id)); err != nil || (p.Reason != "") != broken {
			t.Errorf("pause %+v, %v", p, err)
		}
	}
}

// Each table of the schema with sealed values is declared once, so that no key is
// retired that its rows need.
func TestSealedTablesAreDeclared(t *testing.T) {
	d := open(t)
	var schema []string
	_, columns := testdb.Tables(t, d.read)
	for table, of := range columns {
		if slices.ContainsFunc(of, func(c testdb.Column) bool { return c.Name == "key_id" || strings.HasPrefix(c.Name, "sealed_") }) {
			schema = append(schema, table)
		}
	}
	slices.Sort(schema)
	var declared []string
	for _, table := range sealedTables {
		declared = append(declared, table.Name)
	}
	slices.Sort(declared)
	if len(schema) == 0 || !slices.Equal(declared, schema) {
		t.Errorf("declared are %v, the schema has %v", declared, schema)
	}
}
