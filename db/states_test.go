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
	codes, labels := map[string]bool{string(New): true, string(Repeated): true, string(Entered): true}, map[string]bool{}
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

// Of each delivery and of each subscriber may be decided what the table of states says, and
// nothing else.
func TestWhatMayBeDecided(t *testing.T) {
	for _, state := range []State{Waiting, Delivered, Attention, Dismissed, Ended} {
		d := withNewsletters(t, "a/1")
		id := add(t, d, signUp("a/1", "jane@example.com"))[0]
		is := func() {
			t.Helper()
			if _, err := d.write.Exec(`UPDATE deliveries SET state = $1`, state); err != nil {
				t.Fatal(err)
			}
		}
		is()
		dismissed, err := d.Dismiss(t.Context(), first("a"), id, "ann", "No.")
		if err != nil || dismissed != slices.Contains(state.Info().Decisions, Dismissed) || dismissed != (state == Attention) {
			t.Errorf("%s: dismissed %v, %v", state, dismissed, err)
		}
		is()
		retried, err := d.Retry(t.Context(), first("a"), id, "ann")
		if err != nil || retried != slices.Contains(state.Info().Decisions, Waiting) || retried != (state == Attention || state == Dismissed) {
			t.Errorf("%s: sent again %v, %v", state, retried, err)
		}
		is()
		for _, left := range []bool{true, false} {
			if done, err := d.Leave(t.Context(), "a", id, "ann", "No."); err != nil || done != left {
				t.Errorf("%s: left %v, %v", state, done, err)
			}
		}
		if retried, err := d.Retry(t.Context(), first("a"), id, "ann"); retried || err != nil {
			t.Errorf("%s: sent again of one who left: %v, %v", state, retried, err)
		}
		for _, back := range []bool{true, false} {
			if done, err := d.Return(t.Context(), "a", id, "ann"); err != nil || done != back {
				t.Errorf("%s: came back %v, %v", state, done, err)
			}
		}
		if s := d.one(t, id); s.Status != Active || s.State != Waiting {
			t.Errorf("%s: came back as %+v", state, s)
		}
	}
}

// A state is one row: whatever counts subscribers knows one that is added.
func TestAnAddedStateIsCountedEverywhere(t *testing.T) {
	const held State = "parked"
	t.Cleanup(AddState(StateInfo{State: held, Label: "Parked", Tone: "calm", Icon: "off", Delivery: true, Problem: true, Activity: "parked", Decisions: []State{Waiting}}))
	d := withNewsletters(t, "a/1")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("a/1", "two@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[0], State: held, Reason: "ODD", Detail: "No."})
	want := Sums{New: 2, Repeated: 1, Waiting: 1, held: 1}

	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.differing(oneDestination("a", want)) != 0 || r.Kept.Difference() != 0 || r.Kept.Subscribers.People() != 2 || r.Kept.Destinations["a"].People() != 2 {
		t.Errorf("recount %+v", r)
	}
	if s, err := d.Sums(t.Context(), "a"); err != nil || s.differing(oneDestination("a", want)) != 0 {
		t.Errorf("sums %v, %v", s, err)
	}
	if h, err := d.HourSums(t.Context(), "a", time.Time{}); err != nil || len(h) != 1 || h[0].differing(inHour(want)) != 0 {
		t.Errorf("by hour %v, %v", h, err)
	}
	if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || r.Wrong != 0 || r.Rows.differing(oneDestination("a", want)) != 0 {
		t.Errorf("kept recount %+v, %v", r, err)
	}
	if p, err := d.Problems(t.Context(), "a"); err != nil || len(p) != 1 || p[0] != (Problem{held, "ODD", 1, 1, p[0].Since}) {
		t.Errorf("problems %+v, %v", p, err)
	}
	if n := number(t, d, `SELECT n FROM activity WHERE tenant_id = 'a' AND kind = 'parked'`); n != 1 {
		t.Errorf("activity %d", n)
	}
	page, err := d.Subscribers(t.Context(), "a", SubscriberQuery{State: held, Limit: 9})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("subscribers %+v, %v", page, err)
	}
	if code, detail, next := page.Rows[0].Why(Pause{Reason: "unavailable", Until: time.Now()}); code != "ODD" || detail != "No." || !next.IsZero() {
		t.Errorf("why: %q, %q, %v", code, detail, next)
	}
	if done, err := d.Retry(t.Context(), first("a"), ids[0], "ann"); !done || err != nil {
		t.Errorf("sent again: %v, %v", done, err)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Waiting] != 2 {
		t.Errorf("sent again: %+v", r)
	}
}

// What a later release counts, and this one doesn't know, is told as the rest, and nothing
// fails or is missing by it: processes of both go on beside each other.
func TestWhatALaterReleaseCountsIsTheRest(t *testing.T) {
	restore := AddState(StateInfo{State: "parked", Label: "Parked", Tone: "calm", Icon: "off", Delivery: true, Problem: true, Activity: "parked"})
	t.Cleanup(restore)
	d := withNewsletters(t, "a/1")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("a/1", "three@example.com"), signUp("a/1", "three@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[0], State: "parked", Reason: "ODD"})
	hour := hourOf(millis(signUp("a/1", "").At))
	imported := newTally() // of the three one came in another way
	imported.received[ledgerKey{"a", "a/1", hour, "new"}], imported.received[ledgerKey{"a", "a/1", hour, "migrated"}] = -1, 1
	if err := d.tx(t.Context(), func(tx *sql.Tx) error { return d.counter.store(t.Context(), tx, imported, 0) }); err != nil {
		t.Fatal(err)
	}
	restore()

	want := AllSums{Sums{New: 3, Repeated: 1, Active: 3}, map[string]Sums{"a": {Entered: 3, Waiting: 2, Rest: 1}}}
	if s, err := d.Sums(t.Context(), "a"); err != nil || s.differing(want) != 0 || s.Difference() != 0 || s.Subscribers.People() != 3 || s.Destinations["a"].People() != 3 {
		t.Errorf("sums %v, %v", s, err)
	}
	at := fromMillis(hour)
	if of, err := d.SignUps(t.Context(), first("a"), []Span{{at, at.Add(time.Hour)}}); err != nil || !reflect.DeepEqual(of, []map[State]int{{Waiting: 2, Rest: 1}}) {
		t.Errorf("sign-ups %v, %v", of, err)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Rows.differing(want) != 0 {
		t.Errorf("recount %+v", r)
	}
	if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || r.Wrong != 0 || r.Rows.differing(want) != 0 {
		t.Errorf("kept recount %+v, %v", r, err)
	}
	if s, err := d.Subscriber(t.Context(), "a", ids[0]); err != nil || s.State != "parked" || s.State.Known() || s.State.Info().Label == "" || Rest.Known() {
		t.Errorf("one of them %+v, %v", s, err)
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
