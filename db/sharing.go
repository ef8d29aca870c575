package db

import "context"

// HoldsToken reports whether a connection, or what waits to be confirmed or completed, of
// any tenant, holds the token with the hash.
func (d *Vault) HoldsToken(ctx context.Context, service, tokenHash string) (yes bool, err error) {
	if tokenHash == "" {
		return false, nil
	}
	err = d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM identities WHERE token_hash = $1 AND token_hash <> '' AND service = $2)
		OR EXISTS (SELECT 1 FROM held_identities WHERE token_hash = $1 AND token_hash <> '' AND service = $2)
		OR EXISTS (SELECT 1 FROM granted_identities WHERE token_hash = $1 AND token_hash <> '' AND service = $2)`, tokenHash, service).Scan(&yes)
	return yes, wrap("find a token", err)
}

// Unhashed returns the connections whose token's hash was not kept yet and that may
// hold the same token as g: those of its tenant, of its org and of its remote user.
func (d *Vault) Unhashed(ctx context.Context, g Grant) ([]Identity, error) {
	all, err := collect(ctx, d.read, func(s scanner) (Identity, error) { return scanIdentity(s) },
		`SELECT `+identityColumns+` FROM identities
		WHERE service = $1 AND token_hash = '' AND (tenant_id = $2 OR $3 <> '' AND org_id = $3 OR $4 <> '' AND remote_user_id = $4)`,
		g.Service, g.TenantID, g.OrgID, g.RemoteUserID)
	return all, wrap("connections without a token's hash", err)
}

// UnhashedHeld returns what waits to be confirmed and was authorized before hashes
// were kept: none, half an hour after the first start of a release that does.
func (d *Vault) UnhashedHeld(ctx context.Context, service string) ([]Grant, error) {
	all, err := collect(ctx, d.read, func(s scanner) (g Grant, err error) { return g, s.Scan(grantFields(&g)...) },
		`SELECT `+grantColumns+` FROM held_identities WHERE service = $1 AND token_hash = ''`, service)
	return all, wrap("held without a token's hash", err)
}

// SetTokenHash keeps the hash of a connection's token, unless it has changed since.
func (d *Vault) SetTokenHash(ctx context.Context, id string, generation int64, tokenHash string) error {
	_, err := d.exec(ctx, `UPDATE identities SET token_hash = $3 WHERE id = $1 AND generation = $2 AND token_hash = ''`, id, generation, tokenHash)
	return wrap("set a token's hash", err)
}

// HeldAnywhere returns what waits to be confirmed or completed of the same org, or of the
// same user where one is named, of all tenants.
func (d *Vault) HeldAnywhere(ctx context.Context, service, orgID, remoteUserID string) ([]Grant, error) {
	column, value := "remote_user_id", remoteUserID
	if remoteUserID == "" {
		column, value = "org_id", orgID
	}
	all, err := collect(ctx, d.read, func(s scanner) (g Grant, err error) { return g, s.Scan(grantFields(&g)...) },
		`SELECT `+grantColumns+` FROM held_identities WHERE `+column+` = $1 AND service = $2
		UNION ALL SELECT `+grantColumns+` FROM granted_identities WHERE `+column+` = $1 AND service = $2`, value, service)
	return all, wrap("held anywhere", err)
}

// MadeWithOtherApp counts the connections that broke because another app than theirs
// was set: of a tenant's own app, or, without a tenant, of the shared one.
func (d *Vault) MadeWithOtherApp(ctx context.Context, service, tenantID string) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM identities WHERE service = $1 AND broken_at > 0 AND broken_code = $3
		AND ($2 = '' AND own_app = 0 OR own_app = 1 AND tenant_id = $2)`, service, tenantID, OtherApp).Scan(&n)
	return n, wrap("count connections of another app", err)
}
