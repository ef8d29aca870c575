package delivery

import (
	"context"
	"time"

	"gatepost/crm"
)

// spareFor is how long nothing is sent, when the share of the org's API calls that
// the tenant allows is used, until somebody is sent to look whether there are more.
const spareFor = 5 * time.Minute

// usageEvery is how often what a CRM says of its API calls is written down.
const usageEvery = 10 * time.Second

// spare reports whether nothing is to be sent now, since as many of the CRM's
// API calls are used as the tenant allows; then the tenant is paused.
func (t *turn) spare(ctx context.Context) (bool, error) {
	used, limit, known := t.crm.Usage()
	if !known {
		u, err := t.Store.Usage(ctx, t.lease.TenantID)
		if err != nil {
			return false, err
		}
		used, limit, known = u.Used, u.Allowed, time.Since(u.At) < spareFor
	}
	if !known || limit <= 0 || used*100 < limit*t.set.Share {
		return false, nil
	}
	return true, t.hold(ctx, &crm.Failure{Class: crm.Pause, Code: crm.Spared, Wait: spareFor}, t.pause.Batch)
}

// keepUsage writes down what the CRM said of its API calls, now and then.
func (t *turn) keepUsage(ctx context.Context) {
	used, limit, known := t.crm.Usage()
	if !known || !t.usageDue(t.lease.TenantID, used*100 >= limit*t.set.Share) {
		return
	}
	if err := t.Store.SaveUsage(context.WithoutCancel(ctx), t.lease.TenantID, used, limit); err != nil {
		t.Log.ErrorContext(ctx, "what the CRM said of its API calls can't be written down", "tenant", t.lease.TenantID, "error", err)
	}
}

// usageDue reports whether it is time to write down a tenant's usage.
func (d *Dispatcher) usageDue(tenantID string, pressing bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !pressing && time.Since(d.usageAt[tenantID]) < usageEvery {
		return false
	}
	d.usageAt[tenantID] = time.Now()
	return true
}
