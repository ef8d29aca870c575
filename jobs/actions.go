package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// actionTurn is how long an action goes on until the others have their turn. A
// process that is stopped in order waits no longer for it.
const actionTurn = 5 * time.Second

// Actions are what admins have done for many subscribers; db.DB keeps them.
type Actions interface {
	StepAction(ctx context.Context, id string) (db.Action, error)
	YieldAction(ctx context.Context, id string) error
	ResumeActions(ctx context.Context) (givenUp []string, err error)
}

type actionWorker struct {
	river.WorkerDefaults[db.ActionJob]
	store Actions
	log   *slog.Logger
	turn  time.Duration
}

// Timeout leaves time for a recount, which has no batches, within what a stuck
// job is given.
func (w *actionWorker) Timeout(*river.Job[db.ActionJob]) time.Duration { return longTime }

// Work goes on with an action for a turn, or to its end.
func (w *actionWorker) Work(ctx context.Context, job *river.Job[db.ActionJob]) error {
	for began := time.Now(); ; {
		step := time.Now()
		a, err := w.store.StepAction(ctx, job.Args.ActionID)
		switch {
		case errors.Is(err, db.ErrNotFound):
			return nil // somebody else ended it
		case err != nil:
			return err
		case a.Error == db.ActionDisagrees:
			w.log.ErrorContext(ctx, "a recount doesn't agree with what is kept", "tenant", a.TenantID)
		}
		if !a.EndedAt.IsZero() {
			return nil
		}
		if time.Since(began) >= w.turn {
			return w.yield(ctx, job.Args.ActionID)
		}
		rest(ctx, time.Since(step))
	}
}

// resume has those actions gone on with that were left lying.
func resume(ctx context.Context, store Actions, log *slog.Logger) error {
	givenUp, err := store.ResumeActions(ctx)
	for _, id := range givenUp {
		log.ErrorContext(ctx, "an action failed for a day and is given up", "action", id)
	}
	return err
}

// yield lets the others have their turn, if that can be written down.
func (w *actionWorker) yield(ctx context.Context, id string) error {
	if err := w.store.YieldAction(ctx, id); err != nil {
		return err
	}
	return river.JobSnooze(0)
}

// rest leaves the database to others for as long as it was kept from them.
func rest(ctx context.Context, d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
}
