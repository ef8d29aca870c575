package jobs

import (
	"context"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// fieldsLook is how often CRMs are looked for whose fields were read a day ago.
const fieldsLook = 10 * time.Minute

// Fields reads the fields of CRMs anew; delivery.Dispatcher is one.
type Fields interface {
	ReadStaleSchemas(ctx context.Context) error
}

// fieldsJob reads the fields of CRMs, to which something is mapped, once a day.
type fieldsJob struct{}

// Kind names the job in the table of jobs.
func (fieldsJob) Kind() string { return "fields" }

// InsertOpts: one at a time, and one that fails is not tried again, since the next one
// comes soon.
func (fieldsJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: db.LongQueue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

type fieldsWorker struct {
	river.WorkerDefaults[fieldsJob]
	fields Fields
}

// Timeout leaves time for many CRMs; the others' turn comes with the next job.
func (w *fieldsWorker) Timeout(*river.Job[fieldsJob]) time.Duration { return longTime }

// Work looks once.
func (w *fieldsWorker) Work(ctx context.Context, _ *river.Job[fieldsJob]) error {
	return w.fields.ReadStaleSchemas(ctx)
}
