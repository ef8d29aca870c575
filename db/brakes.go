package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// brakesSwept is how many expired brakes each update of brakes clears away.
const brakesSwept = 100

// Brake slows down guessing. Key is a hash of what is slowed.
type Brake struct {
	Key       string
	Failures  int64
	Until     time.Time // refused before
	ExpiresAt time.Time // counts for nothing after
}

// UpdateBrakes reads the unexpired brakes with the given keys and stores those
// that change returns, in one transaction: of two updates at once, by whichever
// processes, the second sees what the first stored.
func (d *DB) UpdateBrakes(ctx context.Context, now time.Time, keys []string, change func(map[string]Brake) []Brake) error {
	return wrap("update brakes", d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`DELETE FROM brakes WHERE key IN (SELECT key FROM brakes WHERE expires_at <= $1 LIMIT $2)`,
			millis(now), brakesSwept)
		if err != nil {
			return err
		}
		found := make(map[string]Brake)
		for _, key := range keys {
			if err := readBrake(ctx, tx, now, key, found); err != nil {
				return err
			}
		}
		for _, b := range change(found) {
			if err := writeBrake(ctx, tx, b); err != nil {
				return err
			}
		}
		return nil
	}))
}

func readBrake(ctx context.Context, tx *sql.Tx, now time.Time, key string, into map[string]Brake) error {
	b := Brake{Key: key}
	var until, expires int64
	err := tx.QueryRowContext(ctx,
		`SELECT failures, until, expires_at FROM brakes WHERE key = $1 AND expires_at > $2`, key, millis(now)).
		Scan(&b.Failures, &until, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	b.Until, b.ExpiresAt = fromMillis(until), fromMillis(expires)
	into[key] = b
	return err
}

func writeBrake(ctx context.Context, tx *sql.Tx, b Brake) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO brakes (key, failures, until, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, until = excluded.until, expires_at = excluded.expires_at`,
		b.Key, b.Failures, millis(b.Until), millis(b.ExpiresAt))
	return err
}
