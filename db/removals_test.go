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

func (d *DB) due(t *testing.T, n int) []RecordRemoval {
	t.Helper()
	due, err := d.DueRemovals(t.Context(), first("a"))
	if err != nil || len(due) != n {
		t.Fatalf("due %+v, %v, want %d", due, err, n)
	}
	if tenants, err := d.DueAmong(t.Context(), "me", []string{"a"}); err != nil || n > 0 && len(tenants) != 1 {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	if tenants, err := d.DueDestinations(t.Context(), "me"); err != nil || n > 0 && len(tenants) != 1 {
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
			if state == Left { // it mustn't be forgotten
				if !errors.Is(err, ErrNotUndone) {
					t.Errorf("undone: %+v, %v", r, err)
				}
				return
			}
			want := map[State]RecordFate{Delivered: RecordFound}[state]
			if want == "" {
				want = NoRecord
			}
			if err != nil || !r.Erased || len(r.Records) != 1 || r.Records[0].Record != want {
				t.Fatalf("got %+v, %v, want %s", r, err, want)
			}
			if _, err := d.Subscriber(t.Context(), "a", id); !errors.Is(err, ErrNotFound) {
				t.Errorf("it is there: %v", err)
			}
			for _, table := range []string{"events", "consents", "edits"} {
				wantN(t, d, 0, `SELECT count(*) FROM `+table)
			}
			d.agrees(t, "a", Sums{New: 1, Erased: 1})
			if s, _ := d.Sums(t.Context(), "a"); s.Subscribers.People() != 0 || s.Destinations["a"].People() != 0 || s.Difference() != 0 {
				t.Errorf("sums %v", s)
			}
			if page, err := d.Subscribers(t.Context(), "a", SubscriberQuery{Limit: 9}); err != nil || len(page.Rows) != 0 || page.Total != 0 {
				t.Errorf("listed %+v, %v", page, err)
			}
			if all, err := d.NewsletterStandings(t.Context(), "a"); err != nil || all[0].Subscribers() != 0 {
				t.Errorf("newsletters %+v, %v", all, err)
			}
			if kept := d.receipt(t, id); !kept.Erased || kept.EndedAt.IsZero() || len(kept.Records) != 1 || kept.Records[0].Record != want {
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
			d.edit(t, id, Edit{Email: "jane@example.com", EmailKey: "jane@example.com", FirstName: "J"})
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
		asked, err := d.UndoTest(t.Context(), "a", id, "ann")
		if err != nil || asked.Erased || !asked.EndedAt.IsZero() || len(asked.Records) != 1 || asked.Records[0].RecordID != "003" || asked.Records[0].OrgID != "00D" {
			t.Fatalf("got %+v, %v", asked, err)
		}
		if _, err := d.UndoTest(t.Context(), "a", id, "ann"); err != nil {
			t.Errorf("asked for twice: %v", err)
		}
		d.agrees(t, "a", Sums{New: 1, Delivered: 1})
		r := d.due(t, 1)[0]
		if _, _, err := d.BeginRemoval(t.Context(), Lease{DestinationKey: first("a"), Owner: "them"}, r, "00D"); !errors.Is(err, ErrLost) {
			t.Errorf("without the lease: %v", err)
		}
		if r, ask, err := d.BeginRemoval(t.Context(), l, r, "00E"); ask || err != nil || r.Record != RecordAway {
			t.Errorf("in another org: %v, %v, %+v", ask, err, r)
		}
		r, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
		if !ask || err != nil || r.Record != "" || r.EmailKey != "jane@example.com" || r.Unsure {
			t.Errorf("%v, %v, %+v", ask, err, r)
		}
		if again {
			*now = now.Add(time.Second)
			add(t, d, signUp("a/1", "jane@example.com"))
			if _, ask, err := d.BeginRemoval(t.Context(), l, r, "00D"); ask || err != nil {
				t.Errorf("signed up again: %v, %v", ask, err)
			}
		}
		r.Record, r.Code = RecordRefused, "NO"
		if err := d.EndRemoval(t.Context(), l, r); err != nil {
			t.Fatal(err)
		}
		kept := d.receipt(t, id)
		if kept.Erased == again || kept.EndedAt.IsZero() || len(kept.Records) != 1 || kept.Records[0].Record != RecordRefused || kept.Records[0].Code != "NO" {
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

// Whoever else has the address keeps the record, as late as they come: on another
// newsletter, and of another tenant with the same org.
func TestARecordThatSomebodyElseHas(t *testing.T) {
	for name, other := range map[string]struct {
		newsletter, email, org, connected string
		shared                            bool
	}{
		"another newsletter":           {"a/2", "JANE@example.com", "", "", true},
		"another tenant of the org":    {"b/1", "jane@example.com", "00D", "", true},
		"in their first batch":         {"b/1", "jane@example.com", "", "00D", true},
		"another tenant and org":       {"b/1", "jane@example.com", "00E", "", false},
		"in their first batch of that": {"b/1", "jane@example.com", "", "00E", false},
		"another address of that org":  {"b/1", "joe@example.com", "00D", "00D", false},
	} {
		t.Run(name, func(t *testing.T) {
			d, id, _ := tested(t)
			l, r := d.undoing(t, id)
			d.connected(t, other.connected)
			if _, err := d.write.Exec(`UPDATE identities SET tenant_id = 'b'`); err != nil {
				t.Fatal(err)
			}
			d.another(t, "b", "sfdc")
			next := add(t, d, signUp(other.newsletter, other.email))[0]
			if other.org != "" {
				d.becomes(t, d.leasedOf(t, "b"), Outcome{SubscriberID: next, State: Delivered, RecordID: "003", OrgID: other.org})
			}
			r, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
			if err != nil || ask == other.shared || (r.Record == RecordShared) != other.shared {
				t.Errorf("got %v, %+v, %v", ask, r, err)
			}
			wantN(t, d, map[bool]int{false: 1}[other.shared], `SELECT count(*) FROM removal_records WHERE sent_at > 0`)
		})
	}
}

// undoing has a test undone that arrived in a record of its own.
func (d *DB) undoing(t *testing.T, id string) (Lease, RecordRemoval) {
	t.Helper()
	l := leased(t, d)
	d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	if _, err := d.UndoTest(t.Context(), "a", id, "ann"); err != nil {
		t.Fatal(err)
	}
	return l, d.due(t, 1)[0]
}

// Who was delivered with the record while it was deleted, or may have been, is delivered
// anew: on another newsletter, and of another tenant with the same org.
func TestWhoHasADeletedRecordIsDeliveredAnew(t *testing.T) {
	for name, tt := range map[string]struct {
		record       RecordFate
		before, anew bool // before: its answer got lost when it was asked for before
	}{
		"deleted":                         {RecordDeleted, false, true},
		"anonymised":                      {RecordAnonymised, false, true},
		"anonymised but for a field":      {RecordPartly, false, true},
		"gone":                            {RecordGone, false, false},
		"gone, and it may have been us":   {RecordGone, true, true},
		"changed":                         {RecordChanged, true, false},
		"shared by then":                  {RecordShared, true, true},
		"refused":                         {RecordRefused, false, false},
		"refused, after an answer's loss": {RecordRefused, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			d, id, _ := tested(t)
			l, r := d.undoing(t, id)
			for range map[bool]int{true: 2, false: 1}[tt.before] {
				var ask bool
				var err error
				if r, ask, err = d.BeginRemoval(t.Context(), l, r, "00D"); !ask || err != nil {
					t.Fatal(ask, err)
				}
			}
			if r.Unsure != tt.before {
				t.Errorf("unsure: %+v", r)
			}
			mine := add(t, d, signUp("a/2", "jane@example.com"), signUp("a/2", "joe@example.com"))
			theirs := add(t, d, signUp("b/1", "jane@example.com"))
			d.becomes(t, l, Outcome{SubscriberID: mine[0], State: Delivered, RecordID: "003", OrgID: "00D"}, Outcome{SubscriberID: mine[1], State: Delivered, RecordID: "004", OrgID: "00D"})
			d.becomes(t, d.leasedOf(t, "b"), Outcome{SubscriberID: theirs[0], State: Delivered, RecordID: "003", OrgID: "00D"})
			r.Record = tt.record
			if err := d.EndRemoval(t.Context(), l, r); err != nil {
				t.Fatal(err)
			}
			want, sums := Delivered, Sums{New: 1, Delivered: 1}
			if tt.anew {
				want, sums = Waiting, Sums{New: 1, Waiting: 1}
			}
			their, err := d.Subscriber(t.Context(), "b", theirs[0])
			if err != nil || their.State != want || (their.RecordID == "") != tt.anew {
				t.Errorf("another tenant's: %+v, %v", their, err)
			}
			if s := d.one(t, mine[0]); s.State != want || (s.RecordID == "") != tt.anew {
				t.Errorf("on another newsletter: %+v", s)
			}
			if s := d.one(t, mine[1]); s.State != Delivered {
				t.Errorf("with another record: %+v", s)
			}
			d.agrees(t, "b", sums)
			d.agrees(t, "a", nil)
			if r := d.receipt(t, id); !r.Erased || len(r.Records) != 1 || r.Records[0].Record != tt.record {
				t.Errorf("receipt %+v", r)
			}
		})
	}
}

// Who was looked up before a record was deleted, and is written down with it afterwards,
// is due again; who was looked up later has it: somebody restored it.
func TestDeliveredWithARecordThatWasDeleted(t *testing.T) {
	for _, late := range []bool{false, true} {
		d, id, now := tested(t)
		l, r := d.undoing(t, id)
		looked := *now
		r, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
		if !ask || err != nil {
			t.Fatal(ask, err)
		}
		*now = now.Add(time.Second)
		r.Record = RecordDeleted
		if err := d.EndRemoval(t.Context(), l, r); err != nil {
			t.Fatal(err)
		}
		theirs := add(t, d, signUp("b/1", "jane@example.com"))[0]
		want, sums := Waiting, Sums{New: 1, Waiting: 1}
		if late {
			looked, want, sums = now.Add(time.Second), Delivered, Sums{New: 1, Delivered: 1}
		}
		d.becomes(t, d.leasedOf(t, "b"), Outcome{SubscriberID: theirs, State: Delivered, RecordID: "003", OrgID: "00D", LookedAt: looked})
		if s, err := d.Subscriber(t.Context(), "b", theirs); err != nil || s.State != want {
			t.Errorf("late: %v, got %+v, %v", late, s, err)
		}
		d.agrees(t, "b", sums)
	}
}

// A removal that is put off is due later, with what the CRM said, and at once when it is
// asked for again. That the record may be deleted is known for as long as it is so.
func TestARemovalIsPutOff(t *testing.T) {
	for _, unsure := range []bool{false, true} {
		d, id, now := tested(t)
		l, r := d.undoing(t, id)
		r, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
		if !ask || err != nil {
			t.Fatal(ask, err)
		}
		r.Tries, r.DueAt, r.Code, r.Unsure = 2, now.Add(time.Minute), "BUSY", unsure
		if err := d.PutOffRemoval(t.Context(), Lease{DestinationKey: first("a"), Owner: "them"}, r); !errors.Is(err, ErrLost) {
			t.Errorf("without the lease: %v", err)
		}
		if err := d.PutOffRemoval(t.Context(), l, r); err != nil {
			t.Fatal(err)
		}
		if tenants, err := d.DueDestinations(t.Context(), "me"); err != nil || len(tenants) != 0 {
			t.Errorf("tenants %v, %v", tenants, err)
		}
		if tenants, err := d.DueAmong(t.Context(), "me", []string{"a"}); err != nil || len(tenants) != 0 {
			t.Errorf("tenants %v, %v", tenants, err)
		}
		d.due(t, 0)
		*now = now.Add(time.Minute)
		if r := d.due(t, 1)[0]; r.Tries != 2 || r.Code != "BUSY" {
			t.Errorf("got %+v", r)
		}
		*now = now.Add(-time.Second)
		if _, err := d.UndoTest(t.Context(), "a", id, "ann"); err != nil {
			t.Fatal(err)
		}
		r = d.due(t, 1)[0]
		if r.Tries != 0 || r.Code != "" {
			t.Errorf("asked for again: %+v", r)
		}
		if r, ask, err = d.BeginRemoval(t.Context(), l, r, "00D"); !ask || err != nil || r.Unsure != unsure {
			t.Errorf("begun again: %+v, %v, %v", r, ask, err)
		}
		if err := d.EndRemoval(t.Context(), l, r); err != nil {
			t.Fatal(err)
		}
		if err := d.PutOffRemoval(t.Context(), l, r); !errors.Is(err, ErrLost) {
			t.Errorf("one that has ended: %v", err)
		}
		if _, ask, err := d.BeginRemoval(t.Context(), l, r, "00D"); ask || !errors.Is(err, ErrLost) {
			t.Errorf("begun when it has ended: %v, %v", ask, err)
		}
	}
}

// Who is to be removed isn't sent to another org first.
func TestWhoIsRemovedIsNotMoved(t *testing.T) {
	d, id, _ := tested(t)
	other := add(t, d, signUp("a/1", "joe@example.com"))[0]
	d.becomes(t, leased(t, d), Outcome{SubscriberID: other, State: Delivered, RecordID: "004", OrgID: "00D"})
	d.undoing(t, id)
	d.connected(t, "00E")
	if _, err := d.StartAction(t.Context(), Action{DestinationKey: first("a"), Service: "sfdc", Kind: ActionMove, OrgID: "00E", Actor: "ann"}); err != nil {
		t.Fatal(err)
	}
	if s := d.one(t, id); s.State != Delivered {
		t.Errorf("got %+v", s)
	}
	if s := d.one(t, other); s.State != Waiting {
		t.Errorf("another: %+v", s)
	}
}

// A process that dies while the CRM is asked leaves it to nobody before that may have taken effect.
func TestARemovalIsNotBegunAgainAtOnce(t *testing.T) {
	d, id, now := tested(t)
	l, r := d.undoing(t, id)
	r.DueAt = now.Add(time.Minute)
	begun, ask, err := d.BeginRemoval(t.Context(), l, r, "00D")
	if !ask || !begun.DueAt.IsZero() || err != nil {
		t.Fatalf("begun %+v, asked %t, %v", begun, ask, err)
	}
	if due, err := d.DueRemovals(t.Context(), first("a")); err != nil || len(due) != 0 {
		t.Errorf("due %+v, %v", due, err)
	}
	*now = r.DueAt
	if begun, ask, err := d.BeginRemoval(t.Context(), leased(t, d), d.due(t, 1)[0], "00D"); !ask || !begun.Unsure || err != nil {
		t.Errorf("begun %+v, asked %t, %v", begun, ask, err)
	}
}
