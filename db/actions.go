package db

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/riverqueue/river"
)

// ActionKind says what an Action does.
type ActionKind string

// The kinds of actions.
const (
	ActionRetry   ActionKind = "retry"   // deliver after all who need attention for a cause
	ActionTry     ActionKind = "try"     // try at once who wait for a cause
	ActionDismiss ActionKind = "dismiss" // don't deliver who need attention for a cause
	ActionMove    ActionKind = "move"    // deliver anew who are in another org
	ActionSend    ActionKind = "send"    // deliver who have not entered the destination, or ended there, though their newsletter feeds it
	ActionApply   ActionKind = "apply"   // give those who have arrived what the mappings say now
	ActionFill    ActionKind = "fill"    // the same for those who arrived while a field was paused, which is the reason; the note says since when
	ActionRecount ActionKind = "recount" // count all rows
)

// Why an action ended before it was done, or what it found.
const (
	ActionOrgChanged   = "org_changed"   // another org was connected than they were to be sent to
	ActionGivenUp      = "given_up"      // it failed for too long
	ActionTenantClosed = "tenant_closed" // the tenant was removed
	ActionDisagrees    = "disagrees"     // the rows don't say what is kept
)

// Action is something that an admin has done for many subscribers at once.
type Action struct {
	ID             string
	DestinationKey // its DestinationID is empty for a recount
	Service        string
	Kind           ActionKind
	Reason         string // a code of crm's: the cause that it is for; empty for a move and a recount
	Note           string // why they are dismissed
	OrgID          string // where they are sent to
	Actor          string // id of the user who asked for it
	ActorEmail     string // theirs, where actions are listed
	Total          int    // subscribers when it was asked for
	Done           int
	StartedAt      time.Time
	EndedAt        time.Time // zero while it is under way
	Error          string    // one of the above, or empty
	lastID         string
}

// ActionJob asks for an action to be gone on with. That an action has one job is
// seen to by its own row: River's uniqueness would hold up the job that takes the
// place of a killed one.
type ActionJob struct {
	ActionID string `json:"action_id"`
}

// Kind names the job in the table of jobs.
func (ActionJob) Kind() string { return "action" }

// LongQueue is the queue of the jobs that take long, so that the others don't
// wait for them.
const LongQueue = "long"

// InsertOpts: one that fails is not tried again; ResumeActions makes another.
func (ActionJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: LongQueue, MaxAttempts: 1}
}

const (
	// ActionBatch is how many subscribers an action changes in one transaction. One
	// that has no more is done at once.
	ActionBatch = 1000
	// actionLease is how long after its last batch an action counts as left lying.
	actionLease = 15 * time.Second
	// actionQueue is the same while its job waits for its turn.
	actionQueue = 10 * time.Minute
	// recountLease is the same for a recount, which has no batches.
	recountLease = 5 * time.Minute
	// actionLife is how long an action that fails is tried.
	actionLife = 24 * time.Hour
	// actionShown is how long an action that has ended is listed.
	actionShown = time.Hour
	// actionsListed is how many are listed at most.
	actionsListed = 10
)

// StartAction does a, when that is little, or has it done by a job. When the same
// action is under way already, that one is returned. It returns ErrLost for a
// move to an org that is not connected.
func (d *Work) StartAction(ctx context.Context, a Action) (Action, error) {
	wanted, few := a, false // few rows to count
	err := d.tx(ctx, func(tx *sql.Tx) error {
		a, few = wanted, false
		same, err := scanAction(tx.QueryRowContext(ctx, `SELECT `+actionColumns+` FROM actions
			WHERE tenant_id = $1 AND destination_id = $2 AND kind = $3 AND reason = $4 AND ended_at = 0`, a.TenantID, a.DestinationID, a.Kind, a.Reason))
		if !errors.Is(err, sql.ErrNoRows) {
			a = same
			return err
		}
		a.ID, a.StartedAt = NewID(), d.now()
		if a.Kind != ActionRecount {
			return d.startNow(ctx, tx, &a)
		}
		if a.Total, err = a.count(ctx, tx); err != nil {
			return err
		}
		if few = a.Total <= d.batch; few {
			return nil
		}
		return d.keepAction(ctx, tx, a)
	})
	if err == nil && few {
		err = d.recountFor(ctx, &a)
	}
	if err == nil && a.Error == ActionOrgChanged {
		err = ErrLost
	}
	return a, wrap("start an action", err)
}

// startNow does the first batch of a new action, and has a job do the others.
func (d *Work) startNow(ctx context.Context, tx *sql.Tx, a *Action) (err error) {
	if a.Total, err = a.count(ctx, tx); err != nil {
		return err
	}
	if err := d.step(ctx, tx, a); err != nil || !a.EndedAt.IsZero() {
		return err
	}
	return d.keepAction(ctx, tx, *a)
}

// keepAction stores a new action with its job, and forgets those of long ago.
func (d *Work) keepAction(ctx context.Context, tx *sql.Tx, a Action) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM actions WHERE tenant_id = $1 AND ended_at > 0 AND ended_at < $2`,
		a.TenantID, millis(a.StartedAt.Add(-actionLife)))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO actions (id, tenant_id, destination_id, service, kind, reason, note, org_id, actor, total, done, last_id, started_at, resume_at, ended_at, error)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, '')`,
		a.ID, a.TenantID, a.DestinationID, a.Service, a.Kind, a.Reason, a.Note, a.OrgID, a.Actor, a.Total, a.Done, a.lastID, millis(a.StartedAt), millis(a.StartedAt.Add(actionQueue)))
	if err != nil {
		return err
	}
	return d.enqueue(ctx, tx, ActionJob{ActionID: a.ID}, nil)
}

// StepAction goes on with an action: it does one batch, in one transaction, so
// that any number of processes may do that at once and be killed at any time. An
// action that has ended comes back as ErrNotFound.
func (d *Work) StepAction(ctx context.Context, id string) (a Action, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		a, err = scanAction(tx.QueryRowContext(ctx, `UPDATE actions SET resume_at = $2 + CASE WHEN kind = 'recount' THEN CAST($3 AS BIGINT) ELSE CAST($4 AS BIGINT) END
			WHERE id = $1 AND ended_at = 0 RETURNING `+actionColumns,
			id, millis(d.now()), recountLease.Milliseconds(), actionLease.Milliseconds()))
		if err != nil || a.Kind == ActionRecount {
			return err
		}
		if err := d.step(ctx, tx, &a); err != nil {
			return err
		}
		return a.save(ctx, tx)
	})
	if err == nil && a.Kind == ActionRecount {
		if err = d.recountFor(ctx, &a); err == nil {
			err = a.save(ctx, d.write)
		}
	}
	return a, wrap("go on with an action", err)
}

// YieldAction says that an action's job lets others have their turn.
func (d *Work) YieldAction(ctx context.Context, id string) error {
	_, err := d.exec(ctx, `UPDATE actions SET resume_at = $2 WHERE id = $1`, id, millis(d.now().Add(actionQueue)))
	return wrap("yield an action", err)
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// save stores how far an action is.
func (a *Action) save(ctx context.Context, x execer) error {
	_, err := x.ExecContext(ctx, `UPDATE actions SET done = $2, last_id = $3, ended_at = $4, error = $5 WHERE id = $1`,
		a.ID, a.Done, a.lastID, millis(a.EndedAt), a.Error)
	return err
}

// recountFor counts the rows for an action, which it ends.
func (d *Work) recountFor(ctx context.Context, a *Action) error {
	r, err := d.CheckCounts(ctx, a.TenantID)
	if err != nil {
		return err
	}
	a.Done, a.EndedAt = r.Rows.Subscribers.People(), d.now()
	if !r.Agrees() {
		a.Error = ActionDisagrees
	}
	return nil
}

// step does the next batch of an action.
func (d *Work) step(ctx context.Context, tx *sql.Tx, a *Action) error {
	ids, err := a.next(ctx, tx, d.batch+1)
	if errors.Is(err, ErrLost) {
		a.EndedAt, a.Error = d.now(), ActionOrgChanged
		return nil
	}
	if err != nil {
		return err
	}
	if len(ids) <= d.batch {
		a.EndedAt = d.now()
	} else {
		ids = ids[:d.batch]
		a.lastID = ids[d.batch-1]
	}
	a.Done += len(ids)
	switch a.Kind {
	case ActionSend:
		return d.sendAllOf(ctx, tx, a.DestinationKey, ids, a.Actor)
	case ActionMove:
		return d.moveOn(ctx, tx, a, ids)
	case ActionApply, ActionFill:
		return d.decide(ctx, tx, a.DestinationKey, ids, a.Actor, applying)
	}
	return d.decide(ctx, tx, a.DestinationKey, ids, a.Actor, a.decision())
}

// count is how many an action is for, by the counts that are kept.
func (a *Action) count(ctx context.Context, tx *sql.Tx) (n int, err error) {
	switch a.Kind {
	case ActionRecount:
		err = tx.QueryRowContext(ctx, `SELECT COALESCE(sum(n), 0) FROM state_counts WHERE tenant_id = $1 AND destination_id = '' AND state <> $2`, a.TenantID, Erased).Scan(&n)
	case ActionMove:
		err = tx.QueryRowContext(ctx, `SELECT COALESCE(sum(n), 0) FROM org_counts WHERE tenant_id = $1 AND destination_id = $2 AND org_id <> $3`, a.TenantID, a.DestinationID, a.OrgID).Scan(&n)
	case ActionSend:
		err = tx.QueryRowContext(ctx, `SELECT count(*)`+missing, a.TenantID, a.DestinationID).Scan(&n)
	case ActionApply, ActionFill:
		err = tx.QueryRowContext(ctx, `SELECT count(*)`+arrivedSince, a.TenantID, a.DestinationID, a.since()).Scan(&n)
	default:
		err = tx.QueryRowContext(ctx, `SELECT COALESCE(sum(n), 0) FROM reason_counts WHERE tenant_id = $1 AND destination_id = $2 AND state = $3 AND reason = $4`, a.TenantID, a.DestinationID, a.from(), a.Reason).Scan(&n)
	}
	return n, err
}

// from is the state of those whom an action changes.
func (a *Action) from() State {
	switch a.Kind {
	case ActionMove:
		return Delivered
	case ActionTry:
		return Waiting
	}
	return Attention
}

// next are up to limit of those whom the next batch changes. It goes on behind
// the last one, since who is refused again stands where they stood before.
func (a *Action) next(ctx context.Context, tx *sql.Tx, limit int) ([]string, error) {
	switch a.Kind {
	case ActionMove:
		return elsewhere(ctx, tx, a, limit)
	case ActionSend:
		return nextMissing(ctx, tx, a, limit)
	case ActionApply, ActionFill:
		return again(ctx, tx, a, limit)
	}
	return collect(ctx, tx, scanID, `SELECT subscriber_id FROM deliveries WHERE tenant_id = $1 AND destination_id = $2 AND state = $3 AND reason = $4 AND reason <> '' AND subscriber_id > $5 AND subscriber_id < $6
		ORDER BY subscriber_id LIMIT $7`, a.TenantID, a.DestinationID, a.from(), a.Reason, a.lastID, a.ID, limit)
}

// decision is what an action does with each of them.
func (a *Action) decision() decision {
	switch a.Kind {
	case ActionDismiss:
		return dismissing(a.Note)
	case ActionTry:
		return hurrying
	}
	return retrying
}

// ofSet are the deliveries in the set o, which is a destination's.
const ofSet = ` FROM o WHERE deliveries.tenant_id = o.tenant_id AND deliveries.subscriber_id = o.id AND deliveries.destination_id = o.destination_id`

// A decision is what somebody decides about a delivery.
type decision struct {
	update string // at a time ($1), those in the set o
	move   func(place) (to place, note string)
}

// hurrying has a waiting delivery tried at once.
var hurrying = decision{`UPDATE deliveries SET due_at = CASE WHEN due_at > $1 THEN $1 ELSE due_at END` + ofSet,
	func(to place) (place, string) { return to, "" }}

// retrying has somebody delivered after all.
var retrying = decision{`UPDATE deliveries SET state = 'waiting', reason = '', detail = '', attempts = 0, refusals = 0, due_at = $1, waits_since = $1` + ofSet,
	func(to place) (place, string) { to.state, to.reason = Waiting, ""; return to, "" }}

// dismissing has somebody not delivered, and says why.
func dismissing(note string) decision {
	return decision{`UPDATE deliveries SET state = 'dismissed'` + ofSet + ` AND CAST($1 AS BIGINT) > 0`,
		func(to place) (place, string) { to.state = Dismissed; return to, note }}
}

// decide changes the deliveries to a destination of the subscribers with the given ids.
func (d *base) decide(ctx context.Context, tx *sql.Tx, key DestinationKey, of []string, actor string, how decision) error {
	return d.change(ctx, tx, func(c *change) error {
		c.actor = actor
		stand, err := c.places(ctx, key, of)
		if err != nil {
			return err
		}
		if _, err := c.update(ctx, key, idSet(of), how.update+` RETURNING deliveries.subscriber_id`, c.at); err != nil {
			return err
		}
		causes := map[causeKey]decided{}
		for _, id := range of {
			from, ok := stand[id]
			if !ok {
				return sql.ErrNoRows
			}
			to, note := how.move(from)
			c.move(from, to, note)
			countDecided(causes, from, to)
		}
		if err := c.tellCauses(ctx, causes); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{NoticeDue, key.TenantID})
	})
}

const actionColumns = `id, tenant_id, destination_id, service, kind, reason, note, org_id, actor, total, done, last_id, started_at, ended_at, error`

func scanAction(row scanner, more ...any) (a Action, err error) {
	var started, ended int64
	err = row.Scan(append([]any{&a.ID, &a.TenantID, &a.DestinationID, &a.Service, &a.Kind, &a.Reason, &a.Note, &a.OrgID, &a.Actor,
		&a.Total, &a.Done, &a.lastID, &started, &ended, &a.Error}, more...)...)
	a.StartedAt, a.EndedAt = fromMillis(started), fromMillis(ended)
	return a, err
}

// actionsOf reads the tenant's actions that are under way, or ended within the last
// hour.
func (d *base) actionsOf(all *[]Action, tenantID string) part {
	return listed(all, func(row scanner) (Action, error) {
		var email string
		a, err := scanAction(row, &email)
		a.ActorEmail = email
		return a, err
	}, `SELECT `+actionColumns+`, COALESCE((SELECT email FROM users WHERE users.id = actor), '')
		FROM actions WHERE tenant_id = $1 AND (ended_at = 0 OR ended_at > $2) ORDER BY id DESC LIMIT $3`,
		tenantID, millis(d.now().Add(-actionShown)), actionsListed)
}

// ResumeActions has those actions gone on with whose process was killed, or
// whose job failed. Those that failed for a day are given up, and their ids
// returned.
func (d *Work) ResumeActions(ctx context.Context) (givenUp []string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		now := d.now()
		givenUp, err = collect(ctx, tx, scanID, `UPDATE actions SET ended_at = $1, error = $2 WHERE ended_at = 0 AND resume_at <= $1 AND started_at < $3 RETURNING id`,
			millis(now), ActionGivenUp, millis(now.Add(-actionLife)))
		if err != nil {
			return err
		}
		ids, err := collect(ctx, tx, scanID, `UPDATE actions SET resume_at = $2 WHERE ended_at = 0 AND resume_at <= $1 RETURNING id`,
			millis(now), millis(now.Add(actionQueue)))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := d.enqueue(ctx, tx, ActionJob{ActionID: id}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	return givenUp, wrap("resume actions", err)
}
