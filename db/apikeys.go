package db

import (
	"context"
	"database/sql"
	"time"
)

// APIKey is what a program of the platform's may do over the HTTP API.
type APIKey struct {
	ID        string
	Name      string
	Services  []string // ids; none means all
	Tenants   []string // ids; none means all
	Actions   []string // see auth.Read and auth.Delete
	CreatedAt time.Time
	UsedAt    time.Time // to the minute; zero when never
	ReturnTo  []string  // addresses that authorizations may return to
}

const apiKeyColumns = `id, name, services, tenants, actions, created_at, used_at`

func scanAPIKey(s scanner) (k APIKey, err error) {
	var created, used int64
	err = s.Scan(&k.ID, &k.Name, (*tagList)(&k.Services), (*tagList)(&k.Tenants), (*tagList)(&k.Actions), &created, &used)
	k.CreatedAt, k.UsedAt = fromMillis(created), fromMillis(used)
	return k, err
}

// AddAPIKey stores a key by the hash of its secret.
func (d *Keys) AddAPIKey(ctx context.Context, k APIKey, secretHash string) error {
	_, err := d.exec(ctx, `INSERT INTO api_keys (id, name, secret_hash, services, tenants, actions, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, k.ID, k.Name, secretHash, tagList(k.Services), tagList(k.Tenants), tagList(k.Actions), millis(k.CreatedAt))
	return wrap("add api key", err)
}

// APIKeyBySecret returns the key whose secret has the given hash, or ErrNotFound.
func (d *Keys) APIKeyBySecret(ctx context.Context, secretHash string) (APIKey, error) {
	k, err := scanAPIKey(d.read.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE secret_hash = $1`, secretHash))
	return k, wrap("api key", err)
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
