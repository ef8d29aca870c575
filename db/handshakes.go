package db

import (
	"context"
	"database/sql"
	"time"
)

// Handshake is an authorization that has been begun: who began it, and where.
type Handshake struct {
	StateHash      string
	SessionID      string
	UserID         string // of ours, empty when the application began it
	TenantID       string
	Service        string
	User           string // this and the following as in Grant
	Account        string
	Tags           []string
	OwnApp         bool
	LoginURL       string
	FinishedURL    string
	SealedVerifier string
	KeyID          uint32
	ExpiresAt      time.Time
	DefinedAt      time.Time // only said when it is stored: as a Grant's
}

// ExpireHandshakes throws expired handshakes away.
func (d *DB) ExpireHandshakes(ctx context.Context) error {
	_, err := d.write.ExecContext(ctx, `DELETE FROM handshakes WHERE expires_at <= $1`, millis(d.now()))
	return wrap("expire handshakes", err)
}

// AddHandshake stores a handshake. ErrLost: the definition of its service is gone.
func (d *DB) AddHandshake(ctx context.Context, h Handshake) error {
	return wrap("add handshake", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, h.KeyID); err != nil {
			return err
		}
		if err := hasService(ctx, tx, h.Service, h.DefinedAt); err != nil {
			return err
		}
		if err := mustBeOpen(ctx, tx, h.TenantID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO handshakes (state_hash, session_id, user_id, tenant_id, service, user_name, account, tags, login_url, finished_url, sealed_verifier, key_id, expires_at, own_app)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			h.StateHash, h.SessionID, h.UserID, h.TenantID, h.Service, h.User, h.Account, tagList(h.Tags), h.LoginURL, h.FinishedURL, h.SealedVerifier, h.KeyID, millis(h.ExpiresAt), flag(h.OwnApp))
		return err
	}))
}

// TakeHandshake takes out the handshake that the session began for the service,
// so that it is used once. Expired ones, other sessions' ones and those of
// somebody who is no longer a member of the tenant are ErrNotFound, and stay.
func (d *DB) TakeHandshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error) {
	h := Handshake{StateHash: stateHash, SessionID: sessionID, Service: service}
	err := d.write.QueryRowContext(ctx,
		`DELETE FROM handshakes
		WHERE state_hash = $1 AND session_id = $2 AND service = $3 AND expires_at > $4
			AND (user_id = '' OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = handshakes.user_id AND m.tenant_id = handshakes.tenant_id))
		RETURNING user_id, tenant_id, user_name, account, tags, login_url, finished_url, sealed_verifier, key_id, own_app`,
		stateHash, sessionID, service, millis(d.now())).
		Scan(&h.UserID, &h.TenantID, &h.User, &h.Account, (*tagList)(&h.Tags), &h.LoginURL, &h.FinishedURL, &h.SealedVerifier, &h.KeyID, &h.OwnApp)
	return h, wrap("take handshake", err)
}
