package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
)

var (
	// ErrAddressFixed says that a subscriber's address is, or may be, in the CRM already.
	ErrAddressFixed = errors.New("the address is in the CRM, or may be")
	// ErrLeft says that somebody has left, so that nobody else may bring them back, or have it forgotten.
	ErrLeft = errors.New("has left")
	// ErrAddressLeft says that the address that somebody is to have has left.
	ErrAddressLeft = errors.New("the other address has left")
)

// Edit is what a subscriber's address and names are to be.
type Edit struct {
	Email     string // as typed
	EmailKey  string // what makes it the same address
	FirstName string
	LastName  string
	MAC       string // of EmailKey, by which the tenant's suppressions know it; empty where none are asked
	CanMail   bool   // mails can be sent
}

// Edited is what an edit did.
type Edited struct {
	Changes []Change // none when it says what is there already
	Waits   bool     // what it says is on its way to a CRM
	Asks    bool     // they are to confirm the address by mail
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
// That an address was confirmed says nothing of another one: who had confirmed is asked anew, and isn't delivered
// before, where their newsletter asks by mail.
//
// It returns ErrNotFound, ErrAddressFixed for another address of whom a CRM has or may
// have, ErrLeft for one of who left, who is known by theirs alone, ErrAddressLeft where it has left itself, and
// ErrConflict when somebody else on the newsletter has that address.
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
			if e.EmailKey != k.emailKey {
				if edited.Asks, err = c.confirmAnew(ctx, &k, e); err != nil {
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
	err = tx.QueryRowContext(ctx, `SELECT newsletter_id, email, email_key, created_at, state, first_name, last_name, repeated_at, revision
		FROM subscribers WHERE tenant_id = $1 AND id = $2`, tenantID, id).
		Scan(&k.newsletterID, &k.email, &k.emailKey, &k.createdAt, &k.state, &k.firstName, &k.lastName, &k.repeatedAt, &k.revision)
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

// readdress gives a subscriber another address, or the same one in other letters. With ErrConflict it returns the
// id of who has it on the newsletter.
func readdress(ctx context.Context, tx *sql.Tx, k known, e Edit) (other string, err error) {
	another := e.EmailKey != k.emailKey
	if another {
		if other, err = mayHave(ctx, tx, k, e); err != nil {
			return other, err
		}
	}
	res, err := tx.ExecContext(ctx, `UPDATE subscribers SET email = $1, email_key = $2
		WHERE tenant_id = $3 AND id = $4 AND NOT EXISTS (SELECT 1 FROM deliveries d
			WHERE d.tenant_id = $3 AND d.subscriber_id = $4 AND (d.record_id <> '' OR d.delivered_at > 0 OR d.sent_at > 0))`, e.Email, e.EmailKey, k.tenantID, k.id)
	if err := changed(res, err, ErrAddressFixed); err != nil || !another {
		return "", err
	}
	// Links that went to the address before are somebody else's.
	if _, err := tx.ExecContext(ctx, `DELETE FROM confirmations WHERE tenant_id = $1 AND subscriber_id = $2`, k.tenantID, k.id); err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM reader_mails WHERE tenant_id = $1 AND subscriber_id = $2 AND state = 'queued'`, k.tenantID, k.id)
	return "", err
}

// mayHave returns an error unless a subscriber may have another address. With ErrConflict it returns the id of who
// has it on the newsletter.
func mayHave(ctx context.Context, tx *sql.Tx, k known, e Edit) (other string, err error) {
	if k.state == Left {
		return "", ErrLeft
	}
	err = tx.QueryRowContext(ctx, `SELECT id FROM subscribers WHERE tenant_id = $1 AND email_key = $2 AND newsletter_id = $3 AND id <> $4`,
		k.tenantID, e.EmailKey, k.newsletterID, k.id).Scan(&other)
	if err == nil {
		return other, ErrConflict
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	var left int
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM suppressions WHERE tenant_id = $1 AND mac = $2 AND newsletter_id IN ('', $3)`, k.tenantID, e.MAC, k.newsletterID).Scan(&left)
	if err == nil && left > 0 {
		return "", ErrAddressLeft
	}
	return "", err
}

// confirmAnew has a subscriber who got another address be asked by mail whether it is theirs, and reports whether
// they are: who was to confirm, and who had confirmed the one before, where their newsletter asks. Those wait for it
// as somebody new does, in k too: nothing is on its way to a CRM until they have confirmed.
func (c *change) confirmAnew(ctx context.Context, k *known, e Edit) (asks bool, err error) {
	var confirmedAt int64
	var stored string
	err = c.tx.QueryRowContext(ctx, `SELECT s.confirmed_at, n.readers FROM subscribers s JOIN newsletters n ON n.id = s.newsletter_id WHERE s.tenant_id = $1 AND s.id = $2`, k.tenantID, k.id).Scan(&confirmedAt, &stored)
	if err != nil {
		return false, err
	}
	rules, err := scanRules(stored)
	if err != nil {
		return false, err
	}
	if confirmedAt > 0 {
		if _, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET confirmed_at = 0 WHERE tenant_id = $1 AND id = $2`, k.tenantID, k.id); err != nil {
			return false, err
		}
	}
	if k.state == Active && confirmedAt > 0 && rules.Confirm && e.CanMail {
		if err := c.setState(ctx, *k, Unconfirmed, ""); err != nil {
			return false, err
		}
		k.state = Unconfirmed
		if err := c.endOpen(ctx, k.tenantID, k.id); err != nil {
			return false, err
		}
	}
	if k.state != Unconfirmed {
		return false, nil
	}
	return e.CanMail, newBook(c.tx, c).askToConfirm(ctx, SignUp{TenantID: k.tenantID, At: fromMillis(c.at)}, k.id)
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
// stays there, and is marked there as the destination's settings say. Who signs up again comes back once they have
// confirmed by mail. actor is the id of the user who says it.
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
