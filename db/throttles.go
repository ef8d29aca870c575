package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// sweptAtOnce is how many expired throttles, or counts of limits, one statement puts away,
// so that nobody waits long for the database after somebody made a great many.
const sweptAtOnce = 1000

// Limit is what may fail how often. Key is a hash of what is slowed down, and
// Wait is how long to wait after so many failures.
type Limit struct {
	Key  string
	Wait func(failures int64) time.Duration
}

// errThrottled undoes what was counted before a limit that has to wait.
var errThrottled = errors.New("throttled")

// ThrottledUntil returns until when one of the limits has to wait, or the zero
// time. It reads, and takes nobody's turn to write.
func (d *People) ThrottledUntil(ctx context.Context, now time.Time, limits []Limit) (until time.Time, err error) {
	for _, l := range limits {
		of, err := throttledUntil(ctx, d.read, now, l.Key)
		if err != nil {
			return time.Time{}, wrap("look at throttles", err)
		}
		if of.After(until) {
			until = of
		}
	}
	return until, nil
}

type rowQueryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func throttledUntil(ctx context.Context, q rowQueryer, now time.Time, key string) (time.Time, error) {
	var until int64
	err := q.QueryRowContext(ctx, `SELECT until FROM throttles WHERE key = $1 AND until > $2`, key, millis(now)).Scan(&until)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMillis(until), err
}

// CountFailure counts a failure under each limit, or, when one of them has to
// wait, under none: then it returns until when. Of two at the same time, by
// whichever processes, the second sees what the first counted. A count is
// forgotten when nothing was added to it until expires.
func (d *People) CountFailure(ctx context.Context, now, expires time.Time, limits []Limit) (until time.Time, err error) {
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // each limit's row is locked by its first statement
		for _, l := range sorted(limits) {
			if until, err = countFailure(ctx, tx, now, expires, l); err != nil {
				return err
			}
			if !until.IsZero() {
				return errThrottled
			}
		}
		return nil
	})
	if errors.Is(err, errThrottled) {
		return until, nil
	}
	return time.Time{}, wrap("count a failure", err)
}

// sorted puts limits in the order of their keys, so that no two transactions
// wait for each other.
func sorted(limits []Limit) []Limit {
	return slices.SortedFunc(slices.Values(limits), func(a, b Limit) int { return cmp.Compare(a.Key, b.Key) })
}

func countFailure(ctx context.Context, tx *sql.Tx, now, expires time.Time, l Limit) (until time.Time, err error) {
	var failures int64
	err = tx.QueryRowContext(ctx,
		`INSERT INTO throttles (key, failures, until, expires_at) VALUES ($1, 1, 0, $2)
		ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at,
			failures = CASE WHEN throttles.expires_at > $3 THEN throttles.failures + 1 ELSE 1 END
		WHERE throttles.until <= $3
		RETURNING failures`, l.Key, millis(expires), millis(now)).Scan(&failures)
	if errors.Is(err, sql.ErrNoRows) {
		return throttledUntil(ctx, tx, now, l.Key)
	} else if err != nil {
		return time.Time{}, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE throttles SET until = $2 WHERE key = $1`, l.Key, millis(now.Add(l.Wait(failures))))
	return time.Time{}, err
}

// ForgiveFailure takes back the failure that was counted under each limit at that
// time, with its wait: all is as if it had not been there, so that nobody sees by
// the waits that somebody got in.
func (d *People) ForgiveFailure(ctx context.Context, counted time.Time, limits []Limit) error {
	return wrap("forgive a failure", d.txCommitted(ctx, func(tx *sql.Tx) error { // likewise
		for _, l := range sorted(limits) {
			var failures int64
			err := tx.QueryRowContext(ctx,
				`UPDATE throttles SET failures = failures - 1 WHERE key = $1 AND failures > 0 RETURNING failures`, l.Key).Scan(&failures)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err == nil { // a wait that a later failure brought stays
				_, err = tx.ExecContext(ctx, `UPDATE throttles SET until = $2 WHERE key = $1 AND until = $3`,
					l.Key, millis(counted), millis(counted.Add(l.Wait(failures+1))))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// ForgetFailures ends what the limits have counted.
func (d *People) ForgetFailures(ctx context.Context, limits []Limit) error {
	return wrap("forget failures", d.txCommitted(ctx, func(tx *sql.Tx) error { // it reads nothing
		for _, l := range sorted(limits) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM throttles WHERE key = $1`, l.Key); err != nil {
				return err
			}
		}
		return nil
	}))
}

// expireMany runs a statement that puts away what has expired before $1, at most $2 rows,
// until nothing is left.
func (d *base) expireMany(ctx context.Context, now time.Time, statement string) error {
	for {
		res, err := d.exec(ctx, statement, millis(now), sweptAtOnce)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n < sweptAtOnce {
			return err
		}
	}
}
