package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// SealedGranted has the tokens of what was granted and isn't completed.
var SealedGranted = holdsSealed(SealedTable{Name: "granted_identities", id: "id", tenant: "tenant_id", service: "service", boundTo: "id"})

// GrantAuthorization keeps what was granted for an authorization, whose id g has, until
// the application completes it with the code that has the hash. ErrLost: it isn't open any
// more, its tenant was closed, or the app that made the grant or the definition of its
// service is gone.
func (d *Authorizations) GrantAuthorization(ctx context.Context, g Grant, codeHash string) error {
	return wrap("keep what was granted", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, g.KeyID); err != nil {
			return err
		}
		if err := errors.Join(mustBeOpen(ctx, tx, g.TenantID), hasService(ctx, tx, g.Service, g.DefinedAt), hasApp(ctx, tx, g)); err != nil {
			return err
		}
		now := d.now()
		res, err := tx.ExecContext(ctx, `UPDATE authorizations SET state = $2, code_hash = $3, granted_at = $4, expires_at = $5 WHERE id = $1 AND state = 'opened'`,
			g.ID, AuthorizationGranted, codeHash, millis(now), millis(now.Add(CompleteWithin)))
		if err := changed(res, err, ErrLost); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO granted_identities (`+grantColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`, grantValues(g)...)
		if err != nil {
			return err
		}
		return d.noteEvent(ctx, tx, VaultEvent{Kind: EventGranted, Service: g.Service, TenantID: g.TenantID, Handshake: g.ID})
	}))
}

const selectGranted = `SELECT ` + grantColumns + ` FROM granted_identities`

func scanGrant(row scanner) (g Grant, err error) { return g, row.Scan(grantFields(&g)...) }

// Granted returns what was granted for an authorization and isn't completed, or
// ErrNotFound.
func (d *Authorizations) Granted(ctx context.Context, authorizationID string) (Grant, error) {
	g, err := scanGrant(d.read.QueryRowContext(ctx, selectGranted+` WHERE id = $1`, authorizationID))
	return g, wrap("what was granted", err)
}

// takeGranted ends an authorization whose grant goes on as something else, or as nothing.
// ErrLost: nothing is granted that could.
func (d *base) takeGranted(ctx context.Context, tx *sql.Tx, id string, state AuthorizationState, code, identityID string) error {
	now := d.now()
	res, err := tx.ExecContext(ctx, `UPDATE authorizations SET state = $2, error = $3, identity_id = $4, ended_at = $5, expires_at = $6 WHERE id = $1 AND state = 'granted'`,
		id, state, code, identityID, millis(now), millis(now.Add(authorizationKept)))
	if err := changed(res, err, ErrLost); err != nil {
		return err
	}
	res, err = tx.ExecContext(ctx, `DELETE FROM granted_identities WHERE id = $1`, id)
	return changed(res, err, ErrLost)
}

// inTime refuses with ErrLost what would be completed after its time.
func (d *base) inTime(ctx context.Context, tx *sql.Tx, id string) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM authorizations WHERE id = $1 AND state = 'granted' AND expires_at > $2`, id, millis(d.now())).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLost
	}
	return err
}

// CompleteAuthorization makes an identity of what was granted for an authorization, as
// SaveIdentity does and with its errors; g is that grant, sealed for the identity's row.
// ErrLost: it isn't granted any more, or its time is over.
func (d *Authorizations) CompleteAuthorization(ctx context.Context, id string, g Grant, otherOrg bool) (replaced string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if err := d.inTime(ctx, tx, id); err != nil {
			return err
		}
		if err := d.takeGranted(ctx, tx, id, AuthorizationCompleted, "", g.ID); err != nil {
			return err
		}
		replaced, err = d.saveIdentity(ctx, tx, g, otherOrg, "")
		return err
	})
	return replaced, wrap("complete an authorization", err)
}

// HoldAuthorization has what was granted for an authorization wait for an admin of the
// tenant to confirm it, as HoldIdentity does and with its errors. ErrLost: it isn't
// granted any more, or its time is over.
func (d *Authorizations) HoldAuthorization(ctx context.Context, id string, h Held) error {
	return wrap("hold an authorization", d.tx(ctx, func(tx *sql.Tx) error {
		if err := d.inTime(ctx, tx, id); err != nil {
			return err
		}
		if err := d.takeGranted(ctx, tx, id, AuthorizationHeld, "", h.ID); err != nil {
			return err
		}
		return d.holdIdentity(ctx, tx, h)
	}))
}

// settleHeld tells the application what became of what an admin of the tenant was to
// confirm, if an application had begun it. Until then its authorization says which it is.
func (d *base) settleHeld(ctx context.Context, tx *sql.Tx, tenantID, heldID string, state AuthorizationState, code, identityID string) error {
	_, err := tx.ExecContext(ctx, `UPDATE authorizations SET state = $3, error = $4, identity_id = $5, expires_at = $6 WHERE tenant_id = $1 AND identity_id = $2 AND state = 'held'`,
		tenantID, heldID, state, code, identityID, millis(d.now().Add(authorizationKept)))
	return err
}

// DropAuthorization ends an authorization of which nothing is to be stored: what was
// granted becomes a revocation, whose id is returned. ErrLost: nothing is granted.
func (d *Authorizations) DropAuthorization(ctx context.Context, id, code string) (revocation string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		g, err := scanGrant(tx.QueryRowContext(ctx, selectGranted+` WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		if err := errors.Join(d.takeGranted(ctx, tx, id, AuthorizationDropped, code, ""), d.noteDropped(ctx, tx, g, code)); err != nil {
			return err
		}
		revocation, err = d.revokeLater(ctx, tx, g)
		return err
	})
	return revocation, wrap("drop an authorization", err)
}

// endAuthorizations ends those under way that the condition selects: what was granted
// becomes revocations, and is returned with these.
func (d *base) endAuthorizations(ctx context.Context, tx *sql.Tx, code, condition string, args ...any) (ended []Deleted, err error) {
	granted, err := collect(ctx, tx, scanGrant, selectGranted+` WHERE id IN (SELECT id FROM authorizations WHERE `+condition+` AND state = 'granted') ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	revocations, err := d.revokeAllLater(ctx, tx, granted)
	if err != nil {
		return nil, err
	}
	for i, g := range granted {
		if err := errors.Join(d.takeGranted(ctx, tx, g.ID, AuthorizationDropped, code, ""), d.noteDropped(ctx, tx, g, code)); err != nil {
			return nil, err
		}
		ended = append(ended, Deleted{Service: g.Service, TenantID: g.TenantID, User: g.User, Account: g.Account, Revocation: revocations[i]})
	}
	return ended, nil
}

// ExpireAuthorizations ends those whose time is over, and turns what was granted to them
// into revocations; those that have ended long ago are forgotten.
func (d *Authorizations) ExpireAuthorizations(ctx context.Context) error {
	return wrap("expire authorizations", d.tx(ctx, func(tx *sql.Tx) error {
		now := d.now()
		if _, err := d.endAuthorizations(ctx, tx, EndedNotCompleted, `expires_at <= $1`, millis(now)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM authorizations WHERE expires_at <= $1 AND ended_at > 0`, millis(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE authorizations SET state = $2, error = $3, ended_at = $1, expires_at = $4 WHERE expires_at <= $1 AND state IN ('begun', 'opened')`,
			millis(now), AuthorizationExpired, EndedExpired, millis(now.Add(authorizationKept)))
		return err
	}))
}

// withdrawAuthorizations ends all that are under way of those that the condition selects.
func (d *base) withdrawAuthorizations(ctx context.Context, tx *sql.Tx, condition string, args ...any) ([]Deleted, error) {
	ended, err := d.endAuthorizations(ctx, tx, EndedWithdrawn, condition, args...)
	if err != nil {
		return nil, err
	}
	now, n := d.now(), len(args)
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`UPDATE authorizations SET state = $%d, error = $%d, ended_at = $%d, expires_at = $%d
		WHERE %s AND state IN ('begun', 'opened')`, n+1, n+2, n+3, n+4, condition),
		append(slices.Clone(args), AuthorizationFailed, EndedWithdrawn, millis(now), millis(now.Add(authorizationKept)))...)
	return ended, err
}
