package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
)

// ErrAddressFixed says that a subscriber's address is, or may be, in the CRM already.
var ErrAddressFixed = errors.New("the address is in the CRM, or may be")

// Edit is what a subscriber's address and names are to be.
type Edit struct {
	Email     string // as typed
	EmailKey  string // what makes it the same address
	FirstName string
	LastName  string
}

// Edited is what an edit did.
type Edited struct {
	Changes []Change // none when it says what is there already
	Waits   bool     // what it says is on its way to a CRM
	Other   string   // with ErrConflict: id of who has the address on the newsletter
}

// Change is what somebody changed of one field.
type Change struct {
	Field string `json:"field"` // email, first_name, last_name
	Was   string `json:"was"`
	Is    string `json:"is"`
}

// EditSubscriber changes what is known of one of the tenant's subscribers; the caller has
// checked it. What has arrived is due again with it, what needs attention is tried with it,
// and what waits takes it along, as with a repeated sign-up; but nothing is made to wait,
// and what isn't to be delivered stays so. actor is the id of the user who does it.
//
// It returns ErrNotFound, ErrAddressFixed for another address of whom a CRM has or may
// have, and ErrConflict when somebody else on the newsletter has that address.
func (d *Readers) EditSubscriber(ctx context.Context, tenantID, id string, e Edit, actor string) (edited Edited, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		edited = Edited{}
		k, err := knownByID(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		if k.state.Info().Hidden {
			return sql.ErrNoRows
		}
		if edited = (Edited{Changes: k.changesTo(e)}); len(edited.Changes) == 0 {
			return nil
		}
		if e.Email != k.email {
			if edited.Other, err = readdress(ctx, tx, k, e); err != nil {
				return err
			}
		}
		return d.change(ctx, tx, func(c *change) error {
			c.actor = actor
			if e.Email != k.email && k.state == Unconfirmed {
				if err := newBook(tx, c).askToConfirm(ctx, SignUp{TenantID: tenantID, At: fromMillis(c.at)}, id); err != nil {
					return err
				}
			}
			if edited.Waits, err = c.edit(ctx, k, e, edited.Changes); err != nil {
				return err
			}
			return d.notify(ctx, tx, Notice{NoticeDue, tenantID})
		})
	})
	return edited, wrap("edit a subscriber", err)
}

// knownByID is the tenant's subscriber with the id, or sql.ErrNoRows.
func knownByID(ctx context.Context, tx *sql.Tx, tenantID, id string) (k known, err error) {
	k.tenantID, k.id = tenantID, id
	err = tx.QueryRowContext(ctx, `SELECT newsletter_id, email, created_at, state, first_name, last_name, repeated_at, revision
		FROM subscribers WHERE tenant_id = $1 AND id = $2`, tenantID, id).
		Scan(&k.newsletterID, &k.email, &k.createdAt, &k.state, &k.firstName, &k.lastName, &k.repeatedAt, &k.revision)
	return k, err
}

// changesTo is what an edit changes.
func (k known) changesTo(e Edit) (all []Change) {
	for _, c := range []Change{{"email", k.email, e.Email}, {"first_name", k.firstName, e.FirstName}, {"last_name", k.lastName, e.LastName}} {
		if c.Was != c.Is {
			all = append(all, c)
		}
	}
	return all
}

// readdress gives a subscriber another address. With ErrConflict it returns the id of who
// has it on the newsletter.
func readdress(ctx context.Context, tx *sql.Tx, k known, e Edit) (other string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM subscribers WHERE tenant_id = $1 AND email_key = $2 AND newsletter_id = $3 AND id <> $4`,
		k.tenantID, e.EmailKey, k.newsletterID, k.id).Scan(&other)
	if err == nil {
		return other, ErrConflict
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	res, err := tx.ExecContext(ctx, `UPDATE subscribers SET email = $1, email_key = $2
		WHERE tenant_id = $3 AND id = $4 AND NOT EXISTS (SELECT 1 FROM deliveries d
			WHERE d.tenant_id = $3 AND d.subscriber_id = $4 AND (d.record_id <> '' OR d.delivered_at > 0 OR d.sent_at > 0))`, e.Email, e.EmailKey, k.tenantID, k.id)
	if err := changed(res, err, ErrAddressFixed); err != nil {
		return "", err
	}
	// Links that went to the address before are somebody else's.
	if _, err := tx.ExecContext(ctx, `DELETE FROM confirmations WHERE tenant_id = $1 AND subscriber_id = $2`, k.tenantID, k.id); err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM reader_mails WHERE tenant_id = $1 AND subscriber_id = $2 AND state = 'queued'`, k.tenantID, k.id)
	return "", err
}

// edit stores an edit, with what it changes, and reports whether that is on its way to a
// CRM from then on.
func (c *change) edit(ctx context.Context, k known, e Edit, changes []Change) (waits bool, err error) {
	res, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET first_name = $1, last_name = $2, edited_at = $3, revision = revision + 1
		WHERE tenant_id = $4 AND id = $5 AND revision = $6 AND state = $7`, e.FirstName, e.LastName, c.at, k.tenantID, k.id, k.revision, k.state)
	if err := changed(res, err, ErrLost); err != nil {
		return false, err
	}
	_, err = c.tx.ExecContext(ctx, `INSERT INTO edits (tenant_id, subscriber_id, id, at, actor, changes) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.tenantID, k.id, NewID(), c.at, c.actor, mustJSON(changes))
	if err != nil || k.state != Active {
		return false, err
	}
	return c.deliverEdit(ctx, k)
}

// deliverEdit has what an edit says delivered where a subscriber's delivery waits, has
// arrived or needs attention, and reports whether there is any.
func (c *change) deliverEdit(ctx context.Context, k known) (waits bool, err error) {
	destinations, err := newBook(c.tx, c).feeds(ctx, k.tenantID, k.newsletterID)
	if err != nil {
		return false, err
	}
	for _, to := range destinations {
		d, err := c.delivering(ctx, k.tenantID, k.id, to)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return false, err
		}
		if is := d.state.Info(); !is.Waits && !is.Arrived && !is.Attention {
			continue
		}
		if err := c.redeliver(ctx, k, to, func(delivering) int64 { return c.at }); err != nil {
			return false, err
		}
		waits = true
	}
	return waits, nil
}

// Leave says that one of the tenant's subscribers doesn't want the newsletter any more,
// and why, and reports whether there was one. Nothing more of them is sent; what a CRM has
// stays there. Who signs up again comes back. actor is the id of the user who says it.
func (d *Watch) Leave(ctx context.Context, tenantID, subscriberID, actor, note string) (done bool, err error) {
	done, err = d.leaveOne(ctx, tenantID, subscriberID, Leaving{At: d.now(), How: LeftByAdmin, Why: note, Actor: actor})
	return done, wrap("leave", err)
}

// Return says that one of the tenant's subscribers who left wants the newsletter again, and
// reports whether there was one. They wait again, as after a further sign-up. actor is the
// id of the user who says it. A removal that is under way doesn't take them then.
func (d *Watch) Return(ctx context.Context, tenantID, subscriberID, actor string) (done bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		k, err := knownByID(ctx, tx, tenantID, subscriberID)
		if done = err == nil && slices.Contains(k.state.Info().Decisions, Active); !done {
			return ignore(err, sql.ErrNoRows)
		}
		return d.change(ctx, tx, func(c *change) error {
			c.actor = actor
			return cmp.Or(newBook(tx, c).activate(ctx, k), d.notify(ctx, tx, Notice{NoticeDue, tenantID}))
		})
	})
	return done, wrap("return", err)
}

// endOpen ends those of a subscriber's deliveries that haven't arrived. A write that is out
// goes on.
func (c *change) endOpen(ctx context.Context, tenantID, subscriberID string) error {
	places, err := placesOf(ctx, c.tx, tenantID, subscriberID)
	if err != nil {
		return err
	}
	for _, p := range places {
		if !p.state.Info().Open {
			continue
		}
		ended, err := c.update(ctx, p.key(), idSet([]string{subscriberID}), ending.update+` RETURNING deliveries.subscriber_id`, c.at)
		if err != nil || !ended[subscriberID] {
			return cmp.Or(err, ErrLost)
		}
		to, _ := ending.move(p)
		c.shift(p, to)
	}
	return nil
}
