// Package jobs runs the work that nobody waits for: revocations that could not
// be made at once, putting away what has expired, and recounts. It runs on River, in the
// product's own database, in every process.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// sweepEvery is how often expired rows are put away.
const sweepEvery = time.Minute

// keepAliveEvery is how often connections that nobody uses are looked for.
const keepAliveEvery = 10 * time.Minute

// longTime bounds a job that takes long, within what a stuck job is given.
const longTime = 4 * time.Minute

// Revoker revokes one token; identity.Vault is one.
type Revoker interface {
	Revoke(ctx context.Context, revocationID string) error
}

// Keeper keeps connections alive that nobody uses; identity.Vault is one.
type Keeper interface {
	KeepAlive(ctx context.Context) error
}

// Vault is what the jobs do with credentials; identity.Vault is one.
type Vault interface {
	Revoker
	Keeper
}

// Resealer goes on with a rotation of keys; seal.Keyring is one.
type Resealer interface {
	Reseal(ctx context.Context, progress func(done int)) (unopened int, err error)
}

// Store is what the jobs need of the database; db.DB is one.
type Store interface {
	Actions
	Recounts
	JobDriver() riverdriver.Driver[*sql.Tx]
	SweepVault(ctx context.Context) error
	ExpireMails(ctx context.Context) error
	ExpireIncidents(ctx context.Context) error
	FollowCauses(ctx context.Context) error
	Wipes
	ExpireSessions(ctx context.Context) error
	ExpireScreening(ctx context.Context) error
}

// Config is what the jobs work with. All is required but the Mailer, without
// which mails are left to a process that has it, and Fields.
type Config struct {
	Store  Store
	Vault  Vault
	Keys   Resealer
	Mailer Mailer
	Watch  Watcher
	Fields Fields // nil where nothing is delivered
	Log    *slog.Logger

	look time.Duration // how often to look for what other processes queued; a second when 0
}

// Run runs the jobs until ctx ends; those under way are finished.
func Run(ctx context.Context, c Config) error {
	client, err := newClient(c)
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := client.Stop(stop); err != nil && !errors.Is(err, context.Canceled) {
		return client.StopAndCancel(context.WithoutCancel(ctx))
	}
	return nil
}

func newClient(c Config) (*river.Client[*sql.Tx], error) {
	workers := river.NewWorkers()
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}, db.LongQueue: {MaxWorkers: 3}}
	river.AddWorker(workers, &revokeWorker{revoker: c.Vault})
	river.AddWorker(workers, &keepAliveWorker{keeper: c.Vault})
	river.AddWorker(workers, &sweepWorker{store: c.Store, keys: c.Keys, log: c.Log})
	river.AddWorker(workers, &watchWorker{watcher: c.Watch})
	river.AddWorker(workers, &digestWorker{digester: c.Watch}) // who has no mail server queues the job for those who have
	river.AddWorker(workers, &recountWorker{store: c.Store, log: c.Log})
	river.AddWorker(workers, &wipeWorker{store: c.Store, log: c.Log})
	river.AddWorker(workers, &actionWorker{store: c.Store, log: c.Log, turn: actionTurn})
	if c.Fields != nil {
		river.AddWorker(workers, &fieldsWorker{fields: c.Fields})
	}
	if c.Mailer != nil {
		river.AddWorker(workers, &mailWorker{mailer: c.Mailer})
		queues[db.MailQueue] = river.QueueConfig{MaxWorkers: 4}
	}
	periodical := []*river.PeriodicJob{periodic(sweepEvery, sweepJob{}), periodic(keepAliveEvery, keepAliveJob{}), periodic(recountLook, recountJob{}),
		periodic(watchEvery, watchJob{}), periodic(digestLook, digestJob{}), periodic(wipeLook, wipeJob{})}
	if c.Fields != nil {
		periodical = append(periodical, periodic(fieldsLook, fieldsJob{}))
	}
	return river.NewClient(c.Store.JobDriver(), &river.Config{
		Logger:               c.Log,
		Queues:               queues,
		FetchPollInterval:    c.look,
		Workers:              workers,
		RescueStuckJobsAfter: 5 * time.Minute, // what a killed process left running goes on
		RetryPolicy:          retry{},
		PeriodicJobs:         periodical,
	})
}

// periodic inserts a job at the start and then each interval.
func periodic(each time.Duration, job river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(each),
		func() (river.JobArgs, *river.InsertOpts) { return job, nil },
		&river.PeriodicJobOpts{RunOnStart: true})
}

// retry tries again after 30 s, then twice as long each time, at most an hour.
type retry struct{}

// NextRetry is when to try a failed job again.
func (retry) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(min(30*time.Second<<min(len(job.Errors), 7), time.Hour))
}

type revokeWorker struct {
	river.WorkerDefaults[db.RevokeJob]
	revoker Revoker
}

// Work revokes a token.
func (w *revokeWorker) Work(ctx context.Context, job *river.Job[db.RevokeJob]) error {
	return w.revoker.Revoke(ctx, job.Args.RevocationID)
}

// keepAliveJob renews connections that nobody uses, before the service drops them.
type keepAliveJob struct{}

// Kind names the job in the table of jobs.
func (keepAliveJob) Kind() string { return "keep_alive" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (keepAliveJob) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

type keepAliveWorker struct {
	river.WorkerDefaults[keepAliveJob]
	keeper Keeper
}

// Timeout leaves time for many renewals, within what a stuck job is given; what
// is left then is done by the next job.
func (w *keepAliveWorker) Timeout(*river.Job[keepAliveJob]) time.Duration { return 4 * time.Minute }

// Work keeps alive what is due.
func (w *keepAliveWorker) Work(ctx context.Context, _ *river.Job[keepAliveJob]) error {
	return w.keeper.KeepAlive(ctx)
}

// sweepJob puts away what has expired, notes which causes there are, and goes on with a rotation of keys.
type sweepJob struct{}

// Kind names the job in the table of jobs.
func (sweepJob) Kind() string { return "sweep" }

// InsertOpts: one that fails is not tried again, the next one comes soon.
func (sweepJob) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

type sweepWorker struct {
	river.WorkerDefaults[sweepJob]
	store Store
	keys  Resealer
	log   *slog.Logger
}

// Timeout leaves time to seal a great many rows anew; what is left then is done
// by the next job.
func (w *sweepWorker) Timeout(*river.Job[sweepJob]) time.Duration { return 4 * time.Minute }

// Work puts away what has expired, and seals anew what outdated keys have sealed.
func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[sweepJob]) error {
	err := errors.Join(w.store.SweepVault(ctx), w.store.ExpireMails(ctx), w.store.ExpireIncidents(ctx), w.store.FollowCauses(ctx), w.store.ExpireSessions(ctx), w.store.ExpireScreening(ctx),
		resume(ctx, w.store, w.log))
	unopened, resealing := w.keys.Reseal(ctx, nil)
	if unopened > 0 {
		w.log.ErrorContext(ctx, "rows can't be opened with any key, and keep an old key from being retired", "rows", unopened)
	}
	return errors.Join(err, resealing)
}
