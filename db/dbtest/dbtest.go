// Package dbtest gives tests a database of their own: a SQLite file, or a PostgreSQL
// database on the server that GATEPOST_TEST_DATABASE names.
package dbtest

import (
	"context"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest/testdb"
)

var empty = testdb.NewTemplate("empty", func(ctx context.Context, at string) error {
	d, err := db.Open(ctx, at)
	if err != nil {
		return err
	}
	return d.Close()
})

// Path returns the path or the URL of an empty database of the test's own.
func Path(t testing.TB) string {
	t.Helper()
	return empty.Copy(t)
}

// Open opens the database at a path or a URL until the test ends.
func Open(t testing.TB, at string) *db.DB {
	t.Helper()
	d, err := db.Open(context.WithoutCancel(t.Context()), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// WriteCounts runs a statement that writes counts behind the product's back.
func WriteCounts(t testing.TB, d *db.DB, statement string, args ...any) {
	t.Helper()
	if _, err := d.FoldCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Writer().Exec(testdb.OnCounts(t, statement), args...); err != nil {
		t.Fatal(err)
	}
}

// SQLiteOnly skips a test on PostgreSQL, for a reason that is told.
func SQLiteOnly(t testing.TB, reason string) {
	t.Helper()
	testdb.SQLiteOnly(t, reason)
}

// PostgresOnly skips a test on SQLite, for a reason that is told.
func PostgresOnly(t testing.TB, reason string) {
	t.Helper()
	testdb.PostgresOnly(t, reason)
}
