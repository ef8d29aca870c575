package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/identity"
	"gatepost/seal"
)

// connected is a database with a connection of the tenant contoso whose refresh
// token nobody can open, and the environment that leads there.
func connected(t *testing.T, loginURL string) (*db.DB, db.Grant, []string) {
	t.Helper()
	dir := t.TempDir()
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(dir, "gatepost.db"), "GATEPOST_KEYSET=" + filepath.Join(dir, "keyset.json"),
		"GATEPOST_SFDC_LOGIN_URL=" + loginURL}
	d, err := db.Open(t.Context(), filepath.Join(dir, "gatepost.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if _, err := seal.OpenKeyring(t.Context(), filepath.Join(dir, "keyset.json"), d, identity.Sealed); err != nil {
		t.Fatal(err)
	}
	tenant := db.Tenant{ID: db.NewID(), Slug: "contoso", Name: "Contoso", CreatedAt: time.Now()}
	if err := d.CreateTenant(t.Context(), tenant, db.FirstNewsletter{Slug: "weekly", Name: "Weekly", Consent: "Yes."}); err != nil {
		t.Fatal(err)
	}
	u := db.User{ID: db.NewID(), Email: "john@contoso.example", PasswordHash: "x", CreatedAt: time.Now(), PasswordChangedAt: time.Now()}
	if err := d.CreateUser(t.Context(), u, tenant.ID); err != nil {
		t.Fatal(err)
	}
	key, err := d.SealingKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := db.Grant{ID: db.NewID(), Service: "sfdc", TenantID: tenant.ID, SealedAccess: "SECRET-A", SealedRefresh: "SECRET-R", KeyID: key,
		LoginURL: loginURL, InstanceURL: "https://contoso.my.salesforce.com", OrgID: "00D000000000001", OrgName: "Con\x1b[2Jtoso",
		Scopes: "api id", ConnectedBy: u.ID}
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	return d, g, environ
}

func TestIdentitiesAreShown(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := command(t, "", environ, args...)
		if code != 0 || errOut != "" {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		if strings.Contains(out, "SECRET") || strings.Contains(out, "\x1b") {
			t.Errorf("%v printed a secret, or what a terminal obeys:\n%q", args, out)
		}
		return out
	}
	for _, want := range []string{"contoso", "ok", "Con[2Jtoso 00D000000000001", "john@contoso.example"} {
		if out := run("identity", "ls"); !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := run("identity", "ls", "--service", "other"); strings.Contains(out, "contoso") {
		t.Errorf("of another service:\n%s", out)
	}
	if out := run("identity", "get", "sfdc", "contoso"); !strings.Contains(out, "NEXT KEEP-ALIVE") || !strings.Contains(out, "api id") {
		t.Errorf("get:\n%s", out)
	}
	var rows []identityRow
	if err := json.Unmarshal([]byte(run("identity", "ls", "--output", "json")), &rows); err != nil || len(rows) != 1 ||
		rows[0].State != "ok" || rows[0].KeepAliveAt == nil || rows[0].UsedAt != nil || rows[0].KeyID != g.KeyID {
		t.Errorf("%+v, %v", rows, err)
	}
	i, err := d.Identity(t.Context(), "sfdc", g.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.BreakIdentity(t.Context(), i.ID, i.Generation, "invalid_grant", ""); err != nil {
		t.Fatal(err)
	}
	var row identityRow
	if err := json.Unmarshal([]byte(run("identity", "get", "sfdc", "contoso", "-o", "json")), &row); err != nil ||
		row.State != "broken" || row.FailedCode != "invalid_grant" || row.FailedClass != "permanent" || row.KeepAliveAt != nil {
		t.Errorf("%+v, %v", row, err)
	}
	// Both say why, and who must do what.
	for code, want := range map[string][2]string{"inactive_user": {"no longer active", "the tenant's admin at the service"}, "OAUTH_APP_BLOCKED": {"blocked the app", "the tenant's admin at the service"},
		"invalid_client": {"app’s registration", "you, the operator"}, "unreachable": {"could not be reached", "nobody: it passes"}, "app_refused": {"own app", "the tenant"}} {
		if _, err := d.Writer().Exec(`UPDATE identities SET broken_at = 0, broken_code = '', failed_at = 1, failed_code = $1`, code); err != nil {
			t.Fatal(err)
		}
		if out := run("identity", "get", "sfdc", "contoso"); !strings.Contains(out, want[0]) || !strings.Contains(out, want[1]) || !strings.Contains(out, code) {
			t.Errorf("%s:\n%s", code, out)
		}
		if out := run("identity", "ls"); !strings.Contains(out, code) || !strings.Contains(out, want[1]) {
			t.Errorf("%s:\n%s", code, out)
		}
	}
	for _, args := range [][]string{{"get", "sfdc", "nobody"}, {"get", "other", "contoso"}} {
		if code, _, errOut := command(t, "", environ, append([]string{"identity"}, args...)...); code != 1 || errOut == "" {
			t.Errorf("%v: exit %d, %s", args, code, errOut)
		}
	}
}

func TestIdentityIsRemoved(t *testing.T) {
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer srv.Close()
	d, g, environ := connected(t, srv.URL)
	code, out, errOut := command(t, "y\n", environ, "identity", "rm", "sfdc", "contoso")
	if code != 1 || out != "" || !strings.Contains(errOut, "--yes") {
		t.Errorf("without a terminal: exit %d\n%s%s", code, out, errOut)
	}
	if _, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil {
		t.Fatalf("unasked: %v", err)
	}
	code, out, errOut = command(t, "", environ, "identity", "rm", "sfdc", "contoso", "--yes")
	if code != 0 || !strings.Contains(out, "Removed the connection of contoso to sfdc") || !strings.Contains(out, "tries again for a week") || strings.Contains(out, "SECRET") {
		t.Errorf("one that can't be opened: exit %d\n%s%s", code, out, errOut)
	}
	if n := dbtest.Pending(t, d, "sfdc", g.TenantID); n != 1 || calls.Load() != 0 {
		t.Errorf("%d pending, %d calls", n, calls.Load())
	}
	if code, _, _ := command(t, "", environ, "identity", "rm", "sfdc", "contoso", "--yes"); code != 1 {
		t.Error("removed twice")
	}
}

// Those of the application's users are found, shown and removed by what names them.
func TestIdentitiesOfUsers(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	for _, user := range []string{"eve@x.example", "joe"} {
		more := g
		more.ID, more.User, more.Tags, more.ConnectedBy = db.NewID(), user, []string{"of " + user, "team a"}, ""
		if _, err := d.SaveIdentity(t.Context(), more, true, ""); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, "", environ, append([]string{"identity"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out + errOut
	}
	for _, c := range []struct {
		args string
		n    int
	}{{"ls", 3}, {"ls|--user|joe", 1}, {"ls|--tag|team a", 2}, {"ls|--tag|team a|--tag|of joe", 1}, {"ls|--tenant|contoso|--service|sfdc", 3}, {"ls|--account|x", 0}, {"ls|--no-user", 1}, {"ls|--no-account", 3}, {"ls|--id|" + g.ID, 1}} {
		var rows []identityRow
		if err := json.Unmarshal([]byte(run(0, append(strings.Split(c.args, "|"), "-o", "json")...)), &rows); err != nil || len(rows) != c.n {
			t.Errorf("%s: %d, %v", c.args, len(rows), err)
		}
	}
	run(1, "ls", "--tenant", "nobody")
	if out := run(0, "get", "sfdc", "contoso", "--user", "eve@x.example"); !strings.Contains(out, "of eve@x.example, team a") {
		t.Errorf("get:\n%s", out)
	}
	if out := run(1, "get", "sfdc", "contoso", "--tag", "team a"); !strings.Contains(out, "several") {
		t.Errorf("several:\n%s", out)
	}
	// What isn't given is any, in each command: the tenant's own is named, or has an id.
	for _, several := range [][]string{{"get", "sfdc", "contoso"}, {"rm", "sfdc", "contoso", "--yes"}, {"rm", "sfdc", "contoso", "--yes", "--keep-grant"}} {
		if out := run(1, several...); !strings.Contains(out, "--no-user --no-account") {
			t.Errorf("%v: %s", several, out)
		}
	}
	for _, own := range [][]string{{"get", "sfdc", "contoso", "--no-user"}, {"get", "sfdc", "contoso", "--no-user", "--no-account"}, {"get", "--id", g.ID}} {
		if out := run(0, own...); !strings.Contains(out, g.ID) {
			t.Errorf("%v: %s", own, out)
		}
	}
	for _, wrong := range [][]string{{"get", "sfdc", "contoso", "--id", g.ID}, {"get", "--id", g.ID, "--user", "joe"}, {"ls", "--id", g.ID, "--tenant", "contoso"}, {"rm", "--id", g.ID, "--no-user", "--yes"},
		{"get"}, {"get", "--id", ""}, {"rm", "--user", "joe", "--yes"}, {"revoke", "--id", g.ID, "--service", "sfdc", "--yes"}, {"export", "x.age", "--id", g.ID, "--all"}, {"export", "x.age", "--id", g.ID, "--user", "joe"},
		{"ls", "--user", "joe", "--no-user"}, {"rm", "sfdc", "contoso", "--account", "x", "--no-account", "--yes"}, {"revoke", "--yes"}, {"revoke", "--no-user", "--yes"}, {"revoke", "--no-account", "--yes"},
		{"revoke", "--tenant", "", "--yes"}, {"revoke", "sfdc", "--yes"}, {"revoke", "--user", "joe", "--output", "xml"}} {
		if code, _, errOut := command(t, "", environ, append([]string{"identity"}, wrong...)...); code == 0 || errOut == "" {
			t.Errorf("%v: exit %d, %s", wrong, code, errOut)
		}
	}
	run(1, "get", "--id", "nothing")
	run(1, "rm", "sfdc", "contoso", "--user", "nobody", "--yes")
	// What is named by nothing, as by a variable that isn't set, would be more than was meant.
	for _, empty := range [][]string{{"rm", "sfdc", "contoso", "--user", "", "--yes"}, {"rm", "sfdc", "contoso", "--tag=", "--yes"}, {"rm", "sfdc", "contoso", "--user", "joe", "--account", "", "--yes"},
		{"rm", "sfdc", "", "--user", "joe", "--yes"}, {"rm", "", "contoso", "--user", "joe", "--yes"}, {"get", "sfdc", "contoso", "--user", ""}, {"ls", "--tenant", ""}} {
		if out := run(2, empty...); !strings.Contains(out, "empty") {
			t.Errorf("%q: %s", empty, out)
		}
	}
	if out := run(0, "rm", "sfdc", "contoso", "--tag", "team a", "--yes"); !strings.Contains(out, "Removed 2 connections of contoso to \"sfdc\"") {
		t.Errorf("rm:\n%s", out)
	}
	if _, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil {
		t.Errorf("the tenant's own: %v", err)
	}
}

// A connection that is named by its id is removed alone.
func TestIdentityIsRemovedByID(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	joe := g
	joe.ID, joe.User = db.NewID(), "joe"
	if _, err := d.SaveIdentity(t.Context(), joe, true, ""); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := command(t, "", environ, "identity", "rm", "--id", joe.ID, "--yes"); code != 0 || !strings.Contains(out, "Removed the connection of contoso to sfdc") {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	if _, err := d.IdentityByID(t.Context(), joe.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := d.IdentityByID(t.Context(), g.ID); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// What the settings want by now, and a connection was not granted, is shown.
func TestMissingScopesAreShown(t *testing.T) {
	_, g, environ := connected(t, "https://login.salesforce.com")
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := command(t, "", environ, args...)
		if code != 0 {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out
	}
	if out := run("identity", "get", "sfdc", "contoso"); !strings.Contains(out, "MISSING SCOPES   -") {
		t.Errorf("as granted:\n%s", out)
	}
	run("service", "set", "sfdc", "--scope", "api", "--scope", "refresh_token", "--scope", "chatter_api")
	if out := run("identity", "get", "--id", g.ID); !strings.Contains(out, "MISSING SCOPES   chatter_api") {
		t.Errorf("get:\n%s", out)
	}
	if out := run("identity", "ls"); !strings.Contains(out, "MISSING SCOPES") || !strings.Contains(out, "chatter_api") {
		t.Errorf("ls:\n%s", out)
	}
	if out := run("identity", "ls", "--output", "json"); !strings.Contains(out, `"missing_scopes": [
      "chatter_api"
    ]`) {
		t.Errorf("ls:\n%s", out)
	}
}

// All that a selector names is revoked, each with a line; the exit code tells of those
// that could not be.
func TestIdentitiesAreRevoked(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	for _, user := range []string{"eve", "joe", "ann"} {
		more := g
		more.ID, more.User, more.Tags = db.NewID(), user, []string{"x"}
		if _, err := d.SaveIdentity(t.Context(), more, true, ""); err != nil {
			t.Fatal(err)
		}
	}
	revoke := func(args ...string) (int, string, string) {
		t.Helper()
		return command(t, "", environ, append([]string{"identity", "revoke"}, args...)...)
	}
	if code, out, errOut := revoke("--tenant", "contoso"); code != 1 || out != "" || !strings.Contains(errOut, "--yes") {
		t.Errorf("without a terminal: exit %d\n%s%s", code, out, errOut)
	}
	if code, out, errOut := revoke("--user", "nobody", "--yes"); code != 1 || out != "" || !strings.Contains(errOut, "nothing was revoked") {
		t.Errorf("nobody's: exit %d\n%s%s", code, out, errOut)
	}
	// Its token can't be opened, so that it can't be revoked now.
	code, out, errOut := revoke("--user", "eve", "--yes")
	if code != 1 || len(strings.Split(out, "\n")) != 3 || !strings.Contains(out, "  sfdc  contoso  not yet: it is tried again for a week\n") ||
		!strings.Contains(out, "Removed 1 connection: 1 not revoked at the service yet.\n") || !strings.Contains(errOut, "1 of 1 are not revoked") {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	if n := dbtest.Pending(t, d, "sfdc", g.TenantID); n != 1 {
		t.Errorf("%d pending", n)
	}
	// One that can't be removed is told, and keeps no other.
	if _, err := d.Writer().Exec(`CREATE TRIGGER refuse BEFORE DELETE ON identities WHEN old.user_name = 'joe' BEGIN SELECT RAISE(ABORT, 'disk'); END`); err != nil {
		t.Fatal(err)
	}
	var told struct {
		Receipts                          []receiptRow
		Removed, Revoked, Pending, Failed int
	}
	code, out, errOut = revoke("--service", "sfdc", "--yes", "--output", "json")
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != 1 || len(told.Receipts) != 3 || told.Removed != 2 || told.Pending != 2 || told.Failed != 1 || told.Revoked != 0 || !strings.Contains(errOut, "1 could not be removed") {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errOut)
	}
	if r := told.Receipts[1]; r.User != "joe" || r.Ending != "" || r.Error == "" || told.Receipts[2].User != "ann" || told.Receipts[2].Ending != identity.Pending || told.Receipts[0].Tenant != "contoso" {
		t.Errorf("%+v", told.Receipts)
	}
	if all, err := d.Identities(t.Context(), db.Selector{}, "", 9); err != nil || len(all) != 1 || all[0].User != "joe" {
		t.Errorf("left: %+v, %v", all, err)
	}
	if strings.Contains(out+errOut, "SECRET") {
		t.Error("a secret is told")
	}
}

// Where all is revoked, the exit code is 0.
func TestReceiptsAreSummedUp(t *testing.T) {
	var out strings.Builder
	told := receipts{out: &out, sums: map[identity.Ending]int{}}
	for _, e := range []identity.Ending{identity.Revoked, identity.Revoked, identity.Shared, identity.NoWay} {
		told.line(identity.Receipt{Deleted: db.Deleted{ID: "i", Service: "s", Tenant: "t"}, Ending: e})
	}
	if err := errors.Join(told.end("table"), told.left()); err != nil {
		t.Error(err)
	}
	want := "Removed 4 connections: 2 revoked at the service; 1 not revoked, since another connection has the same access; 1 not revoked, since the service offers no way.\n"
	if lines := strings.SplitAfter(out.String(), "\n"); len(lines) != 6 || lines[0] != "i  s  t  revoked\n" || lines[4] != want {
		t.Errorf("%q", lines)
	}
	for _, e := range []identity.Ending{identity.Revoked, identity.Pending, identity.Shared, identity.NoWay, ""} {
		if !slices.ContainsFunc(endings, func(row ending) bool { return row.ending == e && row.line != "" && row.sum != "" }) {
			t.Errorf("no words for %q", e)
		}
	}
}
