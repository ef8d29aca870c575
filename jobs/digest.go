package jobs

import (
	"context"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// digestLook is how often tenants are looked for where it is morning.
const digestLook = time.Minute

// Digester queues the mails of the day; incidents.Watch is one.
type Digester interface {
	Digests(ctx context.Context) error
}

// digestJob queues the mails of the day where they are due. It waits in the queue of what
// needs a mail server, so that only a process with one decides on a morning.
type digestJob struct{}

// Kind names the job in the table of jobs.
func (digestJob) Kind() string { return "digest" }

// InsertOpts: one at a time, since none is worked on where no process has a mail server;
// and one that fails is not tried again, since the next one comes soon.
func (digestJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: db.MailQueue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

type digestWorker struct {
	river.WorkerDefaults[digestJob]
	digester Digester
}

// Work looks once.
func (w *digestWorker) Work(ctx context.Context, _ *river.Job[digestJob]) error {
	return w.digester.Digests(ctx)
}
