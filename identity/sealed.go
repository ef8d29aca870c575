package identity

import (
	"context"

	"gatepost/seal"
)

// The kinds of values that the vault seals; part of what binds each to its row.
const (
	kindAccess   = "access"
	kindRefresh  = "refresh"
	kindVerifier = "verifier"

	kindClientSecret = "client_secret" // of a tenant's own app, or of the shared one: of no tenant
)

// grantBinding binds a token of a grant to its row.
func grantBinding(kind string, g Grant) seal.Binding {
	return seal.Binding{Kind: kind, TenantID: g.TenantID, Service: g.Service, RowID: g.ID}
}

// verifierBinding binds the verifier of a handshake to it.
func verifierBinding(h Handshake) seal.Binding {
	return seal.Binding{Kind: kindVerifier, TenantID: h.TenantID, Service: h.Service, RowID: h.StateHash}
}

// secretBinding binds the client secret of an app to the tenant whose own it is and
// to its service. Without a tenant it is the shared app's.
func secretBinding(tenantID, service string) seal.Binding {
	return seal.Binding{Kind: kindClientSecret, TenantID: tenantID, Service: service, RowID: service}
}

// tokens are what a grant is worth; refresh is empty where the service gave none.
type tokens struct{ access, refresh string }

// storeSealed seals the tokens for g's row and has store put it away; again when
// the key has been rotated meanwhile.
func (v *Vault) storeSealed(ctx context.Context, g Grant, t tokens, store func(Grant) error) error {
	return v.Keys.WithKey(ctx, func(k seal.Key) error {
		sealed, err := sealGrant(k, g, t)
		if err != nil {
			return err
		}
		return store(sealed)
	})
}

// sealGrant returns g with the tokens sealed for its row.
func sealGrant(k seal.Key, g Grant, t tokens) (Grant, error) {
	var err error
	if g.SealedAccess, err = k.Seal(t.access, grantBinding(kindAccess, g)); err != nil {
		return g, err
	}
	if g.SealedRefresh, err = k.Seal(t.kept(), grantBinding(kindRefresh, g)); err != nil {
		return g, err
	}
	g.KeyID, g.TokenHash = k.ID, tokenHash(g.Service, t.kept())
	return g, nil
}

func (v *Vault) openAccess(ctx context.Context, g Grant) (string, error) {
	return v.Keys.Open(ctx, g.SealedAccess, grantBinding(kindAccess, g))
}

func (v *Vault) openRefresh(ctx context.Context, g Grant) (string, error) {
	return v.Keys.Open(ctx, g.SealedRefresh, grantBinding(kindRefresh, g))
}
