// Package db keeps everything that Gatepost remembers, in one SQLite file.
// Every SQL statement of the product stands here, in words that PostgreSQL
// understands too. The package knows no HTTP and no OAuth.
package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"gatepost/files"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/singleflight"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

var (
	// ErrNotFound says that there is no such row, or none that the caller may see.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that something with the same name exists already.
	ErrConflict = errors.New("exists already")
	// ErrLost says that a lease or a generation went to somebody else meanwhile.
	ErrLost = errors.New("lost to a newer change")
	// ErrNewer says that a later version of Gatepost has changed the tables.
	ErrNewer = errors.New("a newer version of Gatepost has used it already: start that one, or restore the backup from before")
	// ErrMissing says that there is no database yet.
	ErrMissing = errors.New("there is no database")
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open database. Its methods are safe for concurrent use, by any
// number of processes on the same file.
type DB struct {
	write      *sql.DB // one connection: SQLite has one writer at a time
	read       *sql.DB
	identity   *sql.Stmt // reads the row of each credential that is given out
	newsletter *sql.Stmt // reads the row that each sign-up is for
	pause      *sql.Stmt // reads what holds a tenant up, after each group of its sign-ups
	entering   entering
	repeating  repeating
	counting   counting
	jobs       *river.Client[*sql.Tx] // inserts only
	now        func() time.Time
	batch      int // of an action, in one transaction
	made       bool
	locked     atomic.Bool // another program had locked it when a transaction was last begun
	pings      singleflight.Group
}

// Open opens the database in the file at path, makes it when it is missing, and
// brings its tables up to date. A postgres:// URL is refused, what is no file, and
// a file that everybody on the machine may read; ErrNewer comes back for one with
// tables of a later version.
func Open(ctx context.Context, path string) (*DB, error) {
	if strings.HasPrefix(path, "postgres://") || strings.HasPrefix(path, "postgresql://") {
		return nil, errors.New("PostgreSQL is not supported yet: give the path of a SQLite file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	made, err := makePrivate(path)
	if err != nil {
		return nil, err
	}
	d := &DB{now: time.Now, batch: ActionBatch, made: made}
	if err := d.open(ctx, path); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("open the database %s: %w", path, plainly(err))
	}
	return d, nil
}

// OpenExisting is Open for a database that is there: ErrMissing when it isn't.
func OpenExisting(ctx context.Context, path string) (*DB, error) {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return nil, fmt.Errorf("%w at %s", ErrMissing, path)
	}
	return Open(ctx, path)
}

// Made reports whether Open made the database.
func (d *DB) Made() bool { return d.made }

// makePrivate creates a missing file that only its owner may read, and refuses one
// that is there and won't do. It reports whether there was nothing in it.
func makePrivate(path string) (made bool, err error) {
	info, err := os.Stat(path)
	if err == nil {
		err = files.Regular(info) // before it is opened: a pipe would keep us waiting
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("open the database %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, fmt.Errorf("open the database: %w", err)
	}
	return info == nil || info.Size() == 0, errors.Join(refuseOpen(path), f.Close())
}

// refuseOpen returns an error when everybody on the machine may read or write the
// data: it has people's addresses, and whoever may write it can log in. Its group
// may: orchestrators give volumes to the group of their containers at each start.
func refuseOpen(path string) error {
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o007 != 0 {
			return fmt.Errorf("everybody on this machine can read or write the data in %s (mode %04o): run chmod 600 %s", file, info.Mode().Perm(), file)
		}
	}
	return nil
}

// plainly says in our words why SQLite can't open a file.
func plainly(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff {
	case sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT:
		return errors.New("it is not a database, or it is damaged: correct the path, or restore a backup")
	case sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_PERM:
		return errors.New("it can't be written: the user that runs Gatepost has to own it and its folder")
	case sqlitelib.SQLITE_FULL:
		return errors.New("the disk is full")
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
		return errors.New("another program has locked it: end that one, or try again")
	}
	return err
}

func (d *DB) open(ctx context.Context, path string) error {
	var err error
	if d.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate&_pragma=synchronous(full)&_pragma=wal_autocheckpoint(4000)")); err != nil {
		return err
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	d.read.SetMaxOpenConns(8)
	d.read.SetMaxIdleConns(8)
	if err := d.refuseForeign(ctx); err != nil {
		return err
	}
	if err := d.migrate(ctx); err != nil {
		return err
	}
	err = prepare(ctx, d.read, map[**sql.Stmt]string{&d.identity: selectIdentity, &d.newsletter: selectNewsletterBySlug, &d.pause: selectPause})
	if err := errors.Join(err, d.prepareEntering(ctx), d.prepareRepeating(ctx), d.prepareCounting(ctx)); err != nil {
		return err
	}
	d.jobs, err = river.NewClient(riversqlite.New(d.write), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	return err
}

// refuseForeign returns an error for the database of another program, which ours
// would be put into.
func (d *DB) refuseForeign(ctx context.Context) error {
	var tables, ours int
	err := d.write.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE name WHEN 'tenants' THEN 1 ELSE 0 END), 0)
		FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`).Scan(&tables, &ours)
	if err == nil && tables > 0 && ours == 0 {
		return errors.New("it is the database of another program: correct the path")
	}
	return err
}

func dsn(path, more string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: fmt.Sprintf("_pragma=busy_timeout(%d)&", patience.Milliseconds()) + "_pragma=journal_mode(wal)&_pragma=foreign_keys(1)&" + more}
	return u.String()
}

func (d *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, d.write, files)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the tables up to date: %w", err)
	}
	switch is, known, err := p.GetVersions(ctx); {
	case err != nil:
		return fmt.Errorf("see which tables there are: %w", err)
	case is > known:
		return ErrNewer
	}
	m, err := rivermigrate.New(riversqlite.New(d.write), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("bring the job tables up to date: %w", err)
	}
	return nil
}

// Writer is the writing connection, for the job runner, which brings its own
// statements.
func (d *DB) Writer() *sql.DB { return d.write }

// prepare prepares statements for the connections of a pool.
func prepare(ctx context.Context, pool *sql.DB, statements map[**sql.Stmt]string) (err error) {
	for to, query := range statements {
		if *to, err = pool.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the database.
func (d *DB) Close() error {
	var errs []error
	// The prepared statements end with their pool, whose error says then what is the matter.
	for _, pool := range []*sql.DB{d.read, d.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// tx runs fn in a transaction that may write, and commits unless fn fails.
func (d *DB) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back
	tx, err := d.beginWrite(ctx, conn)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(tx); err != nil {
		return unavailable(err)
	}
	return unavailable(tx.Commit())
}

// wrap says what was being done, and turns the driver's errors into ours.
func wrap(doing string, err error) error {
	var se *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	case errors.As(err, &se) && (se.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || se.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY):
		return fmt.Errorf("%s: %w", doing, ErrConflict)
	}
	return fmt.Errorf("%s: %w", doing, unavailable(err))
}

// changed turns "no row was changed" into otherwise.
func changed(res sql.Result, err, otherwise error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return otherwise
	}
	return nil
}

// NewID returns a new id that sorts by the time of its making (UUIDv7).
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// millis is t as it is stored; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the opposite of millis.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
