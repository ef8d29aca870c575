package routes

import (
	"net/http"

	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// newsletters handles GET /newsletters: the list.
func (s *server) newsletters(c *fiber.Ctx) error {
	all, err := s.Newsletters.Standings(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	page := views.NewslettersPage{Page: s.page(c, "Newsletters", views.NavNewsletters)}
	for _, n := range all {
		page.All = append(page.All, s.newsletterView(c, n))
	}
	return render(c, http.StatusOK, views.Newsletters(page))
}

// newsletterForm handles GET /newsletters/{slug}: where the form is, and how it looks.
func (s *server) newsletterForm(c *fiber.Ctx) error {
	page, err := s.newsletterPage(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.NewsletterForm(page))
}

// newsletterPage is what the pages of the tenant's newsletter share, or db.ErrNotFound.
func (s *server) newsletterPage(c *fiber.Ctx) (page views.NewsletterPage, err error) {
	all, err := s.Newsletters.Standings(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return page, err
	}
	for _, n := range all {
		if n.Slug == c.Params("slug") {
			return views.NewsletterPage{Page: s.page(c, n.Name, views.NavNewsletters), Newsletter: s.newsletterView(c, n)}, nil
		}
	}
	return page, db.ErrNotFound
}

func (s *server) newsletterView(c *fiber.Ctx, n db.NewsletterStanding) views.Newsletter {
	all := s.destinations(c)
	v := views.Newsletter{Name: n.Name, Slug: n.Slug, Consent: n.Consent, FormURL: s.URL + "/signup/" + n.Slug,
		Subscribers: n.Subscribers(), Attention: n.Attention(), LastHour: n.LastHour, Silent: n.Silent, Chosen: len(all) > 1 || !all[0].All}
	for _, d := range all {
		if d.crm != nil && d.FedBy(n.ID) {
			v.Feeds = append(v.Feeds, viewCRM(d.crm))
		}
	}
	v.Unfed = len(v.Feeds) == 0 && len(s.crmsOf(c)) > 0
	return v
}
