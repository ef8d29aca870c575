package identity

import (
	"context"
	"errors"
	"sync"
	"time"

	"gatepost/db"

	"golang.org/x/sync/errgroup"
)

// expiryMargin is how long before its end an access token is not given out any
// more: time for the caller to use it.
const expiryMargin = time.Minute

// expires reports whether the access token runs out, as far as that is known.
func expires(i db.Identity, now time.Time) bool {
	return !i.ExpiresAt.IsZero() && !now.Before(i.ExpiresAt.Add(-expiryMargin))
}

// learnExpiry asks the service once, while nobody waits, when the access token
// that is stored now runs out. Without an answer the API's refusal will tell.
func (v *Vault) learnExpiry(ctx context.Context, s Service, tenantID string) {
	if s.IntrospectPath == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	v.running.Go(func() {
		if err := v.askExpiry(ctx, s, tenantID); err != nil {
			v.Log.WarnContext(ctx, "when an access token runs out is not known", "service", s.ID, "tenant", tenantID, "error", err)
		}
	})
}

func (v *Vault) askExpiry(ctx context.Context, s Service, tenantID string) error {
	i, err := v.Identity(ctx, s.ID, tenantID)
	if errors.Is(err, ErrNotConnected) {
		return nil
	}
	if err != nil {
		return err
	}
	token, err := v.openNow(ctx, i, v.openAccess)
	if errors.Is(err, db.ErrLost) {
		return nil // whoever stored the newer one asks
	}
	if err != nil {
		return err
	}
	end, err := v.client.expiry(ctx, s, i.LoginURL, token)
	if err != nil || end.IsZero() {
		return err
	}
	// A new token that is as good as over means that the clocks differ. Renewing
	// at each call because of it would help nobody.
	if end.Before(v.Now().Add(2 * expiryMargin)) {
		return errors.New("a new token is said to be over already: do the clocks differ?")
	}
	return v.Store.SetExpiry(ctx, i.ID, i.Generation, end)
}

// How connections are kept alive: so many are looked up, and so many renewed, at
// once.
const (
	keepAliveBatch    = 100
	keepAliveParallel = 4
)

// KeepAlive renews the connections that nobody has used for so long that the
// service may drop them. What fails stands in its row, as with any renewal; an
// error is a failure of the store.
func (v *Vault) KeepAlive(ctx context.Context) error {
	for {
		due, err := v.Store.KeepAliveDue(ctx, keepAliveBatch)
		if err != nil {
			return err
		}
		var g errgroup.Group
		g.SetLimit(keepAliveParallel)
		for _, k := range due {
			g.Go(func() error { return v.keepAlive(ctx, k) })
		}
		if err := g.Wait(); err != nil || len(due) < keepAliveBatch {
			return err
		}
	}
}

func (v *Vault) keepAlive(ctx context.Context, k db.IdentityKey) error {
	_, _, err := v.fresh(ctx, k.Service, k.TenantID, k.Generation)
	var broken *BrokenError
	var unavailable *UnavailableError
	if errors.As(err, &broken) || errors.As(err, &unavailable) || errors.Is(err, ErrNotConnected) {
		return nil
	}
	return err
}

// uses remembers when connections were used until it is written.
type uses struct {
	mu sync.Mutex
	at map[string]time.Time // by the identity's id, to the minute
}

// note remembers a use, unless the row tells of one in the same minute.
func (u *uses) note(i db.Identity, now time.Time) {
	minute := now.Truncate(time.Minute)
	if !i.UsedAt.Before(minute) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[string]time.Time{}
	}
	u.at[i.ID] = minute
}

// take returns what is remembered, and forgets it.
func (u *uses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at
	u.at = nil
	return at
}

// putBack remembers again what could not be written, unless there are later uses.
func (u *uses) putBack(at map[string]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, later := range u.at {
		at[id] = later
	}
	u.at = at
}

// Run writes down each minute, and when ctx ends, when connections were used.
func (v *Vault) Run(ctx context.Context) {
	for pause(ctx, time.Minute) == nil {
		v.recordUses(ctx)
	}
	v.recordUses(context.WithoutCancel(ctx))
}

func (v *Vault) recordUses(ctx context.Context) {
	at := v.uses.take()
	if len(at) == 0 {
		return
	}
	if err := v.Store.Used(ctx, at); err != nil {
		v.uses.putBack(at)
		v.Log.ErrorContext(ctx, "when connections were used can't be written", "connections", len(at), "error", err)
	}
}
