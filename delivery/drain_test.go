package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/db"
	"gatepost/db/dbtest/testdb"
)

// order notes in which order calls of a CRM begin.
type order struct {
	mu  sync.Mutex
	all []string
}

func (o *order) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, what)
}

func (o *order) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.all, " ")
}

// slowStore takes a second to write down what became of people.
type slowStore struct {
	Store
	*order
}

func (s slowStore) RecordOutcomes(ctx context.Context, l db.Lease, o []db.Outcome) error {
	s.note(fmt.Sprintf("record%d", len(o)))
	time.Sleep(time.Second)
	return s.Store.RecordOutcomes(ctx, l, o)
}

// While a batch is written, the one before is written down, and the next one looked up:
// four batches take no longer than the calls that wait for each other.
func TestWhatNeedNotWaitGoesOnBesideAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c, o := newHouse(t, "a"), newCRM(), &order{}
		c.batch = 2
		c.hook = func(on string) {
			o.note(on)
			time.Sleep(time.Second)
		}
		h.signUp("a/1", many(7)...)
		start := now()
		takes(New(Config{Store: slowStore{paced{h.db, 0}, o}, Connect: crms{"a": c}.connect}), "a")
		// The last batch isn't full: it is read once the one before is written down.
		if took := time.Since(start).Round(time.Second); took != 8*time.Second {
			t.Errorf("it took %v: %v", took, o)
		}
		if s := h.adds("a"); s[db.Delivered] != 7 || !slices.Equal(c.creates, []int{2, 2, 2, 1}) || c.finds != 4 {
			t.Errorf("%+v, %v, %d look-ups", s, c.creates, c.finds)
		}
		if o.all[0] != "find" || !slices.Contains(o.all[3:], "record2") || slices.Index(o.all, "record2") > 5 {
			t.Errorf("in the order %v", o)
		}
	})
}

// After a failure, and while batches are small, one thing follows the other: the next batch
// depends on what becomes of the one before.
func TestNothingIsLookedUpAheadAfterAFailure(t *testing.T) {
	for name, before := range map[string]db.Pause{
		"a pause that is over": {Reason: crm.Unavailable, Tries: 1},
		"a smaller batch":      {Reason: crm.TimedOut, Tries: 1, Batch: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, c, o := newHouse(t, "a"), newCRM(), &order{}
			c.batch = 2
			c.hook = func(on string) { o.note(on); time.Sleep(time.Second) }
			h.signUp("a/1", many(4)...)
			l := db.Lease{DestinationKey: to("a"), Owner: "before"}
			h.must(true, h.db.TakeLease(t.Context(), l))
			h.must(true, h.db.SetPause(t.Context(), l, before))
			h.must(true, h.db.ReleaseLease(t.Context(), l))
			takes(h.dispatcher(crms{"a": c}), "a")
			if !strings.HasPrefix(o.String(), "find create find create") {
				t.Errorf("%s: %v", name, o)
			}
		})
	}
	t.Run("somebody was to blame", func(t *testing.T) {
		h, c, o := newHouse(t, "a"), newCRM(), &order{}
		c.batch, c.hook = 2, o.note
		c.refuses["r0@example.com"], c.refuses["r1@example.com"] = &crm.Failure{Class: crm.Passing, Code: "LOCK"}, &crm.Failure{Class: crm.Recorded, Code: "ODD"}
		h.signUp("a/1", many(6)...)
		l := db.Lease{DestinationKey: to("a"), Owner: "before"}
		h.must(true, h.db.TakeLease(t.Context(), l))
		h.must(true, h.db.SetBlamed(t.Context(), l, 1))
		h.must(true, h.db.ReleaseLease(t.Context(), l))
		takes(h.dispatcher(crms{"a": c}), "a")
		if !strings.HasPrefix(o.String(), "find create find create") {
			t.Errorf("%v", o)
		}
	})
}

// hookedStore calls a function before it is asked for those who are due.
type hookedStore struct {
	Store
	due func()
}

func (s hookedStore) Due(ctx context.Context, to db.DestinationKey, limit int) ([]db.Known, error) {
	s.due()
	return s.Store.Due(ctx, to, limit)
}

// Somebody who signs up for another newsletter while they are written is in no other batch
// that is under way: they wait until it is known what became of that, and have one record.
func TestTheSamePersonIsNotInTwoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 2
		c.hook = func(on string) {
			if on == "create" {
				time.Sleep(time.Second)
			}
		}
		h.signUp("a/1", many(6)...)
		again, reads := "", 0
		store := hookedStore{paced{h.db, 0}, func() {
			if reads++; reads == 3 { // of the second batch, while the first one is written
				again = h.says("a/2", "R0@example.com", "Rita", "Reader")
				h.exec(`UPDATE deliveries SET due_at = 1 WHERE subscriber_id = $1`, again) // first of all
			}
		}}
		d := New(Config{Store: store, Connect: crms{"a": c}.connect})
		for takes(d, "a") {
		}
		if s := h.subscriber("a", again); s.State != db.Delivered || c.most() != 1 {
			t.Errorf("%d records, %+v", c.most(), s)
		}
		c.wantName(t, "the later sign-up's names", "r0@example.com", "Rita", "Reader")
		if s := h.adds("a"); s[db.Delivered] != 7 {
			t.Errorf("%+v", s)
		}
	})
}

// Who signs up again while they are written is in the next batch once that is known, and
// what they said later arrives.
func TestWhoIsWrittenIsNotLookedUpAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 2
		h.signUp("a/1", many(6)...)
		var looked [][]string
		crmOf := func(context.Context, db.DestinationKey) (crm.CRM, error) { return looking{c, &looked}, nil }
		c.hook = func(on string) {
			if on == "create" {
				time.Sleep(time.Second)
			}
		}
		takes(New(Config{Store: paced{h.db, 0}, Connect: crmOf}), "a")
		seen := map[string]int{}
		for _, batch := range looked {
			for _, email := range batch {
				seen[email]++
			}
		}
		for email, n := range seen {
			if n != 1 {
				t.Errorf("%s is looked up %d times: %v", email, n, looked)
			}
		}
		if len(seen) != 6 {
			t.Errorf("looked up: %v", looked)
		}
	})
}

// looking is a CRM that notes who is looked up.
type looking struct {
	*fakeCRM
	looked *[][]string
}

func (c looking) Find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	c.mu.Lock()
	*c.looked = append(*c.looked, emails)
	c.mu.Unlock()
	return c.fakeCRM.Find(ctx, emails, o)
}

// When a batch fails, the one that was looked up meanwhile isn't written: nothing is known
// to be out for its people, and they keep their places.
func TestAFailedBatchStopsTheNext(t *testing.T) {
	for name, f := range map[string]fault{
		"the whole call":   {on: "create", err: &crm.Failure{Class: crm.Pause, Code: "SERVER_UNAVAILABLE"}},
		"a lost answer":    {on: "create", err: lost(crm.Unavailable), after: true},
		"the next look-up": {on: "find", err: &crm.Failure{Class: crm.Pause, Code: "SERVER_UNAVAILABLE"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			c.batch = 2
			ids := h.signUp("a/1", many(6)...)
			finds := 0
			c.next = func(on string) *fault {
				if on == "find" {
					finds++
				}
				if on == f.on && (on == "create" || finds == 2) {
					return &f
				}
				return nil
			}
			c.hook = func(on string) {
				if on == "create" {
					time.Sleep(time.Second)
				}
			}
			takes(h.dispatcher(crms{"a": c}), "a")
			if p := h.pause("a"); p.Reason != f.err.Code || len(c.creates) != 1 || finds != 2 {
				t.Errorf("%s: paused %+v, %v, %d look-ups", name, p, c.creates, finds)
			}
			for i, id := range ids {
				s := h.subscriber("a", id)
				if i >= 2 && (s.State != db.Waiting || !s.SentAt.IsZero() || s.Attempts != 0) {
					t.Errorf("%s: the next batch: %+v", name, s)
				}
				if delivered := f.on == "find"; i < 2 && (s.State == db.Delivered) != delivered {
					t.Errorf("%s: the batch before: %+v", name, s)
				}
			}
			h.adds("a")
		})
	}
}

// Who was looked up ahead is in no batch when smaller ones look for who is to blame.
func TestBatchesShrinkAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		faults []fault
		poison string
		want   []int
	}{
		"a call that is refused": {faults: []fault{{on: "create", err: &crm.Failure{Class: crm.Recorded, Code: "ODD"}}}, want: []int{25, 5}},
		"a part of a call":       {poison: "r3@example.com", want: []int{25, 5}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			c.batch, c.chunk, c.poison, c.faults = 25, 25, tt.poison, tt.faults
			c.hook = func(on string) {
				if on == "create" {
					time.Sleep(time.Second)
				}
			}
			h.signUp("a/1", many(60)...)
			takes(h.dispatcher(crms{"a": c}), "a")
			if !slices.Equal(c.creates[:2], tt.want) || c.most() != 1 {
				t.Errorf("%s: %v, %d of one address", name, c.creates, c.most())
			}
			h.adds("a")
		})
	}
}

// A connection that breaks for one record of a batch stops the next one, too.
func TestAStopInOneRecordStopsTheNextBatch(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.batch = 2
	c.refuses["r1@example.com"] = &crm.Failure{Class: crm.Connection, Code: "API_DISABLED_FOR_ORG"}
	h.signUp("a/1", many(6)...)
	takes(h.dispatcher(crms{"a": c}), "a")
	if s := h.adds("a"); s[db.Delivered] != 1 || len(c.creates) != 1 || h.pause("a").Reason != "API_DISABLED_FOR_ORG" {
		t.Errorf("%+v, %v, %+v", s, c.creates, h.pause("a"))
	}
}

// A lease that is lost cuts off the write and the look-up that are under way; nothing more is
// written, and whoever has the lease then delivers everybody once.
func TestALostLeaseCutsOffBothBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 2
		ids := h.signUp("a/1", many(6)...)
		finds := 0
		c.next = func(on string) *fault {
			if on == "find" {
				finds++
			}
			if on == "create" || finds == 2 {
				return &fault{on: on, hang: true, after: on == "create"}
			}
			return nil
		}
		c.hook = func(on string) {
			if on == "create" {
				h.exec(`UPDATE leases SET owner = 'somebody else', until = 0`)
			}
		}
		start := now()
		takes(h.dispatcher(crms{"a": c}), "a")
		if took := time.Since(start); took > db.LeaseTime || len(c.creates) != 1 || h.pause("a").Reason != "" {
			t.Errorf("cut off after %v, %v, %+v", took, c.creates, h.pause("a"))
		}
		for i, id := range ids {
			if s := h.subscriber("a", id); s.State != db.Waiting || s.SentAt.IsZero() != (i >= 2) {
				t.Errorf("%d: %+v", i, s)
			}
		}
		c.next, c.hook = nil, nil
		for takes(h.dispatcher(crms{"a": c}), "a") {
		}
		if s := h.adds("a"); s[db.Delivered] != 6 || c.most() != 1 {
			t.Errorf("%+v, %d of one address", s, c.most())
		}
	})
}

// lossyStore loses the lease when it is to write something down.
type lossyStore struct{ Store }

func (lossyStore) RecordOutcomes(context.Context, db.Lease, []db.Outcome) error { return db.ErrLost }

// That the lease is lost may show first where the batch before is written down: the write that
// is under way is cut off at once.
func TestALeaseFoundLostCutsOffTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 2
		h.signUp("a/1", many(6)...)
		writes := 0
		c.next = func(on string) *fault {
			if on == "create" {
				writes++
			}
			if writes == 2 {
				return &fault{on: on, hang: true}
			}
			return nil
		}
		start := now()
		takes(New(Config{Store: lossyStore{paced{h.db, 0}}, Connect: crms{"a": c}.connect}), "a")
		if took := time.Since(start); took > time.Second || writes != 2 || h.pause("a").Reason != "" {
			t.Errorf("after %v and %d writes: %+v", took, writes, h.pause("a"))
		}
	})
}

// The last API calls are left to others, also while a batch is written.
func TestNothingIsLookedUpAheadWhenCallsAreSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch, c.used, c.limit = 2, 10, 100
		c.hook = func(on string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.used = 95
		}
		h.signUp("a/1", many(6)...)
		takes(h.dispatcher(crms{"a": c}), "a")
		if s := h.adds("a"); s[db.Delivered] != 2 || c.finds != 1 || h.pause("a").Reason != crm.Spared {
			t.Errorf("%+v, %d look-ups, %+v", s, c.finds, h.pause("a"))
		}
	})
}

// life is how long a process lives: so many steps.
type life struct {
	mu    sync.Mutex
	steps int
	after bool // the last step is done
}

var errKilled = errors.New("killed")

// step reports whether something is to be done, and whether that is told to the process.
func (l *life) step() (do, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps--
	return l.steps > 0 || l.steps == 0 && l.after, l.steps > 0
}

// mortalStore is a store of a process that is killed.
type mortalStore struct {
	Store
	*life
}

func (s mortalStore) do(fn func() error) error {
	do, tell := s.step()
	if do {
		if err := fn(); err != nil || tell {
			return err
		}
	}
	return errKilled
}

func (s mortalStore) Due(ctx context.Context, to db.DestinationKey, limit int) (due []db.Known, err error) {
	err = s.do(func() (err error) { due, err = s.Store.Due(ctx, to, limit); return err })
	return due, err
}

func (s mortalStore) MarkSent(ctx context.Context, l db.Lease, all []db.Sending, at time.Time) error {
	return s.do(func() error { return s.Store.MarkSent(ctx, l, all, at) })
}

func (s mortalStore) RecordOutcomes(ctx context.Context, l db.Lease, o []db.Outcome) error {
	return s.do(func() error { return s.Store.RecordOutcomes(ctx, l, o) })
}

func (s mortalStore) SetPause(ctx context.Context, l db.Lease, p db.Pause) error {
	return s.do(func() error { return s.Store.SetPause(ctx, l, p) })
}

func (s mortalStore) ReleaseLease(ctx context.Context, l db.Lease) error {
	return s.do(func() error { return s.Store.ReleaseLease(ctx, l) })
}

// A process that is killed at whichever step, before or after it is done, leaves nobody
// behind and nobody twice.
func TestAKillAtEachStep(t *testing.T) {
	survived, stride := false, 1
	if testdb.Either(t, "sqlite", "postgres") == "postgres" {
		stride = 4 // each takes a database of its own there, and it is our steps that are walked
	}
	for steps := 1; !survived; steps += stride {
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l := &life{steps: steps, after: after}
				survived = killedAfter(t, l)
			})
		}
	}
}

func killedAfter(t *testing.T, l *life) (survived bool) {
	h, c := newHouse(t, "a"), newCRM()
	c.batch = 2
	c.next = func(on string) *fault {
		do, tell := l.step()
		if tell {
			return nil
		}
		return &fault{on: on, err: lost(crm.Unavailable), after: do}
	}
	h.signUp("a/1", many(6)...)
	h.signUp("a/2", "r1@example.com", "r4@example.com")
	takes(New(Config{Store: mortalStore{paced{h.db, 0}, l}, Connect: crms{"a": c}.connect}), "a")
	survived = l.steps > 0
	c.next = nil
	heir := h.dispatcher(crms{"a": c})
	for range 4 {
		time.Sleep(2 * time.Minute)
		for takes(heir, "a") {
		}
	}
	if s := h.adds("a"); s[db.Delivered] != 8 || c.most() != 1 {
		t.Errorf("killed with %d steps to go: %+v, %d of one address", l.steps, s, c.most())
	}
	return survived
}

// flaky is a CRM of which now and then a call fails, before or after it is done, answers
// never, or refuses one of many.
type flaky struct {
	crm.CRM
	mu   *sync.Mutex
	r    *rand.Rand
	calm *bool
}

func (c flaky) fails(ctx context.Context, do func() error) error {
	time.Sleep(150 * time.Millisecond)
	c.mu.Lock()
	n, calm := c.r.IntN(15), *c.calm
	c.mu.Unlock()
	switch {
	case calm || n > 4:
		return do()
	case n == 0:
		return errors.Join(do(), lost(crm.TimedOut))
	case n == 1:
		_ = do()
		<-ctx.Done()
		return ctx.Err()
	case n == 2:
		return &crm.Failure{Class: crm.Recorded, Code: "ODD"}
	}
	return &crm.Failure{Class: crm.Pause, Code: "BUSY", Wait: time.Duration(n) * time.Second}
}

func (c flaky) Find(ctx context.Context, emails []string, o crm.Options) (found map[string][]crm.Record, err error) {
	err = c.fails(ctx, func() (err error) { found, err = c.CRM.Find(ctx, emails, o); return err })
	return found, err
}

func (c flaky) Write(ctx context.Context, writes []crm.Write, o crm.Options) (results []crm.Result, err error) {
	err = c.fails(ctx, func() (err error) { results, err = c.CRM.Write(ctx, writes, o); return err })
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Of a backlog on two newsletters nobody is lost and nobody is twice in the CRM, whatever
// fails while batches follow each other, and whoever loses the lease.
func TestABacklogArrivesOnce(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) { backlogArrives(t, rand.New(rand.NewPCG(seed, 13))) })
	}
}

func backlogArrives(t *testing.T, r *rand.Rand) {
	h, inner, calm := newHouse(t, "a"), toy.New(), false
	c := flaky{inner, &sync.Mutex{}, rand.New(rand.NewPCG(r.Uint64(), 1)), &calm}
	connect := func(context.Context, db.DestinationKey) (crm.CRM, error) { return c, nil }
	var stops []func()
	for i := range 2 {
		stops = append(stops, run(t, New(Config{Store: paced{h.open(), time.Duration(i) * time.Second}, Connect: connect, CallTime: 10 * time.Second})))
	}
	for range 5 {
		h.signUp("a/1", many(100+r.IntN(20))...)
		h.signUp("a/2", many(100+r.IntN(20))...)
		time.Sleep(time.Duration(r.IntN(int(20 * time.Second))))
		if r.IntN(2) == 0 { // a process dies: it loses its lease without knowing
			h.exec(`UPDATE leases SET owner = 'the dead', until = $1`, now().Add(db.LeaseTime).UnixMilli())
		}
		h.adds("a")
	}
	c.mu.Lock()
	calm = true
	c.mu.Unlock()
	for range 60 {
		for id := h.someone("a", db.Attention); id != ""; id = h.someone("a", db.Attention) {
			h.must(h.db.Retry(t.Context(), to("a"), id, ""))
		}
		time.Sleep(2 * time.Minute)
		if s := h.adds("a"); s[db.Delivered] == s[db.Entered] {
			break
		}
	}
	for _, stop := range stops {
		stop()
	}
	s := h.adds("a")
	if s[db.Delivered] != s[db.Entered] || s[db.Entered] < 200 {
		t.Errorf("%+v", s)
	}
	for _, email := range many(120) {
		found, err := inner.Find(t.Context(), []string{email}, crm.Options{})
		if err != nil || len(found[email]) > 1 {
			t.Errorf("%s has %d records, %v", email, len(found[email]), err)
		}
	}
}
