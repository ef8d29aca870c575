package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/riverqueue/river"
)

// SuppressionList is a file of addresses that are to leave, as it is worked off.
type SuppressionList struct {
	TenantID     string
	ID           string
	NewsletterID string // empty for all of the tenant's
	Actor        string // id of the user
	Total        int    // addresses
	Done         int
	Left         int   // who were there, and left
	Noted        int   // who weren't there, and are noted
	Known        int   // who had left, or were noted, already
	Unreadable   []int // numbers of the first lines without an address
	UnreadableN  int   // how many lines these are in all
	StartedAt    time.Time
	EndedAt      time.Time // zero while it is under way
}

// ListJob asks for a list to be gone on with.
type ListJob struct {
	TenantID string `json:"tenant_id"`
	ListID   string `json:"list_id"`
}

// Kind names the job in the table of jobs.
func (ListJob) Kind() string { return "suppression_list" }

// InsertOpts: one that fails is not tried again; ResumeLists makes another.
func (ListJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: LongQueue, MaxAttempts: 1}
}

// listBatch is how many addresses of a list leave in one transaction.
const listBatch = 250

// listsShown is how many lists of a tenant are listed.
const listsShown = 10

// StartList stores a list with its addresses, which are worked off by StepList, and by a job what is left
// of them a little later.
func (d *Unsubscribing) StartList(ctx context.Context, l SuppressionList, addresses []Unwanted) (SuppressionList, error) {
	l.ID, l.StartedAt, l.Total = NewID(), d.now(), len(addresses)
	lines := newSet(text("list_id"), integer("n"), text("email_key"), text("mac"))
	for i, a := range addresses {
		lines.add(l.ID, int64(i+1), a.EmailKey, a.MAC)
	}
	if l.Unreadable == nil {
		l.Unreadable = []int{}
	}
	err := d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO suppression_lists (tenant_id, id, newsletter_id, actor, total, unreadable, unreadable_n, started_at, resume_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			l.TenantID, l.ID, l.NewsletterID, l.Actor, l.Total, mustJSON(l.Unreadable), l.UnreadableN, millis(l.StartedAt), millis(l.StartedAt.Add(actionLease)), millis(l.endAt(l.StartedAt)))
		if err != nil {
			return err
		}
		for part := range lines.of(l.TenantID).parts() {
			with, args := part.with(d.engine)
			if _, err := tx.ExecContext(ctx, with+`INSERT INTO suppression_lines (tenant_id, list_id, n, email_key, mac) SELECT o.tenant_id, o.list_id, o.n, o.email_key, o.mac FROM o`, args...); err != nil {
				return err
			}
		}
		return nil
	})
	l.EndedAt = l.endAt(l.StartedAt)
	return l, wrap("start a suppression list", err)
}

// endAt is when a list ended that is worked off by a time.
func (l SuppressionList) endAt(at time.Time) time.Time {
	if l.Done < l.Total {
		return time.Time{}
	}
	return at
}

// StepList has the next addresses of a list leave, in one transaction, so that any number of processes may do that
// at once and be killed at any time. It returns ErrNotFound for one that has ended.
func (d *Unsubscribing) StepList(ctx context.Context, tenantID, id string) (l SuppressionList, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		l, err = scanList(tx.QueryRowContext(ctx, `UPDATE suppression_lists SET resume_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at = 0 RETURNING `+listColumns,
			tenantID, id, millis(d.now().Add(actionLease))))
		if err != nil {
			return err
		}
		next, err := collect(ctx, tx, scanUnwanted, `SELECT email_key, mac FROM suppression_lines WHERE tenant_id = $1 AND list_id = $2 AND n > $3 ORDER BY n LIMIT $4`, tenantID, id, l.Done, listBatch)
		if err != nil {
			return err
		}
		if err := d.leaveListed(ctx, tx, &l, next); err != nil {
			return err
		}
		l.Done += len(next)
		if len(next) == 0 {
			l.Done = l.Total
		}
		l.EndedAt = l.endAt(d.now())
		if _, err := tx.ExecContext(ctx, `DELETE FROM suppression_lines WHERE tenant_id = $1 AND list_id = $2 AND n <= $3`, tenantID, id, l.Done); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE suppression_lists SET done = $3, left_n = $4, noted_n = $5, known_n = $6, ended_at = $7 WHERE tenant_id = $1 AND id = $2`,
			tenantID, id, l.Done, l.Left, l.Noted, l.Known, millis(l.EndedAt))
		return err
	})
	return l, wrap("go on with a suppression list", err)
}

func scanUnwanted(row scanner) (u Unwanted, err error) { return u, row.Scan(&u.EmailKey, &u.MAC) }

// leaveListed has addresses leave what their list is for, and counts what that did: who was there leaves, and
// who wasn't is noted.
func (d *Unsubscribing) leaveListed(ctx context.Context, tx *sql.Tx, l *SuppressionList, addresses []Unwanted) error {
	left, gone := map[string]bool{}, map[string]bool{} // by their keys: whom this has leave, and who is among the subscribers as left
	for part := range unwantedSet(addresses).of(l.TenantID).parts() {
		with, args := part.with(d.engine, l.NewsletterID)
		there, err := collect(ctx, tx, scanID, with+`SELECT s.id FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.email_key = o.email_key
			WHERE (CAST($1 AS TEXT) = '' OR s.newsletter_id = $1) AND s.state IN ('active', 'unconfirmed', 'held', 'left') ORDER BY s.id`, args...)
		if err != nil {
			return err
		}
		var people []known
		for _, id := range there {
			k, err := knownByID(ctx, tx, l.TenantID, id)
			if err != nil {
				return err
			}
			people = append(people, k)
			key := strings.ToLower(k.email)
			gone[key], left[key] = true, left[key] || k.state != Left
		}
		if len(people) == 0 {
			continue
		}
		if _, err := d.leaveAll(ctx, tx, people, Leaving{At: d.now(), How: LeftByList, Actor: l.Actor}, l.NewsletterID == ""); err != nil {
			return err
		}
	}
	var macs []string
	for _, a := range addresses {
		if l.NewsletterID == "" || !gone[a.EmailKey] { // newsletters to come are left as well
			macs = append(macs, a.MAC)
		}
	}
	noted, err := note(ctx, tx, d.engine, l.TenantID, l.NewsletterID, LeftByList, millis(d.now()), macs)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		switch {
		case left[a.EmailKey]:
			l.Left++
		case noted[a.MAC] && !gone[a.EmailKey]:
			l.Noted++
		default:
			l.Known++
		}
	}
	return nil
}

// YieldList says that a list's job lets others have their turn.
func (d *Unsubscribing) YieldList(ctx context.Context, tenantID, id string) error {
	_, err := d.exec(ctx, `UPDATE suppression_lists SET resume_at = $3 WHERE tenant_id = $1 AND id = $2`, tenantID, id, millis(d.now().Add(actionQueue)))
	return wrap("yield a suppression list", err)
}

// ResumeLists has those lists gone on with whose process was killed, or whose job failed.
func (d *Unsubscribing) ResumeLists(ctx context.Context) error {
	return wrap("resume suppression lists", d.tx(ctx, func(tx *sql.Tx) error {
		now := d.now()
		jobs, err := collect(ctx, tx, func(row scanner) (j ListJob, err error) { return j, row.Scan(&j.TenantID, &j.ListID) },
			`UPDATE suppression_lists SET resume_at = $2 WHERE ended_at = 0 AND resume_at <= $1 RETURNING tenant_id, id`, millis(now), millis(now.Add(actionQueue)))
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if err := d.enqueue(ctx, tx, j, nil); err != nil {
				return err
			}
		}
		return nil
	}))
}

// QueueList has a job go on with a list.
func (d *Unsubscribing) QueueList(ctx context.Context, tenantID, id string) error {
	return wrap("queue a suppression list", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE suppression_lists SET resume_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at = 0`, tenantID, id, millis(d.now().Add(actionQueue)))
		if err := changed(res, err, ErrLost); err != nil {
			return ignore(err, ErrLost) // it has ended
		}
		return d.enqueue(ctx, tx, ListJob{TenantID: tenantID, ListID: id}, nil)
	}))
}

// SuppressionLists returns the tenant's latest lists, the last one first.
func (d *Unsubscribing) SuppressionLists(ctx context.Context, tenantID string) ([]SuppressionList, error) {
	all, err := collect(ctx, d.read, scanList, `SELECT `+listColumns+` FROM suppression_lists WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2`, tenantID, listsShown)
	return all, wrap("suppression lists", err)
}

// SuppressionList returns one of the tenant's lists, or ErrNotFound.
func (d *Unsubscribing) SuppressionList(ctx context.Context, tenantID, id string) (SuppressionList, error) {
	l, err := scanList(d.read.QueryRowContext(ctx, `SELECT `+listColumns+` FROM suppression_lists WHERE tenant_id = $1 AND id = $2`, tenantID, id))
	return l, wrap("suppression list", err)
}

const listColumns = `tenant_id, id, newsletter_id, actor, total, done, left_n, noted_n, known_n, unreadable, unreadable_n, started_at, ended_at`

func scanList(row scanner) (l SuppressionList, err error) {
	var unreadable string
	var started, ended int64
	err = row.Scan(&l.TenantID, &l.ID, &l.NewsletterID, &l.Actor, &l.Total, &l.Done, &l.Left, &l.Noted, &l.Known, &unreadable, &l.UnreadableN, &started, &ended)
	l.StartedAt, l.EndedAt = fromMillis(started), fromMillis(ended)
	if err == nil {
		err = json.Unmarshal([]byte(unreadable), &l.Unreadable)
	}
	return l, err
}
