package routes

import (
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// destination is a CRM that the tenant's sign-ups go to, with what is known of the way
// there; or where they wait for one.
type destination struct {
	crm     *crm.Provider // nil where they wait for one
	sums    db.Sums
	pause   db.Pause
	usage   db.Usage
	recount db.LastRecount
	due     time.Time // since when the one is due that has been for longest; zero when nobody waits
}

// waiting is how many wait.
func (d destination) waiting() int {
	return d.count(func(s db.StateInfo) bool { return s.Waits })
}

// inAttention is how many need attention.
func (d destination) inAttention() int {
	return d.count(func(s db.StateInfo) bool { return s.Attention })
}

func (d destination) count(counts func(db.StateInfo) bool) (n int) {
	for _, state := range db.States() {
		if counts(state) {
			n += d.sums[state.State]
		}
	}
	return n
}

// destinations are the tenant's, in the order in which they were made. There is one at
// least.
func (s *server) destinations(c *fiber.Ctx) []destination {
	o := who(c).overview
	only := destination{sums: o.Sums, pause: o.Pause, usage: o.Usage, recount: o.Recount, due: o.Due}
	if p := s.CRMs.ForSignUps(); len(s.CRMs) == 1 || s.everConnected(c, p.Service) {
		only.crm = p
	}
	return []destination{only}
}

// everConnected reports whether the tenant is connected to a service, or was.
func (s *server) everConnected(c *fiber.Ctx, service string) bool {
	return slices.ContainsFunc(who(c).connections, func(connection identity.Connection) bool {
		return connection.ID == service && (connection.Identity != nil || !connection.Ended.At.IsZero())
	})
}

// destination is the tenant's in a CRM; ok is false when no sign-ups go there.
func (s *server) destination(c *fiber.Ctx, service string) (d destination, ok bool) {
	for _, d := range s.destinations(c) {
		if d.crm != nil && d.crm.Service == service {
			return d, true
		}
	}
	return destination{}, false
}

// crmsOf are the CRMs that the tenant's sign-ups go to.
func (s *server) crmsOf(c *fiber.Ctx) (all crm.Providers) {
	for _, d := range s.destinations(c) {
		if d.crm != nil {
			all = append(all, d.crm)
		}
	}
	return all
}

// asked is the destination that the query names with in; the first when it names none.
func (s *server) asked(c *fiber.Ctx) destination {
	if d, ok := s.destination(c, c.Query("in")); ok {
		return d
	}
	return s.destinations(c)[0]
}

// askedFor is the service of the destination that the query names; empty for the first.
func (s *server) askedFor(c *fiber.Ctx) string {
	if first, d := s.destinations(c)[0], s.asked(c); d.crm != first.crm {
		return d.crm.Service
	}
	return ""
}

// crmTabs choose one of several destinations, of which d is shown; url is the address of the
// page about a service's, about the first one's when it is empty.
func crmTabs(all []destination, d destination, url func(service string) string) (tabs []views.Tab) {
	if len(all) < 2 {
		return nil
	}
	for i, one := range all {
		service := one.crm.Service
		if i == 0 {
			service = ""
		}
		tabs = append(tabs, views.Tab{Text: one.crm.Name, URL: url(service), Current: one.crm == d.crm})
	}
	return tabs
}

// crm is the CRM that the page is about: that in its address, or nil when there is none.
func (s *server) crm(c *fiber.Ctx) *crm.Provider { return s.CRMs.Of(c.Params("service")) }

// anyCRM has the words for a CRM that isn't named: there is none yet, or there are several.
var anyCRM = &crm.Provider{Name: "your CRM", Record: "record", Records: "records", Access: map[string]crm.Explanation{
	"NOT_CONNECTED": {Title: "No CRM connected yet", Label: "No CRM yet", What: "No CRM is connected yet.", Who: crm.You,
		Mend: "Connect one under Integrations: whoever signed up waits here until then."},
}}

// words has the words for the CRM that the page is about. Where it is about all of the
// tenant's, that is the only one, or one without a name.
func (s *server) words(c *fiber.Ctx) *crm.Provider {
	if p := s.crm(c); p != nil {
		return p
	}
	if all := s.crmsOf(c); len(all) == 1 {
		return all[0]
	}
	return anyCRM
}

// wordsFor has the words for the CRM of a card.
func (s *server) wordsFor(card views.Integration) *crm.Provider {
	if p := s.CRMs.Of(card.Service); p != nil {
		return p
	}
	return anyCRM
}

// wordsOf has the words for a destination.
func wordsOf(d destination) *crm.Provider {
	if d.crm == nil {
		return anyCRM
	}
	return d.crm
}
