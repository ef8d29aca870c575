// Package testdb says which database the tests run on, SQLite or PostgreSQL, and gives
// each test one of its own. It doesn't know the package db, so that db's tests can ask it.
package testdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Variable names the PostgreSQL server that the tests run on: its URL, as a user who may
// make databases. They run on SQLite when there is none, or when it is Off.
const (
	Variable = "GATEPOST_TEST_DATABASE"
	Off      = "off"
)

// Server returns the URL of the PostgreSQL server to test on, "" for SQLite.
func Server() (string, error) {
	switch v := os.Getenv(Variable); {
	case v == "" || v == Off:
		return "", nil
	case strings.HasPrefix(v, "postgres://") || strings.HasPrefix(v, "postgresql://"):
		return v, nil
	}
	return "", fmt.Errorf("%s is the postgres:// URL of a server, or %s", Variable, Off) // it may hold a password
}

// server is Server for a test.
func server(t testing.TB) string {
	t.Helper()
	url, err := Server()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// SQLiteOnly skips a test on PostgreSQL, for a reason that is told.
func SQLiteOnly(t testing.TB, reason string) {
	t.Helper()
	if server(t) != "" {
		t.Skip("of SQLite alone: " + reason)
	}
}

// PostgresOnly skips a test on SQLite, for a reason that is told.
func PostgresOnly(t testing.TB, reason string) {
	t.Helper()
	if server(t) == "" {
		t.Skip("of PostgreSQL alone: " + reason)
	}
}

// Either returns the first of two SQL texts on SQLite and the second on PostgreSQL, where
// no words are understood by both.
func Either(t testing.TB, sqlite, postgres string) string {
	t.Helper()
	if server(t) != "" {
		return postgres
	}
	return sqlite
}

// Template is a database that is made once, and copied for each test: making its tables
// takes most of a test's time.
type Template struct {
	file     func() (content []byte, err error)
	database func() (name string, err error)
}

// NewTemplate returns a database that fill makes, at the address that it is given: the path
// of a file, or a postgres:// URL. There, all processes that test the same source share it
// by its name.
func NewTemplate(name string, fill func(ctx context.Context, at string) error) *Template {
	return &Template{
		file:     sync.OnceValues(func() ([]byte, error) { return makeFile(fill) }),
		database: sync.OnceValues(func() (string, error) { return makeDatabase(name, fill) }),
	}
}

// Copy returns the address of a copy, which is gone when the test has ended.
func (m *Template) Copy(t testing.TB) string {
	t.Helper()
	if url := server(t); url != "" {
		return m.copyDatabase(t, url)
	}
	return m.File(t)
}

// File returns the path of a copy in a SQLite file, on whichever database the tests run.
func (m *Template) File(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatepost.db")
	b, err := m.file()
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func makeFile(fill func(ctx context.Context, at string) error) ([]byte, error) {
	dir, err := os.MkdirTemp("", "gatepost")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "gatepost.db")
	if err := fill(context.Background(), path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
