package routes

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/screening"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// protectionDays is what the figures of the checks are of.
const protectionDays = 30

// protection handles GET /newsletters/{slug}/protection: what the newsletter's checks do and did.
func (s *server) protection(c *fiber.Ctx) error {
	page, n, err := s.newsletterPage(c)
	if err != nil {
		return err
	}
	return s.showProtection(c, http.StatusOK, page, n, newsletter.ProtectionOf(n.Readers.Screening), nil)
}

func (s *server) showProtection(c *fiber.Ctx, status int, of views.NewsletterPage, n db.Newsletter, set newsletter.Protection, wrong views.FieldErrors) error {
	found, err := s.Newsletters.Findings(c.UserContext(), n)
	if err != nil {
		return err
	}
	of.Title, of.Zone = n.Name+" protection", ""
	page := views.ProtectionPage{NewsletterPage: of, On: set.On, Revision: n.Revision, Errors: wrong, Days: protectionDays,
		Fields: views.ProtectionFields{Network: cut(set.Network, 20), Agent: cut(set.Agent, 20), Mailbox: cut(set.Mailbox, 20), Domains: cut(set.Domains, 50_000), Allowed: cut(set.Allowed, 50_000), Typos: set.Typos, Findable: set.Findable,
			DefaultNetwork: screening.DefaultNetwork, DefaultAgent: screening.DefaultAgent, DefaultMailbox: screening.DefaultMailbox}}
	for _, check := range screening.Checks {
		if check.Means != "" {
			page.Checks = append(page.Checks, views.CheckChoice{Name: check.Name, Label: check.Label, Means: check.Means, On: slices.Contains(set.Checks, check.Name)})
		}
	}
	for _, m := range screening.Proofs {
		page.Proofs = append(page.Proofs, views.ProofChoice{Mode: string(m.Mode), Label: m.Label, Means: m.Means, Chosen: string(m.Mode) == set.Proof})
	}
	for _, network := range n.Readers.Screening.Networks {
		page.Networks = append(page.Networks, views.BlockedNetwork{MAC: network, Name: cut(network, 8), Kept: slices.Contains(set.Networks, network)})
	}
	addFindings(&page, found)
	return render(c, status, views.Protection(page))
}

// addFindings adds up what the checks found, by the check and by the day; the days come with the
// latest first.
func addFindings(page *views.ProtectionPage, all []db.FindingCount) {
	of := map[string]views.Finding{}
	for _, f := range all {
		if f.Name == "" {
			page.Looked += f.Found
			page.Held += f.Held
			page.ByDay = append(page.ByDay, views.DayFindings{Day: f.Day.UTC().Format(time.DateOnly), Looked: f.Found, Held: f.Held})
			continue
		}
		is := of[f.Name]
		is.Found += f.Found
		is.Held += f.Held
		of[f.Name] = is
	}
	for _, check := range screening.Checks {
		if f, ok := of[check.Name]; ok {
			page.Found = append(page.Found, views.Finding{Label: check.Label, Words: check.Words, Found: f.Found, Held: f.Held})
		}
	}
	slices.SortStableFunc(page.Found, func(a, b views.Finding) int { return cmp.Compare(b.Found, a.Found) })
}

// readProtection is what the form of the protection says.
func readProtection(c *fiber.Ctx) newsletter.Protection {
	return newsletter.Protection{On: field(c, "on") == "on", Checks: fieldValues(c, "check"), Proof: field(c, "proof"), Network: field(c, "network"), Agent: field(c, "agent"), Mailbox: field(c, "mailbox"),
		Domains: field(c, "domains"), Allowed: field(c, "allowed"), Networks: fieldValues(c, "blocked"), Typos: field(c, "typos") == "on", Findable: field(c, "findable") == "on"}
}

// setProtection handles POST /newsletters/{slug}/protection.
func (s *server) setProtection(c *fiber.Ctx) error {
	page, n, err := s.newsletterPage(c)
	if err != nil {
		return err
	}
	set := readProtection(c)
	rules, wrong := set.Check(n.Readers.Screening)
	if len(wrong) > 0 {
		return s.showProtection(c, http.StatusUnprocessableEntity, page, n, set, wrong)
	}
	seen := n
	seen.Revision, _ = strconv.ParseInt(field(c, "revision"), 10, 64)
	err = s.Newsletters.SaveProtection(c.UserContext(), seen, rules)
	if errors.Is(err, newsletter.ErrChanged) {
		return s.showProtection(c, http.StatusConflict, page, n, set, views.FieldErrors{"": someoneElse})
	}
	if err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved.")
	return redirect(c, "/newsletters/"+n.Slug+"/protection")
}
