package db

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"

	"github.com/pressly/goose/v3"
)

// On PostgreSQL other processes go on storing sign-ups while a migration goes through all
// subscribers, and while it waits for one who has just stored one.
func TestMigrationsLeaveSignUpsAlone(t *testing.T) {
	testdb.PostgresOnly(t, "on a file nobody else writes meanwhile")
	for _, to := range []int64{36, 38} {
		where := beforeIt(t, to)
		err := withTables(t.Context(), engineFor(where), func(d *DB, _ schema) error {
			newsletterAt(t, d)
			writing, err := d.write.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			defer func() { _ = writing.Rollback() }()
			if _, err := writing.Exec(insertSubscriber, "one"); err != nil {
				return err
			}
			done := make(chan error, 1)
			go func() {
				_, err := Migrate(context.WithoutCancel(t.Context()), where, to, nil)
				done <- err
			}()
			ended := waitForLock(t, d, done)
			if _, err := d.write.Exec(`SET lock_timeout = '1s'; ` + insertOther); err != nil {
				t.Errorf("to %d: nobody else could sign up: %v", to, err)
			}
			if err := writing.Commit(); err != nil {
				return err
			}
			if !ended {
				err = <-done
			}
			return err
		})
		if err != nil {
			t.Errorf("to %d: %v", to, err)
		}
	}
}

// beforeIt returns a database with the tables before a migration.
func beforeIt(t *testing.T, version int64) string {
	t.Helper()
	all, err := knownMigrations(nil)
	i := slices.IndexFunc(all, func(m Migration) bool { return m.Version == version })
	if err != nil || i < 1 {
		t.Fatal(i, err)
	}
	return before(t, all[i-1].Version)
}

// insertSubscriber stores somebody by an id, insertOther another one.
const (
	subscriberInto   = `INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, due_at, created_at) `
	insertSubscriber = subscriberInto + `VALUES ('a', $1, 'a/1', $1, $1, '', '', 'waiting', 0, 0)`
	insertOther      = subscriberInto + `VALUES ('a', 'other', 'a/1', 'other', 'other', '', '', 'waiting', 0, 0)`
)

// newsletterAt makes a newsletter in tables of any version.
func newsletterAt(t *testing.T, d *DB) {
	t.Helper()
	for _, statement := range []string{`INSERT INTO tenants (id, slug, name, created_at) VALUES ('a', 'a', 'A', 0)`,
		`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('a/1', 'a', 'a/1', 'A', 'Yes.', 0)`} {
		if _, err := d.write.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

// waitForLock waits until somebody waits for a lock, or done says that it ended.
func waitForLock(t *testing.T, d *DB, done <-chan error) (ended bool) {
	t.Helper()
	for look := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return true
		case <-look.C:
		}
		if number(t, d, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0 {
			return false
		}
	}
}

// An index that was left half built, when the process was killed that built it, is built
// anew.
func TestAMigrationBuildsAnIndexAnew(t *testing.T) {
	testdb.PostgresOnly(t, "on a file all migrations are one transaction")
	where := beforeIt(t, 38)
	err := withTables(t.Context(), engineFor(where), func(d *DB, _ schema) error {
		newsletterAt(t, d)
		for _, id := range []string{"one", "two"} {
			if _, err := d.write.Exec(insertSubscriber, id); err != nil {
				return err
			}
		}
		if _, err := d.write.Exec(`CREATE UNIQUE INDEX CONCURRENTLY subscribers_tests ON subscribers (newsletter_id)`); err == nil {
			t.Error("the index was built that can't be") // and what is left of it isn't valid
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(t.Context(), where, 0, nil); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	wantN(t, d, 0, `SELECT count(*) FROM pg_index WHERE NOT indisvalid`)
	wantN(t, d, 1, `SELECT count(*) FROM pg_indexes WHERE indexname = 'subscribers_tests' AND indexdef LIKE '%(tenant_id)%'`)
}

// Mails that wait for their turn are due when their tenants' limits are taken back: an older release sends them.
func TestLimitsAreTakenBack(t *testing.T) {
	w := newMailWorld(t, "a/1")
	d := w.all[0]
	w.limit("a", 1)
	w.asks("a/1", 30)
	w.send()
	unless(t, d.OpenIncident(t.Context(), Trouble{TenantID: "a", Kind: IncidentMails, Since: w.now}, w.now, func([]Member) []string { return nil }))
	of := migrationsOf{d.engine.dialect()}
	exclusives, err := of.exclusives(d, nil)
	unless(t, err)
	migrate := func(do func(*goose.Provider) error) {
		t.Helper()
		unless(t, d.engine.migrating(t.Context(), func(pool *sql.DB) error {
			p, err := goose.NewProvider(of.dialect, pool, of, goose.WithGoMigrations(exclusives...), goose.WithDisableGlobalRegistry(true))
			if err != nil {
				return err
			}
			return do(p)
		}))
	}
	migrate(func(p *goose.Provider) error { _, err := p.DownTo(t.Context(), 51); return err })
	wantN(t, d, 29, `SELECT count(*) FROM reader_mails WHERE state = 'queued' AND due_at = created_at`)
	wantN(t, d, 0, `SELECT count(*) FROM incidents`)
	migrate(func(p *goose.Provider) error { _, err := p.Up(t.Context()); return err })
	wantN(t, d, 29, `SELECT count(*) FROM reader_mails WHERE slot_at = 0 AND state = 'queued'`)
}
