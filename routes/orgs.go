package routes

import (
	"net/http"
	"time"

	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// elsewhere is how many of the tenant's people are in another org than the one
// that is connected.
func (s *server) elsewhere(c *fiber.Ctx, card views.Integration) (n int, err error) {
	if card.State != views.Connected {
		return 0, nil
	}
	orgs, err := s.Health.Orgs(c.UserContext(), who(c).Tenant.ID)
	for _, o := range orgs {
		if o.OrgID != card.Org.ID {
			n += o.N
		}
	}
	return n, err
}

// confirmMove handles GET /integrations/{service}/move: whether those who are in
// another org are to be sent to the one that is connected.
func (s *server) confirmMove(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	n, err := s.elsewhere(c, card)
	if err != nil {
		return err
	}
	if n == 0 {
		s.flash(c, views.FlashInfo, "Nobody is in another organisation.")
		return redirect(c, healthURL(c))
	}
	return render(c, http.StatusOK, views.Move(views.MovePage{Page: s.page(c, "Send everyone", views.NavIntegrations), Card: card, N: n}))
}

// move handles POST /integrations/{service}/move. The org must be the one that
// was shown.
func (s *server) move(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	if card.State != views.Connected || card.Org.ID != field(c, "org") {
		s.flash(c, views.FlashWarning, "The connection was changed meanwhile, so nobody was sent. Please look at it first.")
		return redirect(c, healthURL(c))
	}
	v, total, after := who(c), 0, ""
	for began := time.Now(); ; {
		m, err := s.Health.MoveToOrg(c.UserContext(), v.Tenant.ID, card.Org.ID, after, v.User.ID, decideBatch)
		if err != nil {
			return err
		}
		total, after = total+m.N, m.Last
		if after == "" || time.Since(began) > decideTime {
			break
		}
	}
	s.Delivery.Wake(v.Tenant.ID)
	text := views.Count(total, "person is", "people are") + " on the way to " + card.Org.Name + "."
	if after != "" {
		s.flash(c, views.FlashWarning, text+" There are more: please do it again.")
	} else {
		s.flash(c, views.FlashSuccess, text)
	}
	return redirect(c, healthURL(c))
}
