package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// farAway stands for a database that is only named.
var farAway = newDB(&postgres{url: "postgres://gatepost:hidden-secret@db.example/gatepost?password=hidden-secret"})

// claims begins to copy a database, and goes no further.
func claims(ctx context.Context, d *DB) error {
	_, err := (&copier{source: d, target: farAway}).claimSource(ctx)
	return err
}

// unmarked takes the mark away that the database has, and returns the other one.
func (d *DB) unmarked(ctx context.Context) (other string, err error) {
	m, err := d.Marked(ctx)
	if err == nil && m.Other != "" {
		err = d.Unmark(ctx, m)
	}
	return m.Other, err
}

func TestADatabaseIsServedOrCopied(t *testing.T) {
	d, ctx := open(t), t.Context()
	for _, process := range []string{"one", "other"} {
		if err := d.Serve(ctx, process); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.StopServing(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	if err := claims(ctx, d); err == nil || !strings.Contains(err.Error(), "a process serves it, or was killed a moment ago: stop all of them, or wait 3") {
		t.Errorf("got %v", err)
	}
	if err := d.Serve(ctx, "one"); err != nil {
		t.Errorf("the copy that was refused is in the way: %v", err)
	}
	if err := d.StopServing(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if err := claims(ctx, d); err != nil {
		t.Fatal(err)
	}
	err := d.Serve(ctx, "one")
	if !errors.Is(err, ErrMarked) || !strings.Contains(err.Error(), "it is being copied to postgres://gatepost@db.example/gatepost, since ") || strings.Contains(err.Error(), "hidden-secret") {
		t.Errorf("got %v", err)
	}
	if err := claims(ctx, d); err != nil {
		t.Errorf("it isn't gone on with: %v", err)
	}
	if other, err := d.unmarked(ctx); err != nil || other != "postgres://gatepost@db.example/gatepost" {
		t.Errorf("got %q, %v", other, err)
	}
	if err := d.Serve(ctx, "one"); err != nil {
		t.Error(err)
	}
}

// A process that was suspended for longer than its right lasts finds that it is lost.
func TestTheRightToServeRunsOut(t *testing.T) {
	d, ctx := open(t), t.Context()
	if err := d.Serve(ctx, "suspended"); err != nil {
		t.Fatal(err)
	}
	now := d.now()
	d.now = func() time.Time { return now.Add(ServingTime) }
	if err := claims(ctx, d); err != nil {
		t.Fatal(err)
	}
	if err := d.Serve(ctx, "suspended"); !errors.Is(err, ErrMarked) {
		t.Errorf("got %v", err)
	}
}

// Of who begins to serve and who begins to copy at the same moment, one is refused.
func TestServeAndCopyAtTheSameMoment(t *testing.T) {
	where := empty.Copy(t)
	var both [2]*DB
	for i := range both {
		d, err := Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		both[i] = d
	}
	for round := range 20 {
		var wait sync.WaitGroup
		var served, copied error
		wait.Go(func() { served = both[0].Serve(t.Context(), "one") })
		wait.Go(func() { copied = claims(t.Context(), both[1]) })
		wait.Wait()
		if (served == nil) == (copied == nil) {
			t.Fatalf("round %d: serve %v, copy %v", round, served, copied)
		}
		_, err := both[0].unmarked(t.Context())
		if err := errors.Join(err, both[0].StopServing(t.Context(), "one")); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever opens a marked database is refused, but for those who only read.
func TestAMarkedDatabaseIsNotOpened(t *testing.T) {
	where := empty.Copy(t)
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for state, says := range map[string]string{copying: "being copied to", moved: "moved to", incoming: "not all of"} {
		if _, err := d.write.Exec(`DELETE FROM database_copies`); err != nil {
			t.Fatal(err)
		}
		if _, err := d.write.Exec(`INSERT INTO database_copies (id, state, other, at) VALUES ('1', $1, 'the other', 0)`, state); err != nil {
			t.Fatal(err)
		}
		for name, open := range map[string]func(context.Context, string) (*DB, error){"Open": Open, "OpenExisting": OpenExisting, "OpenMigrated": openMigrated} {
			if d, err := open(t.Context(), where); !errors.Is(err, ErrMarked) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "the other") {
				t.Errorf("%s of one that is %s: %v, %v", name, state, d, err)
			}
		}
		r, err := OpenToRead(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		if _, err := d.unmarked(t.Context()); (err == nil) != (state != incoming) {
			t.Errorf("unmark one that is %s: %v", state, err)
		}
	}
}

// Nobody brings tables up to date while they are copied.
func TestAMarkedDatabaseIsNotMigrated(t *testing.T) {
	where := empty.Copy(t)
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, change := range []string{`INSERT INTO database_copies (id, state, other, at) VALUES ('1', 'incoming', 'the other', 0)`, `DELETE FROM goose_db_version WHERE version_id = 28`} {
		if _, err := d.write.Exec(change); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := openMigrated(t.Context(), where); !errors.Is(err, ErrMarked) {
		t.Errorf("got %v, %v", d, err)
	}
	if _, err := Migrate(t.Context(), where, 0, nil); !errors.Is(err, ErrMarked) {
		t.Errorf("got %v", err)
	}
}

// copyWorld is a file with rows in every table, and a database on a server.
type copyWorld struct {
	t        *testing.T
	from, to string
	added    int64 // rows in each table
}

// newCopyWorld returns one whose target is a copy of into: bare, where the copy is to make
// the tables, which takes most of its time, or empty.
func newCopyWorld(t *testing.T, into *testdb.Template) *copyWorld {
	t.Helper()
	if url, err := testdb.Server(); err != nil || url == "" {
		t.Skip("copies go to PostgreSQL: " + testdb.Variable + " names no server")
	}
	w := &copyWorld{t, empty.File(t), into.Copy(t), 0}
	w.add("a", "ünï ☃", "it's")
	return w
}

// add adds a row of each name to every table of the file, which is each of its texts.
func (w *copyWorld) add(names ...string) {
	w.t.Helper()
	d := w.open(w.from)
	defer func() { _ = d.Close() }()
	tables, err := (&copier{}).ordered(w.t.Context(), d.read)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		w.added++
		for _, table := range tables {
			columns, err := collect(w.t.Context(), d.read, scanID, `SELECT CASE type WHEN 'TEXT' THEN '$1' ELSE '$2' END FROM pragma_table_info($1) ORDER BY cid`, table)
			if err != nil {
				w.t.Fatal(err)
			}
			if _, err := d.write.Exec(`INSERT INTO `+table+` SELECT `+strings.Join(columns, ", "), name, w.added<<40); err != nil {
				w.t.Fatal(table, err)
			}
		}
	}
}

func (w *copyWorld) open(where string) *DB {
	w.t.Helper()
	d, err := openWith(w.t.Context(), engineFor(where), opening{makes: true, marked: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// change runs a statement on the file.
func (w *copyWorld) change(statement string) {
	w.t.Helper()
	d := w.open(w.from)
	defer func() { _ = d.Close() }()
	if _, err := d.write.Exec(statement); err != nil {
		w.t.Fatal(err)
	}
}

// copy copies, until the table is reached in which it is stopped.
func (w *copyWorld) copy(stopAt string) (copied Copied, told []string, err error) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	defer stop()
	copied, err = Copy(ctx, w.from, w.to, func(table string, rows, of int) {
		told = append(told, fmt.Sprintf("%s %d/%d", table, rows, of))
		if table == stopAt {
			stop()
		}
	})
	return copied, told, err
}

// rows are all rows of the tables that are copied, as text.
func (w *copyWorld) rows(where string, tables []string) (all []string) {
	w.t.Helper()
	d := w.open(where)
	defer func() { _ = d.Close() }()
	for _, table := range tables {
		var found []string
		rows, err := d.read.Query(`SELECT * FROM ` + d.engine.stored(table))
		if err != nil {
			w.t.Fatal(err)
		}
		names, _ := rows.Columns()
		r := &copiedRows{rows: rows, columns: len(names), each: func(int) {}}
		for r.Next() {
			values, err := r.Values()
			if err != nil {
				w.t.Fatal(err)
			}
			byName := map[string]any{}
			for i, name := range names {
				byName[name] = values[i]
			}
			found = append(found, fmt.Sprintf("%s %q", table, fmt.Sprint(byName)))
		}
		if err := r.Err(); err != nil {
			w.t.Fatal(err)
		}
		_ = rows.Close()
		slices.Sort(found)
		all = append(all, found...)
	}
	return all
}

// moved checks that all rows are there, and that the target alone may be served.
func (w *copyWorld) moved() {
	w.t.Helper()
	source, ctx := w.open(w.from), w.t.Context()
	defer func() { _ = source.Close() }()
	tables, err := (&copier{}).ordered(ctx, source.read)
	if err != nil {
		w.t.Fatal(err)
	}
	if before, after := w.rows(w.from, tables), w.rows(w.to, tables); !slices.Equal(before, after) {
		w.t.Errorf("of the rows\n%s\nthere are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if err := source.Serve(ctx, "one"); !errors.Is(err, ErrMarked) || !strings.Contains(err.Error(), "it was moved to postgres://") {
		w.t.Errorf("the source: %v", err)
	}
	target, err := Open(ctx, w.to)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	if err := errors.Join(target.Serve(ctx, "one"), target.StopServing(ctx, "one")); err != nil {
		w.t.Error(err)
	}
}

func TestCopyMovesEverything(t *testing.T) {
	w := newCopyWorld(t, bare)
	copied, told, err := w.copy("")
	if err != nil || copied.Rows != 3*copied.Tables || copied.Tables < 30 || !slices.Contains(told, "subscribers 3/3") {
		t.Fatalf("%+v, %v, %v", copied, told, err)
	}
	w.moved()
	if _, _, err := w.copy(""); err == nil || !strings.Contains(err.Error(), "moved there already") {
		t.Errorf("again: %v", err)
	}
	w.moved()
}

func TestACopyThatWasStoppedGoesOn(t *testing.T) {
	w := newCopyWorld(t, bare)
	if _, _, err := w.copy("newsletters"); err == nil {
		t.Fatal("it wasn't stopped")
	}
	for name, where := range map[string]string{"source": w.from, "target": w.to} {
		if d, err := openMigrated(t.Context(), where); !errors.Is(err, ErrMarked) {
			t.Errorf("the %s is opened meanwhile: %v, %v", name, d, err)
		}
	}
	if _, _, err := w.copy(""); err != nil {
		t.Fatal(err)
	}
	w.moved()
}

// What changed after a copy was given up would be missing if that one went on.
func TestACopyThatWasGivenUpBeginsAnew(t *testing.T) {
	w := newCopyWorld(t, empty)
	if _, _, err := w.copy("subscribers"); err == nil {
		t.Fatal("it wasn't stopped")
	}
	source := w.open(w.from)
	if _, err := source.unmarked(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = source.Close()
	w.change(`UPDATE tenants SET name = 'Changed' WHERE id = 'a'`)
	w.add("later")
	if copied, _, err := w.copy(""); err != nil || copied.Rows != 4*copied.Tables {
		t.Fatalf("%+v, %v", copied, err)
	}
	w.moved()
}

// Of the job runner's tables nothing is copied: what no sweep finds is queued again, once.
func TestACopyQueuesWhatWaits(t *testing.T) {
	w := newCopyWorld(t, empty)
	w.change(`UPDATE mails SET state = 'queued' WHERE id = 'a'`)
	for range 2 {
		if _, _, err := w.copy("subscribers"); err == nil {
			t.Fatal("it wasn't stopped")
		}
	}
	if _, _, err := w.copy(""); err != nil {
		t.Fatal(err)
	}
	target := w.open(w.to)
	defer func() { _ = target.Close() }()
	queued, err := collect(t.Context(), target.read, scanID, `SELECT kind || ' ' || count(*) FROM river_job WHERE state IN ('available', 'scheduled') GROUP BY kind ORDER BY kind`)
	if want := []string{MailJob{}.Kind() + " 1", RevokeJob{}.Kind() + " 3"}; err != nil || !slices.Equal(queued, want) {
		t.Errorf("queued %v, %v, want %v", queued, err, want)
	}
}

// Whom the search finds isn't copied either, nor queued with the hand-over, which must end
// soon however many they are: who serves the target goes through them step by step.
func TestACopyFindsEverybodyAnew(t *testing.T) {
	w := newCopyWorld(t, empty)
	w.change(`INSERT INTO search_looks (one, after_tenant, after_id, ended_at) VALUES (1, '', '', 4102444800000)`)
	if _, _, err := w.copy(""); err != nil {
		t.Fatal(err)
	}
	target := w.open(w.to)
	defer func() { _ = target.Close() }()
	wantN(t, target, 0, `SELECT count(*) FROM search_queue`)
	if more, err := target.QueueUnfound(t.Context()); more || err != nil {
		t.Errorf("more %v, %v", more, err)
	}
	wantN(t, target, 3, `SELECT count(*) FROM search_queue`)
}

// Killed between the two marks, it is told to go on once more.
func TestACopyThatWasKilledAtTheEndGoesOn(t *testing.T) {
	w := newCopyWorld(t, empty)
	if _, _, err := w.copy(""); err != nil {
		t.Fatal(err)
	}
	source, target := w.open(w.from), w.open(w.to)
	c, err := readCopy(t.Context(), source.read)
	if _, e := target.write.Exec(`INSERT INTO database_copies (id, state, other, at) VALUES ($1, 'incoming', 'file', 0)`, c.ID); errors.Join(err, e) != nil {
		t.Fatal(err, e)
	}
	_, _ = source.Close(), target.Close()
	if _, err := Open(t.Context(), w.to); !errors.Is(err, ErrMarked) {
		t.Errorf("got %v", err)
	}
	if _, _, err := w.copy(""); err != nil {
		t.Fatal(err)
	}
	w.moved()
}

func TestACopyWhoseCountsDifferHandsNothingOver(t *testing.T) {
	w := newCopyWorld(t, empty)
	if _, _, err := w.copy("subscribers"); err == nil {
		t.Fatal("it wasn't stopped")
	}
	target := w.open(w.to)
	if _, err := target.write.Exec(`DELETE FROM services WHERE id = 'a'`); err != nil {
		t.Fatal(err)
	}
	_ = target.Close()
	if _, _, err := w.copy(""); err == nil || !strings.Contains(err.Error(), "services (3, and 2 arrived)") {
		t.Errorf("got %v", err)
	}
	for name, where := range map[string]string{"source": w.from, "target": w.to} {
		if d, err := Open(t.Context(), where); !errors.Is(err, ErrMarked) || strings.Contains(err.Error(), "moved") {
			t.Errorf("the %s: %v, %v", name, d, err)
		}
	}
}

func TestACopyThatIsRefusedLeavesTheSourceAlone(t *testing.T) {
	for name, prepare := range map[string]func(target *DB) error{
		"there is something in it already": func(target *DB) error {
			_, err := target.write.Exec(`INSERT INTO tenants (id, slug, name, created_at) VALUES ('1', 'contoso', 'Contoso', 0)`)
			return err
		},
		"a process serves it":   func(target *DB) error { return target.Serve(context.Background(), "one") },
		"it is being copied to": func(target *DB) error { return claims(context.Background(), target) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newCopyWorld(t, empty)
			target := w.open(w.to)
			if err := prepare(target); err != nil {
				t.Fatal(err)
			}
			_ = target.Close()
			if _, _, err := w.copy(""); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
			source, err := Open(t.Context(), w.from)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = source.Close() }()
			if err := source.Serve(t.Context(), "one"); err != nil {
				t.Error(err)
			}
			if _, _, err := w.copy(""); err == nil || !strings.Contains(err.Error(), "a process serves it") {
				t.Errorf("while it is served: %v", err)
			}
		})
	}
}

// A copy of what is open would be of what it was in the beginning.
func TestNobodyChangesWhatIsCopied(t *testing.T) {
	w := newCopyWorld(t, empty)
	other := w.open(w.from)
	defer func() { _ = other.Close() }()
	tried := 0
	_, err := Copy(t.Context(), w.from, w.to, func(string, int, int) {
		tried++
		soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := other.write.ExecContext(soon, `UPDATE tenants SET name = 'Changed'`); err == nil {
			t.Error("it was changed meanwhile")
		}
	})
	if err != nil || tried == 0 {
		t.Errorf("tried %d times, %v", tried, err)
	}
}

func TestWhatIsNotCopied(t *testing.T) {
	for _, pair := range [][2]string{{"a.db", "b.db"}, {"postgres://h/d", "postgres://h/e"}, {"postgres://h/d", "b.db"}} {
		if _, err := Copy(t.Context(), pair[0], pair[1], nil); err == nil || !strings.Contains(err.Error(), "from a SQLite file to PostgreSQL") {
			t.Errorf("%v: %v", pair, err)
		}
	}
	if _, err := Copy(t.Context(), filepath.Join(t.TempDir(), "none.db"), "postgres://127.0.0.1:1/d", nil); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v", err)
	}
}

// A copy whose mark was taken away before it held the source copies nothing: else both
// databases could be served at its end.
func TestACopyWhoseMarkIsTakenAwayEnds(t *testing.T) {
	d, ctx := open(t), t.Context()
	c := &copier{source: d, target: farAway}
	if _, err := c.claimSource(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := d.unmarked(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.copy(ctx); err == nil || !strings.Contains(err.Error(), "its mark was taken away") {
		t.Errorf("got %v", err)
	}
}

// A file that was moved takes no change any more, whoever still has it open.
func TestAFileThatWasMovedTakesNoChange(t *testing.T) {
	testdb.SQLiteOnly(t, "only files are moved")
	d, ctx := withNewsletters(t, "a/1"), t.Context()
	if err := d.tx(ctx, func(tx *sql.Tx) error { return fence(ctx, tx, []string{"subscribers", "identities"}) }); err != nil {
		t.Fatal(err)
	}
	if answers, err := d.AddSignUps(ctx, []SignUp{signUp("a/1", "one@example.com")}); err == nil && answers[0].Err == nil {
		t.Error("a sign-up is stored in it")
	}
	if err := d.tx(ctx, func(tx *sql.Tx) error { return unfence(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
	add(t, d, signUp("a/1", "one@example.com"))
}
