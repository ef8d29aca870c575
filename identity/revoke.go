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
	s, err := v.app(ctx, r.Service, r.TenantID, r.OwnApp)
	if err != nil && !errors.Is(err, ErrSealed) && !errors.Is(err, ErrNoApp) && !errors.Is(err, ErrNoOwnApp) {
		return err
	}
	if err != nil || !s.ownURL(r.LoginURL) {
		s.ClientID, s.ClientSecret = "", "" // not to be had, or not for this address: try without
	}
	token, err := v.openRefresh(ctx, db.Grant{ID: r.IdentityID, TenantID: r.TenantID, Service: r.Service, SealedRefresh: r.SealedRefresh})
	if err != nil {
		return err
	}
	inUse, err := v.inUse(ctx, db.Grant{Service: r.Service, TenantID: r.TenantID, OrgID: r.OrgID, RemoteUserID: r.RemoteUserID}, token)
	if err != nil || inUse {
		return err
	}
	return v.client.revoke(ctx, s, r.LoginURL, token)
}

// revokeUnstored revokes a token that can't be stored for its revocation, unless
// it is known to be in use: a write that failed may have been made all the same.
func (v *Vault) revokeUnstored(ctx context.Context, s Service, g db.Grant, token string, cause error) {
	v.Log.ErrorContext(ctx, "a grant that is not kept can't be stored for its revocation", "service", s.ID, "tenant", g.TenantID, "error", cause)
	if inUse, err := v.inUse(ctx, g, token); inUse && err == nil {
		return
	}
	if err := v.client.revoke(ctx, s, g.LoginURL, token); err != nil {
		v.Log.ErrorContext(ctx, "a grant that is not kept could not be revoked", "service", s.ID, "tenant", g.TenantID, "error", err)
	}
}

// inUse reports whether a connection of g's tenant that the same user approved, or
// what waits to be confirmed, goes on with the very token: a service may answer a
// new authorization with the old token, and a write that failed may have been made.
func (v *Vault) inUse(ctx context.Context, g db.Grant, token string) (bool, error) {
	// In this order, since confirming makes a connection of what is held.
	h, err := v.Store.Held(ctx, g.Service, g.TenantID)
	if err == nil {
		var held string
		if held, err = v.openRefresh(ctx, h.Grant); err == nil && same(held, token) {
			return true, nil
		}
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return false, err
	}
	all, err := v.Store.ApprovedBy(ctx, g.Service, g.TenantID, g.OrgID, g.RemoteUserID)
	if err != nil {
		return false, err
	}
	for _, i := range all {
		current, err := v.openNow(ctx, i, v.openRefresh)
		if errors.Is(err, ErrSealed) {
			continue // nobody can go on with it
		}
		if err != nil || same(current, token) {
			return err == nil, err
		}
	}
	return false, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
