package db

import (
	"context"
	"database/sql"
	"errors"
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
	State   State    // from then on
	Other   string   // with ErrConflict: id of who has the address on the newsletter
}

// Change is what somebody changed of one field.
type Change struct {
	Field string `json:"field"` // email, first_name, last_name
	Was   string `json:"was"`
	Is    string `json:"is"`
}

// EditSubscriber changes what is known of one of the tenant's subscribers; the caller has
// checked it. Who has arrived is due again with it, who needs attention is tried with it,
// and who waits takes it along, as with a repeated sign-up; but nobody is made to wait,
// and who isn't to be delivered stays so. actor is the id of the user who does it.
//
// It returns ErrNotFound, ErrAddressFixed for another address of whom the CRM has or may
// have, and ErrConflict when somebody else on the newsletter has that address.
func (d *Readers) EditSubscriber(ctx context.Context, tenantID, id string, e Edit, actor string) (edited Edited, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		edited = Edited{}
		k, err := knownByID(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		if edited = (Edited{Changes: k.changesTo(e), State: k.state}); len(edited.Changes) == 0 {
			return nil
		}
		if e.Email != k.email {
			if edited.Other, err = readdress(ctx, tx, k, e); err != nil {
				return err
			}
		}
		return d.change(ctx, tx, func(c *change) error {
			c.actor = actor
			if edited.State, err = c.edit(ctx, k, e, edited.Changes); err != nil {
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
	err = tx.QueryRowContext(ctx, `SELECT newsletter_id, email, created_at, state, reason, org_id, detail, attempts, record_id, first_name, last_name, repeated_at, revision, placeholders
		FROM subscribers WHERE tenant_id = $1 AND id = $2`, tenantID, id).Scan(&k.newsletterID, &k.email, &k.createdAt, &k.state, &k.reason, &k.orgID,
		&k.detail, &k.attempts, &k.recordID, &k.firstName, &k.lastName, &k.repeatedAt, &k.revision, &k.placeholders)
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
		WHERE tenant_id = $3 AND id = $4 AND record_id = '' AND delivered_at = 0 AND sent_at = 0`, e.Email, e.EmailKey, k.tenantID, k.id)
	return "", changed(res, err, ErrAddressFixed)
}

// edit stores an edit, with what it changes, and returns the state that it leads to.
func (c *change) edit(ctx context.Context, k known, e Edit, changes []Change) (State, error) {
	var res sql.Result
	var err error
	to, is := k.place, k.state.Info()
	switch {
	case is.Waits:
		res, err = c.tx.ExecContext(ctx, repeatWaiting, e.FirstName, e.LastName, k.repeatedAt, c.at, k.tenantID, k.id, k.revision)
	case is.Arrived || is.Attention:
		res, err = c.tx.ExecContext(ctx, repeatOther, e.FirstName, e.LastName, k.repeatedAt, c.at, k.remembered(), k.tenantID, k.id, k.revision, k.state, k.reason, k.orgID)
		to.state, to.reason, to.orgID = Waiting, "", ""
	default:
		res, err = c.tx.ExecContext(ctx, `UPDATE subscribers SET first_name = $1, last_name = $2, revision = revision + 1 WHERE tenant_id = $3 AND id = $4 AND revision = $5`,
			e.FirstName, e.LastName, k.tenantID, k.id, k.revision)
	}
	if err := changed(res, err, ErrLost); err != nil {
		return k.state, err
	}
	if _, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET edited_at = $1 WHERE tenant_id = $2 AND id = $3`, c.at, k.tenantID, k.id); err != nil {
		return k.state, err
	}
	_, err = c.tx.ExecContext(ctx, `INSERT INTO edits (tenant_id, subscriber_id, id, at, actor, changes) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.tenantID, k.id, NewID(), c.at, c.actor, mustJSON(changes))
	c.move(k.place, to, "")
	return to.state, err
}

// Leave says that one of the tenant's subscribers doesn't want the newsletter any more,
// and why, and reports whether there was one. Nothing more of them is sent; what the CRM
// has stays there. Who signs up again comes back. actor is the id of the user who says it.
func (d *Watch) Leave(ctx context.Context, tenantID, subscriberID, actor, note string) (done bool, err error) {
	done, err = d.decideOne(ctx, tenantID, subscriberID, actor, Left, leaving(note))
	return done, wrap("leave", err)
}

// leaving has a subscriber get nothing more, and says why. A write that is out goes on.
func leaving(note string) decision {
	return decision{`UPDATE subscribers SET state = 'left', reason = '', detail = '', match_id = ''` + ofSet + ` AND CAST($1 AS BIGINT) > 0`,
		func(to place) (place, string) { to.state, to.reason = Left, ""; return to, note }}
}
