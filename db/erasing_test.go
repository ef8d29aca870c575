package db

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// marked is an address of letters that stand nowhere else, so that its bytes, and every three letters of it, are found.
const marked = "zqxjkvw.qzjxk@wvkxq.example"

// erase erases the marked person.
func (d *DB) erase(t testing.TB, ways map[string]ErasingWay) []string {
	t.Helper()
	ids, err := d.Erase(t.Context(), Erasure{TenantID: "a", EmailKey: marked, MAC: "mac", Suppression: "suppressed", Why: "They asked, " + strings.ToUpper(marked), Actor: "ann", Ways: ways})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func (d *DB) finishErasing(t testing.TB) {
	t.Helper()
	if more, err := d.FinishErasing(t.Context()); more || err != nil {
		t.Fatal(more, err)
	}
}

// fillPerson writes the address into every column that may have a person's data.
func fillPerson(t *testing.T, d *DB, ids ...string) {
	t.Helper()
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := d.write.Exec(query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	text := fmt.Sprintf(`{"f1":%q}`, marked)
	for i, id := range ids {
		one := fmt.Sprintf("%s-%d", id, i)
		run(`INSERT INTO holds (tenant_id, id, subscriber_id, newsletter_id, sign_up, wording_id, reasons, network, n, at) SELECT tenant_id, $2, id, newsletter_id, $3, wording_id, $3, $3, 1, 1 FROM subscribers WHERE id = $1`, id, one, text)
		run(`INSERT INTO reader_mails (tenant_id, id, subscriber_id, kind, created_at, due_at, detail) SELECT tenant_id, $2, id, 'confirm', 1, 1, $3 FROM subscribers WHERE id = $1`, id, one, text)
		run(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) SELECT $2, tenant_id, id, $2, 1, 1 FROM subscribers WHERE id = $1`, id, one)
		run(`INSERT INTO edits (tenant_id, subscriber_id, id, at, actor, changes) SELECT tenant_id, id, $2, 1, 'ann', $3 FROM subscribers WHERE id = $1`, id, one, text)
		run(`INSERT INTO opt_outs (tenant_id, subscriber_id, id, destination_id, what, subscription, record_id, org_id, asked_at, due_at, ended_at, detail) SELECT tenant_id, id, $2, 'a', 'all', '', '003', '00D', 1, 1, 1, $3 FROM subscribers WHERE id = $1`, id, one, text)
		run(`INSERT INTO consent_addresses (tenant_id, subscriber_id, at, ip, user_agent) SELECT tenant_id, id, 1, $2, $2 FROM subscribers WHERE id = $1`, id, marked)
		run(`INSERT INTO domain_waits (domain, tenant_id, subscriber_id, since) SELECT $2, tenant_id, id, 1 FROM subscribers WHERE id = $1`, id, marked)
		run(`UPDATE subscribers SET first_name = $2, last_name = $2, fields = $3, page = $2, left_why = $2 WHERE id = $1`, id, marked, text)
		run(`UPDATE consents SET replaced = $2, page = $2, how = $2 WHERE subscriber_id = $1`, id, text)
		run(`UPDATE events SET detail = $2, reason = $2 WHERE subscriber_id = $1`, id, text)
		run(`UPDATE deliveries SET detail = $2, match_id = $2, placeholders = $3, written = $3 WHERE subscriber_id = $1`, id, text, text)
	}
}

// bytesOf is how often a text stands in the database's files.
func bytesOf(t *testing.T, d *DB, text string) (n int) {
	t.Helper()
	file := d.engine.(*sqliteFile).path
	for _, path := range []string{file, file + "-wal"} {
		content, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		n += bytes.Count(bytes.ToLower(content), []byte(text))
	}
	return n
}

// stands are the columns in which a text stands.
func stands(t *testing.T, d *DB, text string) (in []string) {
	t.Helper()
	tables, columns := testdb.Tables(t, d.read)
	for _, table := range tables {
		for _, c := range columns[table] {
			if !slices.Contains(noText, strings.ToUpper(c.Type)) && number(t, d, `SELECT count(*) FROM `+table+` WHERE lower(CAST(`+c.Name+` AS TEXT)) LIKE '%'||$1||'%'`, text) > 0 {
				in = append(in, table+"."+c.Name)
			}
		}
	}
	return in
}

// unfilled are columns of a person whose values are words or ids of ours, or of the CRM's.
var unfilled = []string{"subscribers.newsletter_id", "subscribers.state", "subscribers.source", "subscribers.wording_id", "subscribers.left_how",
	"consents.source", "consents.wording_id", "consents.act", "deliveries.destination_id", "deliveries.state", "deliveries.reason", "deliveries.record_id", "deliveries.org_id", "deliveries.instance_url", "deliveries.made_id",
	"deliveries.opted_out", "opt_outs.destination_id", "opt_outs.what", "opt_outs.subscription", "opt_outs.record_id", "opt_outs.org_id", "opt_outs.outcome", "opt_outs.code",
	"events.destination_id", "events.state", "holds.wording_id", "holds.decision", "reader_mails.kind", "reader_mails.state"}

// Of who is erased no byte stays, wherever they were: every column that may have a person's data is filled with the
// address. Who else there is stays, but for the address in what is said of them.
func TestErasingLeavesNoByte(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	at := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	d.now = func() time.Time { return at }
	ids := add(t, d, signUp("a/1", marked), signUp("a/2", strings.ToUpper(marked)), signUp("a/1", "other@reader.example"))
	add(t, d, signUp("a/1", marked), signUp("a/2", marked))
	l := leased(t, d)
	for _, id := range ids[:2] {
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", InstanceURL: "https://one.example"})
	}
	fillPerson(t, d, ids[:2]...)
	other := ids[2]
	for _, fill := range []string{
		`UPDATE events SET detail = $1 WHERE subscriber_id = $2`, `UPDATE deliveries SET detail = $1 WHERE subscriber_id = $2`,
		`INSERT INTO edits (tenant_id, subscriber_id, id, at, actor, changes) VALUES ('a', $2, 'e', 1, 'ann', $1)`,
		`INSERT INTO pauses (tenant_id, destination_id, reason, detail, tries, batch, until, since) SELECT 'a', 'a', 'x', $1, 1, 1, 1, 1 FROM subscribers WHERE id = $2`,
		`INSERT INTO checkups (tenant_id, destination_id, org_id, at, checks) SELECT 'a', 'a', 'x', 1, $1 FROM subscribers WHERE id = $2`,
		`INSERT INTO actions (id, tenant_id, destination_id, service, kind, reason, note, org_id, actor, total, done, last_id, started_at, resume_at, ended_at, error)
			SELECT 'x', 'a', 'a', '', 'retry', '', $1, '', '', 1, 1, '', 1, 1, 1, $1 FROM subscribers WHERE id = $2`,
		`INSERT INTO opt_outs (tenant_id, subscriber_id, id, destination_id, what, subscription, record_id, org_id, asked_at, due_at, ended_at, detail) VALUES ('a', $2, 'o', 'a', 'all', '', '003', '00D', 1, 1, 1, $1)`,
		`INSERT INTO form_reports (id, tenant_id, newsletter_id, why, at) SELECT 'r', 'a', 'a/1', $1, 1 FROM subscribers WHERE id = $2`,
		`INSERT INTO users (id, email, password_hash, created_at, password_changed_at) SELECT 'ann', 'ann@team.example', $1, 1, 1 FROM subscribers WHERE id = $2 AND 1 = 1`,
		`INSERT INTO sessions (id, secret_hash, user_id, tenant_id, data, user_agent, ip, created_at, seen_at, expires_at) SELECT 's', 's', 'ann', 'a', $1, '', '', 1, 1, 1 FROM subscribers WHERE id = $2`,
	} {
		note := "It names <" + strings.ToUpper(marked) + ">."
		if strings.Contains(fill, "INTO users") {
			note = "hash"
		}
		if _, err := d.write.Exec(fill, note, other); err != nil {
			t.Fatal(fill, err)
		}
	}
	for n, err := d.IndexSearch(t.Context()); n > 0; n, err = d.IndexSearch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	add(t, d, signUp("b/1", marked)) // of another tenant: it stays
	before := stands(t, d, marked)
	for _, m := range mentionColumns {
		if !slices.Contains(before, m.table+"."+m.column) {
			t.Errorf("%s.%s isn't filled", m.table, m.column)
		}
	}
	for _, table := range personTables {
		for _, c := range table.Columns {
			at := table.Name + "." + c.Name
			if !slices.Contains(before, at) && c.Untold == "" && c.As != MomentValue && c.As != NumberValue && c.As != FlagValue && !slices.Contains(unfilled, at) {
				t.Errorf("%s isn't filled", at)
			}
		}
	}

	if got := d.erase(t, nil); len(got) != 2 {
		t.Fatalf("erased %v", got)
	}
	if page, err := d.Subscribers(t.Context(), "a", SubscriberQuery{Limit: 9}); err != nil || page.Total != 1 || len(page.Rows) != 1 {
		t.Errorf("%d are listed of %d, %v", len(page.Rows), page.Total, err)
	}
	d.agrees(t, "a", Sums{New: 3, Repeated: 2, Erasing: 2, Active: 1, Waiting: 1, Ended: 2})
	d.finishErasing(t)
	d.agrees(t, "a", Sums{New: 3, Repeated: 2, Erased: 2, Active: 1, Waiting: 1})
	if in := stands(t, d, marked); !slices.Equal(in, []string{"subscribers.email", "subscribers.email_key"}) || number(t, d, `SELECT count(*) FROM subscribers WHERE tenant_id = 'a'`) != 1 {
		t.Errorf("it stands in %v", in)
	}
	if note := text1(t, d, `SELECT note FROM actions`); note != "It names <"+erasedAddress+">." {
		t.Errorf("the note says %q", note)
	}
	if why := text1(t, d, `SELECT why FROM removals WHERE mac = 'mac' LIMIT 1`); why != "They asked, "+erasedAddress {
		t.Errorf("the receipt says %q", why)
	}

	if testdb.Either(t, "", "on a server") != "" {
		return // where the bytes stand until the page is used again: see docs/erasing.md
	}
	if _, err := d.write.Exec(`DELETE FROM subscribers WHERE tenant_id = 'b'`); err != nil {
		t.Fatal(err)
	}
	if emptied, err := d.Compact(t.Context()); !emptied || err != nil {
		t.Fatal(emptied, err)
	}
	if n := bytesOf(t, d, marked); n != 0 {
		t.Errorf("its bytes stand in %d places", n)
	}
	if _, err := d.write.Exec(`CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, 'search_index', 'row')`); err != nil {
		t.Fatal(err)
	}
	var terms int
	if err := d.write.QueryRow(`SELECT count(*) FROM temp.terms WHERE term IN ('zqx', 'qxj', 'jkv', 'zjx', 'wvk', 'vkx')`).Scan(&terms); err != nil || terms != 0 {
		t.Errorf("the index of the search has %d of its letters, %v", terms, err)
	}
}

func text1(t *testing.T, d *DB, query string) (text string) {
	t.Helper()
	if err := d.read.QueryRow(query).Scan(&text); err != nil {
		t.Fatal(query, err)
	}
	return text
}

// A record goes only if we made it and nobody else has it; what becomes of it is told, and until then nobody sees the person. Whoever
// signs up with the address meanwhile is somebody else, and stays.
func TestErasingWithRecords(t *testing.T) {
	ours := Outcome{State: Delivered, RecordID: "003", OrgID: "00D", InstanceURL: "https://one.example", Made: true}
	found := ours
	found.Made = false
	for name, tt := range map[string]struct {
		outcome *Outcome
		way     ErasingWay
		again   bool // somebody signs up with the address before the CRM is asked
		asks    bool
		want    RecordFate
	}{
		"none":                      {nil, EraseByDelete, false, false, NoRecord},
		"listed":                    {&ours, EraseByList, false, false, RecordListed},
		"found":                     {&found, EraseByDelete, false, false, RecordFound},
		"ours":                      {&ours, EraseByDelete, false, true, RecordDeleted},
		"ours, and somebody is new": {&ours, EraseByDelete, true, false, RecordShared},
		"no such way":               {&ours, "burn", false, false, RecordListed},

		"none to anonymise":                      {nil, EraseByAnonymise, false, false, NoRecord},
		"found, to anonymise":                    {&found, EraseByAnonymise, false, false, RecordFound},
		"ours, to anonymise":                     {&ours, EraseByAnonymise, false, true, RecordAnonymised},
		"ours, to anonymise, not all of it":      {&ours, EraseByAnonymise, false, true, RecordPartly},
		"ours, to anonymise, and another is new": {&ours, EraseByAnonymise, true, false, RecordShared},
	} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1", "a/2")
			ids := add(t, d, signUp("a/1", marked), signUp("a/2", marked))
			l := leased(t, d)
			for i, id := range ids {
				if tt.outcome != nil {
					o := *tt.outcome
					o.SubscriberID, o.Made = id, o.Made && i == 0 // one write for both, of which the CRM tells one
					o.Written = []Written{{"region": "Jane's"}, {"note": "Jane", "region": "Jane's"}}[i]
					d.becomes(t, l, o)
				}
			}
			d.erase(t, map[string]ErasingWay{"a": tt.way})
			if tt.again {
				if next := add(t, d, signUp("a/1", marked))[0]; slices.Contains(ids, next) {
					t.Fatal("it is the same")
				}
			}
			due, err := d.DueRemovals(t.Context(), first("a"))
			if err != nil || (len(due) > 0) != (tt.asks || tt.again) {
				t.Fatalf("due %+v, %v", due, err)
			}
			asked := 0
			for _, r := range due {
				d.finishErasing(t)
				begun, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
				if err != nil || begun.EmailKey != marked {
					t.Fatal(begun, err)
				}
				if ask {
					asked++
					begun.Record = tt.want
					begun.Kept = map[RecordFate]string{RecordPartly: "Region"}[tt.want]
					if want := map[ErasingWay][]string{EraseByAnonymise: {"note", "region"}}[tt.way]; !slices.Equal(begun.Wrote, want) {
						t.Errorf("wrote into %q, want %q", begun.Wrote, want)
					}
				}
				if err := d.EndRemoval(t.Context(), l, begun); err != nil {
					t.Fatal(err)
				}
			}
			if asked != bit(tt.asks) {
				t.Errorf("the CRM is asked %d times", asked)
			}
			d.finishErasing(t)
			for _, id := range ids {
				if r := d.receipt(t, id); !r.Erased || len(r.Records) != 1 || r.Records[0].Record != tt.want || (r.Records[0].Kept == "") == (tt.want == RecordPartly) ||
					r.Records[0].Record.Stays() != (tt.want != NoRecord && tt.want != RecordDeleted && tt.want != RecordAnonymised) {
					t.Errorf("the receipt says %+v", r)
				}
			}
			sums := Sums{New: 2, Erased: 2}
			if tt.again {
				sums[New], sums[Active], sums[Waiting] = 3, 1, 1
			}
			d.agrees(t, "a", sums)
			if n := number(t, d, `SELECT count(*) FROM removals WHERE email_key <> ''`); n != 0 {
				t.Error("a receipt has the address")
			}
		})
	}
}

// Whose record was deleted since a test was undone, and who signed up again meanwhile, has another one by now: it is that one
// which goes.
func TestErasingAfterAnUndo(t *testing.T) {
	d, id, now := tested(t)
	l, r := d.undoing(t, id)
	*now = now.Add(time.Second)
	add(t, d, signUp("a/1", "jane@example.com"))
	r.Record = RecordDeleted
	if err := d.EndRemoval(t.Context(), l, r); err != nil {
		t.Fatal(err)
	}
	d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "004", OrgID: "00D", Made: true, LookedAt: now.Add(time.Second)})
	if _, err := d.Erase(t.Context(), Erasure{TenantID: "a", EmailKey: "jane@example.com", MAC: "mac", Ways: map[string]ErasingWay{"a": EraseByAnonymise}}); err != nil {
		t.Fatal(err)
	}
	if due := d.due(t, 1)[0]; due.RecordID != "004" || due.Way != EraseByAnonymise {
		t.Errorf("due is %+v", due)
	}
	if r := d.receipt(t, id); r.Erased || r.Records[0].Record != "" {
		t.Errorf("the receipt says %+v", r)
	}
}

// A write that is out is waited for, and so is a connection that is dead, until somebody gives up. Who signs up with the address
// meanwhile waits for the write.
func TestErasingWhileAWriteIsOut(t *testing.T) {
	for _, arrived := range []bool{true, false} {
		d := withNewsletters(t, "a/1")
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		d.now = func() time.Time { return now }
		s := signUp("a/1", marked)
		s.At = now
		id := add(t, d, s)[0]
		l := leased(t, d)
		if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, EmailKey: marked, New: true}}, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		d.erase(t, map[string]ErasingWay{"a": EraseByDelete})
		fresh := add(t, d, s)[0]
		d.finishErasing(t)
		d.due(t, 0)
		if known, err := d.Due(t.Context(), first("a"), 9); err != nil || len(known) != 0 {
			t.Fatalf("due are %+v, %v", known, err)
		}
		if done, err := d.GiveUpErasing(t.Context(), first("a"), id, "ann"); done || err != nil {
			t.Error("somebody gave up while the write may take effect", err)
		}
		now = now.Add(2 * time.Minute)
		known, err := d.Due(t.Context(), first("a"), 9)
		if err != nil || len(known) != 1 || known[0].ID != id || known[0].EmailKey != marked || known[0].Status != Erasing {
			t.Fatalf("due are %+v, %v", known, err)
		}
		outcome := Outcome{SubscriberID: id, EmailKey: marked, State: Waiting}
		want := NoRecord
		if arrived {
			outcome, want = Outcome{SubscriberID: id, EmailKey: marked, State: Delivered, RecordID: "003", OrgID: "00D"}, RecordFound
		}
		l = leased(t, d)
		if err := d.RecordOutcomes(t.Context(), l, []Outcome{outcome}); err != nil {
			t.Fatal(err)
		}
		r := d.due(t, 1)[0]
		begun, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
		if err != nil || ask || begun.Record != want {
			t.Fatalf("%+v, %v, %v", begun, ask, err)
		}
		if err := d.EndRemoval(t.Context(), l, begun); err != nil {
			t.Fatal(err)
		}
		d.finishErasing(t)
		if r := d.receipt(t, id); !r.Erased || r.Records[0].Record != want {
			t.Errorf("the receipt says %+v", r)
		}
		if known, err := d.Due(t.Context(), first("a"), 9); err != nil || len(known) != 1 || known[0].ID != fresh {
			t.Errorf("due are %+v, %v", known, err)
		}
		d.agrees(t, "a", Sums{New: 2, Erased: 1, Active: 1, Waiting: 1})
	}
}

// A record that was found stays, whatever is repeated: the write that was out may be a change of it, and whoever looked it up may
// have been stopped before the part was ended.
func TestErasingAFoundRecordOfWhichAWriteWasOut(t *testing.T) {
	found := Outcome{State: Delivered, RecordID: "003", OrgID: "00D"}
	for name, changes := range map[string]bool{"a change of it": true, "a new one": false} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1")
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			d.now = func() time.Time { return now }
			s := signUp("a/1", marked)
			s.At = now
			id := add(t, d, s)[0]
			l := leased(t, d)
			found.SubscriberID = id
			if changes {
				d.becomes(t, l, found)
				now = now.Add(time.Second)
				s.At, s.FirstName = now, "Janet"
				add(t, d, s)
			}
			if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, EmailKey: marked, New: !changes}}, now.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			d.erase(t, map[string]ErasingWay{"a": EraseByDelete})
			now = now.Add(2 * time.Minute)
			l = leased(t, d)
			if err := d.RecordOutcomes(t.Context(), l, []Outcome{found}); err != nil {
				t.Fatal(err)
			}
			for _, turn := range []string{"once", "again"} {
				begun, ask, err := d.BeginRemoval(t.Context(), l, d.due(t, 1)[0], "00D")
				if err != nil || ask || begun.Record != RecordFound || begun.RecordID != "003" {
					t.Errorf("%s: %+v, asked %t, %v", turn, begun, ask, err)
				}
			}
		})
	}
}

// A person's record is one: while a write is out for one of their newsletters, no other one's part begins. Else it would put them
// into a record that is anonymised by then.
func TestErasingWaitsForAWriteOfAnotherNewsletter(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d.now = func() time.Time { return now }
	two := []SignUp{signUp("a/1", marked), signUp("a/2", marked)}
	two[0].At, two[1].At = now, now
	ids := add(t, d, two...)
	l := leased(t, d)
	for _, id := range ids {
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: id == ids[0]})
	}
	now = now.Add(time.Second)
	two[1].At, two[1].FirstName = now, "Janet"
	add(t, d, two[1])
	if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[1], EmailKey: marked}}, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	d.erase(t, map[string]ErasingWay{"a": EraseByAnonymise})
	due, err := d.DueRemovals(t.Context(), first("a"))
	if err != nil || len(due) != 0 {
		t.Errorf("due %+v, %v", due, err)
	}
	now = now.Add(2 * time.Minute)
	l = leased(t, d)
	r := RecordRemoval{DestinationKey: first("a"), SubscriberID: ids[0], Way: EraseByAnonymise}
	if begun, ask, err := d.BeginRemoval(t.Context(), l, r, "00D"); ask || !errors.Is(err, ErrLost) {
		t.Errorf("begun %+v, asked %t, %v", begun, ask, err)
	}
	d.becomes(t, l, Outcome{SubscriberID: ids[1], EmailKey: marked, State: Delivered, RecordID: "003", OrgID: "00D"})
	asked := 0
	for _, r := range d.due(t, 2) {
		begun, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
		if err != nil || begun.RecordID != "003" {
			t.Errorf("begun %+v, asked %t, %v", begun, ask, err)
		}
		if ask {
			asked++
			begun.Record = RecordAnonymised
		}
		if err := d.EndRemoval(t.Context(), l, begun); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the CRM is asked %d times", asked)
	}
}

// What is known of a record that went with a test isn't asked for again by erasing. Of another record that they have by now nothing
// is known, nor whether the CRM was asked.
func TestErasingWithTheRecordOfATestThatWasUndone(t *testing.T) {
	for name, tt := range map[string]struct {
		record string // that they have by now
		due    int
		want   RecordFate
	}{
		"the same":    {"003", 0, RecordPartly},
		"another one": {"004", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, id, now := tested(t)
			l, r := d.undoing(t, id)
			if _, ask, err := d.BeginRemoval(t.Context(), l, r, "00D"); !ask || err != nil {
				t.Fatal(ask, err)
			}
			*now = now.Add(time.Second)
			add(t, d, signUp("a/1", "jane@example.com"))
			r.Record, r.Kept = RecordPartly, "Region"
			if err := d.EndRemoval(t.Context(), l, r); err != nil {
				t.Fatal(err)
			}
			d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: tt.record, OrgID: "00D", Made: true, LookedAt: now.Add(time.Second)})
			if _, err := d.Erase(t.Context(), Erasure{TenantID: "a", EmailKey: "jane@example.com", MAC: "mac", Ways: map[string]ErasingWay{"a": EraseByDelete}}); err != nil {
				t.Fatal(err)
			}
			for _, due := range d.due(t, tt.due) {
				if begun, ask, err := d.BeginRemoval(t.Context(), l, due, "00D"); !ask || begun.Unsure || err != nil {
					t.Errorf("begun %+v, asked %t, %v", begun, ask, err)
				}
			}
			if is := d.receipt(t, id).Records[0]; is.Record != tt.want || (is.Kept == "") != (tt.want == "") {
				t.Errorf("the receipt says %+v", is)
			}
		})
	}
}

// With a connection that is dead a person is being erased until somebody gives up.
func TestGivingUpOnARecord(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	id := add(t, d, signUp("a/1", marked))[0]
	d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	if _, err := d.Erase(t.Context(), Erasure{TenantID: "b", EmailKey: marked}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant erases them: %v", err)
	}
	d.erase(t, map[string]ErasingWay{"a": EraseByDelete})
	if _, err := d.Erase(t.Context(), Erasure{TenantID: "a", EmailKey: marked}); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if done, err := d.GiveUpErasing(t.Context(), first("b"), id, "ann"); done || err != nil {
		t.Error("another tenant gave up", err)
	}
	d.finishErasing(t)
	d.agrees(t, "a", Sums{New: 1, Erasing: 1, Active: 0, Delivered: 1})
	if done, err := d.GiveUpErasing(t.Context(), first("a"), id, "ann"); !done || err != nil {
		t.Fatal(done, err)
	}
	if done, err := d.GiveUpErasing(t.Context(), first("a"), id, "ann"); done || err != nil {
		t.Error("again", err)
	}
	d.finishErasing(t)
	d.agrees(t, "a", Sums{New: 1, Erased: 1})
	if r := d.receipt(t, id); !r.Erased || r.Records[0].Record != RecordGivenUp || !r.Records[0].Record.Stays() {
		t.Errorf("the receipt says %+v", r)
	}
}

// Of who had left a MAC stays, so that no import brings them back; of others nothing does.
func TestWhoLeftStaysSuppressed(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	ids := add(t, d, signUp("a/1", marked), signUp("a/2", marked))
	if done, err := d.LeaveOne(t.Context(), "a", ids[1], Leaving{At: d.now(), How: LeftByAdmin}); !done || err != nil {
		t.Fatal(done, err)
	}
	d.erase(t, nil)
	d.finishErasing(t)
	if got := text1(t, d, `SELECT newsletter_id || mac || how FROM suppressions`); got != "a/2suppressedadmin" {
		t.Errorf("suppressed is %q", got)
	}
	d.agrees(t, "a", Sums{New: 2, Erased: 2})
}

// The CRM that nobody wants to wait for may have done it: who was found to have the record by then is delivered anew.
func TestGivingUpOnARecordThatMayBeGone(t *testing.T) {
	for _, asked := range []bool{true, false} {
		d := withNewsletters(t, "a/1")
		id := add(t, d, signUp("a/1", marked))[0]
		l := leased(t, d)
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
		d.erase(t, map[string]ErasingWay{"a": EraseByDelete})
		if asked {
			if _, ask, err := d.BeginRemoval(t.Context(), l, d.due(t, 1)[0], "00D"); !ask || err != nil {
				t.Fatal(ask, err)
			}
		}
		next := add(t, d, signUp("a/1", marked))[0]
		d.becomes(t, l, Outcome{SubscriberID: next, State: Delivered, RecordID: "003", OrgID: "00D"})
		if done, err := d.GiveUpErasing(t.Context(), first("a"), id, "ann"); !done || err != nil {
			t.Fatal(done, err)
		}
		if s := d.one(t, next); (s.State == Waiting) != asked || (s.RecordID == "") != asked {
			t.Errorf("asked %t: they are %+v", asked, s)
		}
		d.finishErasing(t)
		d.agrees(t, "a", nil)
	}
}

// Whoever goes back to the program before has no record deleted that was to be anonymised.
func TestGoingBackFromAnonymising(t *testing.T) {
	d := withNewsletters(t, "a/1")
	id := add(t, d, signUp("a/1", marked))[0]
	d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	d.erase(t, map[string]ErasingWay{"a": EraseByAnonymise})
	file, err := os.ReadFile("migrations/00053_anonymise.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, down, _ := strings.Cut(string(file), "-- +goose Down")
	if _, err := d.write.Exec(down); err != nil {
		t.Fatal(err)
	}
	if way := text1(t, d, `SELECT way FROM removal_records WHERE ended_at = 0`); way != string(EraseByList) {
		t.Errorf("it is to be done by way of %s", way)
	}
}

// Who is kept no longer on one newsletter, and is there on another, loses nothing by that: what is said of the address stays, and so does a list that has
// it leave. Once nobody has it any more, nothing says it.
func TestAnAddressThatIsStillThereIsNotTakenOut(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	ids := add(t, d, signUp("a/1", marked), signUp("a/2", marked), signUp("a/1", "other@reader.example"))
	for _, fill := range []string{
		`UPDATE events SET detail = $1 WHERE subscriber_id = $2`, `UPDATE deliveries SET detail = $1 WHERE subscriber_id = $2`,
		`INSERT INTO edits (tenant_id, subscriber_id, id, at, actor, changes) VALUES ('a', $2, 'e', 1, 'ann', $1)`,
		`INSERT INTO opt_outs (tenant_id, subscriber_id, id, destination_id, what, subscription, record_id, org_id, asked_at, due_at, ended_at, detail) VALUES ('a', $2, 'o', 'a', 'all', '', '003', '00D', 1, 1, 1, $1)`,
	} {
		for _, id := range ids[1:] {
			_, err := d.write.Exec(fill, "Said of "+marked+".", id)
			unless(t, err)
		}
	}
	_, err := d.write.Exec(`INSERT INTO suppression_lines (tenant_id, list_id, n, email_key, mac) VALUES ('a', 'l', 1, $1, 'mac')`, marked)
	unless(t, err)
	_, err = d.LeaveOne(t.Context(), "a", ids[0], Leaving{At: now, How: LeftByLink})
	unless(t, err)
	unless(t, d.SetTerms(t.Context(), "a", Terms{Left: 30}))
	now = now.Add(31 * day)
	_, err = d.EraseLapsed(t.Context(), func(string, string) string { return "suppressed" })
	unless(t, err)
	wantN(t, d, 2, `SELECT count(*) FROM subscribers`)
	said := []string{"deliveries.detail", "edits.changes", "opt_outs.detail", "subscribers.email", "subscribers.email_key", "suppression_lines.email_key"}
	if in := stands(t, d, marked); !slices.Equal(in, said) {
		t.Errorf("it stands in %v", in)
	}
	wantN(t, d, 0, `SELECT count(*) FROM edits WHERE changes LIKE '%(erased)%'`)

	d.erase(t, nil)
	add(t, d, signUp("a/1", marked)) // somebody else
	again := text1(t, d, `SELECT id FROM subscribers WHERE newsletter_id = 'a/1' AND email_key = '`+marked+`'`)
	_, err = d.write.Exec(`INSERT INTO edits (tenant_id, subscriber_id, id, at, actor, changes) VALUES ('a', $2, 'e', 1, 'ann', $1)`, "Said of "+marked+" and other@reader.example.", again)
	unless(t, err)
	d.finishErasing(t)
	wantN(t, d, 1, `SELECT count(*) FROM edits WHERE subscriber_id = $1 AND changes = $2`, again, "Said of "+marked+" and other@reader.example.")
	wantN(t, d, 1, `SELECT count(*) FROM edits WHERE subscriber_id = $1 AND changes = 'Said of (erased).'`, ids[2])
	wantN(t, d, 1, `SELECT count(*) FROM suppression_lines WHERE email_key = $1`, marked)
}

// All receipts are listed page by page, those under way first, however many ended since.
func TestErasuresAreListedToTheEnd(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	id := add(t, d, signUp("a/1", marked))[0]
	d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	d.erase(t, map[string]ErasingWay{"a": EraseByDelete})
	var all []SignUp
	for i := range 5 {
		all = append(all, signUp("a/1", fmt.Sprintf("%d@reader.example", i)))
	}
	want := []string{id}
	for i, left := range add(t, d, all...) {
		_, err := d.LeaveOne(t.Context(), "a", left, Leaving{At: now, How: LeftByLink})
		unless(t, err)
		_, err = d.write.Exec(`UPDATE subscribers SET left_at = left_at + $2 WHERE id = $1`, left, int64(i/2)*day.Milliseconds())
		unless(t, err)
		want = append(want, left)
	}
	unless(t, d.SetTerms(t.Context(), "a", Terms{Left: 30}))
	for now = now.Add(30 * day); number(t, d, `SELECT count(*) FROM removals`) < len(want); now = now.Add(day) {
		_, err := d.EraseLapsed(t.Context(), func(string, string) string { return "" })
		unless(t, err)
	}
	slices.Reverse(want[1:])
	for _, limit := range []int{1, 2, 6, 9} {
		var got []string
		for q := (ErasureQuery{Limit: limit}); ; {
			page, err := d.Erasures(t.Context(), "a", q)
			if err != nil || len(page) > limit {
				t.Fatal(len(page), err)
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				got = append(got, r.SubscriberID)
			}
			q.After = page[len(page)-1].Place()
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
	for _, after := range []string{"x", "1.x.y", "..", "9"} {
		if page, err := d.Erasures(t.Context(), "a", ErasureQuery{After: after, Limit: 9}); err != nil || len(page) != 6 {
			t.Errorf("after %q: %d, %v", after, len(page), err)
		}
	}
	if page, err := d.Erasures(t.Context(), "b", ErasureQuery{Limit: 9}); err != nil || len(page) != 0 {
		t.Errorf("another tenant's: %d, %v", len(page), err)
	}
}

// An erasing waits for a CRM to be told that the person left, until somebody gives up: also where the record is listed. What is owed
// to another CRM is still waited for.
func TestGivingUpOnAnOptOut(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	one, second := d.two(t, "a")
	id := add(t, d, signUp("a/1", marked))[0]
	for _, key := range []DestinationKey{one, second} {
		l := Lease{DestinationKey: key, Owner: "me"}
		unless(t, d.TakeLease(t.Context(), l))
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D"})
	}
	_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: d.now(), How: LeftByLink})
	unless(t, err)
	wantN(t, d, 2, `SELECT count(*) FROM opt_outs WHERE ended_at = 0`)
	if done, err := d.GiveUpErasing(t.Context(), one, id, "ann"); done || err != nil {
		t.Fatal("given up of who isn't erased", done, err)
	}
	d.erase(t, nil)
	owed := func(want ...bool) {
		t.Helper()
		d.finishErasing(t)
		all, err := d.ErasureOf(t.Context(), "a", id)
		if err != nil || len(all) != 1 || all[0].EndedAt.IsZero() != slices.Contains(want, true) {
			t.Fatalf("%+v, %v", all, err)
		}
		for i, destination := range []string{one.DestinationID, second.DestinationID} {
			e := all[0].Records[slices.IndexFunc(all[0].Records, func(e RecordRemoval) bool { return e.DestinationID == destination })]
			if e.Owed != want[i] || e.Record != map[bool]RecordFate{true: RecordListed, false: RecordGivenUp}[e.Owed] || !e.Record.Stays() {
				t.Errorf("%+v", e)
			}
		}
	}
	owed(true, true)
	if done, err := d.GiveUpErasing(t.Context(), first("b"), id, "ann"); done || err != nil {
		t.Error("another tenant gave up", err)
	}
	for _, want := range []bool{true, false} {
		if done, err := d.GiveUpErasing(t.Context(), one, id, "ann"); done != want || err != nil {
			t.Fatal(done, err)
		}
	}
	owed(false, true)
	wantN(t, d, 1, `SELECT count(*) FROM opt_outs WHERE outcome = 'given_up'`)
	if done, err := d.GiveUpErasing(t.Context(), second, id, "ann"); !done || err != nil {
		t.Fatal(done, err)
	}
	owed(false, false)
	d.agrees(t, "a", nil)
	wantN(t, d, 0, `SELECT count(*) FROM subscribers`)
}
