package mockzoho

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"gatepost/simulated"
)

// edition is what an edition of Zoho CRM allows.
type edition struct {
	base, perUser, most int // credits; most 0: no cap
	concurrency         int
}

var editions = map[string]edition{
	"free":         {5_000, 0, 5_000, 5},
	"standard":     {50_000, 250, 100_000, 10},
	"professional": {50_000, 500, 3_000_000, 15},
	"enterprise":   {50_000, 1_000, 5_000_000, 20},
	"ultimate":     {50_000, 2_000, 0, 25},
}

func editionNames() []string { return slices.Sorted(maps.Keys(editions)) }

// credits are how many an org has in 24 hours.
func (v *settings) credits() int {
	if v.Credits > 0 {
		return v.Credits
	}
	e := editions[v.Edition]
	n := e.base + e.perUser*v.Licences
	if e.most > 0 {
		n = min(n, e.most)
	}
	return n
}

// concurrency is how many calls of an app an org answers at once.
func (v *settings) concurrency() int {
	if v.Concurrency > 0 {
		return v.Concurrency
	}
	return editions[v.Edition].concurrency
}

// running counts the calls that are under way, of an app to an org.
type running struct {
	mu sync.Mutex
	n  map[string]int
}

// enter counts a call, unless there are enough. The caller calls leave when it is done.
func (r *running) enter(key string, limit int) (leave func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n[key] >= limit {
		return nil, false
	}
	if r.n == nil {
		r.n = map[string]int{}
	}
	r.n[key]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.n[key]--; r.n[key] == 0 {
			delete(r.n, key)
		}
	}, true
}

// enter lets a call in when not too many are under way, and not too many heavy ones.
func (c *call) enter(heavy bool) (leave func(), err error) {
	key := c.who.org.ID + " " + c.who.client
	one, ok := c.s.running.enter(key, c.set.concurrency())
	if !ok {
		return nil, c.tooMany()
	}
	if !heavy {
		return one, nil
	}
	heavyOne, ok := c.s.running.enter(key+" heavy", c.set.HeavyConcurrency)
	if !ok {
		one()
		return nil, c.tooMany()
	}
	return func() { heavyOne(); one() }, nil
}

func (c *call) tooMany() error {
	if c.set.RetryAfter > 0 {
		c.header.Set("Retry-After", strconv.Itoa(c.set.RetryAfter))
	}
	return fail(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "too many requests. please try again after some time", nil)
}

const day = int64(24 * time.Hour / time.Millisecond)

// spend takes credits for a call. Those of the last 24 hours count, by the minute.
func (c *call) spend(ctx context.Context, kind string, cost int) error {
	limit, now := c.set.credits(), c.s.core.Now()
	minute := now / time.Minute.Milliseconds()
	used, refused := c.set.OtherCredits, false
	err := c.s.core.Tx(ctx, func(q simulated.Querier) error {
		if err := simulated.CountCall(ctx, q, kind); err != nil {
			return err
		}
		var mine int
		if err := q.QueryRowContext(ctx, `SELECT COALESCE(SUM(credits), 0) FROM credits WHERE org = $1 AND minute > $2`,
			c.who.org.ID, (now-day)/time.Minute.Milliseconds()).Scan(&mine); err != nil {
			return err
		}
		used += mine
		if refused = used+cost > limit; refused {
			return nil
		}
		used += cost
		_, err := q.ExecContext(ctx, `INSERT INTO credits (org, minute, credits, calls) VALUES ($1, $2, $3, 1)
			ON CONFLICT (org, minute) DO UPDATE SET credits = credits + excluded.credits, calls = calls + 1`, c.who.org.ID, minute, cost)
		return err
	})
	if err != nil {
		return err
	}
	if 2*used >= limit {
		c.header.Set("X-API-CREDITS-REMAINING", strconv.Itoa(max(0, limit-used)))
	}
	if refused {
		return c.tooMany()
	}
	return nil
}
