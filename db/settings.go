package db

import (
	"context"
	"database/sql"
	"errors"
)

// What is done with somebody whom several records of the CRM match.
const (
	SeveralNewest    = "newest"    // the record that was changed last is theirs
	SeveralAttention = "attention" // somebody is to decide
)

// MaxShare is the percentage of a CRM's API calls from which on nothing is ever
// sent.
const MaxShare = 95

// DeliverySettings is how a tenant wants its sign-ups delivered.
type DeliverySettings struct {
	Several string // one of the Several… constants
	Share   int    // percent of the CRM's API calls, of all who make some, from which on nothing is sent
}

// DeliverySettings returns what the tenant has set, or what holds otherwise.
func (d *DB) DeliverySettings(ctx context.Context, tenantID string) (DeliverySettings, error) {
	s := DeliverySettings{Several: SeveralNewest, Share: MaxShare}
	err := d.read.QueryRowContext(ctx, `SELECT several, share FROM delivery_settings WHERE tenant_id = $1`, tenantID).Scan(&s.Several, &s.Share)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, wrap("delivery settings", err)
}

// SetDeliverySettings stores what the tenant wants; the caller has checked it.
func (d *DB) SetDeliverySettings(ctx context.Context, tenantID string, s DeliverySettings) error {
	_, err := d.write.ExecContext(ctx, `INSERT INTO delivery_settings (tenant_id, several, share) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id) DO UPDATE SET several = excluded.several, share = excluded.share`, tenantID, s.Several, s.Share)
	return wrap("set delivery settings", err)
}
