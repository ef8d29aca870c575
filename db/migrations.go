package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Each migration is one text for both databases. Where a statement must differ, it stands
// behind a line "-- only sqlite" or "-- only postgres", up to the line "-- both".
const (
	onlyOne = "-- only "
	forBoth = "-- both"
)

// migrationsOf are the migrations as one of the databases is given them.
type migrationsOf struct{ dialect goose.Dialect }

// Open opens a migration, without what is not for its database.
func (m migrationsOf) Open(name string) (fs.File, error) {
	path := path.Join("migrations", name)
	f, err := migrations.Open(path)
	if name == "." || err != nil {
		return f, err
	}
	text, err := migrations.ReadFile(path)
	return migration{f, strings.NewReader(m.textOf(string(text)))}, err
}

// migration is a file of which another text is read.
type migration struct {
	fs.File
	text *strings.Reader
}

// Read reads the text.
func (m migration) Read(b []byte) (int, error) { return m.text.Read(b) }

func (m migrationsOf) textOf(text string) string {
	mine := map[goose.Dialect]string{goose.DialectSQLite3: "sqlite", goose.DialectPostgres: "postgres"}[m.dialect]
	var kept strings.Builder
	whose := ""
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, onlyOne):
			whose = strings.TrimPrefix(trimmed, onlyOne)
		case trimmed == forBoth:
			whose = ""
		case whose == "" || whose == mine || trimmed == "-- +goose Up" || trimmed == "-- +goose Down":
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// A Migration is one step in what the tables have become.
type Migration struct {
	Version   int64
	Name      string    // of its file
	AppliedAt time.Time // zero where it is yet to be
}

// schema is which tables a database has.
type schema struct {
	tables     []string
	migrations []Migration // all that this program knows
	jobs       bool        // the job runner's tables are up to date
}

// ourTables are some that every Gatepost has.
var ourTables = []string{versionTable, "tenants", "subscribers", "identities"}

const versionTable = "goose_db_version" // goose's

func (s schema) has(table string) bool { return slices.Contains(s.tables, table) }

// empty reports whether there is nothing yet. A version table alone is what a process
// leaves that is killed in the beginning.
func (s schema) empty() bool {
	return !slices.ContainsFunc(s.tables, func(table string) bool { return table != versionTable })
}

// whole reports whether the tables are those of this program.
func (s schema) whole() bool { return s.jobs && s.version() == s.newest() }

// version is the last migration before the first that is missing.
func (s schema) version() (version int64) {
	for _, m := range s.migrations {
		if m.AppliedAt.IsZero() {
			break
		}
		version = m.Version
	}
	return version
}

func (s schema) newest() int64 { return s.migrations[len(s.migrations)-1].Version }

// schema reads which tables there are, and changes nothing. A database of another program
// is an error, and so is, with ErrNewer, one of a later version.
func (d *DB) schema(ctx context.Context) (s schema, err error) {
	if s.tables, err = d.engine.tables(ctx); err != nil {
		return s, err
	}
	applied := map[int64]time.Time{}
	if !s.empty() {
		if slices.ContainsFunc(ourTables, func(table string) bool { return !s.has(table) }) {
			return s, errors.New("it is the database of another program: correct GATEPOST_DATABASE")
		}
		if applied, err = d.applied(ctx); err != nil {
			return s, err
		}
	}
	if s.migrations, err = knownMigrations(applied); err != nil {
		return s, err
	}
	for version := range applied {
		if version > s.newest() {
			return s, ErrNewer
		}
	}
	if s.has("river_migration") {
		s.jobs, err = d.jobsWhole(ctx)
	}
	return s, err
}

// applied returns which migrations were applied, and when.
func (d *DB) applied(ctx context.Context) (map[int64]time.Time, error) {
	type row struct {
		version int64
		at      time.Time
	}
	rows, err := collect(ctx, d.read, func(s scanner) (r row, err error) { return r, s.Scan(&r.version, &r.at) },
		`SELECT version_id, tstamp FROM goose_db_version WHERE is_applied`)
	applied := map[int64]time.Time{}
	for _, r := range rows {
		applied[r.version] = r.at
	}
	return applied, err
}

// knownMigrations are those of this program, in their order.
func knownMigrations(applied map[int64]time.Time) (all []Migration, err error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	alone, err := exclusiveMigrations.ReadDir(exclusiveFolder)
	for _, f := range slices.Concat(files, alone) {
		version, err := goose.NumericComponent(f.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, Migration{version, strings.TrimSuffix(f.Name(), ".sql"), applied[version]})
	}
	slices.SortFunc(all, func(a, b Migration) int { return int(a.Version - b.Version) })
	return all, err
}

// jobsWhole reports whether the job runner's tables are those of this program.
func (d *DB) jobsWhole(ctx context.Context) (bool, error) {
	m, err := d.jobMigrator(d.read)
	if err != nil {
		return false, err
	}
	is, err := m.Validate(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("see which job tables there are: %w", err)
	}
	return is.OK, nil
}

func (d *DB) jobMigrator(pool *sql.DB) (*rivermigrate.Migrator[*sql.Tx], error) {
	return rivermigrate.New(d.engine.jobsOn(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
}

// upTo returns the migrations that are missing up to a version.
func (s schema) upTo(version int64) (missing []Migration) {
	for _, m := range s.migrations {
		if m.AppliedAt.IsZero() && m.Version <= version {
			missing = append(missing, m)
		}
	}
	return missing
}

// apply applies the migrations up to a version, and brings the job runner's tables up
// to date where that is the newest. The pool is one of the engine's migrating. progress, if not
// nil, is told of the steps of those that go through all rows.
func (d *DB) apply(ctx context.Context, pool *sql.DB, to, newest int64, progress func(Step)) error {
	of := migrationsOf{d.engine.dialect()}
	exclusives, err := of.exclusives(d, progress)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(of.dialect, pool, of, goose.WithGoMigrations(exclusives...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, to); err != nil {
		return fmt.Errorf("bring the tables up to date: %w", err)
	}
	if to < newest {
		return nil
	}
	m, err := d.jobMigrator(pool)
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("bring the job tables up to date: %w", err)
	}
	return nil
}
