package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// recountEvery is how often all of a tenant's rows are counted and compared with
	// what is kept.
	recountEvery = time.Hour
	// recountLook is how often tenants whose turn it is are looked for. So a job that
	// has too many of them leaves the rest to the next one.
	recountLook = time.Minute
)

// Recounts are those of tenants' rows; db.DB makes them.
type Recounts interface {
	DueRecounts(ctx context.Context, before time.Time) ([]string, error)
	CheckCounts(ctx context.Context, tenantID string) (db.Recount, error)
}

// recountJob counts the rows of the tenants whose turn it is, and compares them
// with what is kept.
type recountJob struct{}

// Kind names the job in the table of jobs.
func (recountJob) Kind() string { return "recount" }

// InsertOpts: one at a time, and one that fails is not tried again, since the next
// one comes soon.
func (recountJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: db.LongQueue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

type recountWorker struct {
	river.WorkerDefaults[recountJob]
	store Recounts
	log   *slog.Logger
}

// Timeout leaves time for a great many rows, within what a stuck job is given.
func (w *recountWorker) Timeout(*river.Job[recountJob]) time.Duration { return longTime }

// Work recounts one tenant after the other. A tenant whose numbers don't agree is
// logged, and shown to its admins; one that can't be counted is logged, and keeps
// nobody else waiting. In the second half of its time it begins no more.
func (w *recountWorker) Work(ctx context.Context, _ *river.Job[recountJob]) error {
	began := time.Now()
	due, err := w.store.DueRecounts(ctx, began.Add(-recountEvery))
	if err != nil {
		return err
	}
	for _, tenant := range due {
		if ctx.Err() != nil || time.Since(began) > longTime/2 {
			return nil
		}
		r, err := w.store.CheckCounts(ctx, tenant)
		switch {
		case errors.Is(err, context.Canceled): // stopped
			return nil
		case err != nil:
			w.log.ErrorContext(ctx, "a recount failed", "tenant", tenant, "error", err)
		case !r.Agrees():
			w.log.ErrorContext(ctx, "a recount doesn't agree with what is kept", "tenant", tenant, "difference", r.Kept.Difference(), "wrong", r.Wrong)
		}
	}
	return nil
}
