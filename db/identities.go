package db

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"
)

// The tokens of a connection, and of one that waits to be confirmed.
var (
	SealedIdentities = holdsSealed(SealedTable{Name: "identities", id: "id", tenant: "tenant_id", service: "service", boundTo: "id"})
	SealedHeld       = holdsSealed(SealedTable{Name: "held_identities", id: "id", tenant: "tenant_id", service: "service", boundTo: "id"})
)

const grantColumns = `id, service, tenant_id, user_name, account, tags, native, sealed_access, sealed_refresh, key_id, login_url,
	instance_url, org_id, org_name, sandbox, remote_user_id, scopes, connected_by, own_app, client_id, token_hash`

func grantFields(g *Grant) []any {
	return []any{&g.ID, &g.Service, &g.TenantID, &g.User, &g.Account, (*tagList)(&g.Tags), &g.Native, &g.SealedAccess, &g.SealedRefresh, &g.KeyID, &g.LoginURL,
		&g.InstanceURL, &g.OrgID, &g.OrgName, &g.Sandbox, &g.RemoteUserID, &g.Scopes, &g.ConnectedBy, &g.OwnApp, &g.ClientID, &g.TokenHash}
}

func grantValues(g Grant) []any {
	native := g.Native
	if native == "" {
		native = "{}"
	}
	return []any{g.ID, g.Service, g.TenantID, g.User, g.Account, tagList(g.Tags), native, g.SealedAccess, g.SealedRefresh, g.KeyID, g.LoginURL,
		g.InstanceURL, g.OrgID, g.OrgName, flag(g.Sandbox), g.RemoteUserID, g.Scopes, g.ConnectedBy, flag(g.OwnApp), g.ClientID, g.TokenHash}
}

// flag is b as it is stored.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Identity returns the tenant's own connection to the service, or ErrNotFound.
func (d *Vault) Identity(ctx context.Context, service, tenantID string) (Identity, error) {
	i, err := scanIdentity(d.read.QueryRowContext(ctx, selectIdentity, service, tenantID))
	return i, wrap("identity", err)
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const identityColumns = grantColumns + `, COALESCE((SELECT email FROM users WHERE users.id = connected_by), ''),
		generation, connected_at, refreshed_at, broken_at, broken_code,
		failed_at, failed_code, retry_at, stale, lease_until, call_started_at, expires_at, used_at, keep_alive_at`

const selectIdentity = `SELECT ` + identityColumns + ` FROM identities WHERE service = $1 AND tenant_id = $2 AND user_name = '' AND account = ''`

func identity(ctx context.Context, q queryer, service, tenantID string) (Identity, error) {
	return scanIdentity(q.QueryRowContext(ctx, selectIdentity, service, tenantID))
}

const selectIdentityOf = `SELECT ` + identityColumns + ` FROM identities WHERE service = $1 AND tenant_id = $2 AND user_name = $3 AND account = $4`

// IdentityOf returns the identity of a user's account, or ErrNotFound. Without
// both it is the tenant's own.
func (d *Vault) IdentityOf(ctx context.Context, service, tenantID, user, account string) (Identity, error) {
	i, err := scanIdentity(d.read.QueryRowContext(ctx, selectIdentityOf, service, tenantID, user, account))
	return i, wrap("identity of a user", err)
}

// IdentityByID returns an identity, or ErrNotFound.
func (d *Vault) IdentityByID(ctx context.Context, id string) (Identity, error) {
	i, err := scanIdentity(d.read.QueryRowContext(ctx, `SELECT `+identityColumns+` FROM identities WHERE id = $1`, id))
	return i, wrap("identity by id", err)
}

// ApprovedAnywhere returns the identities, of all tenants, that the given user of a
// service approved; those of the org when that user isn't known.
func (d *Vault) ApprovedAnywhere(ctx context.Context, service, orgID, remoteUserID string) ([]Identity, error) {
	column, value := "remote_user_id", remoteUserID
	if remoteUserID == "" {
		column, value = "org_id", orgID
	}
	all, err := collect(ctx, d.read, func(s scanner) (Identity, error) { return scanIdentity(s) },
		`SELECT `+identityColumns+` FROM identities WHERE `+column+` = $1 AND service = $2`, value, service)
	return all, wrap("identities by approval anywhere", err)
}

// scanIdentity reads identityColumns, and into more what comes after them.
func scanIdentity(row scanner, more ...any) (Identity, error) {
	var i Identity
	var connected, refreshed, broken, failed, retry, lease, call, expires, used, keep int64
	fields := append(grantFields(&i.Grant), &i.ConnectedEmail, &i.Generation, &connected, &refreshed, &broken, &i.BrokenCode,
		&failed, &i.FailedCode, &retry, &i.Stale, &lease, &call, &expires, &used, &keep)
	err := row.Scan(append(fields, more...)...)
	i.ConnectedAt, i.RefreshedAt, i.BrokenAt = fromMillis(connected), fromMillis(refreshed), fromMillis(broken)
	i.FailedAt, i.RetryAt, i.LeaseUntil, i.CallStartedAt = fromMillis(failed), fromMillis(retry), fromMillis(lease), fromMillis(call)
	i.ExpiresAt, i.UsedAt, i.KeepAliveAt = fromMillis(expires), fromMillis(used), fromMillis(keep)
	return i, err
}

// SaveIdentity stores a new connection, or replaces the one of the same tenant,
// user and account in place; g.ID must then be the old row's id. The replaced
// refresh token becomes a revocation, whose id is returned (none when nothing was
// replaced). When it is the tenant's own, a held authorization is moved to the
// revocations too, unless it is the one confirmed.
// When the row with another id stands there meanwhile, or one of another org and
// otherOrg is false, or the tenant's app that made it is gone, or the definition of
// its service, nothing is stored and ErrLost comes back. ErrOrgInUse: the org is
// another tenant's, so that this has to be confirmed first.
func (d *Vault) SaveIdentity(ctx context.Context, g Grant, otherOrg bool, confirmed string) (replaced string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		replaced, err = d.saveIdentity(ctx, tx, g, otherOrg, confirmed)
		return err
	})
	return replaced, wrap("save identity", err)
}

func (d *base) saveIdentity(ctx context.Context, tx *sql.Tx, g Grant, otherOrg bool, confirmed string) (replaced string, err error) {
	if err := mustSeal(ctx, tx, g.KeyID); err != nil {
		return "", err
	}
	if err := errors.Join(mustBeOpen(ctx, tx, g.TenantID), hasService(ctx, tx, g.Service, g.DefinedAt), hasApp(ctx, tx, g)); err != nil {
		return "", err
	}
	old, err := scanIdentity(tx.QueryRowContext(ctx, selectIdentityOf, g.Service, g.TenantID, g.User, g.Account))
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return "", err
	case old.ID != g.ID, old.OrgID != g.OrgID && !otherOrg:
		return "", ErrLost
	default:
		if replaced, err = d.revokeLater(ctx, tx, old.Grant); err != nil {
			return "", err
		}
	}
	if err := d.enterOrg(ctx, tx, g, old.OrgID); err != nil {
		return "", err
	}
	switch {
	case confirmed != "":
		err = errors.Join(unhold(ctx, tx, g.Service, g.TenantID, confirmed), d.settleHeld(ctx, tx, g.TenantID, confirmed, AuthorizationCompleted, "", g.ID))
	case g.Own():
		_, err = d.endHeld(ctx, tx, g.Service, g.TenantID)
	default:
		err = nil
	}
	if err != nil {
		return "", err
	}
	if err := d.putIdentity(ctx, tx, g); err != nil {
		return "", err
	}
	kind := EventConnected
	if replaced != "" {
		kind = EventReauthorized
	}
	return replaced, d.noteEvent(ctx, tx, eventOf(kind, g))
}

// putIdentity stores a grant as a connection that was made now: a new row, or in
// place of the one with its id. A tenant's own connection to a CRM is a destination.
func (d *base) putIdentity(ctx context.Context, tx *sql.Tx, g Grant) error {
	now, keepAlive := millis(d.now()), millis(d.keepAlive())
	if g.Endless {
		keepAlive = 0
	}
	// The first generation is the time, so that no generation of a connection
	// is ever that of an earlier one with the same id.
	_, err := tx.ExecContext(ctx,
		`INSERT INTO identities (`+grantColumns+`, generation, connected_at, refreshed_at, keep_alive_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $22, $22, $23, $24)
		ON CONFLICT (id) DO UPDATE SET tags = excluded.tags, native = excluded.native,
			sealed_access = excluded.sealed_access, sealed_refresh = excluded.sealed_refresh, key_id = excluded.key_id,
			login_url = excluded.login_url, instance_url = excluded.instance_url, org_id = excluded.org_id,
			org_name = excluded.org_name, sandbox = excluded.sandbox, remote_user_id = excluded.remote_user_id,
			scopes = excluded.scopes, connected_by = excluded.connected_by, own_app = excluded.own_app,
			client_id = excluded.client_id, token_hash = excluded.token_hash,
			generation = identities.generation + 1, connected_at = excluded.connected_at, refreshed_at = excluded.refreshed_at,
			keep_alive_at = excluded.keep_alive_at, expires_at = excluded.expires_at, broken_at = 0, broken_code = '', failed_at = 0, failed_code = '', retry_at = 0, stale = 0,
			lease_owner = '', lease_until = 0, call_started_at = 0`,
		append(grantValues(g), now, keepAlive, millis(g.AccessEnds))...)
	if err != nil {
		return err
	}
	if g.Own() {
		if err := d.enterDestination(ctx, tx, g.Service, g.TenantID); err != nil {
			return err
		}
	}
	return indexTags(ctx, tx, g)
}

// DeleteIdentity removes the tenant's connection and what is held beside it, or in
// its place, for the user with the id actor, which is empty for the operator. The refresh
// tokens become revocations, whose ids are returned. When
// there is neither it returns ErrNotFound.
func (d *Vault) DeleteIdentity(ctx context.Context, service, tenantID, actor string) (revocations []string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		revocations = nil
		held, err := d.endHeld(ctx, tx, service, tenantID)
		if err != nil {
			return err
		}
		old, err := identity(ctx, tx, service, tenantID)
		if errors.Is(err, sql.ErrNoRows) && held != "" {
			revocations = []string{held}
			return nil
		}
		if err != nil {
			return err
		}
		id, err := d.revokeLater(ctx, tx, old.Grant)
		if err != nil {
			return err
		}
		revocations = append(revocations, id)
		if held != "" {
			revocations = append(revocations, held)
		}
		if err := d.noteDisconnected(ctx, tx, service, tenantID, actor); err != nil {
			return err
		}
		if err := d.forgetGranted(ctx, tx, old.Grant); err != nil {
			return err
		}
		if err := d.noteEvent(ctx, tx, eventOf(EventDeleted, old.Grant)); err != nil {
			return err
		}
		return forget(ctx, tx, old.ID)
	})
	return revocations, wrap("delete identity", err)
}

// StartRenewal takes the lease of the identity's row for owner until the given
// time and records that a call has been started; refused says that the service
// has refused the access token, which is not given out any more then. It returns when an earlier call
// was started whose outcome nobody recorded, the zero time if none was. When
// somebody else holds the lease, or the generation has changed, or the
// connection is broken, it returns ErrLost.
func (d *Vault) StartRenewal(ctx context.Context, id string, generation int64, owner string, lease time.Duration, refused bool) (earlier time.Time, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		now := d.now()
		var call int64
		err := tx.QueryRowContext(ctx,
			`SELECT call_started_at FROM identities
			WHERE id = $1 AND generation = $2 AND broken_at = 0 AND lease_until <= $3`,
			id, generation, millis(now)).Scan(&call)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		earlier = fromMillis(call)
		_, err = tx.ExecContext(ctx,
			`UPDATE identities SET stale = CASE CAST($5 AS BIGINT) WHEN 1 THEN 1 ELSE stale END, lease_owner = $2, lease_until = $3,
				call_started_at = CASE call_started_at WHEN 0 THEN CAST($4 AS BIGINT) ELSE call_started_at END
			WHERE id = $1`, id, owner, millis(now.Add(lease)), millis(now), flag(refused))
		return err
	})
	return earlier, wrap("start renewal", err)
}

// RestartCall records that the earlier call came to nothing and a new one
// begins. ErrLost: the lease or the generation is no longer ours.
func (d *Vault) RestartCall(ctx context.Context, id string, generation int64, owner string) error {
	res, err := d.exec(ctx,
		`UPDATE identities SET call_started_at = $4
		WHERE id = $1 AND generation = $2 AND lease_owner = $3 AND lease_until > $4 AND broken_at = 0`,
		id, generation, owner, millis(d.now()))
	return wrap("restart call", changed(res, err, ErrLost))
}

// ExtendRenewal keeps the lease until the given time from now. ErrLost: it is
// somebody else's.
func (d *Vault) ExtendRenewal(ctx context.Context, id, owner string, lease time.Duration) error {
	now := d.now()
	res, err := d.exec(ctx,
		`UPDATE identities SET lease_until = $3 WHERE id = $1 AND lease_owner = $2 AND lease_until > $4`,
		id, owner, millis(now.Add(lease)), millis(now))
	return wrap("extend renewal", changed(res, err, ErrLost))
}

// FinishRenewal stores what a renewal brought, whoever holds the lease by now
// and even when the connection was meanwhile taken for broken, as long as the
// generation is the one that the call began with. Otherwise it returns ErrLost.
// What broke because its app was removed or is another one stays so, and keeps what came.
func (d *Vault) FinishRenewal(ctx context.Context, g Grant, generation int64) error {
	return wrap("finish renewal", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, g.KeyID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx,
			`UPDATE identities SET sealed_access = $3, sealed_refresh = $4, key_id = $5, instance_url = $6, scopes = $7, native = $10, client_id = $13, token_hash = $14,
				generation = generation + 1, refreshed_at = $8, keep_alive_at = $9, expires_at = $12,
				broken_at = CASE WHEN broken_code IN ($11, $15) THEN broken_at ELSE 0 END,
				broken_code = CASE WHEN broken_code IN ($11, $15) THEN broken_code ELSE '' END,
				failed_at = 0, failed_code = '', retry_at = 0, stale = 0,
				lease_owner = '', lease_until = 0, call_started_at = 0
			WHERE id = $1 AND generation = $2`,
			g.ID, generation, g.SealedAccess, g.SealedRefresh, g.KeyID, g.InstanceURL, g.Scopes, millis(d.now()), millis(d.keepAlive()), g.Native, AppRemoved, millis(g.AccessEnds), g.ClientID, g.TokenHash, OtherApp)
		if err := changed(res, err, ErrLost); err != nil {
			return err
		}
		return d.noteEvent(ctx, tx, eventOf(EventRenewed, g))
	}))
}

// FailRenewal records that a renewal failed in passing and gives the lease
// back. unknown keeps the mark of the call, since it may have rotated the token; a mark
// that is ahead of the clock, which was set back, is of now.
func (d *Vault) FailRenewal(ctx context.Context, id string, generation int64, owner, code string, retryAt time.Time, unknown bool) error {
	res, err := d.exec(ctx,
		`UPDATE identities SET failed_at = $4, failed_code = $5, retry_at = $6,
			lease_owner = '', lease_until = 0,
			call_started_at = CASE WHEN CAST($7 AS BIGINT) = 0 THEN 0 WHEN call_started_at > $4 THEN $4 ELSE call_started_at END
		WHERE id = $1 AND generation = $2 AND lease_owner = $3`,
		id, generation, owner, millis(d.now()), code, millis(retryAt), flag(unknown))
	return wrap("fail renewal", changed(res, err, ErrLost))
}

// BreakIdentity marks the connection as dead, with the code of the reason. With
// AppRemoved or OtherApp the mark of a call stays: the app may come back, and what came of the
// call is found out then. ErrLost: its generation has changed, or owner, unless empty,
// doesn't hold its lease: whoever does may have a call under way, whose mark must stay.
func (d *Vault) BreakIdentity(ctx context.Context, id string, generation int64, code, owner string) error {
	now := millis(d.now())
	res, err := d.exec(ctx,
		`UPDATE identities SET broken_at = $3, broken_code = $4, failed_at = $3, failed_code = $4,
			lease_owner = '', lease_until = 0, call_started_at = CASE WHEN $4 IN ($6, $7) THEN call_started_at ELSE 0 END
		WHERE id = $1 AND generation = $2 AND broken_at = 0 AND ($5 = '' OR lease_owner = $5)`, id, generation, now, code, owner, AppRemoved, OtherApp)
	return wrap("break identity", changed(res, err, ErrLost))
}

// Held returns the authorization that waits to be confirmed, or ErrNotFound.
func (d *Vault) Held(ctx context.Context, service, tenantID string) (Held, error) {
	h, err := d.held(ctx, d.read, service, tenantID)
	return h, wrap("held identity", err)
}

const selectHeld = `SELECT ` + grantColumns + `, COALESCE((SELECT email FROM users WHERE users.id = connected_by), ''), held_at, expires_at FROM held_identities`

func (d *base) held(ctx context.Context, q queryer, service, tenantID string) (Held, error) {
	return scanHeld(q.QueryRowContext(ctx, selectHeld+` WHERE service = $1 AND tenant_id = $2`, service, tenantID))
}

func scanHeld(row scanner) (h Held, err error) {
	var at, expires int64
	err = row.Scan(append(grantFields(&h.Grant), &h.ConnectedEmail, &at, &expires)...)
	h.HeldAt, h.ExpiresAt = fromMillis(at), fromMillis(expires)
	return h, err
}

// HoldIdentity keeps an authorization until it is confirmed or expires. One that
// was held before is revoked. ErrLost: the tenant's app that made it is gone, or the
// definition of its service.
func (d *Vault) HoldIdentity(ctx context.Context, h Held) error {
	return wrap("hold identity", d.tx(ctx, func(tx *sql.Tx) error { return d.holdIdentity(ctx, tx, h) }))
}

func (d *base) holdIdentity(ctx context.Context, tx *sql.Tx, h Held) error {
	if err := mustSeal(ctx, tx, h.KeyID); err != nil {
		return err
	}
	if err := errors.Join(mustBeOpen(ctx, tx, h.TenantID), hasService(ctx, tx, h.Service, h.DefinedAt), hasApp(ctx, tx, h.Grant)); err != nil {
		return err
	}
	if _, err := d.endHeld(ctx, tx, h.Service, h.TenantID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx,
		`INSERT INTO held_identities (`+grantColumns+`, held_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
		append(grantValues(h.Grant), millis(d.now()), millis(h.ExpiresAt))...)
	if err != nil {
		return err
	}
	return d.noteEvent(ctx, tx, eventOf(EventHeld, h.Grant))
}

// DropHeld gives up what is held: its refresh token becomes a revocation, whose
// id is returned. ErrLost: that one is held no longer.
func (d *Vault) DropHeld(ctx context.Context, service, tenantID, heldID string) (revocation string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		h, err := d.held(ctx, tx, service, tenantID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil || h.ID != heldID {
			return ErrLost
		}
		revocation, err = d.endHeld(ctx, tx, service, tenantID)
		return err
	})
	return revocation, wrap("drop held identity", err)
}

// endHeld removes what is held for the tenant, if anything is. Its refresh token
// becomes a revocation, whose id is returned.
func (d *base) endHeld(ctx context.Context, tx *sql.Tx, service, tenantID string) (revocation string, err error) {
	h, err := d.held(ctx, tx, service, tenantID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if revocation, err = d.revokeLater(ctx, tx, h.Grant); err != nil {
		return "", err
	}
	if err := d.settleHeld(ctx, tx, tenantID, h.ID, AuthorizationDropped, EndedNotConfirmed, ""); err != nil {
		return "", err
	}
	return revocation, unhold(ctx, tx, service, tenantID, h.ID)
}

// unhold forgets what is held, or returns ErrLost when that one isn't.
func unhold(ctx context.Context, tx *sql.Tx, service, tenantID, heldID string) error {
	res, err := tx.ExecContext(ctx, `DELETE FROM held_identities WHERE id = $1 AND service = $2 AND tenant_id = $3`, heldID, service, tenantID)
	return changed(res, err, ErrLost)
}

// ExpireHeld turns every held authorization whose time has run out into a
// revocation.
func (d *Vault) ExpireHeld(ctx context.Context) error {
	return wrap("expire held identities", d.tx(ctx, func(tx *sql.Tx) error {
		expired, err := collect(ctx, tx, func(s scanner) (Grant, error) {
			var g Grant
			return g, s.Scan(grantFields(&g)...)
		}, `SELECT `+grantColumns+` FROM held_identities WHERE expires_at <= $1`, millis(d.now()))
		if err != nil {
			return err
		}
		for _, g := range expired {
			if _, err := d.endHeld(ctx, tx, g.Service, g.TenantID); err != nil {
				return err
			}
		}
		return nil
	}))
}

// A connection is renewed after so many days although nobody uses it: well
// inside the 30 that Salesforce gives it. The days are spread, so that what was
// connected together is not renewed together.
const (
	keepAliveAfter  = 5 * 24 * time.Hour
	keepAliveSpread = 3 * 24 * time.Hour
)

func (d *base) keepAlive() time.Time { return keepAliveSince(d.now()) }

// keepAliveSince is when what was renewed at a time is to be renewed again.
func keepAliveSince(renewed time.Time) time.Time {
	return renewed.Add(keepAliveAfter + rand.N(keepAliveSpread))
}

// KeepAliveDue returns up to limit connections that are in order, and due to be
// renewed although nobody uses them: last those whose renewal has failed, which may
// take long to fail again.
func (d *Vault) KeepAliveDue(ctx context.Context, limit int) ([]IdentityKey, error) {
	due, err := collect(ctx, d.read, scanKey, `SELECT id, generation FROM identities
		WHERE broken_at = 0 AND keep_alive_at > 0 AND keep_alive_at <= $1 AND retry_at <= $1 ORDER BY failed_at > 0, keep_alive_at LIMIT $2`, millis(d.now()), limit)
	return due, wrap("connections to keep alive", err)
}

// AbandonedRenewals returns up to limit connections with a renewal that was
// begun, whose outcome nobody recorded, and that nobody works on; in the order of
// KeepAliveDue.
func (d *Vault) AbandonedRenewals(ctx context.Context, limit int) ([]IdentityKey, error) {
	left, err := collect(ctx, d.read, scanKey, `SELECT id, generation FROM identities
		WHERE call_started_at > 0 AND broken_at = 0 AND lease_until <= $1 AND retry_at <= $1 ORDER BY failed_at > 0, call_started_at LIMIT $2`,
		millis(d.now()), limit)
	return left, wrap("abandoned renewals", err)
}

func scanKey(s scanner) (k IdentityKey, err error) {
	return k, s.Scan(&k.ID, &k.Generation)
}

// SetExpiry records when the access token of a generation runs out. It is not an
// error when there is a newer one.
func (d *Vault) SetExpiry(ctx context.Context, id string, generation int64, expires time.Time) error {
	_, err := d.exec(ctx, `UPDATE identities SET expires_at = $3 WHERE id = $1 AND generation = $2`,
		id, generation, millis(expires))
	return wrap("set expiry", err)
}

// Used records when connections were used, by their ids.
func (d *Vault) Used(ctx context.Context, at map[string]time.Time) error {
	return wrap("record use", d.tx(ctx, func(tx *sql.Tx) error {
		for id, t := range at {
			if _, err := tx.ExecContext(ctx, `UPDATE identities SET used_at = $2 WHERE id = $1 AND used_at < $2`, id, millis(t)); err != nil {
				return err
			}
		}
		return nil
	}))
}
