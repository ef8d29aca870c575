package db

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// listener is another process on a database, which listens.
type listener struct {
	t     *testing.T
	heard chan Notice
}

func listen(t *testing.T, d *DB) listener {
	t.Helper()
	other, err := Open(t.Context(), d.engine.(*postgres).url)
	if err != nil {
		t.Fatal(err)
	}
	l := listener{t, make(chan Notice, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); other.Listen(ctx, func(n Notice) { l.heard <- n }) }()
	t.Cleanup(func() { cancel(); <-done; _ = other.Close() })
	l.hears(Notice{Kind: NoticeAny})
	return l
}

// hears checks which notices come next, whatever their order.
func (l listener) hears(want ...Notice) {
	l.t.Helper()
	left := map[Notice]bool{}
	for _, n := range want {
		left[n] = true
	}
	for range want {
		select {
		case n := <-l.heard:
			if !left[n] {
				l.t.Errorf("heard %+v", n)
			}
			delete(left, n)
		case <-time.After(time.Minute):
			l.t.Fatalf("not heard: %v", left)
		}
	}
}

const onlyThere = "processes on a SQLite file find out when they look"

// Whatever makes something due, or changes what processes keep for a while, is told.
func TestOtherProcessesAreTold(t *testing.T) {
	testdb.PostgresOnly(t, onlyThere)
	d := withNewsletters(t, "a/1", "b/1")
	l, ctx := listen(t, d), t.Context()
	due, newsletters, keys := Notice{NoticeDue, "a"}, Notice{Kind: NoticeNewsletters}, Notice{Kind: NoticeAPIKeys}
	key := APIKey{ID: NewID(), CreatedAt: d.now()}
	if err := d.AddAPIKey(ctx, key, "hash"); err != nil {
		t.Fatal(err)
	}
	var person string
	for _, c := range []struct {
		what string
		do   func() error
		told []Notice
	}{
		{"sign-ups", func() error {
			answers, err := d.AddSignUps(ctx, []SignUp{signUp("a/1", "jane@example.com"), signUp("b/1", "jane@example.com"), signUp("a/1", "joe@example.com")})
			person = answers[0].ID
			return err
		}, []Notice{due, {NoticeDue, "b"}}},
		{"a pause that ends", func() error { return d.EndPause(ctx, first("a")) }, []Notice{due}},
		{"settings", func() error { return d.SetDeliverySettings(ctx, first("a"), DeliverySettings{Share: 50}) }, []Notice{due}},
		{"a decision", func() error {
			if _, err := d.write.Exec(`UPDATE deliveries SET state = 'attention', reason = 'X' WHERE subscriber_id = $1`, person); err != nil {
				return err
			}
			_, err := d.Retry(ctx, first("a"), person, "")
			return err
		}, []Notice{due}},
		{"a changed API key", func() error { return d.SetAPIKey(ctx, key, APIKey{Name: "x"}) }, []Notice{keys}},
		{"an API key", func() error { return d.DeleteAPIKey(ctx, key.ID) }, []Notice{keys}},
		{"a tenant's name", func() error { return d.SetTenant(ctx, Tenant{ID: "a", Slug: "a", Name: "A"}) }, []Notice{newsletters}},
		{"a tenant's limits", func() error { return d.SetTenantLimits(ctx, "a", limitsOf(5, 6)) }, []Notice{newsletters}},
		{"a closed tenant", func() error { _, err := d.CloseTenant(ctx, "a", d.now().Add(time.Hour)); return err }, []Notice{newsletters, keys}},
		{"a reopened one", func() error { return d.ReopenTenant(ctx, "a") }, []Notice{due}},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		t.Log(c.what)
		l.hears(c.told...)
	}
}

// What isn't committed is not told, and a tenant is told of once.
func TestOnlyWhatIsCommittedIsTold(t *testing.T) {
	testdb.PostgresOnly(t, onlyThere)
	d := open(t)
	l, undone := listen(t, d), errors.New("undone")
	err := d.tx(t.Context(), func(tx *sql.Tx) error {
		return errors.Join(d.notify(t.Context(), tx, Notice{NoticeDue, "undone"}), undone)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	err = d.tx(t.Context(), func(tx *sql.Tx) error {
		return d.notify(t.Context(), tx, Notice{NoticeDue, "a"}, Notice{NoticeDue, "a"}, Notice{NoticeDue, "b"})
	})
	if err != nil {
		t.Fatal(err)
	}
	l.hears(Notice{NoticeDue, "a"}, Notice{NoticeDue, "b"})
}

// Whose connection breaks listens again, and learns that something may have been missed.
func TestListensAgain(t *testing.T) {
	testdb.PostgresOnly(t, onlyThere)
	d := open(t)
	l := listen(t, d)
	for range 2 {
		var ended int
		err := d.write.QueryRow(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN ' || $1`, channel).Scan(&ended)
		if err != nil || ended != 1 {
			t.Fatalf("%d connections ended, %v", ended, err)
		}
		l.hears(Notice{Kind: NoticeAny})
	}
	d.notifySoon(Notice{NoticeDue, "a"})
	l.hears(Notice{NoticeDue, "a"})
}
