package db

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// LeftHow is how somebody left.
type LeftHow string

// How somebody leaves.
const (
	LeftByLink     LeftHow = "link"      // by the button of their unsubscribe page
	LeftByOneClick LeftHow = "one_click" // by their mail program, as RFC 8058 has it
	LeftByAPI      LeftHow = "api"
	LeftByAdmin    LeftHow = "admin"
	LeftByList     LeftHow = "list" // a file of addresses
)

// ConsentAct is what a record of somebody's consent is about.
type ConsentAct string

// The acts.
const (
	ConsentGiven     ConsentAct = "given"
	ConsentConfirmed ConsentAct = "confirmed" // the button of a confirmation mail was pressed
	ConsentWithdrawn ConsentAct = "withdrawn"
)

// Leaving is that somebody leaves.
type Leaving struct {
	At    time.Time
	How   LeftHow
	Why   string // as they say, or a note of who does it; may be empty
	Actor string // id of the user who does it; empty for the person, or a program
}

// mayLeave are the states of those who can leave.
var mayLeave = []State{Active, Unconfirmed, OnHold}

// LeaveOne has one of the tenant's subscribers leave their newsletter, and reports whether there was one
// who hadn't: what hasn't arrived isn't sent any more, and that they withdrew is kept with what they had agreed to.
func (d *Unsubscribing) LeaveOne(ctx context.Context, tenantID, subscriberID string, l Leaving) (done bool, err error) {
	done, err = d.leaveOne(ctx, tenantID, subscriberID, l)
	return done, wrap("leave", err)
}

func (d *base) leaveOne(ctx context.Context, tenantID, subscriberID string, l Leaving) (done bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		done = false
		k, err := knownByID(ctx, tx, tenantID, subscriberID)
		if err != nil {
			return ignore(err, sql.ErrNoRows)
		}
		done, err = d.leaveAll(ctx, tx, []known{k}, l, false)
		return err
	})
	return done, err
}

// LeaveAll has an address leave all newsletters of the tenant, and reports whether there was one that it
// hadn't left.
func (d *Unsubscribing) LeaveAll(ctx context.Context, tenantID, emailKey string, l Leaving) (done bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		done = false
		all, err := collect(ctx, tx, scanID, `SELECT id FROM subscribers WHERE tenant_id = $1 AND email_key = $2 ORDER BY id`, tenantID, emailKey)
		if err != nil {
			return err
		}
		var people []known
		for _, id := range all {
			k, err := knownByID(ctx, tx, tenantID, id)
			if err != nil {
				return err
			}
			people = append(people, k)
		}
		done, err = d.leaveAll(ctx, tx, people, l, true)
		return err
	})
	return done, wrap("leave all", err)
}

// leaveAll has those of some subscribers of a tenant leave who may; all says that these are all that
// somebody has, and that they want none of the organisation's newsletters.
func (d *base) leaveAll(ctx context.Context, tx *sql.Tx, people []known, l Leaving, all bool) (done bool, err error) {
	err = d.change(ctx, tx, func(c *change) error {
		c.actor = l.Actor
		var left, before []known
		for _, k := range people {
			switch {
			case slices.Contains(mayLeave, k.state):
				left = append(left, k)
				if err := c.setState(ctx, k, Left, l.Why); err != nil {
					return err
				}
				if err := c.withdraw(ctx, k, l); err != nil {
					return err
				}
			case all && k.state == Rejected: // a further sign-up of theirs may be held
				if err := c.callOff(ctx, k, millis(l.At)); err != nil {
					return err
				}
			case k.state == Left:
				before = append(before, k)
				if err := c.callOff(ctx, k, millis(l.At)); err != nil {
					return err
				}
			}
		}
		done = len(left) > 0
		return c.oweFor(ctx, left, before, all) // once it is known of all that they left
	})
	if err != nil || len(people) == 0 || !done && !all {
		return false, err
	}
	return done, d.notify(ctx, tx, Notice{NoticeDue, people[0].tenantID})
}

// oweFor writes down what the CRMs owe those who left now. Where that was for all of the organisation, it may be more than
// before of those who had left.
func (c *change) oweFor(ctx context.Context, left, before []known, all bool) error {
	if all {
		for _, k := range slices.Concat(left, before) {
			if _, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET left_all = 1 WHERE tenant_id = $1 AND id = $2`, k.tenantID, k.id); err != nil {
				return err
			}
		}
		for _, k := range before {
			if err := c.oweOptOuts(ctx, k.tenantID, k.id, false); err != nil {
				return err
			}
		}
	}
	for _, k := range left {
		if err := c.oweOptOuts(ctx, k.tenantID, k.id, true); err != nil {
			return err
		}
	}
	return nil
}

// withdraw writes down that a subscriber left, and ends what that ends: the deliveries that haven't arrived,
// and what is held of theirs.
func (c *change) withdraw(ctx context.Context, k known, l Leaving) error {
	at := millis(l.At)
	if _, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET left_at = $1, left_how = $2, left_why = $3 WHERE tenant_id = $4 AND id = $5`, at, l.How, l.Why, k.tenantID, k.id); err != nil {
		return err
	}
	if err := c.act(ctx, k, ConsentWithdrawn, string(l.How), at); err != nil {
		return err
	}
	if err := c.callOff(ctx, k, at); err != nil {
		return err
	}
	return c.endOpen(ctx, k.tenantID, k.id)
}

// callOff ends what a subscriber may be about to come by: a sign-up of theirs that is held, mails that are queued for
// them, and links that were made before a time.
func (c *change) callOff(ctx context.Context, k known, at int64) error {
	if err := c.decideHold(ctx, k.place, HoldRejected); err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(ctx, `UPDATE reader_mails SET state = 'dropped', detail = 'not_waiting', ended_at = $1 WHERE tenant_id = $2 AND subscriber_id = $3 AND state = 'queued'`, at, k.tenantID, k.id); err != nil {
		return err
	}
	_, err := c.tx.ExecContext(ctx, `UPDATE subscribers SET left_at = $1 WHERE tenant_id = $2 AND id = $3 AND left_at < $1`, at, k.tenantID, k.id)
	return err
}

// act adds a record of what a subscriber did with the consent that they gave last.
func (c *change) act(ctx context.Context, k known, act ConsentAct, how string, at int64) error {
	var wording, source string
	var version int64
	err := c.tx.QueryRowContext(ctx, `SELECT wording_id, form_version, source FROM (
			SELECT '' AS id, wording_id, form_version, source FROM subscribers WHERE tenant_id = $1 AND id = $2
			UNION ALL SELECT id, wording_id, form_version, source FROM consents WHERE tenant_id = $1 AND subscriber_id = $2 AND act = 'given') given
		WHERE wording_id IS NOT NULL ORDER BY id DESC LIMIT 1`, k.tenantID, k.id).Scan(&wording, &version, &source)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // of a release that kept no words: there is nothing to refer to
	}
	if err != nil {
		return err
	}
	_, err = c.tx.ExecContext(ctx, `INSERT INTO consents (tenant_id, subscriber_id, id, wording_id, source, at, replaced, form_version, act, how) VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $9)`,
		k.tenantID, k.id, NewID(), wording, source, at, version, act, how)
	return err
}

// confirm says that one of the tenant's subscribers pressed the button of their confirmation mail, and reports
// whether they hadn't been active: who was to confirm, or had left and signed up again, is active and delivered.
func (d *base) confirm(ctx context.Context, tx *sql.Tx, tenantID, subscriberID string, at int64) (done bool, err error) {
	k, err := knownByID(ctx, tx, tenantID, subscriberID)
	if err != nil || k.state != Unconfirmed && k.state != Left {
		return false, ignore(err, sql.ErrNoRows)
	}
	err = d.change(ctx, tx, func(c *change) error {
		if _, err := tx.ExecContext(ctx, `UPDATE subscribers SET confirmed_at = $1 WHERE tenant_id = $2 AND id = $3`, at, tenantID, subscriberID); err != nil {
			return err
		}
		if err := c.act(ctx, k, ConsentConfirmed, "", at); err != nil {
			return err
		}
		if err := newBook(tx, c).activate(ctx, k); err != nil {
			return err
		}
		return c.oweTakingBack(ctx, tenantID, subscriberID)
	})
	if err != nil {
		return false, err
	}
	return true, d.notify(ctx, tx, Notice{NoticeDue, tenantID})
}
