package db

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gatepost/forms"
)

// repeatEvery is how long after a repeated sign-up a further one is delivered.
const repeatEvery = time.Hour

// How a repeated sign-up changes a subscriber, and their deliveries.
const (
	repeatSubscriber = `UPDATE subscribers SET first_name = $1, last_name = $2, fields = $3, repeated_at = $4, revision = revision + 1, state = $9
		WHERE tenant_id = $5 AND id = $6 AND revision = $7 AND state = $8`
	// What waits takes the newer values along. When it is tried stays as it is, and
	// whoever has read it already finds another revision.
	repeatWaiting = `UPDATE deliveries SET revision = revision + 1, again_at = CASE WHEN again_at > 0 THEN again_at ELSE $1 END
		WHERE tenant_id = $2 AND subscriber_id = $3 AND destination_id = $4 AND state = 'waiting'`
	repeatOther = `UPDATE deliveries SET revision = revision + 1,
		state = 'waiting', reason = '', detail = '', match_id = '', attempts = 0, refusals = 0, due_at = $1, waits_since = $1, again_at = CASE WHEN sent_at > 0 THEN CAST($1 AS BIGINT) ELSE 0 END, placeholders = $2
		WHERE tenant_id = $3 AND subscriber_id = $4 AND destination_id = $5 AND state = $6 AND reason = $7 AND org_id = $8`
)

// known is a subscriber whose address is signed up again.
type known struct {
	place
	email, emailKey      string // as typed, and what makes it the same, where they are read with the rest
	firstName, lastName  string
	fields               string // forms.Values as JSON
	repeatedAt, revision int64
}

// delivering is one of their deliveries.
type delivering struct {
	place
	detail, recordID string
	attempts         int
	placeholders     sql.NullString
}

// repeat stores what a repeated sign-up says: the consent, names and fields that were lacking,
// and others in the place of those that were there, where nobody has to confirm. Its deliveries are due again,
// whatever became of the earlier ones. What the person has to confirm first, or somebody
// to decide, changes nothing that is there.
func (b *book) repeat(ctx context.Context, s SignUp, wording string) (id string, err error) {
	for range 10 { // until nobody has changed it meanwhile
		k, err := b.known(ctx, s)
		if err != nil {
			return "", err
		}
		becomes := s.again(k.state, b.hasLeft(s))
		if s.testsWhoLeft(becomes) {
			return k.id, ErrLeft
		}
		if becomes == OnHold {
			return k.id, b.holdAside(ctx, s, k, wording)
		}
		err = b.repeatOnce(ctx, s, k, becomes, wording)
		if !errors.Is(err, ErrLost) {
			return k.id, err
		}
	}
	return "", ErrLost
}

// again is what somebody is to be by a further sign-up; left says that they don't want any
// mails. OnHold: the sign-up is held, and they stay what they are.
func (s SignUp) again(is State, left bool) State {
	switch {
	case s.Source == SourceTest && (is == Active || is == Left):
		return is
	case s.Source == SourceTest:
		return s.becomes(left)
	case is == Rejected:
		return OnHold
	case is == Left:
		if s.becomes(true) == OnHold {
			return OnHold
		}
		return Left // until they have confirmed
	case is == Active && len(s.Held) == 0:
		return Active
	}
	return s.becomes(left)
}

// repeatOnce is repeat for what was read: ErrLost says that it was changed since.
func (b *book) repeatOnce(ctx context.Context, s SignUp, k known, becomes State, wording string) error {
	replaced, err := k.say(s)
	if err != nil {
		return err
	}
	at := millis(s.At)
	res, err := b.tx.ExecContext(ctx, repeatSubscriber, k.firstName, k.lastName, k.fields, max(k.repeatedAt, at), s.TenantID, k.id, k.revision, k.state, becomes)
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	if _, err := b.tx.ExecContext(ctx, `INSERT INTO consents (tenant_id, subscriber_id, id, wording_id, source, at, replaced, form_version, page) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		s.TenantID, k.id, NewID(), wording, s.Source, at, replaced, s.FormVersion, s.Page); err != nil {
		return err
	}
	b.received(s, Repeated)
	if err := b.keepAddress(ctx, s, k.id); err != nil {
		return err
	}
	if k.state == OnHold {
		if err := b.change.decideHold(ctx, k.place, HoldReleased); err != nil {
			return err
		}
	}
	b.change.become(k.place, becomes, "")
	switch {
	case becomes == Active:
		if err := b.stated(ctx, s, k); err != nil {
			return err
		}
		return b.deliverAgain(ctx, k, at)
	case s.Source == SourceImport:
		return nil
	}
	return b.askToConfirm(ctx, s, k.id)
}

// become counts that a subscriber is in a state, and tells it, and why, of one who wasn't.
func (c *change) become(from place, state State, why string) {
	to := from
	to.state = state
	c.move(from, to, why)
}

func (b *book) known(ctx context.Context, s SignUp) (k known, err error) {
	k.tenantID, k.newsletterID = s.TenantID, s.NewsletterID
	err = b.tx.QueryRowContext(ctx, `SELECT id, created_at, state, first_name, last_name, fields, repeated_at, revision
		FROM subscribers WHERE tenant_id = $1 AND email_key = $2 AND newsletter_id = $3`, s.TenantID, s.EmailKey, s.NewsletterID).
		Scan(&k.id, &k.createdAt, &k.state, &k.firstName, &k.lastName, &k.fields, &k.repeatedAt, &k.revision)
	return k, err
}

// deliverAgain has what a subscriber said at a time delivered to each destination that
// their newsletter feeds.
func (b *book) deliverAgain(ctx context.Context, k known, at int64) error {
	if err := b.holdNewsletter(ctx, k.tenantID, k.newsletterID); err != nil {
		return err
	}
	destinations, err := b.feeds(ctx, k.tenantID, k.newsletterID)
	if err != nil {
		return err
	}
	for _, to := range destinations {
		err := b.change.redeliver(ctx, k, to, func(d delivering) int64 { return k.dueAgain(d, at) })
		if errors.Is(err, sql.ErrNoRows) {
			p := k.place
			p.destinationID, p.state = to, Waiting
			err = b.deliverTo(ctx, p, at, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// redeliver has a subscriber's newer values delivered to a destination, when due says;
// sql.ErrNoRows where they haven't entered it.
func (c *change) redeliver(ctx context.Context, k known, destinationID string, due func(delivering) int64) error {
	for range 10 { // until nobody has changed it meanwhile
		d, err := c.delivering(ctx, k.tenantID, k.id, destinationID)
		if err != nil {
			return err
		}
		var res sql.Result
		to := d.place
		if d.state == Waiting {
			res, err = c.tx.ExecContext(ctx, repeatWaiting, due(d), k.tenantID, k.id, destinationID)
		} else {
			to.state, to.reason, to.orgID = Waiting, "", ""
			res, err = c.tx.ExecContext(ctx, repeatOther, due(d), d.remembered(), k.tenantID, k.id, destinationID, d.state, d.reason, d.orgID)
		}
		if err := changed(res, err, ErrLost); !errors.Is(err, ErrLost) {
			if err == nil {
				c.move(d.place, to, "")
			}
			return err
		}
	}
	return ErrLost
}

// delivering reads a subscriber's delivery to a destination.
func (c *change) delivering(ctx context.Context, tenantID, subscriberID, destinationID string) (d delivering, err error) {
	d.tenantID, d.id, d.destinationID = tenantID, subscriberID, destinationID
	err = c.tx.QueryRowContext(ctx, `SELECT s.newsletter_id, s.created_at, d.state, d.reason, d.org_id, d.detail, d.attempts, d.record_id, d.placeholders
		FROM deliveries d JOIN subscribers s ON s.tenant_id = d.tenant_id AND s.id = d.subscriber_id
		WHERE d.tenant_id = $1 AND d.subscriber_id = $2 AND d.destination_id = $3`, tenantID, subscriberID, destinationID).
		Scan(&d.newsletterID, &d.createdAt, &d.state, &d.reason, &d.orgID, &d.detail, &d.attempts, &d.recordID, &d.placeholders)
	return d, err
}

// say takes over the names and fields that a sign-up gives, and returns those that they
// replaced, as they are stored.
func (k *known) say(s SignUp) (replaced string, err error) {
	was := forms.Values{}
	take := func(field, is, says string) string {
		if says == "" || says == is || is != "" && s.fillsOnly(k.state) {
			return is
		}
		if is != "" {
			was[field] = is
		}
		return says
	}
	k.firstName, k.lastName = take(forms.FirstNameID, k.firstName, s.FirstName), take(forms.LastNameID, k.lastName, s.LastName)
	if s.Fields != "" && s.Fields != k.fields {
		if k.fields, err = mergeFields(k.fields, s.Fields, take); err != nil {
			return "", err
		}
	}
	return storedFields(was), nil
}

// fillsOnly reports whether a further sign-up replaces nothing that is there: anybody can sign up
// anybody, and who is to confirm hasn't said yet that it was them.
func (s SignUp) fillsOnly(is State) bool {
	return s.Source != SourceTest && (s.Confirm || is == Left)
}

// mergeFields has what is said now taken over into what is stored, field by field.
func mergeFields(stored, said string, take func(field, is, says string) string) (string, error) {
	is, err := scanFields(stored)
	if err != nil {
		return "", err
	}
	says, err := scanFields(said)
	if err != nil {
		return "", err
	}
	if is == nil {
		is = forms.Values{}
	}
	for id, value := range says {
		is[id] = take(id, is[id], value)
	}
	return storedFields(is), nil
}

// dueAgain is when what was said at a time is to be delivered: at once, or when an
// hour has passed since the last repeated sign-up. What needs attention, was dismissed or
// had ended isn't made to wait.
func (k known) dueAgain(d delivering, at int64) int64 {
	if is := d.state.Info(); k.repeatedAt == 0 || !is.Waits && !is.Arrived || k.state != Active {
		return at
	}
	hour := repeatEvery.Milliseconds()
	return min(max(at, k.repeatedAt+hour), at+hour) // a clock that was wrong makes nobody wait for longer
}

// remembered is what is to stay known of the placeholders in the record. Of a row
// from before they were written down, it is known that the record is ours when a
// write was sent for it that wasn't refused.
func (d delivering) remembered() string {
	if d.placeholders.Valid {
		return d.placeholders.String
	}
	if (d.state == Delivered || d.state == Ended) && d.recordID != "" && d.attempts > 0 && d.detail == "" {
		return placeholdersBefore.stored()
	}
	return ""
}
