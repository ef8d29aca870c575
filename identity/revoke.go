package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"gatepost/db"
)

// Disconnect removes the tenant's connection and revokes it at the service.
// revoked is false when the service could not be reached: a job tries again for
// a week. ErrNotConnected: there is none.
func (v *Vault) Disconnect(ctx context.Context, service, tenantID string) (revoked bool, err error) {
	ids, err := v.Store.DeleteIdentity(ctx, service, tenantID)
	if errors.Is(err, db.ErrNotFound) {
		return false, ErrNotConnected
	}
	if err != nil {
		return false, err
	}
	revoked = true
	for _, id := range ids {
		revoked = v.tryRevoke(ctx, id) && revoked
	}
	return revoked, nil
}

// tryRevoke makes the first try of a revocation while somebody waits for it.
func (v *Vault) tryRevoke(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(v.Timeout, 8*time.Second))
	defer cancel()
	if err := v.Revoke(ctx, id); err != nil {
		v.Log.WarnContext(ctx, "a revocation is pending", "revocation", id, "error", err)
		return false
	}
	return true
}

// Revoke revokes one token at its service and forgets it. One that is revoked
// already, or too old, is forgotten without an error.
func (v *Vault) Revoke(ctx context.Context, revocationID string) error {
	r, err := v.Store.Revocation(ctx, revocationID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if v.Now().After(r.ExpiresAt) {
		v.Log.ErrorContext(ctx, "a token could not be revoked for a week and is forgotten", "revocation", r.ID, "service", r.Service, "tenant", r.TenantID)
		return v.Store.DeleteRevocation(ctx, r.ID)
	}
	if err := v.revoke(ctx, r); err != nil {
		return err
	}
	return v.Store.DeleteRevocation(ctx, r.ID)
}

func (v *Vault) revoke(ctx context.Context, r db.Revocation) error {
	s, err := v.Service(r.Service)
	if err != nil {
		return err
	}
	token, err := v.openRefresh(ctx, db.Grant{ID: r.IdentityID, TenantID: r.TenantID, Service: r.Service, SealedRefresh: r.SealedRefresh})
	if err != nil {
		return err
	}
	inUse, err := v.inUse(ctx, r, token)
	if err != nil || inUse {
		return err
	}
	return v.client.revoke(ctx, s, r.LoginURL, token)
}

// inUse reports whether the tenant's connection goes on with the very token, as
// with a service that answers a new authorization with the old token.
func (v *Vault) inUse(ctx context.Context, r db.Revocation, token string) (bool, error) {
	i, err := v.Identity(ctx, r.Service, r.TenantID)
	if errors.Is(err, ErrNotConnected) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	current, err := v.openNow(ctx, i, v.openRefresh)
	if errors.Is(err, ErrSealed) {
		return false, nil // nobody can go on with it
	}
	return err == nil && subtle.ConstantTimeCompare([]byte(current), []byte(token)) == 1, err
}
