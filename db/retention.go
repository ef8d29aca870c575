package db

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// RemovalLapsed is the kind of those who were kept for as long as the tenant's terms say.
const RemovalLapsed RemovalKind = "lapsed"

// Terms are for how many days a tenant keeps people of whom nothing is expected any more; 0 is for ever. Addresses
// are those from which people agreed, with their browsers; 0 is that none are kept.
type Terms struct {
	Left      int // after they left
	Dismissed int // after every destination's delivery was dismissed, and nothing came since
	Addresses int // of what is kept with a consent: see Origin
}

// Terms returns for how long the tenant keeps people.
func (d *Privacy) Terms(ctx context.Context, tenantID string) (t Terms, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT keep_left, keep_dismissed, address_days FROM tenants WHERE id = $1`, tenantID).Scan(&t.Left, &t.Dismissed, &t.Addresses)
	return t, wrap("terms", err)
}

// SetTerms stores for how long the tenant keeps people.
func (d *Privacy) SetTerms(ctx context.Context, tenantID string, t Terms) error {
	res, err := d.execNotify(ctx, Notice{Kind: NoticeNewsletters}, `UPDATE tenants SET keep_left = $2, keep_dismissed = $3, address_days = $4 WHERE id = $1`, tenantID, t.Left, t.Dismissed, t.Addresses)
	return wrap("set terms", changed(res, err, ErrNotFound))
}

// lapsedBatch is how many are erased in a transaction.
const lapsedBatch = 200

// EraseLapsed erases some of those whom their tenants don't want to keep any longer, in Gatepost alone: what a CRM has stays
// there. It reports whether there may be more. suppression is the MAC by which suppressions know an address.
func (d *Privacy) EraseLapsed(ctx context.Context, suppression func(tenantID, emailKey string) string) (more bool, err error) {
	tenants, err := collect(ctx, d.read, func(row scanner) (t termsOf, err error) {
		return t, row.Scan(&t.tenantID, &t.Left, &t.Dismissed)
	}, `SELECT id, keep_left, keep_dismissed FROM tenants WHERE closed_at = 0 AND (keep_left > 0 OR keep_dismissed > 0) ORDER BY id`)
	if err != nil {
		return false, wrap("look for terms", err)
	}
	for _, t := range tenants {
		n, err := d.eraseLapsed(ctx, t, suppression)
		if err != nil {
			return false, wrap("erase who was kept long enough", err)
		}
		more = more || n >= lapsedBatch
	}
	return more, nil
}

type termsOf struct {
	tenantID string
	Terms
}

// lapsed is somebody who was kept long enough.
type lapsed struct {
	id, emailKey string
	term         term
}

// eraseLapsed erases some of a tenant's, and returns how many it found. What mentions them is looked for before, since that takes a while.
func (d *Privacy) eraseLapsed(ctx context.Context, t termsOf, suppression func(tenantID, emailKey string) string) (n int, err error) {
	all, err := d.lapsed(ctx, t)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	mentions, err := d.mentionsOf(ctx, d.read, t.tenantID, all)
	if err != nil {
		return 0, err
	}
	err = d.tx(ctx, func(tx *sql.Tx) error {
		err := d.change(ctx, tx, func(c *change) error {
			for _, l := range all {
				done, err := d.lapse(ctx, c, t.tenantID, l, suppression(t.tenantID, l.emailKey))
				if err == nil && !done {
					err = errStays
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return eraseMentions(ctx, tx, t.tenantID, mentions)
	})
	return len(all), ignore(err, errStays)
}

// errStays says that somebody stays who was found to have been kept long enough. They are found no more: the others go with the next round.
var errStays = errors.New("somebody stays after all")

// mentionsOf reads what mentions some who were kept long enough. The address of one who is there with another newsletter stays.
func (d *Privacy) mentionsOf(ctx context.Context, q rowsQueryer, tenantID string, all []lapsed) ([]mentioned, error) {
	var keys []string
	goes := map[string]bool{}
	for _, l := range all {
		keys, goes[l.id] = append(keys, l.emailKey), true
	}
	has, err := whoHas(ctx, q, d.engine, tenantID, keys)
	if err != nil {
		return nil, err
	}
	stays := map[string]bool{}
	for id, key := range has {
		stays[key] = stays[key] || !goes[id]
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return stays[key] })
	if len(keys) == 0 {
		return nil, nil
	}
	return findMentions(ctx, q, tenantID, keys, has)
}

// term is one after which people are kept no longer.
type term struct {
	of     string // the condition that says whose it is: subscribers s of the tenant $1 of whom nothing was heard since $2
	among  string // one more, by which they are found sooner
	before int64
}

// The people whom terms are about.
const (
	whoLeft = `s.state = 'left' AND s.state <> 'active'
		AND CASE WHEN s.left_at > 0 THEN s.left_at
			ELSE COALESCE((SELECT max(e.at) FROM events e WHERE e.tenant_id = s.tenant_id AND e.subscriber_id = s.id AND e.state = 'left'), s.created_at) END < $2
		AND s.repeated_at < $2`
	whoWasDismissed = `s.state = 'active'
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant_id = s.tenant_id AND d.subscriber_id = s.id AND d.state = 'dismissed')
		AND s.created_at < $2 AND s.repeated_at < $2 AND s.edited_at < $2
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant_id = s.tenant_id AND d.subscriber_id = s.id AND d.state <> 'dismissed')
		AND NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = s.tenant_id AND e.subscriber_id = s.id AND e.at >= $2)`
	amongDismissed = ` AND s.id IN (SELECT d.subscriber_id FROM destinations t CROSS JOIN deliveries d WHERE t.tenant_id = $1 AND d.destination_id = t.id AND d.state = 'dismissed')`

	// nothingIsOpen says of the subscriber s that nobody is to decide about a sign-up of theirs, that they aren't asked to
	// confirm, and that no write is out, no removal under way and nothing owed to a CRM.
	nothingIsOpen = ` AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant_id = s.tenant_id AND h.subscriber_id = s.id AND h.decided_at = 0)
		AND NOT ` + mayConfirm + `
		AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.tenant_id = s.tenant_id AND o.subscriber_id = s.id AND o.sent_at > 0)
		AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.tenant_id = s.tenant_id AND r.subscriber_id = s.id AND r.ended_at = 0)
		AND NOT EXISTS (SELECT 1 FROM opt_outs u WHERE u.tenant_id = s.tenant_id AND u.subscriber_id = s.id AND u.ended_at = 0)`
)

// terms are those of the tenant that end.
func (t termsOf) terms(now time.Time) (all []term) {
	for _, of := range []struct {
		days       int
		who, among string
	}{{t.Left, whoLeft, ""}, {t.Dismissed, whoWasDismissed, amongDismissed}} {
		if of.days > 0 {
			all = append(all, term{of.who, of.among, millis(now.Add(-time.Duration(of.days) * day))})
		}
	}
	return all
}

// lapsed finds some of those whom a tenant has kept long enough, and of whom nothing is open.
func (d *Privacy) lapsed(ctx context.Context, t termsOf) (all []lapsed, err error) {
	for _, term := range t.terms(d.now()) {
		some, err := collect(ctx, d.read, func(row scanner) (lapsed, error) {
			l := lapsed{term: term}
			return l, row.Scan(&l.id, &l.emailKey)
		}, `SELECT s.id, s.email_key FROM subscribers s WHERE s.tenant_id = $1 AND `+term.of+term.among+nothingIsOpen+` ORDER BY s.id LIMIT $4`, t.tenantID, term.before, millis(d.now()), lapsedBatch-len(all))
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) >= lapsedBatch {
			break
		}
	}
	return all, nil
}

// lapse erases one of whom the same still holds by which they were found, with a receipt that says which records stay in CRMs, and reports
// whether it did.
func (d *Privacy) lapse(ctx context.Context, c *change, tenantID string, l lapsed, suppression string) (done bool, err error) {
	var still int
	err = c.tx.QueryRowContext(ctx, `SELECT count(*) FROM subscribers s WHERE s.tenant_id = $1 AND `+l.term.of+nothingIsOpen+` AND s.id = $4 AND s.email_key = $5`,
		tenantID, l.term.before, millis(d.now()), l.id, l.emailKey).Scan(&still)
	if err != nil || still == 0 {
		return false, err
	}
	k, err := knownByID(ctx, c.tx, tenantID, l.id)
	if err != nil {
		return false, err
	}
	s, err := d.subscriber(ctx, c.tx, selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, tenantID, l.id)
	if err != nil {
		return false, err
	}
	if k.state == Left && suppression != "" {
		if err := c.suppress(ctx, tenantID, l.id, suppression); err != nil {
			return false, err
		}
	}
	r := Removal{TenantID: tenantID, SubscriberID: l.id, NewsletterID: k.newsletterID, Kind: RemovalLapsed, hour: hourOf(k.createdAt), revision: k.revision}
	if err := c.receipt(ctx, &r); err != nil {
		return false, err
	}
	for _, delivery := range s.Deliveries {
		if err := d.askRecord(ctx, c.tx, Erasure{TenantID: tenantID}, l.id, delivery, false); err != nil {
			return false, err
		}
	}
	return true, c.erase(ctx, r)
}
