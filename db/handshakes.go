package db

import (
	"context"
	"database/sql"
	"errors"
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
	ClientID       string
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

// How many authorizations may be under way at once: of a session, and of a user of
// ours in all of theirs. Nobody needs more, and each is a row for ten minutes.
const (
	maxSessionHandshakes = 20
	maxUserHandshakes    = 60
)

// ErrTooMany says that as many are under way as may be.
var ErrTooMany = errors.New("too many at once")

// handshakesOpen counts those of a session and of a user, both at a time.
const handshakesOpen = `SELECT (SELECT COUNT(*) FROM handshakes WHERE session_id = $1 AND expires_at > $3),
	(SELECT COUNT(*) FROM handshakes WHERE user_id = $2 AND user_id <> '' AND expires_at > $3)`

// roomFor returns ErrTooMany when no handshake may be added.
func (d *DB) roomFor(ctx context.Context, at interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, h Handshake) error {
	var ofSession, ofUser int
	err := at.QueryRowContext(ctx, handshakesOpen, h.SessionID, h.UserID, millis(d.now())).Scan(&ofSession, &ofUser)
	if err == nil && (ofSession >= maxSessionHandshakes || ofUser >= maxUserHandshakes) {
		return ErrTooMany
	}
	return err
}

// AddHandshake stores a handshake. ErrLost: the definition of its service is gone.
// ErrTooMany: its session or its user has as many under way as they may.
func (d *DB) AddHandshake(ctx context.Context, h Handshake) error {
	if err := d.roomFor(ctx, d.read, h); err != nil { // without a turn at writing
		return wrap("add handshake", err)
	}
	return wrap("add handshake", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, h.KeyID); err != nil {
			return err
		}
		if err := hasService(ctx, tx, h.Service, h.DefinedAt); err != nil {
			return err
		}
		if err := errors.Join(mustBeOpen(ctx, tx, h.TenantID), d.roomFor(ctx, tx, h)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO handshakes (state_hash, session_id, user_id, tenant_id, service, user_name, account, tags, login_url, finished_url, sealed_verifier, key_id, expires_at, own_app, client_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			h.StateHash, h.SessionID, h.UserID, h.TenantID, h.Service, h.User, h.Account, tagList(h.Tags), h.LoginURL, h.FinishedURL, h.SealedVerifier, h.KeyID, millis(h.ExpiresAt), flag(h.OwnApp), h.ClientID)
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
		RETURNING user_id, tenant_id, user_name, account, tags, login_url, finished_url, sealed_verifier, key_id, own_app, client_id`,
		stateHash, sessionID, service, millis(d.now())).
		Scan(&h.UserID, &h.TenantID, &h.User, &h.Account, (*tagList)(&h.Tags), &h.LoginURL, &h.FinishedURL, &h.SealedVerifier, &h.KeyID, &h.OwnApp, &h.ClientID)
	return h, wrap("take handshake", err)
}
