package db_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/db/dbtest/testdb"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
)

// TestNoStatementTellsSQLitesTrouble calls all that a database does while another
// program keeps it locked: whatever has to write says that it can't for now, in one
// way, and none says it in the driver's.
func TestNoStatementTellsSQLitesTrouble(t *testing.T) {
	path := dbtest.Path(t)
	d := dbtest.Open(t, path)
	defer dbtest.Lock(t, path, d)()
	said := 0
	v := reflect.ValueOf(d)
	for i := range v.NumMethod() {
		name, method := v.Type().Method(i).Name, v.Method(i)
		if name == "Close" || name == "Writer" || name == "Listen" || method.Type().NumIn() == 0 { // Listen doesn't end
			continue
		}
		dbtest.Pragma(t, d, "busy_timeout = 1")
		err := call(t.Context(), method)
		var se *sqlite.Error
		if errors.As(err, &se) && !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if errors.Is(err, db.ErrUnavailable) {
			said++
		}
	}
	if said < 50 {
		t.Errorf("only %d methods were refused: is it locked?", said)
	}
}

// call calls a method with the context and otherwise nothing, and returns its error.
func call(ctx context.Context, method reflect.Value) (err error) {
	defer func() { _ = recover() }() // of one that is called with nothing
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < method.Type().NumIn(); i++ {
		in = append(in, reflect.Zero(method.Type().In(i)))
	}
	do := method.Call
	if method.Type().IsVariadic() {
		do = method.CallSlice
	}
	out := do(in)
	if len(out) == 0 {
		return nil
	}
	err, _ = out[len(out)-1].Interface().(error)
	return err
}

// Nobody waits for ten seconds behind everybody else who does.
func TestWaitingForALockIsShortAfterTheFirst(t *testing.T) {
	path := dbtest.Path(t)
	d := dbtest.Open(t, path)
	unlock := dbtest.Lock(t, path, d)
	waits := func() (ms int) {
		t.Helper()
		if err := d.Writer().QueryRow("PRAGMA busy_timeout").Scan(&ms); err != nil {
			t.Fatal(err)
		}
		return ms
	}
	if err := d.CreateTenant(t.Context(), db.Tenant{}, db.FirstNewsletter{}); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("locked: %v", err)
	}
	if ms := waits(); ms != 200 {
		t.Errorf("the next waits for %d ms", ms)
	}
	unlock()
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if ms := waits(); ms != 10000 {
		t.Errorf("then it waits for %d ms", ms)
	}
}

// Ping tells of a database that answers but takes no writes, and of its recovery.
func TestPingTriesToWrite(t *testing.T) {
	path := dbtest.Path(t)
	d := dbtest.Open(t, path)
	for name, trouble := range map[string]func() (over func()){
		"locked": func() func() { return dbtest.Lock(t, path, d) },
		"full":   func() func() { return dbtest.Fill(t, d) },
	} {
		if err := d.Ping(t.Context()); err != nil {
			t.Errorf("before it is %s: %v", name, err)
		}
		over := trouble()
		if err := d.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		over()
		if err := d.Ping(t.Context()); err != nil {
			t.Errorf("no longer %s: %v", name, err)
		}
	}
	var left int
	if err := d.Writer().QueryRow(`SELECT COUNT(*) FROM write_probes`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d are left, %v", left, err)
	}
	// A writer who takes long keeps nobody waiting for the answer.
	tx, err := d.Writer().Begin()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := d.Ping(ctx); !errors.Is(err, db.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("beside a long transaction: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
}

// A sign-up that finds no room fails as what it is, and the next one is stored when
// there is room again.
func TestSignUpsOnAFullDisk(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	tenant := db.Tenant{ID: db.NewID(), Slug: "contoso", Name: "Contoso", CreatedAt: time.Now()}
	if err := d.CreateTenant(t.Context(), tenant, db.FirstNewsletter{Slug: "weekly", Name: "Weekly", Consent: "Yes."}); err != nil {
		t.Fatal(err)
	}
	n, err := d.NewsletterBySlug(t.Context(), "weekly")
	if err != nil {
		t.Fatal(err)
	}
	signUps := func(prefix string) []db.SignUp {
		var all []db.SignUp
		for range 100 {
			email := prefix + db.NewID() + "@northwind.example"
			all = append(all, db.SignUp{TenantID: n.TenantID, NewsletterID: n.ID, Email: email, EmailKey: email, FirstName: strings.Repeat("x", 80), Consent: n.Consent, Source: "form", At: time.Now()})
		}
		return all
	}
	room := dbtest.Fill(t, d)
	failed := false
	for range 20 {
		answers, err := d.AddSignUps(t.Context(), signUps("a"))
		for _, a := range answers {
			err = errors.Join(err, a.Err)
		}
		if err != nil && !errors.Is(err, db.ErrUnavailable) {
			t.Fatalf("it fails with %v", err)
		}
		failed = failed || err != nil
	}
	if !failed {
		t.Error("it is never full")
	}
	room()
	answers, err := d.AddSignUps(t.Context(), signUps("b"))
	if err != nil || answers[0].Err != nil || answers[0].ID == "" {
		t.Errorf("with room again: %v", err)
	}
}

// Processes take turns at writing: the database queues where others do.
func TestWritersQueue(t *testing.T) {
	dbtest.SQLiteOnly(t, "PostgreSQL has any number of writers")
	path := dbtest.Path(t)
	d := dbtest.Open(t, path)
	turn := flock.New(path + "-turn")
	if err := turn.Lock(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = turn.Unlock() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.AddSignUps(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a transaction didn't queue: %v", err)
	}
	if _, err := d.Tenants(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a fail-over can lose is told.
func TestReplicationIsTold(t *testing.T) {
	want := db.Replication(testdb.Either(t, "none", "asynchronous"))
	if got, err := dbtest.Open(t, dbtest.Path(t)).Replication(t.Context()); got != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
