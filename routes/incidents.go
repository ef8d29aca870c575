package routes

import (
	"context"

	"gatepost/db"
	"gatepost/incidents"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// IncidentStore is where incidents are; db.DB is one.
type IncidentStore interface {
	Incidents(ctx context.Context, tenantID string) ([]db.Incident, error)
}

// incidents are the tenant's troubles, but the connection that is dead or fails, of
// which every page tells anyway.
func (s *server) incidents(c *fiber.Ctx) ([]views.Incident, error) {
	all, err := s.Incidents.Incidents(c.UserContext(), who(c).Tenant.ID)
	return s.tellIncidents(c, all, func(i db.Incident) bool {
		return !i.Delivers || i.Kind != db.IncidentBroken && i.Kind != db.IncidentFailing
	}), err
}

// aboutOther reports whether an incident is about something else than a CRM, of which
// Home tells anyway.
func aboutOther(i db.Incident) bool { return !i.Delivers }

// tellIncidents puts those incidents into words that are to be shown.
func (s *server) tellIncidents(c *fiber.Ctx, all []db.Incident, show func(db.Incident) bool) (told []views.Incident) {
	for _, i := range incidents.Shown(all) {
		if d, ok := s.destinationOf(c, i.About); ok && d.crm != nil {
			i.Service = d.crm.Service // also of the only CRM before it is connected
		}
		if show(i) {
			w := incidents.Tell(s.CRMs, i)
			told = append(told, views.Incident{Title: w.Title, What: w.What, Mend: w.Mend, URL: w.Path, Link: w.Link})
		}
	}
	return told
}
