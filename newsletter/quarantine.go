package newsletter

import (
	"context"

	"gatepost/db"
)

// Holds returns what is held of the tenant's sign-ups, the latest first, and how many there are.
func (s *Service) Holds(ctx context.Context, tenantID string, q db.HoldQuery) (list []db.Hold, total int, err error) {
	return s.store.Holds(ctx, tenantID, q)
}

// HoldOf returns the sign-up of one of the tenant's subscribers that is held, or db.ErrNotFound.
func (s *Service) HoldOf(ctx context.Context, tenantID, subscriberID string) (db.Hold, error) {
	return s.store.HoldOf(ctx, tenantID, subscriberID)
}

// Accept says that sign-ups that are held are people's, and returns of how many that could be said;
// actor is the id of the user who says it.
func (s *Service) Accept(ctx context.Context, tenantID string, holdIDs []string, actor string) (done int, err error) {
	done, err = s.store.AcceptHolds(ctx, tenantID, holdIDs, actor, s.mail)
	if done > 0 {
		s.wake(tenantID)
	}
	return done, err
}

// Reject says that sign-ups that are held are robots', and returns of how many that could be said.
func (s *Service) Reject(ctx context.Context, tenantID string, holdIDs []string, actor string) (done int, err error) {
	return s.store.RejectHolds(ctx, tenantID, holdIDs, actor)
}

// How many are rejected in a transaction, and at once.
const (
	rejectBatch = 200
	rejectMost  = 5000
)

// RejectAll rejects what is held of the tenant's sign-ups up to the one with the id latest, at most
// some thousand, and returns how many.
func (s *Service) RejectAll(ctx context.Context, tenantID, latest, actor string) (done int, err error) {
	after := latest + "g" // beginning with that one: no id goes on so
	for done < rejectMost {
		list, _, err := s.store.Holds(ctx, tenantID, db.HoldQuery{After: after, Limit: rejectBatch})
		if err != nil || len(list) == 0 {
			return done, err
		}
		var ids []string
		for _, h := range list {
			ids = append(ids, h.ID)
		}
		n, err := s.store.RejectHolds(ctx, tenantID, ids, actor)
		if err != nil {
			return done, err
		}
		done, after = done+n, ids[len(ids)-1]
	}
	return done, nil
}
