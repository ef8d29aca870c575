package db

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// What a key says of when somebody confirmed doesn't take back what is known already.
func TestWhenSomebodyConfirmedIsTheLastTime(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := signUp("a/1", "jane@example.com")
	for _, tt := range []struct{ says, want time.Time }{
		{s.At.Add(-time.Hour), s.At.Add(-time.Hour)}, {s.At, s.At}, {s.At.Add(-2 * time.Hour), s.At}, {time.Time{}, s.At},
	} {
		s.ConfirmedAt = tt.says
		if got := d.one(t, add(t, d, s)[0]); !got.ConfirmedAt.Equal(tt.want) {
			t.Errorf("they say %v: confirmed at %v, want %v", tt.says, got.ConfirmedAt, tt.want)
		}
	}
	wantN(t, d, 3, `SELECT count(*) FROM consents WHERE act = 'confirmed' AND how = 'stated'`)
}

// allStates are those in which a subscriber with one delivery can be.
var allStates = []State{Waiting, Delivered, Attention, Dismissed, Left}

// stands is which of allStates a subscriber is in.
func (s Subscriber) stands() State {
	if s.Status == Left {
		return Left
	}
	return s.State
}

// sumsIn are what sumsAre takes for one subscriber in one of allStates.
func sumsIn(state State) Sums {
	if state == Left { // by put, before they arrived
		return Sums{New: 1, Left: 1, Ended: 1}
	}
	return Sums{New: 1, state: 1}
}

// revisionIn is that of a subscriber's delivery.
func (d *DB) revisionIn(t *testing.T, key DestinationKey, id string) int64 {
	t.Helper()
	return int64(number(t, d, `SELECT revision FROM deliveries WHERE subscriber_id = $1 AND destination_id = $2`, id, key.DestinationID))
}

// inState is a database whose tenant a has one subscriber, in a state; it reads the
// clock that is returned.
func inState(t *testing.T, state State) (d *DB, id string, now *time.Time) {
	t.Helper()
	d = withNewsletters(t, "a/1", "a/2")
	s := signUp("a/1", "Jane@example.com")
	s.FirstName, s.LastName = "Jane", "Doe"
	now = &s.At
	d.now = func() time.Time { return *now }
	id = add(t, d, s)[0]
	d.put(t, id, state)
	return d, id, now
}

// put puts the one subscriber of the tenant a, who waits, into a state.
func (d *DB) put(t *testing.T, id string, state State) {
	t.Helper()
	d.putIn(t, first("a"), id, state)
}

// putIn is put for one of several destinations.
func (d *DB) putIn(t *testing.T, key DestinationKey, id string, state State) {
	t.Helper()
	o := Outcome{SubscriberID: id, Revision: d.revisionIn(t, key, id), State: state}
	switch state {
	case Waiting:
		o.Reason, o.Detail, o.DueAt = "SLOW", "Slow.", d.now().Add(5*time.Minute)
	case Delivered:
		o.RecordID, o.OrgID, o.InstanceURL = "003", "00D", "https://x"
	default:
		o.State, o.Reason, o.Detail, o.MatchID = Attention, "ODD", "No.", "003match"
	}
	d.becomes(t, d.lease(t, key), o)
	if state == Dismissed {
		if done, err := d.Dismiss(t.Context(), key, id, "", "No."); err != nil || !done {
			t.Fatalf("not dismissed: %v", err)
		}
	}
	if state == Left {
		if done, err := d.Leave(t.Context(), "a", id, "", "They wrote."); err != nil || !done {
			t.Fatalf("not left: %v", err)
		}
	}
}

// says signs Jane up again.
func says(at time.Time, first, last string) SignUp {
	s := signUp("a/1", "JANE@example.com")
	s.At, s.FirstName, s.LastName = at, first, last
	return s
}

// None of the states is an end: a repeated sign-up takes over what is said, and is
// due at once; one within an hour of the last repeated one when the hour is over,
// unless somebody had to decide. The sums hold throughout. Who left confirms first: see
// TestWhatASignUpMakesOfSomebody.
func TestARepeatedSignUpIsDueAgain(t *testing.T) {
	for _, state := range []State{Waiting, Delivered, Attention, Dismissed} {
		t.Run(string(state), func(t *testing.T) {
			d, id, now := inState(t, state)
			start := *now
			step := func(what string, after, due time.Duration, first, last string, says SignUp) {
				t.Helper()
				*now = start.Add(after)
				before := d.one(t, id)
				says.At = *now
				if got := add(t, d, says)[0]; got != id {
					t.Fatalf("%s: it is another one", what)
				}
				s, want := d.one(t, id), start.Add(due)
				if before.State == Waiting { // it takes the newer values along
					want = before.DueAt
					if s.Reason != before.Reason || s.Attempts != before.Attempts || s.Detail != before.Detail {
						t.Errorf("%s: got %+v", what, s)
					}
				} else if s.Reason != "" || s.Detail != "" || s.MatchID != "" || s.Attempts != 0 {
					t.Errorf("%s: got %+v", what, s)
				}
				if s.State != Waiting || s.Status != Active || s.FirstName != first || s.LastName != last || !s.DueAt.Equal(want) || !s.RepeatedAt.Equal(*now) || s.Email != "Jane@example.com" {
					t.Errorf("%s: got %+v, want it due at %v", what, s, want)
				}
				if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Waiting] != 1 {
					t.Errorf("%s: %+v", what, r)
				}
			}
			hour := map[State]time.Duration{Delivered: time.Hour, Waiting: time.Hour}
			within := func(last, now time.Duration) time.Duration {
				if hour[state] > 0 {
					return last + time.Hour
				}
				return now
			}
			step("the first", time.Minute, time.Minute, "Janet", "Doe", says(*now, "Janet", ""))
			d.put(t, id, state)
			step("a further one", 2*time.Minute, within(time.Minute, 2*time.Minute), "Janet", "Roe", says(*now, "", "Roe"))
			d.put(t, id, state)
			step("one after that", 10*time.Minute, within(2*time.Minute, 10*time.Minute), "Janet", "Roe", says(*now, "Janet", "Roe"))
			d.put(t, id, state)
			step("one when the hour is over", 70*time.Minute, 70*time.Minute, "Ann", "Roe", says(*now, "Ann", ""))
			if s := d.one(t, id); state == Delivered && (s.RecordID != "003" || s.OrgID != "00D" || s.DeliveredAt.IsZero()) {
				t.Errorf("the record isn't known any more: %+v", s)
			}
		})
	}
}

// A write that was given up with its outcome unknown may still take effect: a repeated
// sign-up, during that write or after it, doesn't make it forgotten.
func TestAGivenUpWriteIsNotForgotten(t *testing.T) {
	for name, during := range map[string]bool{"signed up again during the write": true, "signed up again afterwards": false} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1")
			now := signUp("a/1", "x").At
			d.now = func() time.Time { return now }
			id, l := add(t, d, says(now, "Jane", "Doe"))[0], leased(t, d)
			settles := now.Add(time.Minute)
			if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, New: true}}, settles); err != nil {
				t.Fatal(err)
			}
			if during {
				add(t, d, says(now, "Janet", ""))
			}
			d.becomes(t, l, Outcome{SubscriberID: id, State: Attention, Reason: "SLOW", SettlesAt: settles})
			if !during {
				add(t, d, says(now, "Janet", ""))
			}
			known, err := d.Due(t.Context(), first("a"), 10)
			if err != nil || len(known) != 1 || !known[0].Due || known[0].SentAt.IsZero() || !known[0].SettlesAt.Equal(settles) || !known[0].Newer {
				t.Errorf("%+v, %v", known, err)
			}
		})
	}
}

// What is said while a batch is under way is not taken for delivered with it.
func TestWhatIsSaidMeanwhileIsDeliveredAfterwards(t *testing.T) {
	for name, tt := range map[string]struct {
		before, between, after int // sign-ups before it is read, before it is sent, and before it is known what became of it
		state                  State
		due                    time.Duration // from the last on; negative: it is done with
	}{
		"nothing":                          {0, 0, 0, Delivered, -1},
		"nothing since it was read":        {2, 0, 0, Delivered, -1},
		"the first":                        {0, 0, 1, Delivered, 0},
		"the first, before it was sent":    {0, 1, 0, Delivered, 0},
		"the first and more":               {0, 1, 2, Delivered, 0},
		"further ones":                     {1, 0, 2, Delivered, time.Hour},
		"refused for the old values":       {0, 0, 1, Attention, 0},
		"refused, and many times before":   {3, 0, 3, Attention, 0},
		"refused for the newest values":    {3, 0, 0, Attention, -1},
		"it waits, and takes all along":    {1, 0, 1, Waiting, 0},
		"read, and not even sent":          {0, 0, 1, Waiting, 0},
		"it waits, with what was said all": {1, 1, 1, Waiting, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1")
			now := signUp("a/1", "x").At
			d.now = func() time.Time { return now }
			id, l := add(t, d, says(now, "Jane", "Doe"))[0], leased(t, d)
			said := 0
			say := func(n int) {
				for range n {
					said++
					add(t, d, says(now, fmt.Sprint("Jane ", said), ""))
				}
			}
			say(tt.before)
			known, err := d.Due(t.Context(), first("a"), 10)
			if err != nil || len(known) != 1 || !known[0].Due {
				t.Fatalf("got %+v, %v", known, err)
			}
			say(tt.between)
			if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, Revision: known[0].Revision, New: true}}, now.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			say(tt.after)
			d.becomes(t, l, Outcome{SubscriberID: id, Revision: known[0].Revision, State: tt.state, Reason: map[State]string{Attention: "ODD", Waiting: "SLOW"}[tt.state],
				RecordID: "003", OrgID: "00D", InstanceURL: "https://x"})
			s := d.one(t, id)
			if tt.due < 0 {
				if s.State != tt.state {
					t.Errorf("got %+v", s)
				}
			} else if s.State != Waiting || !s.DueAt.Equal(now.Add(tt.due)) || s.FirstName != fmt.Sprint("Jane ", said) || !s.SentAt.IsZero() {
				t.Errorf("got %+v, said %d", s, said)
			}
			if tt.state == Delivered && (s.RecordID != "003" || s.OrgID != "00D" || s.DeliveredAt.IsZero()) {
				t.Errorf("the record isn't known: %+v", s)
			}
			if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Waiting]+r.Kept.Destinations["a"][Delivered]+r.Kept.Destinations["a"][Attention] != 1 {
				t.Errorf("got %+v", r)
			}
			if tt.due < 0 {
				return
			}
			now = now.Add(tt.due)
			if known, err = d.Due(t.Context(), first("a"), 10); err != nil || len(known) != 1 || !known[0].Due {
				t.Fatalf("got %+v, %v", known, err)
			}
			d.becomes(t, l, Outcome{SubscriberID: id, Revision: known[0].Revision, State: Delivered})
			if s := d.one(t, id); s.State != Delivered {
				t.Errorf("it never ends: %+v", s)
			}
		})
	}
}

// Hundreds of repeats in one group are one person, of whom nothing is lost.
func TestManyRepeatsAtOnce(t *testing.T) {
	d := withNewsletters(t, "a/1")
	at := signUp("a/1", "x").At
	var all []SignUp
	for i := range 300 {
		all = append(all, says(at.Add(time.Duration(i)*time.Millisecond), fmt.Sprint("Jane ", i), ""))
	}
	ids := add(t, d, all...)
	if s := d.one(t, ids[299]); s.ID != ids[0] || s.FirstName != "Jane 299" || s.State != Waiting || !s.DueAt.Equal(at) {
		t.Errorf("got %+v", s)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.differing(oneDestination("a", Sums{New: 1, Repeated: 299, Waiting: 1})) != 0 {
		t.Errorf("got %+v", r)
	}
	if got := events(t, d, ids[0]); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}

// What was replaced stays in the history.
func TestTheOldValueStaysInTheHistory(t *testing.T) {
	d, id, now := inState(t, Delivered)
	add(t, d, says(now.Add(time.Minute), "Janet", ""), says(now.Add(2*time.Minute), "Janet", "Roe"), says(now.Add(3*time.Minute), "Ann", "Lee"))
	h, err := d.History(t.Context(), "a", id)
	var got []map[string]string
	for _, c := range h.Consents {
		got = append(got, c.Replaced)
	}
	want := []map[string]string{{"first_name": "Janet", "last_name": "Roe"}, {"last_name": "Doe"}, {"first_name": "Jane"}, nil}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if got := events(t, d, id); !slices.Equal(got, []string{"delivered", "waiting"}) {
		t.Errorf("events %q", got)
	}
}

// A repeated sign-up is stored whole or not at all: a count, an event or a consent
// that can't be written takes the rest with it.
func TestARepeatIsWholeOrNotThere(t *testing.T) {
	d, id, now := inState(t, Delivered)
	for _, on := range []string{"INSERT ON events", "INSERT ON consents", "INSERT ON ledger", "UPDATE ON state_counts", "INSERT ON hour_counts", "UPDATE ON org_counts", "UPDATE ON subscribers", "UPDATE ON deliveries"} {
		over := d.refuse(t, on)
		answers, err := d.AddSignUps(t.Context(), []SignUp{says(now.Add(time.Minute), "Janet", "")})
		if err == nil && answers[0].Err == nil {
			t.Errorf("%s: acknowledged", on)
		}
		if s, r := d.one(t, id), recount(t, d, "a"); s.State != Delivered || s.FirstName != "Jane" || !r.Agrees() || r.Kept.Subscribers[Repeated] != 0 {
			t.Errorf("%s: %+v, %+v", on, s, r)
		}
		over()
	}
}

// Who was made to wait for an hour has not waited long, however old the row is; who
// has waited since then has.
func TestWhoIsDueAgainHasWaitedSinceThen(t *testing.T) {
	for _, state := range []State{Delivered, Attention} {
		d, id, now := inState(t, state)
		start := *now
		waits := func(what string, at time.Time, want time.Time) {
			t.Helper()
			*now = at
			if got, err := d.OldestWaiting(t.Context(), "a"); err != nil || !got.Equal(want) {
				t.Errorf("%s, %s: oldest %v, %v, want %v", state, what, got, err, want)
			}
			long, err := d.LongWaiting(t.Context(), now.Add(-15*time.Minute))
			if long := len(long) > 0 && !long[0].LongestSince.IsZero() && now.Sub(long[0].LongestSince) > 15*time.Minute; err != nil || long != (!want.IsZero() && at.Sub(want) > 15*time.Minute) {
				t.Errorf("%s, %s: for long: %v, %v", state, what, long, err)
			}
		}
		*now = start.Add(24 * time.Hour)
		again := *now
		add(t, d, says(again, "Janet", ""))
		waits("at once", again.Add(time.Minute), again)
		waits("and not delivered", again.Add(20*time.Minute), again)
		d.put(t, id, state)
		add(t, d, says(*now, "Ann", ""))
		if state == Attention {
			continue
		}
		waits("within the hour", again.Add(50*time.Minute), time.Time{})
		waits("after it", again.Add(70*time.Minute), again.Add(time.Hour))
	}
}

// A row knows what was written for want of a name as long as it is there: through
// waiting, refusals and repeated sign-ups, until a name was written, or the write
// that was to make the record turned out not to have happened.
func TestPlaceholdersAreRemembered(t *testing.T) {
	na := Placeholders{LastName: "NA"}
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	id, l := add(t, d, says(now, "", ""))[0], leased(t, d)
	want := func(what string, recordID string, placeholders Placeholders) {
		t.Helper()
		now = now.Add(2 * time.Hour)
		known, err := d.Due(t.Context(), first("a"), 10)
		if err != nil || len(known) != 1 || known[0].RecordID != recordID || known[0].Placeholders != placeholders {
			t.Errorf("%s: got %+v, %v", what, known, err)
		}
	}
	becomes := func(o Outcome) {
		t.Helper()
		o.SubscriberID, o.Revision = id, d.revision(t, id)
		d.becomes(t, l, o)
	}
	send := func(isNew bool, p Placeholders) {
		t.Helper()
		if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, Revision: d.revision(t, id), New: isNew, Placeholders: p}}, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	want("new", "", Placeholders{})
	send(true, na)
	want("sent", "", na)
	becomes(Outcome{State: Waiting, Reason: "timed_out", SettlesAt: now})
	want("the outcome isn't known", "", na)
	becomes(Outcome{State: Waiting, Reason: "SLOW"})
	want("it didn't happen", "", Placeholders{})
	send(true, na)
	becomes(Outcome{State: Delivered, RecordID: "003", Placeholders: na})
	add(t, d, says(now, "Jane", "Doe"))
	want("delivered, and due again", "003", na)
	send(false, Placeholders{})
	becomes(Outcome{State: Waiting, Reason: "SLOW"})
	want("a change that didn't happen", "003", na)
	becomes(Outcome{State: Attention, Reason: "ODD", InstanceURL: "https://y", MatchID: "003match"})
	add(t, d, says(now, "Jane", "Roe"))
	want("refused, and due again", "003", na)
	becomes(Outcome{State: Delivered, RecordID: "003"})
	add(t, d, says(now, "Ann", ""))
	want("with a name", "003", Placeholders{})
	send(true, na)
	want("the record is gone, and a new one under way", "", na)
}

// Of a row from before they were written down, both names had the same placeholder;
// whether the record is ours, the tries tell.
func TestPlaceholdersOfBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		set  string
		want Placeholders
	}{
		"made by us":              {`state = 'delivered', record_id = '003', attempts = 1`, placeholdersBefore},
		"was there":               {`state = 'delivered', record_id = '003', attempts = 0`, Placeholders{}},
		"a change was refused":    {`state = 'delivered', record_id = '003', attempts = 1, detail = 'The names were not changed.'`, Placeholders{}},
		"the outcome isn't known": {`state = 'waiting', attempts = 1, sent_at = 1, settles_at = 2`, placeholdersBefore},
		"never sent":              {`state = 'waiting'`, Placeholders{}},
		"of now":                  {`state = 'delivered', record_id = '003', attempts = 1, placeholders = ''`, Placeholders{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1", "a/2")
			ids := add(t, d, signUp("a/1", "jane@example.com"))
			if _, err := d.write.Exec(`UPDATE deliveries SET org_id = '00D', ` + tt.set); err != nil {
				t.Fatal(err)
			}
			d.writeCounts(t, `UPDATE state_counts SET state = (SELECT state FROM deliveries) WHERE destination_id = 'a'; UPDATE hour_counts SET state = (SELECT state FROM deliveries) WHERE destination_id = 'a';
				INSERT INTO org_counts (tenant_id, destination_id, org_id, n) SELECT 'a', 'a', '00D', 1 FROM deliveries WHERE state = 'delivered'`)
			check := func(what string) {
				t.Helper()
				known, err := d.Due(t.Context(), first("a"), 10)
				i := slices.IndexFunc(known, func(k Known) bool { return k.ID == ids[0] })
				if err != nil || i < 0 || known[i].Placeholders != tt.want {
					t.Errorf("%s: got %+v, %v", what, known, err)
				}
			}
			add(t, d, signUp("a/2", "jane@example.com"))
			check("seen from another newsletter")
			add(t, d, signUp("a/1", "jane@example.com"))
			check("signed up again")
			if r := recount(t, d, "a"); !r.Agrees() {
				t.Errorf("got %+v", r)
			}
		})
	}
}
