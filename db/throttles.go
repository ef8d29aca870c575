package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// throttlesSwept is how many expired throttles each update of throttles clears away.
const throttlesSwept = 100

// Throttle slows down guessing. Key is a hash of what is slowed.
type Throttle struct {
	Key       string
	Failures  int64
	Until     time.Time // refused before
	ExpiresAt time.Time // counts for nothing after
}

// UpdateThrottles reads the unexpired throttles with the given keys and stores those
// that change returns, in one transaction: of two updates at once, by whichever
// processes, the second sees what the first stored.
func (d *DB) UpdateThrottles(ctx context.Context, now time.Time, keys []string, change func(map[string]Throttle) []Throttle) error {
	return wrap("update throttles", d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`DELETE FROM throttles WHERE key IN (SELECT key FROM throttles WHERE expires_at <= $1 LIMIT $2)`,
			millis(now), throttlesSwept)
		if err != nil {
			return err
		}
		found := make(map[string]Throttle)
		for _, key := range keys {
			if err := readThrottle(ctx, tx, now, key, found); err != nil {
				return err
			}
		}
		for _, b := range change(found) {
			if err := writeThrottle(ctx, tx, b); err != nil {
				return err
			}
		}
		return nil
	}))
}

func readThrottle(ctx context.Context, tx *sql.Tx, now time.Time, key string, into map[string]Throttle) error {
	b := Throttle{Key: key}
	var until, expires int64
	err := tx.QueryRowContext(ctx,
		`SELECT failures, until, expires_at FROM throttles WHERE key = $1 AND expires_at > $2`, key, millis(now)).
		Scan(&b.Failures, &until, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	b.Until, b.ExpiresAt = fromMillis(until), fromMillis(expires)
	into[key] = b
	return err
}

func writeThrottle(ctx context.Context, tx *sql.Tx, b Throttle) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO throttles (key, failures, until, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, until = excluded.until, expires_at = excluded.expires_at`,
		b.Key, b.Failures, millis(b.Until), millis(b.ExpiresAt))
	return err
}
