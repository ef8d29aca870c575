package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// checkUpTime is how long a check-up may take.
const checkUpTime = 30 * time.Second

// CheckUp asks a destination's CRM whether sign-ups can arrive, and keeps what was
// found. It fails with a *crm.Failure when nothing could be asked.
func (d *Dispatcher) CheckUp(ctx context.Context, to db.DestinationKey) error {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	c, err := d.Connect(ctx, to)
	if err != nil {
		return crm.Failed(err)
	}
	checks, err := c.CheckUp(ctx)
	if err != nil {
		return crm.Failed(err)
	}
	text, err := json.Marshal(checks)
	if err != nil {
		return fmt.Errorf("encode a check-up: %w", err)
	}
	if l := c.Limits()[0]; l.Known {
		if err := d.Store.SaveUsage(ctx, to, l.Used, l.Allowed, c.Calls()); err != nil {
			return err
		}
	}
	return d.Store.SaveCheckUp(ctx, to, c.Target().OrgID, string(text))
}

// CheckKey asks a destination's CRM whether a field can be the key of its records. It
// fails with a *crm.Failure, of class Recorded when it can't.
func (d *Dispatcher) CheckKey(ctx context.Context, to db.DestinationKey, field string) error {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	c, err := d.Connect(ctx, to)
	if err == nil {
		err = c.CheckKey(ctx, field)
	}
	if err != nil {
		return crm.Failed(err)
	}
	return nil
}

// CheckUpSoon makes a check-up that nobody waits for: right after connecting.
func (d *Dispatcher) CheckUpSoon(to db.DestinationKey) {
	d.checkUps.Go(func() {
		if err := d.CheckUp(context.Background(), to); err != nil {
			d.Log.Warn("a check-up was not possible", "tenant", to.TenantID, "destination", to.DestinationID, "error", err)
		}
	})
}
