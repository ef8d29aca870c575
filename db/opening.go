package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// opening is what may be done to a database as it is opened.
type opening struct {
	makes    bool // make one where there is none, whole
	migrates bool // bring the tables of an earlier version up to date
	marked   bool // use one that is being copied, or was moved
	progress func(Step)
}

// Open opens a database, and makes it when it is missing. Where is the path of a SQLite
// file or a postgres:// URL. A file that everybody on the machine may read is refused,
// and so is what is no database of ours. ErrBehind and ErrNewer come back for one with
// tables of another version, ErrMarked for one that lives elsewhere.
func Open(ctx context.Context, where string) (*DB, error) {
	return openWith(ctx, engineFor(where), opening{makes: true})
}

// OpenMigrated is Open, and brings tables of an earlier version up to date. progress, if not
// nil, is told of what takes long.
func OpenMigrated(ctx context.Context, where string, progress func(Step)) (*DB, error) {
	return openWith(ctx, engineFor(where), opening{makes: true, migrates: true, progress: progress})
}

// OpenExisting is Open for a database that is there: ErrMissing when it isn't.
func OpenExisting(ctx context.Context, where string) (*DB, error) {
	return openExisting(ctx, where, opening{})
}

// OpenToRead is OpenExisting for those who only read: they may read one that was moved.
func OpenToRead(ctx context.Context, where string) (*DB, error) {
	return openExisting(ctx, where, opening{marked: true})
}

func openExisting(ctx context.Context, where string, o opening) (*DB, error) {
	e := engineFor(where)
	if err := mustExist(ctx, e); err != nil {
		return nil, err
	}
	return openWith(ctx, e, o)
}

func mustExist(ctx context.Context, e engine) error {
	there, err := e.exists(ctx)
	if err == nil && !there {
		err = fmt.Errorf("%w at %s", ErrMissing, e.name())
	}
	return err
}

func openWith(ctx context.Context, e engine, o opening) (*DB, error) {
	d := newDB(e)
	if err := d.open(ctx, o); err != nil {
		_ = d.Close()
		return nil, openError(e, err)
	}
	return d, nil
}

func openError(e engine, err error) error {
	return fmt.Errorf("open the database %s: %w", e.name(), e.plainly(err))
}

func (d *DB) open(ctx context.Context, o opening) (err error) {
	if d.write, d.read, err = d.engine.connect(ctx); err != nil {
		return err
	}
	if err := d.bring(ctx, o); err != nil {
		return err
	}
	if !o.marked {
		if err := d.refuseMarked(ctx); err != nil {
			return err
		}
	}
	if err := d.engine.search().prepare(ctx); err != nil {
		return err
	}
	return d.prepareJobs()
}

// bring sees to it that the tables are those of this version.
func (d *DB) bring(ctx context.Context, o opening) error {
	s, err := d.schema(ctx)
	if err != nil || s.whole() {
		return err
	}
	if may := o.migrates || o.makes && s.empty(); !may {
		return ErrBehind
	}
	_, err = d.migrate(ctx, s.newest(), o.progress)
	return err
}

// migrate applies what is missing up to a version, while no other process does the
// same, and returns what it applied.
func (d *DB) migrate(ctx context.Context, to int64, progress func(Step)) (done []Migration, err error) {
	err = d.engine.migrating(ctx, func(pool *sql.DB) error {
		s, err := d.schema(ctx) // as others have left it for whom this one waited
		if err != nil || s.whole() {
			return err
		}
		if s.has("database_copies") {
			if err := d.refuseMarked(ctx); err != nil {
				return err
			}
		}
		if s.empty() {
			progress = nil // nothing takes long
		}
		if err := d.apply(ctx, pool, to, s.newest(), progress); err != nil {
			return err
		}
		d.made, done = s.empty(), s.upTo(to)
		return nil
	})
	return done, err
}

// Migrate brings the tables of a database up to date, or up to a version that isn't 0,
// and makes it where there is none. It returns what it applied. progress, if not nil, is told
// of what takes long.
func Migrate(ctx context.Context, where string, to int64, progress func(Step)) (done []Migration, err error) {
	err = withTables(ctx, engineFor(where), func(d *DB, s schema) error {
		switch {
		case to == 0:
			to = s.newest()
		case !slices.ContainsFunc(s.migrations, func(m Migration) bool { return m.Version == to }):
			return fmt.Errorf("there is no version %d: the newest is %d", to, s.newest())
		case to < s.version():
			return fmt.Errorf("its tables are of version %d already, and only go forward: to go back, restore a backup", s.version())
		}
		done, err = d.migrate(ctx, to, progress)
		return err
	})
	return done, err
}

// Schema is how far a database has come.
type Schema struct {
	Migrations []Migration
	JobsWhole  bool // the job runner's tables are up to date
}

// ReadSchema reads how far the database has come, and changes nothing. ErrMissing
// comes back when there is none.
func ReadSchema(ctx context.Context, where string) (is Schema, err error) {
	e := engineFor(where)
	if err := mustExist(ctx, e); err != nil {
		return is, err
	}
	err = withTables(ctx, e, func(_ *DB, s schema) error {
		is = Schema{s.migrations, s.jobs}
		return nil
	})
	return is, err
}

// withTables runs fn on a database whose tables may be of any version up to ours.
func withTables(ctx context.Context, e engine, fn func(*DB, schema) error) (err error) {
	d := newDB(e)
	defer func() { _ = d.Close() }()
	d.write, d.read, err = e.connect(ctx)
	var s schema
	if err == nil {
		s, err = d.schema(ctx)
	}
	if err == nil {
		err = fn(d, s)
	}
	if err != nil {
		return openError(e, err)
	}
	return nil
}
