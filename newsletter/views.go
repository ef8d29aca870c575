package newsletter

import (
	"context"
	"sync"
	"time"

	"gatepost/db"
)

// addViewsEvery is how often the views of forms that were counted in memory are stored. A process that
// crashes takes along what it counted since.
const addViewsEvery = time.Minute

// viewKey is what views are counted by.
type viewKey struct {
	tenantID, newsletterID string
	hour                   int64 // of UTC, in seconds
	kind                   db.ViewKind
}

// views counts how often forms were looked at since it was last stored. Its zero value is ready.
type views struct {
	mu sync.Mutex
	n  map[viewKey]int
}

func (v *views) add(k viewKey, n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n == nil {
		v.n = map[viewKey]int{}
	}
	v.n[k] += n
}

// take returns what was counted, and begins anew.
func (v *views) take() map[viewKey]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	taken := v.n
	v.n = nil
	return taken
}

// Viewed counts that somebody looked at a newsletter's form. Nothing is known of them.
func (s *Service) Viewed(n db.Newsletter, kind db.ViewKind) {
	s.views.add(viewKey{n.TenantID, n.ID, s.now().Truncate(time.Hour).Unix(), kind}, 1)
}

// CountViews stores once a minute how often forms were looked at, and what the checks of sign-ups
// did, until ctx ends, and then the rest.
func (s *Service) CountViews(ctx context.Context) {
	tick := time.NewTicker(addViewsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.addViews(rest)
			s.addFindings(rest)
			return
		case <-tick.C:
			s.addViews(ctx)
			s.addFindings(ctx)
		}
	}
}

// addViews stores what was counted. What can't be stored now is counted on.
func (s *Service) addViews(ctx context.Context) {
	taken := s.views.take()
	if len(taken) == 0 {
		return
	}
	var counts []db.ViewCount
	for k, n := range taken {
		counts = append(counts, db.ViewCount{TenantID: k.tenantID, NewsletterID: k.newsletterID, Hour: time.Unix(k.hour, 0), Kind: k.kind, N: n})
	}
	if err := s.store.AddViews(ctx, counts); err != nil {
		s.log.ErrorContext(ctx, "adding up the views of forms failed", "error", err)
		for k, n := range taken {
			s.views.add(k, n)
		}
	}
}

// numbersFor is how long back a newsletter's numbers go.
const numbersFor = 30 * 24 * time.Hour

// Numbers returns the tenant's newsletters by name, and by their ids what happened at their forms in the last
// 30 days.
func (s *Service) Numbers(ctx context.Context, tenantID string) ([]db.Newsletter, map[string]db.NewsletterNumbers, error) {
	return s.store.NewsletterNumbers(ctx, tenantID, s.now().Add(-numbersFor))
}

// How much is told of a newsletter: among how many of the tenant's latest subscribers its own are looked for,
// to tell where they came from, and of how many versions of its form.
const (
	sourcesOf  = 5000
	versionsOf = 50
)

// Details returns what happened at a newsletter's form in the last 30 days, where its latest readers came from,
// and the latest versions of its form.
func (s *Service) Details(ctx context.Context, n db.Newsletter) (db.NewsletterDetails, error) {
	return s.store.NewsletterDetails(ctx, n.TenantID, n.ID, s.now().Add(-numbersFor), sourcesOf, versionsOf)
}
