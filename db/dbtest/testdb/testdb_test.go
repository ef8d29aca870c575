package testdb_test

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatepost/db/dbtest/testdb"

	_ "github.com/jackc/pgx/v5/stdlib" // opens what Copy gives, as the next
	_ "modernc.org/sqlite"
)

func open(at string) (*sql.DB, error) {
	driver := "sqlite"
	if strings.HasPrefix(at, "postgres") {
		driver = "pgx"
	}
	pool, err := sql.Open(driver, at)
	if err == nil {
		pool.SetMaxOpenConns(1)
		err = pool.Ping()
	}
	return pool, err
}

var filled atomic.Int32

func fill(ctx context.Context, at string) error {
	filled.Add(1)
	pool, err := open(at)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	_, err = pool.ExecContext(ctx, `CREATE TABLE parents (id TEXT PRIMARY KEY); CREATE TABLE children (id TEXT PRIMARY KEY, parent TEXT NOT NULL DEFAULT 'none' REFERENCES parents (id), n BIGINT NOT NULL);
		INSERT INTO parents VALUES ('ann'); INSERT INTO children VALUES ('bob', 'ann', 1)`)
	return err
}

var family = testdb.NewTemplate("family", fill)

// world is a copy of family.
type world struct {
	*sql.DB
	t *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	pool, err := open(family.Copy(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return world{pool, t}
}

func (w world) exec(statement string) {
	w.t.Helper()
	if _, err := w.Exec(statement); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) refused(statement string) {
	w.t.Helper()
	if _, err := w.Exec(statement); err == nil {
		w.t.Errorf("it took %s", statement)
	}
}

func (w world) want(children ...string) {
	w.t.Helper()
	var got []string
	rows, err := w.Query(`SELECT id FROM children ORDER BY id`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		got = append(got, id)
	}
	if !slices.Equal(got, children) || rows.Err() != nil {
		w.t.Errorf("there are %v, want %v; %v", got, children, rows.Err())
	}
}

func TestCopiesAreOfTheirOwn(t *testing.T) {
	var addresses []string
	t.Run("test", func(t *testing.T) {
		for range 2 {
			w := newWorld(t)
			w.want("bob")
			w.exec(`INSERT INTO children VALUES ('carl', 'ann', 2)`)
			w.want("bob", "carl")
		}
		addresses = append(addresses, family.Copy(t))
	})
	for _, at := range addresses {
		if pool, err := open(at); err == nil {
			t.Errorf("%s outlives its test", at)
			_ = pool.Close()
		}
	}
}

// Processes that begin together make a template once.
func TestATemplateIsMadeOnce(t *testing.T) {
	before := filled.Load()
	ours := testdb.NewTemplate("once", fill)
	server, _ := testdb.Server()
	var all sync.WaitGroup
	for n := range 8 {
		template := ours
		if server != "" && n%2 == 1 {
			template = testdb.NewTemplate("once", fill) // as another process has it
		}
		all.Go(func() { template.Copy(t) })
	}
	all.Wait()
	if n := filled.Load() - before; n > 1 {
		t.Errorf("made %d times", n)
	}
}

func TestRefuse(t *testing.T) {
	w := newWorld(t)
	over := testdb.Refuse(t, w.DB, "INSERT ON children", "new.n > 5")
	w.refused(`INSERT INTO children VALUES ('dora', 'ann', 6)`)
	w.exec(`INSERT INTO children VALUES ('carl', 'ann', 5)`)
	over()
	w.exec(`INSERT INTO children VALUES ('dora', 'ann', 6)`)
	over = testdb.Refuse(t, w.DB, "DELETE ON children", "")
	w.refused(`DELETE FROM children`)
	over()
	w.want("bob", "carl", "dora")
}

func TestReferencesAndSnapshot(t *testing.T) {
	w := newWorld(t)
	w.exec(testdb.Either(t, `PRAGMA foreign_keys = ON`, `SELECT 1`))
	restore := testdb.Snapshot(t, w.DB, []string{"children", "parents"})
	orphan := `INSERT INTO children VALUES ('orphan', 'nobody', 1)`
	w.refused(orphan)
	over := testdb.WithoutReferences(t, w.DB)
	w.exec(orphan)
	over()
	w.refused(strings.ReplaceAll(orphan, "orphan", "other"))
	w.exec(`DELETE FROM children`)
	w.exec(`DELETE FROM parents`)
	for range 2 {
		restore(t)
		w.want("bob")
		w.exec(`DELETE FROM children`)
	}
}

func TestTables(t *testing.T) {
	w := newWorld(t)
	names, columns := testdb.Tables(t, w.DB)
	want := map[string][]testdb.Column{
		"children": {{Name: "id", Type: "TEXT"}, {Name: "parent", Type: "TEXT", Default: "'none'"}, {Name: "n", Type: "BIGINT"}},
		"parents":  {{Name: "id", Type: "TEXT"}},
	}
	if fmt.Sprint(names) != "[children parents]" || !reflect.DeepEqual(columns, want) {
		t.Errorf("got %v: %+v", names, columns)
	}
}

func TestServer(t *testing.T) {
	for value, want := range map[string]string{"": "", testdb.Off: "", "postgres://x@y/z": "postgres://x@y/z", "postgresql://x@y/z": "postgresql://x@y/z"} {
		t.Setenv(testdb.Variable, value)
		if got, err := testdb.Server(); got != want || err != nil {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
	t.Setenv(testdb.Variable, "mysql://root:secret@host/db")
	if _, err := testdb.Server(); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), testdb.Variable) {
		t.Error(err)
	}
}
