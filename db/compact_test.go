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
