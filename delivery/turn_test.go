package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// A look-up that timed out comes back smaller; any other pause leaves the batch as it was.
func TestALookUpThatTimedOutComesBackSmaller(t *testing.T) {
	for code, want := range map[string]int{crm.TimedOut: 2, "SERVER_UNAVAILABLE": 0} {
		h, c := newHouse(t, "a"), newCRM()
		c.faults = []fault{{on: "find", err: &crm.Failure{Class: crm.Pause, Code: code}}}
		h.signUp("a/1", many(10)...)
		takes(h.dispatcher(crms{"a": c}), "a")
		if p := h.pause("a"); p.Reason != code || p.Batch != want {
			t.Errorf("%s: %+v", code, p)
		}
	}
}

// Those who are to blame are counted in a row: a delivery in between starts anew, and a
// batch of more says nothing of one.
func TestBlameIsCountedInARow(t *testing.T) {
	refused, delivered := db.Outcome{State: db.Attention}, db.Outcome{State: db.Delivered}
	for _, test := range []struct {
		before   int
		outcomes []db.Outcome
		after    int
	}{
		{0, []db.Outcome{refused}, 1},
		{2, []db.Outcome{refused}, 3},
		{2, []db.Outcome{refused, refused}, 2},
		{2, []db.Outcome{{State: db.Waiting}}, 2},
		{2, []db.Outcome{refused, delivered}, 0},
		{2, []db.Outcome{delivered}, 0},
		{2, nil, 2},
	} {
		if got := blamedAfter(test.before, test.outcomes); got != test.after {
			t.Errorf("%d and %+v: %d", test.before, test.outcomes, got)
		}
	}
}

// Whichever process sends next knows how many were to blame in a row: all processes
// together look for three, and then ask whether it is everybody.
func TestBlameIsKnownToAllProcesses(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.chunk, c.poison = 20, "*"
	h.signUp("a/1", many(1000)...)
	processes := crms{"a": c}
	for range 50 {
		takes(New(Config{Store: h.open(), Connect: processes.connect}), "a")
		h.exec(`UPDATE pauses SET until = 0`)
	}
	if s := h.adds("a"); s[db.Attention] != 1000 {
		t.Errorf("sums %+v", s)
	}
	if len(c.creates) > 30 {
		t.Errorf("%d writes: %v", len(c.creates), c.creates)
	}
	c.poison = ""
	h.signUp("a/1", "late@example.com")
	takes(h.dispatcher(processes), "a")
	if n, err := h.db.Blamed(t.Context(), to("a")); n != 0 || err != nil {
		t.Errorf("after a delivery %d are to blame, %v", n, err)
	}
}

// What fails because we end says nothing about the CRM: it pauses nobody, and is no
// error to be told of.
func TestStoppingPausesNobody(t *testing.T) {
	h := newHouse(t, "a")
	h.signUp("a/1", "jane@example.com")
	var out bytes.Buffer
	ctx, cancel := context.WithCancelCause(t.Context())
	d := New(Config{Store: h.db, Log: slog.New(slog.NewTextHandler(&out, nil)), Connect: func(context.Context, db.DestinationKey) (crm.CRM, error) {
		cancel(errStopped)
		return nil, ctx.Err()
	}})
	d.turn(ctx, nil, to("a"))
	if p := h.pause("a"); p.Reason != "" || out.Len() > 0 {
		t.Errorf("paused: %+v; told: %s", p, out.String())
	}
}

// short is a CRM that answers for one record too few.
type short struct{ *fakeCRM }

func (c short) Write(ctx context.Context, people []crm.Write, o crm.Options) ([]crm.Result, error) {
	results, err := c.fakeCRM.Write(ctx, people, o)
	return results[1:], err
}

// An answer that isn't one for each is no answer: nobody gets a neighbour's record.
func TestAnAnswerOfAnotherLength(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	ids := h.signUp("a/1", many(3)...)
	connect := func(context.Context, db.DestinationKey) (crm.CRM, error) { return short{c}, nil }
	takes(New(Config{Store: h.db, Connect: connect}), "a")
	for _, id := range ids {
		if s := h.subscriber("a", id); s.State != db.Waiting || s.Reason != crm.Unavailable || s.SettlesAt.IsZero() {
			t.Errorf("%+v", s)
		}
	}
	h.exec(`UPDATE pauses SET until = 0`)
	takes(h.dispatcher(crms{"a": c}), "a")
	for i, id := range ids {
		if s := h.subscriber("a", id); s.State != db.Delivered || s.RecordID != c.records[many(3)[i]][0] {
			t.Errorf("%+v", s)
		}
	}
	if c.most() != 1 {
		t.Errorf("%d of one address", c.most())
	}
}

// counting is a store that counts what it is asked to write, and may not answer for the
// lease.
type countingStore struct {
	*db.DB
	ended    int
	keepFail error
}

func (s *countingStore) EndPause(ctx context.Context, to db.DestinationKey) error {
	s.ended++
	return s.DB.EndPause(ctx, to)
}

func (s *countingStore) KeepLease(ctx context.Context, l db.Lease) error {
	if s.keepFail != nil {
		return s.keepFail
	}
	return s.DB.KeepLease(ctx, l)
}

// A success ends a pause, once, and writes nothing where there was none.
func TestASuccessEndsAPauseThatThereWas(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	store := &countingStore{DB: h.db}
	d := New(Config{Store: store, Connect: crms{"a": c}.connect})
	c.batch = 1
	h.signUp("a/1", many(3)...)
	takes(d, "a")
	if store.ended != 0 {
		t.Errorf("%d pauses ended", store.ended)
	}
	for n := range 3 { // each failure counts, until one gets through
		c.faults = []fault{{on: "find", err: &crm.Failure{Class: crm.Pause, Code: "SERVER_UNAVAILABLE"}}}
		h.signUp("a/2", many(3)...)
		h.exec(`UPDATE pauses SET until = 0`)
		takes(d, "a")
		if p := h.pause("a"); p.Tries != n+1 {
			t.Errorf("%+v after %d", p, n+1)
		}
	}
	h.exec(`UPDATE pauses SET until = 0`)
	takes(d, "a")
	if p := h.pause("a"); store.ended != 1 || p.Reason != "" {
		t.Errorf("%d pauses ended, %+v", store.ended, p)
	}
}

// When the database doesn't answer for as long as a lease lasts, somebody else may have
// it: what is under way is cut off.
func TestALeaseThatCannotBeKeptIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		h.signUp("a/1", "jane@example.com")
		c.faults = []fault{{on: "create", hang: true}}
		store := &countingStore{DB: h.db, keepFail: errDisk}
		start := now()
		takes(New(Config{Store: store, Connect: crms{"a": c}.connect}), "a")
		if took := time.Since(start); took < db.LeaseTime || took > 2*db.LeaseTime {
			t.Errorf("cut off after %v", took)
		}
		if p := h.pause("a"); p.Reason != "" {
			t.Errorf("paused: %+v", p)
		}
	})
}

// What a CRM said of its API calls long ago keeps nothing back. How long ago that is, the
// database's clock says, whatever the process's own does.
func TestOldUsageKeepsNothingBack(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * spareFor, -3 * spareFor} {
		t.Run(ahead.String(), func(t *testing.T) { oldUsageKeepsNothingBack(t, ahead) })
	}
}

func oldUsageKeepsNothingBack(t *testing.T, ahead time.Duration) {
	for age, state := range map[time.Duration]db.State{spareFor - time.Minute: db.Waiting, spareFor: db.Delivered} {
		h, c := newHouse(t, "a"), newCRM() // which says nothing before the first call
		h.db.SetClock(func() time.Time { return time.Now().Add(ahead) })
		id := h.signUp("a/1", "jane@example.com")[0]
		h.exec(`UPDATE deliveries SET due_at = 0`) // it gathered for long enough
		if err := h.db.SaveUsage(t.Context(), to("a"), 9900, 10000, 0); err != nil {
			t.Fatal(err)
		}
		h.exec(`UPDATE api_usage SET at = at - $1`, age.Milliseconds())
		takes(New(Config{Store: h.db, Connect: crms{"a": c}.connect, Now: h.db.Now}), "a")
		if s := h.subscriber("a", id); s.State != state {
			t.Errorf("after %v: %s, %+v", age, s.State, h.pause("a"))
		}
	}
}

// The calls are written down now and then, and at once when they become few.
func TestUsageIsWrittenAtOnceWhenItPresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		for n, test := range []struct {
			wait            time.Duration
			known, pressing bool
			calls           int
			due             bool
		}{
			{0, false, true, 0, false},
			{0, true, false, 2, true},
			{0, true, false, 0, false},
			{0, true, true, 2, true},
			{usageEvery - 1, true, false, 0, false},
			{1, true, false, 2, true},
		} {
			time.Sleep(test.wait)
			if calls, due := d.usageDue(to("a"), 1, test.known, test.pressing); due != test.due || due && calls != test.calls {
				t.Errorf("%d: %d calls, %t", n, calls, due)
			}
		}
	})
}

// One person is one, with what any of their sign-ups told.
func TestAPersonIsAllOfTheirSignUps(t *testing.T) {
	at := time.Unix(1, 0)
	of := func(s db.Subscriber) db.Known {
		s.State, s.Status, s.CreatedAt = db.Waiting, db.Active, at
		return db.Known{Subscriber: s, Due: true}
	}
	people := group([]db.Known{
		of(db.Subscriber{ID: "1", Email: "Ada@x.test", EmailKey: "ada@x.test", FirstName: "Ada", LastName: "Lovelace", Delivery: db.Delivery{Attempts: 5, Refusals: 2, SettlesAt: at}}),
		of(db.Subscriber{ID: "2", Email: "joe@x.test", EmailKey: "joe@x.test", LastName: "Doe"}),
		of(db.Subscriber{ID: "3", Email: "ada@x.test", EmailKey: "ada@x.test", Delivery: db.Delivery{Attempts: 1, SettlesAt: at}}),
		of(db.Subscriber{ID: "4", Email: "joe@x.test", EmailKey: "joe@x.test", FirstName: "Joe", Delivery: db.Delivery{Attempts: 3, Refusals: 1}}),
	})
	if len(people) != 2 {
		t.Fatalf("%d people", len(people))
	}
	if p := people[0]; p.crm[crm.FirstName] != "Ada" || p.crm[crm.LastName] != "Lovelace" || p.attempts != 5 || p.refusals != 2 || !p.settlesAt.Equal(at) {
		t.Errorf("%+v", p)
	}
	if p := people[1]; p.crm[crm.FirstName] != "Joe" || p.crm[crm.LastName] != "Doe" || p.attempts != 3 || p.refusals != 1 {
		t.Errorf("%+v", p)
	}
}

// A write whose outcome isn't known may still make a record, though the one it was for
// was given up: others with the address wait. What one of them says is newer than it.
func TestAnUnknownWriteHoldsUpAllOfAnAddress(t *testing.T) {
	at := time.Now()
	out := db.Known{Subscriber: db.Subscriber{ID: "1", EmailKey: "ada@x.test", CreatedAt: at, Delivery: db.Delivery{State: db.Attention, SentAt: at, SettlesAt: at.Add(time.Hour)}}}
	next := db.Known{Subscriber: db.Subscriber{ID: "2", EmailKey: "ada@x.test", CreatedAt: at, Delivery: db.Delivery{State: db.Waiting}}, Due: true}
	people := group([]db.Known{next, out})
	if len(people) != 1 || !people[0].settlesAt.Equal(out.SettlesAt) || !people[0].newer || len(people[0].due) != 1 {
		t.Errorf("%+v", people[0])
	}
	out.State = db.Waiting
	if p := group([]db.Known{out})[0]; p.newer {
		t.Error("a write is newer than itself")
	}
}

// A look-up that began before an earlier write has settled may not have seen what that made,
// however late its answer is sorted: nothing is made by it.
func TestALookUpKnowsWhatHadSettledWhenItBegan(t *testing.T) {
	at := time.Unix(1000, 0)
	for after, made := range map[time.Duration]int{-time.Second: 0, 0: 1} {
		d := New(Config{Now: func() time.Time { return at.Add(time.Hour) }})
		p := group([]db.Known{{Due: true, Subscriber: db.Subscriber{ID: "1", EmailKey: "ada@x.test", CreatedAt: at, Delivery: db.Delivery{State: db.Waiting, SettlesAt: at}}}})
		left, outcomes := (&turn{Dispatcher: d, crm: newCRM()}).sortFound(&batch{people: p, looked: at.Add(after)})
		if len(left) != made || len(outcomes) != 1-made {
			t.Errorf("%v after it settled: %d are made, %+v", after, len(left), outcomes)
		}
	}
}

// What is known here costs no call, and is looked at again soon, however long it lasts;
// what a call found backs off.
func TestPauses(t *testing.T) {
	for _, test := range []struct {
		f          *crm.Failure
		tries      int
		from, upTo time.Duration
	}{
		{&crm.Failure{Class: crm.Connection, Code: crm.NotConnected}, 20, connectionPause, connectionPause},
		{&crm.Failure{Class: crm.Connection, Code: crm.Broken}, 20, connectionPause, connectionPause},
		{&crm.Failure{Class: crm.Connection, Code: "API_DISABLED_FOR_ORG"}, 0, connectionPause, connectionPause},
		{&crm.Failure{Class: crm.Connection, Code: "API_DISABLED_FOR_ORG"}, 20, longestPause / 2, longestPause},
		{&crm.Failure{Class: crm.Pause, Code: crm.Unavailable}, 0, time.Second / 2, time.Second},
		{&crm.Failure{Class: crm.Pause, Code: crm.Unavailable}, 20, longestPause / 2, longestPause},
		{&crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: time.Hour}, 20, time.Hour, time.Hour},
		{&crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: -time.Second, Uncalled: true}, 20, shortestPause, shortestPause},
		{&crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: 5 * time.Second, Uncalled: true}, 20, 5 * time.Second, 5 * time.Second},
		{&crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: time.Hour, Uncalled: true}, 20, connectionPause, connectionPause},
	} {
		if got := pauseFor(test.f, test.tries); got < test.from || got > test.upTo {
			t.Errorf("%v after %d: %v", test.f, test.tries, got)
		}
	}
	if got := ownBackoff(30); got < longestOwn/2 || got > longestOwn {
		t.Errorf("one's own: %v", got)
	}
}

// Who is woken while they have their turn gets another one, at the end of the queue; who
// waits for it is queued once.
func TestADestinationWokenDuringItsTurnGetsAnother(t *testing.T) {
	d := New(Config{Parallel: 1})
	next := func(want string) {
		t.Helper()
		if got, ok := d.next(); got.DestinationID != want || ok != (want != "") {
			t.Fatalf("next is %q, want %q", got, want)
		}
	}
	d.wake(to("a"))
	d.wake(to("a"))
	d.wake(to("b"))
	next("a")
	next("") // no room
	d.wake(to("a"))
	d.done(to("a"), false, 0)
	next("b")
	d.done(to("b"), true, 0)
	next("a")
	d.done(to("a"), false, 0)
	next("b")
	d.done(to("b"), false, 0)
	next("")
	if len(d.again) != 0 {
		t.Errorf("still known: %v", d.again)
	}
}

// asking is a CRM whose check-up takes a while.
type asking struct {
	*fakeCRM
	began chan struct{}
	ended bool
}

func (c *asking) CheckUp(context.Context) ([]crm.Check, error) {
	close(c.began)
	time.Sleep(20 * time.Second)
	c.ended = true
	return nil, nil
}

// A check-up that is under way is waited for at the end: the database goes after it.
func TestStoppingWaitsForACheckUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "a")
		c := &asking{fakeCRM: newCRM(), began: make(chan struct{})}
		d := New(Config{Store: h.db, Connect: func(context.Context, db.DestinationKey) (crm.CRM, error) { return c, nil }})
		stop := run(t, d)
		d.CheckUpSoon(to("a"))
		<-c.began
		stop()
		if !c.ended {
			t.Error("stopped in the middle of it")
		}
	})
}

// silentStore is a database that doesn't answer.
type silentStore struct{ Store }

// KeepLease waits for as long as its caller.
func (silentStore) KeepLease(ctx context.Context, _ db.Lease) error {
	<-ctx.Done()
	return ctx.Err()
}

// Who hears nothing of the database for as long as a lease lasts has lost it, although the
// question is still under way: somebody else may deliver by now.
func TestALeaseIsLostWhileNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		(&turn{Dispatcher: &Dispatcher{Config: Config{Store: silentStore{}}}}).keep(ctx, cancel)
		if took := time.Since(begun); took != db.LeaseTime {
			t.Errorf("it took %v", took)
		}
	})
}
