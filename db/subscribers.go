package db

import (
	"context"
	"slices"
	"strings"
	"time"

	"gatepost/forms"
)

// Subscriber is an address on a newsletter.
type Subscriber struct {
	ID           string
	TenantID     string
	NewsletterID string
	Newsletter   string // its name

	NewsletterSlug  string
	NewsletterState NewsletterState
	Email           string // as typed
	EmailKey        string // in lower case
	FirstName       string
	LastName        string
	CreatedAt       time.Time
	RepeatedAt      time.Time    // the last repeated sign-up; zero when there was none
	EditedAt        time.Time    // the last edit by hand; zero when there was none
	Source          string       // by which the first sign-up came: form, api, test
	Fields          forms.Values // what else was filled in; nil for nothing
	FormVersion     int          // of the form by which the first sign-up came
	Status          State        // one of those of subscribers
	Page            string       // address of the page with the form of the first sign-up; empty where nobody knows
	ConfirmedAt     time.Time    // last; zero when they never did
	Leaving         Leaving      // the last one; zero when they never left
	LeftAll         bool         // they left all of the organisation, and came back to none

	// Delivery is the one that was asked for: to the destination that a list is of, or to
	// the first of the tenant's.
	Delivery
	Deliveries []Delivery // all of them, in the order of the destinations' ids
}

// Delivery is a subscriber's way into one destination. The zero Delivery is of one that
// they haven't entered.
type Delivery struct {
	DestinationID string
	State         State
	Reason        string // a code of crm's: why it waits or needs attention, if there is a reason of its own
	Detail        string // what the CRM said
	Attempts      int
	Refusals      int       // in a row, of this one alone, of what passes
	DueAt         time.Time // not to be tried before
	SentAt        time.Time // a write was sent whose outcome is not known
	SettlesAt     time.Time // until then that write may still take effect
	RecordID      string    // in the CRM
	OrgID         string    // that has the record
	InstanceURL   string    // of that org
	MatchID       string    // another record of the CRM, at InstanceURL, that is in the way
	DeliveredAt   time.Time // last
	Made          bool      // the CRM said that our write made the record at RecordID
	OptedOut      OptedOut  // what the record said of e-mail when it was last looked up
	OptedOutAt    time.Time // since when that is known
}

// In returns the delivery to a destination; the zero Delivery when there is none.
func (s Subscriber) In(destinationID string) Delivery {
	for _, d := range s.Deliveries {
		if d.DestinationID == destinationID {
			return d
		}
	}
	return Delivery{}
}

// Seen is the subscriber with the delivery to a destination as the one that was asked for.
func (s Subscriber) Seen(destinationID string) Subscriber {
	s.Delivery = s.In(destinationID)
	return s
}

// SignedUpAt is when the address was last signed up.
func (s Subscriber) SignedUpAt() time.Time {
	if s.RepeatedAt.After(s.CreatedAt) {
		return s.RepeatedAt
	}
	return s.CreatedAt
}

// SaidAt is when it was last said what is to be in the CRM, by a sign-up or an edit.
func (s Subscriber) SaidAt() time.Time {
	if at := s.SignedUpAt(); at.After(s.EditedAt) {
		return at
	}
	return s.EditedAt
}

// AddressIsFixed reports whether the address is, or may be, in a CRM: another one would
// make another record there.
func (s Subscriber) AddressIsFixed() bool {
	return slices.ContainsFunc(s.Deliveries, func(d Delivery) bool { return d.RecordID != "" || !d.DeliveredAt.IsZero() || !d.SentAt.IsZero() })
}

// Why tells why a delivery waits, given the destination's pause, and when
// it is tried next; or what it needs attention for, or needed it for
// before it was dismissed. The code is empty when there is nothing to tell.
func (s Delivery) Why(p Pause) (code, detail string, next time.Time) {
	switch is := s.State.Info(); {
	case is.Arrived:
		return "", "", time.Time{}
	case !is.Waits:
		return s.Reason, s.Detail, time.Time{}
	case p.Reason == "":
		return s.Reason, s.Detail, s.DueAt
	case p.Until.Before(s.DueAt):
		return p.Reason, p.Detail, s.DueAt
	}
	return p.Reason, p.Detail, p.Until
}

const subscriberColumns = `s.state, s.created_at, s.repeated_at, s.edited_at, s.source, s.fields, s.form_version, n.slug, n.state,
	s.page, s.confirmed_at, s.left_at, s.left_how, s.left_why, s.left_all`

const selectSubscriber = `SELECT s.id, s.tenant_id, s.newsletter_id, n.name, s.email, s.email_key, s.first_name, s.last_name,
	` + subscriberColumns + `
	FROM subscribers s JOIN newsletters n ON n.id = s.newsletter_id `

func scanSubscriber(row scanner) (Subscriber, error) { return scanSubscriberAfter(row) }

// scanSubscriberAfter scans a subscriber behind other columns.
func scanSubscriberAfter(row scanner, before ...any) (Subscriber, error) {
	var s Subscriber
	var created, repeated, edited, confirmed, left int64
	var fields string
	err := row.Scan(append(before, &s.ID, &s.TenantID, &s.NewsletterID, &s.Newsletter, &s.Email, &s.EmailKey, &s.FirstName, &s.LastName,
		&s.Status, &created, &repeated, &edited, &s.Source, &fields, &s.FormVersion, &s.NewsletterSlug, &s.NewsletterState,
		&s.Page, &confirmed, &left, &s.Leaving.How, &s.Leaving.Why, &s.LeftAll)...)
	s.ConfirmedAt, s.Leaving.At = fromMillis(confirmed), fromMillis(left)
	s.CreatedAt, s.RepeatedAt, s.EditedAt = fromMillis(created), fromMillis(repeated), fromMillis(edited)
	if err == nil {
		s.Fields, err = scanFields(fields)
	}
	return s, err
}

const selectDelivery = `SELECT d.subscriber_id, d.destination_id, d.state, d.reason, d.detail, d.attempts, d.refusals, d.due_at, d.sent_at, d.settles_at,
	d.record_id, d.org_id, d.instance_url, d.match_id, d.delivered_at, CASE WHEN d.record_id <> '' AND d.made_id = d.record_id THEN 1 ELSE 0 END, d.opted_out, d.opted_out_at
	FROM deliveries d JOIN destinations t ON t.id = d.destination_id AND t.removed_at = 0 `

// deliveryOf is a delivery and whose it is.
type deliveryOf struct {
	subscriberID string
	Delivery
}

func scanDelivery(row scanner) (d deliveryOf, err error) {
	var due, sent, settles, delivered, out int64
	err = row.Scan(&d.subscriberID, &d.DestinationID, &d.State, &d.Reason, &d.Detail, &d.Attempts, &d.Refusals, &due, &sent, &settles,
		&d.RecordID, &d.OrgID, &d.InstanceURL, &d.MatchID, &delivered, &d.Made, &d.OptedOut, &out)
	d.OptedOutAt = fromMillis(out)
	d.DueAt, d.SentAt, d.SettlesAt, d.DeliveredAt = fromMillis(due), fromMillis(sent), fromMillis(settles), fromMillis(delivered)
	return d, err
}

// deliver gives a subscriber their deliveries, and that to a destination as the one that was
// asked for: their first where none is named.
func (s *Subscriber) deliver(all []deliveryOf, destinationID string) {
	for _, d := range all {
		if d.subscriberID == s.ID {
			s.Deliveries = append(s.Deliveries, d.Delivery)
		}
	}
	slices.SortFunc(s.Deliveries, func(a, b Delivery) int { return strings.Compare(a.DestinationID, b.DestinationID) })
	s.Delivery = s.In(destinationID)
	if destinationID == "" && len(s.Deliveries) > 0 {
		s.Delivery = s.Deliveries[0]
	}
}

// withDeliveries gives the tenant's subscribers their deliveries.
func withDeliveries(ctx context.Context, q rowsQueryer, e engine, tenantID, destinationID string, subscribers []Subscriber) error {
	of := newSet(text("id"))
	for _, s := range subscribers {
		of.add(s.ID)
	}
	var all []deliveryOf
	for part := range of.of(tenantID).parts() {
		with, args := part.with(e)
		some, err := collect(ctx, q, scanDelivery, with+selectDelivery+`JOIN o ON o.tenant_id = d.tenant_id AND o.id = d.subscriber_id`, args...)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	deliverAll(subscribers, all, destinationID)
	return nil
}

// deliverAll gives subscribers those deliveries that are theirs.
func deliverAll(subscribers []Subscriber, all []deliveryOf, destinationID string) {
	byID := map[string][]deliveryOf{}
	for _, d := range all {
		byID[d.subscriberID] = append(byID[d.subscriberID], d)
	}
	for i := range subscribers {
		subscribers[i].deliver(byID[subscribers[i].ID], destinationID)
	}
}

// Subscriber returns the tenant's subscriber with the given id, or ErrNotFound.
func (d *Readers) Subscriber(ctx context.Context, tenantID, id string) (Subscriber, error) {
	s, err := d.subscriber(ctx, d.read, selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, tenantID, id)
	return s, wrap("subscriber", err)
}

// SubscriberAt returns the tenant's subscriber to a newsletter who has an address, or
// ErrNotFound.
func (d *Readers) SubscriberAt(ctx context.Context, tenantID, newsletterID, emailKey string) (Subscriber, error) {
	s, err := d.subscriber(ctx, d.read, selectSubscriber+`WHERE s.tenant_id = $1 AND s.email_key = $2 AND s.newsletter_id = $3`, tenantID, emailKey, newsletterID)
	return s, wrap("subscriber at an address", err)
}

// queryer reads one row, or several.
type anyQueryer interface {
	rowQueryer
	rowsQueryer
}

// subscriber reads one of a tenant's subscribers with their deliveries.
func (d *base) subscriber(ctx context.Context, q anyQueryer, query, tenantID string, args ...any) (Subscriber, error) {
	s, err := scanSubscriber(q.QueryRowContext(ctx, query, append([]any{tenantID}, args...)...))
	if err != nil {
		return s, err
	}
	one := []Subscriber{s}
	err = withDeliveries(ctx, q, d.engine, tenantID, "", one)
	return one[0], err
}
