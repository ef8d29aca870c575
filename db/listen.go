package db

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func (s *sqliteFile) notify(context.Context, *sql.Tx, []string) error { return nil }

func (s *sqliteFile) notifySoon([]string) {}

func (s *sqliteFile) listen(ctx context.Context, _ func(string)) { <-ctx.Done() }

// channel is on which processes tell each other what they have committed.
const channel = "gatepost"

const sendNotices = `pg_notify($1, t) FROM unnest(CAST($2 AS TEXT[])) AS n (t)`

// notify is for what is done now and then: transactions with notifications are committed
// one after the other, whoever commits them, each when the one before is on disk.
func (p *postgres) notify(ctx context.Context, tx *sql.Tx, texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT `+sendNotices, channel, texts)
	return err
}

// noticesEvery is how often notices are sent that are not those of a transaction: what
// comes in between is sent together.
const noticesEvery = 20 * time.Millisecond

// pendingNotices are to be sent soon.
type pendingNotices struct {
	mu      sync.Mutex
	texts   map[string]bool
	sending bool
}

// notifySoon keeps the transactions that store sign-ups from waiting for each other. It
// waits for no disk.
func (p *postgres) notifySoon(texts []string) {
	p.pending.mu.Lock()
	defer p.pending.mu.Unlock()
	if p.pending.texts == nil {
		p.pending.texts = map[string]bool{}
	}
	for _, text := range texts {
		p.pending.texts[text] = true
	}
	if !p.pending.sending && len(texts) > 0 {
		p.pending.sending = true
		go p.sendPending()
	}
}

// sendPending sends until nothing is left. What can't be sent is left out: the others find
// out when they look.
func (p *postgres) sendPending() {
	if texts := p.pending.take(); len(texts) > 0 {
		_, _ = p.write.Exec(`SELECT set_config('synchronous_commit', 'off', true), `+sendNotices, channel, texts)
		time.AfterFunc(noticesEvery, p.sendPending)
	}
}

func (n *pendingNotices) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	texts := slices.Sorted(maps.Keys(n.texts))
	clear(n.texts)
	n.sending = len(texts) > 0
	return texts
}

// How long it is until it is tried again to listen, at first and at most, and how often a
// connection on which nothing comes is asked whether it is still one.
const (
	firstRelisten = 100 * time.Millisecond
	lastRelisten  = 5 * time.Second
	quietFor      = 30 * time.Second
)

func (p *postgres) listen(ctx context.Context, heard func(string)) {
	for pause := firstRelisten; ctx.Err() == nil; pause = min(2*pause, lastRelisten) {
		if p.listenOnce(ctx, heard) {
			pause = firstRelisten
		}
		_ = sleep(ctx, pause)
	}
}

// listenOnce listens until the connection breaks. It reports whether there was one.
func (p *postgres) listenOnce(ctx context.Context, heard func(string)) (listened bool) {
	pooled, err := p.listening.Acquire(ctx)
	if err != nil {
		return false
	}
	conn := pooled.Hijack() // nobody else is to get one that listens
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return false
	}
	heard(string(NoticeAny)) // what was told before
	for {
		n, err := nextNotification(ctx, conn)
		if err != nil {
			return true
		}
		if n != nil {
			heard(n.Payload)
		}
	}
}

// nextNotification returns the next one, or nil when none has come for a while.
func nextNotification(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	quiet, cancel := context.WithTimeout(ctx, quietFor)
	defer cancel()
	n, err := conn.WaitForNotification(quiet)
	if err == nil || ctx.Err() != nil || !errors.Is(quiet.Err(), context.DeadlineExceeded) {
		return n, err
	}
	alive, cancel := context.WithTimeout(ctx, quietFor)
	defer cancel()
	return nil, conn.Ping(alive)
}
