package db

import (
	"context"
	"time"
)

// sampled is how many are looked at, in each of two orders, to find who waits
// longest: those who were sent back to wait have waited since then alone.
const sampled = 100

// selectWaiting finds some who wait, in an order. Who was sent back before it was
// written down since when they wait has an event of it.
const selectWaiting = `SELECT reason, CASE WHEN waits_since > 0 THEN waits_since ELSE
		COALESCE((SELECT max(at) FROM events e WHERE e.tenant_id = s.tenant_id AND e.subscriber_id = s.id AND e.state = 'waiting' AND e.actor <> ''), created_at) END
	FROM subscribers s WHERE tenant_id = $1 AND state = 'waiting' `

// waiting is one that waits.
type waiting struct {
	reason string
	since  time.Time // in the future when it has not begun to
}

// longestWaiting returns who of the tenant's waits longest. It has waited since the
// zero time when there is none.
func (d *base) longestWaiting(ctx context.Context, tenantID string) (longest waiting, err error) {
	err = ask(ctx, d.read, waitLongest(&longest, tenantID)...)
	return longest, err
}

// waitLongest finds who of the tenant's waits longest: of those who signed up first and
// those who have been due for longest.
func waitLongest(longest *waiting, tenantID string) []part {
	row := func(row scanner) error {
		var w waiting
		var since int64
		if err := row.Scan(&w.reason, &since); err != nil {
			return err
		}
		w.since = fromMillis(since)
		if longest.since.IsZero() || w.since.Before(longest.since) {
			*longest = w
		}
		return nil
	}
	return []part{
		{selectWaiting + `ORDER BY id LIMIT $2`, []any{tenantID, sampled}, row},
		{selectWaiting + `ORDER BY due_at, id LIMIT $2`, []any{tenantID, sampled}, row},
	}
}
