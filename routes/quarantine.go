package routes

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/screening"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// quarantinePage is how many sign-ups a page of the quarantine lists.
const quarantinePage = 50

// quarantine handles GET /quarantine: the sign-ups that may be robots'.
func (s *server) quarantine(c *fiber.Ctx) error {
	tenantID, after := who(c).Tenant.ID, shortened(c.Query("after"), 100)
	list, total, err := s.Newsletters.Holds(c.UserContext(), tenantID, db.HoldQuery{After: after, Limit: quarantinePage + 1})
	if err != nil {
		return err
	}
	newsletters, err := s.Newsletters.OfTenant(c.UserContext(), tenantID)
	if err != nil {
		return err
	}
	page := views.QuarantinePage{Page: s.page(c, "Quarantine", views.NavQuarantine), Total: total, Here: after, RejectAllURL: "/quarantine/reject"}
	if after != "" {
		page.PreviousURL = "/quarantine"
	}
	if len(list) > quarantinePage {
		list = list[:quarantinePage]
		page.NextURL = "/quarantine?" + query("after", list[quarantinePage-1].ID)
	}
	for _, h := range list {
		page.Held = append(page.Held, heldView(h, newsletters))
	}
	for _, n := range newsletters {
		if n.State != db.NewsletterArchived && !n.Readers.Screening.On {
			page.ProtectionURLs = append(page.ProtectionURLs, views.Link{URL: "/newsletters/" + n.Slug + "/protection", Text: "Protect " + n.Name})
		}
	}
	return render(c, http.StatusOK, views.Quarantine(page))
}

// heldView is a sign-up that is held as the page shows it.
func heldView(h db.Hold, newsletters []db.Newsletter) views.HeldSignUp {
	v := views.HeldSignUp{ID: h.ID, PersonID: h.Subscriber.ID, Email: h.Email, Newsletter: h.Newsletter, At: h.At, N: h.N, Repeat: h.Repeat,
		Reasons: holdReasons(h.Reasons), Network: h.Network != ""}
	if slices.ContainsFunc(h.Reasons, func(name string) bool {
		return name == screening.Disposable || name == screening.NoMail || name == screening.NewDomain
	}) {
		v.Domain = screening.DomainOf(h.EmailKey)
	}
	n, _ := newsletterByID(newsletters, h.NewsletterID)
	v.Sent = sentFields(n.Form, h)
	return v
}

func newsletterByID(all []db.Newsletter, id string) (db.Newsletter, bool) {
	i := slices.IndexFunc(all, func(n db.Newsletter) bool { return n.ID == id })
	if i < 0 {
		return db.Newsletter{}, false
	}
	return all[i], true
}

// sentFields are the names that a sign-up gives, and its values of a form's own fields, in its order, with what the
// person has where that is something else.
func sentFields(d forms.Definition, h db.Hold) (sent []views.SentField) {
	add := func(label, value, is string) {
		if value == is {
			is = ""
		}
		if value != "" {
			sent = append(sent, views.SentField{Label: label, Value: cut(value, 500), Is: cut(is, 500)})
		}
	}
	add(defaultLabels[forms.FirstNameID], h.Sent.FirstName, h.FirstName)
	add(defaultLabels[forms.LastNameID], h.Sent.LastName, h.LastName)
	for _, f := range d.Fields {
		if f.ID != forms.FirstNameID && f.ID != forms.LastNameID {
			add(f.Name(forms.English), h.Sent.Fields[f.ID], h.Fields[f.ID])
		}
	}
	return sent
}

// holdReasons are the names of checks in words.
func holdReasons(names []string) (reasons []views.HoldReason) {
	for _, name := range names {
		if check, ok := screening.Named(name); ok {
			reasons = append(reasons, views.HoldReason{Label: check.Label, Words: check.Words})
		} else {
			reasons = append(reasons, views.HoldReason{Label: "Another reason", Words: "A later version of Gatepost held it."})
		}
	}
	return reasons
}

// decideHolds handles POST /quarantine: what becomes of some, or of one with what is to be learnt.
func (s *server) decideHolds(c *fiber.Ctx) error {
	do, ids := field(c, "do"), fieldValues(c, "id")
	if one, id, ok := strings.Cut(field(c, "one"), " "); ok {
		do, ids = one, []string{id}
	}
	back := "/quarantine"
	if here := field(c, "here"); here != "" {
		back += "?" + query("after", here)
	}
	if len(ids) > quarantinePage {
		ids = ids[:quarantinePage]
	}
	if len(ids) == 0 {
		s.flash(c, views.FlashWarning, "Nothing was changed: please select a sign-up first.")
		return redirect(c, back)
	}
	said, err := s.decide(c, do, ids)
	if err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, said)
	return redirect(c, back)
}

// decide does what is to become of sign-ups, and says so.
func (s *server) decide(c *fiber.Ctx, do string, ids []string) (said string, err error) {
	switch do {
	case "accept":
		done, err := s.Newsletters.Accept(c.UserContext(), who(c).Tenant.ID, ids, who(c).User.ID)
		return decided(done, "accepted"), err
	case "reject":
		done, err := s.Newsletters.Reject(c.UserContext(), who(c).Tenant.ID, ids, who(c).User.ID)
		return decided(done, "rejected"), err
	case "allow", "block":
		return s.learn(c, do, ids[0])
	}
	return "Nothing was changed: please choose one of the buttons.", nil
}

// learn has the newsletter of a sign-up that is held know more, and decides about the sign-up.
func (s *server) learn(c *fiber.Ctx, do, id string) (said string, err error) {
	tenantID, actor := who(c).Tenant.ID, who(c).User.ID
	list, _, err := s.Newsletters.Holds(c.UserContext(), tenantID, db.HoldQuery{After: id + "g", Limit: 1})
	if err != nil {
		return "", err
	}
	if len(list) == 0 || list[0].ID != id {
		return decided(0, ""), nil
	}
	h := list[0]
	newsletters, err := s.Newsletters.OfTenant(c.UserContext(), tenantID)
	if err != nil {
		return "", err
	}
	n, ok := newsletterByID(newsletters, h.NewsletterID)
	if !ok {
		return "", db.ErrNotFound
	}
	if do == "allow" {
		domain := screening.DomainOf(h.EmailKey)
		if err := s.Newsletters.AllowDomain(c.UserContext(), tenantID, n.Slug, domain); err != nil {
			return fullList(err)
		}
		done, err := s.Newsletters.Accept(c.UserContext(), tenantID, []string{id}, actor)
		return decided(done, "accepted") + " " + domain + " isn’t held for what it is any more on " + n.Name + ".", err
	}
	if h.Network == "" {
		return "Nothing was changed: it isn’t known from which network it came.", nil
	}
	if err := s.Newsletters.BlockNetwork(c.UserContext(), tenantID, n.Slug, h.Network); err != nil {
		return fullList(err)
	}
	done, err := s.Newsletters.Reject(c.UserContext(), tenantID, []string{id}, actor)
	return decided(done, "rejected") + " What comes from its network is held on " + n.Name + " from now on.", err
}

// fullList says that a list has as many entries as it can.
func fullList(err error) (said string, _ error) {
	if errors.Is(err, newsletter.ErrFull) {
		return "Nothing was changed: the newsletter’s list is full. Take entries away under Protection first.", nil
	}
	return "", err
}

// decided says of how many sign-ups something became.
func decided(n int, what string) string {
	switch n {
	case 0:
		return "Nothing was changed: somebody else had decided already."
	case 1:
		return "One sign-up was " + what + "."
	}
	return views.Number(n) + " sign-ups were " + what + "."
}

// confirmRejectAll handles GET /quarantine/reject: what rejecting all means.
func (s *server) confirmRejectAll(c *fiber.Ctx) error {
	list, total, err := s.Newsletters.Holds(c.UserContext(), who(c).Tenant.ID, db.HoldQuery{Limit: 1})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return redirect(c, "/quarantine")
	}
	return render(c, http.StatusOK, views.RejectAll(views.RejectAllPage{Page: s.page(c, "Reject all", views.NavQuarantine), Total: total, Latest: list[0].ID}))
}

// rejectAll handles POST /quarantine/reject.
func (s *server) rejectAll(c *fiber.Ctx) error {
	done, err := s.Newsletters.RejectAll(c.UserContext(), who(c).Tenant.ID, shortened(field(c, "latest"), 100), who(c).User.ID)
	if err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, decided(done, "rejected"))
	return redirect(c, "/quarantine")
}

// heldWords is why a sign-up of a subscriber is held; nil when none is.
func (s *server) heldWords(c *fiber.Ctx, subscriberID string) ([]views.HoldReason, error) {
	h, err := s.Newsletters.HoldOf(c.UserContext(), who(c).Tenant.ID, subscriberID)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	return holdReasons(h.Reasons), err
}
