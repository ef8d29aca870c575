package newsletter

import (
	"context"
	"errors"
	"slices"
	"strings"

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
	if all {
		return s.leaveAll(ctx, l.TenantID, l.EmailKey, how)
	}
	how.At = s.now()
	_, err := s.store.LeaveOne(ctx, l.TenantID, l.ID, how)
	if err == nil {
		s.wake(l.TenantID)
	}
	return err
}

// leaveAll has an address leave all newsletters of a tenant, those to come as well: they are told of first, so that a sign-up
// that comes meanwhile finds one or the other.
func (s *Service) leaveAll(ctx context.Context, tenantID, emailKey string, how db.Leaving) error {
	if err := s.suppress(ctx, tenantID, "", emailKey, how.How); err != nil {
		return err
	}
	how.At = s.now()
	_, err := s.store.LeaveAll(ctx, tenantID, emailKey, how)
	if err == nil {
		s.wake(tenantID)
	}
	return err
}

// LeaveByAddress has an address leave a newsletter, or all of its tenant's. One that isn't there is
// noted on the suppression list, so that no import brings it.
func (s *Service) LeaveByAddress(ctx context.Context, n db.Newsletter, address string, how db.Leaving, all bool) error {
	key := strings.ToLower(address)
	if all {
		return s.leaveAll(ctx, n.TenantID, key, how)
	}
	there, err := s.store.SubscriberAt(ctx, n.TenantID, n.ID, key)
	if err == nil && slices.Contains(onList, there.Status) {
		return s.Leave(ctx, Leaver{there, n}, how, false)
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	return s.suppress(ctx, n.TenantID, n.ID, key, how.How)
}

// suppress notes an address, given in lower case, on the suppression list.
func (s *Service) suppress(ctx context.Context, tenantID, newsletterID, emailKey string, how db.LeftHow) error {
	mac := s.suppressionMAC(tenantID, emailKey)
	if mac == "" {
		return errNoMACs
	}
	_, err := s.store.Suppress(ctx, tenantID, newsletterID, how, []string{mac})
	return err
}

// errNoMACs says that a Service can't know addresses by their MACs, since it has none.
var errNoMACs = errors.New("there are no keys for MACs")

// Readers returns the next page of who is on a newsletter and who left, after a cursor: see
// db.ReaderFeed.
func (s *Service) Readers(ctx context.Context, n db.Newsletter, q db.FeedQuery, from db.FeedCursor) (db.FeedPage, error) {
	q.NewsletterID = n.ID
	return s.store.ReaderFeed(ctx, n.TenantID, q, from)
}
