package db

import (
	"context"
	"database/sql"
	"slices"
	"time"
)

// APIKey is what a program of the platform's may do over the HTTP API.
type APIKey struct {
	ID        string
	Name      string
	Services  []string // ids; none means all
	Tenants   []string // ids; none means all
	Actions   []string // see auth.Actions
	CreatedAt time.Time
	UsedAt    time.Time // to the minute; zero when never
	ExpiresAt time.Time // from then on it is refused; zero when it doesn't run out
	ReturnTo  []string  // addresses that authorizations may return to
}

// Expired reports whether the key has run out.
func (k APIKey) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

const apiKeyColumns = `id, name, services, tenants, actions, created_at, used_at, expires_at, return_to`

func scanAPIKey(s scanner) (k APIKey, err error) {
	var created, used, expires int64
	err = s.Scan(&k.ID, &k.Name, (*tagList)(&k.Services), (*tagList)(&k.Tenants), (*tagList)(&k.Actions), &created, &used, &expires, (*tagList)(&k.ReturnTo))
	k.CreatedAt, k.UsedAt, k.ExpiresAt = fromMillis(created), fromMillis(used), fromMillis(expires)
	return k, err
}

// AddAPIKey stores a key by the hash of its secret.
func (d *Keys) AddAPIKey(ctx context.Context, k APIKey, secretHash string) error {
	_, err := d.exec(ctx, `INSERT INTO api_keys (id, name, secret_hash, services, tenants, actions, created_at, expires_at, return_to)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, k.ID, k.Name, secretHash, tagList(k.Services), tagList(k.Tenants), tagList(k.Actions), millis(k.CreatedAt),
		millis(k.ExpiresAt), tagList(k.ReturnTo))
	return wrap("add api key", err)
}

// APIKeyBySecret returns the key whose secret has the given hash, or ErrNotFound.
func (d *Keys) APIKeyBySecret(ctx context.Context, secretHash string) (APIKey, error) {
	k, err := scanAPIKey(d.read.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE secret_hash = $1`, secretHash))
	return k, wrap("api key", err)
}

// APIKey returns the key with the given id, or ErrNotFound.
func (d *Keys) APIKey(ctx context.Context, id string) (APIKey, error) {
	k, err := scanAPIKey(d.read.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE id = $1`, id))
	return k, wrap("api key", err)
}

// SetAPIKey gives a key another name, expiry and return addresses. before is the key as it
// was read: when somebody changed or removed it since, nothing is changed, and ErrLost comes.
// The authorizations that would return to an address that is taken away end, as with the
// key, and no browser is sent there any more.
func (d *Keys) SetAPIKey(ctx context.Context, before, after APIKey) error {
	return wrap("set api key", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE api_keys SET name = $2, expires_at = $3, return_to = $4
			WHERE id = $1 AND name = $5 AND expires_at = $6 AND return_to = $7`,
			before.ID, after.Name, millis(after.ExpiresAt), tagList(after.ReturnTo), before.Name, millis(before.ExpiresAt), tagList(before.ReturnTo))
		if err := changed(res, err, ErrLost); err != nil {
			return err
		}
		for _, address := range before.ReturnTo {
			if slices.Contains(after.ReturnTo, address) {
				continue
			}
			if _, err := d.withdrawAuthorizations(ctx, tx, `api_key_id = $1 AND return_to = $2`, before.ID, address); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE authorizations SET return_to = '' WHERE api_key_id = $1 AND return_to = $2`, before.ID, address); err != nil {
				return err
			}
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeAPIKeys})
	}))
}

// APIKeys returns all keys, the oldest first.
func (d *Keys) APIKeys(ctx context.Context) ([]APIKey, error) {
	all, err := collect(ctx, d.read, scanAPIKey, `SELECT `+apiKeyColumns+` FROM api_keys ORDER BY id`)
	return all, wrap("api keys", err)
}

// UsedAPIKey records when a key was used.
func (d *Keys) UsedAPIKey(ctx context.Context, id string, at time.Time) error {
	_, err := d.exec(ctx, `UPDATE api_keys SET used_at = $2 WHERE id = $1 AND used_at < $2`, id, millis(at))
	return wrap("record use of an api key", err)
}

// DeleteAPIKey ends a key with the authorizations that it has under way, whose tokens
// become revocations; or it returns ErrNotFound.
func (d *Keys) DeleteAPIKey(ctx context.Context, id string) error {
	return wrap("delete api key", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE id = $1`, id)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		if _, err := d.withdrawAuthorizations(ctx, tx, `api_key_id = $1`, id); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeAPIKeys})
	}))
}
