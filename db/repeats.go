package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// repeatEvery is how long after a repeated sign-up a further one is delivered.
const repeatEvery = time.Hour

// How a repeated sign-up changes a subscriber.
const (
	// Who waits takes the newer values along. When it is tried stays as it is, and
	// whoever has read it already finds another revision.
	repeatWaiting = `UPDATE subscribers SET first_name = $1, last_name = $2, repeated_at = $3, revision = revision + 1,
		again_at = CASE WHEN again_at > 0 THEN again_at ELSE $4 END
		WHERE tenant_id = $5 AND id = $6 AND revision = $7 AND state = 'waiting'`
	repeatOther = `UPDATE subscribers SET first_name = $1, last_name = $2, repeated_at = $3, revision = revision + 1,
		state = 'waiting', reason = '', detail = '', match_id = '', attempts = 0, refusals = 0, due_at = $4, waits_since = $4, again_at = CASE WHEN sent_at > 0 THEN CAST($4 AS BIGINT) ELSE 0 END, placeholders = $5
		WHERE tenant_id = $6 AND id = $7 AND revision = $8 AND state = $9 AND reason = $10 AND org_id = $11`
)

// known is a subscriber whose address is signed up again.
type known struct {
	place
	email                string // as typed, where it is read with the rest
	detail, recordID     string
	firstName, lastName  string
	attempts             int
	repeatedAt, revision int64
	placeholders         sql.NullString
}

// repeat stores what a repeated sign-up says: the consent, names that were lacking,
// and others in the place of those that were there. Its delivery is due again,
// whatever became of the earlier one.
func (b *book) repeat(ctx context.Context, s SignUp, wording string) (id string, err error) {
	for range 10 { // until nobody has changed it meanwhile
		k, err := b.known(ctx, s)
		if err != nil {
			return "", err
		}
		replaced := k.say(s)
		at := millis(s.At)
		var res sql.Result
		if k.state == Waiting {
			res, err = b.tx.ExecContext(ctx, repeatWaiting, k.firstName, k.lastName, max(k.repeatedAt, at), k.dueAgain(at), s.TenantID, k.id, k.revision)
		} else {
			res, err = b.tx.ExecContext(ctx, repeatOther, k.firstName, k.lastName, max(k.repeatedAt, at), k.dueAgain(at), k.remembered(),
				s.TenantID, k.id, k.revision, k.state, k.reason, k.orgID)
		}
		switch err := changed(res, err, ErrLost); {
		case errors.Is(err, ErrLost):
			continue
		case err != nil:
			return "", err
		}
		if _, err := b.tx.ExecContext(ctx, `INSERT INTO consents (tenant_id, subscriber_id, id, wording_id, source, at, replaced) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			s.TenantID, k.id, NewID(), wording, s.Source, at, replaced); err != nil {
			return "", err
		}
		to := k.place
		if to.state != Waiting {
			to.state, to.reason, to.orgID = Waiting, "", ""
		}
		b.change.move(k.place, to, "")
		return k.id, nil
	}
	return "", ErrLost
}

func (b *book) known(ctx context.Context, s SignUp) (k known, err error) {
	k.tenantID, k.newsletterID = s.TenantID, s.NewsletterID
	err = b.tx.QueryRowContext(ctx, `SELECT id, created_at, state, reason, org_id, detail, attempts, record_id, first_name, last_name, repeated_at, revision, placeholders
		FROM subscribers WHERE tenant_id = $1 AND email_key = $2 AND newsletter_id = $3`, s.TenantID, s.EmailKey, s.NewsletterID).Scan(&k.id, &k.createdAt, &k.state, &k.reason, &k.orgID,
		&k.detail, &k.attempts, &k.recordID, &k.firstName, &k.lastName, &k.repeatedAt, &k.revision, &k.placeholders)
	return k, err
}

// say takes over the names that a sign-up gives, and returns those that they
// replaced, as they are stored.
func (k *known) say(s SignUp) (replaced string) {
	was := map[string]string{}
	for field, names := range map[string]struct {
		is   *string
		says string
	}{"first_name": {&k.firstName, s.FirstName}, "last_name": {&k.lastName, s.LastName}} {
		if names.says == "" || names.says == *names.is {
			continue
		}
		if *names.is != "" {
			was[field] = *names.is
		}
		*names.is = names.says
	}
	if len(was) == 0 {
		return ""
	}
	return mustJSON(was)
}

// dueAgain is when what was said at a time is to be delivered: at once, or when an
// hour has passed since the last repeated sign-up. Who needs attention, was dismissed or
// had left isn't made to wait.
func (k known) dueAgain(at int64) int64 {
	if is := k.state.Info(); k.repeatedAt == 0 || !is.Waits && !is.Arrived {
		return at
	}
	hour := repeatEvery.Milliseconds()
	return min(max(at, k.repeatedAt+hour), at+hour) // a clock that was wrong makes nobody wait for longer
}

// remembered is what is to stay known of the placeholders in the record. Of a row
// from before they were written down, it is known that the record is ours when a
// write was sent for it that wasn't refused.
func (k known) remembered() string {
	if k.placeholders.Valid {
		return k.placeholders.String
	}
	if (k.state == Delivered || k.state == Left) && k.recordID != "" && k.attempts > 0 && k.detail == "" {
		return placeholdersBefore.stored()
	}
	return ""
}
