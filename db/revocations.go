package db

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/riverqueue/river"
)

// revocationLife is how long we keep trying to revoke a token. After that it is
// thrown away.
const revocationLife = 7 * 24 * time.Hour

// revocationDelay leaves the first try to whoever ended the connection, since
// somebody waits for its answer; the job makes the later ones.
const revocationDelay = 30 * time.Second

// revocationTries is more than fit into revocationLife.
const revocationTries = 200

// SealedRevocations has the tokens that are to be revoked. Each stays bound to the
// connection that it was sealed for.
var SealedRevocations = holdsSealed(SealedTable{Name: "revocations", id: "id", tenant: "tenant_id", service: "service", boundTo: "identity_id"})

// RevokeJob asks for a refresh token to be revoked at its service.
type RevokeJob struct {
	RevocationID string `json:"revocation_id"`
}

// Kind names the job in the table of jobs.
func (RevokeJob) Kind() string { return "revoke" }

// AddRevocation keeps g's refresh token until it is revoked, and returns the
// revocation's id. ErrLost: the definition of its service is gone.
func (d *Authorizations) AddRevocation(ctx context.Context, g Grant) (id string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, g.KeyID); err != nil {
			return err
		}
		if err := hasService(ctx, tx, g.Service, g.DefinedAt); err != nil {
			return err
		}
		id, err = d.revokeLater(ctx, tx, g)
		return err
	})
	return id, wrap("add revocation", err)
}

func (d *base) revokeLater(ctx context.Context, tx *sql.Tx, g Grant) (string, error) {
	ids, err := d.revokeAllLater(ctx, tx, []Grant{g})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// revokeAllLater keeps the grants' refresh tokens until they are revoked, and
// returns the revocations' ids in the same order.
func (d *base) revokeAllLater(ctx context.Context, tx *sql.Tx, grants []Grant) (ids []string, err error) {
	if len(grants) == 0 {
		return nil, nil
	}
	now := d.now()
	var jobs []river.InsertManyParams
	for _, g := range grants {
		id := NewID()
		_, err := tx.ExecContext(ctx, `INSERT INTO revocations (id, service, tenant_id, identity_id, sealed_refresh, key_id, login_url, org_id, remote_user_id, created_at, expires_at, own_app, client_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, id, g.Service, g.TenantID, g.ID, g.SealedRefresh, g.KeyID, g.LoginURL, g.OrgID, g.RemoteUserID,
			millis(now), millis(now.Add(revocationLife)), flag(g.OwnApp), g.ClientID)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		jobs = append(jobs, revokeJob(id, now.Add(revocationDelay)))
	}
	_, err = d.jobs.InsertManyTx(ctx, tx, jobs)
	return ids, err
}

// revokeJob is the job that makes a revocation, from a time on.
func revokeJob(id string, at time.Time) river.InsertManyParams {
	return river.InsertManyParams{Args: RevokeJob{RevocationID: id}, InsertOpts: &river.InsertOpts{ScheduledAt: at, MaxAttempts: revocationTries}}
}

// Revocation returns what has yet to be revoked, or ErrNotFound.
func (d *Authorizations) Revocation(ctx context.Context, id string) (Revocation, error) {
	var r Revocation
	var expires int64
	err := d.read.QueryRowContext(ctx,
		`SELECT id, service, tenant_id, identity_id, sealed_refresh, login_url, org_id, remote_user_id, own_app, client_id, expires_at
		FROM revocations WHERE id = $1`, id).
		Scan(&r.ID, &r.Service, &r.TenantID, &r.IdentityID, &r.SealedRefresh, &r.LoginURL, &r.OrgID, &r.RemoteUserID, &r.OwnApp, &r.ClientID, &expires)
	r.ExpiresAt = fromMillis(expires)
	return r, wrap("revocation", err)
}

// DeleteRevocation forgets a token that is revoked. It is not an error when it
// is forgotten already.
func (d *Authorizations) DeleteRevocation(ctx context.Context, id string) error {
	_, err := d.exec(ctx, `DELETE FROM revocations WHERE id = $1`, id)
	return wrap("delete revocation", err)
}

// RevocationsDue returns up to limit ids of tokens that have yet to be revoked, and whose first try is
// over, in their order from the one after the given id on.
func (d *Authorizations) RevocationsDue(ctx context.Context, after string, limit int) ([]string, error) {
	ids, err := collect(ctx, d.read, scanID, `SELECT id FROM revocations WHERE id > $1 AND created_at <= $2 ORDER BY id LIMIT $3`,
		after, millis(d.now().Add(-revocationDelay)), limit)
	return ids, wrap("revocations that are due", err)
}

// SweepVault puts away what has run out of the vault: authorizations that are held, under way or granted,
// and old events.
func (d *DB) SweepVault(ctx context.Context) error {
	return errors.Join(d.ExpireHeld(ctx), d.ExpireHandshakes(ctx), d.ExpireAuthorizations(ctx), d.ExpireVaultEvents(ctx))
}
