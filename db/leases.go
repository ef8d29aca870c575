package db

import (
	"context"
	"database/sql"
	"time"
)

// LeaseTime is how long a lease is good for, from its taking or last use.
const LeaseTime = 5 * time.Second

// Lease is the right of one process to deliver to a destination.
type Lease struct {
	DestinationKey
	Owner string // one process
}

func (l Lease) name() string { return "deliver:" + l.DestinationID }

// TakeLease takes a lease that is free, has run out, or is the owner's already.
// It returns ErrLost while somebody else holds it.
func (d *Outbox) TakeLease(ctx context.Context, l Lease) error {
	now := d.now()
	res, err := d.exec(ctx, `INSERT INTO leases (name, owner, until) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
		WHERE leases.owner = excluded.owner OR leases.until <= $4`,
		l.name(), l.Owner, millis(now.Add(LeaseTime)), millis(now))
	return wrap("take the lease", changed(res, err, ErrLost))
}

// KeepLease makes a lease last longer, or returns ErrLost when it went to
// somebody else. A lease that ran out is still good while nobody took it.
func (d *Outbox) KeepLease(ctx context.Context, l Lease) error {
	return wrap("keep the lease", d.underLease(ctx, l, func(*sql.Tx) error { return nil }))
}

// ReleaseLease gives a lease back. One that was lost is left alone.
func (d *Outbox) ReleaseLease(ctx context.Context, l Lease) error {
	_, err := d.exec(ctx, `DELETE FROM leases WHERE name = $1 AND owner = $2`, l.name(), l.Owner)
	return wrap("release the lease", err)
}

// underLease runs fn in a transaction that holds, and prolongs, the lease. It
// returns ErrLost without running fn when the lease went to somebody else, or the tenant has
// no such destination, any more at least.
func (d *base) underLease(ctx context.Context, l Lease, fn func(*sql.Tx) error) error {
	return d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE leases SET until = $1 WHERE name = $2 AND owner = $3
			AND EXISTS (SELECT 1 FROM destinations t WHERE t.tenant_id = $4 AND t.id = $5 AND t.removed_at = 0)`,
			millis(d.now().Add(LeaseTime)), l.name(), l.Owner, l.TenantID, l.DestinationID)
		if err := changed(res, err, ErrLost); err != nil {
			return err
		}
		return fn(tx)
	})
}
