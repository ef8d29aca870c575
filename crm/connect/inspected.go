package connect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"sync"
	"time"

	"gatepost/crm"
)

// findings are what was found while connecting, until the check-up that follows asks for
// it. The zero value has none.
type findings struct {
	mu  sync.Mutex
	all map[string]finding // by the hash of the access token
}

type finding struct {
	checks []crm.Check
	asked  crm.CRM
	at     time.Time
}

// findingLife is how long findings wait for their check-up.
const findingLife = time.Minute

func (f *findings) keep(token string, found finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]finding{}
	}
	maps.DeleteFunc(f.all, func(_ string, old finding) bool { return time.Since(old.at) > findingLife })
	f.all[hashed(token)] = found
}

func (f *findings) take(token string) (finding, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.all[hashed(token)]
	delete(f.all, hashed(token))
	return found, ok && time.Since(found.at) <= findingLife
}

// hashed keeps a token from lying about.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// inspected is a CRM whose first check-up may have been made already.
type inspected struct {
	crm.CRM
	from  source
	found *findings
	asked crm.CRM // while connecting, where CheckUp told of that
}

// Limits returns what was said of the org's limits, while connecting too.
func (c *inspected) Limits() []crm.LimitState {
	limits := c.CRM.Limits()
	if c.asked == nil {
		return limits
	}
	for i, before := range c.asked.Limits() {
		if !limits[i].Known {
			limits[i] = before
		}
	}
	return limits
}

// Calls returns how many API calls were made, while connecting too.
func (c *inspected) Calls() int {
	n := c.CRM.Calls()
	if c.asked != nil {
		n += c.asked.Calls()
	}
	return n
}

// CheckUp returns what was found while connecting, once, or asks the CRM.
func (c *inspected) CheckUp(ctx context.Context) ([]crm.Check, error) {
	is, err := c.from.credential(ctx, 0)
	if err != nil {
		return nil, err
	}
	if f, ok := c.found.take(is.AccessToken); ok {
		c.asked = f.asked
		return f.checks, nil
	}
	return c.CRM.CheckUp(ctx)
}
