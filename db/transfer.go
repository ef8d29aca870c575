package db

import (
	"context"
	"database/sql"
	"errors"
)

// ImportIdentities stores new tenants and what arrives, all or nothing. Refresh
// tokens that are replaced become revocations, whose ids are returned. ErrLost: an
// identity stands where there was none, or another one than was to be replaced, or
// the same authorization is in the middle of a renewal, or the definition of its service
// is gone.
// ErrConflict: one of the tenants is there by now. ErrOrgInUse: one of the orgs is
// another tenant's.
func (d *Vault) ImportIdentities(ctx context.Context, tenants []NewTenant, arrivals []Arrival) (revocations []string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		revocations = nil
		for _, t := range tenants {
			if err := insertTenant(ctx, tx, t.Tenant, t.Newsletter); err != nil {
				return err
			}
		}
		for _, a := range arrivals {
			revocation, err := d.importIdentity(ctx, tx, a)
			if err != nil {
				return err
			}
			if revocation != "" {
				revocations = append(revocations, revocation)
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap("import identities", err)
	}
	return revocations, nil
}

func (d *Vault) importIdentity(ctx context.Context, tx *sql.Tx, a Arrival) (revocation string, err error) {
	if err := errors.Join(mustSeal(ctx, tx, a.KeyID), mustBeOpen(ctx, tx, a.TenantID), hasService(ctx, tx, a.Service, a.DefinedAt)); err != nil {
		return "", err
	}
	old, err := scanIdentity(tx.QueryRowContext(ctx, selectIdentityOf, a.Service, a.TenantID, a.User, a.Account))
	switch {
	case errors.Is(err, sql.ErrNoRows) && a.Replaces == 0:
	case err == nil && a.SameGrant && !old.CallStartedAt.IsZero():
		return "", ErrLost // a renewal has begun, which uses its token up
	case err == nil && old.ID == a.ID && old.Generation == a.Replaces:
		if !a.SameGrant {
			if revocation, err = d.revokeLater(ctx, tx, old.Grant); err != nil {
				return "", err
			}
		}
	case err == nil, errors.Is(err, sql.ErrNoRows):
		return "", ErrLost
	default:
		return "", err
	}
	if err := d.enterOrg(ctx, tx, a.Grant, old.OrgID); err != nil {
		return "", err
	}
	if a.Own() {
		if _, err := d.endHeld(ctx, tx, a.Service, a.TenantID); err != nil {
			return "", err
		}
	}
	if err := d.putIdentity(ctx, tx, a.Grant); err != nil {
		return "", err
	}
	// It is as old as it was where it comes from, and so due to be kept alive.
	_, err = tx.ExecContext(ctx,
		`UPDATE identities SET connected_at = $2, refreshed_at = $3, keep_alive_at = CASE keep_alive_at WHEN 0 THEN 0 ELSE CAST($4 AS BIGINT) END,
			broken_at = $5, broken_code = $6, failed_at = $5, failed_code = $6,
			connected_by = COALESCE((SELECT u.id FROM users u JOIN memberships m ON m.user_id = u.id WHERE u.email = $7 AND m.tenant_id = $8), '')
		WHERE id = $1`,
		a.ID, millis(a.ConnectedAt), millis(a.RefreshedAt), millis(keepAliveSince(a.RefreshedAt)), millis(a.BrokenAt), a.BrokenCode,
		a.ApprovedBy, a.TenantID)
	return revocation, err
}
