package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"gatepost/identity/stored"
	"gatepost/seal"
)

// Disconnect is End for those who need to know no more than whether nothing is left
// to do at the service.
func (v *Vault) Disconnect(ctx context.Context, service, tenantID string) (revoked bool, err error) {
	ending, err := v.End(ctx, service, tenantID)
	return err == nil && ending != Pending && ending != NoWay, err
}

// End is EndBy for the operator.
func (v *Vault) End(ctx context.Context, service, tenantID string) (Ending, error) {
	return v.EndBy(ctx, service, tenantID, "")
}

// EndBy removes the tenant's connection for a user of ours, by the id, and says what
// became of it at the service. ErrNotConnected: there is none.
func (v *Vault) EndBy(ctx context.Context, service, tenantID, userID string) (Ending, error) {
	ids, err := v.optional.DeleteIdentity(ctx, service, tenantID, userID)
	if errors.Is(err, stored.ErrNotFound) {
		return "", ErrNotConnected
	}
	if err != nil {
		return "", err
	}
	ended := Revoked
	for _, id := range ids {
		if ending := v.tryRevoke(ctx, id); ending != Revoked {
			ended = ending
		}
	}
	return ended, nil
}

// tryRevoke makes the first try of a revocation while somebody waits for it.
func (v *Vault) tryRevoke(ctx context.Context, id string) Ending {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(v.Timeout, 8*time.Second))
	defer cancel()
	ending, err := v.firstEnd(ctx, id)
	if err != nil {
		v.Log.WarnContext(ctx, "a revocation is pending", "revocation", id, "error", err)
	}
	return ending
}

// Revoke ends one token at its service and forgets it. One that is revoked already,
// that can't be revoked, or that is too old, is forgotten without an error.
func (v *Vault) Revoke(ctx context.Context, revocationID string) error {
	_, err := v.end(ctx, revocationID)
	return err
}

// Ending says what became of a token at its service.
type Ending string

// The endings of a token.
const (
	Revoked Ending = "revoked"  // the service has ended it
	Pending Ending = "pending"  // the service couldn't be reached: a job tries again for a week
	Shared  Ending = "shared"   // revoking it would end another connection too, which goes on with the same access
	givenUp Ending = "given_up" // in the service log alone: it was pending for a week
	NoWay   Ending = "no_way"   // the service offers no way to revoke it: only its own settings do
)

// firstEnd is end for the first try, which alone tells that it is pending.
func (v *Vault) firstEnd(ctx context.Context, revocationID string) (Ending, error) {
	r, err := v.Store.Revocation(ctx, revocationID)
	if errors.Is(err, stored.ErrNotFound) {
		return Revoked, nil
	}
	ending := Pending
	if err == nil {
		ending, err = v.endOf(ctx, r)
	}
	if ending == Pending && r.ID != "" {
		v.noteEnding(ctx, r, Pending)
	}
	return ending, err
}

// noteEnding tells what became of a token.
func (v *Vault) noteEnding(ctx context.Context, r PendingRevocation, e Ending) {
	v.note(ctx, Event{Kind: stored.EventRevocation, Service: r.Service, TenantID: r.TenantID, Identity: r.IdentityID, Code: string(e)})
}

func (v *Vault) end(ctx context.Context, revocationID string) (Ending, error) {
	r, err := v.Store.Revocation(ctx, revocationID)
	if errors.Is(err, stored.ErrNotFound) {
		return Revoked, nil
	}
	if err != nil {
		return Pending, err
	}
	return v.endOf(ctx, r)
}

func (v *Vault) endOf(ctx context.Context, r PendingRevocation) (Ending, error) {
	if v.Now().After(r.ExpiresAt) {
		v.Log.ErrorContext(ctx, "a token could not be revoked for a week and is forgotten", "revocation", r.ID, "service", r.Service, "tenant", r.TenantID)
		v.noteEnding(ctx, r, givenUp)
		return Pending, v.Store.DeleteRevocation(ctx, r.ID)
	}
	ending, err := v.revoke(ctx, r)
	if err != nil {
		return Pending, err
	}
	err = v.Store.DeleteRevocation(ctx, r.ID)
	v.noteEnding(ctx, r, ending)
	return ending, err
}

func (v *Vault) revoke(ctx context.Context, r PendingRevocation) (Ending, error) {
	s, err := v.app(ctx, r.Service, r.TenantID, r.OwnApp)
	if err != nil && !errors.Is(err, seal.ErrSealed) && !errors.Is(err, ErrNoApp) && !errors.Is(err, ErrNoOwnApp) {
		return Pending, err
	}
	if r.OwnApp && s.SelfManaged && !s.ownURL(r.LoginURL) { // the app is for another host now, or gone
		if s, err = v.Settings(ctx, r.Service); err != nil {
			return Pending, err
		}
		if !s.ownURL(r.LoginURL) {
			s = s.on(r.LoginURL) // a host of the tenant's, which alone is told the token
		}
	}
	if err != nil || !s.ownURL(r.LoginURL) || !s.made(Grant{ClientID: r.ClientID}) {
		s.ClientID, s.ClientSecret = "", "" // not to be had, or not for this address or token: try without
	}
	token, err := v.openRefresh(ctx, Grant{ID: r.IdentityID, TenantID: r.TenantID, Service: r.Service, SealedRefresh: r.SealedRefresh})
	if err != nil {
		return Pending, err
	}
	inUse, err := v.inUse(ctx, s, Grant{Service: r.Service, TenantID: r.TenantID, OrgID: r.OrgID, RemoteUserID: r.RemoteUserID, OwnApp: r.OwnApp, ClientID: r.ClientID}, token)
	if err != nil || inUse {
		return Shared, err
	}
	err = v.client.revoke(ctx, s.inOrg(r.OrgID), r.LoginURL, token)
	if errors.Is(err, errNoWay) {
		return NoWay, nil
	}
	return Revoked, err
}

// revokeUnstored revokes a token that can't be stored for its revocation, unless it is in
// use, or nobody can tell: a write that failed may have been made all the same.
func (v *Vault) revokeUnstored(ctx context.Context, s Service, g Grant, token string, cause error) {
	v.Log.ErrorContext(ctx, "a grant that is not kept can't be stored for its revocation", "service", s.ID, "tenant", g.TenantID, "error", cause)
	if inUse, err := v.inUse(ctx, s, g, token); inUse || err != nil {
		return
	}
	if err := v.client.revoke(ctx, s.inOrg(g.OrgID), g.LoginURL, token); err != nil {
		v.Log.ErrorContext(ctx, "a grant that is not kept could not be revoked", "service", s.ID, "tenant", g.TenantID, "error", err)
	}
}

// inOrg is the service as a grant is ended that is of an org. Where that isn't known, nor is
// whose access ends with the app's: it isn't uninstalled.
func (s Service) inOrg(orgID string) Service {
	if orgID == "" {
		s.Revoke.Uninstall = ""
	}
	return s
}

// inUse reports whether a connection, or what waits to be confirmed, goes on with
// the very token, or would end with it: a service may answer a new authorization
// with the token of an earlier one, also another user's of the same account, and a
// write that failed may have been made.
func (v *Vault) inUse(ctx context.Context, s Service, g Grant, token string) (bool, error) {
	if held, err := v.held(ctx, g.Service, token); held || err != nil {
		return held, err
	}
	if held, err := v.heldUnhashed(ctx, g, token); held || err != nil {
		return held, err
	}
	if s.Revoke.Ends == EndsItself {
		return false, nil
	}
	all, err := v.others(ctx, s, g)
	if err != nil {
		return false, err
	}
	for _, other := range all {
		if ends, err := v.endsWith(ctx, s, other, g); ends || err != nil {
			return ends, err
		}
	}
	return false, nil
}

// held reports whether the token is that of a connection, or of what waits to be
// confirmed, of any tenant.
func (v *Vault) held(ctx context.Context, service, token string) (bool, error) {
	return v.Store.HoldsToken(ctx, service, tokenHash(service, token))
}

// tokenHash is kept beside a sealed token, so that rows with the same one are found
// without opening any. A token is random and long (RFC 6749, section 10.10), so that
// its hash doesn't lead back to it.
func tokenHash(service, token string) string {
	return hash("token\x00" + service + "\x00" + token)
}

// heldUnhashed is held for connections that were last renewed before hashes were
// kept: each is opened once.
func (v *Vault) heldUnhashed(ctx context.Context, g Grant, token string) (bool, error) {
	waiting, err := v.optional.UnhashedHeld(ctx, g.Service)
	if err != nil {
		return false, err
	}
	for _, h := range waiting {
		held, err := v.openRefresh(ctx, h)
		if err != nil && !errors.Is(err, seal.ErrSealed) || err == nil && same(held, token) {
			return err == nil, err
		}
	}
	all, err := v.optional.Unhashed(ctx, g)
	if err != nil {
		return false, err
	}
	for _, i := range all {
		current, err := v.openNow(ctx, i, v.openRefresh)
		switch {
		case errors.Is(err, seal.ErrSealed):
			continue // nobody can go on with it
		case errors.Is(err, stored.ErrLost): // it was renewed or replaced meanwhile, and has its hash
			if held, err := v.held(ctx, g.Service, token); held || err != nil {
				return held, err
			}
			continue
		case err != nil:
			return false, err
		case same(current, token):
			return true, nil
		}
		if err := v.optional.SetTokenHash(ctx, i.ID, i.Generation, tokenHash(i.Service, current)); err != nil {
			return false, err
		}
	}
	return false, nil
}

// goesOn reports whether a connection is in order, or will be when its app is mended.
func goesOn(i Identity) bool {
	return i.BrokenAt.IsZero() || slices.Contains(appCodes, i.BrokenCode) || slices.Contains(stored.AppCodes, i.BrokenCode) || i.BrokenCode == BrokenOtherApp
}

// others are what may end with g's token: the connections that are in order, and what
// waits to be confirmed, of the same user or org.
func (v *Vault) others(ctx context.Context, s Service, g Grant) ([]Grant, error) {
	user := g.RemoteUserID
	if s.Revoke.Ends == EndsOrgs {
		user = ""
	}
	// In this order, since confirming makes a connection of what is held.
	all, err := v.optional.HeldAnywhere(ctx, g.Service, g.OrgID, user)
	if err != nil {
		return nil, err
	}
	connections, err := v.Store.ApprovedAnywhere(ctx, g.Service, g.OrgID, user)
	if err != nil {
		return nil, err
	}
	for _, i := range connections {
		if goesOn(i) {
			all = append(all, i.Grant)
		}
	}
	return all, nil
}

// endsWith reports whether revoking b ends a too. What isn't known counts as the
// same.
func (v *Vault) endsWith(ctx context.Context, s Service, a, b Grant) (bool, error) {
	if s.Revoke.Ends == EndsUsers && a.RemoteUserID == b.RemoteUserID || s.Revoke.Ends == EndsOrgs && a.OrgID == b.OrgID {
		return v.sameApp(ctx, a, b)
	}
	return false, nil
}

// sameApp reports whether two grants were made with the same app, whoever has set it.
func (v *Vault) sameApp(ctx context.Context, a, b Grant) (bool, error) {
	if a.ClientID != "" && b.ClientID != "" {
		return a.ClientID == b.ClientID, nil
	}
	if a.OwnApp == b.OwnApp && (!a.OwnApp || a.TenantID == b.TenantID) {
		return true, nil
	}
	one, err := v.clientID(ctx, a)
	if err != nil || one == "" {
		return false, err
	}
	other, err := v.clientID(ctx, b)
	return one == other, err
}

// clientID is that of the app that a grant was made with, as far as is known; empty
// when there is none.
func (v *Vault) clientID(ctx context.Context, g Grant) (string, error) {
	if g.ClientID != "" {
		return g.ClientID, nil
	}
	if !g.OwnApp {
		s, _, err := v.set(ctx, g.Service)
		return s.ClientID, err
	}
	a, err := v.TenantApp(ctx, g.Service, g.TenantID)
	if errors.Is(err, ErrNoOwnApp) {
		return "", nil
	}
	return a.ClientID, err
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
