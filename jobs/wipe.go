package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// wipeLook is how often tenants are looked for whose data is to be deleted.
const wipeLook = time.Minute

// Wipes is what deleting the data of removed tenants and destinations needs; db.DB has it.
type Wipes interface {
	DueWipes(ctx context.Context) ([]db.Tenant, error)
	WipeTenant(ctx context.Context, tenantID string, progress func(subscribers int)) (db.Wiped, error)
	SweepDestinations(ctx context.Context) (more bool, err error)
	EndUnfed(ctx context.Context) error
}

// wipeJob deletes the data of removed tenants whose time has come, and of removed destinations,
// and ends what waits in destinations of newsletters that were taken from them.
type wipeJob struct{}

// Kind names the job in the table of jobs.
func (wipeJob) Kind() string { return "wipe" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (wipeJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: db.LongQueue}
}

type wipeWorker struct {
	river.WorkerDefaults[wipeJob]
	store Wipes
	log   *slog.Logger
}

// Timeout leaves time to delete a great many rows; what is left then is deleted by
// the next job.
func (w *wipeWorker) Timeout(*river.Job[wipeJob]) time.Duration { return longTime }

// Work deletes what is due.
func (w *wipeWorker) Work(ctx context.Context, _ *river.Job[wipeJob]) error {
	due, err := w.store.DueWipes(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range due {
		wiped, err := w.store.WipeTenant(ctx, t.ID, nil)
		if err != nil && !errors.Is(err, db.ErrNotFound) { // somebody else was quicker
			errs = append(errs, err)
		}
		if wiped.Done {
			w.log.InfoContext(ctx, "the data of a removed tenant is deleted", "tenant", t.ID, "subscribers", wiped.Subscribers, "users", wiped.Users)
		}
	}
	return errors.Join(append(errs, w.sweep(ctx), w.store.EndUnfed(ctx))...)
}

// sweep deletes the rows of destinations that were removed.
func (w *wipeWorker) sweep(ctx context.Context) error {
	for {
		if more, err := w.store.SweepDestinations(ctx); err != nil || !more {
			return err
		}
	}
}
