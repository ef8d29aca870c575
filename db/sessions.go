package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Session is a browser in which somebody is signed in.
type Session struct {
	ID        string // names it where people see and end it; opens nothing
	UserID    string
	TenantID  string // the chosen tenant, "" while none is
	Data      string
	UserAgent string
	IP        string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time // the absolute end
}

// SignedIn is a session with its user, and with its tenant, while the user
// belongs to that: otherwise Tenant is the zero one.
type SignedIn struct {
	Session
	User    User
	Tenant  Tenant
	Tenants int // open ones that the user belongs to
}

const sessionColumns = `s.id, s.user_id, s.tenant_id, s.data, s.user_agent, s.ip, s.created_at, s.seen_at, s.expires_at`

func scanSession(r scanner, more ...any) (Session, error) {
	var s Session
	var created, seen, expires int64
	err := r.Scan(append([]any{&s.ID, &s.UserID, &s.TenantID, &s.Data, &s.UserAgent, &s.IP, &created, &seen, &expires}, more...)...)
	s.CreatedAt, s.SeenAt, s.ExpiresAt = fromMillis(created), fromMillis(seen), fromMillis(expires)
	return s, err
}

// SignedIn returns the session whose secret has the given hash, with its user
// and tenant as they are now. An unknown session, one that has expired and one
// that was not seen after idle gives ErrNotFound.
func (d *People) SignedIn(ctx context.Context, hash string, now, idle time.Time) (SignedIn, error) {
	var in SignedIn
	var userCreated, userChanged, tenantCreated int64
	s, err := scanSession(d.read.QueryRowContext(ctx,
		`SELECT `+sessionColumns+`, `+userColumns+`,
			COALESCE(t.id, ''), COALESCE(t.slug, ''), COALESCE(t.name, ''), COALESCE(t.created_at, 0),
			(SELECT count(*) FROM memberships a JOIN tenants o ON o.id = a.tenant_id WHERE a.user_id = s.user_id AND o.closed_at = 0)
		FROM sessions s
		JOIN users u ON u.id = s.user_id
		LEFT JOIN memberships m ON m.user_id = s.user_id AND m.tenant_id = s.tenant_id
		LEFT JOIN tenants t ON t.id = m.tenant_id AND t.closed_at = 0
		WHERE s.secret_hash = $1 AND s.expires_at > $2 AND s.seen_at > $3`, hash, millis(now), millis(idle)),
		&in.User.ID, &in.User.Email, &in.User.PasswordHash, &userCreated, &userChanged,
		&in.Tenant.ID, &in.Tenant.Slug, &in.Tenant.Name, &tenantCreated, &in.Tenants)
	if err != nil {
		return SignedIn{}, wrap("session", err)
	}
	in.Session = s
	in.User.CreatedAt, in.User.PasswordChangedAt = fromMillis(userCreated), fromMillis(userChanged)
	in.Tenant.CreatedAt = fromMillis(tenantCreated)
	return in, nil
}

// CreateSession stores a session of the user and takes away the one that it
// replaces, if any, and what has expired. When the user is gone, or has another
// password than when u was read, it gives ErrLost.
func (d *People) CreateSession(ctx context.Context, hash string, s Session, u User, replaced string) error {
	return wrap("create session", d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE id = $1 OR expires_at <= $2`, replaced, millis(s.CreatedAt))
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx,
			`INSERT INTO sessions (id, secret_hash, user_id, tenant_id, data, user_agent, ip, created_at, seen_at, expires_at)
			SELECT $1, $2, id, $3, $4, $5, $6, $7, $8, $9 FROM users WHERE id = $10 AND password_changed_at = $11`,
			s.ID, hash, s.TenantID, s.Data, s.UserAgent, s.IP, millis(s.CreatedAt), millis(s.SeenAt), millis(s.ExpiresAt),
			u.ID, millis(u.PasswordChangedAt))
		return changed(res, err, fmt.Errorf("the password was changed meanwhile: %w", ErrLost))
	}))
}

// TouchSession records that the session was seen. It does not turn back.
func (d *People) TouchSession(ctx context.Context, id string, seen time.Time) error {
	_, err := d.exec(ctx, `UPDATE sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2`, id, millis(seen))
	return wrap("touch session", err)
}

// SetSessionTenant stores the tenant that was chosen. A session that was ended
// meanwhile gives ErrNotFound.
func (d *People) SetSessionTenant(ctx context.Context, id, tenantID string) error {
	res, err := d.exec(ctx, `UPDATE sessions SET tenant_id = $2 WHERE id = $1`, id, tenantID)
	return wrap("choose the session's tenant", changed(res, err, ErrNotFound))
}

// SetSessionData stores the session's data. A session that was ended meanwhile
// gives ErrNotFound.
func (d *People) SetSessionData(ctx context.Context, id, data string) error {
	res, err := d.exec(ctx, `UPDATE sessions SET data = $2 WHERE id = $1`, id, data)
	return wrap("store the session's data", changed(res, err, ErrNotFound))
}

// Sessions returns the user's sessions that have not ended, the last seen first.
func (d *People) Sessions(ctx context.Context, userID string, now, idle time.Time) ([]Session, error) {
	scan := func(r scanner) (Session, error) { return scanSession(r) }
	sessions, err := collect(ctx, d.read, scan,
		`SELECT `+sessionColumns+` FROM sessions s
		WHERE s.user_id = $1 AND s.expires_at > $2 AND s.seen_at > $3 ORDER BY s.seen_at DESC, s.id DESC`,
		userID, millis(now), millis(idle))
	return sessions, wrap("sessions", err)
}

// EndSession ends one session of the user. One that is unknown, or somebody
// else's, gives ErrNotFound.
func (d *People) EndSession(ctx context.Context, userID, id string) error {
	res, err := d.exec(ctx, `DELETE FROM sessions WHERE user_id = $1 AND id = $2`, userID, id)
	return wrap("end session", changed(res, err, ErrNotFound))
}

// EndSessions ends all sessions of the user but the one with the id keep, and
// makes them unknown in all browsers but the one whose device cookie has the hash
// keepDevice.
func (d *People) EndSessions(ctx context.Context, userID, keep, keepDevice string) error {
	return wrap("end sessions", d.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = $1 AND id <> $2`, userID, keep); err != nil {
			return err
		}
		return forgetDevices(ctx, tx, userID, keepDevice)
	}))
}

// ExpireSessions puts away sessions, devices, throttles and counts of limits that have
// expired.
func (d *People) ExpireSessions(ctx context.Context) error {
	now := d.now()
	_, err := d.exec(ctx, `DELETE FROM sessions WHERE expires_at <= $1`, millis(now))
	if err == nil {
		_, err = d.exec(ctx, `DELETE FROM devices WHERE expires_at <= $1`, millis(now))
	}
	return wrap("expire sessions", errors.Join(err,
		d.expireMany(ctx, now, `DELETE FROM throttles WHERE key IN (SELECT key FROM throttles WHERE expires_at <= $1 LIMIT $2)`),
		d.expireMany(ctx, now, `DELETE FROM limit_counts WHERE key IN (SELECT key FROM limit_counts WHERE ends_at <= $1 LIMIT $2)`)))
}
