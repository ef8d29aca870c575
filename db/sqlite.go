package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"gatepost/db/sqliteconn"
	"gatepost/files"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// sqliteFile is a database in a file. It has one writer at a time, whose transactions
// see nothing of others': they are never run again.
type sqliteFile struct {
	path   string
	write  *sql.DB
	read   *sql.DB
	locked atomic.Bool // another program had locked it when a transaction was last begun

	observer sqliteconn.Observer
	queued   chan string // of which queues the job runner is to look

	free func() int64 // bytes on the disk, for tests; nil for those that are
}

func (s *sqliteFile) name() string { return s.path }

func (s *sqliteFile) now() time.Time { return time.Now() }

func (s *sqliteFile) replication(context.Context) (Replication, error) { return ReplicationNone, nil }

func (s *sqliteFile) close() error { return nil }

func (s *sqliteFile) exists(context.Context) (bool, error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return false, nil
	}
	return true, nil // what is there in its place is told by connect
}

func (s *sqliteFile) connect(context.Context) (write, read *sql.DB, err error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	if err := makePrivate(s.path); err != nil {
		return nil, nil, err
	}
	// What is deleted is overwritten, so that nothing of somebody who was erased stays in the file.
	// A reader that wants to become a writer can't wait for its turn, so that all that
	// may write begins as a writer.
	if write, err = s.pool("_txlock=immediate&_pragma=synchronous(full)&_pragma=wal_autocheckpoint(4000)&_pragma=secure_delete(1)", s.path); err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1) // SQLite has one writer at a time
	if read, err = s.pool("_pragma=query_only(1)", ""); err != nil {
		return write, nil, err
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	s.write, s.read = write, read
	return write, read, nil
}

// pool returns connections that keep what they have compiled, and queue where they write.
func (s *sqliteFile) pool(settings, queue string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(s.dsn(settings))
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(&sqliteconn.Connector{Connector: c, Observer: &s.observer, Queue: queue}), nil
}

func (s *sqliteFile) observe(see func(query string)) { s.observer.Observe(see) }

func (s *sqliteFile) dsn(more string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: s.path}).EscapedPath(),
		RawQuery: fmt.Sprintf("_pragma=busy_timeout(%d)&", patience.Milliseconds()) + "_pragma=journal_mode(wal)&_pragma=foreign_keys(1)&" + more}
	return u.String()
}

func (s *sqliteFile) tables(ctx context.Context) ([]string, error) {
	return collect(ctx, s.read, scanID, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '`+searchIndex+`%'`)
}

func (s *sqliteFile) dialect() goose.Dialect { return goose.DialectSQLite3 }

// enter stores them one by one, which costs a call each: to go back to before a sign-up,
// SQLite copies each page that it touches, which is for when it is needed.
func (s *sqliteFile) enter(ctx context.Context, b *book, signUps []SignUp) ([]SignedUp, error) {
	return b.each(ctx, signUps, b.enter)
}

func (s *sqliteFile) counter() counter { return upserts{} }

func (s *sqliteFile) search() searcher { return fts{s} }

func (s *sqliteFile) stored(table string) string { return table }

func (s *sqliteFile) emptied(table string) []string { return []string{table} }

func (s *sqliteFile) peek() (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: s.path}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(1000)&_pragma=query_only(1)"}
	return sql.Open("sqlite", u.String())
}

// makePrivate creates a missing file that only its owner may read, and refuses one
// that is there and won't do.
func makePrivate(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		err = files.Regular(info) // before it is opened: a pipe would keep us waiting
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(refuseOpen(path), f.Close())
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

func (s *sqliteFile) plainly(err error) error {
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

// sqlitePasses are SQLite's codes for what passes without a change of ours.
var sqlitePasses = map[int]bool{
	sqlitelib.SQLITE_BUSY: true, sqlitelib.SQLITE_LOCKED: true, sqlitelib.SQLITE_FULL: true, sqlitelib.SQLITE_IOERR: true,
	sqlitelib.SQLITE_READONLY: true, sqlitelib.SQLITE_CANTOPEN: true, sqlitelib.SQLITE_NOMEM: true, sqlitelib.SQLITE_PROTOCOL: true,
	sqlitelib.SQLITE_INTERRUPT: true,
}

// sqliteBusy reports whether an error says that others keep us from the database.
func sqliteBusy(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && (se.Code()&0xff == sqlitelib.SQLITE_BUSY || se.Code()&0xff == sqlitelib.SQLITE_LOCKED)
}

func sqliteFault(err error) fault {
	var se *sqlite.Error
	switch {
	case !errors.As(err, &se):
		return faultOfCaller
	case se.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || se.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY:
		return faultConflict
	case sqlitePasses[se.Code()&0xff]:
		return faultPassing
	}
	return faultOfCaller
}

// How long a write waits for another program's lock. Once one has waited in vain
// the others wait less: they come one after the other, and each would wait behind
// all of those before it.
const (
	patience      = 10 * time.Second
	littlePatient = 200 * time.Millisecond
)

func (s *sqliteFile) begin(ctx context.Context, conn *sql.Conn, _ sql.IsolationLevel) (*sql.Tx, error) {
	tx, err := conn.BeginTx(ctx, nil)
	var se *sqlite.Error
	locked := errors.As(err, &se) && se.Code()&0xff == sqlitelib.SQLITE_BUSY
	if (locked || err == nil) && s.locked.CompareAndSwap(!locked, locked) {
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

func (s *sqliteFile) oneWriter() bool { return true }

func (s *sqliteFile) commit(_ context.Context, tx *sql.Tx) error { return tx.Commit() }
