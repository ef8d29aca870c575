package sqliteconn

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
)

// writer returns a process's writing connection to the file at a path.
func writer(t *testing.T, path string) *sql.DB {
	t.Helper()
	own, err := sqlite.NewConnector("file:" + path + "?_txlock=immediate&_pragma=journal_mode(wal)&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	pool := sql.OpenDB(&Connector{Connector: own, Observer: new(Observer), Queue: path})
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	exec(t, writer(t, path), `CREATE TABLE numbers (n BIGINT UNIQUE)`)
	return path
}

// free reports whether nobody has one of the files of a queue.
func free(t *testing.T, path string) bool {
	t.Helper()
	l := flock.New(path)
	ok, err := l.TryLock()
	if err == nil {
		err = l.Unlock()
	}
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func begin(t *testing.T, pool *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Error(err)
	}
	return tx
}

// A process that has always something to write lets others have their turn.
func TestTakingTurns(t *testing.T) {
	path := file(t)
	busy, other := writer(t, path), writer(t, path)
	tx := begin(t, busy)
	var order []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		tx := begin(t, other)
		order = append(order, "other") // nobody else has begun
		_ = tx.Commit()
	}()
	for free(t, path+"-next") {
		time.Sleep(time.Millisecond) // until the other one waits
	}
	_ = tx.Commit()
	tx = begin(t, busy)
	order = append(order, "busy")
	_ = tx.Commit()
	<-done
	if !slices.Equal(order, []string{"other", "busy"}) {
		t.Errorf("went first: %q", order)
	}
}

// What doesn't write waits for nobody, and what does gives up with its caller.
func TestWhoQueues(t *testing.T) {
	path := file(t)
	pool := writer(t, path)
	turn := flock.New(path + "-turn")
	if err := turn.Lock(); err != nil {
		t.Fatal(err)
	}
	want(t, rest(t, query(t, pool, `SELECT n FROM numbers`)))
	exec(t, pool, `PRAGMA busy_timeout = 1000`)
	for name, write := range map[string]func(context.Context) error{
		"a transaction": func(ctx context.Context) error { _, err := pool.BeginTx(ctx, nil); return err },
		"an insert": func(ctx context.Context) error {
			_, err := pool.ExecContext(ctx, `INSERT INTO numbers VALUES (1)`)
			return err
		},
		"a commented update": func(ctx context.Context) error {
			_, err := pool.ExecContext(ctx, "-- name: X :exec\nUPDATE numbers SET n = 2")
			return err
		},
		"rows of an insert": func(ctx context.Context) error {
			return pool.QueryRowContext(ctx, `INSERT INTO numbers VALUES (3) RETURNING n`).Err()
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := write(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s didn't queue: %v", name, err)
		}
		cancel()
		if !free(t, path+"-next") {
			t.Errorf("%s still queues", name)
		}
	}
	// Somebody who doesn't go on stops nobody for good: the lock that counts is SQLite's.
	exec(t, pool, `INSERT INTO numbers VALUES (4)`)
	want(t, rest(t, query(t, pool, `SELECT n FROM numbers`)), 4)
}

// However something ends, it ends its turn.
func TestTurnsEnd(t *testing.T) {
	path := file(t)
	pool := writer(t, path)
	ended := func(after string) {
		t.Helper()
		if !free(t, path+"-turn") || !free(t, path+"-next") {
			t.Fatalf("the turn goes on after %s", after)
		}
	}
	exec(t, pool, `INSERT INTO numbers VALUES (1)`)
	ended("an insert")
	if _, err := pool.Exec(`INSERT INTO numbers VALUES (1)`); err == nil {
		t.Error("stored twice")
	}
	ended("an insert that failed")
	if _, err := pool.Query(`INSERT INTO nothing VALUES (1)`); err == nil {
		t.Error("stored nowhere")
	}
	ended("a statement that can't be compiled")
	want(t, rest(t, query(t, pool, `INSERT INTO numbers VALUES (2) RETURNING n`)), 2)
	ended("rows")
	tx := begin(t, pool)
	exec(t, tx, `INSERT INTO numbers VALUES (3)`)
	if free(t, path+"-turn") {
		t.Error("an insert ended the turn of its transaction")
	}
	_ = tx.Rollback()
	ended("a transaction that was undone")
	tx = begin(t, pool)
	_ = tx.Commit()
	ended("a transaction")
	unqueued, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unqueued.Close() }()
	tx = begin(t, unqueued)
	exec(t, pool, `PRAGMA busy_timeout = 1`)
	if _, err := pool.Begin(); err == nil {
		t.Error("began in the middle of another transaction")
	}
	ended("a transaction that couldn't begin")
	_ = tx.Rollback()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := pool.BeginTx(ctx, nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	exec(t, pool, `INSERT INTO numbers VALUES (4)`) // has the connection when the transaction is over
	ended("a transaction whose caller went away")
}
