package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gatepost/crm"
)

// checkUpTime is how long a check-up may take.
const checkUpTime = 30 * time.Second

// CheckUp asks the tenant's CRM whether sign-ups can arrive, and keeps what was
// found. It fails with a *crm.Failure when nothing could be asked.
func (d *Dispatcher) CheckUp(ctx context.Context, tenantID string) error {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	c, err := d.Connect(ctx, tenantID)
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
		if err := d.Store.SaveUsage(ctx, tenantID, l.Used, l.Allowed, c.Calls()); err != nil {
			return err
		}
	}
	return d.Store.SaveCheckUp(ctx, tenantID, c.Target().OrgID, string(text))
}

// CheckKey asks the tenant's CRM whether a field can be the key of its records. It
// fails with a *crm.Failure, of class Recorded when it can't.
func (d *Dispatcher) CheckKey(ctx context.Context, tenantID, field string) error {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	c, err := d.Connect(ctx, tenantID)
	if err == nil {
		err = c.CheckKey(ctx, field)
	}
	if err != nil {
		return crm.Failed(err)
	}
	return nil
}

// CheckUpSoon makes a check-up that nobody waits for: right after connecting.
func (d *Dispatcher) CheckUpSoon(tenantID string) {
	d.checkUps.Go(func() {
		if err := d.CheckUp(context.Background(), tenantID); err != nil {
			d.Log.Warn("a check-up was not possible", "tenant", tenantID, "error", err)
		}
	})
}
