package routes

import (
	"net/http"

	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// newsletterEmbed handles GET /newsletters/{slug}/embed: how the form gets into a site.
func (s *server) newsletterEmbed(c *fiber.Ctx) error {
	page, err := s.newsletterPage(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.NewsletterEmbed(page))
}
