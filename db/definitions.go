package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

func scanDefinition(s scanner) (d ServiceDefinition, err error) {
	var at int64
	err = s.Scan(&d.ID, &d.Definition, &at)
	d.SetAt = fromMillis(at)
	return d, err
}

const (
	selectDefinitions = `SELECT id, definition, set_at FROM services`
	selectDefinition  = selectDefinitions + ` WHERE id = $1`
)

// ServiceDefinition returns a service that the operator has defined, or ErrNotFound.
func (d *Services) ServiceDefinition(ctx context.Context, id string) (ServiceDefinition, error) {
	s, err := scanDefinition(d.read.QueryRowContext(ctx, selectDefinition, id))
	return s, wrap("service definition", err)
}

// ServiceDefinitions returns all services that the operator has defined, by their ids.
func (d *Services) ServiceDefinitions(ctx context.Context) ([]ServiceDefinition, error) {
	all, err := collect(ctx, d.read, scanDefinition, selectDefinitions+` ORDER BY id`)
	return all, wrap("service definitions", err)
}

// AddServiceDefinition stores a service. ErrConflict: there is one with its id.
func (d *Services) AddServiceDefinition(ctx context.Context, s ServiceDefinition) error {
	_, err := d.exec(ctx, `INSERT INTO services (id, definition, set_at) VALUES ($1, $2, $3)`, s.ID, s.Definition, millis(d.now()))
	return wrap("add service definition", err)
}

// ChangeServiceDefinition has change make another definition of a service, knowing what
// depends on it, and stores it. Nothing comes to depend on it meanwhile. It stays the service
// that it was: what was begun goes on. ErrNotFound: there is none.
func (d *Services) ChangeServiceDefinition(ctx context.Context, id string, change func(d ServiceDefinition, uses ServiceUses) (string, error)) error {
	return wrap("change service definition", d.tx(ctx, func(tx *sql.Tx) error {
		def, err := scanDefinition(tx.QueryRowContext(ctx, selectDefinition, id))
		if err != nil {
			return err
		}
		var uses ServiceUses
		err = tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM identities WHERE service = $1) + (SELECT COUNT(*) FROM held_identities WHERE service = $1)
				+ (SELECT COUNT(*) FROM granted_identities WHERE service = $1) + (SELECT COUNT(*) FROM revocations WHERE service = $1),
			(SELECT COUNT(*) FROM service_settings WHERE service = $1 AND sealed_client_secret <> '') + (SELECT COUNT(*) FROM tenant_apps WHERE service = $1 AND sealed_client_secret <> '')`, id).Scan(&uses.Identities, &uses.Secrets)
		if err != nil {
			return err
		}
		definition, err := change(def, uses)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE services SET definition = $2 WHERE id = $1`, id, definition)
		return err
	}))
}

// DeleteServiceDefinition removes a service with all that is set of it, tenants'
// apps included, and what is yet to be revoked there: nobody knows how any more. It
// returns how much that is. ErrNotFound: there is none. *IdentitiesLeftError:
// identities of it are left, those that wait to be confirmed or completed included.
func (d *Services) DeleteServiceDefinition(ctx context.Context, id string) (unrevoked int64, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		var n, waiting int
		err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM identities WHERE service = $1) + (SELECT COUNT(*) FROM held_identities WHERE service = $1),
			(SELECT COUNT(*) FROM granted_identities WHERE service = $1)`, id).Scan(&n, &waiting)
		if err != nil {
			return err
		}
		if n+waiting > 0 {
			return &IdentitiesLeftError{N: n + waiting, Waiting: waiting}
		}
		for _, table := range []string{"service_settings", "tenant_apps", "handshakes", "authorizations"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE service = $1`, id); err != nil {
				return err
			}
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM revocations WHERE service = $1`, id)
		if err != nil {
			return err
		}
		if unrevoked, err = res.RowsAffected(); err != nil {
			return err
		}
		res, err = tx.ExecContext(ctx, `DELETE FROM services WHERE id = $1`, id)
		return changed(res, err, ErrNotFound)
	})
	return unrevoked, wrap("delete service definition", err)
}

// hasService returns ErrLost when the definition of a service was removed since: one
// by the same id would be another service.
func hasService(ctx context.Context, tx *sql.Tx, service string, definedAt time.Time) error {
	if definedAt.IsZero() {
		return nil
	}
	d, err := scanDefinition(tx.QueryRowContext(ctx, selectDefinition, service))
	if errors.Is(err, sql.ErrNoRows) || err == nil && !d.SetAt.Equal(definedAt) {
		return ErrLost
	}
	return err
}

const selectAllSettings = `SELECT service, client_id, sealed_client_secret, key_id, scopes, login_url, set_at FROM service_settings`

func scanSettings(row scanner) (service string, s ServiceSettings, err error) {
	var at int64
	err = row.Scan(&s.Service, &s.ClientID, &s.SealedSecret, &s.KeyID, &s.Scopes, &s.LoginURL, &at)
	s.SetAt = fromMillis(at)
	return s.Service, s, err
}

// AllServiceSettings returns what is set of services, by their ids.
func (d *Services) AllServiceSettings(ctx context.Context) (map[string]ServiceSettings, error) {
	all := map[string]ServiceSettings{}
	err := ask(ctx, d.read, byService(all, scanSettings, selectAllSettings))
	return all, wrap("all service settings", err)
}

// IdentityCounts returns how many identities there are, by service.
func (d *Services) IdentityCounts(ctx context.Context) (map[string]int, error) {
	type count struct {
		service string
		n       int
	}
	all, err := collect(ctx, d.read, func(row scanner) (c count, err error) { return c, row.Scan(&c.service, &c.n) },
		`SELECT service, COUNT(*) FROM identities GROUP BY service`)
	by := map[string]int{}
	for _, c := range all {
		by[c.service] = c.n
	}
	return by, wrap("count identities", err)
}
