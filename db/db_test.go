package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// empty is an empty database: making its tables takes most of a test's time.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "gatepost")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "gatepost.db")
	d, err := Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// open returns a new database in a folder of the test's own.
func open(t testing.TB) *DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatepost.db")
	b, err := empty()
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.rehearse = true
	return d
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
