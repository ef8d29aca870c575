package routes

import (
	"bufio"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/csvout"
	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
)

const (
	subscribersPage = 20  // rows of a page
	searchedLetters = 100 // of what is typed, at most
)

// subscribers handles GET /subscribers, and its results alone when htmx asks
// while somebody types.
func (s *server) subscribers(c *fiber.Ctx) error {
	filter := s.subscriberFilter(c)
	if wantsFragment(c) && filter.When == views.SignedUpBetween && !c.Context().QueryArgs().Has("from") {
		c.Set("HX-Redirect", subscribersURL(filter)) // the form is to have fields for the dates
		return c.SendStatus(http.StatusNoContent)
	}
	q := s.subscriberQuery(c, filter)
	if at := q.After + q.Before; at != "" && uuid.Validate(at) != nil {
		return redirect(c, subscribersURL(filter))
	}
	found, err := s.Newsletters.Subscribers(c.UserContext(), who(c).Tenant.ID, q)
	if err != nil {
		return err
	}
	filter.Order = string(found.Order)
	if len(found.Rows) == 0 && q.After+q.Before != "" { // nobody there: the first page, rather than an empty one
		return redirect(c, subscribersURL(filter))
	}
	page := s.subscribersList(c, filter, found)
	if wantsFragment(c) {
		c.Set("HX-Push-Url", subscribersURL(filter))
		return render(c, http.StatusOK, views.SubscribersUpdate(page))
	}
	page.Page = s.page(c, "Subscribers", views.NavSubscribers)
	return render(c, http.StatusOK, views.Subscribers(page))
}

// subscriberFilter is what the query asks for, as far as there is such a thing.
func (s *server) subscriberFilter(c *fiber.Ctx) views.SubscriberFilter {
	f := views.SubscriberFilter{Query: shortened(strings.TrimSpace(c.Query("q")), searchedLetters), In: s.askedFor(c), State: string(knownState(c.Query("state"))),
		Newsletter: shortened(c.Query("newsletter"), 100), Cause: shortened(c.Query("cause"), 100), Order: c.Query("sort")}
	if !db.Order(f.Order).Known() {
		f.Order = ""
	}
	f.From, f.To = dateText(c.Query("from")), dateText(c.Query("to"))
	if f.When = c.Query("when"); f.From+f.To != "" {
		f.When = cmp.Or(f.When, views.SignedUpBetween)
	}
	if !slices.ContainsFunc(whens, func(o views.Option) bool { return o.Value == f.When }) {
		f.When = ""
	}
	if f.When != views.SignedUpBetween {
		f.From, f.To = "", ""
	}
	return f
}

// shortened is s with at most n characters.
func shortened(s string, n int) string {
	if short := []rune(strings.ToValidUTF8(s, "")); len(short) > n {
		return string(short[:n])
	}
	return strings.ToValidUTF8(s, "")
}

// dateText is a date as a form sends it, or nothing.
func dateText(text string) string {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return ""
	}
	return text
}

// whens are the times of signing up that can be chosen.
var whens = []views.Option{{Text: "Any time"}, {Value: "today", Text: "Today"}, {Value: "7d", Text: "Last 7 days"}, {Value: "30d", Text: "Last 30 days"},
	{Value: views.SignedUpBetween, Text: "Between two dates"}}

// subscriberQuery is what is asked of the database for a filter. Days are those of the
// organisation's zone.
func (s *server) subscriberQuery(c *fiber.Ctx, f views.SubscriberFilter) db.SubscriberQuery {
	q := db.SubscriberQuery{Text: f.Query, Destination: s.asked(c).ID, State: db.State(f.State), Reason: f.Cause, Newsletter: f.Newsletter, Order: db.Order(f.Order),
		After: c.Query("after"), Before: c.Query("before"), Limit: subscribersPage}
	if q.After != "" {
		q.Before = ""
	}
	v := who(c)
	today := v.now.In(v.zone)
	switch f.When {
	case "today":
		q.From = daysAfter(today, 0, v.zone)
	case "7d":
		q.From = daysAfter(today, -6, v.zone)
	case "30d":
		q.From = daysAfter(today, -29, v.zone)
	}
	if day, err := time.Parse(time.DateOnly, f.From); err == nil {
		q.From = daysAfter(day, 0, v.zone)
	}
	if day, err := time.Parse(time.DateOnly, f.To); err == nil {
		q.To = daysAfter(day, 1, v.zone)
	}
	return q
}

// daysAfter is the first moment, in a zone, of the day that is n days after a date.
func daysAfter(date time.Time, n int, zone *time.Location) time.Time {
	y, m, d := date.Date()
	return startOfDay(y, m, d+n, zone)
}

// subscribersURL is the list with a filter, and what more is given as names and values.
func subscribersURL(f views.SubscriberFilter, more ...string) string {
	return "/subscribers" + filterQuery(f, more...)
}

func filterQuery(f views.SubscriberFilter, more ...string) string {
	q := query(append([]string{"q", f.Query, "in", f.In, "state", f.State, "newsletter", f.Newsletter, "cause", f.Cause, "when", f.When, "from", f.From, "to", f.To, "sort", f.Order}, more...)...)
	if q == "" {
		return ""
	}
	return "?" + q
}

// subscribersList is the page without what it shares with all others.
func (s *server) subscribersList(c *fiber.Ctx, f views.SubscriberFilter, found newsletter.Page) views.SubscribersPage {
	all, d := s.destinations(c), s.asked(c)
	p := views.SubscribersPage{Filter: f, Empty: who(c).overview.Sums.People() == 0, CRMs: crmTabs(all, d, func(service string) string { f := f; f.In = service; return subscribersURL(f) }),
		States: stateTabs(wordsOf(d), f, d.Sums, who(c).overview.Sums), Whens: whens, Causes: causeOptions(wordsOf(d), f, found.Filters),
		First: found.First, Total: found.Total, More: found.More, CSVURL: "/subscribers.csv" + filterQuery(f), ClearURL: subscribersURL(views.SubscriberFilter{In: f.In, Order: f.Order})}
	p.Newsletters = []views.Option{{Text: "All newsletters"}}
	for _, n := range found.Filters.Newsletters {
		p.Newsletters = append(p.Newsletters, views.Option{Value: n.Slug, Text: n.Name})
		p.FormURL = cmp.Or(p.FormURL, s.URL+"/signup/"+n.Slug)
	}
	for _, st := range found.Rows {
		p.Rows = append(p.Rows, s.rowOf(all, st.Subscriber))
	}
	if n := len(found.Rows); n > 0 && found.Previous {
		p.PreviousURL = subscribersURL(f, "before", found.Rows[0].ID)
	}
	if n := len(found.Rows); n > 0 && found.Next {
		p.NextURL = subscribersURL(f, "after", found.Rows[n-1].ID)
	}
	ordered := func(by db.Order) string {
		f.Order = string(by)
		return subscribersURL(f)
	}
	p.ByTimeURL = ordered(db.Newest)
	if found.Order == db.Newest {
		p.ByTimeURL = ordered(db.Oldest)
	}
	if found.Total <= db.CountedSubscribers && !found.More {
		p.ByAddressURL, p.ByNameURL = ordered(db.ByAddress), ordered(db.ByName)
	}
	return p
}

// stateTabs are the states with how many are in each, by the counts that are kept of a
// destination and of people. Who is active is everybody, but for those who left.
func stateTabs(p *crm.Provider, f views.SubscriberFilter, sums, people db.Sums) []views.Tab {
	tab := func(state, text string, n int) views.Tab {
		current := f.State == state
		f := f
		f.State = state
		return views.Tab{Text: text, URL: subscribersURL(f), Count: n, Current: current}
	}
	tabs := []views.Tab{tab("", "All", people.People()-people[db.Erasing])}
	for _, info := range db.States() {
		n, chosen := sums[info.State], f.State == string(info.State)
		if info.Reader {
			n = people[info.State]
		}
		if info.Gone || info.Hidden || info.State == db.Active && !chosen {
			continue
		}
		if info.Main || n > 0 || chosen {
			tabs = append(tabs, tab(string(info.State), p.Fill(info.Label), n))
		}
	}
	return tabs
}

// causeOptions are why anybody waits or needs attention, and what is chosen.
func causeOptions(p *crm.Provider, f views.SubscriberFilter, of db.Filters) []views.Option {
	codes := []string{}
	if of.Pause.Reason != "" {
		codes = append(codes, of.Pause.Reason)
	}
	for _, cause := range of.Causes {
		codes = append(codes, cause.Reason)
	}
	if f.Cause != "" {
		codes = append(codes, f.Cause)
	}
	slices.Sort(codes)
	options := []views.Option{}
	for _, code := range slices.Compact(codes) {
		label := deliveryReason(p, db.Attention, code).Label
		if slices.ContainsFunc(options, func(o views.Option) bool { return o.Text == label }) {
			label += " (" + code + ")"
		}
		options = append(options, views.Option{Value: code, Text: label})
	}
	slices.SortFunc(options, func(a, b views.Option) int { return strings.Compare(a.Text, b.Text) })
	return append([]views.Option{{Text: "Any cause"}}, options...)
}

// rowOf is somebody as a row of the table.
func (s *server) rowOf(all []destination, sub db.Subscriber) views.SubscriberRow {
	r := views.SubscriberRow{ID: sub.ID, Email: sub.Email, Name: strings.TrimSpace(sub.FirstName + " " + sub.LastName), Newsletter: sub.Newsletter, Status: viewState(crm.Any, sub.Status.Info()), SignedUpAt: sub.CreatedAt}
	for _, d := range s.deliveriesOf(all, sub) {
		r.Deliveries = append(r.Deliveries, d.view())
	}
	return r
}

// causeURL is the page about a cause; while there is no CRM, that on which one connects one.
func causeURL(p *crm.Provider, state, code string) string {
	if p == crm.Any {
		return "/integrations"
	}
	return "/integrations/" + p.Service + "/problems/" + url.PathEscape(state) + "/" + url.PathEscape(code)
}

// subscribersCSV handles GET /subscribers.csv: all who are found, written as they are read.
func (s *server) subscribersCSV(c *fiber.Ctx) error {
	tenant, q := who(c).Tenant.ID, s.subscriberQuery(c, s.subscriberFilter(c))
	q.After, q.Before, q.Limit = "", "", csvPage
	first, err := s.Newsletters.Subscribers(c.UserContext(), tenant, q)
	if err != nil {
		return err
	}
	q.Order, q.Uncounted = first.Order, true
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Attachment("subscribers.csv")
	ctx, log, all := context.WithoutCancel(c.UserContext()), s.log, s.destinations(c)
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		out := csvout.NewWriter(w)
		out.Write(csvHead(all)...)
		for page := first; ; {
			for _, st := range page.Rows {
				out.Write(csvRow(all, st.Subscriber, s.Newsletters.UnsubscribeAddress(st.TenantID, st.ID))...)
			}
			if out.Flush() != nil || !page.Next {
				return // the reader has gone, or that was all
			}
			q.After = page.Rows[len(page.Rows)-1].ID
			if page, err = s.Newsletters.Subscribers(ctx, tenant, q); err != nil {
				log.ErrorContext(ctx, "a CSV file was broken off", "tenant", tenant, "error", err)
				return
			}
		}
	})
	return nil
}
