package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// migratesWithin bounds how long a process waits for another one that changes the tables.
const migratesWithin = 10 * time.Minute

// migrating runs fn in one transaction, which is the lock: SQLite has one writer. A
// process that is killed meanwhile leaves what was there before.
func (s *sqliteFile) migrating(ctx context.Context, fn func(*sql.DB) error) (err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back
	tx, err := s.beginMigrating(ctx, conn)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	err = conn.Raw(func(dc any) error {
		pool := sql.OpenDB(nested{dc.(interface{ Unwrap() driver.Conn }).Unwrap().(sqliteConn)})
		pool.SetMaxOpenConns(1) // there is but this one
		return errors.Join(fn(pool), pool.Close())
	})
	if err != nil {
		return err
	}
	return tx.Commit()
}

// beginMigrating waits for those who write, as long as a migration may take them.
func (s *sqliteFile) beginMigrating(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	for until := time.Now().Add(migratesWithin); ; {
		tx, err := conn.BeginTx(ctx, nil)
		if err == nil || !sqliteBusy(err) || time.Now().After(until) {
			return tx, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// sqliteConn is what a connection of SQLite's driver can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

// nested is a connection on which a transaction is under way: what begins and ends on it
// is a part of that one. It is a connector too, of a pool that has but this connection.
type nested struct{ sqliteConn }

// Connect returns the connection.
func (n nested) Connect(context.Context) (driver.Conn, error) { return n, nil }

// Driver is asked for by nobody.
func (n nested) Driver() driver.Driver { return nil }

// Close leaves the connection open, which is another pool's.
func (n nested) Close() error { return nil }

// BeginTx begins a part.
func (n nested) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	_, err := n.ExecContext(ctx, "SAVEPOINT part", nil)
	return savepoint{n}, err
}

// savepoint is a part of a transaction.
type savepoint struct{ conn nested }

// Commit keeps what was done in it, if the whole is committed.
func (p savepoint) Commit() error { return p.end("RELEASE part") }

// Rollback undoes what was done in it.
func (p savepoint) Rollback() error { return p.end("ROLLBACK TO part", "RELEASE part") }

func (p savepoint) end(statements ...string) error {
	for _, s := range statements {
		if _, err := p.conn.ExecContext(context.Background(), s, nil); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
