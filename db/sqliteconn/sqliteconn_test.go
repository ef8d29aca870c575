package sqliteconn

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// counted opens connections that note what they compile and what they have closed.
type counted struct {
	driver.Connector
	compiled, closed []string
}

func (c *counted) Connect(ctx context.Context) (driver.Conn, error) {
	own, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countedConn{own.(fullConn), c}, nil
}

type countedConn struct {
	fullConn
	by *counted
}

func (c countedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.by.compiled = append(c.by.compiled, query)
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return countedStmt{s.(fullStmt), c.by, query}, nil
}

type countedStmt struct {
	fullStmt
	by    *counted
	query string
}

func (s countedStmt) Close() error {
	s.by.closed = append(s.by.closed, s.query)
	return s.fullStmt.Close()
}

// open returns one connection to a new file with the numbers 1 to 3.
func open(t *testing.T) (*sql.DB, *counted, *Observer) {
	t.Helper()
	return openQueued(t, "")
}

func openQueued(t *testing.T, queue string) (*sql.DB, *counted, *Observer) {
	t.Helper()
	own, err := sqlite.NewConnector("file:" + filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	c, o := &counted{Connector: own}, new(Observer)
	pool := sql.OpenDB(&Connector{Connector: c, Observer: o, Queue: queue})
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = pool.Close() })
	exec(t, pool, `CREATE TABLE numbers (n BIGINT); INSERT INTO numbers VALUES (1); INSERT INTO numbers VALUES (2), (3);`)
	return pool, c, o
}

type runner interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func exec(t *testing.T, r runner, query string, args ...any) {
	t.Helper()
	if _, err := r.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, r runner, query string, args ...any) *sql.Rows {
	t.Helper()
	rows, err := r.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rows.Close() })
	return rows
}

// rest reads the rows to their end.
func rest(t *testing.T, rows *sql.Rows) (all []int) {
	t.Helper()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func want(t *testing.T, got []int, want ...int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
}

const above = `SELECT n FROM numbers WHERE n > $1 ORDER BY n`

func TestCompiledOnce(t *testing.T) {
	pool, c, _ := open(t)
	add := "-- name: Add :exec\nINSERT INTO numbers VALUES ($1);"
	prepared, err := pool.PrepareContext(t.Context(), above)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		exec(t, pool, add, 10+i)
		want(t, rest(t, query(t, pool, above, 9+i)), 10+i)
		one, err := prepared.QueryContext(t.Context(), 9+i)
		if err != nil {
			t.Fatal(err)
		}
		want(t, rest(t, one), 10+i)
	}
	if !slices.Equal(c.compiled, []string{above, add}) {
		t.Errorf("compiled %q", c.compiled)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(c.closed); !slices.Equal(c.closed, []string{add, above}) {
		t.Errorf("the connection closed %q", c.closed)
	}
}

func TestNotKept(t *testing.T) {
	pool, c, _ := open(t)
	exec(t, pool, `UPDATE numbers SET n = n + 1; UPDATE numbers SET n = n * 2`)
	want(t, rest(t, query(t, pool, above, 0)), 4, 6, 8)
	want(t, rest(t, query(t, pool, `SELECT n FROM numbers WHERE n IN (4, `+strings.Repeat("0, ", Longest/3)+`6)`)), 4, 6)
	exec(t, pool, `PRAGMA query_only = 0`)
	exec(t, pool, `DROP TABLE numbers`)
	if !slices.Equal(c.compiled, []string{above}) {
		t.Errorf("kept %q", c.compiled)
	}
}

// A page asks for all that it shows in one long statement. A long one that writes names
// rows, and won't come again.
func TestLongOnesAreKeptWhereNothingIsWritten(t *testing.T) {
	long := `SELECT n FROM numbers WHERE n IN (2, ` + strings.Repeat("0, ", longestWrite/3) + `3)`
	for queue, kept := range map[string]int{"": 1, filepath.Join(t.TempDir(), "queue"): 0} {
		pool, c, _ := openQueued(t, queue)
		want(t, rest(t, query(t, pool, long)), 2, 3)
		if len(c.compiled) != kept {
			t.Errorf("queue %q: kept %d", queue, len(c.compiled))
		}
	}
}

func TestOpenRowsAreNotShared(t *testing.T) {
	pool, c, _ := open(t)
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	outer := query(t, tx, above, 0)
	outer.Next()
	want(t, rest(t, query(t, tx, above, 1)), 2, 3)
	want(t, rest(t, outer), 2, 3)
	want(t, rest(t, query(t, tx, above, 2)), 3)
	if len(c.compiled) != 1 {
		t.Errorf("kept %q", c.compiled)
	}
}

func TestEvicted(t *testing.T) {
	pool, c, _ := open(t)
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	reading := query(t, tx, above, 0)
	for i := range size + 10 {
		want(t, rest(t, query(t, tx, fmt.Sprintf(`SELECT %d`, i))), i)
	}
	if len(c.closed) != 10 || slices.Contains(c.closed, above) {
		t.Errorf("closed %q while the rows of the eldest were read", c.closed)
	}
	want(t, rest(t, reading), 1, 2, 3)
	if len(c.closed) != 11 || c.closed[10] != above {
		t.Errorf("closed %q when they had been read", c.closed)
	}
	want(t, rest(t, query(t, tx, above, 2)), 3)
}

func TestSchemaChanges(t *testing.T) {
	pool, c, _ := open(t)
	const all = `SELECT * FROM numbers WHERE n = 1`
	want(t, rest(t, query(t, pool, all)), 1)
	other, err := sql.Open("sqlite", databaseFile(t, pool))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	exec(t, other, `ALTER TABLE numbers ADD COLUMN name TEXT NOT NULL DEFAULT 'one'`)
	var n int
	var name string
	if err := pool.QueryRow(all).Scan(&n, &name); err != nil || n != 1 || name != "one" {
		t.Errorf("after a column was added: %d, %q, %v", n, name, err)
	}
	exec(t, other, `DROP TABLE numbers`)
	if err := pool.QueryRow(all).Scan(&n, &name); err == nil {
		t.Error("read a table that is gone")
	}
	exec(t, other, `CREATE TABLE numbers (n BIGINT); INSERT INTO numbers VALUES (1)`)
	if err := pool.QueryRow(all).Scan(&n); err != nil || n != 1 {
		t.Errorf("of the new table: %d, %v", n, err)
	}
	if got := slices.DeleteFunc(c.compiled, func(query string) bool { return query != all }); len(got) != 1 {
		t.Errorf("compiled %d times", len(got))
	}
}

func databaseFile(t *testing.T, pool *sql.DB) (path string) {
	t.Helper()
	if err := pool.QueryRow(`SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFailedStatementRunsAgain(t *testing.T) {
	pool, _, _ := open(t)
	exec(t, pool, `CREATE UNIQUE INDEX once ON numbers (n)`)
	const add = `INSERT INTO numbers VALUES ($1) RETURNING n`
	var n int
	for range 2 {
		if err := pool.QueryRow(add, 1).Scan(&n); err == nil {
			t.Fatal("stored twice")
		}
	}
	if err := pool.QueryRow(add, 4).Scan(&n); err != nil || n != 4 {
		t.Errorf("%d, %v", n, err)
	}
	want(t, rest(t, query(t, pool, above, 0)), 1, 2, 3, 4)
}

func TestCancelled(t *testing.T) {
	pool, _, _ := open(t)
	const count = `WITH RECURSIVE c (n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n + 1 FROM c WHERE n <> 0) SELECT count(*) FROM c`
	var n int
	if err := pool.QueryRow(count, 0).Scan(&n); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := pool.QueryRowContext(ctx, count, 1).Scan(&n); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a query without end: %v", err)
	}
	if err := pool.QueryRow(count, -1).Scan(&n); err != nil || n != 2 {
		t.Errorf("after one that was cancelled: %d, %v", n, err)
	}
}

func TestObserver(t *testing.T) {
	pool, _, o := open(t)
	var seen []string
	o.Observe(func(query string) { seen = append(seen, query) })
	const update = `UPDATE numbers SET n = n`
	prepared, err := pool.PrepareContext(t.Context(), update)
	if err != nil {
		t.Fatal(err)
	}
	want(t, rest(t, query(t, pool, above, 2)), 3)
	exec(t, pool, `PRAGMA query_only = 0`)
	if _, err := prepared.ExecContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Observe(nil)
	exec(t, pool, update)
	if !slices.Equal(seen, []string{above, `PRAGMA query_only = 0`, update}) {
		t.Errorf("saw %q", seen)
	}
}
