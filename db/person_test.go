package db

import (
	"database/sql"
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
			edited := d.edit(t, id, Edit{Email: "Jane@example.com", EmailKey: "jane@example.com", FirstName: "Janet", LastName: ""})
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
			if again := d.edit(t, id, Edit{Email: "Jane@example.com", EmailKey: "jane@example.com", FirstName: "Janet", LastName: ""}); len(again.Changes) != 0 || d.revision(t, id) != 1 {
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
	right := Edit{Email: "Jane.Doe@example.com", EmailKey: "jane.doe@example.com", FirstName: "Jane", LastName: "Doe"}
	for _, state := range allStates {
		d, id, _ := inState(t, state)
		_, err := d.EditSubscriber(t.Context(), "a", id, right, "ann")
		want := map[State]error{Delivered: ErrAddressFixed, Left: ErrLeft}[state]
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", state, err)
		}
		if s := d.one(t, id); s.AddressIsFixed() != (state == Delivered) || (s.EmailKey == right.EmailKey) != (want == nil) {
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

// Who left is known by their address alone: nobody can have that forgotten. It may be written in other letters.
func TestTheAddressOfWhoLeftStays(t *testing.T) {
	d, id, _ := inState(t, Left)
	for _, e := range []Edit{{Email: "other@example.com", EmailKey: "other@example.com", FirstName: "Janet"}, {Email: "janet@example.com", EmailKey: "janet@example.com", FirstName: "Jane", LastName: "Doe", CanMail: true}} {
		if _, err := d.EditSubscriber(t.Context(), "a", id, e, "ann"); !errors.Is(err, ErrLeft) {
			t.Errorf("became %s: %v", e.Email, err)
		}
	}
	if got := d.one(t, id); got.EmailKey != "jane@example.com" || got.FirstName != "Jane" {
		t.Errorf("got %+v", got)
	}
	d.linkTo(t, id, d.now(), d.now().Add(time.Hour))
	d.edit(t, id, Edit{Email: "JANE@example.com", EmailKey: "jane@example.com", FirstName: "Janet"})
	if got := d.one(t, id); got.Email != "JANE@example.com" || got.Status != Left || got.FirstName != "Janet" {
		t.Errorf("got %+v", got)
	}
	wantN(t, d, 1, `SELECT count(*) FROM confirmations`)
}

// An address that has left comes back by nobody else's edit.
func TestNobodyIsGivenAnAddressThatLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		tenantID, newsletterID string
		refused                bool
	}{
		"the newsletter": {"a", "a/1", true}, "all newsletters": {"a", "", true}, "another newsletter": {"a", "a/2", false}, "another tenant's": {"b", "", false},
	} {
		for _, state := range []State{Active, Unconfirmed, OnHold, Rejected} {
			d := withNewsletters(t, "a/1", "a/2", "b/1")
			id := add(t, d, signUp("a/1", "jane@example.com"))[0]
			d.putState(t, id, state)
			_, err := d.Suppress(t.Context(), tt.tenantID, tt.newsletterID, LeftByLink, []string{"m"})
			unless(t, err)
			_, err = d.EditSubscriber(t.Context(), "a", id, Edit{Email: "joe@example.com", EmailKey: "joe@example.com", MAC: "m"}, "ann")
			if errors.Is(err, ErrAddressLeft) != tt.refused || !tt.refused && err != nil {
				t.Errorf("%s: it left %s: %v", state, name, err)
			}
			if got := d.one(t, id); (got.EmailKey == "jane@example.com") != tt.refused || got.Status != state {
				t.Errorf("%s: got %+v", state, got)
			}
		}
	}
}

// putState has a subscriber be in a state, as far as the rows go.
func (d *DB) putState(t *testing.T, id string, state State) {
	t.Helper()
	_, err := d.write.Exec(`UPDATE subscribers SET state = $1 WHERE id = $2`, state, id)
	unless(t, err)
}

// confirmed has a subscriber confirm, as whoever presses a button does.
func (d *DB) confirmed(t *testing.T, tenantID, id string) error {
	return d.tx(t.Context(), func(tx *sql.Tx) error {
		_, err := d.confirm(t.Context(), tx, tenantID, id, millis(d.now()))
		return err
	})
}

// presses makes a link to confirm of a subscriber's, and presses its button.
func (d *DB) presses(t *testing.T, tenantID, id string) ConfirmationState {
	t.Helper()
	hash, now := NewID(), d.now()
	_, err := d.write.Exec(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ($1, $2, $3, '', $4, $5)`, hash, tenantID, id, millis(now), millis(now.Add(time.Hour)))
	unless(t, err)
	state, err := d.PressConfirmation(t.Context(), hash)
	unless(t, err)
	return state
}

// Who confirmed one address hasn't confirmed another: they are asked anew, nothing is delivered before, and whoever
// sends the mails is told not to.
func TestAnotherAddressIsConfirmedAnew(t *testing.T) {
	d := withNewsletters(t, "a/1")
	n, err := d.NewsletterOf(t.Context(), "a", "a/1")
	unless(t, err)
	unless(t, d.SetReaderRules(t.Context(), "a", "a/1", n.Revision, ReaderRules{Confirm: true}))
	s := toConfirm("jane@example.com")
	s.At = d.now().Add(-2 * DefaultKeepDays * 24 * time.Hour)
	id := add(t, d, s)[0]
	if got := d.presses(t, "a", id); got != LinkDone {
		t.Fatalf("the link is %s", got)
	}
	q, c := FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 9}, copied{}
	cursor := c.pages(t, d, q, FeedCursor{})
	to := Edit{Email: "Jane@Example.com", EmailKey: "jane@example.com", CanMail: true}
	for range 2 { // in other letters, and with another name
		if edited := d.edit(t, id, to); edited.Asks {
			t.Errorf("asked for %+v", to)
		}
		to.FirstName = "Jane"
	}
	if got := d.one(t, id); got.Status != Active || got.ConfirmedAt.IsZero() {
		t.Fatalf("got %+v", got)
	}
	d.agrees(t, "a", Sums{New: 1, Active: 1, Waiting: 1})

	to.Email, to.EmailKey = "joe@example.com", "joe@example.com"
	if edited := d.edit(t, id, to); !edited.Asks || edited.Waits {
		t.Errorf("edited %+v", edited)
	}
	if got := d.one(t, id); got.Status != Unconfirmed || !got.ConfirmedAt.IsZero() || got.EmailKey != "joe@example.com" {
		t.Errorf("got %+v", got)
	}
	d.agrees(t, "a", Sums{New: 1, Active: 0, Unconfirmed: 1, Entered: 1, Ended: 1})
	wantN(t, d, 0, `SELECT count(*) FROM confirmations`)
	wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE state = 'queued' AND subscriber_id = $1`, id)
	cursor = c.pages(t, d, q, cursor)
	if c[id] != Erased {
		t.Errorf("told as %q", c[id])
	}
	_, err = d.write.Exec(`UPDATE reader_mails SET state = 'sent'`)
	unless(t, err)
	_, err = d.ExpireReaders(t.Context(), "a") // they signed up long ago, and have time all the same
	unless(t, err)

	if got := d.presses(t, "a", id); got != LinkDone {
		t.Errorf("the link is %s", got)
	}
	d.agrees(t, "a", Sums{New: 1, Active: 1, Waiting: 1})
	if c.pages(t, d, q, cursor); c[id] != Active || d.one(t, id).ConfirmedAt.IsZero() {
		t.Errorf("told as %q", c[id])
	}
}

// Who never confirms another address expires as somebody new does, and is accounted for where they had entered.
func TestAnotherAddressThatIsNeverConfirmed(t *testing.T) {
	d := withNewsletters(t, "a/1")
	n, err := d.NewsletterOf(t.Context(), "a", "a/1")
	unless(t, err)
	unless(t, d.SetReaderRules(t.Context(), "a", "a/1", n.Revision, ReaderRules{Confirm: true}))
	id := add(t, d, toConfirm("jane@example.com"))[0]
	d.presses(t, "a", id)
	never := add(t, d, toConfirm("rita@example.com"))[0] // of whom nobody was told
	q := FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 9}
	c := copied{}
	from := c.pages(t, d, q, FeedCursor{})
	d.edit(t, id, Edit{Email: "joe@example.com", EmailKey: "joe@example.com", CanMail: true})
	_, err = d.write.Exec(`UPDATE reader_mails SET state = 'sent'`)
	unless(t, err)
	now := d.now().Add((DefaultKeepDays + 1) * 24 * time.Hour)
	d.now = func() time.Time { return now }
	_, err = d.ExpireReaders(t.Context(), "a")
	unless(t, err)
	d.agrees(t, "a", nil)
	wantN(t, d, 2, `SELECT count(*) FROM removals WHERE kind = 'expired'`)
	if c.pages(t, d, q, from); c[id] != Erased || c[never] != "" { // of whoever asks next only now
		t.Errorf("told as %q, and who never confirmed as %q", c[id], c[never])
	}
}

// Where nobody is asked by mail, another address is one that wasn't confirmed, and goes on.
func TestAnotherAddressWhereNobodyIsAsked(t *testing.T) {
	for name, tt := range map[string]struct{ asks, canMail, confirmed bool }{
		"no mail server": {true, false, true}, "without confirmation": {false, true, true}, "who never confirmed": {true, true, false},
	} {
		d := withNewsletters(t, "a/1")
		n, err := d.NewsletterOf(t.Context(), "a", "a/1")
		unless(t, err)
		unless(t, d.SetReaderRules(t.Context(), "a", "a/1", n.Revision, ReaderRules{Confirm: tt.asks}))
		s := signUp("a/1", "jane@example.com")
		if tt.confirmed {
			s.ConfirmedAt = s.At
		}
		id := add(t, d, s)[0]
		edited := d.edit(t, id, Edit{Email: "joe@example.com", EmailKey: "joe@example.com", CanMail: tt.canMail})
		if got := d.one(t, id); edited.Asks || !edited.Waits || got.Status != Active || !got.ConfirmedAt.IsZero() {
			t.Errorf("%s: %+v, %+v", name, edited, got)
		}
		d.agrees(t, "a", Sums{New: 1, Active: 1, Waiting: 1})
	}
}

func TestAnAddressThatSomebodyHas(t *testing.T) {
	d, id, _ := inState(t, Attention)
	other := add(t, d, signUp("a/1", "joe@example.com"), signUp("a/2", "jo@example.com"))[0]
	edited, err := d.EditSubscriber(t.Context(), "a", id, Edit{Email: "JOE@example.com", EmailKey: "joe@example.com", FirstName: "Joe", LastName: ""}, "ann")
	if !errors.Is(err, ErrConflict) || edited.Other != other {
		t.Errorf("got %+v, %v", edited, err)
	}
	if s := d.one(t, id); s.State != Attention || s.FirstName != "Jane" {
		t.Errorf("got %+v", s)
	}
	d.edit(t, id, Edit{Email: "jo@example.com", EmailKey: "jo@example.com", FirstName: "Jane", LastName: "Doe"}) // on another newsletter
	if _, err := d.EditSubscriber(t.Context(), "b", id, Edit{Email: "x@example.com", EmailKey: "x@example.com", FirstName: "", LastName: ""}, "ann"); !errors.Is(err, ErrNotFound) {
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
	d.edit(t, id, Edit{Email: "joe@example.com", EmailKey: "joe@example.com", FirstName: "Jane", LastName: "Doe"})
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
