package db

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// Compacting gives the bytes back of what was deleted, refuses where there is no room, and a log that
// somebody reads is emptied later.
func TestCompact(t *testing.T) {
	testdb.SQLiteOnly(t, "a server's files are its own")
	d := withNewsletters(t, "a/1")
	file := d.engine.(*sqliteFile)
	var all []SignUp
	for i := range 500 {
		all = append(all, signUp("a/1", fmt.Sprintf("marked%d@reader.example", i)))
	}
	add(t, d, all...)
	before, err := d.Space(t.Context())
	if err != nil || before.Bytes == 0 || before.Disk <= 0 || before.Takes() < time.Second {
		t.Fatalf("%+v, %v", before, err)
	}
	if due, err := d.TruncateLog(t.Context()); due || err != nil {
		t.Errorf("nobody was erased: %v, %v", due, err)
	}
	if _, err := d.write.Exec(`DELETE FROM subscribers`); err != nil {
		t.Fatal(err)
	}
	if err := d.noteCompaction(t.Context(), notedErased, d.now()); err != nil {
		t.Fatal(err)
	}

	file.free = func() int64 { return 1 << 10 }
	if _, err := d.Compact(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no room") {
		t.Errorf("without room it says %v", err)
	}
	file.free = nil

	reading, err := d.read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if number(t, d, `SELECT 1`); reading.QueryRow(`SELECT count(*) FROM tenants`).Scan(new(int)) != nil {
		t.Fatal("nobody reads")
	}
	if done, err := file.truncateOnce(t.Context()); done || err != nil {
		t.Errorf("while somebody reads: %v, %v", done, err)
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if due, err := d.TruncateLog(t.Context()); !due || err != nil {
		t.Errorf("somebody was erased: %v, %v", due, err)
	}
	if log, err := os.Stat(file.path + "-wal"); err != nil || log.Size() > 10_000 { // but for the note of it
		t.Errorf("the log has %d bytes, %v", log.Size(), err)
	}

	if emptied, err := d.Compact(t.Context()); !emptied || err != nil {
		t.Errorf("%v, %v", emptied, err)
	}
	after, err := d.Space(t.Context())
	if err != nil || after.Bytes >= before.Bytes || after.Worthwhile() {
		t.Errorf("%+v became %+v, %v", before, after, err)
	}
	if n := number(t, d, `SELECT count(*) FROM tenants`); n == 0 {
		t.Error("what wasn't deleted is gone")
	}
}

// Whoever goes, and by which way, the log is to be emptied after it; and only then.
func TestWhatIsDeletedIsNotedForTheLog(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	noted := func(what string, want bool, do func() error) {
		t.Helper()
		before, _, err := d.lastErased(t.Context())
		unless(t, err)
		now = now.Add(time.Minute)
		unless(t, do())
		if after, _, err := d.lastErased(t.Context()); err != nil || (after > before) != want {
			t.Errorf("%s: noted %t, %v", what, after > before, err)
		}
	}
	expire := func() error { _, err := d.ExpireReaders(t.Context(), "a"); return err }
	forget := func() error { return d.ForgetAddresses(t.Context()) }
	unless(t, d.SetTerms(t.Context(), "a", Terms{Addresses: 30}))
	test, held, active := signUp("a/1", "test@example.com"), signUp("a/1", "held@example.com"), signUp("a/1", "active@example.com")
	test.Source, held.Held, active.From = "test", []string{"burst"}, Origin{IP: "192.0.2.7"}
	ids := add(t, d, test, held, active)
	noted("nobody expires", false, expire)
	noted("no address is old", false, forget)
	noted("a test is undone", true, func() error { _, err := d.UndoTest(t.Context(), "a", ids[0], "ann"); return err })
	now = now.Add(31 * day)
	noted("somebody expires", true, expire)
	noted("addresses are old", true, forget)
	active.Held, active.From, active.At = []string{"burst"}, Origin{}, now
	add(t, d, active)
	now = now.Add(31 * day)
	noted("what is held ends", true, expire)
	noted("again", false, expire)
	noted("again", false, forget)
	_, err := d.write.Exec(`UPDATE tenants SET closed_at = 1, wipe_at = 1 WHERE id = 'a'`)
	unless(t, err)
	noted("a tenant is wiped", true, func() error { _, err := d.WipeTenant(t.Context(), "a", nil); return err })
}

func TestAServerIsNotCompacted(t *testing.T) {
	testdb.PostgresOnly(t, "a file is")
	d := open(t)
	if _, err := d.Compact(t.Context()); !errors.Is(err, ErrNotAFile) {
		t.Error(err)
	}
	if _, err := d.Space(t.Context()); !errors.Is(err, ErrNotAFile) {
		t.Error(err)
	}
	if due, err := d.TruncateLog(t.Context()); due || err != nil {
		t.Error(due, err)
	}
}
