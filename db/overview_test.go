package db

import (
	"context"
	"time"
)

// What tests look at alone is read as the pages read it: with all the rest.

func (d *DB) Problems(ctx context.Context, tenantID string) ([]Problem, error) {
	h, err := d.Health(ctx, first(tenantID), nil)
	return h.Problems, err
}

// HourSums is what was received in an hour, and where it is now.
type HourSums struct {
	Hour time.Time
	AllSums
}

// HourSums returns the sums of each UTC hour from since on in which anything was received.
func (d *DB) HourSums(ctx context.Context, tenantID string, since time.Time) (all []HourSums, err error) {
	err = ask(ctx, d.read, part{`SELECT hour, '', kind, '', sum(n) FROM ledger WHERE tenant_id = $1 AND hour >= $2 GROUP BY hour, kind
		UNION ALL SELECT hour, destination_id, '', state, sum(n) FROM hour_counts WHERE tenant_id = $1 AND hour >= $2 GROUP BY hour, destination_id, state
		ORDER BY 1`, []any{tenantID, millis(since)}, func(row scanner) error {
		var hour int64
		var destination string
		var kind Kind
		var state State
		var n int
		if err := row.Scan(&hour, &destination, &kind, &state, &n); err != nil {
			return err
		}
		if len(all) == 0 || millis(all[len(all)-1].Hour) != hour {
			all = append(all, HourSums{fromMillis(hour), newAllSums()})
		}
		all[len(all)-1].of(destination).add(kind, state, n)
		return nil
	}})
	return all, err
}

func (d *DB) LastDelivered(ctx context.Context, tenantID string) (time.Time, error) {
	h, err := d.Health(ctx, first(tenantID), nil)
	return h.LastDelivered, err
}

func (d *DB) OldestWaiting(ctx context.Context, tenantID string) (time.Time, error) {
	h, err := d.Health(ctx, first(tenantID), nil)
	return h.OldestWaiting, err
}

func (d *DB) TimeZone(ctx context.Context, tenantID string) (string, error) {
	o, err := d.Overview(ctx, tenantID, "", "")
	return o.TimeZone, err
}

func (d *DB) Actions(ctx context.Context, _, tenantID string) ([]Action, error) {
	o, err := d.Overview(ctx, tenantID, "", "")
	return o.Actions, err
}
