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
const selectWaiting = `SELECT d.reason, CASE WHEN d.waits_since > 0 THEN d.waits_since ELSE
		COALESCE((SELECT max(at) FROM events e WHERE e.tenant_id = d.tenant_id AND e.subscriber_id = d.subscriber_id AND e.destination_id = d.destination_id AND e.state = 'waiting' AND e.actor <> ''),
			(SELECT s.created_at FROM subscribers s WHERE s.tenant_id = d.tenant_id AND s.id = d.subscriber_id)) END
	FROM deliveries d WHERE d.tenant_id = $1 AND d.destination_id = $2 AND d.state = 'waiting' `

// waiting is one that waits.
type waiting struct {
	reason string
	since  time.Time // in the future when it has not begun to
}

// longestWaiting returns who waits longest for a destination. It has waited since the
// zero time when there is none.
func (d *base) longestWaiting(ctx context.Context, key DestinationKey) (longest waiting, err error) {
	err = ask(ctx, d.read, waitLongest(&longest, key)...)
	return longest, err
}

// waitLongest finds who waits longest for a destination: of those who signed up first and
// those who have been due for longest.
func waitLongest(longest *waiting, key DestinationKey) []part {
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
		{selectWaiting + `ORDER BY d.subscriber_id LIMIT $3`, []any{key.TenantID, key.DestinationID, sampled}, row},
		{selectWaiting + `ORDER BY d.due_at, d.subscriber_id LIMIT $3`, []any{key.TenantID, key.DestinationID, sampled}, row},
	}
}
