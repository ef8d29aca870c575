package routes

import (
	"net/http"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// statusPage handles GET /integrations/{service}: how a CRM gets sign-ups.
func (s *server) statusPage(c *fiber.Ctx) error {
	live, err := s.wholeStatus(c)
	if err != nil {
		return err
	}
	page := views.StatusPage{Page: s.page(c, live.Card.Name+" status", views.NavIntegrations), Live: live, Actions: actionList(s.crm(c), live.Card, who(c).overview.Actions, "")}
	page.OwnAlert = tellsItself(live)
	return render(c, http.StatusOK, views.StatusOf(page))
}

// statusPart handles GET /integrations/{service}/live, which the page polls.
func (s *server) statusPart(c *fiber.Ctx) error {
	live, err := s.crmStatus(c, c.Params("service"))
	if err != nil {
		return err
	}
	live.Range = rangeOf(c.Query("range")).id
	if live.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	if live, err = s.wholeStatus(c); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.StatusLive(live))
}

// wholeStatus is the status with its chart, and what takes longer to read.
func (s *server) wholeStatus(c *fiber.Ctx) (views.Status, error) {
	live, err := s.crmStatus(c, c.Params("service"))
	if err != nil {
		return live, err
	}
	r := rangeOf(c.Query("range"))
	starts := r.starts(live.Now, who(c).zone)
	read, err := s.Health.Health(c.UserContext(), s.here(c).Key(), spans(starts))
	if err != nil {
		return live, err
	}
	told(&live, read)
	live.Unmapped = !read.Mapped
	live.Chart, live.Range = chart(s.crm(c), r, starts, read.SignUps, string(views.ServicePage(live.Card.Service)), ""), r.id
	live.Chart.Named = true
	return live, nil
}

// crmStatus is what is known of a CRM by the overview, without what takes longer to read:
// that is the same while the version is.
func (s *server) crmStatus(c *fiber.Ctx, service string) (live views.Status, err error) {
	if live.Card, err = s.card(c, service); err != nil {
		return live, err
	}
	d, _ := s.destination(c, service)
	live.Several = len(s.destinations(c)) > 1
	live.CSRF, live.Now, live.LastEvent, live.Zone = live.Card.CSRF, who(c).now, who(c).overview.LastEvent, who(c).overview.TimeZone
	s.measure(c, &live, d)
	live.NeverSent = s.neverSent(c, d)
	return live, nil
}

// measure fills in what is known of a destination, and of the tenant's people.
func (s *server) measure(c *fiber.Ctx, live *views.Status, d destination) {
	p, o := wordsOf(d), who(c).overview
	live.Totals, live.People = totals(p, d.Sums), peopleTotals(p, o.Sums)
	live.Before = arrivedOf(live.Totals) > 0
	if d.crm != nil {
		live.Usage = views.Usage{Unit: p.Limit().Unit, Window: p.Limit().Window, Used: d.Usage.Used, Allowed: d.Usage.Allowed, Ours: d.Usage.Ours, At: d.Usage.At}
	}
	live.Recount = views.Recount{At: o.Recount.At, Took: o.Recount.Took, Wrong: o.Recount.Wrong,
		People: peopleTotals(p, o.Recount.Rows.Subscribers), Rows: totals(p, o.Recount.Rows.Destinations[d.ID])}
	live.Pause = pause(p, d.Pause, live.Card, live.Now)
}

// tellsItself reports whether a page with the status says what the alert of all pages
// says: that may be about another service.
func tellsItself(live views.Status) bool {
	return live.Card.State == views.ConnectionBroken || live.Card.Failing
}

func arrivedOf(t views.Totals) (n int) {
	for _, s := range t.States {
		if s.State.Arrived {
			n += s.N
		}
	}
	return n
}

// told fills in what was read of the deliveries.
func told(live *views.Status, read db.Health) {
	live.LastDelivered, live.OldestWaiting, live.Elsewhere = read.LastDelivered, read.OldestWaiting, elsewhere(read.Orgs, live.Card)
	live.Before = live.Before || !read.LastDelivered.IsZero()
	for _, p := range read.Problems {
		if p.State.Info().Attention {
			live.Causes++
			if !p.Since.IsZero() && (live.CauseSince.IsZero() || p.Since.Before(live.CauseSince)) {
				live.CauseSince = p.Since
			}
		}
	}
}

// pause is why nothing is sent for now, nil when nothing stops it. A connection
// that is broken or missing is told by its own state.
func pause(of *crm.Provider, p db.Pause, card views.Integration, now time.Time) *views.Pause {
	if p.Reason == "" || p.Reason == crm.NotConnected || p.Reason == crm.Broken {
		return nil
	}
	e := explain(p.Reason, of.Sentence(p.Reason), card)
	ahead := p.Until.After(now)
	return &views.Pause{Code: p.Reason, Reason: e.What, Mend: e.Mend, Said: cut(p.Detail, 300), Until: p.Until,
		TryNow: ahead && p.Reason != crm.Spared && card.State == views.Connected, Spared: ahead && p.Reason == crm.Spared}
}

// sum handles GET /integrations/{service}/sum: the proof that nobody is missing. The
// overview has all that it tells.
func (s *server) sum(c *fiber.Ctx) error {
	live, err := s.crmStatus(c, c.Params("service"))
	if err != nil {
		return err
	}
	actions := actionList(s.crm(c), live.Card, who(c).overview.Actions, views.ActionRecount)
	return render(c, http.StatusOK, views.Sum(views.SumPage{Page: s.page(c, live.Accounted(), views.NavIntegrations), Live: live, Actions: actions}))
}
