package routes

import (
	"net/http"

	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// help handles GET /help.
func (s *server) help(c *fiber.Ctx) error {
	page := views.HelpPage{Page: s.page(c, "Help", views.NavNone), States: countedStates(s.words(c)), URL: s.HelpURL}
	page.Zone = "" // there is no time on it
	return render(c, http.StatusOK, views.Help(page))
}
