package jobs

import (
	"context"
	"errors"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// Lists are files of addresses that are to leave; db.DB keeps them.
type Lists interface {
	StepList(ctx context.Context, tenantID, id string) (db.SuppressionList, error)
	YieldList(ctx context.Context, tenantID, id string) error
	ResumeLists(ctx context.Context) error
}

type listWorker struct {
	river.WorkerDefaults[db.ListJob]
	store Lists
	turn  time.Duration
}

// Timeout leaves time for a turn, within what a stuck job is given.
func (w *listWorker) Timeout(*river.Job[db.ListJob]) time.Duration { return longTime }

// Work goes on with a list for a turn, or to its end.
func (w *listWorker) Work(ctx context.Context, job *river.Job[db.ListJob]) error {
	for began := time.Now(); ; {
		step := time.Now()
		l, err := w.store.StepList(ctx, job.Args.TenantID, job.Args.ListID)
		switch {
		case errors.Is(err, db.ErrNotFound):
			return nil // somebody else ended it
		case err != nil:
			return err
		case !l.EndedAt.IsZero():
			return nil
		}
		if time.Since(began) >= w.turn {
			if err := w.store.YieldList(ctx, job.Args.TenantID, job.Args.ListID); err != nil {
				return err
			}
			return river.JobSnooze(0)
		}
		rest(ctx, time.Since(step))
	}
}
