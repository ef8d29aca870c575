package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// outcomeLife is how long it is told what became of a handshake.
const outcomeLife = 10 * time.Minute

// SealedHandshakes has the PKCE verifiers of authorizations that are under way.
var SealedHandshakes = holdsSealed(SealedTable{Name: "handshakes", id: "state_hash", tenant: "tenant_id", service: "service", boundTo: "state_hash"})

// ExpireHandshakes throws expired handshakes away.
func (d *Authorizations) ExpireHandshakes(ctx context.Context) error {
	_, err := d.exec(ctx, `DELETE FROM handshakes WHERE expires_at <= $1`, millis(d.now()))
	return wrap("expire handshakes", err)
}

// How many authorizations may be under way at once: of a session, and of a user of
// ours in all of theirs. Nobody needs more. Each is a row for ten minutes, and for ten
// more when it has ended: of these there may be keptHandshakes times as many.
const (
	maxSessionHandshakes = 20
	maxUserHandshakes    = 60
	keptHandshakes       = 5
)

// handshakesKept counts those of a session and of a user, under way and all, at a time.
const handshakesKept = `SELECT (SELECT COUNT(*) FROM handshakes WHERE session_id = $1 AND taken_at = 0 AND expires_at > $3),
	(SELECT COUNT(*) FROM handshakes WHERE user_id = $2 AND user_id <> '' AND taken_at = 0 AND expires_at > $3),
	(SELECT COUNT(*) FROM handshakes WHERE session_id = $1 AND expires_at > $3),
	(SELECT COUNT(*) FROM handshakes WHERE user_id = $2 AND user_id <> '' AND expires_at > $3)`

// roomFor returns ErrTooMany when no handshake may be added.
func (d *Authorizations) roomFor(ctx context.Context, at interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, h Handshake) error {
	var ofSession, ofUser, allOfSession, allOfUser int
	err := at.QueryRowContext(ctx, handshakesKept, h.SessionID, h.UserID, millis(d.now())).Scan(&ofSession, &ofUser, &allOfSession, &allOfUser)
	if err == nil && (ofSession >= maxSessionHandshakes || ofUser >= maxUserHandshakes ||
		allOfSession >= keptHandshakes*maxSessionHandshakes || allOfUser >= keptHandshakes*maxUserHandshakes) {
		return ErrTooMany
	}
	return err
}

// AddHandshake stores a handshake. ErrLost: the definition of its service is gone.
// ErrTooMany: its session or its user has as many under way as they may.
func (d *Authorizations) AddHandshake(ctx context.Context, h Handshake) error {
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
			`INSERT INTO handshakes (state_hash, session_id, user_id, tenant_id, service, user_name, account, tags, login_url, finished_url, sealed_verifier, key_id, expires_at, own_app, client_id, authorization_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
			h.StateHash, h.SessionID, h.UserID, h.TenantID, h.Service, h.User, h.Account, tagList(h.Tags), h.LoginURL, h.FinishedURL, h.SealedVerifier, h.KeyID, millis(h.ExpiresAt), flag(h.OwnApp), h.ClientID, h.AuthorizationID)
		if err != nil {
			return err
		}
		return d.noteEvent(ctx, tx, VaultEvent{Kind: EventBegun, Service: h.Service, TenantID: h.TenantID, Handshake: h.Name()})
	}))
}

// thatHandshake is the handshake that a session began for a service, while it may be
// ended: by somebody who is still a member of the tenant.
const thatHandshake = ` state_hash = $1 AND session_id = $2 AND service = $3 AND expires_at > $4
	AND (user_id = '' OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = handshakes.user_id AND m.tenant_id = handshakes.tenant_id))`

const handshakeColumns = `user_id, tenant_id, user_name, account, tags, login_url, finished_url, sealed_verifier, key_id, own_app, client_id, taken_at, outcome, code, said, authorization_id`

func scanHandshake(row scanner, h *Handshake) error {
	var taken int64
	err := row.Scan(&h.UserID, &h.TenantID, &h.User, &h.Account, (*tagList)(&h.Tags), &h.LoginURL, &h.FinishedURL, &h.SealedVerifier, &h.KeyID, &h.OwnApp, &h.ClientID,
		&taken, &h.Outcome.Kind, &h.Outcome.Code, &h.Outcome.Said, &h.AuthorizationID)
	h.TakenAt = fromMillis(taken)
	return err
}

// Handshake returns the handshake that the session began for the service, and what
// became of it. Expired ones, other sessions' ones and those of somebody who is no
// longer a member of the tenant are ErrNotFound.
func (d *Authorizations) Handshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error) {
	h := Handshake{StateHash: stateHash, SessionID: sessionID, Service: service}
	err := scanHandshake(d.read.QueryRowContext(ctx, `SELECT `+handshakeColumns+` FROM handshakes WHERE`+thatHandshake, stateHash, sessionID, service, millis(d.now())), &h)
	return h, wrap("handshake", err)
}

// TakeHandshake takes the handshake that the session began for the service, so that
// its code is exchanged once. It stays, to tell what became of it.
// ErrNotFound: as by Handshake, or it was taken before.
func (d *Authorizations) TakeHandshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error) {
	h, now := Handshake{StateHash: stateHash, SessionID: sessionID, Service: service}, d.now()
	err := d.txCommitted(ctx, func(tx *sql.Tx) error { // one statement, whose lost answer is asked about: it is done once
		return scanHandshake(tx.QueryRowContext(ctx,
			`UPDATE handshakes SET taken_at = $4, ended_at = 0, outcome = '', code = '', said = '', expires_at = $5
		WHERE taken_at = 0 AND`+thatHandshake+` RETURNING `+handshakeColumns,
			stateHash, sessionID, service, millis(now), millis(now.Add(outcomeLife))), &h)
	})
	return h, wrap("take handshake", err)
}

// EndHandshake records what became of a handshake that was taken.
func (d *Authorizations) EndHandshake(ctx context.Context, h Handshake, o HandshakeOutcome) error {
	return d.endHandshake(ctx, h, o, `taken_at > 0`)
}

// RefuseHandshake records that the service refused before there was a code. The
// handshake isn't taken by that: the same person may go back there and allow it.
// ErrLost: it was taken.
func (d *Authorizations) RefuseHandshake(ctx context.Context, h Handshake, o HandshakeOutcome) error {
	return d.endHandshake(ctx, h, o, `taken_at = 0`)
}

func (d *Authorizations) endHandshake(ctx context.Context, h Handshake, o HandshakeOutcome, condition string) error {
	now := d.now()
	res, err := d.exec(ctx,
		`UPDATE handshakes SET ended_at = $3, expires_at = $4, outcome = $5, code = $6, said = $7
		WHERE state_hash = $1 AND tenant_id = $2 AND `+condition,
		h.StateHash, h.TenantID, millis(now), millis(now.Add(outcomeLife)), o.Kind, o.Code, o.Said)
	return wrap("end handshake", changed(res, err, ErrLost))
}

// LastOutcome returns what became of the handshake that the session ended last for
// the service, with its tenant, while it is kept; or ErrNotFound.
func (d *Authorizations) LastOutcome(ctx context.Context, service, sessionID string) (o HandshakeOutcome, tenantID string, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT outcome, code, said, tenant_id FROM handshakes
		WHERE session_id = $1 AND service = $2 AND ended_at > 0 AND expires_at > $3
		ORDER BY ended_at DESC, state_hash LIMIT 1`,
		sessionID, service, millis(d.now())).Scan(&o.Kind, &o.Code, &o.Said, &tenantID)
	return o, tenantID, wrap("last outcome", err)
}
