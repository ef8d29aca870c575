package db

import (
	"context"
	"time"
)

// Confirmation is a mail with a link to confirm that somebody got, and what became of it.
type Confirmation struct {
	MadeAt    time.Time // and sent within moments
	OpenedAt  time.Time // first, perhaps by a mail scanner; zero when never
	PressedAt time.Time // the button; zero when never
}

// Confirmations returns the links to confirm that one of the tenant's subscribers got, the earliest first.
func (d *Watch) Confirmations(ctx context.Context, tenantID, subscriberID string) ([]Confirmation, error) {
	all, err := collect(ctx, d.read, func(row scanner) (c Confirmation, err error) {
		var made, opened, pressed int64
		err = row.Scan(&made, &opened, &pressed)
		c.MadeAt, c.OpenedAt, c.PressedAt = fromMillis(made), fromMillis(opened), fromMillis(pressed)
		return c, err
	}, `SELECT made_at, opened_at, pressed_at FROM confirmations WHERE tenant_id = $1 AND subscriber_id = $2 ORDER BY made_at, token_hash`, tenantID, subscriberID)
	return all, wrap("confirmations", err)
}
