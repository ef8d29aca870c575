package db

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func (d *DB) edit(t *testing.T, id string, e Edit) Edited {
	t.Helper()
	edited, err := d.EditSubscriber(t.Context(), "a", id, e, "ann")
	if err != nil {
		t.Fatal(err)
	}
	return edited
}

// An edit makes the delivery due again: of who has arrived or needs attention, at once;
// who waits takes it along; who isn't to be sent stays so. The sums hold, and the history
// has what was changed.
func TestAnEditInEachState(t *testing.T) {
	becomes := map[State]State{Waiting: Waiting, Delivered: Waiting, Attention: Waiting, Dismissed: Dismissed, Left: Left}
	for _, state := range allStates {
		t.Run(string(state), func(t *testing.T) {
			d, id, now := inState(t, state)
			before := d.one(t, id)
			*now = now.Add(time.Minute)
			edited := d.edit(t, id, Edit{"Jane@example.com", "jane@example.com", "Janet", ""})
			want := []Change{{"first_name", "Jane", "Janet"}, {"last_name", "Doe", ""}}
			if edited.Waits != (becomes[state] == Waiting) || !reflect.DeepEqual(edited.Changes, want) {
				t.Errorf("edited %+v", edited)
			}
			s, due := d.one(t, id), before.DueAt
			if state != becomes[state] {
				due = *now
			}
			if s.stands() != becomes[state] || s.FirstName != "Janet" || s.LastName != "" || !s.DueAt.Equal(due) || !s.EditedAt.Equal(*now) || !s.RepeatedAt.IsZero() || !s.SaidAt().Equal(*now) {
				t.Errorf("got %+v, due %v", s, due)
			}
			if state != becomes[state] && (s.Reason != "" || s.MatchID != "" || s.Attempts != 0) {
				t.Errorf("got %+v", s)
			}
			if d.revision(t, id) != 1 {
				t.Error("an outcome of before would count")
			}
			d.agrees(t, "a", sumsIn(becomes[state]))
			if again := d.edit(t, id, Edit{"Jane@example.com", "jane@example.com", "Janet", ""}); len(again.Changes) != 0 || d.revision(t, id) != 1 {
				t.Errorf("the same again: %+v", again)
			}
			h, err := d.History(t.Context(), "a", id)
			if err != nil || len(h.Corrections) != 1 || !reflect.DeepEqual(h.Corrections[0].Changes, want) || !h.Corrections[0].At.Equal(*now) {
				t.Errorf("history %+v, %v", h, err)
			}
		})
	}
}

// An address may be corrected until it is in the CRM, or may be.
func TestAnAddressIsCorrected(t *testing.T) {
	right := Edit{"Jane.Doe@example.com", "jane.doe@example.com", "Jane", "Doe"}
	for _, state := range allStates {
		d, id, _ := inState(t, state)
		_, err := d.EditSubscriber(t.Context(), "a", id, right, "ann")
		if (state == Delivered) != errors.Is(err, ErrAddressFixed) || state != Delivered && err != nil {
			t.Errorf("%s: %v", state, err)
		}
		if s := d.one(t, id); s.AddressIsFixed() != (state == Delivered) || (s.EmailKey == right.EmailKey) == (state == Delivered) {
			t.Errorf("%s: got %+v", state, s)
		}
	}
	d, id, _ := inState(t, Waiting)
	if err := d.MarkSent(t.Context(), leased(t, d), []Sending{{SubscriberID: id, EmailKey: "jane@example.com", New: true}}, d.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.EditSubscriber(t.Context(), "a", id, right, "ann"); !errors.Is(err, ErrAddressFixed) {
		t.Errorf("while it may be in the CRM: %v", err)
	}
	if s := d.one(t, id); s.Email != "Jane@example.com" || s.FirstName != "Jane" || !s.AddressIsFixed() {
		t.Errorf("got %+v", s)
	}
}

func TestAnAddressThatSomebodyHas(t *testing.T) {
	d, id, _ := inState(t, Attention)
	other := add(t, d, signUp("a/1", "joe@example.com"), signUp("a/2", "jo@example.com"))[0]
	edited, err := d.EditSubscriber(t.Context(), "a", id, Edit{"JOE@example.com", "joe@example.com", "Joe", ""}, "ann")
	if !errors.Is(err, ErrConflict) || edited.Other != other {
		t.Errorf("got %+v, %v", edited, err)
	}
	if s := d.one(t, id); s.State != Attention || s.FirstName != "Jane" {
		t.Errorf("got %+v", s)
	}
	d.edit(t, id, Edit{"jo@example.com", "jo@example.com", "Jane", "Doe"}) // on another newsletter
	if _, err := d.EditSubscriber(t.Context(), "b", id, Edit{"x@example.com", "x@example.com", "", ""}, "ann"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	if found, err := d.Subscribers(t.Context(), "a", SubscriberQuery{Text: "jo@", Limit: 9}); err != nil || len(found.Rows) != 2 {
		t.Errorf("found %+v, %v", found, err)
	}
	// Whoever has the address of before is somebody new.
	if next := add(t, d, says(d.now(), "Jane", ""))[0]; next == id {
		t.Error("the address of before is still theirs")
	}
}

// What was found out about the address of before is not said of the new one, and nothing
// is sent to it.
func TestAnOutcomeOfTheAddressOfBefore(t *testing.T) {
	d, id, _ := inState(t, Waiting)
	l := leased(t, d)
	d.edit(t, id, Edit{"joe@example.com", "joe@example.com", "Jane", "Doe"})
	if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, EmailKey: "jane@example.com", New: true}}, d.now().Add(time.Hour)); !errors.Is(err, ErrLost) {
		t.Errorf("sent: %v", err)
	}
	d.becomes(t, l, Outcome{SubscriberID: id, EmailKey: "jane@example.com", State: Delivered, RecordID: "003", OrgID: "00D"})
	if s := d.one(t, id); s.State != Waiting || s.RecordID != "" || s.AddressIsFixed() {
		t.Errorf("got %+v", s)
	}
	d.becomes(t, l, Outcome{SubscriberID: id, EmailKey: "joe@example.com", Revision: 1, State: Delivered, RecordID: "003", OrgID: "00D"})
	if s := d.one(t, id); s.State != Delivered {
		t.Errorf("got %+v", s)
	}
}

// Who leaves while a write is out doesn't come back by its outcome; that it arrived is
// known and told.
func TestWhoLeavesWhileAWriteIsOut(t *testing.T) {
	for name, tt := range map[string]struct {
		outcome Outcome
		record  string
		open    bool // it still isn't known what became of the write
		events  int
	}{
		"it arrived":       {Outcome{State: Delivered, RecordID: "003", OrgID: "00D", Made: true}, "003", false, 2},
		"it was refused":   {Outcome{State: Attention, Reason: "ODD"}, "", false, 1},
		"it was not sent":  {Outcome{State: Waiting, Reason: "SLOW"}, "", false, 1},
		"it isn't known":   {Outcome{State: Waiting, Reason: "SLOW", SettlesAt: time.Now().Add(time.Hour)}, "", true, 1},
		"nothing is heard": {Outcome{SubscriberID: "-"}, "", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1")
			id, l := add(t, d, signUp("a/1", "jane@example.com"))[0], leased(t, d)
			if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, New: true}}, d.now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if done, err := d.Leave(t.Context(), "a", id, "ann", "They wrote."); !done || err != nil {
				t.Fatal(done, err)
			}
			if tt.outcome.SubscriberID == "" {
				tt.outcome.SubscriberID = id
				d.becomes(t, l, tt.outcome)
			}
			s := d.one(t, id)
			state := Ended
			if tt.record != "" {
				state = Delivered
			}
			if s.Status != Left || s.State != state || s.RecordID != tt.record || s.SentAt.IsZero() == tt.open || s.Made != (tt.record != "") || s.DeliveredAt.IsZero() != (tt.record == "") {
				t.Errorf("got %+v", s)
			}
			h, err := d.History(t.Context(), "a", id)
			if err != nil || len(h.Events) != tt.events || h.Events[tt.events-1].State != Left || h.Events[tt.events-1].Detail != "They wrote." {
				t.Errorf("history %+v, %v", h, err)
			}
			d.agrees(t, "a", Sums{New: 1, Left: 1, state: 1})
			if done, err := d.Retry(t.Context(), first("a"), id, "ann"); done || err != nil {
				t.Errorf("retried, though they left: %v, %v", done, err)
			}
			if done, err := d.Return(t.Context(), "a", id, "ann"); !done || err != nil {
				t.Errorf("active again: %v, %v", done, err)
			}
			d.agrees(t, "a", Sums{New: 1, Waiting: 1})
		})
	}
}

// A record counts as ours from the write that made it on, and no longer than it is the
// same.
func TestTheRecordThatWeMade(t *testing.T) {
	d := withNewsletters(t, "a/1")
	id, l := add(t, d, signUp("a/1", "jane@example.com"))[0], leased(t, d)
	for i, tt := range []struct {
		record     string
		made, ours bool
	}{{"1", true, true}, {"1", false, true}, {"2", false, false}, {"1", false, false}, {"3", true, true}} {
		d.becomes(t, l, Outcome{SubscriberID: id, Revision: d.revision(t, id), State: Delivered, RecordID: tt.record, OrgID: "00D", Made: tt.made})
		if s := d.one(t, id); s.Made != tt.ours || s.RecordID != tt.record {
			t.Errorf("%d: %+v", i, s)
		}
		add(t, d, signUp("a/1", "jane@example.com"))
	}
}

// Whoever puts another record there doesn't make it ours, though an older process knows
// nothing of whose it was, and neither is it in another org.
func TestTheRecordThatSomebodyElsePutThere(t *testing.T) {
	made := Outcome{State: Delivered, RecordID: "1", OrgID: "00D", Made: true}
	for name, happens := range map[string]func(t *testing.T, d *DB, id string){
		"by an older process": func(t *testing.T, d *DB, id string) {
			if _, err := d.write.Exec(`UPDATE deliveries SET record_id = '2' WHERE subscriber_id = $1`, id); err != nil {
				t.Fatal(err)
			}
		},
		"in another org": func(t *testing.T, d *DB, id string) {
			d.connected(t, "00E")
			if _, err := d.StartAction(t.Context(), Action{DestinationKey: first("a"), Service: "sfdc", Kind: ActionMove, OrgID: "00E", Actor: "ann"}); err != nil {
				t.Fatal(err)
			}
			d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: Delivered, RecordID: "1", OrgID: "00E"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1")
			id := add(t, d, signUp("a/1", "jane@example.com"))[0]
			made.SubscriberID = id
			d.becomes(t, leased(t, d), made)
			happens(t, d, id)
			if s := d.one(t, id); s.State != Delivered || s.Made {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// Who left is not moved to another org, and isn't counted as being in the old one any more.
func TestAMoveForgetsWhoLeft(t *testing.T) {
	d := withNewsletters(t, "a/1")
	d.connected(t, "00E")
	stays, leaves := add(t, d, signUp("a/1", "jane@example.com"))[0], add(t, d, signUp("a/1", "joe@example.com"))[0]
	l := leased(t, d)
	for _, id := range []string{stays, leaves} {
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003" + id, OrgID: "00D"})
	}
	if done, err := d.Leave(t.Context(), "a", leaves, "ann", ""); !done || err != nil {
		t.Fatal(done, err)
	}
	a, err := d.StartAction(t.Context(), Action{DestinationKey: first("a"), Service: "sfdc", Kind: ActionMove, OrgID: "00E", Actor: "ann"})
	if err != nil || a.Done != 2 || a.Total != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	if s := d.one(t, stays); s.State != Waiting {
		t.Errorf("got %+v", s)
	}
	if s := d.one(t, leaves); s.State != Ended || s.RecordID != "" || s.Status != Left {
		t.Errorf("got %+v", s)
	}
	if orgs, err := d.Orgs(t.Context(), first("a")); err != nil || len(orgs) != 0 {
		t.Errorf("orgs %v, %v", orgs, err)
	}
	d.agrees(t, "a", Sums{New: 2, Active: 1, Left: 1, Waiting: 1, Ended: 1})
}
