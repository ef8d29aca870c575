package simulated

import (
	"context"
	"database/sql"
	"errors"
	"net/url"

	_ "modernc.org/sqlite" // the driver
)

const tables = `
CREATE TABLE IF NOT EXISTS kv (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tallies (org TEXT, name TEXT, n INTEGER NOT NULL, PRIMARY KEY (org, name));
CREATE TABLE IF NOT EXISTS clients (id TEXT PRIMARY KEY, secret TEXT NOT NULL, redirect_uris TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orgs (id TEXT PRIMARY KEY, name TEXT NOT NULL, sandbox INTEGER NOT NULL,
	key TEXT NOT NULL DEFAULT '', apart INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, org TEXT NOT NULL REFERENCES orgs, username TEXT NOT NULL UNIQUE,
	first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT NOT NULL, password TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS approvals (id TEXT PRIMARY KEY, login TEXT NOT NULL, ask TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS codes (code TEXT PRIMARY KEY, client TEXT NOT NULL, user TEXT NOT NULL, redirect_uri TEXT NOT NULL,
	scope TEXT NOT NULL, challenge TEXT NOT NULL, nonce TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0,
	org TEXT NOT NULL DEFAULT '');
`

// Querier is what reads and writes: the database, or a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (c *Core) open(ctx context.Context, path string) error {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"
	var err error
	if c.Write, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	c.Write.SetMaxOpenConns(1)
	if c.Read, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	c.Read.SetMaxOpenConns(8)
	c.Read.SetMaxIdleConns(8)
	if _, err := c.Write.ExecContext(ctx, tables+c.service.Tables); err != nil {
		return err
	}
	if err := c.upgrade(ctx); err != nil {
		return err
	}
	err = c.Tx(ctx, func(q Querier) error { return c.service.Seed(ctx, c, q) })
	if err == nil {
		err = c.loadClock(ctx)
	}
	if err != nil {
		return err
	}
	return c.LoadOrgs(ctx)
}

func (c *Core) closeFile() error {
	var errs []error
	for _, db := range []*sql.DB{c.Read, c.Write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// upgrades bring a file of an earlier release up to date: each is done when what it asks
// for is not there, or for the last one, still there.
var upgrades = []struct{ missing, statement string }{
	{`pragma_table_info('orgs') WHERE name = 'key'`, `ALTER TABLE orgs ADD COLUMN key TEXT NOT NULL DEFAULT ''`},
	{`pragma_table_info('orgs') WHERE name = 'apart'`, `ALTER TABLE orgs ADD COLUMN apart INTEGER NOT NULL DEFAULT 0`},
	{`pragma_table_info('codes') WHERE name = 'org'`, `ALTER TABLE codes ADD COLUMN org TEXT NOT NULL DEFAULT ''`},
}

func (c *Core) upgrade(ctx context.Context) error {
	return c.Tx(ctx, func(q Querier) error {
		for _, u := range upgrades {
			has, err := exists(ctx, q, u.missing)
			if err == nil && !has {
				_, err = q.ExecContext(ctx, u.statement)
			}
			if err != nil {
				return err
			}
		}
		old, err := exists(ctx, q, `sqlite_schema WHERE type = 'table' AND name = 'counters'`)
		if err != nil || !old {
			return err
		}
		_, err = q.ExecContext(ctx, `INSERT INTO tallies (org, name, n) SELECT '', name, n FROM counters WHERE true ON CONFLICT DO NOTHING;
			DROP TABLE counters`)
		return err
	})
}

func exists(ctx context.Context, q Querier, what string) (yes bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+what+`)`).Scan(&yes)
	return yes, err
}

// Tx runs fn in one write transaction.
func (c *Core) Tx(ctx context.Context, fn func(q Querier) error) error {
	tx, err := c.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Savepoint runs fn inside the transaction q, undoing only fn's work when it fails.
func Savepoint(ctx context.Context, q Querier, fn func() error) error {
	if _, err := q.ExecContext(ctx, `SAVEPOINT call`); err != nil {
		return err
	}
	err := fn()
	if err != nil {
		if _, undo := q.ExecContext(ctx, `ROLLBACK TO call`); undo != nil {
			err = errors.Join(err, undo)
		}
	}
	if _, done := q.ExecContext(ctx, `RELEASE call`); done != nil {
		err = errors.Join(err, done)
	}
	return err
}

// Rows runs a query and hands each row to scan.
func Rows(ctx context.Context, q Querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rs, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		if err := scan(rs); err != nil {
			return err
		}
	}
	return rs.Err()
}
