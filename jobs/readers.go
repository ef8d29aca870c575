package jobs

import (
	"context"
	"errors"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// readersLook is how often is looked for people who haven't confirmed in time, were held and
// nobody decided, or were rejected.
const readersLook = 10 * time.Minute

// Readers is what expiring them needs; db.DB has it.
type Readers interface {
	TenantsWithUndecided(ctx context.Context) (tenantIDs []string, err error)
	ExpireReaders(ctx context.Context, tenantID string) (more bool, err error)
}

// readersJob removes people who haven't confirmed in time, were held and nobody decided, or were rejected.
type readersJob struct{}

// Kind names the job in the table of jobs.
func (readersJob) Kind() string { return "readers" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (readersJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: db.LongQueue}
}

type readersWorker struct {
	river.WorkerDefaults[readersJob]
	store Readers
}

// Timeout leaves time for a great many; what is left then is removed by the next job.
func (w *readersWorker) Timeout(*river.Job[readersJob]) time.Duration { return longTime }

// Work removes them, tenant by tenant. One whose rows can't be removed holds up no other.
func (w *readersWorker) Work(ctx context.Context, _ *river.Job[readersJob]) error {
	tenants, err := w.store.TenantsWithUndecided(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range tenants {
		for more := true; more && ctx.Err() == nil; {
			if more, err = w.store.ExpireReaders(ctx, id); err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}
