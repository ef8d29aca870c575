package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
)

// engine is what SQLite and PostgreSQL do in ways of their own.
type engine interface {
	// name says which database it is, without the password.
	name() string
	// exists reports whether something is there to be opened.
	exists(ctx context.Context) (bool, error)
	// connect makes what is missing of it and returns the pools that write and that read.
	connect(ctx context.Context) (write, read *sql.DB, err error)
	// tables are the names of all tables that are there.
	tables(ctx context.Context) ([]string, error)
	// dialect is how the tables are written down for it.
	dialect() goose.Dialect
	// migrating runs fn, with the pool on which tables may be changed, while no other
	// process does the same: it waits for its turn.
	migrating(ctx context.Context, fn func(pool *sql.DB) error) error
	// alone sees to it, in the transaction of an exclusive migration, that nobody else comes in
	// between, and that there is room for it as far as that can be known.
	alone(ctx context.Context, tx *sql.Tx) error
	// source is what a set's rows are selected from, and the arguments, behind those given.
	source(s *set, args []any) (string, []any)
	// enter stores sign-ups, all or none: errEntry when it may be one of them that can't be.
	enter(ctx context.Context, b *book, signUps []SignUp) ([]SignedUp, error)
	// counter is how counts are kept.
	counter() counter
	// search is how subscribers are found.
	search() searcher
	// stored is the table that has the rows of one that is read and written by its name.
	stored(table string) string
	// emptied are the tables that must be emptied for one of wipedTables.
	emptied(table string) []string
	// notify tells all processes something, once the transaction is committed.
	notify(ctx context.Context, tx *sql.Tx, texts []string) error
	// notifySoon tells them apart from any transaction, without waiting.
	notifySoon(texts []string)
	// listen calls heard with what they tell, until ctx ends.
	listen(ctx context.Context, heard func(text string))
	// jobs is what River works with.
	jobs() riverdriver.Driver[*sql.Tx]
	// wake has job runners look when the transaction with a new job is committed.
	wake(queue string)
	// replication is what becomes of what was stored when another server takes over.
	replication(ctx context.Context) (Replication, error)
	// jobsOn is what River brings its tables up to date with.
	jobsOn(pool *sql.DB) riverdriver.Driver[*sql.Tx]
	// peek opens a pool that only reads, and needs nothing to be as it should.
	peek() (*sql.DB, error)
	// now is the time, by the clock that all processes go by.
	now() time.Time
	// begin begins a transaction that may write.
	begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel) (*sql.Tx, error)
	// oneWriter reports whether transactions that may write come one after the other.
	oneWriter() bool
	// commit commits, and finds out what became of it when the answer is lost.
	commit(ctx context.Context, tx *sql.Tx) error
	// compacter rewrites it without the bytes of what was deleted; nil where that is the operator's.
	compacter() compacter
	// plainly says in our words why it can't be opened.
	plainly(err error) error
	// observe has see called with each statement that is run from now on; nil ends it.
	observe(see func(query string))
	close() error
}

// fault is what an error of the database means.
type fault int

const (
	faultOfCaller fault = iota // something is wrong with what was to be done
	faultConflict              // there is such a row already
	faultPassing               // nothing is wrong with what was to be done, which wasn't
	faultAgain                 // others were in the way: it is to be run again
)

// errAgain says that a transaction was not committed and is to be run again.
var errAgain = errors.New("the transaction was rolled back")

// How often a transaction is run when others are in the way, and the pause before
// the second time; each later one is up to twice as long, within a bound.
const (
	mostTries  = 60
	firstPause = time.Millisecond
	lastPause  = 64 * time.Millisecond
)

// tx runs fn in a transaction that may write, and commits unless fn fails. On
// PostgreSQL it is serializable, and is run again when the database says so: fn must
// be fit to run twice.
func (d *base) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	return d.transact(ctx, sql.LevelSerializable, fn)
}

// txCommitted is tx for what relies on nothing that it has read before: its statements
// see what is committed when each begins (PostgreSQL's READ COMMITTED), and wait for
// others who change the same rows, instead of being run again.
func (d *base) txCommitted(ctx context.Context, fn func(*sql.Tx) error) error {
	return d.transact(ctx, sql.LevelReadCommitted, fn)
}

func (d *base) transact(ctx context.Context, level sql.IsolationLevel, fn func(*sql.Tx) error) error {
	if d.rehearse {
		_ = d.once(ctx, level, func(tx *sql.Tx) error { return errors.Join(fn(tx), errAgain) })
	}
	conflicts := 0
	return d.again(ctx, func() error {
		err := d.once(ctx, level, fn)
		if level == sql.LevelSerializable && postgresFault(err) == faultConflict {
			// Somebody else's row, which fn didn't see, is told by its key before it is told
			// by what fn has read. Now it sees it.
			if conflicts++; conflicts == 1 {
				return fmt.Errorf("%w: %w", errAgain, err)
			}
		}
		return err
	})
}

// again runs fn until others are no longer in its way.
func (d *base) again(ctx context.Context, fn func() error) error {
	for try := 0; ; try++ {
		err := fn()
		if err == nil || faultOf(err) != faultAgain || try == mostTries {
			return unavailable(err)
		}
		pause := min(firstPause<<min(try, 10), lastPause)
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-over.C:
		return nil
	}
}

func (d *base) once(ctx context.Context, level sql.IsolationLevel, fn func(*sql.Tx) error) error {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back
	tx, err := d.engine.begin(ctx, conn, level)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(tx); err != nil {
		return err
	}
	return d.engine.commit(ctx, tx)
}

// exec runs one statement that changes something, in a transaction of its own that
// relies on nothing but its own conditions.
func (d *base) exec(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	err = d.again(ctx, func() error {
		n, err := d.statement(ctx, query, args)
		if errors.Is(err, driver.ErrBadConn) { // the connection had ended, so that nothing was done
			err = fmt.Errorf("%w: %w", errAgain, err)
		}
		res = driver.RowsAffected(n)
		return err
	})
	return res, err
}

// statement runs a statement on a connection of its own, and returns how many rows it changed.
// The number is read before the connection is given back: it is the connection's, so that
// reading it later would wait for whoever has it by then, and who may wait for another process.
func (d *base) statement(ctx context.Context, query string, args []any) (rows int64, err error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // gives it back
	res, err := conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// faultOf sorts an error, of whichever database.
func faultOf(err error) fault {
	if errors.Is(err, errAgain) {
		return faultAgain
	}
	return max(sqliteFault(err), postgresFault(err))
}

// unavailable adds ErrUnavailable to an error of the database's that passes.
func unavailable(err error) error {
	if f := faultOf(err); (f == faultPassing || f == faultAgain) && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// wrap says what was being done, and turns the driver's errors into ours.
func wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	case faultOf(err) == faultConflict:
		return fmt.Errorf("%s: %w", doing, ErrConflict)
	}
	return fmt.Errorf("%s: %w", doing, unavailable(err))
}
