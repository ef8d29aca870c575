package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"gatepost/db"

	"github.com/spf13/cobra"
)

// makesDatabase are the commands that make a database where there is none. To all
// others a missing one is an error, since what they are asked to list, change or
// remove can't be in a new one: the path is wrong.
var makesDatabase = map[string]bool{
	"gatepost serve":           true,
	"gatepost demo":            true,
	"gatepost migrate":         true,
	"gatepost tenant add":      true,
	"gatepost service add":     true,
	"gatepost service set":     true,
	"gatepost apikey add":      true,
	"gatepost identity import": true,
}

// onlyReads are the commands that change nothing, so that they may look at a database
// that was moved.
var onlyReads = map[string]bool{
	"gatepost tenant ls":     true,
	"gatepost user ls":       true,
	"gatepost newsletter ls": true,
	"gatepost service ls":    true,
	"gatepost service get":   true,
	"gatepost identity ls":   true,
	"gatepost identity get":  true,
	"gatepost apikey ls":     true,
}

// openStore opens the configured database for the command that runs, and says when
// it made one.
func (p *program) openStore(ctx context.Context, path string) (*db.DB, error) {
	if makesDatabase[p.running] {
		store, err := db.Open(ctx, path)
		if err == nil && store.Made() {
			p.tellDatabase(store, path)
		}
		return store, err
	}
	open := db.OpenExisting
	if onlyReads[p.running] {
		open = db.OpenToRead
	}
	store, err := open(ctx, path)
	if errors.Is(err, db.ErrMissing) {
		err = fmt.Errorf("%w: check GATEPOST_DATABASE, or make one with gatepost tenant add", err)
	}
	return store, err
}

// openServed opens the database for a process that serves it.
func openServed(ctx context.Context, c config, log *slog.Logger) (*db.DB, error) {
	if c.Migrate {
		return db.OpenMigrated(ctx, c.Database, func(s db.Step) {
			log.InfoContext(ctx, "changing the tables", "migration", s.Migration, "step", s.N, "of", s.Of, "what", s.What)
		})
	}
	store, err := db.OpenExisting(ctx, c.Database)
	if errors.Is(err, db.ErrMissing) {
		err = fmt.Errorf("%w: run gatepost migrate, since GATEPOST_MIGRATE is off", err)
	}
	return store, err
}

// tellDatabase says which database is used, and whether it is new.
func (p *program) tellDatabase(store *db.DB, path string) {
	state := ""
	if store.Made() {
		state = " (new)"
	}
	_, _ = fmt.Fprintf(p.errOut, "Database: %s%s\n", databaseName(store, path), state)
}

// databaseName is the whole path of a file, or the address of a server's without a
// password.
func databaseName(store *db.DB, path string) string {
	if whole, err := filepath.Abs(path); err == nil && !db.Postgres(path) {
		return whole
	}
	return store.Name()
}

func (p *program) migrateCommand() *cobra.Command {
	var status bool
	var to int64
	var output string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables of the database up to date, or make them",
		Long: `Bring the tables of the database up to date, or make them where there are none.
Of processes that do so at the same moment one does it, and the others wait. "gatepost serve"
does it by itself, unless GATEPOST_MIGRATE is off; other commands never do.`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readStorage(p.env)
			if err != nil {
				return err
			}
			if status {
				return p.migrationStatus(cmd.Context(), c.Database, output)
			}
			return p.migrate(cmd.Context(), c.Database, to)
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "only show which migrations were applied, and which are to be")
	cmd.Flags().Int64Var(&to, "to", 0, "go no further than this version (default: the newest)")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "of --status: table or json")
	cmd.MarkFlagsMutuallyExclusive("status", "to")
	return cmd
}

func (p *program) migrate(ctx context.Context, path string, to int64) error {
	done, err := db.Migrate(ctx, path, to, func(s db.Step) {
		_, _ = fmt.Fprintf(p.errOut, "%s: step %d of %d, %s\n", s.Migration, s.N, s.Of, s.What)
	})
	if err != nil {
		return err
	}
	for _, m := range done {
		_, _ = fmt.Fprintf(p.out, "Applied %s\n", m.Name)
	}
	is, err := db.ReadSchema(ctx, path)
	if err != nil {
		return err
	}
	if left := toApply(is); left > 0 {
		_, err = fmt.Fprintf(p.out, "To be applied: %s.\n", plural(left, "migration"))
		return err
	}
	_, err = fmt.Fprintln(p.out, "The tables are up to date.")
	return err
}

// toApply is how many migrations are yet to be applied, the job runner's counted as one.
func toApply(is db.Schema) (n int) {
	for _, m := range is.Migrations {
		if m.AppliedAt.IsZero() {
			n++
		}
	}
	if !is.JobsWhole {
		n++
	}
	return n
}

// migrationRow is a line of migrate --status.
type migrationRow struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"applied_at"` // null: it is yet to be
}

func (p *program) migrationStatus(ctx context.Context, path, output string) error {
	is, err := db.ReadSchema(ctx, path)
	if err != nil {
		return err
	}
	rows := make([]migrationRow, len(is.Migrations))
	for i, m := range is.Migrations {
		rows[i] = migrationRow{m.Version, m.Name, optional(m.AppliedAt)}
	}
	if output == "json" {
		return p.json(struct {
			Migrations []migrationRow `json:"migrations"`
			JobTables  bool           `json:"job_tables_up_to_date"`
			ToApply    int            `json:"to_apply"`
		}{rows, is.JobsWhole, toApply(is)})
	}
	err = p.table("MIGRATION\tAPPLIED", func(w io.Writer) {
		for _, r := range rows {
			at := "no"
			if r.AppliedAt != nil {
				at = r.AppliedAt.Format(time.RFC3339)
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\n", r.Name, at)
		}
		_, _ = fmt.Fprintf(w, "job tables\t%s\n", map[bool]string{true: "yes", false: "no"}[is.JobsWhole])
	})
	if err == nil && toApply(is) > 0 {
		_, err = fmt.Fprintf(p.out, "To be applied: %s. Run gatepost migrate.\n", plural(toApply(is), "migration"))
	}
	return err
}

func (p *program) databaseCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "database", Short: "Move everything to another database"}
	var to string
	move := &cobra.Command{
		Use:   "copy",
		Short: "Copy everything from a SQLite file to PostgreSQL, to go on there",
		Long: `Copy everything from the SQLite file of GATEPOST_DATABASE into an empty database on
PostgreSQL, while no process serves either of them. What is sealed stays as it is: the same
key file opens it there. A copy that was stopped goes on when the command is run again. In the
end the file is marked as moved, and the other database may be served.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.copyDatabase(cmd.Context(), to) },
	}
	move.Flags().StringVar(&to, "to", "", "where to, as postgres://gatepost@db.example/gatepost; a password may be in PGPASSWORD instead")
	_ = move.MarkFlagRequired("to") // it is there
	var yes bool
	unmark := &cobra.Command{
		Use:   "unmark",
		Short: "Have a database that was moved, or was to be, be served again",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return p.unmarkDatabase(cmd.Context(), yes) },
	}
	unmark.Flags().BoolVar(&yes, "yes", false, "don't ask")
	cmd.AddCommand(move, unmark)
	return cmd
}

func (p *program) copyDatabase(ctx context.Context, to string) error {
	c, err := readStorage(p.env)
	if err != nil {
		return err
	}
	began := time.Now()
	copied, err := db.Copy(ctx, c.Database, strings.TrimSpace(to), func(table string, rows, of int) {
		_, _ = fmt.Fprintf(p.errOut, "  %s: %d of %d rows\n", table, rows, of)
	})
	if errors.Is(err, db.ErrMissing) {
		err = fmt.Errorf("%w: check GATEPOST_DATABASE", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, `Copied %d rows of %d tables in %s, and counted them: all have arrived.
Go on like this:
  1. Set GATEPOST_DATABASE of all processes to %s, with the password, and leave GATEPOST_KEYSET as it is.
  2. Start gatepost serve. What was under way is found within minutes.
  3. Make backups of the new database. Delete %s when you no longer need it: everybody's data is in it.
The file is marked as moved, and nothing serves it: two servers with the same connections end all of them.
`, copied.Rows, copied.Tables, time.Since(began).Round(time.Second), copied.To, c.Database)
	return err
}

func (p *program) unmarkDatabase(ctx context.Context, yes bool) error {
	c, err := readStorage(p.env)
	if err != nil {
		return err
	}
	store, err := db.OpenToRead(ctx, c.Database)
	if err != nil {
		return err
	}
	return errors.Join(p.unmark(ctx, store, yes), store.Close())
}

func (p *program) unmark(ctx context.Context, store *db.DB, yes bool) error {
	mark, err := store.Marked(ctx)
	if err != nil {
		return err
	}
	other := mark.Other
	if other == "" {
		return errors.New("it has no mark: it may be served as it is")
	}
	if !yes {
		question := fmt.Sprintf("When it is served beside %s, all connections end. Will that one never be served (again)?", other)
		if err := p.confirm(question); err != nil {
			return err
		}
	}
	err = store.Unmark(ctx, mark)
	if errors.Is(err, db.ErrLost) {
		return errors.New("it was copied on meanwhile: run the command again")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "It may be served again. Never serve %s beside it.\n", other)
	return err
}
