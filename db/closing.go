package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// wipeBatch is how many subscribers are deleted in one transaction, so that
// others can write in between.
const wipeBatch = 1000

// CloseTenant closes the tenant for good: from now on nothing of it is shown,
// taken or sent, its connections are gone and their tokens become revocations.
// Its data is deleted by WipeClosed from wipeAt on; until then ReopenTenant
// takes the closing back, without the connections. Closing a closed tenant again
// changes wipeAt, unless that has passed. An unknown tenant gives ErrNotFound.
func (d *Work) CloseTenant(ctx context.Context, tenantID string, wipeAt time.Time) (c Closing, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		c = Closing{}
		now := millis(d.now())
		res, err := tx.ExecContext(ctx, `UPDATE tenants SET closed_at = CASE closed_at WHEN 0 THEN $3 ELSE closed_at END,
			wipe_at = CASE WHEN closed_at > 0 AND wipe_at <= $3 THEN wipe_at ELSE $2 END WHERE id = $1`,
			tenantID, millis(wipeAt), now)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if c.Deleted, err = d.endConnections(ctx, tx, tenantID); err != nil {
			return err
		}
		if err := d.endAccess(ctx, tx, tenantID, now, &c); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters}, Notice{Kind: NoticeAPIKeys})
	})
	return c, wrap("close a tenant", err)
}

// endConnections deletes all connections of a tenant, and what is under way or
// held to become one.
func (d *Work) endConnections(ctx context.Context, tx *sql.Tx, tenantID string) ([]Deleted, error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM handshakes WHERE tenant_id = $1`, tenantID); err != nil {
		return nil, err
	}
	held, err := collect(ctx, tx, scanID, `SELECT service FROM held_identities WHERE tenant_id = $1 ORDER BY service`, tenantID)
	if err != nil {
		return nil, err
	}
	ended, err := d.withdrawAuthorizations(ctx, tx, `tenant_id = $1`, tenantID)
	if err != nil {
		return nil, err
	}
	for _, service := range held {
		revocation, err := d.endHeld(ctx, tx, service, tenantID)
		if err != nil {
			return nil, err
		}
		ended = append(ended, Deleted{Service: service, TenantID: tenantID, Revocation: revocation})
	}
	deleted, err := d.deleteSelected(ctx, tx, deletion{Selector: Selector{TenantID: tenantID}}, true)
	return append(ended, deleted...), err
}

// endAccess ends what people and programs reach a tenant by, and what is under
// way for it, and counts it.
func (d *Work) endAccess(ctx context.Context, tx *sql.Tx, tenantID string, now int64, c *Closing) error {
	for _, counted := range []struct {
		to    *int
		query string
		args  []any
	}{
		{&c.Sessions, `DELETE FROM sessions WHERE user_id IN (SELECT m.user_id FROM memberships m WHERE m.tenant_id = $1)
			AND NOT EXISTS (SELECT 1 FROM memberships o JOIN tenants t ON t.id = o.tenant_id WHERE o.user_id = sessions.user_id AND t.closed_at = 0)`, []any{tenantID}},
		{nil, `UPDATE sessions SET tenant_id = '' WHERE tenant_id = $1`, []any{tenantID}},
		{&c.APIKeys, `DELETE FROM api_keys WHERE tenants = $1`, []any{tagList{tenantID}}},
		{nil, `UPDATE actions SET ended_at = $2, error = $3 WHERE tenant_id = $1 AND ended_at = 0`, []any{tenantID, now, ActionTenantClosed}},
		{nil, `UPDATE incidents SET closed_at = $2 WHERE tenant_id = $1 AND closed_at = 0`, []any{tenantID, now}},
	} {
		res, err := tx.ExecContext(ctx, counted.query, counted.args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err == nil && counted.to != nil {
			*counted.to = int(n)
		}
	}
	err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM memberships WHERE tenant_id = $1),
		COALESCE((SELECT sum(n) FROM state_counts WHERE tenant_id = $1 AND destination_id = '' AND state <> $2), 0)`, tenantID, Erased).Scan(&c.Members, &c.Subscribers)
	return err
}

// ReopenTenant takes the closing of a tenant back, whose data is not being wiped
// yet. One that isn't closed, or whose time is over, gives ErrNotFound.
func (d *Work) ReopenTenant(ctx context.Context, tenantID string) error {
	res, err := d.execNotify(ctx, Notice{NoticeDue, tenantID}, `UPDATE tenants SET closed_at = 0, wipe_at = 0 WHERE id = $1 AND closed_at > 0 AND wipe_at > $2`,
		tenantID, millis(d.now()))
	return wrap("reopen a tenant", changed(res, err, ErrNotFound))
}

// Wiped is what deleting the data of a tenant has deleted so far.
type Wiped struct {
	Subscribers int
	Users       int  // people who belonged to no other tenant
	Done        bool // nothing is left but what PendingRevocations counts
}

// wipedTables are those with rows of a tenant, in the order in which they are
// emptied. Not among them: subscribers, which go in batches, with their deliveries, consents
// and events; revocations, which outlive the tenant; tenant_apps, which
// revocations need and which go with the tenant's own row; and newsletter_slugs.
var wipedTables = []string{"ledger", "ledger_sums", "state_counts", "hour_counts", "day_counts", "reason_counts", "org_counts", "activity", "recounts", "recount_sums",
	"search_queue", "api_usage", "api_calls", "tenant_mails", "checkups", "pauses", "blames", "actions", "incidents", "causes", "disconnections", "destination_newsletters", "destination_subscriptions", "mappings", "suppressions", "suppression_lines", "suppression_lists", "crm_schemas", "paused_fields", "newsletters", "handshakes", "held_identities", "granted_identities", "authorizations",
	"identities", "opt_outs", "removal_records", "removals", "destinations"}

// WipeTenant deletes the data of a closed tenant whose time has come, as far as
// ctx lets it; called again it goes on. progress, if not nil, is told how many
// subscribers are gone. One that isn't due gives ErrNotFound.
func (d *Work) WipeTenant(ctx context.Context, tenantID string, progress func(subscribers int)) (w Wiped, err error) {
	for {
		n, err := d.wipeSubscribers(ctx, tenantID)
		w.Subscribers += n
		if err != nil {
			return w, wrap("wipe a tenant", err)
		}
		if progress != nil {
			progress(w.Subscribers)
		}
		if n < wipeBatch {
			break
		}
	}
	err = d.tx(ctx, func(tx *sql.Tx) (err error) {
		if err := mustBeDue(ctx, tx, tenantID, d.now()); err != nil {
			return err
		}
		w.Users, w.Done, err = d.wipeRest(ctx, tx, tenantID)
		return err
	})
	return w, wrap("wipe a tenant", err)
}

// mustBeDue refuses with ErrNotFound to wipe a tenant that is open, or that
// somebody may still reopen. From then on nobody may, whenever they read the clock.
func mustBeDue(ctx context.Context, tx *sql.Tx, tenantID string, now time.Time) error {
	res, err := tx.ExecContext(ctx, `UPDATE tenants SET wipe_at = closed_at WHERE id = $1 AND closed_at > 0 AND wipe_at <= $2`, tenantID, millis(now))
	return changed(res, err, ErrNotFound)
}

func (d *Work) wipeSubscribers(ctx context.Context, tenantID string) (n int, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustBeDue(ctx, tx, tenantID, d.now()); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM subscribers WHERE tenant_id = $1
			AND id IN (SELECT s.id FROM subscribers s WHERE s.tenant_id = $1 ORDER BY s.id LIMIT $2)`, tenantID, wipeBatch)
		if err != nil {
			return err
		}
		deleted, err := res.RowsAffected()
		if n = int(deleted); err != nil || n == 0 {
			return err
		}
		return noteCompaction(ctx, tx, notedErased, millis(d.now()))
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// wipeRest deletes what is left of a tenant without subscribers, and the people
// who belonged to no other one. The tenant itself goes when no revocation needs
// its own app any more; else done is false.
func (d *Work) wipeRest(ctx context.Context, tx *sql.Tx, tenantID string) (users int, done bool, err error) {
	// Leases first: they are found by the destinations.
	if _, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE name IN (SELECT 'deliver:' || id FROM destinations WHERE tenant_id = $1)`, tenantID); err != nil {
		return 0, false, err
	}
	for _, wiped := range wipedTables {
		for _, table := range d.engine.emptied(wiped) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1`, tenantID); err != nil {
				return 0, false, err
			}
		}
	}
	if users, err = d.wipeMembers(ctx, tx, tenantID); err != nil {
		return 0, false, err
	}
	res, err := tx.ExecContext(ctx, `DELETE FROM tenants WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.tenant_id = $1 AND r.own_app = 1)`, tenantID)
	err = changed(res, err, ErrLost)
	return users, err == nil, ignore(err, ErrLost)
}

// wipeMembers ends all memberships in a tenant, and deletes the users who had no
// other one.
func (d *Work) wipeMembers(ctx context.Context, tx *sql.Tx, tenantID string) (users int, err error) {
	alone, err := collect(ctx, tx, scanID, `SELECT m.user_id FROM memberships m WHERE m.tenant_id = $1
		AND NOT EXISTS (SELECT 1 FROM memberships o WHERE o.user_id = m.user_id AND o.tenant_id <> $1)`, tenantID)
	if err != nil {
		return 0, err
	}
	for _, user := range alone {
		if err := d.endBegun(ctx, tx, user); err != nil {
			return 0, err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM users WHERE id = $1`, user); err != nil {
			return 0, err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM memberships WHERE tenant_id = $1`, tenantID)
	return len(alone), err
}

// DueWipes returns the closed tenants whose data is to be deleted by now.
func (d *Work) DueWipes(ctx context.Context) ([]Tenant, error) {
	return d.tenants(ctx, `SELECT `+tenantColumns+` FROM tenants t WHERE t.closed_at > 0 AND t.wipe_at <= $1 ORDER BY t.wipe_at, t.id`, millis(d.now()))
}

// mustBeOpen refuses with ErrLost what would be stored for a tenant that was
// closed meanwhile.
func mustBeOpen(ctx context.Context, tx *sql.Tx, tenantID string) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM tenants WHERE id = $1 AND closed_at = 0`, tenantID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLost
	}
	return err
}

// SetTenant changes the name and the slug of an open tenant. What is empty stays, so that
// two who change one of them each don't undo each other. A slug that is taken gives
// ErrConflict, an unknown or closed tenant ErrNotFound.
func (d *Work) SetTenant(ctx context.Context, t Tenant) error {
	res, err := d.execNotify(ctx, Notice{Kind: NoticeNewsletters},
		`UPDATE tenants SET slug = CASE WHEN $2 = '' THEN slug ELSE $2 END, name = CASE WHEN $3 = '' THEN name ELSE $3 END, set_at = $4, set_by = ''
		WHERE id = $1 AND closed_at = 0`, t.ID, t.Slug, t.Name, millis(d.now()))
	return wrap("set a tenant", changed(res, err, ErrNotFound))
}

// PauseTenant has the forms of an open tenant take no sign-ups, or take them again. What came before goes on to
// its CRMs. Its mails wait meanwhile, and are given new turns afterwards. A tenant that is closed gives ErrNotFound.
func (d *Work) PauseTenant(ctx context.Context, tenantID string, paused bool) error {
	return wrap("pause a tenant", d.txCommitted(ctx, func(tx *sql.Tx) error { // what is relied on is a condition of each statement
		res, err := tx.ExecContext(ctx, `UPDATE tenants SET paused_at = CASE WHEN CAST($2 AS BIGINT) = 0 THEN 0 WHEN paused_at > 0 THEN paused_at ELSE $3 END WHERE id = $1 AND closed_at = 0`,
			tenantID, bit(paused), millis(d.now()))
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if !paused {
			if err := d.countAnew(ctx, tx, tenantID); err != nil {
				return err
			}
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters})
	}))
}

// AnyTenantBySlug is TenantBySlug for those who close and reopen tenants: it finds
// closed ones too.
func (d *Work) AnyTenantBySlug(ctx context.Context, slug string) (Tenant, error) {
	t, err := scanTenant(d.read.QueryRowContext(ctx, `SELECT `+tenantColumns+` FROM tenants t WHERE t.slug = $1`, slug))
	return t, wrap("tenant by slug", err)
}

// UserGone is what removing a user ended.
type UserGone struct {
	Sessions int
	Tenants  []string // slugs of the tenants that they belonged to
	Empty    []string // of those, the ones that nobody belongs to any more
}

// endBegun ends the authorizations that the user has begun, those that wait to be
// confirmed too: their tokens become revocations.
func (d *Work) endBegun(ctx context.Context, tx *sql.Tx, userID string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM handshakes WHERE user_id = $1`, userID); err != nil {
		return err
	}
	held, err := collect(ctx, tx, func(s scanner) (h [2]string, err error) { return h, s.Scan(&h[0], &h[1]) },
		`SELECT service, tenant_id FROM held_identities WHERE connected_by = $1 ORDER BY tenant_id, service`, userID)
	for _, h := range held {
		if _, err := d.endHeld(ctx, tx, h[0], h[1]); err != nil {
			return err
		}
	}
	return err
}

// DeleteUser removes the user with all that is theirs: sessions, memberships,
// links, and authorizations that they have begun. What they connected for a tenant
// stays the tenant's. An unknown user gives ErrNotFound.
func (d *Work) DeleteUser(ctx context.Context, userID string) (gone UserGone, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		gone = UserGone{}
		if gone.Tenants, err = collect(ctx, tx, scanID, `SELECT t.slug FROM memberships m JOIN tenants t ON t.id = m.tenant_id
			WHERE m.user_id = $1 ORDER BY t.slug`, userID); err != nil {
			return err
		}
		if gone.Empty, err = collect(ctx, tx, scanID, `SELECT t.slug FROM memberships m JOIN tenants t ON t.id = m.tenant_id
			WHERE m.user_id = $1 AND t.closed_at = 0 AND NOT EXISTS (SELECT 1 FROM memberships o WHERE o.tenant_id = m.tenant_id AND o.user_id <> $1)
			ORDER BY t.slug`, userID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = $1`, userID)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		gone.Sessions = int(n)
		if err := d.endBegun(ctx, tx, userID); err != nil {
			return err
		}
		res, err = tx.ExecContext(ctx, `DELETE FROM users WHERE id = $1`, userID)
		return changed(res, err, ErrNotFound)
	})
	return gone, wrap("delete a user", err)
}
