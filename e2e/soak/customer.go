package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// customers are the tenants, each with the service of its CRM.
var customers = []struct {
	rig.Tenant
	service string
}{
	{rig.Contoso, rig.Salesforce},
	{rig.Fabrikam, rig.HubSpot},
	{rig.Northwind, rig.Zoho},
}

// customer is one of them in a run.
type customer struct {
	rig.Tenant
	id      string // of the tenant, and of its one destination
	crm     *rig.CRM
	readers *readers // of the newsletter that takes everybody at once
	asked   *readers // of the one that asks by mail
	junk    *readers // of that one, with a link where the name belongs
}

// everybody is all who sign up with the customer.
func (c *customer) everybody() []*readers { return []*readers{c.readers, c.asked, c.junk} }

// sums are those of the customer's destination.
func (c *customer) sums(ctx context.Context, store *db.DB) (db.Sums, error) {
	sums, err := store.Sums(ctx, c.id)
	return sums.Destinations[c.id], err
}

// endHours lets the hour be over after which those are delivered again who signed up
// several times within it: the run has no hour for them.
func (c *customer) endHours(ctx context.Context, store *db.DB) error {
	_, err := store.Writer().ExecContext(ctx, `UPDATE deliveries SET due_at = $2 WHERE tenant_id = $1 AND state = 'waiting' AND reason = '' AND due_at > $2
			AND EXISTS (SELECT 1 FROM subscribers s WHERE s.tenant_id = deliveries.tenant_id AND s.id = deliveries.subscriber_id AND s.repeated_at > 0)`,
		c.id, store.Now().UnixMilli())
	return err
}

// stretch is a part of the run.
type stretch struct {
	scenario
	from, to time.Time // by the database's clock
}

// delays says how long the sign-ups of a stretch took until they were in the CRM.
type delays struct {
	p50, p95    time.Duration
	all, within int // within the stretch
}

// String is the report.
func (d delays) String() string {
	return fmt.Sprintf("p50 %v, p95 %v, %d of %d arrived meanwhile", round(d.p50), round(d.p95), d.within, d.all)
}

// delays asks how long those took who signed up once, within a stretch, and weren't asked to confirm.
func (c *customer) delays(ctx context.Context, store *db.DB, s stretch) (d delays, err error) {
	rows, err := store.Writer().QueryContext(ctx, `SELECT s.created_at, d.delivered_at FROM subscribers s
			JOIN deliveries d ON d.tenant_id = s.tenant_id AND d.subscriber_id = s.id
			JOIN newsletters n ON n.id = s.newsletter_id
			WHERE s.tenant_id = $1 AND n.readers = '' AND s.repeated_at = 0 AND d.delivered_at > 0 AND s.created_at >= $2 AND s.created_at < $3`,
		c.id, s.from.UnixMilli(), s.to.UnixMilli())
	if err != nil {
		return d, err
	}
	defer func() { _ = rows.Close() }()
	took, err := d.read(rows, s.to)
	d.p50, d.p95 = took.At(.5), took.At(.95)
	return d, err
}

// read reads the times of each sign-up and of its arrival.
func (d *delays) read(rows *sql.Rows, end time.Time) (took rig.Times, err error) {
	for rows.Next() {
		var created, delivered int64
		if err := rows.Scan(&created, &delivered); err != nil {
			return nil, err
		}
		took = append(took, time.Duration(delivered-created)*time.Millisecond)
		d.all++
		if delivered < end.UnixMilli() {
			d.within++
		}
	}
	return took, rows.Err()
}
