package routes

import (
	"net/http"
	"strconv"

	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// shares are the percentages of the API calls that a tenant may choose.
var shares = []int{25, 50, 75, 90, db.MaxShare}

// deliverySettings handles GET /integrations/{service}/settings.
func (s *server) deliverySettings(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	set, err := s.Health.DeliverySettings(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.DeliverySettings(views.DeliverySettingsPage{Page: s.page(c, "Settings", views.NavIntegrations),
		Card: card, Several: set.Several, Share: set.Share, Shares: shares}))
}

// setDeliverySettings handles POST /integrations/{service}/settings.
func (s *server) setDeliverySettings(c *fiber.Ctx) error {
	if _, err := s.Vault.Service(c.Params("service")); err != nil {
		return err
	}
	share, err := strconv.Atoi(field(c, "share"))
	set := db.DeliverySettings{Several: field(c, "several"), Share: share}
	if err != nil || share < 1 || share > db.MaxShare || set.Several != db.SeveralNewest && set.Several != db.SeveralAttention {
		s.flash(c, views.FlashWarning, "Nothing was saved: please choose one of the answers to each question.")
		return redirect(c, healthURL(c)+"/settings")
	}
	tenant := who(c).Tenant.ID
	if err := s.Health.SetDeliverySettings(c.UserContext(), tenant, set); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved. It holds from the next sign-up on.")
	return redirect(c, healthURL(c)+"/settings")
}
