package db

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// User is a person who logs in.
type User struct {
	ID                string
	Email             string // lower case
	PasswordHash      string
	CreatedAt         time.Time
	PasswordChangedAt time.Time // changes with the password, always
}

// UserTenants is a user with the slugs of the tenants that they belong to.
type UserTenants struct {
	User
	Tenants []string
}

const userColumns = `u.id, u.email, u.password_hash, u.created_at, u.password_changed_at`

func scanUser(r scanner, more ...any) (User, error) {
	var u User
	var created, changed int64
	err := r.Scan(append([]any{&u.ID, &u.Email, &u.PasswordHash, &created, &changed}, more...)...)
	u.CreatedAt, u.PasswordChangedAt = fromMillis(created), fromMillis(changed)
	return u, err
}

// User returns the user with the given id, or ErrNotFound.
func (d *People) User(ctx context.Context, id string) (User, error) {
	u, err := scanUser(d.read.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id))
	return u, wrap("user", err)
}

// UserByEmail returns the user with the given address, in lower case, or
// ErrNotFound.
func (d *People) UserByEmail(ctx context.Context, email string) (User, error) {
	u, err := scanUser(d.read.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users u WHERE u.email = $1`, email))
	return u, wrap("user by address", err)
}

// Users returns all users with their tenants, by address.
func (d *People) Users(ctx context.Context) ([]UserTenants, error) {
	memberships, err := collect(ctx, d.read, scanUserTenant,
		`SELECT `+userColumns+`, COALESCE(t.slug, '') FROM users u
		LEFT JOIN memberships m ON m.user_id = u.id
		LEFT JOIN tenants t ON t.id = m.tenant_id
		ORDER BY u.email, t.slug`)
	if err != nil {
		return nil, wrap("users", err)
	}
	var users []UserTenants
	for _, m := range memberships {
		if n := len(users); n > 0 && users[n-1].ID == m.ID {
			users[n-1].Tenants = append(users[n-1].Tenants, m.Tenants...)
		} else {
			users = append(users, m)
		}
	}
	return users, nil
}

// scanUserTenant reads a user with one of their tenants, or none.
func scanUserTenant(r scanner) (UserTenants, error) {
	var slug string
	u, err := scanUser(r, &slug)
	if slug == "" {
		return UserTenants{User: u}, err
	}
	return UserTenants{User: u, Tenants: []string{slug}}, err
}

// CreateUser stores a new user as a member of the tenant. An address that is
// taken gives ErrConflict.
func (d *People) CreateUser(ctx context.Context, u User, tenantID string) error {
	return wrap("create user", d.tx(ctx, func(tx *sql.Tx) error {
		return insertUser(ctx, tx, u, tenantID)
	}))
}

func insertUser(ctx context.Context, tx *sql.Tx, u User, tenantID string) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO users (id, email, password_hash, created_at, password_changed_at) VALUES ($1, $2, $3, $4, $5)`,
		u.ID, u.Email, u.PasswordHash, millis(u.CreatedAt), millis(u.PasswordChangedAt))
	if err != nil {
		return err
	}
	return insertMembership(ctx, tx, u.ID, tenantID, u.CreatedAt)
}

// ChangePassword stores the hash of a new password, ends all sessions of the
// user, and makes them unknown in all browsers. When old is not empty, it must still be the stored hash, or the answer
// is ErrLost. An unknown user gives ErrNotFound. If tell is set, a mail that says
// so is queued.
func (d *People) ChangePassword(ctx context.Context, userID, old, hash string, now time.Time, tell bool) (u User, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		u, err = scanUser(tx.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, userID))
		if err != nil {
			return err
		}
		if old != "" && old != u.PasswordHash {
			return fmt.Errorf("the password was changed meanwhile: %w", ErrLost)
		}
		u.PasswordHash = hash
		u.PasswordChangedAt = laterThan(u.PasswordChangedAt, now)
		if err := replacePassword(ctx, tx, u); err != nil || !tell {
			return err
		}
		return d.queueMail(ctx, tx, MailPasswordChanged, u.ID, "")
	})
	return u, wrap("change password", err)
}

// laterThan returns now, or when it isn't later than before, the next
// millisecond after before: so that no two changes have the same time.
func laterThan(before, now time.Time) time.Time {
	if !now.After(before) {
		now = before.Add(time.Millisecond)
	}
	return fromMillis(millis(now))
}

// replacePassword stores the user's new hash, and ends what the old password and
// the links to set another one had opened.
func replacePassword(ctx context.Context, tx *sql.Tx, u User) error {
	_, err := tx.ExecContext(ctx,
		`UPDATE users SET password_hash = $2, password_changed_at = $3 WHERE id = $1`,
		u.ID, u.PasswordHash, millis(u.PasswordChangedAt))
	if err != nil {
		return err
	}
	if _, err = tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = $1`, u.ID); err != nil {
		return err
	}
	if err := forgetDevices(ctx, tx, u.ID, ""); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM reset_links WHERE user_id = $1`, u.ID)
	return err
}

// RehashPassword replaces the hash of a password by another hash of the same
// password, unless it was changed meanwhile.
func (d *People) RehashPassword(ctx context.Context, userID, old, hash string) error {
	_, err := d.exec(ctx,
		`UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2`, userID, old, hash)
	return wrap("rehash password", err)
}
