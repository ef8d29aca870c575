package delivery

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db"
)

// begun notes when writes of a CRM begin.
type begun struct {
	mu sync.Mutex
	at []time.Duration
}

// watch notes the writes of c from now on.
func watch(c *fakeCRM) *begun {
	b, from := &begun{}, now()
	c.hook = func(on string) {
		if on == "create" {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.at = append(b.at, time.Since(from).Round(10*time.Millisecond))
		}
	}
	return b
}

func (b *begun) times() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.at)
}

// steadily signs up somebody new each so often, and wakes for each.
func (h *house) steadily(d *Dispatcher, each time.Duration, n int) {
	for i := range n {
		h.signUp("a/1", fmt.Sprintf("steady%d@example.com", i))
		d.Wake("a")
		time.Sleep(each)
	}
}

// Who comes alone goes at once, and those who come after that travel together: one batch
// each so often, however many come.
func TestBatchesKeepTheirPace(t *testing.T) {
	for pace, batches := range map[time.Duration]int{0: 100, time.Second: 6, 10 * time.Second: 2, time.Minute: 2} {
		synctest.Test(t, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			d := New(Config{Store: paced{h.db, pace}, Connect: crms{"a": c}.connect})
			defer run(t, d)()
			b := watch(c)
			h.steadily(d, 50*time.Millisecond, 100)
			time.Sleep(pace + time.Second)
			at := b.times()
			if len(at) != batches || at[0] != 0 {
				t.Fatalf("%v: %d batches, %v", pace, len(at), at)
			}
			for i := 1; i < len(at); i++ {
				if apart := at[i] - at[i-1]; apart < pace || apart > pace+time.Second {
					t.Errorf("%v: batches at %v", pace, at)
				}
			}
			if s := h.adds("a"); s[db.Delivered] != 100 {
				t.Errorf("%v: %+v", pace, s)
			}
			time.Sleep(2 * pace)
			h.signUp("a/1", "alone@example.com")
			d.Wake("a")
			time.Sleep(10 * time.Millisecond)
			if s := h.adds("a"); s[db.Delivered] != 101 {
				t.Errorf("%v: who comes alone waits: %+v", pace, s)
			}
		})
	}
}

// A second is what holds where nothing else is set.
func TestThePaceIsASecond(t *testing.T) {
	h := newHouse(t, "a")
	set := func() db.DeliverySettings {
		s, err := h.db.DeliverySettings(t.Context(), to("a"))
		h.must(true, err)
		return s
	}
	before := set()
	changed := before
	changed.Pace = time.Minute
	h.must(true, h.db.SetDeliverySettings(t.Context(), to("a"), changed))
	if after := set(); before.Pace != db.DefaultPace || !reflect.DeepEqual(after, changed) {
		t.Errorf("%+v, and then %+v", before, after)
	}
}

// A backlog isn't slowed down: full batches follow each other, and are noticed within a
// second although somebody was sent just before. What is left of it has its time.
func TestABacklogIsNotSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 10
		d := New(Config{Store: paced{h.db, time.Minute}, Connect: crms{"a": c}.connect})
		h.signUp("a/1", "alone@example.com")
		defer run(t, d)()
		time.Sleep(1500 * time.Millisecond)
		h.signUp("a/1", "second@example.com")
		d.Wake("a")
		time.Sleep(100 * time.Millisecond)
		if s := h.adds("a"); s[db.Delivered] != 1 || s[db.Waiting] != 1 {
			t.Fatalf("%+v", s)
		}
		h.signUp("a/1", many(45)...)
		d.Wake("a")
		time.Sleep(1100 * time.Millisecond)
		if s := h.adds("a"); s[db.Delivered] != 41 || !slices.Equal(c.creates, []int{1, 10, 10, 10, 10}) {
			t.Errorf("after a second %+v, %v", s, c.creates)
		}
		time.Sleep(50 * time.Second)
		if s := h.adds("a"); s[db.Delivered] != 41 {
			t.Errorf("within its pace %+v", s)
		}
		time.Sleep(11 * time.Second)
		if s := h.adds("a"); s[db.Delivered] != 47 {
			t.Errorf("at last %+v", s)
		}
	})
}

// A tenant that rests takes nobody's turn, and is itself served once it has rested.
func TestATenantThatRestsTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a", "b"), newCRM()
		d := New(Config{Store: paced{h.db, 10 * time.Second}, Connect: crms{"a": c, "b": newCRM()}.connect, Parallel: 1, LookEvery: time.Hour})
		defer run(t, d)()
		h.signUp("a/1", "first@example.com")
		d.Wake("a")
		time.Sleep(time.Second)
		h.signUp("a/1", "second@example.com")
		d.Wake("a")
		time.Sleep(time.Second)
		id := h.signUp("b/1", "joe@example.com")[0]
		d.Wake("b")
		time.Sleep(10 * time.Millisecond)
		if s := h.subscriber("b", id); s.State != db.Delivered {
			t.Errorf("%+v", s)
		}
		if s := h.adds("a"); s[db.Waiting] != 1 {
			t.Errorf("it doesn't rest: %+v", s)
		}
		time.Sleep(9 * time.Second)
		if s := h.adds("a"); s[db.Delivered] != 2 {
			t.Errorf("rested: %+v", s)
		}
	})
}
