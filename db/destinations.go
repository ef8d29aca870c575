package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Destination is where a tenant's subscribers go: a CRM, with what is set for it. Each
// tenant is born with one, to which their way is open before they have chosen a CRM.
type Destination struct {
	ID          string
	TenantID    string
	Service     string   // of the CRM, as identity names it; empty until the tenant connects its first one
	All         bool     // each newsletter feeds it
	Newsletters []string // ids of those that do, where not all of them
	CreatedAt   time.Time
}

// Key names the destination.
func (d Destination) Key() DestinationKey { return DestinationKey{d.TenantID, d.ID} }

// FedBy reports whether a newsletter's subscribers go there.
func (d Destination) FedBy(newsletterID string) bool {
	return d.All || slices.Contains(d.Newsletters, newsletterID)
}

// DestinationKey names a destination.
type DestinationKey struct {
	TenantID, DestinationID string
}

// SetCRMs says which services are CRMs: a tenant's own connection to one of them is a
// destination. It is called before the database is used.
func (d *DB) SetCRMs(services ...string) { d.crms = services }

const destinationColumns = `d.id, d.tenant_id, d.service, d.all_newsletters, d.created_at,
	COALESCE((SELECT ` + joinedNewsletters + ` FROM destination_newsletters f WHERE f.tenant_id = d.tenant_id AND f.destination_id = d.id), '')`

// joinedNewsletters are the ids of newsletters, with commas between them.
const joinedNewsletters = `string_agg(f.newsletter_id, ',')`

const selectDestinations = `SELECT ` + destinationColumns + ` FROM destinations d WHERE d.tenant_id = $1 AND d.removed_at = 0`

func scanDestination(row scanner) (d Destination, err error) {
	var created int64
	var newsletters string
	err = row.Scan(&d.ID, &d.TenantID, &d.Service, &d.All, &created, &newsletters)
	d.CreatedAt = fromMillis(created)
	if newsletters != "" {
		d.Newsletters = strings.Split(newsletters, ",")
	}
	return d, err
}

// Destinations returns where the tenant's subscribers go, in the order in which the
// destinations were made. There is one at least.
func (d *Outbox) Destinations(ctx context.Context, tenantID string) (all []Destination, err error) {
	err = ask(ctx, d.read, destinationsOf(&all, tenantID))
	sortDestinations(all)
	return all, wrap("destinations", err)
}

func destinationsOf(all *[]Destination, tenantID string) part {
	return listed(all, scanDestination, selectDestinations, tenantID)
}

func sortDestinations(all []Destination) {
	slices.SortFunc(all, func(a, b Destination) int { return byAge(a, b) })
}

func byAge(a, b Destination) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// Destination returns one of the tenant's destinations, or ErrNotFound.
func (d *Outbox) Destination(ctx context.Context, key DestinationKey) (Destination, error) {
	one, err := scanDestination(d.read.QueryRowContext(ctx, selectDestinations+` AND d.id = $2`, key.TenantID, key.DestinationID))
	return one, wrap("destination", err)
}

// insertDestination makes a tenant's first destination, for a CRM that is yet to be chosen.
func insertDestination(ctx context.Context, tx *sql.Tx, id, tenantID, service string, at int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO destinations (id, tenant_id, service, created_at) VALUES ($1, $2, $3, $4)`, id, tenantID, service, at)
	return err
}

// enterDestination sees to it that there is a destination for a tenant's own connection to
// a CRM: the one that waits for a CRM becomes it, or else a new one is made, which each
// newsletter feeds.
func (d *base) enterDestination(ctx context.Context, tx *sql.Tx, service, tenantID string) error {
	if !slices.Contains(d.crms, service) {
		return nil
	}
	var id string
	err := tx.QueryRowContext(ctx, `SELECT id FROM destinations WHERE tenant_id = $1 AND service = $2 AND removed_at = 0`, tenantID, service).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE destinations SET service = $2 WHERE tenant_id = $1 AND service = '' AND removed_at = 0`, tenantID, service)
	if err := changed(res, err, ErrLost); !errors.Is(err, ErrLost) {
		return err
	}
	if err := lockNewsletters(ctx, tx, tenantID, d.engine); err != nil {
		return err
	}
	return insertDestination(ctx, tx, NewID(), tenantID, service, millis(d.now()))
}

// lockNewsletters waits for those who are storing sign-ups of the tenant, and keeps others
// from it until tx ends. A sign-up reads where it goes once its subscriber is there, which
// holds its newsletter: so each either goes to a new destination, or is there to be seen
// when that has come to be.
func lockNewsletters(ctx context.Context, tx *sql.Tx, tenantID string, e engine) error {
	if e.oneWriter() {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT id FROM newsletters WHERE tenant_id = $1 ORDER BY id FOR UPDATE`, tenantID)
	return err
}

// holdNewsletter keeps what a newsletter feeds as it is until the transaction ends, as the
// storing of a new subscriber does.
func (b *book) holdNewsletter(ctx context.Context, tenantID, newsletterID string) error {
	_, held := b.fed[newsletterID]
	if held || b.change.engine.oneWriter() {
		return nil
	}
	_, err := b.tx.ExecContext(ctx, `SELECT id FROM newsletters WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE`, tenantID, newsletterID)
	return err
}

// feeds are the ids of the destinations that a newsletter's subscribers go to. It is called
// once the newsletter is held, by holdNewsletter or by a subscriber of it that was stored.
func (b *book) feeds(ctx context.Context, tenantID, newsletterID string) ([]string, error) {
	if ids, ok := b.fed[newsletterID]; ok {
		return ids, nil
	}
	ids, err := collect(ctx, b.tx, scanID, `SELECT d.id FROM destinations d WHERE d.tenant_id = $1 AND d.removed_at = 0
		AND (d.all_newsletters = 1 OR EXISTS (SELECT 1 FROM destination_newsletters f WHERE f.tenant_id = d.tenant_id AND f.destination_id = d.id AND f.newsletter_id = $2))
		ORDER BY d.created_at, d.id`, tenantID, newsletterID)
	if err == nil {
		b.fed[newsletterID] = ids
	}
	return ids, err
}

// SetNewsletters says which newsletters feed a destination: each, or those with the ids.
// What waits there of one that doesn't any more has ended; ended is how many. Who is there
// already of one that is added is left to ActionSend. A newsletter that isn't the
// tenant's gives ErrNotFound.
func (d *Outbox) SetNewsletters(ctx context.Context, key DestinationKey, all bool, newsletters []string) (ended int, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error { return d.setNewsletters(ctx, tx, key, all, newsletters) })
	if err == nil {
		ended, err = d.endAllUnfed(ctx, key)
	}
	return ended, wrap("set what feeds a destination", err)
}

func (d *base) setNewsletters(ctx context.Context, tx *sql.Tx, key DestinationKey, all bool, newsletters []string) error {
	if err := lockNewsletters(ctx, tx, key.TenantID, d.engine); err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE destinations SET all_newsletters = $3 WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`, key.TenantID, key.DestinationID, bit(all))
	if err := changed(res, err, ErrNotFound); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM destination_newsletters WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID); err != nil || all {
		return err
	}
	for _, id := range newsletters {
		res, err := tx.ExecContext(ctx, `INSERT INTO destination_newsletters (tenant_id, destination_id, newsletter_id)
			SELECT n.tenant_id, $2, n.id FROM newsletters n WHERE n.tenant_id = $1 AND n.id = $3`, key.TenantID, key.DestinationID, id)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
	}
	return nil
}

// WouldEnd is how many deliveries SetNewsletters would end.
func (d *Outbox) WouldEnd(ctx context.Context, key DestinationKey, all bool, newsletters []string) (n int, err error) {
	if all {
		return 0, nil
	}
	s := newSet(text("id"))
	for _, id := range newsletters {
		s.add(id)
	}
	s.add("") // so that there is a row
	with, args := s.with(d.engine, key.TenantID, key.DestinationID)
	err = d.read.QueryRowContext(ctx, with+`SELECT count(*) FROM deliveries d JOIN subscribers s ON s.tenant_id = d.tenant_id AND s.id = d.subscriber_id
		WHERE d.tenant_id = $1 AND d.destination_id = $2 AND d.state IN (`+openStates()+`) AND s.newsletter_id NOT IN (SELECT o.id FROM o)`, args...).Scan(&n)
	return n, wrap("what would end", err)
}

// unfed are the open deliveries of a destination whose newsletter doesn't feed it any more.
const unfed = ` FROM destinations t JOIN deliveries d ON d.tenant_id = t.tenant_id AND d.destination_id = t.id JOIN subscribers s ON s.tenant_id = d.tenant_id AND s.id = d.subscriber_id
	WHERE t.tenant_id = $1 AND t.id = $2 AND t.all_newsletters = 0 AND d.tenant_id = $1 AND d.destination_id = $2 AND d.state IN (%s)
		AND NOT EXISTS (SELECT 1 FROM destination_newsletters f WHERE f.tenant_id = $1 AND f.destination_id = $2 AND f.newsletter_id = s.newsletter_id)`

// endAllUnfed ends what waits in a destination, or needs attention, of newsletters that don't
// feed it any more: in batches, so that sign-ups are stored in between. Since
// setNewsletters waits for those who are storing one, nobody comes after it.
func (d *base) endAllUnfed(ctx context.Context, key DestinationKey) (ended int, err error) {
	for {
		n := 0
		err = d.tx(ctx, func(tx *sql.Tx) error {
			n, err = d.endUnfed(ctx, tx, key)
			return err
		})
		if err != nil {
			return ended, err
		}
		if ended += n; n < d.batch {
			return ended, nil
		}
	}
}

// endUnfed ends a batch of what waits in a destination, or needs attention, of newsletters
// that don't feed it any more.
func (d *base) endUnfed(ctx context.Context, tx *sql.Tx, key DestinationKey) (int, error) {
	ids, err := collect(ctx, tx, scanID, `SELECT d.subscriber_id`+fmt.Sprintf(unfed, openStates())+` ORDER BY d.subscriber_id LIMIT $3`, key.TenantID, key.DestinationID, d.batch)
	if err != nil {
		return 0, err
	}
	return len(ids), d.decide(ctx, tx, key, ids, "", ending)
}

// EndUnfed goes on with what SetNewsletters was kept from: it ends what waits in any
// destination of newsletters that don't feed it any more.
func (d *Work) EndUnfed(ctx context.Context) error {
	keys, err := collect(ctx, d.read, scanDestinationKey, `SELECT tenant_id, id FROM destinations WHERE all_newsletters = 0 AND removed_at = 0 ORDER BY tenant_id, id`)
	for _, key := range keys {
		if _, err := d.endAllUnfed(ctx, key); err != nil {
			return wrap("end what isn't fed", err)
		}
	}
	return wrap("end what isn't fed", err)
}

// openStates are those of deliveries that have not arrived and may yet, as a list of SQL's.
func openStates() string {
	var names []string
	for _, s := range states {
		if s.Open {
			names = append(names, `'`+string(s.State)+`'`)
		}
	}
	return strings.Join(names, ", ")
}

// ending has a delivery not go any further.
var ending = decision{`UPDATE deliveries SET state = 'ended', reason = '', detail = '', match_id = ''` + ofSet + ` AND CAST($1 AS BIGINT) > 0`,
	func(to place) (place, string) { to.state, to.reason = Ended, ""; return to, "" }}

// RemoveDestination ends a destination, with all that waits there: nothing of it is sent or
// shown any more, and its rows are deleted by and by. What the CRM has stays there. Where
// it was the last one, there is a new one that waits for a CRM. ErrNotFound: there is none.
// ErrConflict: the tenant has a connection to that CRM, which would be left without it.
func (d *Outbox) RemoveDestination(ctx context.Context, key DestinationKey) error {
	return wrap("remove a destination", d.tx(ctx, func(tx *sql.Tx) error {
		if err := lockNewsletters(ctx, tx, key.TenantID, d.engine); err != nil {
			return err
		}
		if err := mustBeUnconnected(ctx, tx, key); err != nil {
			return err
		}
		now := millis(d.now())
		res, err := tx.ExecContext(ctx, `UPDATE destinations SET removed_at = $3 WHERE tenant_id = $1 AND id = $2 AND removed_at = 0`, key.TenantID, key.DestinationID, now)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if err := d.endRecords(ctx, tx, key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE opt_outs SET ended_at = $3, outcome = 'away' WHERE tenant_id = $1 AND destination_id = $2 AND ended_at = 0`, key.TenantID, key.DestinationID, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM actions WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE incidents SET mended_at = CASE mended_at WHEN 0 THEN $3 ELSE mended_at END, closed_at = $3 WHERE tenant_id = $1 AND about = $2 AND closed_at = 0`,
			key.TenantID, key.DestinationID, now); err != nil {
			return err
		}
		var left int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND removed_at = 0`, key.TenantID).Scan(&left); err != nil || left > 0 {
			return err
		}
		return insertDestination(ctx, tx, NewID(), key.TenantID, "", now)
	}))
}

// mustBeUnconnected refuses with ErrConflict where the tenant has a connection to a
// destination's CRM.
func mustBeUnconnected(ctx context.Context, tx *sql.Tx, key DestinationKey) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM destinations d JOIN identities i ON i.tenant_id = d.tenant_id AND i.service = d.service AND i.user_name = '' AND i.account = ''
		WHERE d.tenant_id = $1 AND d.id = $2 LIMIT 1`, key.TenantID, key.DestinationID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return cmp.Or(err, ErrConflict)
}

// removedTables are those with rows of a destination, but for deliveries and the
// destination's own.
var removedTables = []string{"ledger_sums", "state_counts", "hour_counts", "day_counts", "reason_counts", "org_counts", "activity", "causes", "actions"}

// SweepDestinations deletes some of the rows of destinations that were removed, and reports
// whether there are more.
func (d *Work) SweepDestinations(ctx context.Context) (more bool, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		var key DestinationKey
		more = false
		err := tx.QueryRowContext(ctx, `SELECT tenant_id, id FROM destinations WHERE removed_at > 0 ORDER BY removed_at, id LIMIT 1`).Scan(&key.TenantID, &key.DestinationID)
		if err != nil {
			return ignore(err, sql.ErrNoRows)
		}
		more = true
		res, err := tx.ExecContext(ctx, `DELETE FROM deliveries WHERE tenant_id = $1 AND destination_id = $2
			AND subscriber_id IN (SELECT d.subscriber_id FROM deliveries d WHERE d.tenant_id = $1 AND d.destination_id = $2 ORDER BY d.state, d.subscriber_id LIMIT $3)`,
			key.TenantID, key.DestinationID, wipeBatch)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return d.forgetDestination(ctx, tx, key)
	})
	return more, wrap("sweep destinations", err)
}

// forgetDestination deletes what is left of a destination without deliveries.
func (d *base) forgetDestination(ctx context.Context, tx *sql.Tx, key DestinationKey) error {
	for _, table := range removedTables {
		for _, table := range d.engine.emptied(table) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID); err != nil {
				return err
			}
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE name = $1`, Lease{DestinationKey: key}.name()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM destinations WHERE tenant_id = $1 AND id = $2`, key.TenantID, key.DestinationID)
	return err
}

// Missing counts those of the tenant's active subscribers whose newsletters feed a
// destination that they haven't entered, or where theirs has ended: whom ActionSend sends there.
func (d *Outbox) Missing(ctx context.Context, key DestinationKey) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT count(*)`+missing, key.TenantID, key.DestinationID).Scan(&n)
	return n, wrap("who is missing in a destination", err)
}

// missing are those whose newsletters feed the destination $2 of the tenant $1, which they
// haven't entered, or where theirs has ended. Who is to be removed isn't among them.
const missing = ` FROM subscribers s JOIN destinations t ON t.tenant_id = s.tenant_id AND t.id = $2 AND t.removed_at = 0
	WHERE s.tenant_id = $1 AND s.state = 'active'
		AND (t.all_newsletters = 1 OR EXISTS (SELECT 1 FROM destination_newsletters f WHERE f.tenant_id = $1 AND f.destination_id = $2 AND f.newsletter_id = s.newsletter_id))
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant_id = s.tenant_id AND d.subscriber_id = s.id AND d.destination_id = $2 AND d.state <> 'ended')
		AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.tenant_id = s.tenant_id AND r.subscriber_id = s.id AND r.ended_at = 0)`

// nextMissing are up to limit of those whom the next batch of an action sends to its
// destination.
func nextMissing(ctx context.Context, tx *sql.Tx, a *Action, limit int) ([]string, error) {
	return collect(ctx, tx, scanID, `SELECT s.id`+missing+` AND s.id > $3 ORDER BY s.id LIMIT $4`, a.TenantID, a.DestinationID, a.lastID, limit)
}

// sendAllOf has some subscribers delivered to a destination: who hasn't entered it does, and
// what has ended there waits again.
func (d *base) sendAllOf(ctx context.Context, tx *sql.Tx, key DestinationKey, of []string, actor string) error {
	there := map[string]bool{}
	for part := range idSet(of).in(key).parts() {
		with, args := part.with(d.engine)
		ids, err := collect(ctx, tx, scanID, with+`SELECT o.id FROM o JOIN deliveries d ON d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id = o.destination_id`, args...)
		if err != nil {
			return err
		}
		for _, id := range ids {
			there[id] = true
		}
	}
	var again, anew []string
	for _, id := range of {
		if there[id] {
			again = append(again, id)
		} else {
			anew = append(anew, id)
		}
	}
	if err := d.decide(ctx, tx, key, again, actor, retrying); err != nil {
		return err
	}
	return d.enterAllOf(ctx, tx, key, anew, actor)
}

// enterAllOf makes the deliveries of some subscribers to a destination.
func (d *base) enterAllOf(ctx context.Context, tx *sql.Tx, key DestinationKey, of []string, actor string) error {
	return d.change(ctx, tx, func(c *change) error {
		c.actor = actor
		for part := range idSet(of).in(key).parts() {
			with, args := part.with(c.engine, c.at)
			err := each(ctx, tx, func(row scanner) error {
				p := place{tenantID: key.TenantID, destinationID: key.DestinationID, state: Waiting}
				if err := row.Scan(&p.id, &p.newsletterID, &p.createdAt); err != nil {
					return err
				}
				c.enter(p)
				return nil
			}, with+`INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, due_at, waits_since, revision)
				SELECT s.tenant_id, s.id, o.destination_id, 'waiting', $1, $1, s.revision FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.id = o.id
				ON CONFLICT (subscriber_id, tenant_id, destination_id) DO NOTHING
				RETURNING subscriber_id, (SELECT s.newsletter_id FROM subscribers s WHERE s.tenant_id = deliveries.tenant_id AND s.id = deliveries.subscriber_id),
					(SELECT s.created_at FROM subscribers s WHERE s.tenant_id = deliveries.tenant_id AND s.id = deliveries.subscriber_id)`, args...)
			if err != nil {
				return err
			}
		}
		return d.notify(ctx, tx, Notice{NoticeDue, key.TenantID})
	})
}
