package routes

import (
	"context"

	"gatepost/db"
	"gatepost/incidents"
	"gatepost/views"
)

// IncidentStore is where incidents are; db.DB is one.
type IncidentStore interface {
	Incidents(ctx context.Context, tenantID string) ([]db.Incident, error)
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
