package routes

import (
	"fmt"
	"time"

	"gatepost/db"
	dispatch "gatepost/delivery"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// traffic reads what goes to the destination that the page is about, as costs asks for it.
func (s *server) traffic(c *fiber.Ctx) (db.Traffic, error) {
	return s.Health.Traffic(c.UserContext(), s.here(c).Key(), dispatch.CostsSince(who(c).now))
}

// costs says what a day like the last seven costs of what is limited in the CRM that the page
// is about; nothing when nobody signed up.
func (s *server) costs(c *fiber.Ctx, t db.Traffic) string {
	n := dispatch.DayCosts(t.Received, t.Pace)
	if n == 0 {
		return ""
	}
	limit, of := s.crm(c).Limit(), ""
	if u := s.here(c).Usage; u.Allowed > 0 && limit.Window == 24*time.Hour {
		of = fmt.Sprintf(", of %s in 24 hours", views.Number(u.Allowed))
	}
	return fmt.Sprintf("A day like the last seven costs at most about %s %s%s.", views.Number(n), limit.Unit, of)
}
