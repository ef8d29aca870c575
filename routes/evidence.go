package routes

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// consentRecord handles GET /subscribers/{id}/consent: what somebody agreed to, as evidence to be
// printed. Each act has the words that were shown, as they were shown, to the second.
func (s *server) consentRecord(c *fiber.Ctx) error {
	sub, err := s.subscriber(c)
	if err != nil {
		return err
	}
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	h, err := s.Health.History(ctx, tenant, sub.ID)
	if err != nil {
		return err
	}
	mails, err := s.Health.ConfirmationMails(ctx, tenant, sub.ID)
	if err != nil {
		return err
	}
	page := views.ConsentPage{Page: s.page(c, "Consent of "+nameOf(sub), views.NavSubscribers), ID: sub.ID, Name: nameOf(sub), Email: sub.Email, Newsletter: sub.Newsletter,
		Status: viewState(s.words(c), sub.Status.Info()), PrintedAt: toTheSecond(s.Now()), Recorded: len(h.Consents) > 0, Earlier: len(h.Consents) >= db.HistoryLimit}
	for _, e := range h.Corrections {
		page.Acts = append(page.Acts, addressChanges(e)...)
	}
	for _, given := range h.Consents {
		page.Acts = append(page.Acts, consentAct(given))
	}
	slices.Reverse(page.Acts)
	slices.SortStableFunc(page.Acts, func(a, b views.ConsentAct) int { return strings.Compare(a.At, b.At) })
	for _, m := range mails {
		page.Mails = append(page.Mails, views.ConsentMail{SentAt: toTheSecond(m.MadeAt), OpenedAt: toTheSecond(m.OpenedAt), PressedAt: toTheSecond(m.PressedAt)})
	}
	return render(c, http.StatusOK, views.Consent(page))
}

// toTheSecond is a time as evidence has it; nothing for none.
func toTheSecond(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// addressChanges are what an edit did to the address: what was agreed to before is of another one then.
func addressChanges(e db.Correction) (all []views.ConsentAct) {
	for _, c := range e.Changes {
		if c.Field == "email" {
			all = append(all, views.ConsentAct{Title: "Address changed", At: toTheSecond(e.At), Facts: []views.Filled{{Label: "From", Value: c.Was}, {Label: "To", Value: c.Is}, {Label: "By", Value: cmp.Or(e.Actor, "–")}}})
		}
	}
	return all
}

// actTitles are what the acts are called.
var actTitles = map[db.ConsentAct]string{
	db.ConsentGiven:     "Consent given",
	db.ConsentConfirmed: "Confirmed by pressing the button of the confirmation mail",
	db.ConsentWithdrawn: "Consent withdrawn",
}

// consentAct is an act in words.
func consentAct(c db.Consent) views.ConsentAct {
	a := views.ConsentAct{Title: actTitles[c.Act], At: toTheSecond(c.At), Words: c.Words}
	if c.Elsewhere() {
		a.Title = "Confirmed elsewhere, as the program said that handed it on"
	}
	fact := func(label, value string) {
		if value != "" {
			a.Facts = append(a.Facts, views.Filled{Label: label, Value: value})
		}
	}
	if c.Act == db.ConsentWithdrawn {
		fact("How", waysOut[c.How].how)
		return a
	}
	shown := c.Shown
	if shown == (db.Presentation{}) {
		fact("Shown", "Not recorded: this is from an earlier version of Gatepost.")
	} else if shown.Box {
		fact("Shown", "Beside a box that was ticked, above the button “"+shown.Button+"”")
	} else {
		fact("Shown", "Above the button “"+shown.Button+"”")
	}
	fact("Newsletter", shown.Newsletter)
	fact("Sender", shown.Sender)
	fact("Privacy policy", shown.Privacy)
	fact("Language", shown.Language)
	if c.Version > 0 {
		fact("Form", "version "+strconv.Itoa(c.Version))
	}
	if c.Act == db.ConsentConfirmed {
		return a
	}
	fact("Came", cmp.Or(sourceNames[c.Source].where, c.Source))
	fact("Page", c.Page)
	fact("IP address", c.From.IP)
	fact("Browser", c.From.UserAgent)
	return a
}
