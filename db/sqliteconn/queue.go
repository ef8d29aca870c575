package sqliteconn

import (
	"context"
	"time"

	"github.com/gofrs/flock"
)

// How long one waits for its turn, and how often it looks. Who has waited in vain goes
// on without: the lock that counts is SQLite's, whoever holds it.
const (
	patience = time.Second
	look     = 250 * time.Microsecond
)

// queue is the place of a connection among those of all processes that write to a file.
// SQLite's own waiting is a look now and then, at longer and longer intervals: a process
// that has just ended a transaction begins the next one before anybody else looks, and
// others wait for seconds.
//
// One that waits for its turn keeps everybody else from waiting for it: so two that
// always have something to write take turns.
type queue struct{ next, turn *flock.Flock }

func newQueue(path string) *queue {
	return &queue{next: flock.New(path + "-next"), turn: flock.New(path + "-turn")}
}

// enter waits for the turn. An error is ctx's.
func (q *queue) enter(ctx context.Context) error {
	if q == nil {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if ok, _ := q.next.TryLockContext(wait, look); ok {
		_, _ = q.turn.TryLockContext(wait, look)
		_ = q.next.Unlock()
	}
	if err := ctx.Err(); err != nil {
		q.leave()
		return err
	}
	return nil
}

// leave ends the turn, if it has come.
func (q *queue) leave() {
	if q != nil {
		_ = q.turn.Unlock()
	}
}
