package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// DeviceMisses returns how many wrong passwords of the user came from the
// browser whose device cookie has the given hash, since they last logged in
// there. ErrNotFound: they never did, or too long ago.
func (d *People) DeviceMisses(ctx context.Context, userID, hash string, now time.Time) (misses int64, err error) {
	err = d.read.QueryRowContext(ctx,
		`SELECT misses FROM devices WHERE secret_hash = $1 AND user_id = $2 AND expires_at > $3`, hash, userID, millis(now)).Scan(&misses)
	return misses, wrap("device", err)
}

// CountDeviceMiss counts a wrong password of the user in that browser, unless
// there were most of them already, and reports whether it did.
func (d *People) CountDeviceMiss(ctx context.Context, userID, hash string, most int64, now time.Time) (counted bool, err error) {
	res, err := d.exec(ctx,
		`UPDATE devices SET misses = misses + 1 WHERE secret_hash = $1 AND user_id = $2 AND expires_at > $3 AND misses < $4`,
		hash, userID, millis(now), most)
	if err != nil {
		return false, wrap("count a miss", err)
	}
	n, err := res.RowsAffected()
	return n == 1, wrap("count a miss", err)
}

// TrustDevice remembers the user in a browser until expires. It goes on under the
// hash that the browser has, when that is known for any user, so that one browser
// can be known for several; else under fresh. It returns which. When the user is
// gone, or has another password than when u was read, it gives ErrLost.
func (d *People) TrustDevice(ctx context.Context, u User, hash, fresh string, now, expires time.Time) (under string, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		under = hash
		err := tx.QueryRowContext(ctx, `SELECT secret_hash FROM devices WHERE secret_hash = $1 AND expires_at > $2 LIMIT 1`, hash, millis(now)).Scan(&under)
		if errors.Is(err, sql.ErrNoRows) {
			under, err = fresh, nil
		}
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx,
			`INSERT INTO devices (secret_hash, user_id, misses, expires_at)
			SELECT $1, id, 0, $2 FROM users WHERE id = $3 AND password_changed_at = $4
			ON CONFLICT (secret_hash, user_id) DO UPDATE SET misses = 0, expires_at = excluded.expires_at`,
			under, millis(expires), u.ID, millis(u.PasswordChangedAt))
		return changed(res, err, fmt.Errorf("the password was changed meanwhile: %w", ErrLost))
	})
	return under, wrap("trust a device", err)
}

// forgetDevices makes the user unknown in all browsers but the one whose device
// cookie has the hash keep.
func forgetDevices(ctx context.Context, tx *sql.Tx, userID, keep string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM devices WHERE user_id = $1 AND secret_hash <> $2`, userID, keep)
	return err
}
