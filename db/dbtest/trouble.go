package dbtest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"gatepost/db"

	_ "modernc.org/sqlite" // opens the file beside the package db
)

// Lock has another program lock the database at a path for writing, until the
// returned function is called. Those who wait for it give up soon.
func Lock(t testing.TB, path string, waiting ...*db.DB) (unlock func()) {
	t.Helper()
	SQLiteOnly(t, "a lock on all of a database")
	for _, d := range waiting {
		Pragma(t, d, "busy_timeout = 50")
	}
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(); _ = other.Close() }
}

// Fill has the database be full as a disk is, which works without one that is: the
// file may not grow, and has no page left, until the returned function is called.
func Fill(t testing.TB, d *db.DB) (room func()) {
	t.Helper()
	SQLiteOnly(t, "a database that may not grow")
	var pages int
	if err := d.Writer().QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	Pragma(t, d, fmt.Sprintf("max_page_count = %d", pages))
	for size := 1 << 16; size > 100; { // until there is no room for little either
		if _, err := d.Writer().Exec(`INSERT INTO write_probes (id, filler) VALUES ($1, $2)`, "fill "+db.NewID(), strings.Repeat("x", size)); err != nil {
			size /= 2
		}
	}
	return func() {
		Pragma(t, d, "max_page_count = 1000000")
		if _, err := d.Writer().Exec(`DELETE FROM write_probes WHERE id LIKE 'fill %'`); err != nil {
			t.Fatal(err)
		}
	}
}

// Pragma sets something of the writing connection.
func Pragma(t testing.TB, d *db.DB, set string) {
	t.Helper()
	SQLiteOnly(t, "pragmas")
	if _, err := d.Writer().Exec("PRAGMA " + set); err != nil {
		t.Fatal(err)
	}
}
