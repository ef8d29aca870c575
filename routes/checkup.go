package routes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"gatepost/crm"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// checkUp handles GET /integrations/{service}/checkup: what the last one found.
func (s *server) checkUp(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	page := views.CheckUpPage{Page: s.page(c, card.Name+" check-up", views.NavIntegrations), Card: card}
	last, err := s.Health.CheckUp(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	page.At, page.OtherOrg = last.At, last.OrgID != card.Org.ID
	traffic, err := s.traffic(c)
	if err != nil {
		return err
	}
	page.Costs = s.costs(c, traffic)
	if last.At.IsZero() {
		return render(c, http.StatusOK, views.CheckUp(page))
	}
	var checks []crm.Check
	if err := json.Unmarshal([]byte(last.Checks), &checks); err != nil {
		return fmt.Errorf("read a check-up: %w", err)
	}
	for _, check := range checks {
		v := views.Check{Level: views.CheckLevel(check.Level), What: check.What, Meaning: check.Meaning, Mend: check.Mend}
		if check.Mend != "" {
			v.Who = whoFixes(s.crm(c), check.Who)
		}
		page.Checks = append(page.Checks, v)
	}
	return render(c, http.StatusOK, views.CheckUp(page))
}

// flashAsked says what came of a question to the CRM: that it is done, or that it failed and why. It
// returns err unless that is the CRM's own.
func (s *server) flashAsked(c *fiber.Ctx, err error, done, failed string) error {
	var f *crm.Failure
	switch {
	case errors.As(err, &f):
		if err := s.look(c); err != nil { // it may have ended the connection
			return err
		}
		e := s.explained(c, s.crm(c), f.Code, s.crm(c).AskedOnce(f.Code))
		s.flash(c, views.FlashWarning, failed+" "+e.What+" "+e.Mend)
	case err != nil:
		return err
	default:
		s.flash(c, views.FlashSuccess, done)
	}
	return nil
}

// runCheckUp handles POST /integrations/{service}/checkup.
func (s *server) runCheckUp(c *fiber.Ctx) error {
	if _, err := s.Vault.Service(c.UserContext(), c.Params("service")); err != nil {
		return err
	}
	err := s.Delivery.CheckUp(c.UserContext(), s.here(c).Key())
	if err := s.flashAsked(c, err, "Checked just now.", "The check-up was not possible."); err != nil {
		return err
	}
	return redirect(c, healthURL(c)+"/checkup")
}
