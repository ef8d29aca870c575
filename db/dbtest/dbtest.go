// Package dbtest gives tests a database of their own.
package dbtest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gatepost/db"
)

// empty is an empty database: making its tables takes most of a test's time.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "gatepost")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "gatepost.db")
	d, err := db.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Path returns the path of an empty database in a folder of the test's own.
func Path(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatepost.db")
	b, err := empty()
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens the database at a path until the test ends.
func Open(t testing.TB, path string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}
