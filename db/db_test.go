package db

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// empty is the template of dbtest, which imports this package.
var empty = testdb.NewTemplate("empty", func(ctx context.Context, at string) error {
	d, err := Open(ctx, at)
	if err != nil {
		return err
	}
	return d.Close()
})

// open returns a new database of the test's own.
func open(t testing.TB) *DB {
	t.Helper()
	d, err := Open(context.Background(), empty.Copy(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.rehearse = true
	d.SetCRMs("sfdc")
	return d
}

// writeCounts is WriteCounts of dbtest.
func (d *DB) writeCounts(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := d.FoldCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(testdb.OnCounts(t, statement), args...); err != nil {
		t.Fatal(err)
	}
}

// refuse has the database refuse a change, as "INSERT ON subscribers". What is counted
// on PostgreSQL is inserted elsewhere than its name says.
func (d *DB) refuse(t *testing.T, change string) (over func()) {
	t.Helper()
	counters := map[string]string{"ledger": "ledger", "ledger_sums": "ledger", "state_counts": "place", "hour_counts": "place", "org_counts": "place", "activity": "activity"}
	_, table, _ := strings.Cut(change, " ON ")
	if _, ok := d.counter.(deltas); ok && counters[table] != "" {
		return testdb.Refuse(t, d.write, "INSERT ON count_deltas", "new.counter = '"+counters[table]+"'")
	}
	return testdb.Refuse(t, d.write, change, "")
}

// withNewsletters opens a database with the given newsletters: a/1 is one of
// the tenant a. Each tenant has its first destination.
func withNewsletters(t testing.TB, newsletters ...string) *DB {
	t.Helper()
	d := open(t)
	for _, n := range newsletters {
		tenant, _, _ := strings.Cut(n, "/")
		if _, err := d.write.Exec(`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, $1, $2, 1) ON CONFLICT DO NOTHING`, tenant, "Tenant "+tenant); err != nil {
			t.Fatal(err)
		}
		if _, err := d.write.Exec(`INSERT INTO destinations (id, tenant_id, service, created_at) VALUES ($1, $1, '', 1) ON CONFLICT DO NOTHING`, tenant); err != nil {
			t.Fatal(err)
		}
		_, err := d.write.Exec(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, $1, $3, 'I agree.', 1)`, n, tenant, "News "+n)
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func signUp(newsletter, email string) SignUp {
	tenant, _, _ := strings.Cut(newsletter, "/")
	return SignUp{
		TenantID: tenant, NewsletterID: newsletter, Email: email, EmailKey: strings.ToLower(email),
		Consent: "I agree.", Source: "form", At: time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC),
	}
}

func add(t testing.TB, d *DB, signUps ...SignUp) (ids []string) {
	t.Helper()
	answers, err := d.AddSignUps(context.Background(), signUps)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		ids = append(ids, a.ID)
	}
	return ids
}

// first names the destination that a tenant is born with.
func first(tenantID string) DestinationKey { return DestinationKey{tenantID, tenantID} }

// another makes a destination of the tenant's for a service, in place of the one that waits
// for a CRM or beside those that there are.
func (d *DB) another(t testing.TB, tenantID, service string) (key DestinationKey) {
	t.Helper()
	if err := d.tx(t.Context(), func(tx *sql.Tx) error { return d.enterDestination(t.Context(), tx, service, tenantID) }); err != nil {
		t.Fatal(err)
	}
	all, err := d.Destinations(t.Context(), tenantID)
	for _, to := range all {
		if to.Service == service {
			return to.Key()
		}
	}
	t.Fatalf("%v, %v", all, err)
	return key
}

// two are the tenant's first destination, for sfdc, and a second one, for hubspot.
func (d *DB) two(t testing.TB, tenantID string) (one, other DestinationKey) {
	t.Helper()
	d.SetCRMs("sfdc", "hubspot")
	return d.another(t, tenantID, "sfdc"), d.another(t, tenantID, "hubspot")
}

// oneDestination are the sums of a tenant with its first destination alone. Given is what
// was received, how many left or were erased, and in which states deliveries are.
func oneDestination(tenantID string, given Sums) AllSums {
	active := given[New] - given[Left] - given[Erased]
	all := AllSums{Sums{Active: active}, map[string]Sums{tenantID: {Entered: given[New], Erased: given[Erased]}}}
	for c, n := range given {
		if state, ok := c.(State); c == Entered || ok && state.Info().Delivery && state != Erased {
			all.Destinations[tenantID][c] = n
		} else {
			all.Subscribers[c] = n
		}
	}
	return all
}

// sumsAre wants a tenant's sums, where all went to its first destination.
func sumsAre(t *testing.T, got AllSums, tenantID string, given Sums) {
	t.Helper()
	if want := oneDestination(tenantID, given); got.differing(want) != 0 {
		t.Errorf("sums %v, want %v", got, want)
	}
}

func recount(t *testing.T, d *DB, tenant string) Recount {
	t.Helper()
	r, err := d.Recount(context.Background(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func number(t *testing.T, d *DB, query string, args ...any) (n int) {
	t.Helper()
	if err := d.read.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// leased takes the lease of the first destination of the tenant a.
func leased(t *testing.T, d *DB) Lease {
	t.Helper()
	return d.leasedOf(t, "a")
}

func (d *DB) becomes(t *testing.T, l Lease, outcomes ...Outcome) {
	t.Helper()
	if err := d.RecordOutcomes(context.Background(), l, outcomes); err != nil {
		t.Error(err)
	}
}

// events are a subscriber's, written as state and reason.
func events(t *testing.T, d *DB, id string) []string {
	t.Helper()
	all, err := collect(context.Background(), d.read, func(row scanner) (string, error) {
		var state, reason, detail string
		err := row.Scan(&state, &reason, &detail)
		return strings.TrimSpace(state + " " + reason + " " + detail), err
	}, `SELECT state, reason, detail FROM events WHERE subscriber_id = $1 AND tenant_id = 'a' AND at > 0 ORDER BY id`, id)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (d *DB) revision(t *testing.T, id string) int64 {
	t.Helper()
	return int64(number(t, d, `SELECT revision FROM subscribers WHERE id = $1`, id))
}

func (d *DB) one(t *testing.T, id string) Subscriber {
	t.Helper()
	s, err := d.Subscriber(context.Background(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// searchAll has everybody found.
func (d *DB) searchAll(t testing.TB) (n int) {
	t.Helper()
	for {
		some, err := d.IndexSearch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n += some; some == 0 {
			return n
		}
	}
}

// finds wants those with the ids, in any order.
func (d *DB) finds(t *testing.T, tenantID, text string, ids ...string) {
	t.Helper()
	page, err := d.Subscribers(t.Context(), tenantID, SubscriberQuery{Text: text, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, s := range page.Rows {
		found = append(found, s.ID)
	}
	slices.Sort(found)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(found, want) || page.Total != len(want) {
		t.Errorf("%q finds %v of %d, want %v", text, found, page.Total, want)
	}
	if _, file := d.engine.(*sqliteFile); file { // what is indexed is what stands in the rows
		if _, err := d.write.Exec(`INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)`); err != nil {
			t.Error(err)
		}
	}
}

// came has somebody, who was just added, have an id of the time of the sign-up, as
// everybody has whose sign-up is stored at once.
func (d *DB) came(t *testing.T, id string, at time.Time) string {
	t.Helper()
	then := idOf(at)
	err := d.tx(t.Context(), func(tx *sql.Tx) error { // each delivery is of somebody who is there
		for _, statement := range []string{
			`CREATE TEMPORARY TABLE moved AS SELECT * FROM deliveries WHERE subscriber_id = '` + id + `'`,
			`DELETE FROM deliveries WHERE subscriber_id = '` + id + `'`,
			`UPDATE subscribers SET id = '` + then + `' WHERE id = '` + id + `'`,
			`UPDATE moved SET subscriber_id = '` + then + `'`,
			`INSERT INTO deliveries SELECT * FROM moved`,
			`DROP TABLE moved`,
		} {
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(`UPDATE search_queue SET ids = replace(ids, $1, $2)`, id, then); err != nil {
		t.Fatal(err)
	}
	return then
}

// listedPeople are a tenant whose subscribers differ in all that can be filtered by.
func listedPeople(t *testing.T) (*DB, map[string]string) {
	t.Helper()
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	ids := map[string]string{}
	for i, name := range []string{"one", "two", "three", "four", "five", "six"} {
		s := named([]string{"a/1", "a/2"}[i%2], name+"@example.com", strings.ToUpper(name), "Z")
		s.At = time.Date(2026, 3, 1+i/2, 10, 0, i, 0, time.UTC)
		ids[name] = d.came(t, add(t, d, s)[0], s.At)
	}
	add(t, d, signUp("b/1", "other@example.com"))
	l := leased(t, d)
	d.becomes(t, l, Outcome{SubscriberID: ids["one"], State: Delivered})
	d.becomes(t, l, Outcome{SubscriberID: ids["two"], State: Attention, Reason: "ODD"})
	d.becomes(t, l, Outcome{SubscriberID: ids["three"], State: Attention, Reason: "DULL"})
	d.becomes(t, l, Outcome{SubscriberID: ids["four"], State: Waiting, Reason: "ODD"})
	return d, ids
}

// named is a sign-up of somebody with a name.
func named(newsletter, email, first, last string) SignUp {
	s := signUp(newsletter, email)
	s.FirstName, s.LastName = first, last
	return s
}

// connected connects the tenant a to an org.
func (d *DB) connected(t *testing.T, orgID string) {
	t.Helper()
	for _, query := range []string{
		`INSERT INTO users (id, email, password_hash, created_at, password_changed_at) VALUES ('ann', 'ann@example.com', 'x', 1, 1) ON CONFLICT DO NOTHING`,
		`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name, sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at, keep_alive_at)
			VALUES ('i', 'sfdc', 'a', 1, '', '', 1, '', '', '', '', 0, '', '', 'ann', 1, 1, 1) ON CONFLICT DO NOTHING`,
	} {
		if _, err := d.write.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.write.Exec(`UPDATE identities SET org_id = $1`, orgID); err != nil {
		t.Fatal(err)
	}
}

func jobsOf(t *testing.T, d *DB) int {
	t.Helper()
	return number(t, d, `SELECT count(*) FROM river_job WHERE kind = 'action' AND queue = 'long'`)
}

// leasedOf takes the lease of a tenant's first destination.
func (d *DB) leasedOf(t *testing.T, tenantID string) Lease {
	t.Helper()
	return d.lease(t, first(tenantID))
}

// lease takes the lease of a destination.
func (d *DB) lease(t *testing.T, key DestinationKey) Lease {
	t.Helper()
	l := Lease{DestinationKey: key, Owner: "me"}
	if err := d.TakeLease(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return l
}

func (d *DB) LastRecount(ctx context.Context, tenantID string) (LastRecount, error) {
	var r LastRecount
	err := ask(ctx, d.read, lastRecount(&r, tenantID))
	return r, err
}

func (d *DB) PendingRevocations(ctx context.Context, service, tenantID string) (int, error) {
	o, err := d.Overview(ctx, tenantID, "", "")
	return o.Connections.Revocations[service], err
}

// agrees wants the counts of a tenant to be what its rows say; and, where want isn't nil,
// these to be what sumsAre takes.
func (d *DB) agrees(t *testing.T, tenantID string, want Sums) {
	t.Helper()
	r := recount(t, d, tenantID)
	if !r.Agrees() {
		t.Errorf("the rows don't say what is kept: %+v", r)
	}
	if want != nil {
		sumsAre(t, r.Rows, tenantID, want)
	}
}

// wantN wants a number of rows.
func wantN(t *testing.T, d *DB, n int, query string, args ...any) {
	t.Helper()
	if got := number(t, d, query, args...); got != n {
		t.Errorf("%s %v: %d, want %d", query, args, got, n)
	}
}

// unless reports an error that is none of those that may be.
func unless(t *testing.T, err error, mayBe ...error) {
	t.Helper()
	if err != nil && !slices.ContainsFunc(mayBe, func(e error) bool { return errors.Is(err, e) }) {
		t.Errorf("%v, want nothing or one of %v", err, mayBe)
	}
}

// later has the database's clock say that time has passed.
func (d *DB) later(passed time.Duration) {
	before := d.now
	d.now = func() time.Time { return before().Add(passed) }
}

// A program that is older than the tables would read and write them wrongly.
func TestOpenRefusesNewerTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatepost.db")
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(t.Context(), path); !errors.Is(err, ErrNewer) {
		t.Errorf("opened %v, %v", d, err)
	}
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d", "gatepost.db")
	for range 2 {
		d, err := Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ping(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is not where it was asked for, or not private: %v, %v", info, err)
	}
}

// What a database keeps stands in several rooms, so that whoever needs one of them
// finds it whole at a glance.
func TestNoRoomIsCrowded(t *testing.T) {
	shared := reflect.TypeFor[*base]().NumMethod()
	of := reflect.TypeFor[DB]()
	for i := range of.NumField() {
		if room := of.Field(i).Type; room.NumMethod()-shared > 40 {
			t.Errorf("%v has %d methods of its own", room, room.NumMethod()-shared)
		}
	}
}
