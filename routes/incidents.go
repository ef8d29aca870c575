package routes

import (
	"context"
	"net/http"

	"gatepost/db"
	"gatepost/incidents"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// IncidentStore is where incidents are, and who is told of them by mail; db.DB is
// one.
type IncidentStore interface {
	Incidents(ctx context.Context, tenantID string) ([]db.Incident, error)
	IncidentMails(ctx context.Context, userID string) (bool, error)
	SetIncidentMails(ctx context.Context, userID string, yes bool) error
}

// incidents are the tenant's troubles, but the connection that is dead or fails, of
// which every page tells anyway.
func (s *server) incidents(ctx context.Context, tenantID string) ([]views.Incident, error) {
	all, err := s.Incidents.Incidents(ctx, tenantID)
	var shown []views.Incident
	for _, i := range incidents.Shown(all) {
		if (i.Kind == db.IncidentBroken || i.Kind == db.IncidentFailing) && i.About == "" {
			continue
		}
		w := incidents.Tell(i)
		shown = append(shown, views.Incident{Title: w.Title, What: w.What, Mend: w.Mend, URL: w.Path, Link: w.Link})
	}
	return shown, err
}

// setMails handles POST /account/mails.
func (s *server) setMails(c *fiber.Ctx) error {
	yes := field(c, "incidents") == "on"
	if err := s.Incidents.SetIncidentMails(c.UserContext(), who(c).User.ID, yes); err != nil {
		return err
	}
	text := "You get no more mails about trouble. The pages here still show it."
	if yes {
		text = "From now on we write to you when there is trouble."
	}
	s.flash(c, views.FlashSuccess, text)
	return c.Redirect("/account", http.StatusSeeOther)
}
