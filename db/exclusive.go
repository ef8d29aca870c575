package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/exclusive/*.sql
var exclusiveMigrations embed.FS

const exclusiveFolder = "migrations/exclusive"

// stepMark begins a step of an exclusive migration, with what it is about behind it.
const stepMark = "-- exclusive: "

// Step is how far an exclusive migration is: one that goes through all rows while nobody
// else may use the database.
type Step struct {
	Migration string // of its file
	What      string // "deliveries"
	N, Of     int    // 1 for the first
}

// exclusives are the migrations that nobody else may be beside, each with its steps.
func (m migrationsOf) exclusives(d *DB, progress func(Step)) (all []*goose.Migration, err error) {
	files, err := exclusiveMigrations.ReadDir(exclusiveFolder)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		version, err := goose.NumericComponent(f.Name())
		if err != nil {
			return nil, err
		}
		text, err := exclusiveMigrations.ReadFile(path.Join(exclusiveFolder, f.Name()))
		if err != nil {
			return nil, err
		}
		steps := m.steps(f.Name(), string(text))
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			return d.migrateAlone(ctx, tx, steps, progress)
		}}, nil))
	}
	return all, nil
}

// exclusiveStep is a step with its statements.
type exclusiveStep struct {
	Step
	statements string
}

// steps are those of a migration's text, as the database is given it.
func (m migrationsOf) steps(name, text string) (steps []exclusiveStep) {
	for i, part := range strings.Split(m.textOf(text), stepMark) {
		if i == 0 {
			continue // what the file is about
		}
		what, statements, _ := strings.Cut(part, "\n")
		steps = append(steps, exclusiveStep{Step{Migration: strings.TrimSuffix(name, ".sql"), What: what, N: i}, statements})
	}
	for i := range steps {
		steps[i].Of = len(steps)
	}
	return steps
}

// migrateAlone runs the steps of an exclusive migration, in one transaction, unless somebody
// uses the database, or the disk may become full.
func (d *DB) migrateAlone(ctx context.Context, tx *sql.Tx, steps []exclusiveStep, progress func(Step)) error {
	if err := d.engine.alone(ctx, tx); err != nil {
		return err
	}
	if err := refuseServed(ctx, tx, d.now()); err != nil {
		return fmt.Errorf("nobody may use the database during this change of its tables: %w", err)
	}
	for _, s := range steps {
		if progress != nil {
			progress(s.Step)
		}
		if _, err := tx.ExecContext(ctx, s.statements); err != nil {
			return fmt.Errorf("%s, %s: %w", s.Migration, s.What, err)
		}
	}
	return nil
}

// alone locks the tables, so that whoever begins to serve meanwhile finds that they have
// changed. How much room the server has, only the operator knows.
func (p *postgres) alone(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `LOCK TABLE leases, tenants, subscribers IN ACCESS EXCLUSIVE MODE`)
	return err
}

// diskFactor is how often the size of the file must be free before an exclusive migration:
// for what is written anew, and for the log.
const diskFactor = 2

// alone checks that there is room: the file is locked already.
func (s *sqliteFile) alone(context.Context, *sql.Tx) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	needs := info.Size() * diskFactor
	free, known, err := s.freeBytes()
	if err != nil || !known || free >= needs {
		return err
	}
	return fmt.Errorf("this change of the tables needs %d MB free on the disk of the database, and %d MB are: make room, and start again", needs>>20+1, free>>20)
}

// freeBytes is how much is free on the disk of the file, where that can be known.
func (s *sqliteFile) freeBytes() (free int64, known bool, err error) {
	if s.free != nil {
		return s.free(), true, nil
	}
	return freeBytes(filepath.Dir(s.path))
}
