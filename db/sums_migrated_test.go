package db

import (
	"slices"
	"testing"
	"time"
)

// grown opens a database that was made with the tables of an earlier version, in which the
// statements were run, and has been brought up to date since.
func grown(t *testing.T, version int64, statements ...string) *DB {
	t.Helper()
	where := before(t, version)
	err := withTables(t.Context(), engineFor(where), func(d *DB, _ schema) error {
		newsletterAt(t, d)
		for _, statement := range statements {
			if _, err := d.write.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := openMigrated(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Who was there before anything was counted, and before there were destinations, is counted
// since, and waits or has arrived where they did.
func TestWhatWasThereBeforeIsCounted(t *testing.T) {
	d := grown(t, 4, `INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, reason, due_at, created_at, record_id, org_id, delivered_at) VALUES
			('a', '1', 'a/1', 'one@example.com', 'one@example.com', '', '', 'delivered', '', 0, 7200000, '003', '00D1', 7200001),
			('a', '2', 'a/1', 'two@example.com', 'two@example.com', '', '', 'attention', 'ODD', 0, 7200000, '', '', 0),
			('a', '3', 'a/1', 'three@example.com', 'three@example.com', '', '', 'waiting', '', 5, 7200000, '', '', 0)`,
		`INSERT INTO ledger (tenant_id, newsletter_id, hour, kind, n) VALUES ('a', 'a/1', 7200000, 'new', 3)`,
		`INSERT INTO state_counts (tenant_id, newsletter_id, state, n) VALUES ('a', 'a/1', 'delivered', 1), ('a', 'a/1', 'attention', 1), ('a', 'a/1', 'waiting', 1)`)
	d.agrees(t, "a", Sums{New: 3, Waiting: 1, Delivered: 1, Attention: 1})
	wantN(t, d, 1, `SELECT n FROM activity WHERE tenant_id = 'a' AND destination_id = 'a' AND kind = 'delivered'`)
	due, err := d.Due(t.Context(), first("a"), 9)
	if err != nil || len(due) != 1 || due[0].ID != "3" || !due[0].DueAt.Equal(fromMillis(5)) {
		t.Errorf("due %+v, %v", due, err)
	}
	all, err := d.Destinations(t.Context(), "a")
	if err != nil || len(all) != 1 || all[0].Key() != first("a") || all[0].Service != "sfdc" || !all[0].All {
		t.Errorf("destinations %+v, %v", all, err)
	}
	if s := d.one(t, "1"); s.Status != Active || s.RecordID != "003" || s.OrgID != "00D1" || !s.DeliveredAt.Equal(fromMillis(7_200_001)) {
		t.Errorf("got %+v", s)
	}
}

// Several consents and events of a subscriber outlive the tables that they were in.
func TestTheHistoryOutlivesItsTables(t *testing.T) {
	d := grown(t, 14, `INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, reason, due_at, created_at) VALUES
			('a', '1', 'a/1', 'one@example.com', 'one@example.com', '', '', 'attention', 'ODD', 0, 7200000), ('a', '2', 'a/1', 'two@example.com', 'two@example.com', '', '', 'waiting', '', 0, 7200000)`,
		`INSERT INTO wordings (id, text) VALUES ('w', 'I agree.'), ('o', 'Other words.')`,
		`INSERT INTO consents (id, subscriber_id, wording_id, source, at) VALUES ('c1', '1', 'w', 'form', 7200000), ('c2', '2', 'w', 'form', 7200000), ('c3', '1', 'o', 'api', 10800000)`,
		`INSERT INTO events (id, tenant_id, subscriber_id, at, state, reason, detail, actor) VALUES ('e1', 'a', '1', 7200002, 'waiting', 'BUSY', '', ''), ('e2', 'a', '1', 7200003, 'attention', 'ODD', 'No.', '')`,
		`INSERT INTO ledger (tenant_id, newsletter_id, hour, kind, n) VALUES ('a', 'a/1', 7200000, 'new', 2), ('a', 'a/1', 10800000, 'repeated', 1)`,
		`INSERT INTO ledger_sums (tenant_id, kind, n) VALUES ('a', 'new', 2), ('a', 'repeated', 1)`,
		`INSERT INTO state_counts (tenant_id, newsletter_id, state, n) VALUES ('a', 'a/1', 'attention', 1), ('a', 'a/1', 'waiting', 1)`,
		`INSERT INTO hour_counts (tenant_id, hour, newsletter_id, state, n) VALUES ('a', 7200000, 'a/1', 'attention', 1), ('a', 7200000, 'a/1', 'waiting', 1)`,
		`INSERT INTO reason_counts (tenant_id, state, reason, n) VALUES ('a', 'attention', 'ODD', 1)`)
	h, err := d.History(t.Context(), "a", "1")
	wantEvents := []Event{{DestinationID: "a", At: fromMillis(7_200_003), State: Attention, Reason: "ODD", Detail: "No."}, {DestinationID: "a", At: fromMillis(7_200_002), State: Waiting, Reason: "BUSY"}}
	if err != nil || !slices.EqualFunc(h.Events, wantEvents, func(a, b Event) bool { return a.At.Equal(b.At) && a.withoutTime() == b.withoutTime() }) {
		t.Errorf("events %+v, %v", h.Events, err)
	}
	if len(h.Consents) != 2 || h.Consents[0].Words != "Other words." || h.Consents[0].Source != "api" || !h.Consents[0].Repeated || h.Consents[1].Words != "I agree." || h.Consents[1].Repeated {
		t.Errorf("consents %+v", h.Consents)
	}
	d.agrees(t, "a", Sums{New: 2, Repeated: 1, Waiting: 1, Attention: 1})
	if s := d.one(t, "2"); s.Email != "two@example.com" || s.State != Waiting {
		t.Errorf("got %+v", s)
	}
}

func (e Event) withoutTime() Event {
	e.At = time.Time{}
	return e
}

// Who was there before the search had an index is found after it.
func TestTheMigrationQueuesEverybody(t *testing.T) {
	insert := `INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, due_at, created_at) WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < `
	d := grown(t, 30, insert+`399) SELECT 'a', CAST(i AS TEXT), 'a/1', 'reader' || i || '@example.com', 'reader' || i || '@example.com', '', '', 'waiting', 0, 0 FROM n`,
		`INSERT INTO tenants (id, slug, name, created_at) VALUES ('b', 'b', 'B', 0)`,
		`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('b/1', 'b', 'b/1', 'B', 'Yes.', 0)`,
		`INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, due_at, created_at) VALUES ('b', 'theirs', 'b/1', 'reader@example.com', 'reader@example.com', '', '', 'waiting', 0, 0)`)
	d.unqueued(t)
	wantN(t, d, 3, `SELECT count(*) FROM search_queue`) // 250, the other 50, and b's
	if n := d.searchAll(t); n != 301 {
		t.Errorf("%d were indexed", n)
	}
	d.finds(t, "b", "reader", "theirs")
	d.finds(t, "a", "eader29", "290", "291", "292", "293", "294", "295", "296", "297", "298", "299")
}
