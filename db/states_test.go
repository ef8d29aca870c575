package db

import (
	"database/sql"
	"reflect"
	"slices"
	"testing"
	"time"
)

// Each state has what every page asks for, and nobody takes one for another.
func TestEachStateIsWhole(t *testing.T) {
	codes, labels := map[string]bool{string(New): true, string(Repeated): true}, map[string]bool{}
	for _, s := range States() {
		if codes[string(s.State)] || labels[s.Label] || s.Label == "" || s.State == "" || s.Icon == "" {
			t.Errorf("%+v is there already, or not whole", s)
		}
		codes[string(s.State)], labels[s.Label] = true, true
		if !slices.Contains([]string{"good", "warn", "bad", "calm"}, s.Tone) {
			t.Errorf("%s has the tone %q", s.State, s.Tone)
		}
		if s.Attention && (s.Waits || s.Arrived || len(s.Decisions) == 0) {
			t.Errorf("%s needs attention, and nobody can give it any", s.State)
		}
		for _, to := range s.Decisions {
			if !to.Known() {
				t.Errorf("%s may become %q, which there isn't", s.State, to)
			}
		}
	}
}

func TestWhatMayBeDecided(t *testing.T) {
	for _, s := range States() {
		if s.Gone { // nobody is in it
			continue
		}
		d := withNewsletters(t, "a/1")
		id := add(t, d, signUp("a/1", "jane@example.com"))[0]
		d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: s.State})
		dismissed, err := d.Dismiss(t.Context(), "a", id, "ann", "No.")
		if err != nil || dismissed != (s.State == Attention) {
			t.Errorf("%s: dismissed %v, %v", s.State, dismissed, err)
		}
		retried, err := d.Retry(t.Context(), "a", id, "ann")
		if err != nil || retried != (s.State == Attention || s.State == Dismissed || s.State == Left) {
			t.Errorf("%s: sent again %v, %v", s.State, retried, err)
		}
		d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: s.State})
		left, err := d.Leave(t.Context(), "a", id, "ann", "No.")
		if err != nil || left != (s.State != Left) {
			t.Errorf("%s: left %v, %v", s.State, left, err)
		}
	}
}

// A state is one row: whatever counts subscribers knows one that is added.
func TestAnAddedStateIsCountedEverywhere(t *testing.T) {
	const held State = "held"
	t.Cleanup(AddState(StateInfo{State: held, Label: "Held", Tone: "calm", Icon: "off", Problem: true, Activity: "held", Decisions: []State{Waiting}}))
	d := withNewsletters(t, "a/1")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("a/1", "two@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[0], State: held, Reason: "ODD", Detail: "No."})
	want := Sums{New: 2, Repeated: 1, Waiting: 1, held: 1}

	if r := recount(t, d, "a"); !r.Agrees() || !r.Kept.Equal(want) || r.Kept.Difference() != 0 || r.Kept.People() != 2 {
		t.Errorf("recount %+v", r)
	}
	if s, err := d.Sums(t.Context(), "a"); err != nil || !s.Equal(want) {
		t.Errorf("sums %v, %v", s, err)
	}
	if h, err := d.HourSums(t.Context(), "a", time.Time{}); err != nil || len(h) != 1 || !h[0].Equal(want) {
		t.Errorf("by hour %v, %v", h, err)
	}
	if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || r.Wrong != 0 || !r.Rows.Equal(want) {
		t.Errorf("kept recount %+v, %v", r, err)
	}
	if p, err := d.Problems(t.Context(), "a"); err != nil || len(p) != 1 || p[0] != (Problem{held, "ODD", 1, 1, p[0].Since}) {
		t.Errorf("problems %+v, %v", p, err)
	}
	if n := number(t, d, `SELECT n FROM activity WHERE tenant_id = 'a' AND kind = 'held'`); n != 1 {
		t.Errorf("activity %d", n)
	}
	page, err := d.Subscribers(t.Context(), "a", SubscriberQuery{State: held, Limit: 9})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("subscribers %+v, %v", page, err)
	}
	if code, detail, next := page.Rows[0].Why(Pause{Reason: "unavailable", Until: time.Now()}); code != "ODD" || detail != "No." || !next.IsZero() {
		t.Errorf("why: %q, %q, %v", code, detail, next)
	}
	if done, err := d.Retry(t.Context(), "a", ids[0], "ann"); !done || err != nil {
		t.Errorf("sent again: %v, %v", done, err)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept[Waiting] != 2 {
		t.Errorf("sent again: %+v", r)
	}
}

// What a later release counts, and this one doesn't know, is told as the rest, and nothing
// fails or is missing by it: processes of both go on beside each other.
func TestWhatALaterReleaseCountsIsTheRest(t *testing.T) {
	restore := AddState(StateInfo{State: "held", Label: "Held", Tone: "calm", Icon: "off", Problem: true, Activity: "held"})
	t.Cleanup(restore)
	d := withNewsletters(t, "a/1")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("a/1", "three@example.com"), signUp("a/1", "three@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[0], State: "held", Reason: "ODD"})
	hour := hourOf(millis(signUp("a/1", "").At))
	imported := newTally() // of the three one came in another way
	imported.received[ledgerKey{"a", "a/1", hour, "new"}], imported.received[ledgerKey{"a", "a/1", hour, "imported"}] = -1, 1
	if err := d.tx(t.Context(), func(tx *sql.Tx) error { return d.counter.store(t.Context(), tx, imported, 0) }); err != nil {
		t.Fatal(err)
	}
	restore()

	want := Sums{New: 3, Repeated: 1, Waiting: 2, Rest: 1}
	if s, err := d.Sums(t.Context(), "a"); err != nil || !s.Equal(want) || s.Difference() != 0 || s.People() != 3 {
		t.Errorf("sums %v, %v", s, err)
	}
	at := fromMillis(hour)
	if of, err := d.SignUps(t.Context(), "a", []Span{{at, at.Add(time.Hour)}}); err != nil || !reflect.DeepEqual(of, []map[State]int{{Waiting: 2, Rest: 1}}) {
		t.Errorf("sign-ups %v, %v", of, err)
	}
	if r := recount(t, d, "a"); !r.Agrees() || !r.Rows.Equal(want) {
		t.Errorf("recount %+v", r)
	}
	if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || r.Wrong != 0 || !r.Rows.Equal(want) {
		t.Errorf("kept recount %+v, %v", r, err)
	}
	if s, err := d.Subscriber(t.Context(), "a", ids[0]); err != nil || s.State != "held" || s.State.Known() || s.State.Info().Label == "" || Rest.Known() {
		t.Errorf("one of them %+v, %v", s, err)
	}
}

// What a recount found stays when its numbers move between columns and rows.
func TestARecountOutlivesItsTable(t *testing.T) {
	d, _ := needy(t)
	if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	before, err := d.LastRecount(t.Context(), "a")
	if err != nil || before.Rows[New] == 0 || before.Rows[Attention] == 0 {
		t.Fatalf("got %+v, %v", before, err)
	}
	d.migrateBack(t, 25)
	after, err := d.LastRecount(t.Context(), "a")
	if err != nil || !after.Rows.Equal(before.Rows) || !after.At.Equal(before.At) || after.Took != before.Took {
		t.Errorf("got %+v, %v, want %+v", after, err, before)
	}
}

func TestSumsAreCompared(t *testing.T) {
	a := Sums{New: 2, Waiting: 1, Delivered: 1, Dismissed: 0}
	for _, tt := range []struct {
		b       Sums
		differs int
	}{{Sums{New: 2, Waiting: 1, Delivered: 1}, 0}, {Sums{New: 2, Waiting: 2}, 2}, {Sums{New: 2, Repeated: 1, Waiting: 1, Delivered: 1}, 1}, {nil, 3}} {
		if a.differing(tt.b) != tt.differs || tt.b.differing(a) != tt.differs || a.Equal(tt.b) != (tt.differs == 0) {
			t.Errorf("%v: %d numbers differ, and %d", tt.b, a.differing(tt.b), tt.b.differing(a))
		}
	}
	b := Sums{Waiting: 1}
	if b.Add(a); !reflect.DeepEqual(b, Sums{New: 2, Waiting: 2, Delivered: 1, Dismissed: 0}) || b.Difference() != -1 {
		t.Errorf("added: %v", b)
	}
}
