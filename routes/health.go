package routes

import (
	"context"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// HealthStore is what the pages about deliveries read and change; db.DB is one,
// and documents the methods.
type HealthStore interface {
	Pause(ctx context.Context, key db.DestinationKey) (db.Pause, error)
	Health(ctx context.Context, key db.DestinationKey, columns []db.Span) (db.Health, error)
	Home(ctx context.Context, key db.DestinationKey, others []db.DestinationKey, columns []db.Span, since time.Time, latest int) (db.Home, error)
	SignUps(ctx context.Context, key db.DestinationKey, columns []db.Span) ([]map[db.State]int, error)
	ProblemStore
	StartAction(ctx context.Context, a db.Action) (db.Action, error)
	Hurry(ctx context.Context, key db.DestinationKey, reason string) error
	PersonStore
	CheckUp(ctx context.Context, key db.DestinationKey) (db.CheckUp, error)
	DeliverySettings(ctx context.Context, key db.DestinationKey) (db.DeliverySettings, error)
	SetDeliverySettings(ctx context.Context, key db.DestinationKey, s db.DeliverySettings) error
	DestinationStore
	MappingStore
	LeavingStore
	Orgs(ctx context.Context, key db.DestinationKey) ([]db.OrgCount, error)
	Traffic(ctx context.Context, key db.DestinationKey, since time.Time) (db.Traffic, error)
}

// deliveryReason explains a code to those who are in a state: who waits is tried again.
func deliveryReason(p *crm.Provider, state db.State, code string) crm.Explanation {
	if state.Info().Waits {
		return p.Sentence(code)
	}
	return p.GaveUp(code)
}

// explain is the explanation of a code, with what the connection says where that is
// the cause.
func explain(code string, e crm.Explanation, card views.Integration) crm.Explanation {
	if code == crm.Unavailable && card.Failing || code == crm.Broken && card.State == views.ConnectionBroken {
		e.What, e.Mend = card.Reason, card.Mend
	}
	return e
}

// explained is explain, with what the connection to the CRM says.
func (s *server) explained(c *fiber.Ctx, p *crm.Provider, code string, e crm.Explanation) crm.Explanation {
	for _, connection := range who(c).connections {
		if connection.ID == p.Service {
			return explain(code, e, s.describe(connection))
		}
	}
	return e
}
