package simulated

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Now is the service's time in milliseconds since 1970: the machine's, and what tests
// moved it forward.
func (c *Core) Now() int64 { return time.Now().UnixMilli() + c.ahead.Load() }

func (c *Core) loadClock(ctx context.Context) error {
	var text string
	err := c.Write.QueryRowContext(ctx, `SELECT value FROM kv WHERE name = 'clock'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	c.ahead.Store(ms)
	return err
}

// moveClock handles POST /_control/clock. Time never goes back: what expired would live again.
func (c *Core) moveClock(r *http.Request) (any, error) {
	var in struct {
		AdvanceMS int64 `json:"advance_ms"`
	}
	if err := Input(r, &in); err != nil {
		return nil, err
	}
	if in.AdvanceMS < 0 {
		return nil, BadControl("advance_ms must not be negative")
	}
	c.Changing.Lock()
	defer c.Changing.Unlock()
	ahead := c.ahead.Load() + in.AdvanceMS
	_, err := c.Write.ExecContext(r.Context(), `INSERT INTO kv (name, value) VALUES ('clock', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, strconv.FormatInt(ahead, 10))
	if err != nil {
		return nil, err
	}
	c.ahead.Store(ahead)
	return map[string]string{"now": time.UnixMilli(c.Now()).UTC().Format(time.RFC3339Nano)}, nil
}
