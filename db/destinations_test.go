package db

import (
	"errors"
	"slices"
	"testing"
)

// A tenant's first CRM takes the place of the destination that waits for one; a further one
// is another destination, and whoever was there before is sent there when somebody says so.
func TestDestinationsOfATenant(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	d.SetCRMs("sfdc", "hubspot")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/2", "two@example.com"), signUp("b/1", "other@example.com"))
	if all, err := d.Destinations(t.Context(), "a"); err != nil || len(all) != 1 || all[0].Key() != first("a") || all[0].Service != "" || !all[0].FedBy("a/1") {
		t.Fatalf("%+v, %v", all, err)
	}
	if one := d.another(t, "a", "sfdc"); one != first("a") || d.another(t, "a", "sfdc") != one {
		t.Errorf("the first CRM is at %v", one)
	}
	other := d.another(t, "a", "hubspot")
	if all, err := d.Destinations(t.Context(), "a"); err != nil || len(all) != 2 || all[0].Service != "sfdc" || all[1].Key() != other {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := d.Destination(t.Context(), DestinationKey{"b", other.DestinationID}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	newest := add(t, d, signUp("a/1", "three@example.com"))[0]
	for id, in := range map[string]State{ids[0]: "", ids[1]: "", newest: Waiting} {
		if s := d.one(t, id); s.In("a").State != Waiting || s.In(other.DestinationID).State != in {
			t.Errorf("%s: %+v", s.Email, s.Deliveries)
		}
	}
	d.missing(t, other, 2)
	a := d.begin(t, Action{DestinationKey: other, Kind: ActionSend})
	if a.Done != 2 || a.Total != 2 || a.EndedAt.IsZero() {
		t.Errorf("sent %+v", a)
	}
	d.missing(t, other, 0)
	d.agrees(t, "a", nil)
	if s, err := d.Sums(t.Context(), "a"); err != nil || !s.Destinations["a"].Equal(Sums{Entered: 3, Waiting: 3}) || !s.Destinations[other.DestinationID].Equal(Sums{Entered: 3, Waiting: 3}) || !s.Subscribers.Equal(Sums{New: 3, Active: 3}) {
		t.Errorf("sums %+v, %v", s, err)
	}
	d.agrees(t, "b", Sums{New: 1, Waiting: 1})
}

// missing wants a number of subscribers not to have entered a destination.
func (d *DB) missing(t *testing.T, key DestinationKey, want int) {
	t.Helper()
	if n, err := d.Missing(t.Context(), key); err != nil || n != want {
		t.Errorf("%d are missing, %v; want %d", n, err, want)
	}
}

// Whoever left or is to be removed isn't sent to a new destination, nor is anybody whose
// newsletter doesn't feed it.
func TestWhoIsSentToADestination(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	test := signUp("a/1", "test@example.com")
	test.Source, test.At = "test", d.now()
	ids := add(t, d, signUp("a/1", "stays@example.com"), signUp("a/1", "left@example.com"), test, signUp("a/2", "unfed@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[2], State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	unless(t, left(t, "a", ids[1])(d))
	unless(t, undone(t, "a", ids[2])(d))
	_, other := d.two(t, "a")
	if _, err := d.SetNewsletters(t.Context(), other, false, []string{"a/1", "b/1"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("fed by another tenant's newsletter: %v", err)
	}
	if _, err := d.SetNewsletters(t.Context(), DestinationKey{"a", "none"}, true, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("no destination: %v", err)
	}
	if ended, err := d.SetNewsletters(t.Context(), other, false, []string{"a/1"}); err != nil || ended != 0 {
		t.Fatal(ended, err)
	}
	if to, err := d.Destination(t.Context(), other); err != nil || to.All || !slices.Equal(to.Newsletters, []string{"a/1"}) || to.FedBy("a/2") || !to.FedBy("a/1") {
		t.Errorf("%+v, %v", to, err)
	}
	d.missing(t, other, 1)
	if a := d.begin(t, Action{DestinationKey: other, Kind: ActionSend}); a.Done != 1 {
		t.Errorf("sent %+v", a)
	}
	for i, want := range []State{Waiting, "", "", ""} {
		if s := d.one(t, ids[i]); s.In(other.DestinationID).State != want {
			t.Errorf("%s: %+v", s.Email, s.Deliveries)
		}
	}
	again := signUp("a/2", "unfed@example.com")
	add(t, d, again, signUp("a/2", "new@example.com"))
	wantN(t, d, 1, `SELECT count(*) FROM deliveries WHERE destination_id = $1`, other.DestinationID)
	d.agrees(t, "a", nil)
}

// What waits for a destination of a newsletter that doesn't feed it any more has ended; what
// has arrived stays, and so does what goes elsewhere.
func TestANewsletterIsTakenFromADestination(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	_, other := d.two(t, "a")
	ids := add(t, d, signUp("a/1", "waits@example.com"), signUp("a/1", "odd@example.com"), signUp("a/1", "there@example.com"), signUp("a/2", "fed@example.com"))
	d.becomes(t, d.lease(t, other), Outcome{SubscriberID: ids[1], State: Attention, Reason: "ODD"}, Outcome{SubscriberID: ids[2], State: Delivered, RecordID: "1", OrgID: "o"})
	if ended, err := d.SetNewsletters(t.Context(), other, false, []string{"a/2"}); err != nil || ended != 2 {
		t.Errorf("%d ended, %v", ended, err)
	}
	for i, want := range []State{Ended, Ended, Delivered, Waiting} {
		if s := d.one(t, ids[i]); s.In(other.DestinationID).State != want || s.In("a").State != Waiting || s.Status != Active {
			t.Errorf("%s: %+v", s.Email, s.Deliveries)
		}
	}
	d.agrees(t, "a", nil)
	if ended, err := d.SetNewsletters(t.Context(), other, true, nil); err != nil || ended != 0 {
		t.Errorf("%d ended, %v", ended, err)
	}
	d.missing(t, other, 0) // they were there: what ended goes on with a further sign-up
	add(t, d, signUp("a/1", "waits@example.com"))
	if s := d.one(t, ids[0]); s.In(other.DestinationID).State != Waiting {
		t.Errorf("signed up again: %+v", s.Deliveries)
	}
	d.agrees(t, "a", nil)
}

// Of a destination that was removed nothing is sent or shown, and by and by nothing is left.
func TestADestinationIsRemoved(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	one, other := d.two(t, "a")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("b/1", "one@example.com"))
	l := d.lease(t, other)
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Attention, Reason: "ODD"})
	unless(t, d.SetPause(t.Context(), l, Pause{Reason: "LIMIT"}))
	if err := d.RemoveDestination(t.Context(), DestinationKey{"b", other.DestinationID}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	unless(t, d.RemoveDestination(t.Context(), other))
	if err := d.RemoveDestination(t.Context(), other); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	wantLost(t, "a write after it was removed", d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[1]}}, d.now()))
	if s := d.one(t, ids[0]); len(s.Deliveries) != 1 || s.In("a").State != Waiting {
		t.Errorf("%+v", s.Deliveries)
	}
	due, err := d.DueDestinations(t.Context(), "me")
	among, e := d.DueAmong(t.Context(), "me", []string{"a"})
	if want := []DestinationKey{one, first("b")}; errors.Join(err, e) != nil || !slices.Equal(due, want) || !slices.Equal(among, want[:1]) {
		t.Errorf("due %v, %v, %v", due, among, errors.Join(err, e))
	}
	d.agrees(t, "a", Sums{New: 2, Waiting: 2})
	d.sweep(t)
	d.agrees(t, "a", Sums{New: 2, Waiting: 2})
	d.agrees(t, "b", Sums{New: 1, Waiting: 1})
	wantN(t, d, 0, `SELECT count(*) FROM leases WHERE name = $1`, l.name())
}

// Without any destination sign-ups would have nowhere to wait.
func TestTheLastDestinationLeavesANewOne(t *testing.T) {
	d := withNewsletters(t, "a/1")
	d.another(t, "a", "sfdc")
	ids := add(t, d, signUp("a/1", "one@example.com"))
	unless(t, d.RemoveDestination(t.Context(), first("a")))
	all, err := d.Destinations(t.Context(), "a")
	if err != nil || len(all) != 1 || all[0].Service != "" || all[0].Key() == first("a") {
		t.Fatalf("%+v, %v", all, err)
	}
	d.missing(t, all[0].Key(), 1)
	add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"))
	if s := d.one(t, ids[0]); s.State != Waiting || s.DestinationID != all[0].ID {
		t.Errorf("%+v", s)
	}
	d.missing(t, all[0].Key(), 0)
	if d.another(t, "a", "sfdc") != all[0].Key() {
		t.Error("the CRM that is connected next is somewhere else")
	}
	d.sweep(t)
	d.agrees(t, "a", nil)
}

// Until the last record of whoever is removed is gone, no other one may be made, which nobody
// would delete.
func TestARemovalEndsWhatIsOpenElsewhere(t *testing.T) {
	d := withNewsletters(t, "a/1")
	one, other := d.two(t, "a")
	test := signUp("a/1", "test@example.com")
	test.Source, test.At = "test", d.now()
	id := add(t, d, test)[0]
	l := d.lease(t, one)
	d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	unless(t, undone(t, "a", id)(d))
	if s := d.one(t, id); s.In(other.DestinationID).State != Ended {
		t.Errorf("%+v", s.Deliveries)
	}
	d.agrees(t, "a", nil)
	due, err := d.DueRemovals(t.Context(), one)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	r, ask, err := d.BeginRemoval(t.Context(), l, due[0], "00D")
	if err != nil || !ask {
		t.Fatal(ask, err)
	}
	r.Record = RecordDeleted
	unless(t, d.EndRemoval(t.Context(), l, r))
	s, err := d.Sums(t.Context(), "a")
	if err != nil || !s.Subscribers.Equal(Sums{New: 1, Erased: 1}) || !s.Destinations["a"].Equal(Sums{Entered: 1, Erased: 1}) || !s.Destinations[other.DestinationID].Equal(Sums{Entered: 1, Erased: 1}) {
		t.Errorf("%+v, %v", s, err)
	}
	d.agrees(t, "a", nil)
}

// Whoever comes back while they are removed stays, as one who signs up again does.
func TestWhoComesBackIsNotRemoved(t *testing.T) {
	for _, back := range []bool{false, true} {
		d := withNewsletters(t, "a/1")
		test := signUp("a/1", "test@example.com")
		test.Source, test.At = "test", d.now()
		id := add(t, d, test)[0]
		l := leased(t, d)
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
		unless(t, undone(t, "a", id)(d))
		unless(t, left(t, "a", id)(d))
		if back {
			if done, err := d.Return(t.Context(), "a", id, "ann"); err != nil || !done {
				t.Fatal(done, err)
			}
		}
		due, err := d.DueRemovals(t.Context(), first("a"))
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		r, ask, err := d.BeginRemoval(t.Context(), l, due[0], "00D")
		if err != nil || ask == back {
			t.Errorf("back %v: asked %v, %v", back, ask, err)
		}
		unless(t, d.EndRemoval(t.Context(), l, r))
		wantN(t, d, bit(back), `SELECT count(*) FROM subscribers WHERE id = $1`, id)
		d.agrees(t, "a", nil)
	}
}
