package jobs

import (
	"context"
	"log/slog"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// How often people are looked for who are to be erased, and whether there are bytes to be taken away.
const (
	forgetLook  = time.Minute
	compactLook = 20 * time.Minute
)

// NoCompactHour is the hour of those who don't want the database's file to be rewritten by itself.
const NoCompactHour = -1

// Forgets erases who is to be erased by now; newsletter.Service is one.
type Forgets interface {
	EraseDue(ctx context.Context) error
}

// Compacts takes the bytes away in which erased people stood; db.DB is one, and documents the methods.
type Compacts interface {
	TruncateLog(ctx context.Context) (due bool, err error)
	Space(ctx context.Context) (db.Space, error)
	Compact(ctx context.Context) (emptied bool, err error)
	CompactedAt(ctx context.Context) (time.Time, error)
	Now() time.Time
}

// forgetJob erases who is to be erased.
type forgetJob struct{}

// Kind names the job in the table of jobs.
func (forgetJob) Kind() string { return "forget" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (forgetJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: db.LongQueue}
}

type forgetWorker struct {
	river.WorkerDefaults[forgetJob]
	forgets Forgets
}

// Timeout leaves time to go through many texts; what is left then is done by the next job.
func (w *forgetWorker) Timeout(*river.Job[forgetJob]) time.Duration { return longTime }

// Work erases who is due.
func (w *forgetWorker) Work(ctx context.Context, _ *river.Job[forgetJob]) error {
	return w.forgets.EraseDue(ctx)
}

// compactJob empties the log beside the database's file where somebody was erased, and rewrites the file
// at the hour that is set, once a tenth of it is free.
type compactJob struct{}

// Kind names the job in the table of jobs.
func (compactJob) Kind() string { return "compact" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (compactJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: db.LongQueue}
}

type compactWorker struct {
	river.WorkerDefaults[compactJob]
	store Compacts
	hour  int // UTC; NoCompactHour for never
	log   *slog.Logger
}

// Timeout leaves time to rewrite a large file.
func (w *compactWorker) Timeout(*river.Job[compactJob]) time.Duration { return longTime }

// Work empties the log, and rewrites the file when it is time for that.
func (w *compactWorker) Work(ctx context.Context, _ *river.Job[compactJob]) error {
	if _, err := w.store.TruncateLog(ctx); err != nil {
		return err
	}
	now := w.store.Now().UTC()
	if now.Hour() != w.hour {
		return nil
	}
	if last, err := w.store.CompactedAt(ctx); err != nil || now.Sub(last) < 12*time.Hour {
		return err
	}
	space, err := w.store.Space(ctx)
	if err != nil || !space.Worthwhile() {
		return err
	}
	w.log.InfoContext(ctx, "rewriting the database's file: nobody can write meanwhile", "bytes", space.Bytes, "free", space.Free, "about", space.Takes().String())
	_, err = w.store.Compact(ctx)
	return err
}
