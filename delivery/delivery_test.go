package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

func now() time.Time { return time.Now() }

func lost(code string) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: code, Unknown: true}
}

// run starts a dispatcher, and returns what stops it.
func run(t *testing.T, d *Dispatcher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// virtually is a test on virtual time, which stands still while anything is done.
func virtually(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

func TestWakingDeliversAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		d := h.dispatcher(crms{"a": c})
		defer run(t, d)()
		id := h.signUp("a/1", "Jane@Example.com")[0]
		start := now()
		d.Wake("a")
		synctest.Wait()
		for h.subscriber("a", id).State != db.Delivered && time.Since(start) < 100*time.Millisecond {
			time.Sleep(10 * time.Millisecond)
		}
		s := h.subscriber("a", id)
		if s.State != db.Delivered || s.RecordID != "003000001" || s.OrgID != "00D1" || s.InstanceURL != "https://a.my.salesforce.com" || s.DeliveredAt.IsZero() || !s.SentAt.IsZero() || !s.SettlesAt.IsZero() {
			t.Errorf("got %+v", s)
		}
		if got := c.names["003000001"][crm.Email]; got != "Jane@Example.com" {
			t.Errorf("created %q", got)
		}
		if s := h.adds("a"); s[db.Delivered] != 1 || s[db.Waiting] != 0 {
			t.Errorf("sums %+v", s)
		}
	})
}

func TestLookingFindsWhatNobodyWokeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "a", "b")
		defer run(t, h.dispatcher(crms{"a": newCRM(), "b": newCRM()}))()
		id := h.signUp("b/1", "jane@example.com")[0]
		time.Sleep(1500 * time.Millisecond)
		if s := h.subscriber("b", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
	})
}

func TestOneRecordForOneAddress(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.records["old@example.com"] = []string{"newest", "older"}
	one := h.signUp("a/1", "Jane@example.com", "old@example.com")
	two := h.signUp("a/2", "jane@EXAMPLE.com")
	takes(h.dispatcher(crms{"a": c}), "a")
	a, b, old := h.subscriber("a", one[0]), h.subscriber("a", two[0]), h.subscriber("a", one[1])
	if a.State != db.Delivered || b.State != db.Delivered || a.RecordID != b.RecordID || old.RecordID != "newest" {
		t.Errorf("got %+v, %+v, %+v", a, b, old)
	}
	if !slices.Equal(c.creates, []int{1}) {
		t.Errorf("creates %v", c.creates)
	}
	h.adds("a")
}

func TestABadRecordHoldsUpNobody(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.refuses["bad@example.com"] = &crm.Failure{Class: crm.Recorded, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Detail: "No."}
	c.refuses["locked@example.com"] = &crm.Failure{Class: crm.Pause, Code: "UNABLE_TO_LOCK_ROW"}
	ids := h.signUp("a/1", "bad@example.com", "good@example.com", "locked@example.com")
	before := now()
	takes(h.dispatcher(crms{"a": c}), "a")
	bad, good, locked := h.subscriber("a", ids[0]), h.subscriber("a", ids[1]), h.subscriber("a", ids[2])
	if bad.State != db.Attention || bad.Reason != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || bad.Detail != "No." || !bad.SentAt.IsZero() {
		t.Errorf("bad: %+v", bad)
	}
	if good.State != db.Delivered {
		t.Errorf("good: %+v", good)
	}
	if locked.State != db.Waiting || locked.Reason != "UNABLE_TO_LOCK_ROW" || locked.Attempts != 1 || !locked.SentAt.IsZero() || locked.DueAt.Before(before.Add(400*time.Millisecond)) {
		t.Errorf("locked: %+v", locked)
	}
	if p := h.pause("a"); p.Reason != "" {
		t.Errorf("paused: %+v", p)
	}
	if s := h.adds("a"); s[db.Attention] != 1 || s[db.Waiting] != 1 || s[db.Delivered] != 1 {
		t.Errorf("sums %+v", s)
	}
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.faults = []fault{{on: "create", err: lost(crm.TimedOut), after: true}}
		id := h.signUp("a/1", "jane@example.com")[0]
		d := h.dispatcher(crms{"a": c})
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Waiting || s.SentAt.IsZero() || s.Reason != crm.TimedOut {
			t.Fatalf("got %+v", s)
		}
		if p := h.pause("a"); p.Reason != crm.TimedOut || p.Tries != 1 || p.Batch != 1 {
			t.Errorf("pause %+v", p)
		}
		time.Sleep(time.Second)
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
		if p := h.pause("a"); p.Reason != "" || len(c.creates) != 1 {
			t.Errorf("pause %+v, creates %v", p, c.creates)
		}
	})
}

func TestAnUnknownWriteSettlesBeforeItIsRepeated(t *testing.T) {
	// An org's automation runs for all records of a call, and may take a minute for many.
	for n, least := range map[int]time.Duration{1: 10 * time.Second, 20: 20 * time.Second, 150: time.Minute, 201: 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			c.faults = []fault{{on: "create", err: lost(crm.Unavailable)}}
			first := h.signUp("a/1", many(n)...)[0]
			d := h.dispatcher(crms{"a": c})
			start := now()
			takes(d, "a")
			also := h.signUp("a/2", "r0@example.com")[0] // the same person must wait too
			for time.Since(start) < least-time.Second {
				time.Sleep(time.Second)
				takes(d, "a")
			}
			if len(c.creates) != 1 {
				t.Fatalf("%d are repeated before %v: %v", n, time.Since(start), c.creates)
			}
			for _, id := range []string{first, also} {
				if s := h.subscriber("a", id); s.Reason != crm.Settling {
					t.Errorf("got %+v", s)
				}
			}
			time.Sleep(start.Add(2*time.Minute + time.Second).Sub(now()))
			for takes(d, "a") {
			}
			if s := h.adds("a"); s[db.Delivered] != n+1 || c.most() != 1 {
				t.Errorf("sums %+v, %d of one address", s, c.most())
			}
		})
	}
}

func many(n int) []string {
	emails := make([]string, n)
	for i := range emails {
		emails[i] = fmt.Sprintf("r%d@example.com", i)
	}
	return emails
}

func TestATimedOutBatchComesBackSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.faults = []fault{{on: "create", err: lost(crm.TimedOut)}}
		h.signUp("a/1", many(1000)...)
		d := h.dispatcher(crms{"a": c})
		takes(d, "a")
		time.Sleep(3 * time.Minute)
		takes(d, "a")
		if !slices.Equal(c.creates, []int{1000, 200, 800}) {
			t.Errorf("creates %v", c.creates)
		}
	})
}

func TestAFailureThatIsKnownIsRepeatedAtOnceAfterThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		limit := &crm.Failure{Class: crm.Pause, Code: "REQUEST_LIMIT_EXCEEDED", Detail: "TotalRequests", Wait: 20 * time.Minute}
		c.faults = []fault{{on: "create", err: limit}}
		id := h.signUp("a/1", "jane@example.com")[0]
		d := h.dispatcher(crms{"a": c})
		start := now()
		takes(d, "a")
		if s := h.subscriber("a", id); !s.SentAt.IsZero() || s.State != db.Waiting {
			t.Errorf("got %+v", s)
		}
		if p := h.pause("a"); p.Reason != "REQUEST_LIMIT_EXCEEDED" || p.Detail != "TotalRequests" || p.Until.Sub(start) < 20*time.Minute {
			t.Errorf("pause %+v", p)
		}
		code, said, next := h.subscriber("a", id).Why(h.pause("a"))
		if code != "REQUEST_LIMIT_EXCEEDED" || said != "TotalRequests" || next.Sub(start) < 20*time.Minute {
			t.Errorf("why: %q %q %v", code, said, next)
		}
		defer run(t, d)()
		time.Sleep(20*time.Minute + 2*time.Second)
		if s := h.subscriber("a", id); s.State != db.Delivered || len(c.creates) != 2 {
			t.Errorf("got %+v, creates %v", s, c.creates)
		}
	})
}

func TestPausesGrow(t *testing.T) {
	for tries := range 40 {
		want := min(time.Second<<min(tries, 20), longestPause)
		for range 20 {
			if got := backoff(tries); got > want || got <= want/2-1 {
				t.Fatalf("after %d tries: %v, want up to %v", tries, got, want)
			}
		}
	}
}

func TestNotConnectedWaitsForConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, all := newHouse(t, "a"), crms{}
		id := h.signUp("a/1", "jane@example.com")[0]
		d := h.dispatcher(all)
		stop := run(t, d)
		time.Sleep(2 * time.Second)
		if code, _, _ := h.subscriber("a", id).Why(h.pause("a")); code != crm.NotConnected {
			t.Errorf("waits because of %q", code)
		}
		stop()
		all["a"] = newCRM()
		defer run(t, d)()
		time.Sleep(500 * time.Millisecond)
		if s := h.subscriber("a", id); s.State != db.Waiting {
			t.Fatalf("got %+v: this test shows nothing", s)
		}
		if err := d.Resume(context.Background(), to("a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if s := h.subscriber("a", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAConnectionMendedElsewhereIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.faults = []fault{{on: "find", err: &crm.Failure{Class: crm.Connection, Code: crm.Broken}}}
		id := h.signUp("a/1", "jane@example.com")[0]
		defer run(t, h.dispatcher(crms{"a": c}))()
		time.Sleep(18 * time.Second)
		if s := h.subscriber("a", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
	})
}

// While a renewal is under way the CRM isn't asked. However often that is so, what
// comes after it doesn't wait for as long as after so many calls that failed.
func TestWaitingForARenewalDoesntAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		for range 40 {
			c.faults = append(c.faults, fault{on: "find", err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: time.Second, Uncalled: true}})
		}
		id := h.signUp("a/1", "jane@example.com")[0]
		defer run(t, h.dispatcher(crms{"a": c}))()
		time.Sleep(30 * time.Second)
		if p := h.pause("a"); p.Reason != crm.Unavailable || p.Tries != 0 {
			t.Fatalf("got %+v", p)
		}
		time.Sleep(60 * time.Second)
		if s := h.subscriber("a", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAConnectionThatBreaksInOneRecordStopsTheTenant(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.refuses["r1@example.com"] = &crm.Failure{Class: crm.Connection, Code: "API_DISABLED_FOR_ORG"}
	ids := h.signUp("a/1", many(3)...)
	takes(h.dispatcher(crms{"a": c}), "a")
	if s := h.subscriber("a", ids[1]); s.State != db.Waiting || h.subscriber("a", ids[2]).State != db.Delivered {
		t.Errorf("got %+v", s)
	}
	if p := h.pause("a"); p.Reason != "API_DISABLED_FOR_ORG" {
		t.Errorf("pause %+v", p)
	}
}

func TestACallThatFailsForOneUnnamedRecordIsNarrowedDown(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.batch = 25
	ids := h.signUp("a/1", many(25)...)
	poison := &crm.Failure{Class: crm.Recorded, Code: "ODD"}
	c.faults = []fault{{on: "create", err: poison}, {on: "create", err: poison}, {on: "create", err: poison}}
	takes(h.dispatcher(crms{"a": c}), "a")
	if !slices.Equal(c.creates, []int{25, 5, 1}) {
		t.Errorf("creates %v", c.creates)
	}
	if s := h.subscriber("a", ids[0]); s.State != db.Attention || s.Reason != "ODD" {
		t.Errorf("got %+v", s)
	}
	if s := h.adds("a"); s[db.Attention] != 1 || s[db.Waiting] != 24 {
		t.Errorf("sums %+v", s)
	}
}

// Those who travel with one that is to blame for a part of a call are not to blame.
func TestAPartThatFailsForOneUnnamedRecordIsNarrowedDown(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	people := many(45)
	c.chunk, c.poison = 20, people[27]
	ids := h.signUp("a/1", people...)
	d := h.dispatcher(crms{"a": c})
	for range 5 {
		for takes(d, "a") {
		}
		h.exec(`UPDATE pauses SET until = 0`)
	}
	for i, id := range ids {
		s, want := h.subscriber("a", id), db.Delivered
		if i == 27 {
			want = db.Attention
		}
		if s.State != want {
			t.Errorf("subscriber %d is %s: %s", i, s.State, s.Reason)
		}
	}
	if len(c.creates) > 12 || c.most() != 1 {
		t.Errorf("creates %v, %d of one", c.creates, c.most())
	}
	if s := h.adds("a"); s[db.Attention] != 1 || s[db.Delivered] != 44 {
		t.Errorf("sums %+v", s)
	}
}

// When it turns out that everybody is refused, nobody is looked for any more: that
// would spend all API calls.
func TestAPartThatFailsForAllIsNotNarrowedDownForEach(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.chunk, c.poison = 20, "*"
	h.signUp("a/1", many(1000)...)
	d := h.dispatcher(crms{"a": c})
	for range 50 {
		takes(d, "a")
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
	takes(d, "a")
	if s := h.adds("a"); s[db.Delivered] != 1 {
		t.Errorf("sums %+v", s)
	}
}

// Several in a row who are to blame are not yet everybody: those who come after them
// are delivered.
func TestSeveralInARowAreNotEverybody(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	people := many(1000)
	c.chunk, c.poison = 200, strings.Join(people[:9], " ")
	h.signUp("a/1", people...)
	d := h.dispatcher(crms{"a": c})
	for range 10 {
		takes(d, "a")
		h.exec(`UPDATE pauses SET until = 0`)
	}
	if s := h.adds("a"); s[db.Attention] != 9 || s[db.Delivered] != 991 || c.most() != 1 {
		t.Errorf("sums %+v, %d of one\n%v", s, c.most(), c.creates)
	}
	if len(c.creates) > 30 {
		t.Errorf("%d writes: %v", len(c.creates), c.creates)
	}
}

func TestALostLeaseStopsTheWrite(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	id := h.signUp("a/1", "jane@example.com")[0]
	c.hook = func(on string) {
		if on == "find" {
			h.exec(`UPDATE leases SET owner = 'somebody else'`)
		}
	}
	takes(h.dispatcher(crms{"a": c}), "a")
	if s := h.subscriber("a", id); len(c.creates) != 0 || s.State != db.Waiting || !s.SentAt.IsZero() {
		t.Errorf("creates %v, %+v", c.creates, s)
	}
	var owner string
	if err := h.db.Writer().QueryRow(`SELECT owner FROM leases`).Scan(&owner); err != nil || owner != "somebody else" {
		t.Errorf("the lease of somebody else: %q, %v", owner, err)
	}
}

func TestALeaseLostDuringACallCutsItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		id := h.signUp("a/1", "jane@example.com")[0]
		c.faults = []fault{{on: "create", hang: true}}
		c.hook = func(on string) {
			if on == "create" {
				h.exec(`UPDATE leases SET owner = 'somebody else'`)
			}
		}
		start := now()
		takes(h.dispatcher(crms{"a": c}), "a")
		if took := time.Since(start); took > db.LeaseTime {
			t.Errorf("cut off after %v", took)
		}
		if s := h.subscriber("a", id); s.SentAt.IsZero() || s.State != db.Waiting || h.pause("a").Reason != "" {
			t.Errorf("got %+v, %+v", s, h.pause("a"))
		}
	})
}

func TestASlowCallKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		h.signUp("a/1", "jane@example.com")
		c.hook = func(string) { time.Sleep(3 * db.LeaseTime) }
		all := crms{"a": c}
		one, two := h.dispatcher(all), New(Config{Store: h.open(), Connect: all.connect})
		defer run(t, one)()
		defer run(t, two)()
		time.Sleep(time.Minute)
		if s := h.adds("a"); s[db.Delivered] != 1 || c.finds != 1 || len(c.creates) != 1 {
			t.Errorf("sums %+v, %d finds, creates %v", s, c.finds, c.creates)
		}
	})
}

func TestADatabaseThatFailsAfterTheWrite(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	id := h.signUp("a/1", "jane@example.com")[0]
	store := &failingStore{DB: h.db, record: errDisk}
	all := crms{"a": c}
	d := New(Config{Store: paced{store, 0}, Connect: all.connect})
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Waiting || s.SentAt.IsZero() {
		t.Fatalf("got %+v", s)
	}
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered || len(c.creates) != 1 {
		t.Errorf("got %+v, creates %v", s, c.creates)
	}
	h.adds("a")
}

func TestACallThatNeverAnswersTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.faults = []fault{{on: "find", hang: true}, {on: "create", hang: true}}
		id := h.signUp("a/1", "jane@example.com")[0]
		d := h.dispatcher(crms{"a": c})
		takes(d, "a")
		if p := h.pause("a"); p.Reason != crm.TimedOut {
			t.Errorf("pause %+v", p)
		}
		time.Sleep(time.Second)
		takes(d, "a")
		if s := h.subscriber("a", id); s.Reason != crm.TimedOut || s.SentAt.IsZero() {
			t.Errorf("got %+v", s)
		}
	})
}

func TestOneTenantNeverHoldsUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, slow, quick := newHouse(t, "a", "b"), newCRM(), newCRM()
		slow.batch = 1
		slow.hook = func(string) { time.Sleep(100 * time.Millisecond) }
		all := crms{"a": slow, "b": quick}
		d := New(Config{Store: h.db, Connect: all.connect, Parallel: 1})
		defer run(t, d)()
		h.signUp("a/1", many(100)...)
		d.Wake("a")
		time.Sleep(time.Millisecond)
		id := h.signUp("b/1", "jane@example.com")[0]
		d.Wake("b")
		time.Sleep(turnBatches*200*time.Millisecond + time.Second)
		if s := h.subscriber("b", id); s.State != db.Delivered {
			t.Errorf("got %+v", s)
		}
		if s := h.adds("a"); s[db.Waiting] == 0 {
			t.Error("the slow tenant is done: this test shows nothing")
		}
	})
}

func TestStoppingFinishesTheBatchInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 2
		began := make(chan struct{}, 9)
		c.hook = func(on string) {
			if on == "create" {
				began <- struct{}{}
				time.Sleep(5 * time.Second)
			}
		}
		h.signUp("a/1", many(5)...)
		d := h.dispatcher(crms{"a": c})
		stop := run(t, d)
		d.Wake("a")
		<-began
		stop()
		if s := h.adds("a"); s[db.Delivered] != 2 || s[db.Waiting] != 3 {
			t.Errorf("sums %+v", s)
		}
	})
}

func TestStoppingCutsOffWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.faults = []fault{{on: "create", after: true, hang: true}}
		began := make(chan struct{}, 9)
		c.hook = func(string) { began <- struct{}{} }
		h.signUp("a/1", "jane@example.com")
		d := h.dispatcher(crms{"a": c})
		stop := run(t, d)
		d.Wake("a")
		<-began
		<-began
		start := now()
		stop()
		if took := time.Since(start); took != d.Grace {
			t.Errorf("stopped after %v", took)
		}
		takes(h.dispatcher(crms{"a": c}), "a")
		if s := h.adds("a"); s[db.Delivered] != 1 || c.most() != 1 {
			t.Errorf("sums %+v", s)
		}
	})
}

// TestEverybodyArrivesOnce is the promise: whatever fails and whatever admins do, by
// any number of processes that come and go, whoever was stored and not dismissed
// ends up in the CRM, once; and the sums hold at every moment.
func TestEverybodyArrivesOnce(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { storm(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func storm(t *testing.T, r *rand.Rand) {
	h, all := newHouse(t, "a", "b"), crms{}
	calm := false
	for tenant := range 2 {
		c := newCRM()
		c.batch = 1 + r.IntN(40)
		for range 8 {
			c.refuses[fmt.Sprintf("r%d@example.com", r.IntN(60))] = &crm.Failure{Class: crm.Recorded, Code: "DUPLICATES_DETECTED", Match: "003match"}
		}
		chance := rand.New(rand.NewPCG(r.Uint64(), 1))
		c.next = func(on string) *fault { // under the CRM's lock
			if calm || chance.IntN(3) > 0 {
				return nil
			}
			return anyFault(chance, on)
		}
		all[string(rune('a'+tenant))] = c
	}
	stores := []*db.DB{h.db, h.open()}
	stops := make([]func(), len(stores))
	start := func(i int) {
		d := New(Config{Store: stores[i], Connect: all.connect, Parallel: 1 + r.IntN(3), Grace: time.Duration(1 + r.IntN(int(20*time.Second)))})
		stops[i] = run(t, d)
	}
	for i := range stores {
		start(i)
	}
	for range 15 {
		// Addresses repeat, within and across newsletters.
		h.signUp(fmt.Sprintf("%c/%d", 'a'+r.IntN(2), 1+r.IntN(2)), fmt.Sprintf("R%d@example.com", r.IntN(60)), fmt.Sprintf("r%d@example.com", r.IntN(60)))
		time.Sleep(time.Duration(r.IntN(int(4 * time.Second))))
		switch r.IntN(6) {
		case 0: // a process ends, and another starts
			i := r.IntN(len(stores))
			stops[i]()
			start(i)
		case 1: // a process dies: it loses its leases without knowing
			h.exec(`UPDATE leases SET owner = 'the dead', until = $1`, now().Add(db.LeaseTime).UnixMilli())
		}
		tenant := string(rune('a' + r.IntN(2)))
		h.administer(tenant, r)
		h.adds(tenant)
	}
	for _, c := range all {
		c.mu.Lock()
	}
	calm = true
	for _, c := range all {
		clear(c.refuses)
		c.mu.Unlock()
	}
	for tenant := range all {
		for id := h.someone(tenant, db.Attention); id != ""; id = h.someone(tenant, db.Attention) {
			h.must(h.db.Retry(t.Context(), to(tenant), id, ""))
		}
	}
	for _, stop := range stops {
		stop()
	}
	time.Sleep(time.Hour) // until everybody is due who signed up again
	for i := range stores {
		start(i)
	}
	time.Sleep(15 * time.Minute)
	for _, stop := range stops {
		stop()
	}
	for tenant, c := range all {
		if s := h.adds(tenant); s[db.Waiting] != 0 || s[db.Attention] != 0 || s[db.Delivered]+s[db.Dismissed] != s[db.Entered] || s[db.Delivered] == 0 {
			t.Errorf("%s: %+v", tenant, s)
		}
		if c.most() != 1 {
			t.Errorf("%s: an address has %d records", tenant, c.most())
		}
	}
}

// administer does something that an admin may do, or nothing.
func (h *house) administer(tenant string, r *rand.Rand) {
	h.t.Helper()
	ctx := context.Background()
	switch r.IntN(6) {
	case 0:
		h.must(h.db.Retry(ctx, to(tenant), h.someone(tenant, db.Attention), ""))
	case 1:
		h.must(h.db.Retry(ctx, to(tenant), h.someone(tenant, db.Dismissed), ""))
	case 2:
		h.must(h.db.Dismiss(ctx, to(tenant), h.someone(tenant, db.Attention), "no", ""))
	case 3:
		one := []string{db.OneFill, db.OneUpdate, db.OneLeave}[r.IntN(3)]
		h.must(true, h.db.SetDeliverySettings(ctx, to(tenant), db.DeliverySettings{One: one, Several: db.SeveralNewest, Share: 50, Key: "Key__c"}))
	case 4:
		h.exec(`DELETE FROM pauses WHERE tenant_id = $1`, tenant) // connected anew
	}
}

// someone is one of a tenant's subscribers in a state, if there is one.
func (h *house) someone(tenant string, state db.State) (id string) {
	h.t.Helper()
	err := h.db.Writer().QueryRow(`SELECT COALESCE(min(subscriber_id), '') FROM deliveries WHERE tenant_id = $1 AND state = $2`, tenant, state).Scan(&id)
	h.must(true, err)
	return id
}

func (h *house) must(_ bool, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func anyFault(r *rand.Rand, on string) *fault {
	f := &fault{on: on}
	switch r.IntN(6) {
	case 0:
		f.err = lost(crm.TimedOut)
	case 1:
		f.err, f.after = lost(crm.Unavailable), true
	case 2:
		f.err = &crm.Failure{Class: crm.Pause, Code: "REQUEST_LIMIT_EXCEEDED", Wait: time.Minute}
	case 3:
		f.err = &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	case 4:
		f.hang = true
	case 5:
		f.hang, f.after = true, true
	}
	return f
}

func TestAKilledWriteSettlesBeforeItIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		h.signUp("a/1", "jane@example.com")
		c.faults = []fault{{on: "create", hang: true}}
		c.hook = func(on string) {
			if on == "create" {
				h.exec(`UPDATE leases SET owner = 'somebody else', until = 0`)
			}
		}
		takes(h.dispatcher(crms{"a": c}), "a")
		heir := h.dispatcher(crms{"a": c})
		takes(heir, "a")
		if len(c.creates) != 1 {
			t.Fatalf("creates %v", c.creates)
		}
		c.hook = nil
		time.Sleep(newCRM().Provider().Settles.One)
		takes(heir, "a")
		if s := h.adds("a"); s[db.Delivered] != 1 || len(c.creates) != 2 {
			t.Errorf("sums %+v, creates %v", s, c.creates)
		}
	})
}
