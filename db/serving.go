package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrMarked says that a database isn't to be used: it is being copied, was moved, or isn't
// whole yet. The sentence around it says which, and what to do.
var ErrMarked = errors.New("it is not to be used")

// ServingTime is how long the right to serve is good for, from its taking or renewal.
const ServingTime = 30 * time.Second

// Serve takes, or renews, the right of a process to serve the database. Any number of
// processes have it, but none while the database is copied or after it was moved: then
// ErrMarked comes back.
func (d *DB) Serve(ctx context.Context, owner string) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		c, err := readCopy(ctx, tx)
		if err != nil {
			return err
		}
		if c.ID != "" {
			return c.refusal()
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO leases (name, owner, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET until = excluded.until`,
			serving(owner), owner, millis(d.now().Add(ServingTime)))
		return err
	})
	return wrap("take the right to serve", err)
}

// StopServing gives the right to serve back.
func (d *DB) StopServing(ctx context.Context, owner string) error {
	_, err := d.exec(ctx, `DELETE FROM leases WHERE name = $1`, serving(owner))
	return wrap("give the right to serve back", err)
}

// serving is the name of the lease of a process that serves.
func serving(owner string) string { return "serve:" + owner }

// refuseServed returns an error while a process serves the database. Its lease tells it,
// and those of the tenants that it delivers.
func refuseServed(ctx context.Context, tx *sql.Tx, now time.Time) error {
	var until sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT max(until) FROM leases WHERE until > $1`, millis(now)).Scan(&until); err != nil || !until.Valid {
		return err
	}
	return fmt.Errorf("a process serves it, or was killed a moment ago: stop all of them, or wait %d seconds", int(fromMillis(until.Int64).Sub(now)/time.Second)+1)
}

// refuseMarked returns ErrMarked for a database that isn't to be used.
func (d *DB) refuseMarked(ctx context.Context) error {
	c, err := readCopy(ctx, d.read)
	if err == nil && c.ID != "" {
		err = c.refusal()
	}
	return err
}
