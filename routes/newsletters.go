package routes

import (
	"cmp"
	"net/http"
	"slices"

	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// newsletters handles GET /newsletters: the list, archived ones last.
func (s *server) newsletters(c *fiber.Ctx) error {
	all, err := s.Newsletters.Standings(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b db.NewsletterStanding) int {
		return cmp.Compare(archived(a.Newsletter), archived(b.Newsletter))
	})
	page := views.NewslettersPage{Page: s.page(c, "Newsletters", views.NavNewsletters)}
	for _, n := range all {
		page.All = append(page.All, s.newsletterView(c, n))
	}
	return render(c, http.StatusOK, views.Newsletters(page))
}

// archived is 1 of a newsletter that is archived.
func archived(n db.Newsletter) int {
	if n.State == db.NewsletterArchived {
		return 1
	}
	return 0
}

// newsletterOf is the tenant's newsletter that has the name in the address, or had it before, or
// db.ErrNotFound.
func (s *server) newsletterOf(c *fiber.Ctx) (db.Newsletter, error) {
	return s.Newsletters.Of(c.UserContext(), who(c).Tenant.ID, c.Params("slug"))
}

// newsletterPage is what the pages of the tenant's newsletter share that tell how it is going, or
// db.ErrNotFound.
func (s *server) newsletterPage(c *fiber.Ctx) (page views.NewsletterPage, n db.Newsletter, err error) {
	all, err := s.Newsletters.Standings(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return page, n, err
	}
	at := slices.IndexFunc(all, func(n db.NewsletterStanding) bool { return n.Slug == c.Params("slug") })
	if at < 0 { // perhaps it had the name before
		if n, err = s.newsletterOf(c); err != nil {
			return page, n, err
		}
		at = slices.IndexFunc(all, func(other db.NewsletterStanding) bool { return other.ID == n.ID })
	}
	if at < 0 {
		return page, n, db.ErrNotFound
	}
	n = all[at].Newsletter
	return views.NewsletterPage{Page: s.page(c, n.Name, views.NavNewsletters), Newsletter: s.newsletterView(c, all[at])}, n, nil
}

// plainNewsletter is a newsletter without how it is going.
func (s *server) plainNewsletter(n db.Newsletter) views.Newsletter {
	return views.Newsletter{Name: n.Name, Slug: n.Slug, Consent: n.Consent, FormURL: s.URL + "/signup/" + n.Slug, State: string(n.State)}
}

func (s *server) newsletterView(c *fiber.Ctx, n db.NewsletterStanding) views.Newsletter {
	all := s.destinations(c)
	v := s.plainNewsletter(n.Newsletter)
	v.Subscribers, v.Attention, v.LastHour, v.Silent, v.Chosen = n.Subscribers(), n.Attention(), n.LastHour, n.Silent, len(all) > 1 || !all[0].All
	for _, d := range all {
		if d.crm != nil && d.FedBy(n.ID) {
			v.Feeds = append(v.Feeds, viewCRM(d.crm))
		}
	}
	v.Unfed = len(v.Feeds) == 0 && len(s.crmsOf(c)) > 0
	return v
}
