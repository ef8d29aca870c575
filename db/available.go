package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUnavailable says that nothing can be stored for now, though nothing is wrong
// with what was to be: the disk is full or fails, or another program has locked the
// database for long. What was asked for was not done; or nobody can tell yet, when a
// server went away before it answered and stays away.
var ErrUnavailable = errors.New("the database takes no writes for now")

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

// Replication says what becomes of what was stored when another server takes over.
type Replication string

// The kinds of replication.
const (
	ReplicationNone         Replication = "none"         // there is no other server: a file
	ReplicationSynchronous  Replication = "synchronous"  // what was stored is on a standby too: nothing is lost
	ReplicationAsynchronous Replication = "asynchronous" // the last of what was stored may not be on a standby yet, and lost
)

// Replication returns what becomes of what was stored when another server takes over.
func (d *DB) Replication(ctx context.Context) (Replication, error) {
	r, err := d.engine.replication(ctx)
	return r, wrap("see how it is replicated", err)
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
