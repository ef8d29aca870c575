// Package ratelimit bounds how often somebody may ask for something in a minute, and counts what
// comes in a time, over all processes on the same database. A request writes nothing by itself: each process counts
// in memory, and adds what it counted to what the others did once a second.
package ratelimit

import (
	"context"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"gatepost/db"
)

// window is the time that a limit on requests is for. It begins with the first request.
const window = time.Minute

// How often counts are shared: each once a second, and those of which half is used four
// times a second, so that no process lets many pass before it hears of the others'.
const (
	shareEvery    = time.Second
	pressingEvery = shareEvery / 4
)

// sweepEvery is how often counts whose window is over are forgotten.
const sweepEvery = 10 * time.Second

// Store adds up what processes count. *db.DB is one.
type Store interface {
	ShareCounts(ctx context.Context, now time.Time, counts []db.LimitCount) ([]db.LimitCount, error)
}

// MAC makes a keyed digest of parts: the same in all processes on a database, and in no other installation. Without a
// key whoever reads the database could find an address again by trying out all.
type MAC func(parts ...string) []byte

// Limits counts what is asked for. Its methods are safe for concurrent use.
type Limits struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	mac   MAC

	mu      sync.Mutex
	counts  map[string]*count // by the keyed digest of who asks for what
	changed map[string]*count // those with something to be shared
	swept   time.Time
}

// count is what is known of one who asks for something.
type count struct {
	ends     time.Time // the window
	most     int       // the limit
	own      int       // admitted by this process
	shared   int       // of those, what the others know of
	all      int       // admitted by all processes, when it was last shared
	sharedAt time.Time
}

// New returns Limits by the clock that all processes go by, and that keeps whom it counts as
// a digest of mac's. What it counts is shared while its Run runs.
func New(store Store, now func() time.Time, log *slog.Logger, mac MAC) *Limits {
	return &Limits{store: store, now: now, log: log, mac: mac, counts: map[string]*count{}, changed: map[string]*count{}}
}

// Take counts one more of what somebody asks for, or, when there were as many as may be,
// returns how long to wait. What is refused isn't counted.
func (l *Limits) Take(what, who string, most int) (wait time.Duration) {
	return l.take(what, who, most, window)
}

// Over counts one more of what somebody does within a window, and reports whether there were as
// many as may be already; then it isn't counted.
func (l *Limits) Over(what, who string, most int, window time.Duration) bool {
	return l.take(what, who, most, window) > 0
}

// Reached reports whether there were as many as may be, and counts nothing.
func (l *Limits) Reached(what, who string, most int) bool {
	key, now := l.keyOf(what, who), l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[key]
	return c != nil && !c.over(now) && c.used() >= most
}

func (l *Limits) keyOf(what, who string) string { return hex.EncodeToString(l.mac(what, who)) }

// take counts within a window that begins now, unless there is one already.
func (l *Limits) take(what, who string, most int, window time.Duration) (wait time.Duration) {
	key, now := l.keyOf(what, who), l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	c := l.counts[key]
	if c == nil || c.over(now) {
		c = &count{ends: now.Add(window), most: most}
		l.counts[key] = c
	}
	if c.used() >= most {
		return c.ends.Sub(now)
	}
	c.own++
	if c.own > 1 { // most ask once: then there is nothing to tell others
		l.changed[key] = c
	}
	return 0
}

func (c *count) over(now time.Time) bool { return !now.Before(c.ends) }

// used is how many all processes have admitted, as far as this one knows.
func (c *count) used() int { return c.all + c.own - c.shared }

// due reports whether a count is to be shared now.
func (c *count) due(now time.Time) bool {
	since := now.Sub(c.sharedAt)
	return since >= shareEvery || since >= pressingEvery && 2*c.used() >= c.most
}

// sweep forgets the windows that are over. The caller holds l.mu.
func (l *Limits) sweep(now time.Time) {
	if now.Sub(l.swept) < sweepEvery {
		return
	}
	l.swept = now
	for key, c := range l.counts {
		if c.over(now) {
			delete(l.counts, key)
		}
	}
}

// Run shares what is counted until the context ends.
func (l *Limits) Run(ctx context.Context) {
	tick := time.NewTicker(pressingEvery)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.Share(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "each process limits what it is asked for by itself: what the others count can't be read", "error", err)
		}
		failing = err != nil
	}
}

// Share tells the other processes what this one counted, as far as it is time to, and
// learns what they did. What can't be told now is told the next time.
func (l *Limits) Share(ctx context.Context) error {
	now := l.now()
	deltas, of := l.deltas(now)
	if len(deltas) == 0 {
		return nil
	}
	all, err := l.store.ShareCounts(ctx, now, deltas)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		for key, c := range of {
			l.changed[key] = c
		}
		return err
	}
	for _, d := range deltas {
		of[d.Key].shared += d.N
	}
	for _, a := range all {
		of[a.Key].all, of[a.Key].ends = a.N, a.Ends
	}
	return nil
}

// deltas are what was counted since it was last shared.
func (l *Limits) deltas(now time.Time) (deltas []db.LimitCount, of map[string]*count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of = map[string]*count{}
	for key, c := range l.changed {
		switch {
		case c.over(now):
			delete(l.changed, key)
		case c.due(now):
			delete(l.changed, key)
			c.sharedAt = now
			of[key] = c
			deltas = append(deltas, db.LimitCount{Key: key, Ends: c.ends, N: c.own - c.shared})
		}
	}
	return deltas, of
}
