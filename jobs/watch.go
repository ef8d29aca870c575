package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// watchEvery is how often troubles are looked for.
const watchEvery = time.Minute

// Watcher looks for troubles that somebody has to be told of; incidents.Watch is one.
type Watcher interface {
	Look(ctx context.Context) error
	Digester
}

// watchJob looks for troubles.
type watchJob struct{}

// Kind names the job in the table of jobs.
func (watchJob) Kind() string { return "watch" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (watchJob) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

type watchWorker struct {
	river.WorkerDefaults[watchJob]
	watcher Watcher
}

// Work looks once.
func (w *watchWorker) Work(ctx context.Context, _ *river.Job[watchJob]) error {
	return w.watcher.Look(ctx)
}
