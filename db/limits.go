package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// LimitCount is how often somebody asked for something, in a window of time. Key is a
// hash of who and what.
type LimitCount struct {
	Key  string
	Ends time.Time // the window
	N    int
}

// ShareCounts adds what this process has counted to what the others have, and returns
// what all of them have counted by then, in the windows as they are: one that has ended
// makes room for the given one.
func (d *People) ShareCounts(ctx context.Context, now time.Time, counts []LimitCount) (all []LimitCount, err error) {
	s := newSet(text("key"), integer("ends_at"), integer("n"))
	for _, c := range counts {
		s.add(c.Key, millis(c.Ends), int64(c.N))
	}
	// In the order of their keys, so that no two processes wait for each other.
	slices.SortFunc(s.rows, func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) })
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // it adds to what is there, whatever that is
		all = nil
		for part := range s.parts() {
			with, args := part.with(d.engine, millis(now))
			shared, err := collect(ctx, tx, scanLimitCount, with+`INSERT INTO limit_counts (key, ends_at, n) SELECT key, ends_at, n FROM o WHERE true ORDER BY key
				ON CONFLICT (key) DO UPDATE SET ends_at = CASE WHEN limit_counts.ends_at > $1 THEN limit_counts.ends_at ELSE excluded.ends_at END,
					n = excluded.n + CASE WHEN limit_counts.ends_at > $1 THEN limit_counts.n ELSE 0 END
				RETURNING key, ends_at, n`, args...)
			if err != nil {
				return err
			}
			all = append(all, shared...)
		}
		return nil
	})
	return all, wrap("share counts", err)
}

func scanLimitCount(row scanner) (c LimitCount, err error) {
	var ends int64
	err = row.Scan(&c.Key, &ends, &c.N)
	c.Ends = fromMillis(ends)
	return c, err
}
