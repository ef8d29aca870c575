package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strings"
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
	OnLeaving      OnLeaving     // it isn't set here
	Mapped         bool          // there is something in Mappings that deliveries go by; it isn't set here
}

// OnLeaving is what leaving does in a destination's CRM.
type OnLeaving struct {
	Flag          bool              // who left what comes from there is marked as wanting no e-mail
	TakeBack      bool              // a mark that we set is taken back when they confirm that they want it again
	Subscriptions map[string]string // the kind of e-mail there that a newsletter is, by the newsletters' ids
}

// leavingColumns are those of a destination d that tell of an OnLeaving.
const leavingColumns = `CASE WHEN d.leaving = '' THEN 1 ELSE 0 END, d.take_back = 1,
	COALESCE((SELECT string_agg(x.newsletter_id || '=' || x.subscription, ',') FROM destination_subscriptions x WHERE x.tenant_id = d.tenant_id AND x.destination_id = d.id), '')`

// parseSubscriptions reads the last of leavingColumns.
func parseSubscriptions(joined string) map[string]string {
	if joined == "" {
		return nil
	}
	of := map[string]string{}
	for one := range strings.SplitSeq(joined, ",") {
		newsletter, subscription, _ := strings.Cut(one, "=")
		of[newsletter] = subscription
	}
	return of
}

// SetOnLeaving stores what leaving does in a destination's CRM. ErrNotFound: there is no such destination, or a newsletter
// isn't the tenant's.
func (d *OptOuts) SetOnLeaving(ctx context.Context, key DestinationKey, l OnLeaving) error {
	return wrap("set what leaving does", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE destinations SET leaving = $3, take_back = $4 WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`,
			key.TenantID, key.DestinationID, map[bool]string{false: "nothing"}[l.Flag], bit(l.TakeBack))
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM destination_subscriptions WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID); err != nil {
			return err
		}
		for _, newsletter := range slices.Sorted(maps.Keys(l.Subscriptions)) {
			res, err := tx.ExecContext(ctx, `INSERT INTO destination_subscriptions (tenant_id, destination_id, newsletter_id, subscription)
				SELECT n.tenant_id, $2, n.id, $4 FROM newsletters n WHERE n.tenant_id = $1 AND n.id = $3`, key.TenantID, key.DestinationID, newsletter, l.Subscriptions[newsletter])
			if err := changed(res, err, ErrNotFound); err != nil {
				return err
			}
		}
		return nil
	}))
}

// SubscriptionTypes are the kinds of e-mail that a destination's CRM keeps apart, as they were read last.
type SubscriptionTypes struct {
	OrgID  string    `json:"org"`
	ReadAt time.Time `json:"at"`   // zero when they were never read
	Code   string    `json:"code"` // why they couldn't be read; All are those of before then
	All    []Choice  `json:"all"`
}

// Choice is an id of the CRM's, and what it is called there.
type Choice struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// SubscriptionTypes returns what SaveSubscriptionTypes stored last; ErrNotFound when there is no such destination.
func (d *OptOuts) SubscriptionTypes(ctx context.Context, key DestinationKey) (s SubscriptionTypes, err error) {
	var stored string
	err = d.read.QueryRowContext(ctx, `SELECT subscription_types FROM destinations WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`, key.TenantID, key.DestinationID).Scan(&stored)
	if err == nil && stored != "" {
		err = json.Unmarshal([]byte(stored), &s)
	}
	return s, wrap("kinds of e-mail", err)
}

// SaveSubscriptionTypes stores the kinds of e-mail that a destination's CRM keeps apart. ErrNotFound: there is no such
// destination.
func (d *OptOuts) SaveSubscriptionTypes(ctx context.Context, key DestinationKey, s SubscriptionTypes) error {
	res, err := d.exec(ctx, `UPDATE destinations SET subscription_types = $3 WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`, key.TenantID, key.DestinationID, mustJSON(s))
	return wrap("save kinds of e-mail", changed(res, err, ErrNotFound))
}

// DeliverySettings returns what the tenant has set for a destination, or what holds
// otherwise; ErrNotFound when there is none.
func (d *Outbox) DeliverySettings(ctx context.Context, key DestinationKey) (s DeliverySettings, err error) {
	var pace int64
	var subscriptions string
	err = d.read.QueryRowContext(ctx, `SELECT several, one_match, leads = 1, key_field, save_duplicates = 1, placeholder, share, pace, `+mapped+`, `+leavingColumns+`
		FROM destinations d WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`, key.TenantID, key.DestinationID).
		Scan(&s.Several, &s.One, &s.Leads, &s.Key, &s.SaveDuplicates, &s.Placeholder, &s.Share, &pace, &s.Mapped, &s.OnLeaving.Flag, &s.OnLeaving.TakeBack, &subscriptions)
	s.OnLeaving.Subscriptions = parseSubscriptions(subscriptions)
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
