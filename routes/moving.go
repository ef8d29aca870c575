package routes

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// DestinationStore is what the pages about a tenant's several CRMs read and change; db.DB is
// one, and documents the methods.
type DestinationStore interface {
	Destinations(ctx context.Context, tenantID string) ([]db.Destination, error)
	Missing(ctx context.Context, key db.DestinationKey) (int, error)
	WouldEnd(ctx context.Context, key db.DestinationKey, all bool, newsletters []string) (int, error)
	SetNewsletters(ctx context.Context, key db.DestinationKey, all bool, newsletters []string) (ended int, err error)
	RemoveDestination(ctx context.Context, key db.DestinationKey) error
}

// A batch takes a call that looks its people up and one that writes, each of which takes
// about so long where nothing is in the way.
const (
	callsOfABatch = 2
	callTakes     = time.Second
	longWindow    = time.Hour // of a limit that sending many can reach: a shorter one only slows it down
)

// everybody handles GET /integrations/{service}/everybody: whether all who have signed up
// before are sent to a CRM as well, and how many are in which.
func (s *server) everybody(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	d := s.here(c)
	page := views.EverybodyPage{Page: s.page(c, "Send everybody to "+card.Name, views.NavIntegrations), Card: card,
		Actions: actionList(s.crm(c), card, who(c).overview.Actions, views.ActionSend)}
	page.UnderWay = page.Actions.UnderWay(views.ActionSend)
	if page.N, err = s.Health.Missing(c.UserContext(), d.Key()); err != nil {
		return err
	}
	if page.Newsletters, err = s.feedNames(c, d); err != nil {
		return err
	}
	set, err := s.Health.DeliverySettings(c.UserContext(), d.Key())
	if err != nil {
		return err
	}
	page.Estimate = s.estimate(c, d, page.N, set.Share)
	page.Counts = s.counts(c, d)
	return render(c, http.StatusOK, views.Everybody(page))
}

// counts are how many are in which of the tenant's CRMs, on the page of a destination.
func (s *server) counts(c *fiber.Ctx, d destination) views.Counts {
	v := views.Counts{Service: s.crm(c).Service}
	for _, one := range s.destinations(c) {
		v.All = append(v.All, views.CRMCount{CRM: viewCRM(wordsOf(one)), Totals: totals(wordsOf(one), one.Sums)})
		v.Waits = v.Waits || one.waiting() > 0
		if one.ID != d.ID {
			v.Removable = append(v.Removable, viewCRM(wordsOf(one)))
		}
	}
	return v
}

// countsPart handles GET /integrations/{service}/everybody/live, which the page polls.
func (s *server) countsPart(c *fiber.Ctx) error {
	counts := s.counts(c, s.here(c))
	if counts.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	return render(c, http.StatusOK, views.CountsLive(counts))
}

// sendEverybody handles POST /integrations/{service}/everybody.
func (s *server) sendEverybody(c *fiber.Ctx) error {
	return s.start(c, db.Action{Kind: db.ActionSend}, healthURL(c)+"/everybody")
}

// feedNames are the names of the newsletters that feed a destination; none when all do.
func (s *server) feedNames(c *fiber.Ctx, d destination) (names []string, err error) {
	if d.All {
		return nil, nil
	}
	all, err := s.Newsletters.OfTenant(c.UserContext(), d.TenantID)
	for _, n := range all {
		if d.FedBy(n.ID) {
			names = append(names, n.Name)
		}
	}
	return names, err
}

// estimate is about what it takes to send n people to a CRM of whose limit a share, in percent,
// may be used.
func (s *server) estimate(c *fiber.Ctx, d destination, n, share int) views.Estimate {
	p := s.crm(c)
	batches := (n + p.Batch - 1) / p.Batch
	e := views.Estimate{Calls: batches * callsOfABatch, Unit: p.Limit().Unit, Window: p.Limit().Window, Left: -1, Took: time.Duration(batches) * callsOfABatch * callTakes}
	if u := d.Usage; u.Allowed > 0 && p.Limit().Window >= longWindow && who(c).now.Sub(u.At) < p.Limit().Window {
		e.Left = max(0, u.Allowed*share/100-u.Used)
	}
	return e
}

// neverSent is how many active subscribers at least have not entered a destination that all
// newsletters feed, by the counts that are kept. Whom they don't tell of, Missing counts.
func (s *server) neverSent(c *fiber.Ctx, d destination) int {
	o := who(c).overview
	sending := slices.ContainsFunc(o.Actions, func(a db.Action) bool {
		return a.Kind == db.ActionSend && a.DestinationID == d.ID && a.EndedAt.IsZero()
	})
	if !d.All || sending {
		return 0
	}
	return max(0, o.Sums[db.Active]-d.Sums.People())
}

// confirmRemove handles GET /integrations/{service}/remove.
func (s *server) confirmRemove(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	d := s.here(c)
	if d.Service == "" {
		s.flash(c, views.FlashInfo, card.Name+" is not connected.")
		return redirect(c, healthURL(c))
	}
	page := views.RemovePage{Page: s.page(c, "Remove "+card.Name, views.NavIntegrations), Card: card, Waiting: d.waiting(), Refused: d.inAttention(),
		There: d.count(func(i db.StateInfo) bool { return i.Arrived }), Last: len(s.destinations(c)) == 1}
	if page.Unfed, err = s.unfedWithout(c, d); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Remove(page))
}

// unfedWithout are the names of the newsletters that feed a destination and no other one.
func (s *server) unfedWithout(c *fiber.Ctx, d destination) (names []string, err error) {
	all, err := s.Newsletters.OfTenant(c.UserContext(), d.TenantID)
	for _, n := range all {
		others := slices.ContainsFunc(s.destinations(c), func(one destination) bool { return one.ID != d.ID && one.FedBy(n.ID) })
		if d.FedBy(n.ID) && !others {
			names = append(names, n.Name)
		}
	}
	return names, err
}

// remove handles POST /integrations/{service}/remove. The connection is given up first, so
// that nothing is sent any more.
func (s *server) remove(c *fiber.Ctx) error {
	d, name := s.here(c), s.crm(c).Name
	if d.Service == "" {
		s.flash(c, views.FlashInfo, name+" was removed already.")
		return redirect(c, "/integrations")
	}
	ending, err := s.Vault.EndBy(c.UserContext(), d.Service, d.TenantID, who(c).User.ID)
	if err != nil && !errors.Is(err, identity.ErrNotConnected) {
		return err
	}
	switch err := s.Health.RemoveDestination(c.UserContext(), d.Key()); {
	case errors.Is(err, db.ErrConflict):
		s.flash(c, views.FlashWarning, name+" was connected again meanwhile. Nothing was removed; please look at the connection below.")
		return redirect(c, "/integrations")
	case err != nil && !errors.Is(err, db.ErrNotFound):
		return err
	}
	kind, text := views.FlashSuccess, ""
	if ending != "" {
		kind, text = ended(name, ending)
	}
	s.flash(c, kind, "Sign-ups don’t go to "+name+" any more. Its "+s.crm(c).Records+" stay there. "+text)
	return redirect(c, "/integrations")
}

// choice is a choice of the newsletters that feed a CRM.
type choice struct {
	all bool
	ids []string // of those that do, unless all do
}

// feeds handles GET /integrations/{service}/newsletters: which of them feed a CRM.
func (s *server) feeds(c *fiber.Ctx) error {
	letters, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	d := s.here(c)
	return s.showFeeds(c, http.StatusOK, letters, choice{d.All, d.Newsletters}, 0, "")
}

// showFeeds shows a choice of newsletters, with how many it would end and what is wrong.
func (s *server) showFeeds(c *fiber.Ctx, status int, letters []db.Newsletter, chosen choice, ends int, wrong string) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	page := views.FeedsPage{Page: s.page(c, card.Name+" newsletters", views.NavIntegrations), Card: card, All: chosen.all, Ends: ends, Error: wrong}
	for _, n := range letters {
		page.Newsletters = append(page.Newsletters, views.Choice{Name: "newsletter", Value: n.Slug, Label: n.Name, Checked: !chosen.all && slices.Contains(chosen.ids, n.ID), Checkbox: true})
	}
	return render(c, status, views.Feeds(page))
}

// readFeeds is what was chosen of the tenant's newsletters, or what is wrong with it.
func (s *server) readFeeds(c *fiber.Ctx, letters []db.Newsletter) (chosen choice, wrong string) {
	if all := field(c, "all") == "all"; all && s.here(c).All && len(fieldValues(c, "newsletter")) > 0 {
		return choice{all: true}, "Nothing was saved: newsletters were ticked, but all were chosen. Please choose “Only these”, or leave them unticked."
	} else if all {
		return choice{all: true}, ""
	}
	for _, slug := range fieldValues(c, "newsletter") {
		n, ok := bySlug(letters, slug)
		if !ok {
			wrong = "Nothing was saved: one of the newsletters is not there any more."
			continue
		}
		chosen.ids = append(chosen.ids, n.ID)
	}
	if wrong == "" && (field(c, "all") != "named" || len(chosen.ids) == 0) {
		wrong = "Please choose one newsletter at least. To stop all of them, disconnect " + s.crm(c).Name + " or remove it."
	}
	return chosen, wrong
}

// setFeeds handles POST /integrations/{service}/newsletters. Before anything ends that waits,
// it says how many do, and asks.
func (s *server) setFeeds(c *fiber.Ctx) error {
	letters, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	d := s.here(c)
	chosen, wrong := s.readFeeds(c, letters)
	if wrong != "" {
		return s.showFeeds(c, http.StatusUnprocessableEntity, letters, chosen, 0, wrong)
	}
	if field(c, "sure") == "" {
		ends, err := s.Health.WouldEnd(c.UserContext(), d.Key(), chosen.all, chosen.ids)
		if err != nil {
			return err
		}
		if ends > 0 {
			return s.showFeeds(c, http.StatusOK, letters, chosen, ends, "")
		}
	}
	ends, err := s.Health.SetNewsletters(c.UserContext(), d.Key(), chosen.all, chosen.ids)
	if err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, views.FeedsSaved(ends))
	return s.afterFeeds(c, d, chosen)
}

// afterFeeds leads on: where a newsletter was added, to sending those who have signed up for
// it before.
func (s *server) afterFeeds(c *fiber.Ctx, was destination, chosen choice) error {
	added := !was.All && (chosen.all || slices.ContainsFunc(chosen.ids, func(id string) bool { return !slices.Contains(was.Newsletters, id) }))
	if !added {
		return redirect(c, healthURL(c)+"/settings")
	}
	n, err := s.Health.Missing(c.UserContext(), was.Key())
	if err != nil {
		return err
	}
	if n > 0 {
		return redirect(c, healthURL(c)+"/everybody")
	}
	return redirect(c, healthURL(c)+"/settings")
}

// offered is where somebody goes on who has connected a CRM: to sending everybody there who
// has signed up before, where there are some, or to the integrations.
func (s *server) offered(c *fiber.Ctx, p *crm.Provider) (path string, err error) {
	d, ok := s.destination(c, p.Service)
	if !ok {
		return "/integrations", nil
	}
	n, err := s.Health.Missing(c.UserContext(), d.Key())
	if n == 0 {
		return "/integrations", err
	}
	return string(views.ServicePage(p.Service)) + "/everybody", err
}
