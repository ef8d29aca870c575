package routes

import (
	"net/http"

	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// elsewhere is how many of the tenant's people are in another org than the one
// that is connected.
func elsewhere(orgs []db.OrgCount, card views.Integration) (n int) {
	if card.State != views.Connected {
		return 0
	}
	for _, o := range orgs {
		if o.OrgID != card.Org.ID {
			n += o.N
		}
	}
	return n
}

// confirmMove handles GET /integrations/{service}/move: whether those who are in
// another org are to be sent to the one that is connected.
func (s *server) confirmMove(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	orgs, err := s.Health.Orgs(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	n, actions := elsewhere(orgs, card), actionList(s.crm(c), card, who(c).overview.Actions, views.ActionMove)
	moving := actions.UnderWay(views.ActionMove)
	if n == 0 && !moving {
		s.flash(c, views.FlashInfo, "Nobody is in another organisation.")
		return redirect(c, healthURL(c)+"/settings")
	}
	return render(c, http.StatusOK, views.Move(views.MovePage{Page: s.page(c, "Send everyone", views.NavIntegrations), Card: card, N: n, Actions: actions, UnderWay: moving}))
}

const connectionChanged = "The connection was changed meanwhile, so nobody was sent. Please look at it first."

// move handles POST /integrations/{service}/move. The org must be the one that
// was shown.
func (s *server) move(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	if card.State != views.Connected || card.Org.ID != field(c, "org") {
		s.flash(c, views.FlashWarning, connectionChanged)
		return redirect(c, healthURL(c)+"/settings")
	}
	return s.start(c, db.Action{Kind: db.ActionMove, OrgID: card.Org.ID}, healthURL(c)+"/settings")
}
