package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gatepost/db/dbtest/testdb"
)

// empty is the template of dbtest, which imports this package.
var empty = testdb.NewTemplate("empty", func(ctx context.Context, at string) error {
	d, err := Open(ctx, at)
	if err != nil {
		return err
	}
	return d.Close()
})

// open returns a new database of the test's own.
func open(t testing.TB) *DB {
	t.Helper()
	d, err := Open(context.Background(), empty.Copy(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.rehearse = true
	return d
}

// writeCounts is WriteCounts of dbtest.
func (d *DB) writeCounts(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := d.FoldCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(testdb.OnCounts(t, statement), args...); err != nil {
		t.Fatal(err)
	}
}

// refuse has the database refuse a change, as "INSERT ON subscribers". What is counted
// on PostgreSQL is inserted elsewhere than its name says.
func (d *DB) refuse(t *testing.T, change string) (over func()) {
	t.Helper()
	counters := map[string]string{"ledger": "ledger", "ledger_sums": "ledger", "state_counts": "place", "hour_counts": "place", "org_counts": "place", "activity": "activity"}
	_, table, _ := strings.Cut(change, " ON ")
	if _, ok := d.counter.(deltas); ok && counters[table] != "" {
		return testdb.Refuse(t, d.write, "INSERT ON count_deltas", "new.counter = '"+counters[table]+"'")
	}
	return testdb.Refuse(t, d.write, change, "")
}

// A program that is older than the tables would read and write them wrongly.
func TestOpenRefusesNewerTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatepost.db")
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(t.Context(), path); !errors.Is(err, ErrNewer) {
		t.Errorf("opened %v, %v", d, err)
	}
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d", "gatepost.db")
	for range 2 {
		d, err := Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ping(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is not where it was asked for, or not private: %v, %v", info, err)
	}
}

// What a database keeps stands in several rooms, so that whoever needs one of them
// finds it whole at a glance.
func TestNoRoomIsCrowded(t *testing.T) {
	shared := reflect.TypeFor[*base]().NumMethod()
	of := reflect.TypeFor[DB]()
	for i := range of.NumField() {
		if room := of.Field(i).Type; room.NumMethod()-shared > 40 {
			t.Errorf("%v has %d methods of its own", room, room.NumMethod()-shared)
		}
	}
}
