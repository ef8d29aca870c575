package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"
)

// What is done with somebody whom several records of the CRM match.
const (
	SeveralNewest    = "newest"    // the record that was changed last is theirs
	SeveralAttention = "attention" // somebody is to decide
)

// What is done with a record of the CRM that is somebody's already.
const (
	OneFill   = "fill"   // names that it lacks are filled in
	OneUpdate = "update" // its names become those of the sign-up
	OneLeave  = "leave"  // nothing
)

// MaxShare is the percentage of a CRM's API calls from which on nothing is ever
// sent.
const MaxShare = 95

// DeliverySettings is how a tenant wants its sign-ups delivered.
type DeliverySettings struct {
	Several        string // one of the Several… constants
	One            string // one of the One… constants
	Leads          bool   // look among the CRM's leads too
	Key            string // unique field of the CRM for the address; empty for none
	SaveDuplicates bool   // save what the CRM takes for a duplicate, where it allows that
	Placeholder    string // the last name of who gave none, where the CRM demands one
	Share          int    // percent of the CRM's API calls, of all who make some, from which on nothing is sent
	// Pace is how far apart batches are begun at least, unless they are full. It can't be
	// set yet.
	Pace time.Duration
}

// DefaultPace is how far apart batches are begun where nothing else is set.
const DefaultPace = time.Second

// DeliverySettings returns what the tenant has set, or what holds otherwise.
func (d *Outbox) DeliverySettings(ctx context.Context, tenantID string) (DeliverySettings, error) {
	s := DeliverySettings{Several: SeveralNewest, One: OneFill, Placeholder: DefaultPlaceholder, Share: MaxShare, Pace: DefaultPace}
	err := d.read.QueryRowContext(ctx, `SELECT several, one_match, leads = 1, key_field, save_duplicates = 1, placeholder, share FROM delivery_settings WHERE tenant_id = $1`, tenantID).
		Scan(&s.Several, &s.One, &s.Leads, &s.Key, &s.SaveDuplicates, &s.Placeholder, &s.Share)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, wrap("delivery settings", err)
}

// SetDeliverySettings stores what the tenant wants; the caller has checked it.
func (d *Outbox) SetDeliverySettings(ctx context.Context, tenantID string, s DeliverySettings) error {
	_, err := d.execNotify(ctx, Notice{NoticeDue, tenantID}, `INSERT INTO delivery_settings (tenant_id, several, one_match, leads, key_field, save_duplicates, share, placeholder)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (tenant_id) DO UPDATE SET several = excluded.several, one_match = excluded.one_match, leads = excluded.leads,
			key_field = excluded.key_field, save_duplicates = excluded.save_duplicates, share = excluded.share, placeholder = excluded.placeholder`,
		tenantID, s.Several, s.One, bit(s.Leads), s.Key, bit(s.SaveDuplicates), s.Share, cmp.Or(s.Placeholder, DefaultPlaceholder))
	return wrap("set delivery settings", err)
}

// bit is a truth as it is stored.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
