package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// SealedServiceSettings has the client secrets of the shared apps, which are of no
// tenant.
var SealedServiceSettings = holdsSealed(SealedTable{Name: "service_settings", id: "service", service: "service", boundTo: "service"})

// ServiceSettings returns what is set of a service; nothing is no error.
func (d *Services) ServiceSettings(ctx context.Context, service string) (ServiceSettings, error) {
	s, err := serviceSettings(ctx, d.read, service)
	return s, wrap("service settings", err)
}

func serviceSettings(ctx context.Context, q queryer, service string) (ServiceSettings, error) {
	s := ServiceSettings{Service: service}
	var at int64
	err := q.QueryRowContext(ctx, `SELECT client_id, sealed_client_secret, key_id, scopes, login_url, set_at
		FROM service_settings WHERE service = $1`, service).
		Scan(&s.ClientID, &s.SealedSecret, &s.KeyID, &s.Scopes, &s.LoginURL, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	s.SetAt = fromMillis(at)
	return s, err
}

// ChangeService has change edit what is set of a service, and stores it. Nobody
// else edits it meanwhile. ErrStaleKey: the secret was sealed with a key that
// doesn't seal any more. ErrLost: the definition of the service is gone. With another
// client id, the connections that were made with the shared app before break with
// OtherApp.
func (d *Services) ChangeService(ctx context.Context, service string, change func(*ServiceSettings)) error {
	return wrap("change service", d.tx(ctx, func(tx *sql.Tx) error {
		s, err := serviceSettings(ctx, tx, service)
		if err != nil {
			return err
		}
		before, clientBefore := s.SealedSecret, s.ClientID
		change(&s)
		if err := hasService(ctx, tx, service, s.DefinedAt); err != nil {
			return err
		}
		if s.SealedSecret == "" {
			s.KeyID = 0
		} else if s.SealedSecret != before {
			if err := mustSeal(ctx, tx, s.KeyID); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx,
			`INSERT INTO service_settings (service, client_id, sealed_client_secret, key_id, scopes, login_url, set_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (service) DO UPDATE SET client_id = excluded.client_id, sealed_client_secret = excluded.sealed_client_secret,
				key_id = excluded.key_id, scopes = excluded.scopes, login_url = excluded.login_url, set_at = excluded.set_at`,
			service, s.ClientID, s.SealedSecret, s.KeyID, s.Scopes, s.LoginURL, millis(d.now()))
		if err != nil || s.ClientID == clientBefore {
			return err
		}
		_, err = d.switchApp(ctx, tx, service, "", s.ClientID)
		return err
	}))
}

// MendBroken has the connections to a service that broke with one of the codes, or
// whose renewals fail with one, tried again, and ends the pauses of their
// destinations: those of a tenant's own app, or, without a tenant, those of the shared one. It returns how many there were.
func (d *Services) MendBroken(ctx context.Context, service, tenantID string, codes []string) (n int64, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) (err error) {
		n, err = d.mendBroken(ctx, tx, service, tenantID, codes)
		return err
	})
	return n, wrap("mend broken connections", err)
}

func (d *Services) mendBroken(ctx context.Context, tx *sql.Tx, service, tenantID string, codes []string) (n int64, err error) {
	args, places := []any{service, tenantID}, make([]string, len(codes))
	for i, code := range codes {
		args = append(args, code)
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	in := ` IN (` + strings.Join(places, ", ") + `)`
	those := ` WHERE service = $1 AND ($2 = '' AND own_app = 0 OR own_app = 1 AND tenant_id = $2)
		AND (broken_at > 0 AND broken_code` + in + ` OR broken_at = 0 AND retry_at > 0 AND failed_code` + in + `)`
	if err := d.endPauses(ctx, tx, those, args...); err != nil {
		return 0, err
	}
	// What broke has no failure any more; and where a call is unanswered, the removal of
	// the app must not pass for its end.
	res, err := tx.ExecContext(ctx, `UPDATE identities SET failed_at = CASE WHEN broken_at > 0 THEN 0 ELSE failed_at END,
		failed_code = CASE WHEN broken_at > 0 THEN '' ELSE failed_code END, broken_at = 0, broken_code = '', retry_at = 0`+those, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// endPauses lets the deliveries to those destinations go on that are tenants' own
// connections which a condition is for.
func (d *Services) endPauses(ctx context.Context, tx *sql.Tx, those string, args ...any) error {
	tenants, err := collect(ctx, tx, scanID, `DELETE FROM pauses WHERE destination_id IN (SELECT t.id FROM destinations t WHERE t.service = $1
			AND t.tenant_id IN (SELECT tenant_id FROM identities`+those+` AND user_name = '' AND account = ''))
		RETURNING tenant_id`, args...)
	if err != nil {
		return err
	}
	due := make([]Notice, len(tenants))
	for i, id := range tenants {
		due[i] = Notice{NoticeDue, id}
	}
	return d.notify(ctx, tx, due...)
}
