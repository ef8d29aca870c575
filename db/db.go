// Package db keeps everything that Gatepost remembers, in a SQLite file or a
// PostgreSQL database. Every SQL statement of the product stands here, in words that
// both understand where they can be. The package knows no HTTP and no OAuth.
package db

import (
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"golang.org/x/sync/singleflight"
)

var (
	// ErrNewer says that a later version of Gatepost has changed the tables.
	ErrNewer = errors.New("a newer version of Gatepost has used it already: start that one, or restore the backup from before")
	// ErrBehind says that the tables are of an earlier version.
	ErrBehind = errors.New("its tables are of an earlier version: run gatepost migrate")
	// ErrMissing says that there is no database yet.
	ErrMissing = errors.New("there is no database")
)

// DB is an open database. Its methods are safe for concurrent use, by any
// number of processes on the same database. They belong to what they are about.
type DB struct {
	*base
	*People
	*Keys
	*Services
	*Vault
	*Authorizations
	*Readers
	*Letters
	*Screening
	*Unsubscribing
	*Privacy
	*Outbox
	*OptOuts
	*Watch
	*Work
}

// What a database keeps, each with the statements about it.
type (
	// People are users and their tenants: memberships, sessions, and what slows down guessing.
	People struct{ *base }
	// Keys are those that seal, and those of the HTTP API.
	Keys struct{ *base }
	// Services are those that the operator has defined or set, with tenants' own apps.
	Services struct{ *base }
	// Vault are the connections.
	Vault struct{ *base }
	// Authorizations are those that are under way, and those that are yet to be revoked.
	Authorizations struct{ *base }
	// Readers are newsletters, sign-ups, and the sums of these.
	Readers struct{ *base }
	// Letters are the mails to readers, with the links in them.
	Letters struct{ *base }
	// Screening is what may be a robot's: what is held, what was found and looked up.
	Screening struct{ *base }
	// Unsubscribing is who leaves, who is known to have left, and who is told of both.
	Unsubscribing struct{ *base }
	// Privacy is what is kept of a person: to be shown, and to be erased.
	Privacy struct{ *base }
	// Outbox is what is on its way into the CRM.
	Outbox struct{ *base }
	// OptOuts are what leaving does in the CRMs.
	OptOuts struct{ *base }
	// Watch is what somebody is shown or told: health, history, usage, incidents.
	Watch struct{ *base }
	// Work is what is done step by step: actions for many, mails, the end of tenants and users.
	Work struct{ *base }
)

// base is the connection that all of them share.
type base struct {
	engine   engine
	write    *sql.DB
	read     *sql.DB
	counter  counter
	jobs     *river.Client[*sql.Tx] // inserts only
	now      func() time.Time
	batch    int      // of an action, in one transaction
	counted  int      // of subscribers, where no count is kept
	crms     []string // services whose connections are destinations
	made     bool
	pings    singleflight.Group
	rehearse bool // run each transaction once before, and undo it: tests see by that what isn't fit to run twice
}

func newDB(e engine) *DB {
	b := &base{engine: e, counter: e.counter(), now: e.now, batch: ActionBatch, counted: CountedSubscribers}
	return &DB{b, &People{b}, &Keys{b}, &Services{b}, &Vault{b}, &Authorizations{b}, &Readers{b}, &Letters{b}, &Screening{b}, &Unsubscribing{b}, &Privacy{b}, &Outbox{b}, &OptOuts{b}, &Watch{b}, &Work{b}}
}

// Postgres reports whether where is the URL of a PostgreSQL database, and not a path.
func Postgres(where string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(where), "://")
	return scheme == "postgres" || scheme == "postgresql"
}

func engineFor(where string) engine {
	if Postgres(where) {
		return newPostgres(where)
	}
	return &sqliteFile{path: where, queued: make(chan string, wakeups)}
}

// prepareJobs prepares the queueing of jobs, once the tables are there.
func (d *DB) prepareJobs() (err error) {
	d.jobs, err = river.NewClient(d.engine.jobs(), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	return err
}

// SetClock has the database go by another clock, for tests in virtual time.
func (d *DB) SetClock(now func() time.Time) { d.now = now }

// Now is the time by the clock that all processes on the database go by: PostgreSQL's,
// or this machine's where all of them are on it.
func (d *DB) Now() time.Time { return d.now() }

// Name says which database it is, without its password.
func (d *DB) Name() string { return d.engine.name() }

// Made reports whether Open made the database.
func (d *DB) Made() bool { return d.made }

// Writer is what writes, for tests, which bring their own statements.
func (d *DB) Writer() *sql.DB { return d.write }

// Observe has see called with the text of each statement that is run from now on, by
// any goroutine; nil ends it. Tests count what a page costs.
func (d *DB) Observe(see func(query string)) { d.engine.observe(see) }

// JobDriver is what the job runner works with, which brings its own statements.
func (d *DB) JobDriver() riverdriver.Driver[*sql.Tx] { return d.engine.jobs() }

// Close closes the database.
func (d *DB) Close() error {
	var errs []error
	for _, pool := range []*sql.DB{d.read, d.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(append(errs, d.engine.close())...)
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
