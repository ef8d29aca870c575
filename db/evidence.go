package db

import (
	"context"
	"time"
)

// ConfirmationMail is a mail with a link to confirm that somebody got, and what became of it.
type ConfirmationMail struct {
	MadeAt    time.Time // and sent within moments
	OpenedAt  time.Time // first, perhaps by a mail scanner; zero when never
	PressedAt time.Time // the button; zero when never
}

// ConfirmationMails returns the links to confirm that one of the tenant's subscribers got, the earliest first.
func (d *Watch) ConfirmationMails(ctx context.Context, tenantID, subscriberID string) ([]ConfirmationMail, error) {
	all, err := collect(ctx, d.read, func(row scanner) (c ConfirmationMail, err error) {
		var made, opened, pressed int64
		err = row.Scan(&made, &opened, &pressed)
		c.MadeAt, c.OpenedAt, c.PressedAt = fromMillis(made), fromMillis(opened), fromMillis(pressed)
		return c, err
	}, `SELECT made_at, opened_at, pressed_at FROM confirmations WHERE tenant_id = $1 AND subscriber_id = $2 ORDER BY made_at, token_hash`, tenantID, subscriberID)
	return all, wrap("confirmations", err)
}
