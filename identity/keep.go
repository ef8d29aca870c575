package identity

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gatepost/identity/stored"
	"gatepost/seal"

	"golang.org/x/sync/errgroup"
)

// expiryMargin is how long before its end an access token is not given out any
// more: time for the caller to use it. One that lives shortly is until the last quarter
// of its life.
const expiryMargin = time.Minute

// runsOut reports whether the access token is to be renewed, as far as its end
// is known; over whether it has ended.
func runsOut(i Identity, now time.Time) bool {
	return over(i, now.Add(expiryMargin)) && over(i, now.Add(min(lifetime(i)/4, expiryMargin)))
}

// lifetime is how long the access token lives: as the service said it with the token, or
// else from when that was got.
func lifetime(i Identity) time.Duration {
	if life := kept(i.Native).lifetime(); life > 0 {
		return life
	}
	got := i.ConnectedAt
	if i.RefreshedAt.After(got) {
		got = i.RefreshedAt
	}
	return max(0, i.ExpiresAt.Sub(got))
}

func over(i Identity, now time.Time) bool {
	return !i.ExpiresAt.IsZero() && !now.Before(i.ExpiresAt)
}

// learnExpiry asks the service once, while nobody waits, when the access token
// that is stored now runs out. Without an answer the API's refusal will tell.
func (v *Vault) learnExpiry(ctx context.Context, id string) {
	ctx = context.WithoutCancel(ctx)
	v.running.Go(func() {
		if err := v.askExpiry(ctx, id); err != nil {
			v.Log.WarnContext(ctx, "when an access token runs out is not known", "identity", id, "error", err)
		}
	})
}

func (v *Vault) askExpiry(ctx context.Context, id string) error {
	i, err := v.byID(ctx, id)
	if errors.Is(err, ErrNotConnected) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := v.app(ctx, i.Service, i.TenantID, i.OwnApp)
	if err != nil || s.IntrospectURL == "" || !s.made(i.Grant) || !i.ExpiresAt.IsZero() || !s.ownURL(i.LoginURL) {
		return err
	}
	token, err := v.openNow(ctx, i, v.openAccess)
	if errors.Is(err, stored.ErrLost) {
		return nil // whoever stored the newer one asks
	}
	if err != nil {
		return err
	}
	asked := v.Now()
	in, err := v.client.askAbout(ctx, s, i.LoginURL, token, "access_token")
	if err != nil {
		return err
	}
	end, err := in.ends(asked)
	if err != nil || end.IsZero() {
		return err
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
// error is a failure of the store, or says why some can't be renewed at all.
func (v *Vault) KeepAlive(ctx context.Context) error {
	return v.renewAll(ctx, v.Store.KeepAliveDue)
}

// renewAll renews what due finds, until it finds nothing more. Those that can't be
// renewed, as without an app, stay due: each is tried once, and keeps no other back.
func (v *Vault) renewAll(ctx context.Context, due func(ctx context.Context, limit int) ([]IdentityKey, error)) error {
	var mu sync.Mutex
	var cause error
	stuck := map[string]bool{}
	for {
		limit := keepAliveBatch + len(stuck)
		keys, err := due(ctx, limit)
		if err != nil {
			return err
		}
		last := len(keys) < limit
		keys = slices.DeleteFunc(keys, func(k IdentityKey) bool { return stuck[k.ID] })
		var g errgroup.Group
		g.SetLimit(keepAliveParallel)
		for _, k := range keys {
			g.Go(func() error {
				err := v.renewUnused(ctx, k)
				if !hopeless(err) {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				stuck[k.ID], cause = true, err
				return nil
			})
		}
		if err := g.Wait(); err != nil || last {
			return cmp.Or(err, cause)
		}
	}
}

// hopeless reports whether an error says that a connection can't be renewed,
// whatever its row says, until somebody mends its service or app.
func hopeless(err error) bool {
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) && unavailable.Code == CodeOtherApp {
		return true // in this process
	}
	return errors.Is(err, ErrNoService) || errors.Is(err, ErrNoApp) || errors.Is(err, ErrNoOwnApp) || errors.Is(err, seal.ErrSealed)
}

func (v *Vault) renewUnused(ctx context.Context, k IdentityKey) error {
	_, _, err := v.fresh(ctx, func(ctx context.Context) (Identity, error) { return v.byID(ctx, k.ID) }, demand{past: k.Generation, patient: true})
	var broken *BrokenError
	var unavailable *UnavailableError
	if errors.As(err, &broken) || errors.As(err, &unavailable) && unavailable.Code != CodeOtherApp || errors.Is(err, ErrNotConnected) {
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
func (u *uses) note(i Identity, now time.Time) {
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
