package db

import (
	"context"
	"time"
)

// What tests look at alone is read as the pages read it: with all the rest.

func (d *DB) Problems(ctx context.Context, tenantID string) ([]Problem, error) {
	h, err := d.Health(ctx, tenantID, time.Time{})
	return h.Problems, err
}

func (d *DB) HourSums(ctx context.Context, tenantID string, since time.Time) ([]HourSums, error) {
	h, err := d.Health(ctx, tenantID, since)
	return h.Hours, err
}

func (d *DB) DeliveredByHour(ctx context.Context, tenantID string, since time.Time) ([]HourDelivered, error) {
	h, err := d.Health(ctx, tenantID, since)
	return h.Delivered, err
}

func (d *DB) LastDelivered(ctx context.Context, tenantID string) (time.Time, error) {
	h, err := d.Health(ctx, tenantID, time.Time{})
	return h.LastDelivered, err
}

func (d *DB) OldestWaiting(ctx context.Context, tenantID string) (time.Time, error) {
	h, err := d.Health(ctx, tenantID, time.Time{})
	return h.OldestWaiting, err
}

func (d *DB) LastRecount(ctx context.Context, tenantID string) (LastRecount, error) {
	var r LastRecount
	err := ask(ctx, d.read, lastRecount(&r, tenantID))
	return r, err
}

func (d *DB) TimeZone(ctx context.Context, tenantID string) (string, error) {
	o, err := d.Overview(ctx, tenantID, "", "")
	return o.TimeZone, err
}

func (d *DB) Actions(ctx context.Context, _, tenantID string) ([]Action, error) {
	o, err := d.Overview(ctx, tenantID, "", "")
	return o.Actions, err
}

func (d *DB) PendingRevocations(ctx context.Context, service, tenantID string) (int, error) {
	o, err := d.Overview(ctx, tenantID, "", "")
	return o.Connections.Revocations[service], err
}
