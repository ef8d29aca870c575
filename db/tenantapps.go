package db

import (
	"context"
	"database/sql"
	"errors"
)

// SealedTenantApps has the client secrets of tenants' own apps.
var SealedTenantApps = holdsSealed(SealedTable{Name: "tenant_apps", id: "service", tenant: "tenant_id", service: "service", boundTo: "service"})

// TenantApp returns a tenant's own app, or ErrNotFound.
func (d *Services) TenantApp(ctx context.Context, service, tenantID string) (TenantApp, error) {
	a, err := tenantApp(ctx, d.read, service, tenantID)
	return a, wrap("tenant's app", err)
}

func tenantApp(ctx context.Context, q queryer, service, tenantID string) (TenantApp, error) {
	a := TenantApp{TenantID: tenantID, Service: service}
	var at int64
	err := q.QueryRowContext(ctx, `SELECT client_id, sealed_client_secret, key_id, scopes, login_url, set_at
		FROM tenant_apps WHERE tenant_id = $1 AND service = $2`, tenantID, service).
		Scan(&a.ClientID, &a.SealedSecret, &a.KeyID, &a.Scopes, &a.LoginURL, &at)
	a.SetAt = fromMillis(at)
	return a, err
}

// ChangeTenantApp has change edit a tenant's own app, or an empty one, and stores
// it unless change fails. Nobody else edits it meanwhile. The connections that
// broke because of it are tried again, and it returns how many there are; those that
// were made with another client id break with OtherApp.
// ErrStaleKey: the secret was sealed with a key that doesn't seal any more. ErrLost:
// the definition of the service is gone.
func (d *Services) ChangeTenantApp(ctx context.Context, service, tenantID string, change func(*TenantApp) error) (mended int64, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		a, err := tenantApp(ctx, tx, service, tenantID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		before := a.SealedSecret
		if err := change(&a); err != nil {
			return err
		}
		if err := hasService(ctx, tx, service, a.DefinedAt); err != nil {
			return err
		}
		if a.SealedSecret != before {
			if err := mustSeal(ctx, tx, a.KeyID); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx,
			`INSERT INTO tenant_apps (tenant_id, service, client_id, sealed_client_secret, key_id, scopes, login_url, set_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (tenant_id, service) DO UPDATE SET client_id = excluded.client_id, sealed_client_secret = excluded.sealed_client_secret,
				key_id = excluded.key_id, scopes = excluded.scopes, login_url = excluded.login_url, set_at = excluded.set_at`,
			tenantID, service, a.ClientID, a.SealedSecret, a.KeyID, a.Scopes, a.LoginURL, millis(d.now()))
		if err != nil {
			return err
		}
		if mended, err = d.mendBroken(ctx, tx, service, tenantID, AppCodes); err != nil {
			return err
		}
		back, err := d.switchApp(ctx, tx, service, tenantID, a.ClientID)
		mended += back
		return err
	})
	return mended, wrap("change a tenant's app", err)
}

// DeleteTenantApp removes a tenant's own app. The connections that it made break
// with AppRemoved, also those that had been refused because of it; what it has
// authorized and waits to be confirmed becomes a revocation. It returns how many
// connections were in order. ErrNotFound: there is none.
func (d *Services) DeleteTenantApp(ctx context.Context, service, tenantID string) (broken int64, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM tenant_apps WHERE tenant_id = $1 AND service = $2`, tenantID, service)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		h, err := d.held(ctx, tx, service, tenantID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && h.OwnApp {
			if _, err := d.endHeld(ctx, tx, service, tenantID); err != nil {
				return err
			}
		}
		if _, err := d.withdrawAuthorizations(ctx, tx, grantedBy+`g.tenant_id = $1 AND g.service = $2 AND g.own_app = 1)`, tenantID, service); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE identities SET broken_code = $3, failed_code = $3
			WHERE tenant_id = $1 AND service = $2 AND own_app = 1 AND broken_code IN ($4, $5)`, tenantID, service, AppRemoved, AppRefused, OtherApp); err != nil {
			return err
		}
		// A renewal that is under way keeps its mark, and its lease.
		res, err = tx.ExecContext(ctx, `UPDATE identities SET broken_at = $3, broken_code = $4, failed_at = $3, failed_code = $4
			WHERE tenant_id = $1 AND service = $2 AND own_app = 1 AND broken_at = 0`, tenantID, service, millis(d.now()), AppRemoved)
		if err != nil {
			return err
		}
		broken, err = res.RowsAffected()
		return err
	})
	return broken, wrap("delete a tenant's app", err)
}

// hasApp returns ErrLost when g was made with an own app that is no longer there, or
// with another app than the one that is set by now.
func hasApp(ctx context.Context, tx *sql.Tx, g Grant) error {
	set := ""
	if g.OwnApp {
		a, err := tenantApp(ctx, tx, g.Service, g.TenantID)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		set = a.ClientID
	} else {
		s, err := serviceSettings(ctx, tx, g.Service)
		if err != nil {
			return err
		}
		set = s.ClientID
	}
	if set != "" && g.ClientID != "" && set != g.ClientID {
		return ErrLost
	}
	return nil
}

// switchApp breaks the connections that were made with another client than the one
// that is set now, and has those that broke for this and were made with it tried again;
// all of them when none is set. They are those of a tenant's own app, or, without a
// tenant, those of the shared one. It returns how many came back.
func (d *Services) switchApp(ctx context.Context, tx *sql.Tx, service, tenantID, clientID string) (back int64, err error) {
	const those = ` WHERE service = $1 AND ($2 = '' AND own_app = 0 OR own_app = 1 AND tenant_id = $2)`
	const again = those + ` AND broken_at > 0 AND broken_code = $3 AND ($4 = '' OR client_id = $4)`
	if err := d.endPauses(ctx, tx, again, service, tenantID, OtherApp, clientID); err != nil {
		return 0, err
	}
	res, err := tx.ExecContext(ctx, `UPDATE identities SET broken_at = 0, broken_code = '', failed_at = 0, failed_code = '', retry_at = 0`+again,
		service, tenantID, OtherApp, clientID)
	if err != nil {
		return 0, err
	}
	if back, err = res.RowsAffected(); err != nil || clientID == "" {
		return back, err
	}
	// A renewal that is under way keeps its mark, and its lease.
	_, err = tx.ExecContext(ctx, `UPDATE identities SET broken_at = $5, broken_code = $3, failed_at = $5, failed_code = $3`+those+`
		AND client_id <> '' AND client_id <> $4 AND broken_at = 0`, service, tenantID, OtherApp, clientID, millis(d.now()))
	if err != nil {
		return back, err
	}
	return back, d.endHeldOfOthers(ctx, tx, service, tenantID, clientID)
}

// grantedBy selects authorizations by what was granted to them.
const grantedBy = `id IN (SELECT g.id FROM granted_identities g WHERE `

// endHeldOfOthers ends what waits to be confirmed or completed that another app than the
// one with the client id has made: it could not be renewed.
func (d *Services) endHeldOfOthers(ctx context.Context, tx *sql.Tx, service, tenantID, clientID string) error {
	tenants, err := collect(ctx, tx, scanID, `SELECT tenant_id FROM held_identities WHERE service = $1
		AND ($2 = '' AND own_app = 0 OR own_app = 1 AND tenant_id = $2) AND client_id <> '' AND client_id <> $3`, service, tenantID, clientID)
	for _, tenant := range tenants {
		if _, err := d.endHeld(ctx, tx, service, tenant); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	_, err = d.withdrawAuthorizations(ctx, tx, grantedBy+`g.service = $1
		AND ($2 = '' AND g.own_app = 0 OR g.own_app = 1 AND g.tenant_id = $2) AND g.client_id <> '' AND g.client_id <> $3)`, service, tenantID, clientID)
	return err
}

// OwnAppUses counts the connections of a tenant's own app that are in order, which one
// whose app is refused is not.
func (d *Services) OwnAppUses(ctx context.Context, service, tenantID string) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM identities
		WHERE tenant_id = $1 AND service = $2 AND own_app = 1 AND broken_at = 0 AND failed_code <> $3`, tenantID, service, AppRefused).Scan(&n)
	return n, wrap("count uses of an app", err)
}
