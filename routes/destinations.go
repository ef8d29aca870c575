package routes

import (
	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// destination is a CRM that the tenant's sign-ups go to, with what is known of the way
// there; or where they wait for one.
type destination struct {
	db.DestinationOverview
	crm *crm.Provider // nil where they wait for one, of which there are several
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
			n += d.Sums[state.State]
		}
	}
	return n
}

// destinations are the tenant's, in the order in which they were made. There is one at
// least. The one that waits for a first CRM is that of the only CRM, where there is but one.
func (s *server) destinations(c *fiber.Ctx) []destination {
	all := make([]destination, len(who(c).overview.Destinations))
	for i, o := range who(c).overview.Destinations {
		all[i] = destination{o, s.CRMs.Of(o.Service)}
		if o.Service != "" {
			continue
		}
		if all[i].Pause.Reason == "" { // nobody has tried to send yet
			all[i].Pause.Reason = crm.NotConnected
		}
		if len(s.CRMs) == 1 {
			all[i].crm = s.CRMs[0]
		}
	}
	return all
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
	if first, d := s.destinations(c)[0], s.asked(c); d.ID != first.ID {
		return d.Service
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
		service := one.Service
		if i == 0 {
			service = ""
		}
		tabs = append(tabs, views.Tab{Text: wordsOf(one).Name, URL: url(service), Current: one.ID == d.ID})
	}
	return tabs
}

// crm is the CRM that the page is about: that in its address, or nil when there is none.
func (s *server) crm(c *fiber.Ctx) *crm.Provider { return s.CRMs.Of(c.Params("service")) }

// here is the destination of the CRM that the page is about. Pages for which crmOnly answers
// first have one.
func (s *server) here(c *fiber.Ctx) destination {
	d, _ := s.destination(c, c.Params("service"))
	return d
}

// destinationOf is the tenant's destination with an id.
func (s *server) destinationOf(c *fiber.Ctx, id string) (d destination, ok bool) {
	for _, d := range s.destinations(c) {
		if d.ID == id {
			return d, true
		}
	}
	return destination{}, false
}

// words has the words for the CRM that the page is about. Where it is about all of the
// tenant's, that is the only one, or one without a name.
func (s *server) words(c *fiber.Ctx) *crm.Provider {
	if p := s.crm(c); p != nil {
		return p
	}
	if all := s.crmsOf(c); len(all) == 1 {
		return all[0]
	}
	if len(s.CRMs) == 1 { // nobody is logged in
		return s.CRMs[0]
	}
	return crm.Any
}

// wordsOf has the words for a destination.
func wordsOf(d destination) *crm.Provider {
	if d.crm == nil {
		return crm.Any
	}
	return d.crm
}
