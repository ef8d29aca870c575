package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ErrUnavailable says that nothing can be stored for now, though nothing is wrong
// with what was to be: the disk is full or fails, or another program has locked the
// database for long. What was asked for was not done.
var ErrUnavailable = errors.New("the database takes no writes for now")

// passing are SQLite's codes for what passes without a change of ours.
var passing = map[int]bool{
	sqlitelib.SQLITE_BUSY: true, sqlitelib.SQLITE_LOCKED: true, sqlitelib.SQLITE_FULL: true, sqlitelib.SQLITE_IOERR: true,
	sqlitelib.SQLITE_READONLY: true, sqlitelib.SQLITE_CANTOPEN: true, sqlitelib.SQLITE_NOMEM: true, sqlitelib.SQLITE_PROTOCOL: true,
	sqlitelib.SQLITE_INTERRUPT: true,
}

// unavailable adds ErrUnavailable to an error of SQLite's that passes.
func unavailable(err error) error {
	var se *sqlite.Error
	if errors.As(err, &se) && passing[se.Code()&0xff] && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// How long a write waits for another program's lock. Once one has waited in vain
// the others wait less: they come one after the other, and each would wait behind
// all of those before it.
const (
	patience      = 10 * time.Second
	littlePatient = 200 * time.Millisecond
)

// beginWrite begins a transaction on the writing connection.
func (d *DB) beginWrite(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	tx, err := conn.BeginTx(ctx, nil)
	var se *sqlite.Error
	locked := errors.As(err, &se) && se.Code()&0xff == sqlitelib.SQLITE_BUSY
	if (locked || err == nil) && d.locked.CompareAndSwap(!locked, locked) {
		wait := patience
		if locked {
			wait = littlePatient
		}
		set := fmt.Sprintf("PRAGMA busy_timeout = %d", wait.Milliseconds())
		if tx != nil {
			_, _ = tx.ExecContext(ctx, set)
		} else {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), set)
		}
	}
	return tx, err
}

// How Ping looks: for how long, and how long after the time before, since anybody
// may ask, and each look is a commit.
const (
	pingPatience = 2 * time.Second
	pingPause    = 50 * time.Millisecond
)

// filler needs pages that a file which can't grow doesn't have.
var filler = strings.Repeat("gatepost", 2000)

// Ping reports whether the database answers and takes writes, within two seconds:
// ErrUnavailable when it takes none. Those who ask at once share one look.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	if err := d.read.QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		return wrap("ping", err)
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	select {
	case r := <-d.pings.DoChan("", func() (any, error) { return nil, d.probe() }):
		return r.Err
	case <-ctx.Done():
		return wrap("ping", fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err()))
	}
}

// probe writes something, as large as a file that is full has no room for, and
// takes it away again.
func (d *DB) probe() error {
	time.Sleep(pingPause)
	ctx, cancel := context.WithTimeout(context.Background(), pingPatience)
	defer cancel()
	err := d.tx(ctx, func(tx *sql.Tx) error {
		id := NewID()
		if _, err := tx.ExecContext(ctx, `INSERT INTO write_probes (id, filler) VALUES ($1, $2)`, id, filler); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM write_probes WHERE id = $1`, id)
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return wrap("write to see whether it can be", err)
}
