package newsletter

import (
	"context"
	"errors"

	"gatepost/db"
)

// Leaver is whom an unsubscribe address is of, and what they leave by it.
type Leaver struct {
	db.Subscriber
	Newsletter db.Newsletter
}

// Leaver returns whose the token of an unsubscribe address is. It returns ErrToken for one that we
// didn't make, and db.ErrNotFound for who isn't there any more.
func (s *Service) Leaver(ctx context.Context, token string) (l Leaver, err error) {
	tenantID, subscriberID, err := s.ReadUnsubscribeToken(token)
	if err != nil {
		return l, err
	}
	if l.Subscriber, err = s.store.Subscriber(ctx, tenantID, subscriberID); err != nil {
		return l, err
	}
	l.Newsletter, err = s.store.NewsletterOf(ctx, tenantID, l.NewsletterID)
	return l, err
}

// Leave says that somebody doesn't want their newsletter any more, or none of the tenant's. Who has
// left already has.
func (s *Service) Leave(ctx context.Context, l Leaver, how db.Leaving, all bool) error {
	left := []db.Newsletter{l.Newsletter}
	if all {
		var err error
		if left, err = s.store.Newsletters(ctx, l.TenantID); err != nil {
			return err
		}
	}
	for _, n := range left {
		there, err := s.store.SubscriberAt(ctx, l.TenantID, n.ID, l.EmailKey)
		if errors.Is(err, db.ErrNotFound) {
			continue
		}
		if err == nil {
			_, err = s.store.Leave(ctx, l.TenantID, there.ID, "", how.Why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
