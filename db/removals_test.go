package db

import (
	"errors"
	"testing"
	"time"
)

// tested is a database whose tenant a sent a test; it reads the clock that is returned.
func tested(t *testing.T) (d *DB, id string, now *time.Time) {
	t.Helper()
	d = withNewsletters(t, "a/1", "a/2", "b/1")
	s := signUp("a/1", "jane@example.com")
	s.Source = "test"
	now = &s.At
	d.now = func() time.Time { return *now }
	return d, add(t, d, s)[0], now
}

// receipt is what the tenant's pages are told of the removal of a subscriber.
func (d *DB) receipt(t *testing.T, id string) Removal {
	t.Helper()
	o, err := d.Overview(t.Context(), "a", "", id)
	if err != nil {
		t.Fatal(err)
	}
	return o.Removal
}

func (d *DB) due(t *testing.T, n int) []Removal {
	t.Helper()
	due, err := d.DueRemovals(t.Context(), "a")
	if err != nil || len(due) != n {
		t.Fatalf("due %+v, %v, want %d", due, err, n)
	}
	if tenants, err := d.DueAmong(t.Context(), "me", []string{"a"}); err != nil || n > 0 && len(tenants) != 1 {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	if tenants, err := d.DueTenants(t.Context(), "me"); err != nil || n > 0 && len(tenants) != 1 {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	return due
}

// Of who was erased there is a count, and a receipt to recount it by; else nothing.
func TestATestIsUndone(t *testing.T) {
	for _, state := range allStates {
		t.Run(string(state), func(t *testing.T) {
			d, id, _ := tested(t)
			d.put(t, id, state)
			r, err := d.UndoTest(t.Context(), "a", id, "ann")
			want := map[State]RecordFate{Delivered: RecordFound}[state]
			if want == "" {
				want = NoRecord
			}
			if err != nil || !r.Erased || r.Record != want {
				t.Fatalf("got %+v, %v, want %s", r, err, want)
			}
			if _, err := d.Subscriber(t.Context(), "a", id); !errors.Is(err, ErrNotFound) {
				t.Errorf("it is there: %v", err)
			}
			for _, table := range []string{"events", "consents", "edits"} {
				wantN(t, d, 0, `SELECT count(*) FROM `+table)
			}
			d.agrees(t, "a", Sums{New: 1, Erased: 1})
			if s, _ := d.Sums(t.Context(), "a"); s.People() != 0 || s.Difference() != 0 {
				t.Errorf("sums %v", s)
			}
			if page, err := d.Subscribers(t.Context(), "a", SubscriberQuery{Limit: 9}); err != nil || len(page.Rows) != 0 || page.Total != 0 {
				t.Errorf("listed %+v, %v", page, err)
			}
			if all, err := d.NewsletterStandings(t.Context(), "a"); err != nil || all[0].Subscribers() != 0 {
				t.Errorf("newsletters %+v, %v", all, err)
			}
			if kept := d.receipt(t, id); !kept.Erased || kept.EndedAt.IsZero() || kept.Record != want {
				t.Errorf("receipt %+v", kept)
			}
			if _, err := d.UndoTest(t.Context(), "a", id, "ann"); !errors.Is(err, ErrNotFound) {
				t.Errorf("again: %v", err)
			}
			if next := add(t, d, signUp("a/1", "jane@example.com"))[0]; next == id {
				t.Error("it came back")
			}
			d.agrees(t, "a", Sums{New: 2, Erased: 1, Waiting: 1})
			d.due(t, 0)
		})
	}
}

func TestWhatIsNotUndone(t *testing.T) {
	sent := func(t *testing.T, d *DB, id string) {
		if err := d.MarkSent(t.Context(), leased(t, d), []Sending{{SubscriberID: id, New: true}}, d.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		happens func(t *testing.T, d *DB, id string, now *time.Time)
		want    NotUndone
	}{
		"it was a reader's": {func(t *testing.T, d *DB, id string, _ *time.Time) {
			if _, err := d.write.Exec(`UPDATE subscribers SET source = 'form'`); err != nil {
				t.Fatal(err)
			}
		}, NoTest},
		"it is too old": {func(_ *testing.T, _ *DB, _ string, now *time.Time) { *now = now.Add(UndoTime + time.Second) }, TooOld},
		"it is sent":    {func(t *testing.T, d *DB, id string, _ *time.Time) { sent(t, d, id) }, OutcomeOpen},
		"it was edited": {func(t *testing.T, d *DB, id string, _ *time.Time) {
			d.edit(t, id, Edit{"jane@example.com", "jane@example.com", "J", ""})
		}, SaidAgain},
		"signed up again": {func(t *testing.T, d *DB, _ string, _ *time.Time) { add(t, d, signUp("a/1", "jane@example.com")) }, SaidAgain},
	} {
		t.Run(name, func(t *testing.T) {
			d, id, now := tested(t)
			tt.happens(t, d, id, now)
			if got := d.one(t, id).UndoRefused(d.now()); got != tt.want {
				t.Errorf("refused for %q", got)
			}
			if _, err := d.UndoTest(t.Context(), "a", id, "ann"); !errors.Is(err, ErrNotUndone) {
				t.Errorf("got %v", err)
			}
			wantN(t, d, 0, `SELECT count(*) FROM removals`)
		})
	}
	d, id, _ := tested(t)
	if _, err := d.UndoTest(t.Context(), "b", id, "ann"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
}

// A record that we made is deleted first, by whoever delivers. Who signs up meanwhile
// stays.
func TestATestIsUndoneWithItsRecord(t *testing.T) {
	made := Outcome{State: Delivered, RecordID: "003", OrgID: "00D", Made: true}
	for _, again := range []bool{false, true} {
		d, id, now := tested(t)
		l := leased(t, d)
		made.SubscriberID = id
		d.becomes(t, l, made)
		r, err := d.UndoTest(t.Context(), "a", id, "ann")
		if err != nil || r.Erased || !r.EndedAt.IsZero() || r.RecordID != "003" || r.OrgID != "00D" {
			t.Fatalf("got %+v, %v", r, err)
		}
		if _, err := d.UndoTest(t.Context(), "a", id, "ann"); err != nil {
			t.Errorf("asked for twice: %v", err)
		}
		d.agrees(t, "a", Sums{New: 1, Delivered: 1})
		r = d.due(t, 1)[0]
		if still, err := d.StillDue(t.Context(), r); !still || err != nil || r.Shared {
			t.Errorf("%v, %v, %+v", still, err, r)
		}
		if again {
			*now = now.Add(time.Second)
			add(t, d, signUp("a/1", "jane@example.com"))
			if still, err := d.StillDue(t.Context(), r); still || err != nil {
				t.Errorf("signed up again: %v, %v", still, err)
			}
		}
		r.Record, r.Code = RecordRefused, "NO"
		if err := d.EndRemoval(t.Context(), l, r); err != nil {
			t.Fatal(err)
		}
		kept := d.receipt(t, id)
		if kept.Erased == again || kept.EndedAt.IsZero() || kept.Record != RecordRefused || kept.Code != "NO" {
			t.Errorf("receipt %+v", kept)
		}
		if again {
			d.agrees(t, "a", Sums{New: 1, Repeated: 1, Waiting: 1})
			continue
		}
		d.agrees(t, "a", Sums{New: 1, Erased: 1})
		d.due(t, 0)
	}
}

// Whoever else has the address keeps the record: on another newsletter, and of another
// tenant with the same org.
func TestARecordThatSomebodyElseHas(t *testing.T) {
	for name, other := range map[string]struct {
		newsletter, email, org string
		shared                 bool
	}{
		"another newsletter":          {"a/2", "JANE@example.com", "", true},
		"another tenant of the org":   {"b/1", "jane@example.com", "00D", true},
		"another tenant and org":      {"b/1", "jane@example.com", "00E", false},
		"another address of that org": {"b/1", "joe@example.com", "00D", false},
	} {
		t.Run(name, func(t *testing.T) {
			d, id, _ := tested(t)
			d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
			next := add(t, d, signUp(other.newsletter, other.email))[0]
			if other.org != "" {
				l := Lease{TenantID: "b", Owner: "me"}
				if err := d.TakeLease(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				d.becomes(t, l, Outcome{SubscriberID: next, State: Delivered, RecordID: "003", OrgID: other.org})
			}
			if _, err := d.UndoTest(t.Context(), "a", id, "ann"); err != nil {
				t.Fatal(err)
			}
			if r := d.due(t, 1)[0]; r.Shared != other.shared {
				t.Errorf("got %+v", r)
			}
		})
	}
}
