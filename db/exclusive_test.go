package db

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// lastBefore is the version of the tables before subscribers went to destinations.
const lastBefore = 38

// before39 are rows of the version before destinations: a is a tenant that is connected, with
// somebody in every state, b one that isn't.
var before39 = []string{
	`INSERT INTO tenants (id, slug, name, created_at) VALUES ('a', 'a', 'A', 7), ('b', 'b', 'B', 8), ('c', 'c', 'C', 9)`,
	`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('a/1', 'a', 'a/1', 'A', 'Yes.', 0), ('b/1', 'b', 'b/1', 'B', 'Yes.', 0)`,
	`INSERT INTO wordings (id, text) VALUES ('w', 'Yes.')`,
	`INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, wording_id, source, state, reason, detail, attempts, refusals, due_at, sent_at, settles_at, again_at, waits_since, revision,
			record_id, org_id, instance_url, match_id, made_id, placeholders, delivered_at, repeated_at, edited_at, created_at) VALUES
		('a', 'fresh', 'a/1', 'F@x', 'f@x', 'Fay', 'F', 'w', 'form', 'waiting', '', '', 0, 0, 1, 0, 0, 0, 0, 0, '', '', '', '', '', NULL, 0, 0, 0, 3600001),
		('a', 'slow', 'a/1', 's@x', 's@x', '', 'S', 'w', 'api', 'waiting', 'SLOW', 'Slow.', 2, 1, 5, 7, 9, 11, 13, 3, 'r0', '00D', 'https://x', '', 'r0', '{"LastName":"NA"}', 6, 10, 12, 3600002),
		('a', 'there', 'a/1', 't@x', 't@x', '', '', 'w', 'form', 'delivered', '', '', 1, 0, 5, 0, 0, 0, 0, 1, 'r1', '00D', 'https://x', '', 'r1', '', 8, 0, 0, 90000000),
		('a', 'elsewhere', 'a/1', 'e@x', 'e@x', '', '', 'w', 'form', 'delivered', '', '', 1, 0, 5, 0, 0, 0, 0, 0, 'r2', '00E', 'https://y', '', '', NULL, 8, 0, 0, 90000001),
		('a', 'odd', 'a/1', 'o@x', 'o@x', '', '', 'w', 'form', 'attention', 'ODD', 'No.', 3, 0, 5, 0, 0, 0, 0, 0, '', '', 'https://x', 'm1', '', '', 0, 0, 0, 90000002),
		('a', 'dismissed', 'a/1', 'd@x', 'd@x', '', '', 'w', 'form', 'dismissed', 'ODD', 'No.', 3, 0, 5, 0, 0, 0, 0, 0, '', '', '', '', '', '', 0, 0, 0, 90000003),
		('a', 'left early', 'a/1', '1@x', '1@x', '', '', 'w', 'form', 'left', '', '', 0, 0, 5, 0, 0, 0, 0, 0, '', '', '', '', '', '', 0, 0, 0, 90000004),
		('a', 'left after', 'a/1', '2@x', '2@x', '', '', 'w', 'form', 'left', '', '', 1, 0, 5, 0, 0, 0, 0, 0, 'r3', '00D', 'https://x', '', 'r3', '', 8, 0, 0, 90000005),
		('a', 'left amid', 'a/1', '3@x', '3@x', '', '', 'w', 'form', 'left', '', '', 1, 0, 5, 7, 9, 0, 0, 0, '', '', '', '', '', '', 0, 0, 0, 90000006),
		('a', 'left again', 'a/1', '4@x', '4@x', '', '', 'w', 'form', 'left', '', '', 1, 0, 5, 7, 9, 0, 0, 0, 'r4', '00D', 'https://x', '', '', '', 8, 0, 0, 90000007),
		('a', 'test', 'a/1', '5@x', '5@x', '', '', 'w', 'test', 'delivered', '', '', 1, 0, 5, 0, 0, 0, 0, 4, 'r5', '00D', 'https://x', '', 'r5', '', 8, 0, 0, 90000008),
		('b', 'alone', 'b/1', 'f@x', 'f@x', '', '', 'w', 'form', 'waiting', '', '', 0, 0, 1, 0, 0, 0, 0, 0, '', '', '', '', '', '', 0, 0, 0, 90000009)`,
	`INSERT INTO consents (tenant_id, subscriber_id, id, wording_id, source, at, replaced) VALUES ('a', 'slow', 'k', 'w', 'form', 10, '')`,
	`INSERT INTO events (id, tenant_id, subscriber_id, at, state, reason, detail, actor) VALUES ('1', 'a', 'odd', 4, 'attention', 'ODD', 'No.', ''), ('2', 'a', 'left early', 5, 'left', '', 'They wrote.', 'ann')`,
	`INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, record_id, org_id, revision, actor, asked_at, due_at, tries, sent_at, ended_at, erased, record, code) VALUES
		('a', 'test', 'a/1', 90000000, 0, 'r5', '00D', 4, 'ann', 20, 21, 2, 22, 0, 0, '', 'LOCKED'),
		('a', 'gone', 'a/1', 3600000, 1, 'r6', '00D', 0, 'ann', 20, 0, 0, 23, 24, 1, 'deleted', '')`,
	`INSERT INTO ledger (tenant_id, newsletter_id, hour, kind, n) VALUES ('a', 'a/1', 3600000, 'new', 3), ('a', 'a/1', 90000000, 'new', 9), ('a', 'a/1', 90000000, 'repeated', 2), ('b', 'b/1', 90000000, 'new', 1)`,
	`INSERT INTO ledger_sums (tenant_id, kind, n) VALUES ('a', 'new', 12), ('a', 'repeated', 2), ('b', 'new', 1)`,
	`INSERT INTO activity (tenant_id, kind, hour, n, last_at) VALUES ('a', 'delivered', 0, 5, 8), ('a', 'attention', 0, 2, 4)`,
	`INSERT INTO state_counts (tenant_id, newsletter_id, state, n) SELECT tenant_id, newsletter_id, state, count(*) FROM subscribers GROUP BY 1, 2, 3
		UNION ALL SELECT tenant_id, newsletter_id, 'erased', count(*) FROM removals WHERE erased = 1 GROUP BY 1, 2`,
	`INSERT INTO hour_counts (tenant_id, hour, newsletter_id, state, n) SELECT tenant_id, created_at - created_at % 3600000, newsletter_id, state, count(*) FROM subscribers GROUP BY 1, 2, 3, 4
		UNION ALL SELECT tenant_id, hour, newsletter_id, 'erased', count(*) FROM removals WHERE erased = 1 GROUP BY 1, 2, 3`,
	`INSERT INTO reason_counts (tenant_id, state, reason, n) SELECT tenant_id, state, reason, count(*) FROM subscribers WHERE state IN ('waiting', 'attention') AND reason <> '' GROUP BY 1, 2, 3`,
	`INSERT INTO org_counts (tenant_id, org_id, n) SELECT tenant_id, org_id, count(*) FROM subscribers WHERE state = 'delivered' GROUP BY 1, 2`,
	`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name, sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at, keep_alive_at)
		VALUES ('i', 'sfdc', 'a', 1, '', '', 1, '', '', '00D', '', 0, '', '', 'ann', 1, 1, 1)`,
	`INSERT INTO disconnections (tenant_id, service, at, actor) VALUES ('c', 'sfdc', 5, 'ann')`,
	`INSERT INTO delivery_settings (tenant_id, several, one_match, leads, key_field, save_duplicates, placeholder, share) VALUES ('a', 'attention', 'leave', 1, 'Key__c', 1, 'None', 60)`,
	`INSERT INTO pauses (tenant_id, reason, detail, tries, batch, until, since) VALUES ('a', 'LIMIT', 'Later.', 3, 2, 30, 25)`,
	`INSERT INTO blames (tenant_id, n) VALUES ('a', 4)`,
	`INSERT INTO api_usage (tenant_id, used, allowed, at) VALUES ('a', 50, 100, 26)`,
	`INSERT INTO api_calls (tenant_id, hour, n) VALUES ('a', 0, 6)`,
	`INSERT INTO checkups (tenant_id, org_id, at, checks) VALUES ('a', '00D', 27, '[]')`,
	`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) VALUES ('w', 'a', 'waiting', '', 'LIMIT', 1, 1, 1), ('b', 'a', 'broken', '', '', 1, 1, 1), ('s', 'a', 'silent', 'a/1', '', 1, 1, 1), ('k', 'a', 'broken', 'slack', '', 1, 1, 1)`,
	`INSERT INTO actions (id, tenant_id, service, kind, reason, note, org_id, actor, total, done, last_id, started_at, resume_at, ended_at, error) VALUES
		('m', 'a', 'sfdc', 'retry', 'ODD', '', '', 'ann', 2, 1, 'odd', 1, 2, 0, ''), ('n', 'a', 'sfdc', 'recount', '', '', '', 'ann', 2, 1, '', 1, 2, 0, '')`,
	`INSERT INTO causes (id, tenant_id, state, reason, since, people) VALUES ('c', 'a', 'attention', 'ODD', 3, 2)`,
	`INSERT INTO leases (name, owner, until) VALUES ('deliver:a', 'dead', 1)`,
}

// unfolded takes some of what is counted from where it was folded, on PostgreSQL.
var unfolded = []string{
	`UPDATE folded_ledger SET n = n - 1 WHERE tenant_id = 'a' AND hour = 90000000`,
	`UPDATE folded_ledger_sums SET n = n - 1 WHERE tenant_id = 'a'`,
	`UPDATE folded_activity SET n = n - 1, last_at = 2 WHERE tenant_id = 'a'`,
	`UPDATE folded_hour_counts SET n = n - 1 WHERE tenant_id = 'a' AND state = 'attention'`,
	`UPDATE folded_reason_counts SET n = n - 1 WHERE tenant_id = 'a' AND state = 'attention'`,
	`INSERT INTO count_deltas (counter, tenant_id, newsletter_id, hour, kind, reason, org_id, n, at) VALUES
		('place', 'a', 'a/1', 90000000, 'attention', 'ODD', '', 1, 0),
		('ledger', 'a', 'a/1', 90000000, 'new', '', '', 1, 0), ('ledger', 'a', 'a/1', 90000000, 'repeated', '', '', 1, 0),
		('activity', 'a', '', 0, 'delivered', '', '', 1, 8), ('activity', 'a', '', 0, 'attention', '', '', 1, 4)`,
}

// of38 is a database of the version before, with before39 in it.
func of38(t *testing.T) string {
	t.Helper()
	where := before(t, lastBefore)
	at(t, where, func(d *DB) {
		for _, statement := range before39 {
			if _, err := d.write.Exec(testdb.OnCounts(t, statement)); err != nil {
				t.Fatal(statement, err)
			}
		}
		if _, ok := d.counter.(deltas); !ok {
			return
		}
		for _, statement := range unfolded { // as it is within a second
			if _, err := d.write.Exec(statement); err != nil {
				t.Fatal(statement, err)
			}
		}
	})
	return where
}

// at runs fn on a database with tables of any version.
func at(t *testing.T, where string, fn func(d *DB)) {
	t.Helper()
	err := withTables(t.Context(), engineFor(where), func(d *DB, _ schema) error { fn(d); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// isOf38 wants a database to be as of38 left it.
func isOf38(t *testing.T, what, where string) {
	t.Helper()
	is, err := ReadSchema(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range is.Migrations {
		if m.AppliedAt.IsZero() == (m.Version <= lastBefore) {
			t.Errorf("%s: %+v", what, m)
		}
	}
	at(t, where, func(d *DB) {
		wantN(t, d, 12, `SELECT count(*) FROM subscribers WHERE due_at > 0`)
		wantN(t, d, 5, `SELECT count(*) FROM subscribers WHERE state IN ('waiting', 'attention', 'dismissed')`)
		wantN(t, d, 1, `SELECT count(*) FROM pauses WHERE tenant_id = 'a' AND tries = 3`)
		wantN(t, d, 2, `SELECT count(*) FROM removals WHERE record_id <> ''`)
		wantN(t, d, 12, `SELECT sum(n) FROM ledger_sums WHERE tenant_id = 'a' AND kind = 'new'`)
	})
}

// deliveryColumns are what went from subscribers to deliveries as it was.
const deliveryColumns = `x.reason, x.detail, x.attempts, x.refusals, x.due_at, x.sent_at, x.settles_at, x.again_at, x.waits_since, x.revision,
	x.record_id, x.org_id, x.instance_url, x.match_id, x.made_id, COALESCE(x.placeholders, 'unknown'), x.delivered_at`

// keptColumns are what stays on subscribers.
const keptColumns = `s.tenant_id, s.newsletter_id, s.email, s.email_key, s.first_name, s.last_name, s.wording_id, s.source, s.repeated_at, s.edited_at, s.revision, s.created_at`

// rowsByID are rows as text, by the id in their first column.
func rowsByID(t *testing.T, d *DB, query string) map[string]string {
	t.Helper()
	all := map[string]string{}
	rows, err := d.read.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, _ := rows.Columns()
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(string)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = *v.(*string)
		}
		all[texts[0]] = strings.Join(texts[1:], "|")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// What was there before destinations is there afterwards, and counted.
func TestDestinationsHaveWhatWasThereBefore(t *testing.T) {
	where := of38(t)
	var people, ways map[string]string
	at(t, where, func(d *DB) {
		people = rowsByID(t, d, `SELECT s.id, `+keptColumns+` FROM subscribers s`)
		ways = rowsByID(t, d, `SELECT x.id, `+deliveryColumns+` FROM subscribers x`)
	})
	var told []Step
	d, err := OpenMigrated(t.Context(), where, func(s Step) { told = append(told, s) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	d.SetCRMs("sfdc")
	for i, s := range told {
		if s.N != i+1 || s.Of != len(told) || s.What == "" || s.Migration != "00039_destinations" {
			t.Errorf("told %+v", s)
		}
	}
	if len(told) < 3 {
		t.Errorf("told %v", told)
	}
	if after := rowsByID(t, d, `SELECT s.id, `+keptColumns+` FROM subscribers s`); !maps.Equal(after, people) || len(after) != 12 {
		t.Errorf("people\n%v, were\n%v", after, people)
	}
	if after := rowsByID(t, d, `SELECT x.subscriber_id, `+deliveryColumns+` FROM deliveries x WHERE x.destination_id = x.tenant_id`); !maps.Equal(after, ways) {
		t.Errorf("deliveries\n%v, were\n%v", after, ways)
	}
	wantStates(t, d)
	wantCounts(t, d)
	wantBelongings(t, d)
	again := signUp("a/1", "4@x")
	again.Consent = "Yes."
	add(t, d, again, signUp("a/1", "later@x"), signUp("b/1", "later@x"))
	for _, tenant := range []string{"a", "b"} {
		d.agrees(t, tenant, nil)
	}
}

func wantStates(t *testing.T, d *DB) {
	t.Helper()
	want := map[string]string{"fresh": "active|waiting", "slow": "active|waiting", "there": "active|delivered", "elsewhere": "active|delivered", "odd": "active|attention", "dismissed": "active|dismissed",
		"left early": "left|ended", "left after": "left|delivered", "left amid": "left|ended", "left again": "left|ended", "test": "active|delivered", "alone": "active|waiting"}
	if got := rowsByID(t, d, `SELECT s.id, s.state, x.state FROM subscribers s JOIN deliveries x ON x.tenant_id = s.tenant_id AND x.subscriber_id = s.id`); !maps.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
	d.at(fromMillis(100))
	due, err := d.Due(t.Context(), first("a"), 10)
	if err != nil || len(due) != 4 {
		t.Errorf("due %+v, %v", due, err)
	}
	for _, k := range due {
		if want := map[string]bool{"fresh": true, "slow": true, "left amid": true, "left again": true}; !want[k.ID] || !k.Due {
			t.Errorf("due %+v", k)
		}
	}
}

func wantCounts(t *testing.T, d *DB) {
	t.Helper()
	d.agrees(t, "a", Sums{New: 12, Repeated: 2, Left: 4, Erased: 1, Waiting: 2, Delivered: 4, Attention: 1, Dismissed: 1, Ended: 3})
	d.agrees(t, "b", Sums{New: 1, Waiting: 1})
	for _, tenant := range []string{"a", "b", "c"} {
		s, err := d.Sums(t.Context(), tenant)
		if err != nil || s.Difference() != 0 {
			t.Errorf("%s: %+v, %v", tenant, s, err)
		}
	}
	orgs, err := d.Orgs(t.Context(), first("a"))
	if want := []OrgCount{{"00D", 3}, {"00E", 1}}; err != nil || !slices.Equal(orgs, want) {
		t.Errorf("orgs %v, %v", orgs, err)
	}
	if at, err := d.Watch.LastDelivered(t.Context(), first("a")); err != nil || millis(at) != 8 {
		t.Errorf("delivered last %v, %v", at, err)
	}
}

// wantBelongings looks at what hung on the tenant and is a destination's now.
func wantBelongings(t *testing.T, d *DB) {
	t.Helper()
	services := map[string]string{"a": "sfdc", "b": "", "c": "sfdc"}
	for tenant, service := range services {
		all, err := d.Destinations(t.Context(), tenant)
		if err != nil || len(all) != 1 || all[0].Key() != first(tenant) || all[0].Service != service || !all[0].All {
			t.Errorf("destinations of %s: %+v, %v", tenant, all, err)
		}
	}
	s, err := d.DeliverySettings(t.Context(), first("a"))
	if want := (DeliverySettings{SeveralAttention, OneLeave, true, "Key__c", true, "None", 60, time.Second, OnLeaving{Flag: true}, false}); err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("settings %+v, %v", s, err)
	}
	if s, err := d.DeliverySettings(t.Context(), first("b")); err != nil || !reflect.DeepEqual(s, DeliverySettings{SeveralNewest, OneFill, false, "", false, DefaultPlaceholder, MaxShare, time.Second, OnLeaving{Flag: true}, false}) {
		t.Errorf("settings of b: %+v, %v", s, err)
	}
	if p, err := d.Pause(t.Context(), first("a")); err != nil || p != (Pause{"LIMIT", "Later.", 3, 2, fromMillis(30), fromMillis(25)}) {
		t.Errorf("pause %+v, %v", p, err)
	}
	if n, err := d.Blamed(t.Context(), first("a")); err != nil || n != 4 {
		t.Errorf("blamed %d, %v", n, err)
	}
	if u, err := d.Usage(t.Context(), first("a")); err != nil || u.Used != 50 || u.Allowed != 100 || millis(u.At) != 26 {
		t.Errorf("usage %+v, %v", u, err)
	}
	if c, err := d.CheckUp(t.Context(), first("a")); err != nil || c.OrgID != "00D" || millis(c.At) != 27 {
		t.Errorf("check-up %+v, %v", c, err)
	}
	due, err := d.DueRemovals(t.Context(), first("a"))
	if err != nil || len(due) != 1 || due[0].SubscriberID != "test" || due[0].RecordID != "r5" || due[0].OrgID != "00D" || due[0].Tries != 2 || due[0].Code != "LOCKED" || millis(due[0].DueAt) != 21 {
		t.Errorf("removals %+v, %v", due, err)
	}
	for query, want := range map[string]string{
		`SELECT id, about FROM incidents`:                                                        "b:a k:slack s:a/1 w:a",
		`SELECT id, destination_id FROM actions`:                                                 "m:a n:",
		`SELECT id, destination_id FROM causes`:                                                  "c:a",
		`SELECT id, destination_id FROM events`:                                                  "1:a 2:",
		`SELECT subscriber_id, destination_id, record_id, ended_at, record FROM removal_records`: "gone:a|r6|24|deleted test:a|r5|0|",
		`SELECT name, owner FROM leases`:                                                         "",
		`SELECT destination_id, hour, n FROM api_calls`:                                          "a:0|6",
	} {
		var got []string
		for id, rest := range rowsByID(t, d, query) {
			got = append(got, id+":"+rest)
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

// While a process serves the database, or delivers, its tables stay as they are; and so they
// do for one that was killed a moment ago.
func TestAnExclusiveMigrationWaitsForThoseWhoServe(t *testing.T) {
	where := of38(t)
	for _, lease := range []string{serving("one"), "deliver:a"} {
		at(t, where, func(d *DB) {
			if _, err := d.write.Exec(`DELETE FROM leases`); err != nil {
				t.Fatal(err)
			}
			if _, err := d.write.Exec(`INSERT INTO leases (name, owner, until) VALUES ($1, 'one', $2)`, lease, millis(d.now().Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
		})
		told := 0
		_, err := Migrate(t.Context(), where, 0, func(Step) { told++ })
		if err == nil || !strings.Contains(err.Error(), "nobody may use the database") || !strings.Contains(err.Error(), "stop all of them") || told != 0 {
			t.Errorf("%s: %v, told of %d steps", lease, err, told)
		}
		if d, err := openMigrated(t.Context(), where); err == nil {
			_ = d.Close()
			t.Errorf("%s: it is opened", lease)
		}
		isOf38(t, lease, where)
	}
	at(t, where, func(d *DB) {
		if _, err := d.write.Exec(`UPDATE leases SET until = $1`, millis(d.now())); err != nil {
			t.Fatal(err)
		}
	})
	if done, err := Migrate(t.Context(), where, 0, nil); err != nil || len(done) == 0 {
		t.Errorf("nobody serves it: %v, %v", done, err)
	}
}

// A disk that may become full is told before anything is changed.
func TestAnExclusiveMigrationNeedsRoom(t *testing.T) {
	testdb.SQLiteOnly(t, "of a server's disk only the operator knows")
	where := of38(t)
	migrate := func(free int64) error {
		e := engineFor(where).(*sqliteFile)
		e.free = func() int64 { return free }
		return withTables(t.Context(), e, func(d *DB, s schema) error {
			_, err := d.migrate(t.Context(), s.newest(), nil)
			return err
		})
	}
	info, err := os.Stat(where)
	if err != nil {
		t.Fatal(err)
	}
	needs := info.Size() * diskFactor
	if err := migrate(needs - 1); err == nil || !strings.Contains(err.Error(), "MB free on the disk") {
		t.Errorf("too little: %v", err)
	}
	isOf38(t, "too little room", where)
	if err := migrate(needs); err != nil {
		t.Errorf("enough: %v", err)
	}
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
}

// One that is ended at any of its steps leaves what was there, and goes through the next time.
func TestAnExclusiveMigrationIsWholeOrNotAtAll(t *testing.T) {
	where := of38(t)
	for stopAt := 1; ; stopAt++ {
		ctx, stop := context.WithCancel(t.Context())
		_, err := Migrate(ctx, where, 0, func(s Step) {
			if s.N == stopAt {
				stop()
			}
		})
		stop()
		if err == nil {
			if stopAt < 4 {
				t.Errorf("it was stopped %d times alone", stopAt-1)
			}
			break
		}
		if !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "interrupted") {
			t.Fatalf("step %d: %v", stopAt, err)
		}
		isOf38(t, fmt.Sprint("step ", stopAt), where)
	}
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	wantCounts(t, d)
}

// A process that is killed amid one leaves what was there.
func TestAnExclusiveMigrationThatIsKilledLeavesWhatWasThere(t *testing.T) {
	where := of38(t)
	for _, step := range []string{"subscribers", "the counts"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), migratesVariable+"="+where, stopsVariable+"="+step)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		reached, err := bufio.NewReader(out).ReadString('\n')
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if strings.TrimSpace(reached) != step {
			t.Fatalf("it came to %q, %v; want %q", reached, err, step)
		}
		isOf38(t, step, where)
	}
	d, err := openMigrated(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	wantStates(t, d)
	wantCounts(t, d)
}
