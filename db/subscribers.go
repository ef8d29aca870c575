package db

import (
	"context"
	"time"
)

// Subscriber is an address on a newsletter.
type Subscriber struct {
	ID           string
	TenantID     string
	NewsletterID string
	Newsletter   string // its name
	Email        string // as typed
	EmailKey     string // in lower case
	FirstName    string
	LastName     string
	State        State
	Reason       string // a code of crm's: why it waits or needs attention, if there is a reason of its own
	Detail       string // what the CRM said
	Attempts     int
	Refusals     int       // in a row, of this one alone, of what passes
	DueAt        time.Time // not to be tried before
	SentAt       time.Time // a write was sent whose outcome is not known
	SettlesAt    time.Time // until then that write may still take effect
	RecordID     string    // in the CRM
	OrgID        string    // that has the record
	InstanceURL  string    // of that org
	MatchID      string    // another record of the CRM, at InstanceURL, that is in the way
	DeliveredAt  time.Time // last
	CreatedAt    time.Time
	RepeatedAt   time.Time // the last repeated sign-up; zero when there was none
	EditedAt     time.Time // the last edit by hand; zero when there was none
	Source       string    // by which the first sign-up came: form, api, test
	Made         bool      // the CRM said that our write made the record at RecordID
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

// AddressIsFixed reports whether the address is, or may be, in the CRM: another one would
// make another record there.
func (s Subscriber) AddressIsFixed() bool {
	return s.RecordID != "" || !s.DeliveredAt.IsZero() || !s.SentAt.IsZero()
}

// Why tells why a waiting subscriber waits, given the tenant's pause, and when
// it is tried next; or what a subscriber needs attention for, or needed it for
// before it was dismissed. The code is empty when there is nothing to tell.
func (s Subscriber) Why(p Pause) (code, detail string, next time.Time) {
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

const selectSubscriber = `SELECT s.id, s.tenant_id, s.newsletter_id, n.name, s.email, s.email_key, s.first_name, s.last_name,
	s.state, s.reason, s.detail, s.attempts, s.refusals, s.due_at, s.sent_at, s.settles_at,
	s.record_id, s.org_id, s.instance_url, s.match_id, s.delivered_at, s.created_at, s.repeated_at, s.edited_at, s.source,
	CASE WHEN s.record_id <> '' AND s.made_id = s.record_id THEN 1 ELSE 0 END
	FROM subscribers s JOIN newsletters n ON n.id = s.newsletter_id `

func scanSubscriber(row scanner) (Subscriber, error) {
	var s Subscriber
	var due, sent, settles, delivered, created, repeated, edited int64
	err := row.Scan(&s.ID, &s.TenantID, &s.NewsletterID, &s.Newsletter, &s.Email, &s.EmailKey, &s.FirstName, &s.LastName,
		&s.State, &s.Reason, &s.Detail, &s.Attempts, &s.Refusals, &due, &sent, &settles,
		&s.RecordID, &s.OrgID, &s.InstanceURL, &s.MatchID, &delivered, &created, &repeated, &edited, &s.Source, &s.Made)
	s.DueAt, s.SentAt, s.SettlesAt = fromMillis(due), fromMillis(sent), fromMillis(settles)
	s.DeliveredAt, s.CreatedAt, s.RepeatedAt, s.EditedAt = fromMillis(delivered), fromMillis(created), fromMillis(repeated), fromMillis(edited)
	return s, err
}

// Subscriber returns the tenant's subscriber with the given id, or ErrNotFound.
func (d *Readers) Subscriber(ctx context.Context, tenantID, id string) (Subscriber, error) {
	s, err := scanSubscriber(d.read.QueryRowContext(ctx,
		selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, tenantID, id))
	return s, wrap("subscriber", err)
}

// SubscriberAt returns the tenant's subscriber to a newsletter who has an address, or
// ErrNotFound.
func (d *Readers) SubscriberAt(ctx context.Context, tenantID, newsletterID, emailKey string) (Subscriber, error) {
	s, err := scanSubscriber(d.read.QueryRowContext(ctx,
		selectSubscriber+`WHERE s.tenant_id = $1 AND s.email_key = $2 AND s.newsletter_id = $3`, tenantID, emailKey, newsletterID))
	return s, wrap("subscriber at an address", err)
}
