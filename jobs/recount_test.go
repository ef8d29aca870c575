package jobs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

func TestRecounts(t *testing.T) {
	d, s, g, ctx := world(t, 0)
	run(t, d, s)
	for ; ; rest(ctx, glance) {
		o, err := d.Overview(ctx, g.TenantID, "", "")
		if err != nil {
			t.Fatal("nothing is recounted: ", err)
		}
		if !o.Recount.At.IsZero() {
			return
		}
	}
}

// counted are the recounts of tenants of which some fail or don't agree.
type counted struct {
	due    []string
	dueErr error
	stop   context.CancelFunc
	asked  []string
}

// DueRecounts are all.
func (c *counted) DueRecounts(_ context.Context, before time.Time) ([]string, error) {
	if age := time.Since(before); age < recountEvery || age > recountEvery+time.Minute {
		return nil, errors.New("asked for another time")
	}
	return c.due, c.dueErr
}

// CheckCounts does what the tenant's id says.
func (c *counted) CheckCounts(ctx context.Context, tenantID string) (db.Recount, error) {
	c.asked = append(c.asked, tenantID)
	switch tenantID {
	case "fails":
		return db.Recount{}, errors.New("disk")
	case "wrong":
		return db.Recount{Wrong: 1}, nil
	case "stops":
		c.stop()
		return db.Recount{}, ctx.Err()
	}
	return db.Recount{}, nil
}

// One tenant that can't be counted, or whose numbers don't agree, keeps no other
// from being counted.
func TestARecountGoesOnAfterAFailure(t *testing.T) {
	var log strings.Builder
	ctx, stop := context.WithCancel(t.Context())
	c := &counted{due: []string{"fails", "wrong", "fine", "stops", "left"}, stop: stop}
	w := &recountWorker{store: c, log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := w.Work(ctx, nil); err != nil || !slices.Equal(c.asked, c.due[:4]) {
		t.Errorf("%v, counted %q", err, c.asked)
	}
	for _, line := range []string{`"a recount failed" tenant=fails error=disk`, `"a recount doesn't agree with what is kept" tenant=wrong`} {
		if strings.Count(log.String(), line) != 1 {
			t.Errorf("%s is not in the log:\n%s", line, &log)
		}
	}
	if strings.Count(log.String(), "\n") != 2 {
		t.Errorf("the log says more: %s", &log)
	}
	c.dueErr = errors.New("disk")
	if err := w.Work(t.Context(), nil); !errors.Is(err, c.dueErr) {
		t.Errorf("got %v", err)
	}
}
