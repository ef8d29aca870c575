package db

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// migratesVariable has the test program be another process that opens a database.
const migratesVariable = "GATEPOST_TEST_MIGRATES"

// stopsVariable has it stop for good when an exclusive migration comes to a step.
const stopsVariable = "GATEPOST_TEST_STOPS"

func TestMain(m *testing.M) {
	if where := os.Getenv(migratesVariable); where != "" {
		os.Exit(openForAnother(where))
	}
	os.Exit(m.Run())
}

// openForAnother brings a database up to date once there is nothing more to read, and
// prints whether it made it.
func openForAnother(where string) int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	d, err := OpenMigrated(context.Background(), where, func(s Step) {
		if s.What == os.Getenv(stopsVariable) {
			fmt.Println(s.What)
			time.Sleep(time.Hour) // it is killed meanwhile
		}
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(d.Made())
	_ = d.Close()
	return 0
}

// openMigrated is OpenMigrated for who wants to be told of nothing.
func openMigrated(ctx context.Context, where string) (*DB, error) {
	return OpenMigrated(ctx, where, nil)
}

var bare = testdb.NewTemplate("bare", func(context.Context, string) error { return nil })

// nothingYet is where a database may be made.
func nothingYet(t *testing.T) string {
	t.Helper()
	if url, err := testdb.Server(); err != nil || url != "" {
		return bare.Copy(t)
	}
	return filepath.Join(t.TempDir(), "gatepost.db")
}

// earlier are the databases with the tables of earlier versions, by version, that tests have
// asked for: they ask one after the other.
var earlier = map[int64]*testdb.Template{}

// before returns a database with the tables of an earlier version.
func before(t *testing.T, version int64) string {
	t.Helper()
	if earlier[version] == nil {
		earlier[version] = testdb.NewTemplate(fmt.Sprintf("version_%d", version), func(ctx context.Context, at string) error {
			_, err := Migrate(ctx, at, version, nil)
			return err
		})
	}
	return earlier[version].Copy(t)
}

// Of processes that begin at the same moment one makes the tables, and the others wait.
func TestProcessesMigrateOneAfterTheOther(t *testing.T) {
	for name, where := range map[string]string{"nothing": nothingYet(t), "earlier tables": before(t, 19)} {
		t.Run(name, func(t *testing.T) {
			const processes = 4
			var all []*exec.Cmd
			var starts []io.Closer
			var out [processes]bytes.Buffer
			for i := range processes {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), migratesVariable+"="+where)
				cmd.Stdout, cmd.Stderr = &out[i], &out[i]
				start, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				all, starts = append(all, cmd), append(starts, start)
			}
			for _, start := range starts {
				_ = start.Close()
			}
			made := 0
			for i, cmd := range all {
				if err := cmd.Wait(); err != nil {
					t.Errorf("%v: %s", err, &out[i])
				}
				if strings.TrimSpace(out[i].String()) == "true" {
					made++
				}
			}
			if want := map[bool]int{true: 1}[name == "nothing"]; made != want {
				t.Errorf("%d of them say that they made it, want %d", made, want)
			}
			d, err := Open(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			if n := number(t, d, `SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version`); n != 0 {
				t.Errorf("%d migrations were applied twice", n)
			}
		})
	}
}

// What is no migration's turn is left as it was.
func TestOnlyThoseWhoMigrateDo(t *testing.T) {
	where := before(t, 27)
	for name, open := range map[string]func(context.Context, string) (*DB, error){"Open": Open, "OpenExisting": OpenExisting, "OpenToRead": OpenToRead} {
		if d, err := open(t.Context(), where); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "run gatepost migrate") {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
	is, err := ReadSchema(t.Context(), where)
	if err != nil || is.JobsWhole || len(is.Migrations) < 24 {
		t.Fatalf("got %+v, %v", is, err)
	}
	for _, m := range is.Migrations {
		if m.AppliedAt.IsZero() != (m.Version > 27) || m.Version <= 27 && time.Since(m.AppliedAt).Abs() > time.Hour {
			t.Errorf("got %+v", m)
		}
	}
	d, err := openMigrated(t.Context(), where)
	if err != nil || d.Made() {
		t.Fatalf("got %v, %v", d, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if is, err = ReadSchema(t.Context(), where); err != nil || !is.JobsWhole || slices.ContainsFunc(is.Migrations, func(m Migration) bool { return m.AppliedAt.IsZero() }) {
		t.Errorf("got %+v, %v", is, err)
	}
	if d, err = Open(t.Context(), where); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
}

func TestMigrateToAVersion(t *testing.T) {
	where := nothingYet(t)
	if _, err := ReadSchema(t.Context(), where); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v", err)
	}
	for _, step := range []struct {
		to      int64
		applied int
		err     string
	}{
		{3, 3, ""}, {3, 0, ""}, {1000, 0, "there is no version 1000"}, {12, 0, "there is no version 12"}, {5, 2, ""}, {4, 0, "restore a backup"},
	} {
		done, err := Migrate(t.Context(), where, step.to, nil)
		if len(done) != step.applied || (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("to %d: %v, %v", step.to, done, err)
		}
	}
	done, err := Migrate(t.Context(), where, 0, nil)
	if err != nil || len(done) < 19 || done[0].Version != 6 {
		t.Errorf("got %v, %v", done, err)
	}
	if done, err := Migrate(t.Context(), where, 0, nil); err != nil || len(done) != 0 {
		t.Errorf("again: %v, %v", done, err)
	}
}

// A process that is killed while it makes a file leaves nothing half made.
func TestAMigrationOfAFileIsWholeOrNotAtAll(t *testing.T) {
	testdb.SQLiteOnly(t, "all migrations in one transaction")
	where, killed := nothingYet(t), errors.New("killed")
	err := withTables(t.Context(), engineFor(where), func(d *DB, s schema) error {
		return d.engine.migrating(t.Context(), func(pool *sql.DB) error {
			if err := d.apply(t.Context(), pool, s.newest(), s.newest(), nil); err != nil {
				t.Error(err)
			}
			return killed
		})
	})
	if !errors.Is(err, killed) {
		t.Error(err)
	}
	err = withTables(t.Context(), engineFor(where), func(_ *DB, s schema) error {
		if len(s.tables) > 0 {
			t.Errorf("it left %v", s.tables)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// One that has a table of a name of ours is not ours for that.
func TestTheDatabaseOfAnotherProgramIsRefused(t *testing.T) {
	where := nothingYet(t)
	other := engineFor(where)
	write, _, err := other.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write.Exec(`CREATE TABLE tenants (id BIGINT)`); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	_ = other.close()
	for name, open := range map[string]func(context.Context, string) (*DB, error){"Open": Open, "OpenExisting": OpenExisting, "OpenMigrated": openMigrated} {
		if d, err := open(t.Context(), where); err == nil || !strings.HasSuffix(err.Error(), "it is the database of another program: correct GATEPOST_DATABASE") {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}

func TestNamesAreReadWithoutChangingAnything(t *testing.T) {
	where := empty.Copy(t)
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	for _, insert := range []string{`INSERT INTO tenants (id, slug, name, created_at) VALUES ('1', 'contoso', 'Contoso', 0)`, `INSERT INTO services (id, definition, set_at) VALUES ('own', '{}', 0)`} {
		if _, err := d.write.Exec(insert); err != nil {
			t.Fatal(err)
		}
	}
	_ = d.Close()
	for want, names := range map[string]func(context.Context, string) ([]string, error){"contoso": TenantSlugs, "own": DefinedServices} {
		if got, err := names(t.Context(), where); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	missing := nothingYet(t)
	if _, err := TenantSlugs(t.Context(), missing); err == nil {
		t.Error("read from nothing")
	}
	if _, err := ReadSchema(t.Context(), missing); !errors.Is(err, ErrMissing) {
		t.Errorf("it was made: %v", err)
	}
}
