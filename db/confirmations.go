package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Confirmation is the link of a mail that asks somebody to confirm.
type Confirmation struct {
	TenantID, SubscriberID string
	Address, AddressKey    string
	NewsletterSlug         string
	MadeAt, ExpiresAt      time.Time
	OpenedAt               time.Time // first, perhaps by a program that looks at mails; zero when it never was
	PressedAt              time.Time // its button; zero when it never was

	mailID       string
	newsletterID string
	status       State
	leftAt       time.Time
}

// ConfirmationState is what a link still does.
type ConfirmationState string

// The states of a link.
const (
	LinkOpen    ConfirmationState = "open"    // its button confirms
	LinkDone    ConfirmationState = "done"    // the person is confirmed, by this link or otherwise
	LinkExpired ConfirmationState = "expired" // they have not confirmed in time
	LinkVoid    ConfirmationState = "void"    // they are no longer on the list, or were rejected
)

// State is what the link still does at a time. A link of before somebody left doesn't bring them
// back.
func (c Confirmation) State(now time.Time) ConfirmationState {
	waits := c.status == Unconfirmed || c.status == Left && c.PressedAt.IsZero() && c.MadeAt.After(c.leftAt)
	switch {
	case c.status == Active:
		return LinkDone
	case !waits:
		return LinkVoid
	case !now.Before(c.ExpiresAt):
		return LinkExpired
	}
	return LinkOpen
}

const selectConfirmation = `SELECT c.tenant_id, c.subscriber_id, s.email, s.email_key, n.slug, c.made_at, c.expires_at, c.opened_at, c.pressed_at, c.mail_id, s.newsletter_id, s.state, s.left_at
	FROM confirmations c JOIN subscribers s ON s.tenant_id = c.tenant_id AND s.id = c.subscriber_id
	JOIN newsletters n ON n.id = s.newsletter_id JOIN tenants t ON t.id = c.tenant_id WHERE c.token_hash = $1 AND t.closed_at = 0`

func scanConfirmation(row scanner) (c Confirmation, err error) {
	var made, expires, opened, pressed, left int64
	err = row.Scan(&c.TenantID, &c.SubscriberID, &c.Address, &c.AddressKey, &c.NewsletterSlug, &made, &expires, &opened, &pressed, &c.mailID, &c.newsletterID, &c.status, &left)
	c.MadeAt, c.ExpiresAt, c.OpenedAt, c.PressedAt, c.leftAt = fromMillis(made), fromMillis(expires), fromMillis(opened), fromMillis(pressed), fromMillis(left)
	return c, err
}

// Confirmation returns the link whose token has the given hash, or ErrNotFound.
func (d *Letters) Confirmation(ctx context.Context, tokenHash string) (Confirmation, error) {
	c, err := scanConfirmation(d.read.QueryRowContext(ctx, selectConfirmation, tokenHash))
	return c, wrap("confirmation", err)
}

// OpenConfirmation writes down that a link was opened, unless it was before.
func (d *Letters) OpenConfirmation(ctx context.Context, tokenHash string) error {
	_, err := d.exec(ctx, `UPDATE confirmations SET opened_at = $1 WHERE token_hash = $2 AND opened_at = 0`, millis(d.now()), tokenHash)
	return wrap("open a confirmation", err)
}

// PressConfirmation confirms by a link that is open, and returns the link's state after it. A link that
// isn't open changes nothing; one that isn't there is ErrNotFound.
func (d *Letters) PressConfirmation(ctx context.Context, tokenHash string) (state ConfirmationState, err error) {
	now := d.now()
	err = d.tx(ctx, func(tx *sql.Tx) error {
		c, err := scanConfirmation(tx.QueryRowContext(ctx, selectConfirmation, tokenHash))
		if err != nil {
			return err
		}
		if state = c.State(now); state != LinkOpen {
			return nil
		}
		state = LinkDone
		if _, err := tx.ExecContext(ctx, `UPDATE confirmations SET pressed_at = $1 WHERE token_hash = $2`, millis(now), tokenHash); err != nil {
			return err
		}
		_, err = d.confirm(ctx, tx, c.TenantID, c.SubscriberID, millis(now))
		return err
	})
	return state, wrap("confirm by a link", err)
}

// AskConfirmationAgain queues another mail to who has a link that isn't used; addressMAC is the one of
// tenant and address. Where that would be too often, nothing is queued, and next is when it may be asked
// for. A link whose person has nothing to confirm any more gives ErrLost, one that isn't there
// ErrNotFound.
func (d *Letters) AskConfirmationAgain(ctx context.Context, tokenHash, addressMAC string) (next time.Time, err error) {
	now := d.now()
	err = d.tx(ctx, func(tx *sql.Tx) error {
		next = time.Time{}
		c, err := scanConfirmation(tx.QueryRowContext(ctx, selectConfirmation, tokenHash))
		if err != nil {
			return err
		}
		if state := c.State(now); state != LinkOpen && state != LinkExpired {
			return ErrLost
		}
		turn, err := nextConfirmation(ctx, tx, c, addressMAC, now)
		if err != nil {
			return err
		}
		if turn > millis(now) {
			next = fromMillis(turn)
			return nil
		}
		return newBook(tx, d.newChange(tx)).askToConfirm(ctx, SignUp{TenantID: c.TenantID, At: now}, c.SubscriberID)
	})
	return next, wrap("ask to confirm again", err)
}

// nextConfirmation is from when on a link's person may get one more mail of their tenant.
func nextConfirmation(ctx context.Context, tx *sql.Tx, c Confirmation, addressMAC string, now time.Time) (int64, error) {
	var counted sentTimes
	err := tx.QueryRowContext(ctx, `SELECT times FROM recipient_mails WHERE mac = $1`, addressMAC).Scan(&counted)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	sent, err := collect(ctx, tx, func(row scanner) (at int64, err error) { return at, row.Scan(&at) },
		`SELECT ended_at FROM reader_mails WHERE tenant_id = $1 AND subscriber_id = $2 AND state = 'sent' AND ended_at > $3 ORDER BY ended_at`,
		c.TenantID, c.SubscriberID, millis(now.Add(-day)))
	return max(nextToSubscriber(sent), counted.next(addressPerDay)), err
}
