package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// A process that stores sign-ups and delivers none is heard by one that does, which
// wouldn't look for an hour.
func TestSignUpsOfOtherProcessesAreDelivered(t *testing.T) {
	dbtest.PostgresOnly(t, "processes on a SQLite file find out when they look")
	h, c := newHouse(t, "a"), newCRM()
	created := make(chan bool)
	c.hook = func(on string) {
		if on == "create" {
			created <- true
		}
	}
	before := h.signUp("a/1", "before@example.com")
	other := h.open()
	d := New(Config{Store: other, Connect: crms{"a": c}.connect, LookEvery: time.Hour})
	defer run(t, d)()
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() {
		other.Listen(ctx, func(n db.Notice) {
			if n.Kind == db.NoticeAny {
				d.Look()
			} else {
				d.Heard(n.TenantID)
			}
		})
	})
	idle := func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.again)+len(d.heard) == 0
	}
	delivered := func(ids []string) {
		t.Helper()
		select {
		case <-created:
		case <-time.After(time.Minute):
			t.Fatalf("not delivered: %+v", h.subscriber("a", ids[0]))
		}
		for !idle() { // a turn under way would find the next one by itself
			time.Sleep(time.Millisecond)
		}
	}
	delivered(before)
	for _, email := range []string{"jane@example.com", "joe@example.com"} {
		delivered(h.signUp("a/1", email))
	}
}

// What others told of is looked for, whoever delivers it, and not fought for.
func TestHeardTenantIsLeftToWhoDeliversIt(t *testing.T) {
	h, c := newHouse(t, "a", "b"), newCRM()
	h.signUp("a/1", "jane@example.com")
	h.signUp("b/1", "joe@example.com")
	lease := db.Lease{DestinationKey: to("a"), Owner: "another"}
	if err := h.db.TakeLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	store := &watchedStore{DB: h.db, taken: make(chan string, 10)}
	d := New(Config{Store: store, Connect: crms{"a": c, "b": c}.connect, LookEvery: time.Hour})
	d.Heard("a")
	d.Heard("b")
	defer run(t, d)()
	if tenant := <-store.taken; tenant != "b" {
		t.Errorf("the lease of %s is asked for", tenant)
	}
	if err := h.db.ReleaseLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	d.Heard("a")
	if tenant := <-store.taken; tenant != "a" {
		t.Errorf("the lease of %s is asked for", tenant)
	}
}

type watchedStore struct {
	*db.DB
	taken chan string
}

func (s *watchedStore) TakeLease(ctx context.Context, l db.Lease) error {
	s.taken <- l.TenantID
	return s.DB.TakeLease(ctx, l)
}

// A destination that is removed while its turn begins is no fault, and is forgotten: what
// comes later is looked for where it goes then.
func TestADestinationIsRemovedAsItsTurnBegins(t *testing.T) {
	h := newHouse(t, "a")
	h.signUp("a/1", "jane@example.com")
	var said bytes.Buffer
	d := New(Config{Store: removing{h.db}, Connect: crms{"a": newCRM()}.connect, Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))})
	d.wake(to("a"))
	d.turn(t.Context(), nil, to("a"))
	if said.Len() > 0 || len(d.of["a"]) != 0 {
		t.Errorf("said %q, still knows %v", said.String(), d.of["a"])
	}
}

// removing is a store from which a destination is removed once somebody is known to be due.
type removing struct{ *db.DB }

func (s removing) DeliverySettings(ctx context.Context, key db.DestinationKey) (db.DeliverySettings, error) {
	if err := s.RemoveDestination(ctx, key); err != nil {
		return db.DeliverySettings{}, err
	}
	return s.DB.DeliverySettings(ctx, key)
}
