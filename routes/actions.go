package routes

import (
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/input"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

func healthURL(c *fiber.Ctx) string { return "/integrations/" + c.Params("service") }

// actionsPart handles GET /integrations/{service}/actions, which a page polls
// while an action is under way.
func (s *server) actionsPart(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	actions := actionList(s.crm(c), card, who(c).overview.Actions, views.ActionKind(cut(c.Query("kind"), 20)))
	if actions.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	actions.Polled = true
	return render(c, http.StatusOK, views.ActionList(actions))
}

// actionList is what is done, or was done lately, for many subscribers at once; of
// one kind, or all when it is empty.
func actionList(p *crm.Provider, card views.Integration, all []db.Action, kind views.ActionKind) views.Actions {
	list := views.Actions{Service: card.Service, Kind: kind}
	for _, a := range all {
		if a.DestinationID != "" && a.Service != card.Service || kind != "" && kind != views.ActionKind(a.Kind) {
			continue
		}
		v := views.Action{Kind: views.ActionKind(a.Kind), Total: a.Total, Done: a.Done, By: a.ActorEmail, StartedAt: a.StartedAt, EndedAt: a.EndedAt, Error: a.Error, CRM: card.Name, Org: "the other organisation"}
		if a.Reason != "" && a.Kind != db.ActionFill { // there it is the field
			v.Cause = p.Sentence(a.Reason).Title
		}
		if a.OrgID == card.Org.ID {
			v.Org = card.Org.Name
		}
		list.All = append(list.All, v)
	}
	return list
}

// start does an action, or has it done when it is for many. Whoever asked sees
// the outcome at path: told by a flash, or as it goes on.
func (s *server) start(c *fiber.Ctx, a db.Action, path string) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	v := who(c)
	a.DestinationKey, a.Service, a.Actor = s.here(c).Key(), card.Service, v.User.ID
	if a.Kind == db.ActionRecount {
		a.DestinationID = "" // it is about all
	}
	a, err = s.Health.StartAction(c.UserContext(), a)
	if errors.Is(err, db.ErrLost) {
		s.flash(c, views.FlashWarning, connectionChanged)
		return redirect(c, path)
	}
	if err != nil {
		return err
	}
	s.Delivery.Wake(a.TenantID)
	switch {
	case a.EndedAt.IsZero():
	case a.Done == 0 && a.Kind != db.ActionRecount && a.Kind != db.ActionTry:
		s.flash(c, views.FlashInfo, "There was nobody left to do that for.")
	default:
		done := actionList(s.crm(c), card, []db.Action{a}, "").All[0]
		s.flash(c, done.Flash(), done.Text())
	}
	if a.Error == db.ActionDisagrees {
		s.log.ErrorContext(c.UserContext(), "a recount doesn't agree with what is kept", "tenant", a.TenantID)
	}
	return redirect(c, path)
}

// cause is the code of a problem that a form names.
func cause(c *fiber.Ctx) string { return cut(field(c, "reason"), 100) }

// retryAll handles POST /integrations/{service}/retry.
func (s *server) retryAll(c *fiber.Ctx) error {
	return s.start(c, db.Action{Kind: db.ActionRetry, Reason: cause(c)}, problemsURL(c))
}

// maxNote is how many characters a note may have.
const maxNote = 200

// readNote returns why somebody is not to be sent, or what is wrong with that.
func readNote(c *fiber.Ctx) (note, wrong string) {
	note, err := input.Line(field(c, "note"))
	switch {
	case err != nil:
		return "", "Nothing was changed. Please check the reason: " + err.Error()
	case note == "":
		return "", "Please say in a few words why. It stays with each of them."
	case utf8.RuneCountInString(note) > maxNote:
		return "", fmt.Sprintf("Nothing was changed. Please give a shorter reason: at most %d characters.", maxNote)
	}
	return note, ""
}

// dismissAll handles POST /integrations/{service}/dismiss.
func (s *server) dismissAll(c *fiber.Ctx) error {
	note, wrong := readNote(c)
	if wrong != "" {
		return s.askDismiss(c, http.StatusUnprocessableEntity, string(db.Attention), cause(c), field(c, "note"), wrong)
	}
	return s.start(c, db.Action{Kind: db.ActionDismiss, Reason: cause(c), Note: note}, problemsURL(c))
}

// tryAll handles POST /integrations/{service}/try: those who wait for a cause are
// not to wait any longer. What keeps the last of the CRM's API calls for others
// stays.
func (s *server) tryAll(c *fiber.Ctx) error {
	ctx, key := c.UserContext(), s.here(c).Key()
	if _, err := s.Vault.Service(c.UserContext(), c.Params("service")); err != nil {
		return err
	}
	p, err := s.Health.Pause(ctx, key)
	if err != nil {
		return err
	}
	if p.Reason == crm.Spared && p.Until.After(s.Now()) {
		s.flash(c, views.FlashInfo, "Nothing was sent: the last "+s.crm(c).Limit().Unit+" of your "+s.crm(c).Name+" are left to others. We look again in "+views.Wait(p.Until.Sub(s.Now()))+".")
		return redirect(c, problemsURL(c))
	}
	if err := s.Health.Hurry(ctx, key, p.Reason); err != nil {
		return err
	}
	return s.start(c, db.Action{Kind: db.ActionTry, Reason: cause(c)}, problemsURL(c))
}

// recount handles POST /integrations/{service}/recount.
func (s *server) recount(c *fiber.Ctx) error {
	return s.start(c, db.Action{Kind: db.ActionRecount}, healthURL(c)+"/sum")
}
