package jobs

import (
	"context"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// Mailer sends one mail; mail.Post is one. An error has it try again.
type Mailer interface {
	Send(ctx context.Context, mailID string) error
}

type mailWorker struct {
	river.WorkerDefaults[db.MailJob]
	mailer Mailer
}

// Timeout is more than a dialogue with a mail server may take.
func (w *mailWorker) Timeout(*river.Job[db.MailJob]) time.Duration { return time.Minute }

// Work sends a mail.
func (w *mailWorker) Work(ctx context.Context, job *river.Job[db.MailJob]) error {
	return w.mailer.Send(ctx, job.Args.MailID)
}
