package routes

import (
	"context"
	"net/http"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// HealthStore is what the pages about deliveries read and change; db.DB is one,
// and documents the methods.
type HealthStore interface {
	Pause(ctx context.Context, tenantID string) (db.Pause, error)
	Health(ctx context.Context, tenantID string, columns []db.Span) (db.Health, error)
	Home(ctx context.Context, tenantID string, columns []db.Span, since time.Time, latest int) (db.Home, error)
	SignUps(ctx context.Context, tenantID string, columns []db.Span) ([]map[db.State]int, error)
	ProblemStore
	Retry(ctx context.Context, tenantID, subscriberID, actor string) (bool, error)
	Dismiss(ctx context.Context, tenantID, subscriberID, actor, note string) (bool, error)
	StartAction(ctx context.Context, a db.Action) (db.Action, error)
	Hurry(ctx context.Context, tenantID, reason string) error
	Subscriber(ctx context.Context, tenantID, id string) (db.Subscriber, error)
	History(ctx context.Context, tenantID, subscriberID string) (db.History, error)
	CheckUp(ctx context.Context, tenantID string) (db.CheckUp, error)
	DeliverySettings(ctx context.Context, tenantID string) (db.DeliverySettings, error)
	SetDeliverySettings(ctx context.Context, tenantID string, s db.DeliverySettings) error
	Orgs(ctx context.Context, tenantID string) ([]db.OrgCount, error)
}

// deliveryReason explains a code to those who are in a state: who waits is tried again.
func deliveryReason(state db.State, code string) crm.Explanation {
	if state.Info().Waits {
		return crm.Sentence(code)
	}
	return crm.GaveUp(code)
}

// explain is the explanation of a code, with what the connection says where that is
// the cause.
func explain(code string, e crm.Explanation, card views.Integration) crm.Explanation {
	if code == crm.Unavailable && card.Failing || code == crm.Broken && card.State == views.ConnectionBroken {
		e.What, e.Mend = card.Reason, card.Mend
	}
	return e
}

// explained is explain, with what the connection says that sign-ups go by.
func explained(c *fiber.Ctx, code string, e crm.Explanation) crm.Explanation {
	for _, connection := range who(c).connections {
		if connection.ID == identity.Salesforce {
			return explain(code, e, describe(connection))
		}
	}
	return e
}

// person handles GET /subscribers/{id}: everything that happened to one.
func (s *server) person(c *fiber.Ctx) error {
	sub, err := s.status(c)
	if err != nil {
		return err
	}
	h, err := s.Health.History(c.UserContext(), who(c).Tenant.ID, sub.ID)
	if err != nil {
		return err
	}
	row := s.subscriberRow(c, sub)
	page := views.PersonPage{Page: s.page(c, "Subscriber", views.NavSubscribers), ID: sub.ID, Subscriber: row, Attempts: sub.Attempts, OrgID: sub.OrgID, DeliveredAt: sub.DeliveredAt}
	if row.State.Attention && sub.MatchID != "" {
		page.MatchURL = s.RecordURL(sub.InstanceURL, sub.MatchID)
	}
	page.Story, page.Earlier = story(h.Events, h.Consents)
	return render(c, http.StatusOK, views.Person(page))
}

// story puts what happened to a subscriber in order, the latest first. What was
// not read of either kind begins somewhere: earlier reports that nothing is told
// from there on.
func story(events []db.Event, consents []db.Consent) (all []views.Moment, earlier bool) {
	var from time.Time
	for _, e := range events {
		all = append(all, views.Moment{Step: step(e)})
	}
	for _, c := range consents {
		all = append(all, views.Moment{Consent: consent(c)})
	}
	if n := len(events); n >= db.HistoryLimit {
		from, earlier = events[n-1].At, true
	}
	if n := len(consents); n >= db.HistoryLimit && consents[n-1].At.After(from) {
		from, earlier = consents[n-1].At, true
	}
	// Of one moment, the sign-up comes before what it led to.
	slices.SortStableFunc(all, func(a, b views.Moment) int { return b.At().Compare(a.At()) })
	return slices.DeleteFunc(all, func(m views.Moment) bool { return m.At().Before(from) }), earlier
}

// fieldNames are those of the form in words, in order.
var fieldNames = []struct{ key, name string }{{"first_name", "First name"}, {"last_name", "Last name"}}

// consent tells a sign-up in words.
func consent(c db.Consent) *views.Consent {
	v := &views.Consent{At: c.At, Source: sourceName(c.Source), Words: c.Words, Repeated: c.Repeated}
	for _, f := range fieldNames {
		if was := c.Replaced[f.key]; was != "" {
			v.Replaced = append(v.Replaced, views.Replaced{Field: f.name, Was: was})
		}
	}
	return v
}

// step tells an event in words.
func step(e db.Event) views.Step {
	v := views.Step{At: e.At, State: viewState(e.State.Info()), Actor: e.Actor}
	if e.Reason != "" {
		v.Reason = deliveryReason(e.State, e.Reason).What
	}
	if e.Detail != "" {
		v.Said = cut(e.Detail, 300)
	}
	return v
}

func sourceName(source string) string {
	switch source {
	case "api":
		return "from another site or program"
	case "test":
		return "as a test in the portal"
	}
	return "on the public form"
}

// retryOne handles POST /subscribers/{id}/retry.
func (s *server) retryOne(c *fiber.Ctx) error {
	return s.decideOne(c, "It is on its way again.", func(ctx context.Context, tenant, id string) (bool, error) {
		return s.Health.Retry(ctx, tenant, id, who(c).User.ID)
	})
}

// dismissOne handles POST /subscribers/{id}/dismiss.
func (s *server) dismissOne(c *fiber.Ctx) error {
	note, wrong := readNote(c)
	if wrong != "" {
		s.flash(c, views.FlashWarning, wrong)
		return redirect(c, "/subscribers/"+c.Params("id"))
	}
	return s.decideOne(c, "It is dismissed and will not be sent.", func(ctx context.Context, tenant, id string) (bool, error) {
		return s.Health.Dismiss(ctx, tenant, id, who(c).User.ID, note)
	})
}

func (s *server) decideOne(c *fiber.Ctx, text string, decide func(ctx context.Context, tenant, id string) (bool, error)) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	sub, err := s.Health.Subscriber(ctx, tenant, c.Params("id"))
	if err != nil {
		return err
	}
	done, err := decide(ctx, tenant, sub.ID)
	if err != nil {
		return err
	}
	s.Delivery.Wake(tenant)
	if done {
		s.flash(c, views.FlashSuccess, text)
	} else {
		s.flash(c, views.FlashInfo, "Nothing was changed: it needs no attention any more.")
	}
	return redirect(c, "/subscribers/"+sub.ID)
}
