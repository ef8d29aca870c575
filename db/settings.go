package db

import (
	"cmp"
	"context"
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

// DefaultPace is how far apart batches are begun where nothing else is set.
const DefaultPace = time.Second

// DeliverySettings is how a tenant wants its sign-ups delivered to a destination.
type DeliverySettings struct {
	Several        string        // one of the Several… constants
	One            string        // one of the One… constants
	Leads          bool          // look among the CRM's leads too
	Key            string        // unique field of the CRM for the address; empty for none
	SaveDuplicates bool          // save what the CRM takes for a duplicate, where it allows that
	Placeholder    string        // the last name of who gave none, where the CRM demands one
	Share          int           // percent of the CRM's API calls, of all who make some, from which on nothing is sent
	Pace           time.Duration // how far apart batches are begun at least, unless they are full
	Mapped         bool          // there is something in Mappings that deliveries go by; it isn't set here
}

// DeliverySettings returns what the tenant has set for a destination, or what holds
// otherwise; ErrNotFound when there is none.
func (d *Outbox) DeliverySettings(ctx context.Context, key DestinationKey) (s DeliverySettings, err error) {
	var pace int64
	err = d.read.QueryRowContext(ctx, `SELECT several, one_match, leads = 1, key_field, save_duplicates = 1, placeholder, share, pace, `+mapped+`
		FROM destinations d WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`, key.TenantID, key.DestinationID).
		Scan(&s.Several, &s.One, &s.Leads, &s.Key, &s.SaveDuplicates, &s.Placeholder, &s.Share, &pace, &s.Mapped)
	s.Pace = time.Duration(pace) * time.Millisecond
	return s, wrap("delivery settings", err)
}

// SetDeliverySettings stores what the tenant wants of a destination; the caller has checked
// it. ErrNotFound: there is no such destination.
func (d *Outbox) SetDeliverySettings(ctx context.Context, key DestinationKey, s DeliverySettings) error {
	res, err := d.execNotify(ctx, Notice{NoticeDue, key.TenantID}, `UPDATE destinations SET several = $3, one_match = $4, leads = $5,
			key_field = $6, save_duplicates = $7, share = $8, placeholder = $9, pace = $10 WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`,
		key.TenantID, key.DestinationID, s.Several, s.One, bit(s.Leads), s.Key, bit(s.SaveDuplicates), s.Share, cmp.Or(s.Placeholder, DefaultPlaceholder), s.Pace.Milliseconds())
	return wrap("set delivery settings", changed(res, err, ErrNotFound))
}

// bit is a truth as it is stored.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
