package db

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
)

// SealingKey returns the id of the key that seals, 0 while none was ever used.
func (d *DB) SealingKey(ctx context.Context) (uint32, error) {
	var value string
	err := d.read.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = 'sealing_key'`).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, wrap("sealing key", err)
	}
	id, err := strconv.ParseUint(value, 10, 32)
	return uint32(id), wrap("sealing key", err)
}

// ClaimSealingKey makes id the key that seals if there is none yet, and returns
// the one that does.
func (d *DB) ClaimSealingKey(ctx context.Context, id uint32) (uint32, error) {
	_, err := d.write.ExecContext(ctx,
		`INSERT INTO settings (name, value) VALUES ('sealing_key', $1) ON CONFLICT (name) DO NOTHING`,
		strconv.FormatUint(uint64(id), 10))
	if err != nil {
		return 0, wrap("claim sealing key", err)
	}
	return d.SealingKey(ctx)
}
