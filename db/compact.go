package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrNotAFile says that a database isn't a file of ours, which we could compact.
var ErrNotAFile = errors.New("the database is on a server, which has its own ways to give bytes back")

// compacter takes the bytes away that deleted rows stood in.
type compacter interface {
	space(ctx context.Context) (Space, error)
	// rewrite writes the database anew, without what was deleted. Nobody else can write meanwhile.
	rewrite(ctx context.Context) error
	// truncate empties the log beside it. It reports whether nobody was in the way.
	truncate(ctx context.Context) (done bool, err error)
}

// Space is what a database in a file takes.
type Space struct {
	Bytes  int64 // of the file
	Free   int64 // of these, in pages that hold nothing
	Needed int64 // on the disk, while it is rewritten
	Disk   int64 // free on the disk; -1 where that isn't known
}

// Takes is about how long rewriting keeps others from writing.
func (s Space) Takes() time.Duration {
	return time.Second + time.Duration(s.Bytes-s.Free)*time.Second/rewrittenInASecond
}

// rewrittenInASecond is how many bytes are rewritten in a second, by a slow disk: a fast one was
// measured at some 50 million.
const rewrittenInASecond = 20 << 20

// Worthwhile reports whether so much is free that the file is to be rewritten.
func (s Space) Worthwhile() bool { return s.Free > 0 && s.Free*10 >= s.Bytes }

// What is noted in compactions.
const (
	notedErased    = "erased"    // somebody was erased, expired or was undone, or something of theirs was deleted for its term
	notedTruncated = "truncated" // the log was emptied
	notedCompacted = "compacted" // the file was rewritten
)

// Space returns what the database's file takes. ErrNotAFile: it isn't one.
func (d *Privacy) Space(ctx context.Context) (Space, error) {
	c := d.engine.compacter()
	if c == nil {
		return Space{}, ErrNotAFile
	}
	s, err := c.space(ctx)
	return s, wrap("see how large the file is", err)
}

// Compact rewrites the database's file without what was deleted, and empties the log beside
// it. For about as long as Space.Takes says, nobody else can write. It reports whether the log is
// empty: while somebody reads, it isn't, and TruncateLog does it later. An error says that there is no room on the
// disk, or ErrNotAFile.
func (d *Privacy) Compact(ctx context.Context) (emptied bool, err error) {
	s, err := d.Space(ctx)
	if err != nil {
		return false, err
	}
	if s.Disk >= 0 && s.Disk < s.Needed {
		return false, fmt.Errorf("there is no room to rewrite the file: that takes %d MB for a while, and %d MB are free on its disk. Nothing was changed", s.Needed>>20, s.Disk>>20)
	}
	at := d.now()
	if err := d.engine.compacter().rewrite(ctx); err != nil {
		return false, fmt.Errorf("rewrite the file: %w", d.engine.plainly(err))
	}
	if err := d.noteCompaction(ctx, notedCompacted, at); err != nil {
		return false, err
	}
	return d.truncate(ctx)
}

// TruncateLog empties the log beside the database's file, where the bytes of somebody may stand whose rows
// were deleted. It reports whether there was something to do; where somebody read meanwhile, there
// still is.
func (d *Privacy) TruncateLog(ctx context.Context) (due bool, err error) {
	if d.engine.compacter() == nil {
		return false, nil
	}
	erased, truncated, err := d.lastErased(ctx)
	if err != nil || erased <= truncated {
		return false, wrap("see whether somebody was erased", err)
	}
	_, err = d.truncate(ctx)
	return true, err
}

// CompactedAt is when the database's file was last rewritten; zero when it never was.
func (d *Privacy) CompactedAt(ctx context.Context) (time.Time, error) {
	var at int64
	err := d.read.QueryRowContext(ctx, `SELECT COALESCE((SELECT at FROM compactions WHERE kind = $1), 0)`, notedCompacted).Scan(&at)
	return fromMillis(at), wrap("see when it was compacted", err)
}

// lastErased is when somebody was last erased, and when the log was last emptied.
func (d *Privacy) lastErased(ctx context.Context) (erased, truncated int64, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT COALESCE((SELECT at FROM compactions WHERE kind = $1), 0), COALESCE((SELECT at FROM compactions WHERE kind = $2), 0)`,
		notedErased, notedTruncated).Scan(&erased, &truncated)
	return erased, truncated, err
}

// truncate empties the log, and notes it where it is empty. What was erased since it began isn't
// counted as gone.
func (d *Privacy) truncate(ctx context.Context) (done bool, err error) {
	at := d.now().Add(-time.Millisecond)
	if done, err = d.engine.compacter().truncate(ctx); err != nil || !done {
		return false, wrap("empty the log", err)
	}
	return true, d.noteCompaction(ctx, notedTruncated, at)
}

func (d *Privacy) noteCompaction(ctx context.Context, kind string, at time.Time) error {
	return wrap("note a compaction", d.txCommitted(ctx, func(tx *sql.Tx) error { return noteCompaction(ctx, tx, kind, millis(at)) }))
}

// noteCompaction notes when something was last done.
func noteCompaction(ctx context.Context, tx *sql.Tx, kind string, at int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO compactions (kind, at) VALUES ($1, $2) ON CONFLICT (kind) DO UPDATE SET at = excluded.at WHERE compactions.at < excluded.at`, kind, at)
	return err
}

func (s *sqliteFile) compacter() compacter { return s }

func (s *sqliteFile) space(ctx context.Context) (space Space, err error) {
	var size, pages, unused int64
	if err := s.read.QueryRowContext(ctx, `SELECT (SELECT page_size FROM pragma_page_size), (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count)`).
		Scan(&size, &pages, &unused); err != nil {
		return space, err
	}
	space = Space{Bytes: size * pages, Free: size * unused, Disk: -1}
	space.Needed = 2*(space.Bytes-space.Free) + space.Bytes/10            // the new one, and the log that it travels in
	for _, folder := range []string{filepath.Dir(s.path), os.TempDir()} { // the new one is made in the second
		free, known, err := freeBytes(folder)
		if s.free != nil {
			free, known, err = s.free(), true, nil
		}
		if err != nil {
			return space, err
		}
		if known && (space.Disk < 0 || free < space.Disk) {
			space.Disk = free
		}
	}
	return space, nil
}

// rewrite has the index of the search merged first: what was deleted from it before it was told to
// forget at once is in it until then.
func (s *sqliteFile) rewrite(ctx context.Context) error {
	if _, err := s.write.ExecContext(ctx, `INSERT INTO search_index (search_index) VALUES ('optimize')`); err != nil {
		return err
	}
	_, err := s.write.ExecContext(ctx, `VACUUM`)
	return err
}

// truncateTries is how often the log is tried to be emptied: it can't while somebody reads what is
// older than the last write, which is over within moments.
const truncateTries = 20

func (s *sqliteFile) truncate(ctx context.Context) (done bool, err error) {
	for range truncateTries {
		if done, err = s.truncateOnce(ctx); done || err != nil {
			return done, err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return false, err
		}
	}
	return false, nil
}

// truncateOnce waits for readers only a little, since nobody can write meanwhile.
func (s *sqliteFile) truncateOnce(ctx context.Context) (done bool, err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	wait := func(d time.Duration) error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()))
		return err
	}
	if err := wait(littlePatient); err != nil {
		return false, err
	}
	var busy, logged, moved int
	err = conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &logged, &moved)
	return err == nil && busy == 0, errors.Join(err, wait(patience))
}
