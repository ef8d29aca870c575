package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// jobDriver is River's driver for SQLite without its table of notifications, which it
// reads twenty times a second, on the one connection that writes.
type jobDriver struct {
	*riversqlite.Driver
	queued <-chan string
}

// SupportsListenNotify reports that nothing is written to the table of notifications.
func (jobDriver) SupportsListenNotify() bool { return false }

// GetListener returns what hears of queued jobs within the process.
func (d jobDriver) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return jobListener{schema: params.Schema, queued: d.queued}
}

func (s *sqliteFile) jobsOn(pool *sql.DB) riverdriver.Driver[*sql.Tx] { return riversqlite.New(pool) }

func (s *sqliteFile) jobs() riverdriver.Driver[*sql.Tx] {
	return jobDriver{riversqlite.New(s.write), s.queued}
}

// wake has the job runner of this process look once the job is there: it needs the
// connection that the transaction has.
func (s *sqliteFile) wake(queue string) {
	select {
	case s.queued <- queue:
	default:
	}
}

// wake does nothing: River notifies job runners when the transaction is committed.
func (p *postgres) wake(string) {}

// jobListener tells the job runner which queue has something new.
type jobListener struct {
	schema string
	queued <-chan string
}

// WaitForNotification returns when something is queued.
func (l jobListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case queue := <-l.queued:
		return &riverdriver.Notification{Topic: "river_insert", Payload: fmt.Sprintf(`{"queue":%q}`, queue)}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Schema is where River's tables are.
func (l jobListener) Schema() string { return l.schema }

// Connect has nothing to connect to, as all the following.
func (jobListener) Connect(context.Context) error { return nil }

// Close does nothing.
func (jobListener) Close(context.Context) error { return nil }

// Listen does nothing: whoever subscribes to a topic gets what is of it.
func (jobListener) Listen(context.Context, string) error { return nil }

// Unlisten does nothing.
func (jobListener) Unlisten(context.Context, string) error { return nil }

// Ping does nothing.
func (jobListener) Ping(context.Context) error { return nil }

// SetAfterConnectExec does nothing.
func (jobListener) SetAfterConnectExec(string) {}

// wakeups is how many wake-ups wait for a job runner that is busy; it comes by itself
// for those beyond.
const wakeups = 100

// enqueue stores a job, and wakes the job runner.
func (d *base) enqueue(ctx context.Context, tx *sql.Tx, job river.JobArgs, opts *river.InsertOpts) error {
	stored, err := d.jobs.InsertTx(ctx, tx, job, opts)
	if err != nil {
		return err
	}
	d.engine.wake(stored.Job.Queue)
	return nil
}
