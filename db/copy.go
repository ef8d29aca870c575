package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
)

// What a database is to a copy. The first two are of the one that is copied.
const (
	copying  = "copying"  // nobody may change it
	moved    = "moved"    // the other one goes on with what is in it
	incoming = "incoming" // not all is in it yet
)

// databaseCopy is the copying of one database into another.
type databaseCopy struct {
	ID, state, other string
	at               time.Time
}

func readCopy(ctx context.Context, q rowQueryer) (c databaseCopy, err error) {
	var at int64
	err = q.QueryRowContext(ctx, `SELECT id, state, other, at FROM database_copies`).Scan(&c.ID, &c.state, &c.other, &at)
	c.at = fromMillis(at)
	return c, ignore(err, sql.ErrNoRows)
}

// refusal says why a database isn't to be used, and what to do.
func (c databaseCopy) refusal() error {
	why := map[string]string{
		copying:  "it is being copied to %s, since %s: go on with gatepost database copy, or give it up with gatepost database unmark",
		moved:    "it was moved to %s, on %s: serve that one, since two with the same connections end all of them. If that one is never served again, run gatepost database unmark",
		incoming: "not all of %s is in it, which has been copied into it since %s: run gatepost database copy there again",
	}[c.state]
	return markedError(fmt.Sprintf(why, c.other, c.at.UTC().Format("2006-01-02 15:04 UTC")))
}

// markedError is an ErrMarked with what there is to be said of it.
type markedError string

// Error says why the database isn't to be used, and what to do.
func (m markedError) Error() string { return string(m) }

// Is says that it is an ErrMarked.
func (m markedError) Is(target error) bool { return target == ErrMarked }

// leftBehind are the tables whose rows aren't copied, beside those of the job runner, whose
// work is found again by the sweep, or queued again, and what subscribers are found by,
// which is made anew: QueueUnfound finds that nobody is known. What is counted by the day the target counts itself, as the hours
// arrive. Where the bytes of erased people stand is a matter of the file's.
var leftBehind = []string{"day_counts", versionTable, "database_copies", "compactions", "leases", "write_probes", "search_rows", "search_queue", "search_looks"}

// Copied is what a copy has brought.
type Copied struct {
	To     string // the database, without its password
	Tables int
	Rows   int
}

// Copy copies a database in a SQLite file into one on PostgreSQL, which it makes where it is
// empty, while nobody serves the one or the other, and nobody changes the one. What was
// stopped is gone on with when it is called again. In the end the file is marked as moved,
// and then the other may be served. progress is told how many rows of a table are there.
func Copy(ctx context.Context, from, to string, progress func(table string, rows, of int)) (Copied, error) {
	if Postgres(from) || !Postgres(to) {
		return Copied{}, errors.New("a database is copied from a SQLite file to PostgreSQL: between servers, use pg_dump")
	}
	source, err := openExisting(ctx, from, opening{marked: true})
	if err != nil {
		return Copied{}, err
	}
	defer func() { _ = source.Close() }()
	target, err := openWith(ctx, engineFor(to), opening{makes: true, marked: true})
	if err != nil {
		return Copied{}, err
	}
	defer func() { _ = target.Close() }()
	c := copier{source: source, target: target, progress: progress}
	begun, err := c.claimSource(ctx)
	if err != nil {
		return Copied{}, err
	}
	copied, err := c.copy(ctx)
	if begun && errors.Is(err, errTarget) {
		gaveUp := c.source.Unmark(context.WithoutCancel(ctx), Mark{copy: databaseCopy{ID: c.id, state: copying}})
		err = errors.Join(err, gaveUp)
	}
	return copied, err
}

// errTarget says that nothing was copied, since the target won't do.
var errTarget = errors.New("nothing was copied")

// copier copies one database into another.
type copier struct {
	source, target *DB
	progress       func(table string, rows, of int)
	id             string
}

// claimSource marks the source as being copied, unless it is, and reports whether it did.
func (c *copier) claimSource(ctx context.Context) (begun bool, err error) {
	fresh := NewID()
	err = c.source.tx(ctx, func(tx *sql.Tx) error {
		before, err := readCopy(ctx, tx)
		begun, c.id = before.ID == "", cmp.Or(before.ID, fresh)
		switch {
		case err != nil:
			return err
		case begun:
			return c.mark(ctx, tx, c.source, copying, c.target)
		case before.state == incoming, before.other != c.target.Name():
			return before.refusal()
		}
		return nil
	})
	return begun, wrap("copy the database "+c.source.Name(), err)
}

// mark marks a database that nobody serves.
func (c *copier) mark(ctx context.Context, tx *sql.Tx, d *DB, state string, other *DB) error {
	if err := refuseServed(ctx, tx, d.now()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO database_copies (id, state, other, at) VALUES ($1, $2, $3, $4)`, c.id, state, other.Name(), millis(d.now()))
	return err
}

// claimTarget marks the target as incoming, unless it is: nobody has changed the source
// since, so that what has arrived is good. What came by another copy is thrown away.
func (c *copier) claimTarget(ctx context.Context, tables []string, wasMoved bool) error {
	return c.target.tx(ctx, func(tx *sql.Tx) error {
		before, err := readCopy(ctx, tx)
		switch {
		case err != nil || before.ID == c.id:
			return err
		case before.state == incoming: // by a copy that was given up
			if _, err := tx.ExecContext(ctx, `TRUNCATE database_copies, `+strings.Join(c.stored(tables), ", ")+` CASCADE`); err != nil {
				return err
			}
			return c.mark(ctx, tx, c.target, incoming, c.source)
		case before.ID != "":
			return before.refusal()
		case wasMoved:
			return errors.New("the other one was moved there already, whole: serve this one")
		}
		for _, table := range c.stored(tables) {
			var rows bool
			if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+table+`)`).Scan(&rows); err != nil {
				return err
			}
			if rows {
				return errors.New("there is something in it already: give an empty one")
			}
		}
		return c.mark(ctx, tx, c.target, incoming, c.source)
	})
}

// stored are the tables of the target that rows of the source's are copied to.
func (c *copier) stored(tables []string) (stored []string) {
	for _, table := range tables {
		stored = append(stored, c.target.engine.stored(table))
	}
	return stored
}

// ordered are the tables of the source that are copied, each after those that its rows
// refer to.
func (c *copier) ordered(ctx context.Context, q rowsQueryer) (ordered []string, err error) {
	left, err := collect(ctx, q, scanID, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'river_%'
		AND name NOT LIKE '`+searchIndex+`%' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	left = slices.DeleteFunc(left, func(table string) bool { return slices.Contains(leftBehind, table) })
	for len(left) > 0 {
		before := len(left)
		for _, table := range slices.Clone(left) {
			needs, err := collect(ctx, q, scanID, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)`, table)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(needs, func(need string) bool { return need != table && slices.Contains(left, need) }) {
				continue
			}
			ordered = append(ordered, table)
			left = slices.DeleteFunc(left, func(t string) bool { return t == table })
		}
		if len(left) == before {
			return nil, fmt.Errorf("the tables %s refer to each other", strings.Join(left, ", "))
		}
	}
	return ordered, nil
}

// copy copies all tables, compares, and hands over. A transaction that may write keeps
// everybody else from changing the source.
func (c *copier) copy(ctx context.Context) (copied Copied, err error) {
	conn, err := c.source.write.Conn(ctx)
	if err != nil {
		return copied, err
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return copied, fmt.Errorf("copy the database %s: %w", c.source.Name(), c.source.engine.plainly(err))
	}
	defer func() { _ = tx.Rollback() }()
	is, err := readCopy(ctx, tx) // another call may have ended it while this one waited
	if err != nil {
		return copied, err
	}
	if is.ID != c.id { // from here on nobody else writes
		return copied, fmt.Errorf("copy the database %s: its mark was taken away meanwhile, and nothing was copied: run the command again", c.source.Name())
	}
	tables, err := c.ordered(ctx, tx)
	if err != nil {
		return copied, err
	}
	if err := c.claimTarget(ctx, tables, is.state == moved); err != nil {
		return copied, fmt.Errorf("copy into the database %s: %w: %w", c.target.Name(), errTarget, err)
	}
	for _, table := range tables {
		rows, err := c.copyTable(ctx, tx, table)
		if err != nil {
			return copied, fmt.Errorf("copy the table %s: %w", table, c.target.engine.plainly(err))
		}
		copied.Rows += rows
	}
	copied.To, copied.Tables = c.target.Name(), len(tables)
	return copied, c.handOver(ctx, tx, tables)
}

// copyTable copies a table, as a whole or not at all, unless it is there already.
func (c *copier) copyTable(ctx context.Context, tx *sql.Tx, table string) (rows int, err error) {
	want, there, err := c.count(ctx, tx, table)
	switch {
	case err != nil || want == 0:
		return want, err
	case there > 0:
		c.progress(table, there, want)
		return want, nil
	}
	return want, c.stream(ctx, tx, table, want)
}

func (c *copier) count(ctx context.Context, tx *sql.Tx, table string) (want, there int, err error) {
	if err = tx.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&want); err == nil {
		err = c.bulk().QueryRowContext(ctx, `SELECT count(*) FROM `+c.target.engine.stored(table)).Scan(&there)
	}
	return want, there, err
}

// bulk is the pool whose statements may take as long as they do.
func (c *copier) bulk() *sql.DB { return c.target.engine.(*postgres).unlimited }

// stream copies the rows of a table with COPY.
func (c *copier) stream(ctx context.Context, tx *sql.Tx, table string, of int) error {
	rows, err := tx.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	conn, err := c.bulk().Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(dc any) error {
		source := &copiedRows{rows: rows, columns: len(columns), each: func(n int) { c.progress(table, n, of) }}
		_, err := dc.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{c.target.engine.stored(table)}, columns, source)
		return err
	})
}

// toldEvery is after how many rows progress is told.
const toldEvery = 20_000

// copiedRows reads rows for COPY.
type copiedRows struct {
	rows       *sql.Rows
	columns, n int
	each       func(n int)
}

// Next reports whether there is another row.
func (r *copiedRows) Next() bool {
	more := r.rows.Next()
	if more {
		r.n++
	}
	if !more || r.n%toldEvery == 0 {
		r.each(r.n)
	}
	return more
}

// Values are those of the row.
func (r *copiedRows) Values() ([]any, error) {
	values, to := make([]any, r.columns), make([]any, r.columns)
	for i := range values {
		to[i] = &values[i]
	}
	err := r.rows.Scan(to...)
	for i := range values {
		values[i] = storableValue(values[i]) // SQLite takes any bytes for text
	}
	return values, err
}

// Err is why there are no more rows.
func (r *copiedRows) Err() error { return r.rows.Err() }

// handOver compares how many rows there are, marks the source as moved, and then has the
// target be one that may be served: never both.
func (c *copier) handOver(ctx context.Context, tx *sql.Tx, tables []string) error {
	var differ []string
	for _, table := range tables {
		want, there, err := c.count(ctx, tx, table)
		if err != nil {
			return err
		}
		if want != there {
			differ = append(differ, fmt.Sprintf("%s (%d, and %d arrived)", table, want, there))
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("the counts differ, so that nothing is handed over: %s. Make the database %s anew, empty, and copy again", strings.Join(differ, ", "), c.target.Name())
	}
	if _, err := c.bulk().ExecContext(ctx, `ANALYZE`); err != nil { // so that it knows how to read them
		return err
	}
	if is, err := readCopy(ctx, c.target.read); err != nil || is.ID != c.id {
		return cmp.Or(err, errors.New("another copy goes into it: give a database of its own"))
	}
	res, err := tx.ExecContext(ctx, `UPDATE database_copies SET state = $1, at = $2 WHERE id = $3 AND state IN ($1, $4)`, moved, millis(c.source.now()), c.id, copying)
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	if err := fence(ctx, tx, tables); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return wrap("hand over", c.target.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM database_copies WHERE id = $1 AND state = $2`, c.id, incoming); err != nil {
			return err
		}
		return c.target.queueAgain(ctx, tx)
	}))
}

// queueAgain queues what waited in the job runner's tables, which aren't copied, and what
// no sweep finds there: mails and revocations.
func (d *DB) queueAgain(ctx context.Context, tx *sql.Tx) error {
	mails, err := collect(ctx, tx, scanID, `SELECT id FROM mails WHERE state = $1`, MailQueued)
	if err != nil {
		return err
	}
	revocations, err := collect(ctx, tx, scanID, `SELECT id FROM revocations`)
	if err != nil {
		return err
	}
	var jobs []river.InsertManyParams
	for _, id := range mails {
		jobs = append(jobs, mailJob(id))
	}
	for _, id := range revocations {
		jobs = append(jobs, revokeJob(id, d.now()))
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err = d.jobs.InsertManyTx(ctx, tx, jobs)
	return err
}

// Mark says that a database is being copied, or was moved.
type Mark struct {
	Other string // the other database
	copy  databaseCopy
}

// Marked returns the mark of the database; the zero Mark when it has none.
func (d *DB) Marked(ctx context.Context) (Mark, error) {
	c, err := readCopy(ctx, d.read)
	return Mark{c.other, c}, wrap("see whether it is marked", err)
}

// Unmark has a database that is being copied, or was moved, be one that may be served
// again. One that isn't whole stays as it is, and gives ErrMarked. ErrLost: it isn't
// marked like that any more.
func (d *DB) Unmark(ctx context.Context, m Mark) error {
	if m.copy.state == incoming {
		return m.copy.refusal()
	}
	return wrap("unmark the database", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM database_copies WHERE id = $1 AND state = $2`, m.copy.ID, m.copy.state)
		if err := changed(res, err, ErrLost); err != nil {
			return err
		}
		if _, file := d.engine.(*sqliteFile); file {
			return unfence(ctx, tx)
		}
		return nil
	}))
}

// A file that was moved has a fence around each of its tables: a process that was
// suspended all the time doesn't know yet that it lost the right to serve.
const fencePrefix = "moved_"

// fence has a file refuse every change of the tables that were copied from it.
func fence(ctx context.Context, tx *sql.Tx, tables []string) error {
	for _, table := range tables {
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			_, err := tx.ExecContext(ctx, `CREATE TRIGGER IF NOT EXISTS `+fencePrefix+change+`_`+table+` BEFORE `+change+` ON `+table+
				` BEGIN SELECT RAISE(ABORT, 'this database was moved'); END`)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// unfence takes the fence away.
func unfence(ctx context.Context, tx *sql.Tx) error {
	all, err := collect(ctx, tx, scanID, `SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'moved\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	for _, name := range all {
		if _, err := tx.ExecContext(ctx, `DROP TRIGGER `+name); err != nil {
			return err
		}
	}
	return nil
}
