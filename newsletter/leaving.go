package newsletter

import (
	"context"
	"slices"

	"gatepost/db"
)

// Leaver is whom an unsubscribe address is of, and what they leave by it.
type Leaver struct {
	db.Subscriber
	Newsletter db.Newsletter
}

// onList are the states of those who can be told something by their unsubscribe address: they may
// leave, or have left.
var onList = []db.State{db.Active, db.Unconfirmed, db.OnHold, db.Left}

// Leaver returns whose the token of an unsubscribe address is. It returns ErrToken for one that we
// didn't make, and db.ErrNotFound for who isn't on the list any more.
func (s *Service) Leaver(ctx context.Context, token string) (l Leaver, err error) {
	tenantID, subscriberID, err := s.ReadUnsubscribeToken(token)
	if err != nil {
		return l, err
	}
	if l.Subscriber, err = s.store.Subscriber(ctx, tenantID, subscriberID); err != nil {
		return l, err
	}
	if !slices.Contains(onList, l.Status) {
		return l, db.ErrNotFound
	}
	l.Newsletter, err = s.store.NewsletterOf(ctx, tenantID, l.NewsletterID)
	return l, err
}

// Leave says that somebody doesn't want their newsletter any more, or none of the tenant's. Who has
// left already has.
func (s *Service) Leave(ctx context.Context, l Leaver, how db.Leaving, all bool) error {
	how.At = s.now()
	var err error
	if all {
		_, err = s.store.LeaveAll(ctx, l.TenantID, l.EmailKey, how)
	} else {
		_, err = s.store.LeaveOne(ctx, l.TenantID, l.ID, how)
	}
	if err == nil {
		s.wake(l.TenantID)
	}
	return err
}
